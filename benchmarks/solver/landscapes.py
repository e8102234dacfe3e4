"""Pairs of spaces with many local minima: copies, noisy copies, resamples, symmetric graphs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import networkx as nx
import numpy as np
from sklearn.datasets import load_digits, make_moons

from benchmarks.solver.families import distances, mixture
from skgw.spaces import graph_distances

N_POINTS = 100
NOISE = 0.3
Trial = tuple[np.ndarray, np.ndarray, np.ndarray | None]  # distances; true matches of columns
Sampler = Callable[[np.random.Generator], np.ndarray]


def asymmetric(rng: np.random.Generator) -> np.ndarray:
    return mixture(N_POINTS, rng)


def four_fold(rng: np.random.Generator) -> np.ndarray:
    """Equal Gaussians at the corners of a square."""
    corners = np.array([[2, 2], [2, -2], [-2, 2], [-2, -2]])
    return corners[rng.choice(4, N_POINTS)] + 0.5 * rng.normal(size=(N_POINTS, 2))


def isotropic(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(N_POINTS, 3))


def anisotropic(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(N_POINTS, 10)) * 0.8 ** np.arange(10)


def spiral(rng: np.random.Generator) -> np.ndarray:
    t = 3 * np.pi * np.sqrt(rng.random(N_POINTS))
    return np.c_[t * np.cos(t), t * np.sin(t)]


def ellipsoid(rng: np.random.Generator) -> np.ndarray:
    x = rng.normal(size=(N_POINTS, 3))
    return x / np.linalg.norm(x, axis=1, keepdims=True) * [1, 0.7, 0.4]


def digits(rng: np.random.Generator) -> np.ndarray:
    data = load_digits().data
    return data[rng.choice(len(data), N_POINTS, replace=False)]


def bimodal(rng: np.random.Generator) -> np.ndarray:
    """Two Gaussians that hold 45 and 55 per cent of the points."""
    shift = np.where(rng.random(N_POINTS) < 0.45, 4.0, 0.0)
    return np.c_[shift, np.zeros(N_POINTS)] + 0.7 * rng.normal(size=(N_POINTS, 2))


def moons(rng: np.random.Generator) -> np.ndarray:
    return make_moons(N_POINTS, noise=0.05, random_state=int(rng.integers(2**31)))[0]


def copies(sample: Sampler, noise: float = 0.0) -> Callable[[np.random.Generator], Trial]:
    """A sample, and its rotated and shuffled copy, with noise of that standard deviation."""

    def draw(rng: np.random.Generator) -> Trial:
        x = sample(rng)
        rotation, _ = np.linalg.qr(rng.normal(size=(x.shape[1], x.shape[1])))
        order = rng.permutation(len(x))
        y = x @ rotation + noise * rng.normal(size=x.shape)
        return distances(x), distances(y[order]), order

    return draw


def resamples(sample: Sampler) -> Callable[[np.random.Generator], Trial]:
    """Two independent samples."""
    return lambda rng: (distances(sample(rng)), distances(sample(rng)), None)


def shuffled(build: Callable[[], nx.Graph]) -> Callable[[np.random.Generator], Trial]:
    """Hop distances of a graph, and of the same graph with its nodes in another order."""
    hops = cache(lambda: graph_distances(build(), edge_length="hops"))

    def draw(rng: np.random.Generator) -> Trial:
        order = rng.permutation(len(hops()))
        return hops(), hops()[np.ix_(order, order)], order

    return draw


SHAPES: dict[str, Callable[[np.random.Generator], Trial]] = {
    "copy, asymmetric mixture": copies(asymmetric),
    "copy, 4-fold mixture": copies(four_fold),
    "copy, N(0, I) in R^3": copies(isotropic),
    "copy, spiral": copies(spiral),
    "copy, ellipsoid": copies(ellipsoid),
    "copy, digits": copies(digits),
    "copy, bimodal": copies(bimodal),
    "copy, moons": copies(moons),
    "noisy copy, asymmetric mixture": copies(asymmetric, NOISE),
    "noisy copy, N(0, I) in R^3": copies(isotropic, NOISE),
    "noisy copy, anisotropic in R^10": copies(anisotropic, NOISE),
    "resamples, asymmetric mixture": resamples(asymmetric),
    "resamples, 4-fold mixture": resamples(four_fold),
    "resamples, bimodal": resamples(bimodal),
    "resamples, anisotropic in R^10": resamples(anisotropic),
    "graph, hypercube of 16": shuffled(lambda: nx.hypercube_graph(4)),
    "graph, hypercube of 32": shuffled(lambda: nx.hypercube_graph(5)),
    "graph, torus 6 x 6": shuffled(lambda: nx.grid_2d_graph(6, 6, periodic=True)),
    "graph, Petersen": shuffled(nx.petersen_graph),
}
