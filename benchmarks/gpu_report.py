"""Correctness and speed of solver and estimators on this GPU: one command, one JSON file.

    python -m benchmarks.gpu_report --out gpu_report.json

The report takes less than ten minutes. Every section runs in a separate process with a time limit,
as a failure on a GPU spoils the rest of its process. The file holds the traceback of a failure.
Without a GPU the report names the reason. The exit status is 1 without a GPU and if a section
failed. `--device cpu` runs the sections with tiny problems.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from benchmarks import estimators
from benchmarks.common import Figures, print_table
from benchmarks.solver import gpu

Section = Callable[[str], Figures]  # from a device to figures
ROOT = Path(__file__).resolve().parents[1]
TOTAL, LIMIT = 560.0, 150.0  # seconds, of all sections and of one

SECTIONS: dict[str, Section] = {
    "machine": gpu.facts,
    "floor": gpu.floor,
    "correct, torch": partial(gpu.correctness, backend="torch"),
    "correct, triton": partial(gpu.correctness, backend="triton"),
    "linear, torch": partial(gpu.linear, backend="torch"),
    "linear, triton": partial(gpu.linear, backend="triton"),
    "speed, torch": partial(gpu.speed, backend="torch"),
    "speed, triton": partial(gpu.speed, backend="triton", cases=gpu.SMALL_CASES),
    "speed, recorded": gpu.recorded,
    "speed, POT": gpu.speed_of_pot,
    "speed, OTT": gpu.speed_of_ott,
    "memory": gpu.memory,
    "fits": estimators.fits,
    "tests": partial(gpu.tests, arguments=("-m", "gpu", "tests"), limit=LIMIT),
    "tests, kernel": partial(
        gpu.tests, arguments=("tests/solvers/test_solvers_newton_cg_triton.py",), limit=LIMIT
    ),
    "tiles": gpu.tiles,
}
FEW = ((2, 12), (1, 20))
TRIAL: dict[str, Section] = {  # on a CPU, where Triton has only its slow interpreter
    "machine": gpu.facts,
    "floor": partial(gpu.floor, n=100, batch=2),
    "correct, torch": partial(gpu.correctness, backend="torch", n=12, batch=2),
    "linear, torch": partial(gpu.linear, backend="torch", cases=FEW),
    "speed, torch": partial(gpu.speed, backend="torch", cases=FEW, budget=0.05),
    "speed, recorded": partial(gpu.recorded, cases=FEW, budget=0.05),
    "speed, POT": partial(gpu.speed_of_pot, cases=FEW, budget=0.05),
    "speed, OTT": partial(gpu.speed_of_ott, cases=FEW, budget=0.05),
    "memory": partial(gpu.memory, sizes=(20,)),
    "fits": partial(estimators.fits, max_iter=2, n_rows=40),
}


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--out", type=Path, default=Path("gpu_report.json"), help="the JSON file")
    options.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options.add_argument("--section", choices=SECTIONS, help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.section:
        print(json.dumps(measure(args.section, args.device)))
        return 0
    report = make_report(args.device)
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    print_report(report)
    print(f"\nWritten to {args.out}.")
    return 0 if report["ok"] else 1


def measure(section: str, device: str) -> Figures:
    """The figures of one section, in this process."""
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(sys.stderr):  # packages may greet: the output is for JSON
        return sections(device)[section](device)


def sections(device: str) -> dict[str, Section]:
    return SECTIONS if device == "cuda" else TRIAL


def make_report(device: str) -> Figures:
    """The figures of all sections, or the reason why there is no GPU."""
    if device == "cuda" and (reason := why_no_gpu()):
        machine = {"status": "done", "figures": gpu.facts("cpu")}
        return {"device": None, "reason": reason, "ok": False, "sections": {"machine": machine}}
    start, found = time.monotonic(), {}
    for name in sections(device):
        left = TOTAL - (time.monotonic() - start)
        found[name] = in_a_process(name, device, min(LIMIT, left))
        print(f"{time.monotonic() - start:5.0f} s  {name}: {found[name]['status']}", flush=True)
    ok = all(record["status"] == "done" for record in found.values())
    return {"device": device, "ok": ok, "sections": found}


def why_no_gpu() -> str | None:
    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None and torch.version.hip is None:
        return f"torch {torch.__version__} is built for CPUs only."
    return f"torch {torch.__version__} is built for GPUs, but finds none: see `nvidia-smi`."


def in_a_process(name: str, device: str, limit: float) -> Figures:
    """The figures of `measure`, and the status "done", "failed" or "out of time"."""
    if limit <= 0:
        return {"status": "out of time"}
    command = [sys.executable, "-m", "benchmarks.gpu_report", "--section", name, "--device", device]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=limit, cwd=ROOT)
    except subprocess.TimeoutExpired:
        return {"status": "out of time", "limit": limit}
    if run.returncode != 0:
        return {"status": "failed", "code": run.returncode, "traceback": run.stderr[-6000:]}
    return {"status": "done", "figures": json.loads(run.stdout)}


def print_report(report: Figures) -> None:
    """A short table; the file has more."""
    if report["device"] is None:
        print(f"No GPU was found, nothing was measured. {report['reason']}")
        return
    lines = []
    for name, record in report["sections"].items():
        figures = record.get("figures", {"status": record["status"]})
        lines += [[name, key, _text(figures[key])] for key in figures if key != "output"]
    print_table(["section", "what", "figures"], lines)
    for name, record in report["sections"].items():
        if "traceback" in record:
            print(f"\n{name} failed:\n{record['traceback'][-800:]}")


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_text(v)}" for k, v in value.items())
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
