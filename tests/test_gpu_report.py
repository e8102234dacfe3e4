"""The report on a GPU: its sections on a CPU, tiny, and what it does where things go wrong."""

import json
import os
import subprocess
import sys

import pytest
import torch

from benchmarks import gpu_report
from benchmarks.solver import gpu

FIELDS = {
    "machine": {"versions", "python", "gpu"},
    "floor": {
        "product_tflops", "batched_product_tflops", "exp_per_ns", "vector_product_gbytes_per_s",
        "launch_us", "launch_and_synchronise_us",
    },
    "correct, torch": {"float64 L2", "float64 KL", "float32 L2", "float32 KL", "gradient_relative"},
    "linear, torch": {"2 x 12", "1 x 20"},
    "speed, torch": {"2 x 12", "1 x 20"},
    "speed, recorded": {"2 x 12", "1 x 20"},
    "speed, POT": {"1 x 12", "1 x 20"},
    "memory": {"20"},
    "fits": {
        "AlignFlow", "CycleGAN", "GWAutoencoder", "GWCoTrainedAutoencoders",
        "GWGenerativeEmbedding", "OTAutoencoderGAN", "UNIT", "VariationalAutoencoder",
        "WassersteinAutoencoder", "WassersteinGAN",
    },
}  # fmt: skip


@pytest.mark.parametrize("section", FIELDS)
def test_sections(section):
    figures = gpu_report.measure(section, "cpu")
    assert set(figures) == FIELDS[section]
    assert json.loads(json.dumps(figures)) == figures


def test_every_section_is_tried():
    assert set(gpu_report.TRIAL) - {"speed, OTT"} == set(FIELDS)  # JAX may be installed, or not
    assert set(gpu_report.TRIAL) <= set(gpu_report.SECTIONS)


def test_solutions_are_found_to_be_right():
    figures = gpu.correctness("cpu", "numba", n=12, batch=2)
    for name, tol in (("float64 L2", 1e-4), ("float32 KL", 3e-2)):
        assert figures[name]["converged"]
        assert figures[name]["on_device"]
        assert 0 < figures[name]["plan_l1"] < tol
    assert figures["gradient_relative"] < 1e-3


def test_wrong_solutions_are_found(monkeypatch):
    solve = gpu.solve

    def reversed_by_numba(Ca, Cb, backend, **options):
        return solve(Ca, Cb.flip(1, 2) if backend == "numba" else Cb, backend=backend, **options)

    monkeypatch.setattr(gpu, "solve", reversed_by_numba)
    assert gpu.correctness("cpu", "numba", n=12, batch=2)["float64 L2"]["plan_l1"] > 0.1


def test_tiles():
    pytest.importorskip("triton", reason="needs triton: pip install 'skgw[gpu]'")
    from skgw.solvers.experimental import newton_cg_triton

    usual = newton_cg_triton.TILE
    figures = gpu.tiles("cpu", cases=((1, 4),))
    assert all(set(times) == {"1 x 4"} for times in figures.values())
    assert usual == newton_cg_triton.TILE


def test_no_gpu(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    out = tmp_path / "report.json"
    monkeypatch.setattr(sys, "argv", ["gpu_report", "--out", str(out)])
    assert gpu_report.main() == 1
    assert "No GPU was found" in capsys.readouterr().out
    report = json.loads(out.read_text())
    assert report["device"] is None
    assert torch.__version__ in report["reason"]
    assert report["sections"]["machine"]["figures"]["versions"]["torch"]


def test_a_failure_is_recorded_and_the_rest_goes_on(monkeypatch, tmp_path, capsys):
    def run(command, **_):
        section = command[command.index("--section") + 1]
        if section == "floor":
            return subprocess.CompletedProcess(command, 1, "", "Traceback: no such kernel")
        if section == "memory":
            raise subprocess.TimeoutExpired(command, 1.0)
        return subprocess.CompletedProcess(command, 0, '{"1 x 3": {"ms": 1.5}}', "")

    monkeypatch.setattr(subprocess, "run", run)
    out = tmp_path / "report.json"
    monkeypatch.setattr(sys, "argv", ["gpu_report", "--device", "cpu", "--out", str(out)])
    assert gpu_report.main() == 1
    sections = json.loads(out.read_text())["sections"]
    assert sections["floor"]["status"] == "failed"
    assert sections["floor"]["traceback"] == "Traceback: no such kernel"
    assert sections["memory"]["status"] == "out of time"
    assert sections["speed, torch"] == {"status": "done", "figures": {"1 x 3": {"ms": 1.5}}}
    printed = capsys.readouterr().out
    assert "no such kernel" in printed
    assert "| speed, torch | 1 x 3 | ms 1.5 |" in printed


def test_it_ends_in_time(monkeypatch):
    monkeypatch.setattr(gpu_report, "TOTAL", 0.0)
    report = gpu_report.make_report("cpu")
    assert {record["status"] for record in report["sections"].values()} == {"out of time"}
    assert not report["ok"]


def test_tests_are_run(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_it():\n    assert 1 == 2\n")
    figures = gpu.tests("cpu", ("-p", "no:cacheprovider", "-c", os.devnull, str(tmp_path)), 60)
    assert not figures["passed"]
    assert figures["summary"].startswith("1 failed")
    assert "assert 1 == 2" in figures["output"]
