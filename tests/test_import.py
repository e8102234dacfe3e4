"""Importing skgw does nothing but define names."""

import json
import subprocess
import sys

import pytest

# Runs in a fresh interpreter. What torch and scikit-learn do when imported is not ours to judge
# (sklearn.callback imports rich where it is installed): only what `import skgw` changes is told.
REPORT = """
import json, logging, random, sys
import numpy, torch, sklearn, sklearn.callback

def state():
    return {
        "log handlers": [repr(h) for h in logging.getLogger().handlers],
        "log level": logging.getLogger().level,
        "python random state": hash(random.getstate()),
        "numpy random state": hash(numpy.random.get_state()[1].tobytes()),
        "torch random state": hash(torch.random.get_rng_state().numpy().tobytes()),
        "torch threads": torch.get_num_threads(),
        "torch dtype": str(torch.get_default_dtype()),
        "torch grad mode": torch.is_grad_enabled(),
        "sklearn config": repr(sklearn.get_config()),
        "CUDA": torch.cuda.is_initialized(),
        "process group": torch.distributed.is_available() and torch.distributed.is_initialized(),
    }

modules, before = set(sys.modules), state()
{statement}
added, after = set(sys.modules) - modules, state()
own = [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "skgw"]
print(json.dumps({
    "packages": sorted({name.partition(".")[0] for name in added}),
    "changed": [key for key in before if before[key] != after[key]],
    "own log handlers": [name for name in own if logging.getLogger(name).handlers],
    "CUDA": after["CUDA"],
    "process group": after["process group"],
}))
"""


def report(statement):
    script = REPORT.replace("{statement}", statement)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def imported():
    return report("import skgw")


@pytest.mark.parametrize(
    "package", ["matplotlib", "networkx", "numba", "ot", "pandas", "polars", "rich"]
)
def test_optional_and_heavy_packages_wait_until_used(imported, package):
    assert package not in imported["packages"]


def test_the_functions_of_annotated_data_import_none_of_its_packages():
    packages = report("import skgw.interop")["packages"]
    assert "skgw" in packages
    assert not {"anndata", "h5py", "mudata", "pandas"} & set(packages)


def test_no_device_is_probed(imported):
    assert not imported["CUDA"]


def test_no_process_group(imported):
    assert not imported["process group"]


def test_no_log_handlers(imported):
    assert imported["own log handlers"] == []


def test_no_global_state_changes(imported):
    assert imported["changed"] == []


def test_the_report_sees_side_effects():
    seen = report(
        "import logging, matplotlib, random; random.seed(0); torch.manual_seed(0);"
        "logging.basicConfig(); logging.getLogger('skgw.x').addHandler(logging.NullHandler())"
    )
    assert "matplotlib" in seen["packages"]
    assert set(seen["changed"]) == {"log handlers", "python random state", "torch random state"}
    assert seen["own log handlers"] == ["skgw.x"]
