"""Distances that a domain of features may be seen under, where the user names none.

Three preparations of the features (as they are, standardised, each row put on the unit sphere)
times three ways to measure: straight, along shortest paths between nearest neighbours, and by the
number of their edges. Paths depend on how many neighbours are linked, so that the mean over several
numbers is taken: what one graph gets wrong, a short cut or a gap, others get right.
"""

from __future__ import annotations

import numpy as np

from skgw.spaces import Space, feature_space, geodesic_space
from skgw.spaces.composed import ConsensusSpace, Preparation, PreparedSpace
from skgw.spaces.finite import Array

PREPARATIONS = ("raw", "standard", "sphere")
NEIGHBORS = {"geodesic": (5, 10, 20, 40), "hops": (10, 20, 40)}
CANDIDATES = tuple(
    f"{prepared} {measured}" for prepared in PREPARATIONS for measured in ("euclidean", *NEIGHBORS)
)


def candidate_space(
    X: Array, name: str, rng: np.random.RandomState, n_neighbors: int | None = None
) -> Space:
    """Features under the distances of that name, one of `CANDIDATES`.

    Parameters
    ----------
    X : array of shape (n, d)
    name : str
    rng : RandomState
        Draws the anchors where there are many rows.
    n_neighbors : int, optional
        Link so many neighbours, instead of taking the mean over several numbers.
    """
    prepared, measured = name.split()
    preparation = _preparation(X, prepared)
    points = preparation(X)
    if measured == "euclidean":
        space: Space = feature_space(points, "euclidean")
    else:
        numbers = NEIGHBORS[measured] if n_neighbors is None else (n_neighbors,)
        space = _consensus(points, numbers, rng, hops=measured == "hops")
    return PreparedSpace(space=space, preparation=preparation, anchors=space.anchors)


def prepared_features(X: Array, name: str) -> Array:
    """Features (n, d) as the distances of that name see them."""
    return _preparation(X, name.split()[0])(X)


def _preparation(X: Array, name: str) -> Preparation:
    shift, scale = np.zeros_like(X[0]), np.ones_like(X[0])
    if name == "standard":
        shift, scale = X.mean(0), X.std(0)
        scale[scale <= np.finfo(X.dtype).eps * abs(X).max(0)] = 1  # constant, but for rounding
    return Preparation(shift=shift, scale=scale, to_sphere=name == "sphere")


def _consensus(
    points: Array, numbers: tuple[int, ...], rng: np.random.RandomState, *, hops: bool
) -> ConsensusSpace:
    state = rng.get_state()
    spaces = []
    for k in sorted({min(k, len(points) - 1) for k in numbers}):
        rng.set_state(state)  # the same anchors each time
        spaces.append(geodesic_space(points, k, rng, hops=hops))
    scales = tuple(float(space.matrix.mean()) or 1.0 for space in spaces)
    return ConsensusSpace(spaces=tuple(spaces), scales=scales, anchors=spaces[0].anchors)
