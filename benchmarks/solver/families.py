"""Pairs of distance matrices to solve, scaled to a mean squared distance of one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.datasets import make_swiss_roll
from sklearn.neighbors import kneighbors_graph

from skgw.spaces import graph_distances

Pair = tuple[np.ndarray, np.ndarray]  # (n, n), (m, m)

MEANS = np.array([[0.0, 0.0], [4.0, 0.0], [1.0, 3.0], [6.0, 5.0]])
WIDTHS = np.array([0.5, 0.3, 0.7, 0.4])
SHARES = [0.4, 0.3, 0.2, 0.1]


def mixture(n: int, rng: np.random.Generator) -> np.ndarray:
    """An asymmetric mixture of four Gaussians in the plane."""
    component = rng.choice(4, n, p=SHARES)
    return MEANS[component] + WIDTHS[component, None] * rng.normal(size=(n, 2))


def noisy_copy(n: int, rng: np.random.Generator) -> Pair:
    """A mixture, and its rotated and shuffled copy in space, with noise."""
    x = mixture(n, rng)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    y = np.c_[x, np.zeros(n)] @ rotation + 0.05 * rng.normal(size=(n, 3))
    return distances(x), distances(rng.permutation(y))


def unequal_sizes(n: int, rng: np.random.Generator) -> Pair:
    """Independent samples of a mixture, n and 0.7 n points."""
    return distances(mixture(n, rng)), distances(mixture(int(0.7 * n), rng))


def resamples(n: int, rng: np.random.Generator) -> Pair:
    """Independent samples of an anisotropic Gaussian in 50 dimensions."""
    scale = 0.9 ** np.arange(50)
    return distances(rng.normal(size=(n, 50)) * scale), distances(rng.normal(size=(n, 50)) * scale)


def geodesics(n: int, rng: np.random.Generator) -> Pair:
    """Shortest paths between nearest neighbours, of two samples of a swiss roll."""
    seeds = rng.integers(2**31, size=2)
    one, other = (shortest_paths(make_swiss_roll(n, random_state=int(s))[0]) for s in seeds)
    return one, other


def shortest_paths(x: np.ndarray) -> np.ndarray:
    graph = kneighbors_graph(x, 12, mode="distance")
    return normalised(graph_distances(graph, edge_length="weight"))


def distances(x: np.ndarray) -> np.ndarray:
    return normalised(cdist(x, x))


def normalised(D: np.ndarray) -> np.ndarray:
    return D / np.sqrt(np.mean(D**2))


NOISY_COPY = "noisy copy"
FAMILIES: dict[str, Callable[[int, np.random.Generator], Pair]] = {
    NOISY_COPY: noisy_copy,
    "unequal sizes": unequal_sizes,
    "resamples in R^50": resamples,
    "geodesics": geodesics,
}
