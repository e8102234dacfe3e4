"""Peak memory of fits and solves against the number of points, beside what the docstrings say.

Each cell runs in a process of its own. The peak is that of the process above its memory before the
call; a constant part belongs to torch, to compiled code and to batches.
"""

from __future__ import annotations

import resource
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks.common import Figures, parser, pin_threads, print_table, run, seeds, summary
from skgw import GWCoTrainedAutoencoders, GWGenerativeEmbedding, GWMatcher, VariationalAutoencoder
from skgw.solvers import PointCloud, solve_gromov

SHORT = {"max_iter": 50, "random_state": 0}
SIZES = 1000, 3000, 10_000


def points(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2.0, size=(n, 4)) * [4, 3, 2, 1]


CALLS: dict[str, Callable[[int], Any]] = {
    "embedding": lambda n: GWGenerativeEmbedding(**SHORT).fit(points(n, 0)),
    "embedding, geodesic": lambda n: GWGenerativeEmbedding(metric="geodesic", **SHORT).fit(
        points(n, 0)
    ),
    "matcher": lambda n: GWMatcher(metric="euclidean", n_init=2, random_state=0).fit(
        points(n, 0), points(n, 1)
    ),
    "co-trained autoencoders": lambda n: GWCoTrainedAutoencoders(2, n_init=1, **SHORT).fit(
        points(n, 0), points(n, 1)
    ),
    "variational autoencoder": lambda n: VariationalAutoencoder(**SHORT).fit(points(n, 0)),
    "solver, lazy plan": lambda n: solve_gromov(
        PointCloud(points(n, 0)), PointCloud(points(n, 1)), plan="lazy", random_state=0
    ),
}
DOCUMENTED = {  # numbers of 8 bytes that grow with n, by the docstrings
    "embedding": lambda n: n * 1000 + (n**2 if n <= 4096 else 0),
    "embedding, geodesic": lambda n: n * 1000 + n * min(n, 2048),
    "matcher": lambda n: n**2 if n <= 2000 else 2 * n * 1000,
    "co-trained autoencoders": lambda n: 2 * n * 8,
    "variational autoencoder": lambda n: n * 4,
    "solver, lazy plan": lambda n: n * 4,
}


def measure(what: str, n: int, seed: int) -> Figures:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        megabytes = pool.submit(peak, what, n).result()
    return {"megabytes": megabytes, "documented": 8e-6 * DOCUMENTED[what](n)}


def peak(what: str, n: int) -> float:
    """Peak of this process above its memory before the call, in MB."""
    pin_threads(1)
    warnings.simplefilter("ignore")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    CALLS[what](n)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


TABLES = {
    "memory": summary(
        {"what": "what", "n": lambda cell: f"{cell['n']:,}"},
        {"peak, MB": ("megabytes", 0), "documented growth, MB": ("documented", 0)},
        seeds=None,
    )
}


def main() -> None:
    options = parser(__doc__, "memory", TABLES)
    options.set_defaults(seeds=1, threads=1)
    args = options.parse_args()
    cells = [
        {"what": what, "n": n, "seed": seed}
        for what in CALLS
        for n in SIZES
        for seed in seeds(args)
    ]
    table = TABLES["memory"]
    print_table(table.header, table.lines(run(cells, measure, args)))


if __name__ == "__main__":
    main()
