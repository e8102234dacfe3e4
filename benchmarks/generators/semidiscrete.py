"""Semi-discrete transport at equal time: error of the masses of the cells, beside POT.

    python -m benchmarks.generators.semidiscrete --threads 1

Normal source. "2, grid": 25 modes of standard deviation .05 at spacing 2; other dimensions: ten
curved clusters of dimension 5. Atoms are divided by the root of their mean variance, and every
method makes as many iterations as fit into the time, from two short runs of it. The error is the
unbiased chi-square error of the masses, from 200,000 new source points; 1 are relative errors of
100 %. POT has its defaults, with batches of 32 and of 256.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.common import Cell, Figures, parser, print_figures, run, seeds
from benchmarks.tables import short, summary
from skgw.datasets import make_grid
from skgw.solvers.semidiscrete import (
    CellLookup,
    NormalSource,
    SemiDiscreteOptions,
    marginal_error,
    solve_semidiscrete,
)

Array = NDArray[Any]
N_POINTS = 200_000  # new source points
BUDGET = {1000: 4.0, 10_000: 20.0}  # seconds, by the number of atoms
TRIALS = 50, 2050  # iterations of the short runs
OWN: dict[str, dict[str, Any]] = {
    "skgw, averaged ascent": {"method": "asgd"},
    "skgw, Adam": {"method": "adam", "batch_size": 1000, "learning_rate": 1e-3},
}
POT: dict[str, dict[str, Any]] = {
    "POT, batches of 32": {"batch_size": 32},
    "POT, batches of 256": {"batch_size": 256},
}
METHODS = *OWN, *POT
COLUMNS = {
    "s": ("seconds", 1),
    "iterations": ("iterations", 0),
    "chi-square error": ("error", 3),
    "at the start": ("error_start", 2),
}
TABLES = {
    "semidiscrete": summary(
        {"dimension": "data", "atoms": "n", "method": "method"},
        {title: short(*figure) for title, figure in COLUMNS.items()},
    )
}


@lru_cache(maxsize=4)
def atoms_of(data: str, n: int, seed: int) -> Array:
    if data == "2, grid":
        Y, *_ = make_grid(n, random_state=seed)
    else:
        Y = curved_clusters(n, int(data), seed)
    Y = Y - Y.mean(0)
    return np.asarray(Y / np.sqrt(np.square(Y).mean()))


def curved_clusters(n: int, d: int, seed: int) -> Array:
    """Ten clusters: quadratic images of five normal coordinates, with little noise."""
    shapes, rng = np.random.default_rng(7), np.random.default_rng(seed)
    centers = 3 * shapes.normal(size=(10, d))
    linear, bent = shapes.normal(size=(2, 10, 5, d)) / 5**0.5
    label, z = rng.integers(10, size=n), rng.normal(size=(n, 5))
    curve = np.einsum("nk,nkd->nd", z, linear[label])
    curve += 0.5 * np.einsum("nk,nkd->nd", z**2 - 1, bent[label])
    return np.asarray(centers[label] + curve + 0.05 * rng.normal(size=(n, d)))


def by_skgw(Y: Array, n_iter: int, seed: int, settings: dict[str, Any]) -> Array:
    atoms = torch.as_tensor(Y)
    weights = torch.full((len(Y),), 1 / len(Y), dtype=torch.float64)
    options = SemiDiscreteOptions(max_iter=n_iter, tol=1e-3, **settings)
    generator = torch.Generator().manual_seed(seed)
    source = NormalSource(Y.shape[1])
    return solve_semidiscrete(atoms, weights, source, options, generator).heights.numpy()


def by_pot(Y: Array, n_iter: int, seed: int, settings: dict[str, Any]) -> Array:
    from ot.semidiscrete import solve_semidiscrete as solve

    rng = np.random.default_rng(seed)
    potential = solve(Y, lambda m: rng.normal(size=(m, Y.shape[1])), max_iter=n_iter, **settings)
    return np.asarray((potential - np.square(Y).sum(1)) / 2)


def error_of(Y: Array, heights: Array, seed: int) -> float:
    generator = torch.Generator().manual_seed(seed)
    points = NormalSource(Y.shape[1]).draw(N_POINTS, generator)
    counts, _ = CellLookup(torch.as_tensor(Y), torch.as_tensor(heights)).counts(points)
    weights = torch.full((len(Y),), 1 / len(Y), dtype=torch.float64)
    return marginal_error(counts, weights)


def measure(data: str, n: int, method: str, seed: int, *, budget: float | None) -> Figures:
    Y = atoms_of(data, n, seed)
    solve: Callable[..., Array] = by_skgw if method in OWN else by_pot
    settings = OWN.get(method) or POT[method]
    short_run, long_run = (_seconds(solve, Y, k, seed, settings)[0] for k in TRIALS)
    each = max((long_run - short_run) / (TRIALS[1] - TRIALS[0]), 1e-6)
    left = (budget or BUDGET[n]) - short_run
    n_iter = max(TRIALS[1], TRIALS[0] + int(left / each))
    seconds, heights = _seconds(solve, Y, n_iter, seed, settings)
    return {
        "seconds": seconds,
        "iterations": n_iter,
        "error": error_of(Y, heights, seed + 1000),
        "error_start": error_of(Y, -0.5 * np.square(Y).sum(1), seed + 1000),
    }


def _seconds(
    solve: Callable[..., Array], Y: Array, n_iter: int, seed: int, settings: dict[str, Any]
) -> tuple[float, Array]:
    start = time.process_time()
    heights = solve(Y, n_iter, seed, settings)
    return time.process_time() - start, heights


def main() -> None:
    options = parser(__doc__ or "", "semidiscrete", TABLES)
    options.add_argument("--data", nargs="+", default=["2, grid", "10", "32"], metavar="NAME")
    options.add_argument("--n", nargs="+", type=int, choices=[*BUDGET], default=[1000])
    options.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, metavar="NAME")
    options.add_argument("--budget", type=float, default=None, help="seconds of each solve")
    args = options.parse_args()
    cells: list[Cell] = [
        {"data": data, "n": n, "method": method, "seed": seed}
        for n in args.n
        for seed in seeds(args)
        for data in args.data
        for method in args.methods
    ]

    def each(**cell: Any) -> Figures:
        return measure(**cell, budget=args.budget)

    print_figures(run(cells, each, args), ["data", "n", "method"], COLUMNS)


if __name__ == "__main__":
    main()
