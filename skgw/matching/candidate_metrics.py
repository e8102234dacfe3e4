"""Candidate metrics for ``metric="auto"``.

Three preparations of the features (as they are, standardised, each row scaled to the unit sphere)
times three distances: Euclidean, lengths of shortest paths in graphs of nearest neighbours, and
numbers of edges of these paths. Paths depend on the number of neighbours, so that the candidate is
the mean over several numbers: one graph may have a short cut or a gap that other graphs lack.
"""

from __future__ import annotations

import numpy as np

from skgw.spaces import Space, feature_space, geodesic_space
from skgw.spaces.composed import ConsensusSpace, Preparation, PreparedSpace
from skgw.spaces.finite import Array

PREPARATIONS = ("raw", "standard", "sphere")
NUMBERS_OF_NEIGHBORS = {"geodesic": (5, 10, 20, 40), "hops": (10, 20, 40)}
CANDIDATES = tuple(
    f"{preparation} {distance}"
    for preparation in PREPARATIONS
    for distance in ("euclidean", *NUMBERS_OF_NEIGHBORS)
)


def candidate_space(
    X: Array, name: str, rng: np.random.RandomState, n_neighbors: int | None = None
) -> Space:
    """The space of features under a candidate metric.

    Parameters
    ----------
    X : array of shape (n, d)
    name : str
        One of `CANDIDATES`.
    rng : RandomState
        Draws the anchors where there are many rows.
    n_neighbors : int, optional
        Number of neighbours in the graph; by default the mean over several numbers.
    """
    prepared, distance = name.split()
    preparation = _preparation(X, prepared)
    points = preparation(X)
    if distance == "euclidean":
        space: Space = feature_space(points, "euclidean")
    else:
        numbers = NUMBERS_OF_NEIGHBORS[distance] if n_neighbors is None else (n_neighbors,)
        space = _consensus(points, numbers, rng, hops=distance == "hops")
    return PreparedSpace(space=space, preparation=preparation, anchors=space.anchors)


def prepared_features(X: Array, name: str) -> Array:
    """Features (n, d) after the preparation of a candidate metric."""
    return _preparation(X, name.split()[0])(X)


def _preparation(X: Array, name: str) -> Preparation:
    shift, scale = np.zeros_like(X[0]), np.ones_like(X[0])
    if name == "standard":
        shift, scale = X.mean(0), X.std(0)
        scale[scale <= np.finfo(X.dtype).eps * abs(X).max(0)] = 1  # constant up to rounding
    return Preparation(shift=shift, scale=scale, to_sphere=name == "sphere")


def _consensus(
    points: Array, numbers: tuple[int, ...], rng: np.random.RandomState, *, hops: bool
) -> ConsensusSpace:
    """The mean of the path distances for several numbers of neighbours."""
    state = rng.get_state()
    spaces = []
    for k in sorted({min(k, len(points) - 1) for k in numbers}):
        rng.set_state(state)  # the same anchors for each number
        spaces.append(geodesic_space(points, k, rng, hops=hops))
    scales = tuple(float(space.matrix.mean()) or 1.0 for space in spaces)
    return ConsensusSpace(spaces=tuple(spaces), scales=scales, anchors=spaces[0].anchors)
