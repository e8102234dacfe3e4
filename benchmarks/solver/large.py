"""Time, memory and quality of plans between thousands of points, without matrices.

MNIST images, as 50 principal components of their own sample, against other images, whose components
are rotated at random, and of one class of which only a tenth is left. The solver sees
distances within each side only. Labels tell how good a plan is: the share of images whose heaviest
match has their label, and of those whose translation (the mean of their matches) is closest to
an image with it. A mixture of Gaussians in the same number of dimensions stands for more points
than MNIST has.

`--data` takes the file mnist.npz that Keras distributes (arrays x_train, y_train, x_test, y_test).
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import ortho_group
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances_argmin

from benchmarks.common import Figures, parser, pin_threads, print_figures, run, seeds, summary
from benchmarks.embedding.large import peak_memory
from skgw.solvers import LazyPlan, PointCloud, solve_gromov
from skgw.solvers.quadratic import multiscale
from skgw.solvers.quadratic.lazy import read_spaces
from skgw.solvers.settings import MULTISCALE

N_COMPONENTS = 50
THINNED, LEFT = 3, 0.1  # of this class, this share is left on the second side
N_CLUSTERS = 30
REG = {"euclidean": 2e-3, "sqeuclidean": 5e-3}
COLUMNS = {
    "plan, s": ("solve", 1),
    "translation, s": ("translate", 1),
    "peak MB": ("peak", 0),
    "MB before": ("before", 0),
    "steps": ("n_iter", 0),
    "converged": ("converged", 0),
    "marginal error": ("error", 4),
    "objective": ("value", 5),
    "labels kept, match": ("partner", 3),
    "translation": ("translated", 3),
}
METRICS = {"euclidean": "Euclidean", "sqeuclidean": "squared Euclidean"}
TITLES = {"growing samples, extended": "samples up to 8,000, extended"}


def title(cell: dict[str, Any]) -> str:
    route = cell["route"]
    return TITLES.get(route, f"{route}, {METRICS[cell['metric']]}" if route == ALL else route)


ALL = "all points"
TABLES = {
    "large": summary(
        {"route": title, "points": lambda cell: f"{cell['n']:,} x {cell['m']:,}"},
        {
            "plan, s": ("solve", 0),
            "translation, s": ("translate", 0),
            "peak GB": lambda records: f"{max(r['peak'] for r in records) / 1000:.1f}",
            "marginal error": lambda records: f"{max(r['error'] for r in records):.1g}",
            "labels kept, match": ("partner", 3),
            "labels kept, translation": ("translated", 3),
        },
        seeds=None,
        where=lambda cell: (cell["set"], cell["rank"]) == ("MNIST", None) and cell["n"] < cell["m"],
    )
}
Sides = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # X (n, 50), Y (m, 50), their labels


def images(path: Path, n: int, m: int, seed: int) -> Sides:
    with np.load(path) as file:
        arrays = {name.lower(): file[name] for name in file.files}
    X, labels = (np.concatenate([arrays[f"{k}_train"], arrays[f"{k}_test"]]) for k in "xy")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(X))
    some, rest = order[:n], order[n:]
    rest = rest[(labels[rest] != THINNED) | (rng.random(len(rest)) < LEFT)][:m]
    sides = [components(X[i].reshape(len(i), -1) / np.float32(255), seed) for i in (some, rest)]
    return sides[0], rotated(sides[1], seed), labels[some], labels[rest]


def components(X: np.ndarray, seed: int) -> np.ndarray:
    model = PCA(N_COMPONENTS, svd_solver="randomized", random_state=seed)
    return model.fit_transform(X).astype(np.float32)


def rotated(X: np.ndarray, seed: int) -> np.ndarray:
    return X @ ortho_group.rvs(X.shape[1], random_state=seed).astype(np.float32)


def clusters(n: int, m: int, seed: int) -> Sides:
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(N_CLUSTERS, N_COMPONENTS)) * np.linspace(2, 0.2, N_COMPONENTS)
    shares = rng.dirichlet(np.full(N_CLUSTERS, 5.0))
    x, y = (rng.choice(N_CLUSTERS, size, p=shares) for size in (n, m))
    X, Y = (
        (centers[k] + 0.3 * rng.normal(size=(len(k), N_COMPONENTS))).astype(np.float32)
        for k in (x, y)
    )
    return X, rotated(Y, seed), x, y


def all_points(X: PointCloud, Y: PointCloud, reg: float, rank: int | None) -> dict[str, Any]:
    result = solve_gromov(X, Y, reg=reg, plan="lazy", rank=rank)
    return {
        "plan": result.plan,
        "n_iter": result.n_iter,
        "converged": float(result.converged),
        "error": float(result.marginal_error),
        "value": float(result.value / result.reg) * reg,  # in units of the mean squared distance
    }


def extended(
    solve: Callable[..., multiscale.StreamedIterate],
) -> Callable[[PointCloud, PointCloud, float, int | None], dict[str, Any]]:
    """The plan that the solution for a sample gives all points, without further steps."""

    @torch.no_grad()
    def run(X: PointCloud, Y: PointCloud, reg: float, rank: int | None) -> dict[str, Any]:
        noise = torch.Generator().manual_seed(0)
        problem, _ = read_spaces(X, Y, None, None, rank, noise)
        absolute = reg * problem.scale
        at = solve(problem, absolute, MULTISCALE.n_draws, noise, "auto")
        linear = problem.linearised(at.moment, absolute)
        g = at.transform(problem.y.factors)
        error = (linear.column_sums(g) - linear.b).abs().sum()
        fields = (linear.left, linear.right, linear.scores(g), linear.a)
        return {"plan": LazyPlan(*(x.numpy() for x in fields)), "error": float(error)}

    return run


def pot(X: PointCloud, Y: PointCloud, reg: float, rank: int | None) -> dict[str, Any]:
    from ot.gromov import lowrank_gromov_wasserstein_samples

    x, y = in_units(X.points, Y.points)
    return factored(*lowrank_gromov_wasserstein_samples(x, y, rank=rank, seed_init=0))


def ott(X: PointCloud, Y: PointCloud, reg: float, rank: int | None) -> dict[str, Any]:
    import jax
    from ott.geometry import pointcloud
    from ott.problems.quadratic.quadratic_problem import QuadraticProblem
    from ott.solvers.quadratic.gromov_wasserstein_lr import LRGromovWasserstein

    problem = QuadraticProblem(*map(pointcloud.PointCloud, in_units(X.points, Y.points)))
    solver = LRGromovWasserstein(rank=rank, epsilon=0.0, min_iterations=100, max_iterations=1000)
    out = jax.jit(solver)(problem)
    return factored(*(np.asarray(x) for x in (out.q, out.r, out.g)))


def in_units(X: np.ndarray, Y: np.ndarray) -> list[np.ndarray]:
    """Scaled so that the squared distances are about one, which their step sizes are made for."""
    size = np.sqrt(2 * sum(x.var(0).sum() for x in (X, Y)) / 2)
    return [x / size for x in (X, Y)]


def factored(Q: np.ndarray, R: np.ndarray, g: np.ndarray) -> dict[str, Any]:
    n, m = len(Q), len(R)
    rows, columns = Q @ (R.sum(0) / g), R @ (Q.sum(0) / g)
    error = abs(rows - 1 / n).sum() + abs(columns - 1 / m).sum()
    return {"plan": (Q / g, R), "error": float(error)}


ROUTES = {
    ALL: all_points,
    "sample of 2,000, extended": extended(multiscale.solve_first_sample),
    "growing samples, extended": extended(multiscale.solve_samples),
    "POT, low-rank coupling": pot,
    "OTT, low-rank coupling": ott,
}


def matches(plan: Any) -> np.ndarray:
    if isinstance(plan, LazyPlan):
        return plan.argmax()
    left, right = plan
    return np.concatenate([(x @ right.T).argmax(1) for x in np.array_split(left, len(left) // 500)])


def barycenter(plan: Any, Y: np.ndarray) -> np.ndarray:
    if isinstance(plan, LazyPlan):
        return plan.barycenter(Y)
    left, right = plan
    return left @ (right.T @ Y) / (left @ right.sum(0))[:, None]


def solve(
    data: Path | None, set: str, n: int, m: int, metric: str, route: str, rank: int | None,
    seed: int, threads: int,
) -> Figures:  # fmt: skip
    pin_threads(threads)
    X, Y, x, y = clusters(n, m, seed) if set == "clusters" else images(data, n, m, seed)
    all_points(PointCloud(X[:50]), PointCloud(Y[:50]), 0.1, None)  # what is compiled, is now
    before, start = peak_memory(), time.perf_counter()
    outcome = ROUTES[route](PointCloud(X, metric), PointCloud(Y, metric), REG[metric], rank)
    plan = outcome.pop("plan")
    solved = time.perf_counter()
    moved = barycenter(plan, Y)
    figures = {
        **outcome,
        "solve": solved - start,
        "translate": time.perf_counter() - solved,
        "before": before,
        "peak": peak_memory(),
    }
    nearest = pairwise_distances_argmin(moved, Y)
    return {
        **figures,
        "partner": float(np.mean(y[matches(plan)] == x)),
        "translated": float(np.mean(y[nearest] == x)),
    }


def cells(args: Any) -> list[dict[str, Any]]:
    def cell(n: int, m: int, metric: str, route: str = ALL, rank: int | None = None) -> Any:
        return {"set": "MNIST", "n": n, "m": m, "metric": metric, "route": route, "rank": rank}

    n, m = args.size
    configurations = [cell(n, m, metric) for metric in REG]
    configurations += [cell(n, m, "euclidean", route) for route in ROUTES if "extended" in route]
    configurations += [cell(k, k, "euclidean") for k in (n // 4, n // 2, n)]
    configurations += [cell(n, m, "euclidean", rank=rank) for rank in (16, 128)]
    others = {"POT, low-rank coupling": "ot", "OTT, low-rank coupling": "ott"}
    configurations += [
        cell(n // 4, n // 4, "sqeuclidean", route, rank=50)
        for route, package in others.items()
        if importlib.util.find_spec(package)
    ]
    if args.data is None:
        print("No --data: what needs MNIST is left out.")
        configurations = []
    if args.clusters:
        size = {"n": args.clusters, "m": args.clusters}
        for route in ("growing samples, extended", ALL):
            configurations.append(
                {**cell(**size, metric="euclidean", route=route), "set": "clusters"}
            )
    return configurations


def main() -> None:
    options = parser(__doc__, "solver_large", TABLES)
    options.add_argument("--data", type=Path, help="mnist.npz")
    options.add_argument("--size", type=int, nargs=2, default=[20_000, 40_000])
    options.add_argument("--clusters", type=int, default=0, help="points a side of the mixture")
    options.set_defaults(seeds=1)
    args = options.parse_args()

    def measure(**settings: Any) -> Figures:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(solve, args.data, threads=args.threads, **settings).result()

    grid = [{**cell, "seed": seed} for seed in seeds(args) for cell in cells(args)]
    by = ["set", "n", "m", "metric", "route", "rank"]
    print_figures(run(grid, measure, args), by, COLUMNS)


if __name__ == "__main__":
    main()
