"""Soundness of results: the same checks for every size, reg, type and shape.

A cell is one solve. A plan has to be finite, non-negative and of mass one, whatever went in; it has
to be `converged` in float64 at reg >= 1e-3, and where it is not, there has to be one warning. Where
the true matching is known, the objective is compared with that of a solve that starts from it: an
excess above zero is a local minimum. Large problems at a small reg take long: `--sizes 2000` alone
is a matter of half an hour.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from benchmarks.common import Figures, groups, parser, print_table, run, seeds
from benchmarks.solver.shapes import SHAPES
from skgw.exceptions import GWConvergenceWarning
from skgw.solvers import solve_gromov

SIZES = 1, 2, 3, 17, 100, 400
REGS = 1e-1, 1e-2, 1e-3, 1e-4
DTYPES = "float64", "float32"


def measure(shape: str, n: int, reg: float, dtype: str, backend: str, seed: int) -> Figures:
    instance = SHAPES[shape](n, np.random.default_rng(seed))
    Ca, Cb, a, b = (x.astype(dtype) for x in instance[:4])
    options = {"a": a, "b": b, "reg": reg, "backend": backend}
    start = time.perf_counter()
    result, n_warnings = solve(Ca, Cb, options)
    seconds = time.perf_counter() - start
    figures = {
        "seconds": seconds,
        "n_iter": result.n_iter,
        "finite": bool(np.isfinite(result.plan).all() and np.isfinite(result.value)),
        "negative": bool(result.plan.min() < 0),
        "mass": abs(float(result.plan.sum(dtype=np.float64)) - 1),
        "error": float(result.marginal_error),
        "converged": result.converged,
        "honest": n_warnings == (0 if result.converged else 1),
    }
    if instance.matching is not None:
        known, _ = solve(Ca, Cb, {**options, "init": instance.matching})
        figures["excess"] = float((result.value - known.value) / known.reg)
    return figures


def solve(Ca: np.ndarray, Cb: np.ndarray, options: dict[str, Any]) -> tuple[Any, int]:
    """The result, and the number of warnings that name a budget."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = solve_gromov(Ca, Cb, **options)
    names = [w for w in caught if issubclass(w.category, GWConvergenceWarning)]
    return result, sum(" raise " in str(w.message) for w in names)


def main() -> None:
    options = parser(__doc__, "trust")
    options.set_defaults(threads=1, seeds=2)
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    options.add_argument("--regs", type=float, nargs="+", default=REGS)
    options.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    options.add_argument("--shapes", nargs="+", choices=SHAPES, default=[*SHAPES])
    options.add_argument("--backend", default="auto")
    args = options.parse_args()
    cells = [
        {"shape": shape, "n": n, "reg": reg, "dtype": dtype, "backend": args.backend, "seed": seed}
        for shape in args.shapes
        for n in args.sizes
        for reg in args.regs
        for dtype in args.dtypes
        for seed in seeds(args)
    ]
    rows = run(cells, measure, args)
    by = "shape", "n", "reg", "dtype"
    header = ["sound", "honest", "converged", "mass", "marginals", "excess / reg", "steps", "s"]
    lines = [[*map(str, group), *line(records)] for group, records in groups(rows, *by).items()]
    print_table([*by, *header], lines)


def line(records: list[Figures]) -> list[str]:
    """Shares of the seeds; of all else the worst."""

    def share(name: str) -> str:
        return f"{sum(r[name] for r in records)}/{len(records)}"

    def worst(name: str, digits: str) -> str:
        return format(max((r[name] for r in records if name in r), default=np.nan), digits)

    sound = [r["finite"] and not r["negative"] for r in records]
    return [
        f"{sum(sound)}/{len(sound)}", share("honest"), share("converged"), worst("mass", ".0e"),
        worst("error", ".0e"), worst("excess", ".1e"), worst("n_iter", "d"),
        worst("seconds", ".2f"),
    ]  # fmt: skip


if __name__ == "__main__":
    main()
