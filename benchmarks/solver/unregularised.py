"""The problem without entropy beside POT's conditional gradient from the product coupling.

Ten kinds of matrices, each with n and n points and uniform weights, and with n and 0.8 n points and
random weights. A value counts as not above POT's up to 1e-6 of the mean squared entry, the default
tolerance of the gap. Times are processor times.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import ot
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import cdist

from benchmarks.common import Figures, mean, parser, run, seeds
from benchmarks.tables import Column, summary
from skgw.solvers import GromovResult, solve_gromov

MARGIN = 1e-6  # of the mean squared entry
Sampler = Callable[[int, np.random.Generator], np.ndarray]


def clouds(rng: np.random.Generator, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = rng.normal(size=(n, 3)) * [3, 2, 1], rng.normal(size=(m, 5))
    return cdist(x, x), cdist(y, y)


def noisy_copies(rng: np.random.Generator, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    x = rng.normal(size=(n, 2)) * [3, 1]
    y = x[rng.permutation(n)[:m]] + 0.2 * rng.normal(size=(m, 2))
    return cdist(x, x), cdist(y, y)


def circles(rng: np.random.Generator, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = (np.exp(2j * np.pi * rng.random(k))[:, None].view(float) for k in (n, m))
    return cdist(x, x), cdist(y, y)


def cosines(rng: np.random.Generator, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    codes = rng.normal(size=(n, 10))
    x = codes @ rng.normal(size=(10, 30)) + 0.5 * rng.normal(size=(n, 30))
    y = codes[:m] @ rng.normal(size=(10, 20)) + 0.5 * rng.normal(size=(m, 20))
    return cdist(x, x, "cosine"), cdist(y, y, "cosine")


def each(build: Sampler) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Two independent matrices."""
    return lambda rng, n, m: (build(n, rng), build(m, rng))


def geometric_graph(n: int, rng: np.random.Generator) -> np.ndarray:
    graph = nx.random_geometric_graph(n, 1.8 / np.sqrt(n), seed=int(rng.integers(2**31)))
    parts = [list(part) for part in nx.connected_components(graph)]
    graph.add_edges_from((one[0], other[0]) for one, other in itertools.pairwise(parts))
    return shortest_path(nx.to_scipy_sparse_array(graph), unweighted=True)


def random_tree(n: int, rng: np.random.Generator) -> np.ndarray:
    graph = nx.Graph((i, int(rng.integers(i))) for i in range(1, n))
    return shortest_path(nx.to_scipy_sparse_array(graph), unweighted=True)


def block_model(n: int, rng: np.random.Generator) -> np.ndarray:
    sizes = [n // 2, n // 3, n - n // 2 - n // 3]
    shares = [[0.5, 0.05, 0.05], [0.05, 0.6, 0.1], [0.05, 0.1, 0.4]]
    graph = nx.stochastic_block_model(sizes, shares, seed=int(rng.integers(2**31)))
    return nx.to_numpy_array(graph)


def noise(n: int, rng: np.random.Generator) -> np.ndarray:
    C = rng.random((n, n))
    return (C + C.T) / 2


KINDS: dict[str, Callable[..., tuple[np.ndarray, np.ndarray]]] = {
    "clouds": clouds,
    "squared distances": lambda *args: tuple(C**2 for C in clouds(*args)),
    "Gaussian kernels": lambda *args: tuple(np.exp(-(C**2) / 4) for C in clouds(*args)),
    "noisy copies": noisy_copies,
    "circles": circles,
    "cosine distances": cosines,
    "paths in graphs": each(geometric_graph),
    "paths in trees": each(random_tree),
    "adjacency": each(block_model),
    "noise": each(noise),
}


def share(name: str) -> Column:
    return lambda records: f"{mean(records, name):.3f}"


TABLES = {
    "unregularised": summary(
        {"problem": "problem", "n": "n"},
        {
            "problems": lambda records: str(len(records)),
            "not above POT": share("not above"),
            "value over POT": ("ratio", 3),
            "ms": ("ms", 1),
            "POT, ms": ("POT ms", 1),
            "annealed alone: not above": share("annealed not above"),
            "its value over POT": ("annealed ratio", 3),
            "its ms": ("annealed ms", 1),
        },
        seeds=None,
        over=("seed", "kind", "weights"),
    )
}


def measure(problem: str, n: int, kind: str, weights: str, seed: int) -> Figures:
    rng = np.random.default_rng([seed, n, list(KINDS).index(kind)])
    m = n if weights == "uniform" else int(0.8 * n)
    Ca, Cb = KINDS[kind](rng, n, m)
    a, b = (
        np.full(k, 1 / k) if weights == "uniform" else rng.dirichlet(np.full(k, 5.0))
        for k in (n, m)
    )
    scale = (a @ Ca**2 @ a + b @ Cb**2 @ b) / 2
    M = scale * rng.random((n, m)) if problem == "fused" else None

    def solve(init: str) -> GromovResult:
        return solve_gromov(Ca, Cb, M, a, b, reg=0, init=init)

    def solve_by_pot() -> float:
        if M is None:
            return ot.gromov.gromov_wasserstein2(Ca, Cb, a, b, symmetric=True)
        return ot.gromov.fused_gromov_wasserstein2(M, Ca, Cb, a, b, symmetric=True)

    solve_by_pot(), solve("auto")  # what is compiled or allocated once
    (theirs, pot_ms), (ours, ms) = clock(solve_by_pot), clock(lambda: solve("auto"))
    annealed, annealed_ms = clock(lambda: solve("anneal"))
    return {
        "not above": float(ours.value <= theirs + MARGIN * scale),
        "ratio": float(ours.value) / float(theirs),
        "ms": ms,
        "POT ms": pot_ms,
        "annealed not above": float(annealed.value <= theirs + MARGIN * scale),
        "annealed ratio": float(annealed.value) / float(theirs),
        "annealed ms": annealed_ms,
        "converged": float(ours.converged),
    }


def clock(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    result = call()
    return result, 1e3 * (time.process_time() - start)


def main() -> None:
    options = parser(__doc__, "unregularised", TABLES)
    options.set_defaults(threads=1, seeds=5)
    options.add_argument("--sizes", nargs="+", type=int, default=[20, 60, 200])
    args = options.parse_args()
    cells = [
        {"problem": problem, "n": n, "kind": kind, "weights": weights, "seed": seed}
        for problem in ("plain", "fused")
        for n in args.sizes
        for kind in KINDS
        for weights in ("uniform", "random")
        for seed in seeds(args)
    ]
    run(cells, measure, args)


if __name__ == "__main__":
    main()
