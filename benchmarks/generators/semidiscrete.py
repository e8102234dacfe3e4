"""Semi-discrete transport at equal time: error of the masses of the cells, beside POT and OTT.

    python -m benchmarks.generators.semidiscrete --threads 1

Normal source. "2, grid": 25 modes of standard deviation .05 at spacing 2; other dimensions: ten
curved clusters of dimension 5. Atoms are divided by the root of their mean variance, and every
method makes as many iterations as fit into the time, judged by short runs of it; Newton's method
ends when it is exact. The error is the unbiased chi-square error of the masses, from 100,000 new
source points (40,000 for more than 1,000 atoms); 1 are relative errors of 100 %. POT has its
defaults, with batches of 32 and of 256. OTT has no default optimiser: batches of 128 and Adam, with
a rate that falls along a cosine from the best of .003, .01 and .03, which is chosen by this error
for every line; its times are without compilation.
"""

from __future__ import annotations

import functools
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
N_POINTS = {1000: 100_000, 10_000: 40_000}  # new source points, by the number of atoms
BUDGET = {1000: 2.0, 10_000: 20.0}  # seconds
FIRST_TRIAL = 64_000  # iterations of the first short run, times atoms
OWN: dict[str, dict[str, Any]] = {
    "skgw, averaged ascent": {"method": "asgd"},
    "skgw, Newton": {"method": "newton"},  # in the plane
    "skgw, Adam": {"method": "adam", "batch_size": 1000, "learning_rate": 1e-3},
}
POT: dict[str, dict[str, Any]] = {
    "POT, batches of 32": {"batch_size": 32},
    "POT, batches of 256": {"batch_size": 256},
}
RATES = 3e-3, 1e-2, 3e-2  # of the optimiser of OTT
OTT: dict[str, dict[str, Any]] = {"OTT, batches of 128": {"batch_size": 128}}
METHODS = *OWN, *POT, *OTT
DATA = "2, grid", "10", "32", "64"
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
    options = SemiDiscreteOptions(max_iter=n_iter, tol=0.01, **settings)
    generator = torch.Generator().manual_seed(seed)
    source = NormalSource(Y.shape[1])
    return solve_semidiscrete(atoms, weights, source, options, generator).heights.numpy()


def by_pot(Y: Array, n_iter: int, seed: int, settings: dict[str, Any]) -> Array:
    from ot.semidiscrete import solve_semidiscrete as solve

    rng = np.random.default_rng(seed)
    potential = solve(Y, lambda m: rng.normal(size=(m, Y.shape[1])), max_iter=n_iter, **settings)
    return np.asarray((potential - np.square(Y).sum(1)) / 2)


def by_ott(Y: Array, n_iter: int, seed: int, settings: dict[str, Any]) -> tuple[float, Array]:
    """Seconds without compilation, and heights."""
    import jax
    import optax
    from ott.geometry.semidiscrete_pointcloud import SemidiscretePointCloud
    from ott.problems.linear.semidiscrete_linear_problem import SemidiscreteLinearProblem
    from ott.solvers.linear.semidiscrete import SemidiscreteSolver

    rate = optax.cosine_decay_schedule(settings["rate"], n_iter)
    cloud = SemidiscretePointCloud(jax.random.normal, jax.numpy.asarray(Y, "float32"), epsilon=0.0)
    solver = SemidiscreteSolver(
        num_iterations=n_iter,
        batch_size=settings["batch_size"],
        optimizer=optax.adam(rate),
        threshold=0.0,
    )
    problem, key = SemidiscreteLinearProblem(cloud), jax.random.key(seed)
    solve = jax.jit(solver).lower(key, problem).compile()
    start = time.process_time()
    potential = np.asarray(solve(key, problem).g, dtype=np.float64)
    return time.process_time() - start, (potential - np.square(Y).sum(1)) / 2


@lru_cache(maxsize=4)
def error_at_start(data: str, n: int, seed: int) -> float:
    Y = atoms_of(data, n, seed)
    return error_of(Y, -0.5 * np.square(Y).sum(1), seed + 1000)


def error_of(Y: Array, heights: Array, seed: int) -> float:
    generator = torch.Generator().manual_seed(seed)
    points = NormalSource(Y.shape[1]).draw(N_POINTS[len(Y)], generator)
    counts, _ = CellLookup(torch.as_tensor(Y), torch.as_tensor(heights)).counts(points)
    weights = torch.full((len(Y),), 1 / len(Y), dtype=torch.float64)
    return marginal_error(counts, weights)


Timed = Callable[[int], tuple[float, Array]]  # a number of iterations to seconds and heights


def measure(data: str, n: int, method: str, seed: int, *, budget: float | None) -> Figures:
    Y = atoms_of(data, n, seed)
    seconds_left = budget or BUDGET[n]
    if method == "skgw, Newton":
        found = [(*_seconds(by_skgw, Y, 60, seed, OWN[method]), 60)]
    elif method in OTT:
        first = functools.partial(by_ott, Y, seed=seed, settings={**OTT[method], "rate": RATES[0]})
        n_iter = iterations(lambda k: first(n_iter=k), seconds_left, n)
        found = [
            (*by_ott(Y, n_iter, seed, {**OTT[method], "rate": rate}), n_iter) for rate in RATES
        ]
    else:
        solve, settings = (by_skgw, OWN[method]) if method in OWN else (by_pot, POT[method])
        timed: Timed = lambda k: _seconds(solve, Y, k, seed, settings)  # noqa: E731
        n_iter = iterations(timed, seconds_left, n)
        found = [(*timed(n_iter), n_iter)]
    errors = [error_of(Y, heights, seed + 1000) for _, heights, _ in found]
    best = int(np.argmin(errors))
    return {
        "seconds": found[best][0],
        "iterations": found[best][2],
        "error": errors[best],
        "error_start": error_at_start(data, n, seed),
    }


def iterations(timed: Timed, budget: float, n: int) -> int:
    """Number of iterations that fit into the time, by runs of 1, 2, 4, ... times the first."""
    k = first = max(2, FIRST_TRIAL // n)
    start = now = timed(first)[0]
    while now - start < budget / 4:
        k *= 2
        now = timed(k)[0]
    return max(2, int(k + (budget - now) * (k - first) / (now - start)))


def _seconds(
    solve: Callable[..., Array], Y: Array, n_iter: int, seed: int, settings: dict[str, Any]
) -> tuple[float, Array]:
    start = time.process_time()
    heights = solve(Y, n_iter, seed, settings)
    return time.process_time() - start, heights


def main() -> None:
    options = parser(__doc__ or "", "semidiscrete", TABLES)
    options.add_argument("--data", nargs="+", default=DATA, choices=DATA, metavar="NAME")
    options.add_argument("--n", nargs="+", type=int, choices=[*BUDGET], default=[*BUDGET])
    options.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, metavar="NAME")
    options.add_argument("--budget", type=float, default=None, help="seconds of each solve")
    args = options.parse_args()
    cells: list[Cell] = [
        {"data": data, "n": n, "method": method, "seed": seed}
        for n in args.n
        for seed in seeds(args)
        for data in args.data
        for method in args.methods
        if data == DATA[0] or method != "skgw, Newton"
    ]

    def each(**cell: Any) -> Figures:
        return measure(**cell, budget=args.budget)

    print_figures(run(cells, each, args), ["data", "n", "method"], COLUMNS)


if __name__ == "__main__":
    main()
