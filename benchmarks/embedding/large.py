"""Time and peak memory of a fit to 500 and to 10,000 points of a swiss roll.

The points come as a sparse graph of nearest neighbours, as features with geodesic distances, and as
features with Euclidean distances. Aims on two cores: 10 s for 500 points, 3 minutes for 10,000.
Each cell runs in a process of its own. The rank correlation, on at most 1,000 of the points, tells
that the fit was worth its time.
"""

from __future__ import annotations

import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.datasets import make_swiss_roll
from sklearn.neighbors import kneighbors_graph

from benchmarks.common import Figures, parser, pin_threads, print_figures, run, seeds, summary
from skgw import GWGenerativeEmbedding
from skgw.metrics import distance_rank_correlation
from skgw.spaces import graph_distances

N_NEIGHBORS = 15
INPUTS = {
    "sparse graph": {"metric": "precomputed", "edge_length": "weight"},
    "geodesic": {"metric": "geodesic", "n_neighbors": N_NEIGHBORS},
    "euclidean": {"metric": "euclidean"},
}
COLUMNS = {
    "fit, s": ("seconds", 1),
    "peak MB": ("peak", 0),
    "MB before the fit": ("before", 0),
    "updates": ("n_iter", 0),
    "Spearman": ("spearman", 3),
}
TABLES = {
    "memory": summary(
        {"points": lambda cell: f"{cell['n']:,}", "input": "input"},
        {name: column for name, column in COLUMNS.items() if name != "updates"},
    )
}


def fit(input: str, n: int, max_iter: int | str, seed: int, threads: int) -> Figures:
    pin_threads(threads)
    X, _ = make_swiss_roll(n, random_state=seed)
    graph = kneighbors_graph(X, N_NEIGHBORS, mode="distance")
    model = GWGenerativeEmbedding(max_iter=max_iter, random_state=seed, **INPUTS[input])
    before = peak_memory()
    start = time.perf_counter()
    model.fit(graph if input == "sparse graph" else X)
    figures = {
        "seconds": time.perf_counter() - start,
        "before": before,
        "peak": peak_memory(),
        "n_iter": model.n_iter_,
    }
    some = np.random.default_rng(seed).choice(n, min(n, 1000), replace=False)
    if input == "euclidean":
        D = cdist(X[some], X[some])
    else:
        D = graph_distances(graph, edge_length="weight", sources=some)[:, some]
    return {**figures, "spearman": distance_rank_correlation(D, model.embedding_[some])}


def peak_memory() -> float:
    """In MB; Linux counts in KB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> None:
    options = parser(__doc__, "large", TABLES)
    options.add_argument("--sizes", type=int, nargs="+", default=[500, 10_000])
    args = options.parse_args()

    def measure(**settings: Any) -> Figures:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(fit, threads=args.threads, **settings).result()

    cells = [
        {"input": input, "n": n, "max_iter": args.max_iter, "seed": seed}
        for seed in seeds(args)
        for n in args.sizes
        for input in INPUTS
    ]
    print_figures(run(cells, measure, args), ["input", "n"], COLUMNS)


if __name__ == "__main__":
    main()
