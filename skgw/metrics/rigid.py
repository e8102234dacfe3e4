"""Bring a point cloud onto another one by a rotation, a reflection and a translation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from scipy.special import expit
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from skgw.registration.similarity import (
    Motion,
    best_motion,
    distinct_motions,
    principal_motions,
    random_motions,
)

from ._checks import Floats, float_matrix

# Widths of the soft assignments in units of the spread of the reference, from coarse to fine.
_COARSE_WIDTHS = np.geomspace(0.3, 0.05, 12)
_FINE_WIDTHS = np.geomspace(0.2, 0.02, 20)
_COARSE_SIZE, _FINE_SIZE, _N_REFINED = 200, 800, 4


def rigid_alignment(
    samples: ArrayLike,
    reference: ArrayLike,
    *,
    max_distance: float | None = None,
    n_starts: int = 32,
    random_state: int | np.random.RandomState | None = None,
) -> Floats:
    """Move samples rigidly to where they fit a reference best.

    A model that is fitted on distances alone gives points that are right up to a rotation, a
    reflection and a translation. This looks for the motion with the lowest symmetric mean squared
    nearest-neighbour distance between the two unpaired sets. The reference may be another cloud,
    or the centres of a mixture. Scale is not changed.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n_dims)
        Points to move.
    reference : array-like of shape (n_reference, n_reference_dims)
        Points to move them to. If the widths differ, the narrower set is filled up with zeros.
    max_distance : float, default=None
        Points that are further than this from the other set do not pull and cost no more than
        this far. With mode centres, three standard deviations of a mode keep stray samples from
        turning the good ones away. None lets all pull.
    n_starts : int, default=32
        Number of random rotations and reflections to start from, besides those that bring the
        principal axes of the two sets onto each other.
    random_state : int, RandomState instance or None, default=None
        Draws the starts and the subsets on which they are compared.

    Returns
    -------
    aligned : ndarray of shape (n_samples, max(n_dims, n_reference_dims))
        The moved samples, in the order given. If the reference is symmetric, which of the
        equally good motions is taken depends on chance.

    Raises
    ------
    ValueError
        If an input is not a finite matrix, `max_distance` is not positive or `n_starts` negative.

    Notes
    -----
    From every start a subset is moved by iterative closest points with soft assignments whose
    width shrinks (hard ones creep when two dense clouds overlap); the best are refined on larger
    subsets, then by plain iterative closest points on everything. Like any such search it may
    miss the best motion; more starts help.

    References
    ----------
    .. [1] P. Besl and N. McKay, "A method for registration of 3-D shapes", IEEE TPAMI, 1992.
    .. [2] S. Granger and X. Pennec, "Multi-scale EM-ICP", ECCV 2002.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.metrics import rigid_alignment
    >>> corner = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    >>> turned = corner @ np.array([[0.0, 1.0], [-1.0, 0.0]]) + 5
    >>> bool(np.allclose(rigid_alignment(turned, corner, random_state=0), corner))
    True
    """
    if max_distance is not None and not max_distance > 0:
        raise ValueError(f"max_distance must be positive or None, got {max_distance}.")
    if n_starts < 0:
        raise ValueError(f"n_starts must not be negative, got {n_starts}.")
    X, Y = _same_dimension(samples, reference)
    reach = np.inf if max_distance is None else max_distance
    rng = check_random_state(random_state)
    small = _subset(X, _COARSE_SIZE, rng), _subset(Y, _COARSE_SIZE, rng)
    medium = _subset(X, _FINE_SIZE, rng), _subset(Y, _FINE_SIZE, rng)
    starts = [*principal_motions(X, Y), *random_motions(X, Y, n_starts, rng)]
    coarse = [_soft_closest_points(*small, start, _COARSE_WIDTHS, reach) for start in starts]
    coarse.sort(key=lambda motion: _mismatch(motion(small[0]), small[1], reach))
    # Many starts end in one place; a symmetric reference has several of nearly equal cost.
    best = distinct_motions(coarse, _N_REFINED)
    fine = [_soft_closest_points(*medium, motion, _FINE_WIDTHS, reach) for motion in best]
    final = [_closest_points(X, Y, motion, reach)(X) for motion in fine]
    return min(final, key=lambda moved: _mismatch(moved, Y, reach))


def _same_dimension(samples: ArrayLike, reference: ArrayLike) -> tuple[Floats, Floats]:
    X, Y = float_matrix(samples, "samples"), float_matrix(reference, "reference")
    width = max(X.shape[1], Y.shape[1])
    return _widen(X, width), _widen(Y, width)


def _widen(points: Floats, width: int) -> Floats:
    return np.pad(points, ((0, 0), (0, width - points.shape[1])))


def _subset(points: Floats, size: int, rng: np.random.RandomState) -> Floats:
    return points if len(points) <= size else points[rng.permutation(len(points))[:size]]


def _soft_closest_points(
    X: Floats, Y: Floats, motion: Motion, widths: Floats, reach: float
) -> Motion:
    """Run iterative closest points with Gaussian assignments, one step for each width."""
    spread = float(np.sqrt(Y.var(axis=0).sum() + X.var(axis=0).sum())) or 1.0
    for width in spread * widths:
        squares = cdist(motion(X), Y, "sqeuclidean")  # (n, m)
        nearest = squares.min(axis=1, keepdims=True)
        weights = np.exp((nearest - squares) / (2 * width**2))
        mass = weights.sum(axis=1)
        # Probability of belonging to the reference rather than to a background at `reach`. The
        # floor lets all pull alike as long as everything is out of reach.
        log_odds = np.log(mass) - (nearest[:, 0] - reach**2) / (2 * width**2)
        trust = np.maximum(expit(log_odds), 1e-9)
        motion = best_motion(X, weights @ Y / mass[:, None], trust)
    return motion


def _closest_points(
    X: Floats, Y: Floats, motion: Motion, reach: float, max_iter: int = 30
) -> Motion:
    """Run plain iterative closest points until no sample changes its partner."""
    search = NearestNeighbors(n_neighbors=1).fit(Y)
    previous = None
    for _ in range(max_iter):
        distances, partners = search.kneighbors(motion(X))
        near = distances[:, 0] <= reach
        pairs = np.where(near, partners[:, 0], -1)
        if not near.any() or (previous is not None and np.array_equal(pairs, previous)):
            break
        motion = best_motion(X, Y[partners[:, 0]], near.astype(float))
        previous = pairs
    return motion


def _mismatch(X: Floats, Y: Floats, reach: float) -> float:
    """Mean squared nearest-neighbour distance from X to Y plus that from Y to X, both clipped."""
    total = 0.0
    for points, queries in ((Y, X), (X, Y)):
        distances, _ = NearestNeighbors(n_neighbors=1).fit(points).kneighbors(queries)
        total += float(np.mean(np.minimum(distances, reach) ** 2))
    return total
