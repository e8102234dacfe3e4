"""SCOT with its self-tuned rule, after its description: a baseline, and our implementation of it.

Rows have unit length, neighbours are those of the highest correlation, distances are numbers of
edges in the graph of k neighbours over their maximum. Of all pairs of k and of the weight of the
entropy, the plan of POT with the lowest Gromov-Wasserstein distance is taken. The distance mostly
rises with the weight of the entropy: each k is tried with rising weights, until a plan counts. On
six of seven problems of 150 rows, this pair is that of the whole grid.

References
----------
Demetci, Santorella, Sandstede, Noble, Singh, "SCOT: Single-cell multi-omics alignment with optimal
transport", Journal of Computational Biology 29, 2022.
"""

from __future__ import annotations

import time
import warnings
from typing import Any, NamedTuple

import numpy as np
import ot
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra
from sklearn.neighbors import kneighbors_graph
from sklearn.preprocessing import normalize

Array = NDArray[Any]
EPSILONS = np.logspace(-3, -1, 12)  # weights of the entropy, for distances of at most 1
N_NEIGHBORHOODS = 5
LARGE = 250  # rows, above which the numbers of neighbours are fixed
MIN_MASS = 0.95  # of a plan that counts
MAX_ITER = 500  # linearisations of one plan; a plan that takes more does not count
MAX_SINKHORN = 100  # iterations in each of them
TOLERANCE = 1e-6  # of the change of a plan
MAX_SECONDS = 10.0  # of processor time: then the plans that are there are compared


class Tuned(NamedTuple):
    """The plan of shape (n, m) with the lowest distance, and what it was chosen from.

    Attributes
    ----------
    n_neighbors, epsilon, distance : of the plan; NaN where no plan counts
    n_sizes : numbers of neighbours with a plan that counts
    n_tried : plans that were computed in time
    """

    plan: Array
    n_neighbors: float
    epsilon: float
    distance: float
    n_sizes: int
    n_tried: int


def self_tuned(X: Array, Y: Array, max_seconds: float = MAX_SECONDS) -> Tuned:
    """The plan that SCOT takes; the product of the marginals where none counts."""
    start = time.process_time()
    a, b = (np.full(len(Z), 1 / len(Z)) for Z in (X, Y))
    best = Tuned(np.outer(a, b), np.nan, np.nan, np.nan, 0, 0)
    n_sizes = n_tried = 0
    for k in neighborhoods(min(len(X), len(Y))):
        Dx, Dy = hops(X, k), hops(Y, k)
        for epsilon in EPSILONS:
            if time.process_time() - start > max_seconds:
                break
            plan, distance = entropic_plan(Dx, Dy, a, b, epsilon)
            n_tried += 1
            if plan is not None:
                n_sizes += 1
                if not distance >= best.distance:
                    best = Tuned(plan, k, epsilon, distance, 0, 0)
                break
    return best._replace(n_sizes=n_sizes, n_tried=n_tried)


def neighborhoods(n: int) -> list[int]:
    """Numbers of neighbours that are tried for n rows."""
    low, high = (20, 100) if n > LARGE else (n // 20, n // 6)
    return sorted({max(2, int(k)) for k in np.linspace(low, high, N_NEIGHBORHOODS)})


def hops(Z: Array, k: int) -> Array:
    """Numbers of edges (n, n) between rows, over the maximum; unconnected rows have the maximum.

    Rows of one or two features have no correlations but 1 and -1: their neighbours are Euclidean.
    """
    metric = "correlation" if Z.shape[1] > 2 else "euclidean"
    rows = normalize(Z) if metric == "correlation" else Z
    graph = kneighbors_graph(rows, k, mode="connectivity", metric=metric, include_self=True)
    D = dijkstra(graph, directed=False, unweighted=True)
    highest = D[np.isfinite(D)].max()
    return np.minimum(D, highest) / highest


def entropic_plan(
    Dx: Array, Dy: Array, a: Array, b: Array, epsilon: float
) -> tuple[Array | None, float]:
    """Plan and Gromov-Wasserstein distance; None for a plan that does not count."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of plans that do not count
        plan, log = ot.gromov.entropic_gromov_wasserstein(
            Dx, Dy, a, b, "square_loss", epsilon=epsilon, max_iter=MAX_ITER, tol=TOLERANCE,
            log=True, numItermax=MAX_SINKHORN,
        )  # fmt: skip
    converged = log["err"][-1] <= TOLERANCE
    return (plan if converged and complete(plan) else None), float(log["gw_dist"])


def complete(plan: Array) -> bool:
    """Whether a plan is finite, with mass in every row and column, and with nearly all mass."""
    mass = plan.sum()
    return bool(
        np.isfinite(mass) and mass >= MIN_MASS and plan.any(axis=0).all() and plan.any(axis=1).all()
    )
