"""Rigid alignment of point clouds: rotation, reflection and translation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from scipy.special import expit
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from skgw.registration.initial_similarities import principal_similarities, random_similarities
from skgw.registration.similarity import Similarity, first_distinct, rigid_of_matches
from skgw.threads import distances_work, threads_by

from ._checks import Floats, check_positive, check_whole, float_matrix, in_one_frame


@dataclass(frozen=True)
class RigidSearchSettings:
    """Settings of the search of `rigid_alignment`.

    Attributes
    ----------
    coarse_widths, fine_widths : tuple of float
        Widths of the soft assignments of successive steps, relative to the RMS distance of a point
        of one set to a point of the other set about common means.
    coarse_size, fine_size : int
        Points of either set that take part.
    n_fine : int
        Number of coarse results that are refined.
    min_rotation_gap : float
        Frobenius norm of the difference of two rotations below which they count as one; 0.5 is
        about 20 degrees in the plane.
    max_iter : int
        Steps of the plain iterative closest points in the end.
    """

    coarse_widths: tuple[float, ...] = tuple(np.geomspace(0.3, 0.05, 12))
    fine_widths: tuple[float, ...] = tuple(np.geomspace(0.2, 0.02, 20))
    coarse_size: int = 200
    fine_size: int = 800
    n_fine: int = 4
    min_rotation_gap: float = 0.5
    max_iter: int = 30


@threads_by(distances_work)
def rigid_alignment(
    samples: ArrayLike,
    reference: ArrayLike,
    *,
    max_distance: float | None = None,
    n_starts: int = 32,
    random_state: int | np.random.RandomState | None = None,
) -> Floats:
    """Move samples by the rigid transformation under which they fit a reference best.

    A model that is fitted on distances alone gives points that are right up to a rotation, a
    reflection and a translation. This function searches the rigid transformation with the lowest
    symmetric mean squared nearest-neighbour distance between the two unpaired sets. The reference
    may be another cloud or the centres of a mixture. The scale does not change.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n_dims)
        Points to move.
    reference : array-like of shape (n_reference, n_reference_dims)
        Points to move them to. If the widths differ, the narrower set is filled up with zeros.
    max_distance : float, default=None
        Points farther than this from the other set do not act on the transformation, and their
        distances count as `max_distance`. With mode centres, three standard deviations of a mode
        keep stray samples from rotating the good samples away. None lets all points act.
    n_starts : int, default=32
        Number of random rotations and reflections to start from, besides the rotations that take
        the principal axes of one set to the axes of the other.
    random_state : int, RandomState instance or None, default=None
        Draws the starts and the subsets on which they are compared.

    Returns
    -------
    aligned : ndarray of shape (n_samples, max(n_dims, n_reference_dims))
        The moved samples, in the order given. If the reference is symmetric, chance selects one
        of the equally good transformations.

    Raises
    ------
    ValueError
        If an input is not a finite matrix, `max_distance` is not positive, or `n_starts` is not a
        whole number from 0.

    Notes
    -----
    From every start, iterative closest points with soft assignments of decreasing width move a
    subset of the samples (hard assignments creep where two dense clouds overlap). The best results
    are refined on larger subsets, and then by plain iterative closest points on all samples. Like
    any such search it may miss the best transformation; more starts help.

    References
    ----------
    .. [1] :cite:t:`besl1992`.
    .. [2] :cite:t:`granger2002`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.metrics import rigid_alignment
    >>> corner = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    >>> rotated = corner @ np.array([[0.0, 1.0], [-1.0, 0.0]]) + 5
    >>> bool(np.allclose(rigid_alignment(rotated, corner, random_state=0), corner))
    True
    """
    reach = np.inf if max_distance is None else check_positive(max_distance, "max_distance")
    n_starts = check_whole(n_starts, "n_starts", 0)
    (Y, X), frame = in_one_frame(*_same_dimension(reference, samples))
    reach /= frame.unit
    rng = check_random_state(random_state)
    search = RigidSearchSettings()
    small = _subset(X, search.coarse_size, rng), _subset(Y, search.coarse_size, rng)
    medium = _subset(X, search.fine_size, rng), _subset(Y, search.fine_size, rng)
    starts = [*principal_similarities(X, Y), *random_similarities(X, Y, n_starts, rng)]
    coarse = [_soft_closest_points(*small, start, search.coarse_widths, reach) for start in starts]
    coarse.sort(key=lambda rigid: _mismatch(rigid(small[0]), small[1], reach))
    # Many starts end in one place; a symmetric reference has several of nearly equal cost.
    best = first_distinct(
        coarse,
        search.n_fine,
        lambda r, s: bool(np.linalg.norm(r.rotation - s.rotation) > search.min_rotation_gap),
    )
    fine = [_soft_closest_points(*medium, rigid, search.fine_widths, reach) for rigid in best]
    final = [_closest_points(X, Y, rigid, reach, search.max_iter)(X) for rigid in fine]
    return min(final, key=lambda moved: _mismatch(moved, Y, reach)) * frame.unit + frame.origin


def _same_dimension(reference: ArrayLike, samples: ArrayLike) -> tuple[Floats, Floats]:
    X, Y = float_matrix(samples, "samples"), float_matrix(reference, "reference")
    width = max(X.shape[1], Y.shape[1])
    return _widen(Y, width), _widen(X, width)


def _widen(points: Floats, width: int) -> Floats:
    return np.pad(points, ((0, 0), (0, width - points.shape[1])))


def _subset(points: Floats, size: int, rng: np.random.RandomState) -> Floats:
    return points if len(points) <= size else points[rng.permutation(len(points))[:size]]


def _soft_closest_points(
    X: Floats, Y: Floats, rigid: Similarity[Floats], widths: tuple[float, ...], reach: float
) -> Similarity[Floats]:
    """Run iterative closest points with Gaussian assignments, one step for each width."""
    rms = float(np.sqrt(Y.var(axis=0).sum() + X.var(axis=0).sum())) or 1.0
    for relative_width in widths:
        width = rms * relative_width
        squares = cdist(rigid(X), Y, "sqeuclidean")  # (n, m)
        nearest = squares.min(axis=1, keepdims=True)
        weights = np.exp((nearest - squares) / (2 * width**2))
        mass = weights.sum(axis=1)
        # Probability of belonging to the reference rather than to a background at `reach`. The
        # lower bound gives all samples the same weight as long as all are out of reach.
        log_odds = np.log(mass) - (nearest[:, 0] - reach**2) / (2 * width**2)
        trust = np.maximum(expit(log_odds), 1e-9)
        rigid = rigid_of_matches(X, weights @ Y / mass[:, None], trust)
    return rigid


def _closest_points(
    X: Floats, Y: Floats, rigid: Similarity[Floats], reach: float, max_iter: int
) -> Similarity[Floats]:
    """Run plain iterative closest points until no sample changes its nearest point."""
    search = NearestNeighbors(n_neighbors=1).fit(Y)
    previous = None
    for _ in range(max_iter):
        distances, indices = search.kneighbors(rigid(X))
        near = distances[:, 0] <= reach
        pairs = np.where(near, indices[:, 0], -1)
        if not near.any() or (previous is not None and np.array_equal(pairs, previous)):
            break
        rigid = rigid_of_matches(X, Y[indices[:, 0]], near.astype(float))
        previous = pairs
    return rigid


def _mismatch(X: Floats, Y: Floats, reach: float) -> float:
    """Sum of the mean squared nearest-neighbour distances from X to Y and back, clipped."""
    total = 0.0
    for points, queries in ((Y, X), (X, Y)):
        distances, _ = NearestNeighbors(n_neighbors=1).fit(points).kneighbors(queries)
        total += float(np.mean(np.minimum(distances, reach) ** 2))
    return total
