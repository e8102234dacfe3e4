"""Time to a plan, and the plan's objective and marginal error, beside POT and OTT.

All solvers of a group get the same problem, and their runs are interleaved; times are medians, and
ratios are medians of the ratios within a repetition. In each repetition a solver runs for at least
20 ms, and the mean of its runs counts: as in training, the caches then hold its data. The objective
F = E - reg H is evaluated in float64 from every plan, once it is rounded to a coupling. The floor
is the time of two products of matrices (one gradient) and of two of a matrix and a vector (one step
of any inner solver), in the same process: the last column is the time over the sum of both. Needs
POT; OTT (`pip install ott-jax`) is left out where it is not installed.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.common import Cell, Figures, Rows, Table, parser, print_table, run, seeds, spread
from benchmarks.solver.families import FAMILIES, NOISY_COPY
from benchmarks.solver.solvers import GROUPS, quietly

SIZES = 100, 250, 500, 1000
REG = 0.01
MIN_RUN = 20.0  # milliseconds
BUDGET = 4.0  # seconds of a solver per cell: repetitions are as many as fit, 1 to 15


def objective(Ca: np.ndarray, Cb: np.ndarray, T: np.ndarray, reg: float) -> float:
    T = rounded(T)
    p, q = T.sum(1), T.sum(0)
    energy = p @ (Ca**2) @ p + q @ (Cb**2) @ q - 2 * np.sum((Ca @ T @ Cb) * T)
    return float(energy + reg * np.sum(T * np.log(np.maximum(T, 1e-300))))


def rounded(T: np.ndarray) -> np.ndarray:
    """The coupling next to a plan (Altschuler, Weed, Rigollet 2017): others may cost less."""
    n, m = T.shape
    T = T * np.minimum(1, 1 / (n * np.maximum(T.sum(1), 1e-300)))[:, None]
    T = T * np.minimum(1, 1 / (m * np.maximum(T.sum(0), 1e-300)))
    rows, columns = 1 / n - T.sum(1), 1 / m - T.sum(0)
    return T + np.outer(rows, columns) / max(rows.sum(), 1e-300)


def marginal_error(T: np.ndarray) -> float:
    n, m = T.shape
    return float(abs(T.sum(1) - 1 / n).sum() + abs(T.sum(0) - 1 / m).sum())


def clock(run: Callable[[], object], at_least: float = 0.0) -> float:
    """Milliseconds of a run: the mean of as many runs as take `at_least` milliseconds."""
    start, n_runs, passed = time.perf_counter(), 0, 0.0
    while n_runs == 0 or passed < at_least:
        run()
        n_runs += 1
        passed = 1e3 * (time.perf_counter() - start)
    return passed / n_runs


def measure(family: str, n: int, group: str, seed: int) -> Figures:
    Ca, Cb = FAMILIES[family](n, np.random.default_rng(seed))
    names = [name for name in GROUPS[group] if "OTT" not in name or has_ott()]
    runs = {name: GROUPS[group][name](Ca, Cb, REG) for name in names}
    plans = {name: quietly(solve) for name, solve in runs.items()}
    slowest = max(clock(lambda s=solve: quietly(s)) for solve in runs.values())
    n_repetitions = int(np.clip(1e3 * BUDGET / slowest, 1, 15))
    times = {name: [] for name in names}
    for _ in range(n_repetitions):
        for name in names:
            times[name].append(clock(lambda s=runs[name]: quietly(s), MIN_RUN))
    dtype = torch.float64 if "64" in group else torch.float32
    A, B = (torch.tensor(C, dtype=dtype) for C in (Ca, Cb))
    T = torch.rand(len(A), len(B), dtype=dtype)
    return {
        "solvers": {
            name: {
                "ms": float(np.median(times[name])),
                "ratio": float(np.median(np.divide(times[name], times[names[0]]))),
                "objective": objective(Ca, Cb, plans[name], REG),
                "error": marginal_error(plans[name]),
            }
            for name in names
        },
        "gradient": float(np.median([clock(lambda: A @ T @ B) for _ in range(9)])),
        "step": float(np.median([clock(lambda: (T @ T[0], T[:, 0] @ T)) for _ in range(9)])),
    }


def has_ott() -> bool:
    return importlib.util.find_spec("ott") is not None


ACCURATE, QUICK = GROUPS
OURS, ALONE = "skgw", "skgw, torch alone"
OTHERS = {  # what the tables of `docs/results` call other solvers
    ACCURATE: {"POT, default": "POT, default"},
    QUICK: {"POT, tuned": "POT, tol 1e-6, 100 inner steps", "OTT, jit": "OTT, jit"},
}


def page(group: str, families: bool) -> Table:
    """Beside other solvers: noisy copies by size, or the other families by family and size."""
    others = OTHERS[group]
    by = ["data", "n"] if families else ["n"]
    header = [*by, "ms", "ms, torch alone"]
    for name in others:
        header += [f"{name}: times ours", f"{name}: times torch alone"]
    names = ", ".join(name.partition(",")[0] for name in others)
    header += ["objective above the best", "marginal error", f"{names}: marginal error"]

    def lines(rows: Rows) -> list[list[str]]:
        found: dict[tuple[str, ...], list[Figures]] = {}
        for cell, record in rows:
            if cell["group"] == group and (cell["family"] != NOISY_COPY) == families:
                found.setdefault(_labels(cell, families), []).append(record)
        return [[*labels, *page_line(records, others)] for labels, records in found.items()]

    return Table([*header, "over the floor"], lines)


def _labels(cell: Cell, families: bool) -> tuple[str, ...]:
    return (cell["family"], str(cell["n"])) if families else (str(cell["n"]),)


def page_line(records: list[Figures], others: dict[str, str]) -> list[str]:
    """Times, and of objective and error of our plans the worst seed."""
    solvers = [record["solvers"] for record in records]
    ours, alone = ([s[name] for s in solvers] for name in (OURS, ALONE))
    line = [spread(ours, "ms", 1), spread(alone, "ms", 1)]
    for name in others.values():
        both = [(s[name], s[ALONE]) for s in solvers if name in s]
        ratios = [{"alone": other["ratio"] / own["ratio"]} for other, own in both]
        line += [spread([other for other, _ in both], "ratio", 1), spread(ratios, "alone", 1)]
    above = max(
        s[OURS]["objective"] - min(other["objective"] for other in s.values()) for s in solvers
    )
    errors = [
        max((s[name]["error"] for s in solvers if name in s), default=None)
        for name in others.values()
    ]
    floor = np.median(
        [s["ms"] / (r["gradient"] + r["step"]) for s, r in zip(ours, records, strict=True)]
    )
    return [
        *line, f"{above:.0e}" if above else "0", f"{max(s['error'] for s in ours):.0e}",
        " / ".join("–" if e is None else f"{e:.0e}" for e in errors), f"{floor:.0f}",
    ]  # fmt: skip


TABLES = {
    "speed_float64": page(ACCURATE, families=False),
    "speed_float32": page(QUICK, families=False),
    "families_float64": page(ACCURATE, families=True),
    "families_float32": page(QUICK, families=True),
}


def main() -> None:
    options = parser(__doc__, "solver", TABLES)
    options.set_defaults(threads=1)
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    options.add_argument("--families", nargs="+", choices=FAMILIES, default=[*FAMILIES])
    args = options.parse_args()
    if hasattr(os, "sched_setaffinity"):  # XLA has no other switch for its threads
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    cells = [
        {"family": family, "n": n, "group": group, "seed": seed}
        for group in GROUPS
        for family in args.families
        for n in args.sizes
        for seed in seeds(args)
    ]
    rows = run(cells, measure, args)
    for group in GROUPS:
        print(f"\n{group}")
        lines = []
        for family in args.families:
            for n in args.sizes:
                key = {"family": family, "n": n, "group": group}
                records = [f for cell, f in rows if key.items() <= cell.items()]
                lines += table_lines(family, n, records)
        header = ["family", "n", "solver", "ms", "times ours", "F - best", "marginal error"]
        print_table([*header, "gradient, ms", "step, ms", "over the floor"], lines)


def table_lines(family: str, n: int, records: list[Figures]) -> list[list[str]]:
    lines = []
    best = [min(s["objective"] for s in record["solvers"].values()) for record in records]
    for name in records[0]["solvers"] if records else ():
        own = [record["solvers"][name] for record in records]
        excess = [s["objective"] - b for s, b in zip(own, best, strict=True)]
        floor = [s["ms"] / (r["gradient"] + r["step"]) for s, r in zip(own, records, strict=True)]
        lines.append(
            [
                family, str(n), name, spread(own, "ms", 1), spread(own, "ratio", 1),
                f"{max(excess):.0e}", f"{max(s['error'] for s in own):.0e}",
                spread(records, "gradient", 2), spread(records, "step", 3),
                f"{np.median(floor):.0f}",
            ]
        )  # fmt: skip
    return lines


if __name__ == "__main__":
    main()
