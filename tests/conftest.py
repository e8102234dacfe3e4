"""What all tests share: one thread, no window, array API checks, options and fixtures.

The environment is set before anything imports numpy, scipy or torch, and is inherited by the
subprocesses that tests start.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # tests run side by side, one core each
os.environ["MPLBACKEND"] = "Agg"
os.environ["SCIPY_ARRAY_API"] = "1"  # without it check_array_api_input is skipped

from pathlib import Path

import hypothesis
import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # GPU kernels run too, slowly; before triton is imported

# A shared machine is no place to time a test, and a failure has to come back on the next run.
hypothesis.settings.register_profile("skgw", deadline=None, derandomize=True)
hypothesis.settings.load_profile("skgw")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--data",
        type=Path,
        metavar="PATH",
        help="folder with downloaded data sets, for the tests that read them",
    )


def pytest_configure(config: pytest.Config) -> None:
    torch.set_num_threads(1)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")


@pytest.fixture(scope="session")
def data_path(request: pytest.FixtureRequest) -> Path:
    """The folder given with ``--data``."""
    path = request.config.getoption("--data")
    if path is None:
        pytest.skip("reads downloaded data: give their folder with --data PATH")
    if not path.is_dir():
        pytest.fail(f"--data {path}: no such folder")
    return path


@pytest.fixture
def double_by_default():
    """Results must not depend on torch's default; a test may set it back before it ends."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def frequent(monkeypatch):
    """Reports, validations and checkpoints of all trained estimators every 2 updates.

    Lines of progress by the clock are left out.
    """
    monkeypatch.setattr("skgw.base.trained.TrainedEstimator.report_every", 2)
    monkeypatch.setattr("skgw.base.progress.FIRST_LINE", 1e9)
