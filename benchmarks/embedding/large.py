"""Time and peak memory of a fit to 50 to 20,000 points of a swiss roll, beside MDS and UMAP.

The points come as a sparse graph of nearest neighbours, as features with geodesic distances, and as
features with Euclidean distances; MDS and UMAP take the features, MDS up to 3,000 points, from the
classical start. Time is CPU time of the fit. Each cell runs in a process of its own, and imports
and compiles before the fit. The rank correlation, on at most 1,000 of the points, tells that the
fit was worth its time.
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
from benchmarks.embedding.methods import BASELINES, CLASSICAL_MDS, warm_up
from skgw import GWGenerativeEmbedding
from skgw.metrics import distance_rank_correlation
from skgw.spaces import graph_distances

N_NEIGHBORS = 15
SIZES = 50, 150, 500, 3000, 10_000, 20_000
MAX_MDS = 3000  # points
METHODS = CLASSICAL_MDS, "UMAP"  # of features with Euclidean distances
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


def fit(input: str, n: int, max_iter: int | str | None, seed: int, threads: int) -> Figures:
    pin_threads(threads)
    X, _ = make_swiss_roll(n, random_state=seed)
    graph = kneighbors_graph(X, N_NEIGHBORS, mode="distance")
    if input in METHODS:
        model = BASELINES[input]("euclidean", seed)
    else:
        warm_up()
        model = GWGenerativeEmbedding(max_iter=max_iter, random_state=seed, **INPUTS[input])
    before = peak_memory()
    start = time.process_time()
    model.fit(graph if input == "sparse graph" else X)
    figures = {
        "seconds": time.process_time() - start,
        "before": before,
        "peak": peak_memory(),
        "n_iter": getattr(model, "n_iter_", None),
    }
    some = np.random.default_rng(seed).choice(n, min(n, 1000), replace=False)
    if input in ("euclidean", *METHODS):
        D = cdist(X[some], X[some])
    else:
        D = graph_distances(graph, edge_length="weight", sources=some)[:, some]
    return {**figures, "spearman": distance_rank_correlation(D, model.embedding_[some])}


def peak_memory() -> float:
    """In MB; Linux counts in KB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> None:
    options = parser(__doc__, "large", TABLES)
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    known = *INPUTS, *METHODS
    options.add_argument("--inputs", nargs="+", choices=known, default=known)
    args = options.parse_args()

    def measure(**settings: Any) -> Figures:
        settings.setdefault("max_iter", None)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(fit, threads=args.threads, **settings).result()

    cells = [
        {"input": input, "n": n, "seed": seed}
        | ({"max_iter": args.max_iter} if input in INPUTS else {})
        for seed in seeds(args)
        for n in args.sizes
        for input in args.inputs
        if input != CLASSICAL_MDS or n <= MAX_MDS
    ]
    print_figures(run(cells, measure, args), ["input", "n"], COLUMNS)


if __name__ == "__main__":
    main()
