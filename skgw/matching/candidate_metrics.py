"""Candidate metrics of features, and their mean, which is ``metric="auto"``.

Three preparations of the features (as they are, each row scaled to the unit sphere, and each
centred row scaled to the unit sphere) times two distances: Euclidean, and lengths of shortest paths
in the graph of nearest neighbours. No candidate suits all data. Their mean, each divided by its
root mean square, is one metric that no single candidate dominates.
"""

from __future__ import annotations

import numpy as np

from skgw.spaces import Space, feature_space, geodesic_space
from skgw.spaces.build import scaled_root_mean_square
from skgw.spaces.composed import ConsensusSpace, Preparation, PreparedSpace
from skgw.spaces.finite import Array

AUTO = "auto"  # the mean of the candidates
DISTANCES = ("euclidean", "geodesic")
CANDIDATES = tuple(
    f"{preparation} {distance}"
    for preparation in ("raw", "sphere", "centered-sphere")
    for distance in DISTANCES
)
OF_FEW_FEATURES = tuple(f"raw {distance}" for distance in DISTANCES)
MIN_FEATURES = 3  # of a sphere: in the plane it is a circle, and half of the coordinates are lost


def candidates(n_features: int) -> tuple[str, ...]:
    """The candidate metrics of domains with at least so many features."""
    return CANDIDATES if n_features >= MIN_FEATURES else OF_FEW_FEATURES


def candidate_space(X: Array, name: str, rng: np.random.RandomState, n_neighbors: int) -> Space:
    """The space of features under a candidate metric.

    Parameters
    ----------
    X : array of shape (n, d)
    name : str
        One of `CANDIDATES`.
    rng : RandomState
        Draws the anchors where there are many rows.
    n_neighbors : int
        Number of neighbours in the graph of shortest paths.
    """
    prepared, distance = name.split()
    preparation = _preparation(X, prepared)
    points = preparation(X)
    if distance == "euclidean":
        space: Space = feature_space(points, "euclidean")
    else:
        space = geodesic_space(points, min(n_neighbors, len(points) - 1), rng)
    return PreparedSpace(space=space, preparation=preparation, anchors=space.anchors)


def mean_space(
    X: Array, names: tuple[str, ...], rng: np.random.RandomState, n_neighbors: int
) -> ConsensusSpace:
    """The space of features under the mean of candidate metrics, each of mean square one."""
    state = rng.get_state()
    spaces = []
    for name in names:
        rng.set_state(state)  # the same anchors for each candidate
        spaces.append(candidate_space(X, name, rng, n_neighbors))
    scales = tuple(_root_mean_square(space) or 1.0 for space in spaces)
    return ConsensusSpace(spaces=tuple(spaces), scales=scales, anchors=spaces[0].anchors)


def _root_mean_square(space: Space) -> float:
    every = np.arange(len(space.anchors))
    return scaled_root_mean_square(space.between(every, every))


def _preparation(X: Array, name: str) -> Preparation:
    shift = X.mean(0) if name == "centered-sphere" else np.zeros_like(X[0])
    return Preparation(shift=shift, scale=np.ones_like(X[0]), to_sphere=name != "raw")
