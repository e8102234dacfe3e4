"""Problems of all shapes, ordinary and degenerate, with the true matching where there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.datasets import make_swiss_roll
from sklearn.neighbors import kneighbors_graph

from benchmarks.solver.families import mixture, noisy_copy, resamples, unequal_sizes
from skgw.spaces import graph_distances

FAR_OUT = 1e6
APART = 1e4
TINY = 1e-12


class Instance(NamedTuple):
    Ca: np.ndarray  # (n, n)
    Cb: np.ndarray  # (m, m)
    a: np.ndarray  # (n,)
    b: np.ndarray  # (m,)
    matching: np.ndarray | None = None  # (n, m), a plan


Shape = Callable[[int, np.random.Generator], Instance]


def uniform(Ca: np.ndarray, Cb: np.ndarray, matching: np.ndarray | None = None) -> Instance:
    n, m = len(Ca), len(Cb)
    return Instance(Ca, Cb, np.full(n, 1 / n), np.full(m, 1 / m), matching)


def shuffled(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Instance:
    """Distances within two clouds whose rows belong together, after a shuffle of the second."""
    return shuffled_distances(cdist(x, x), cdist(y, y), rng)


def shuffled_distances(Ca: np.ndarray, Cb: np.ndarray, rng: np.random.Generator) -> Instance:
    order = rng.permutation(len(Ca))
    return uniform(Ca, Cb[np.ix_(order, order)], np.eye(len(Ca))[:, order] / len(Ca))


def rotated(x: np.ndarray, rng: np.random.Generator, noise: float = 0.05) -> np.ndarray:
    """A rotated copy in space, with noise."""
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return np.c_[x, np.zeros(len(x))] @ rotation + noise * rng.normal(size=(len(x), 3))


def copies(n: int, rng: np.random.Generator) -> Instance:
    x = mixture(n, rng)
    return shuffled(x, rotated(x, rng), rng)


def geodesic_copies(n: int, rng: np.random.Generator) -> Instance:
    """Shortest paths on a swiss roll and on a copy of it with noise."""
    x = make_swiss_roll(n, random_state=int(rng.integers(2**31)))[0]
    y = x + 0.1 * rng.normal(size=x.shape)
    if n < 3:
        return shuffled(x, y, rng)
    return shuffled_distances(*(_shortest_paths(z) for z in (x, y)), rng)


def _shortest_paths(x: np.ndarray) -> np.ndarray:
    graph = kneighbors_graph(x, min(12, len(x) - 1), mode="distance")
    return graph_distances(graph, edge_length="weight")


def equal_points(n: int, rng: np.random.Generator) -> Instance:
    return uniform(np.zeros((n, n)), np.zeros((n, n)))


def equal_points_on_one_side(n: int, rng: np.random.Generator) -> Instance:
    return uniform(np.zeros((n, n)), noisy_copy(n, rng)[1] if n > 1 else np.zeros((1, 1)))


def duplicates(n: int, rng: np.random.Generator) -> Instance:
    """A third of the points, each of them three times."""
    x = np.resize(mixture(-(-n // 3), rng), (n, 2))
    return shuffled(x, np.c_[-x, np.zeros(n)], rng)


def even_line(n: int, rng: np.random.Generator) -> Instance:
    """Evenly spaced points on a line: its two ends cannot be told apart."""
    x = np.linspace(0, 1, n)[:, None]
    return shuffled(x, x, rng)


def one_dimension(n: int, rng: np.random.Generator) -> Instance:
    x = rng.exponential(size=(n, 1))
    return shuffled(x, x + 1e-3 * rng.normal(size=(n, 1)), rng)


def outlier(n: int, rng: np.random.Generator) -> Instance:
    """One point a million times further out than the others."""
    x = mixture(n, rng)
    x[0] += FAR_OUT
    return shuffled(x, rotated(x, rng), rng)


def far_clusters(n: int, rng: np.random.Generator) -> Instance:
    """Two clusters, of two thirds and one third of the points, ten thousand times apart."""
    x = mixture(n, rng)
    x[: n // 3] += APART
    return shuffled(x, rotated(x, rng), rng)


def scaled(factor: float) -> Shape:
    def shape(n: int, rng: np.random.Generator) -> Instance:
        instance = copies(n, rng)
        return instance._replace(Ca=factor * instance.Ca, Cb=factor * instance.Cb)

    return shape


def weighted(smallest: float, zero: float = 0.0) -> Shape:
    """Weights over all magnitudes down to `smallest`, a share of them zero."""

    def shape(n: int, rng: np.random.Generator) -> Instance:
        Ca, Cb, _, _, matching = copies(n, rng)
        a = smallest ** rng.random(n) * (rng.random(n) >= zero)
        a[rng.integers(n)] = 1.0
        a /= a.sum()
        matching = n * a[:, None] * matching
        return Instance(Ca, Cb, a, matching.sum(0), matching)

    return shape


def of_pair(family: Callable[[int, np.random.Generator], tuple[np.ndarray, np.ndarray]]) -> Shape:
    """A family without known matching; a single point has no scale to normalise by."""
    return lambda n, rng: uniform(*family(n, rng)) if n > 2 else copies(n, rng)


SHAPES: dict[str, Shape] = {
    "noisy copy": copies,
    "resamples in R^50": of_pair(resamples),
    "unequal sizes": of_pair(unequal_sizes),
    "geodesics": geodesic_copies,
    "all points equal": equal_points,
    "one side's points equal": equal_points_on_one_side,
    "points three times": duplicates,
    "even line": even_line,
    "one dimension": one_dimension,
    "outlier at 1e6": outlier,
    "clusters 1e4 apart": far_clusters,
    "unit 1e-12": scaled(TINY),
    "unit 1e12": scaled(1 / TINY),
    "weights to 1e-12": weighted(TINY),
    "weights with zeros": weighted(0.1, zero=0.3),
}
