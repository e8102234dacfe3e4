"""Measures of distance preservation by an embedding or a sample of points."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr, wasserstein_distance
from sklearn.manifold import trustworthiness

from skgw.threads import distances_work, threads_by

from ._checks import Floats, condensed_distances, float_matrix, power_of_two

__all__ = [
    "distance_distribution_error",
    "distance_rank_correlation",
    "relative_distortion",
    "trustworthiness",
]


@threads_by(distances_work)
def distance_rank_correlation(distances: ArrayLike, embedding: ArrayLike) -> float:
    """Spearman correlation of given distances with Euclidean distances in an embedding.

    It measures whether near pairs stay nearer than far pairs. Any increasing transform of the
    distances, such as a change of unit, leaves it unchanged.

    Parameters
    ----------
    distances : array-like of shape (n_samples, n_samples)
        Symmetric distances to be preserved; only pairs i < j are used.
    embedding : array-like of shape (n_samples, n_components)
        Row i is the embedded sample i.

    Returns
    -------
    correlation : float
        Between -1 and 1; 1 if all pairs are in the same order.

    Raises
    ------
    ValueError
        If the matrix is not a distance matrix, the row counts differ, there are fewer than three
        points, or all given or all embedded distances are equal (ranks are then undefined).

    References
    ----------
    .. [1] :cite:t:`spearman1904`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.metrics import distance_rank_correlation
    >>> path = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    >>> round(distance_rank_correlation(path, [[0.0], [2.0], [4.0], [6.0]]), 6)
    1.0
    """
    given = condensed_distances(distances, "distances", min_points=3)
    points = float_matrix(embedding, "embedding")
    n_samples = np.shape(distances)[0]
    if points.shape[0] != n_samples:
        raise ValueError(
            f"embedding must have one row per row of distances, got {points.shape[0]} rows "
            f"for {n_samples} samples."
        )
    return rank_correlation(given, pdist(points / power_of_two(points)))


def rank_correlation(given: Floats, embedded: Floats) -> float:
    """Spearman correlation of two lists of distances, (n_pairs,) each."""
    for values, name in ((given, "distances"), (embedded, "embedding")):
        if values.size == 0 or np.ptp(values) == 0:
            raise ValueError(
                f"All pairs of {name} are equally far apart, so they have no ranks to correlate; "
                "use relative_distortion instead."
            )
    return float(spearmanr(given, embedded).statistic)


@threads_by(distances_work)
def relative_distortion(distances: ArrayLike, embedded_distances: ArrayLike) -> float:
    """Frobenius norm of the error of embedded distances, relative to the norm of the distances.

    This is ||D - D_z|| / ||D||: the square root of the normalised raw stress. No scale is fitted,
    so that an embedding in other units is penalised. Rectangular matrices are allowed, such as
    distances from test rows to training rows.

    Parameters
    ----------
    distances : array-like of shape (n_rows, n_columns)
        Distances to be preserved.
    embedded_distances : array-like of shape (n_rows, n_columns)
        Distances of the same pairs in the embedding, in the same unit.

    Returns
    -------
    distortion : float
        0 for an isometry and 1 if the embedding is one point. If all `distances` are zero, there is
        no unit: it is 0 if all embedded distances are zero, too, and 1 otherwise.

    Raises
    ------
    ValueError
        If the shapes differ or an entry is not finite.

    References
    ----------
    .. [1] :cite:t:`borg2005`, ch. 3.

    Examples
    --------
    >>> from skgw.metrics import relative_distortion
    >>> round(relative_distortion([[3.0, 4.0]], [[3.3, 4.4]]), 6)
    0.1
    """
    given = float_matrix(distances, "distances")
    embedded = float_matrix(embedded_distances, "embedded_distances")
    if given.shape != embedded.shape:
        raise ValueError(
            "distances and embedded_distances must be about the same pairs, got shapes "
            f"{given.shape} and {embedded.shape}."
        )
    unit, norm = _unit_and_norm(given)
    error_unit, error = _unit_and_norm(given - embedded)
    if norm == 0:
        return 0.0 if error == 0 else 1.0
    with np.errstate(over="ignore"):
        ratio = np.float64(error_unit) / unit * (error / norm)
    return float(min(ratio, np.finfo(float).max))


def _unit_and_norm(D: Floats) -> tuple[float, float]:
    """Largest magnitude, and the Frobenius norm over it, whose squares cannot overflow."""
    unit = float(abs(D).max(initial=0.0)) or 1.0
    return unit, float(np.linalg.norm(D / unit))


@threads_by(distances_work)
def distance_distribution_error(distances: ArrayLike, other_distances: ArrayLike) -> float:
    """Wasserstein distance between two distributions of pairwise distances.

    A generated sample has no pairs in common with the data and may live in another space, but its
    distances should have the distribution of the data's distances. The error is the 1-Wasserstein
    distance of the two empirical distributions, divided by the mean of the first distribution: a
    lower bound of the (relative) Gromov-Wasserstein distance that is invariant to rigid
    transformations and to the order of the rows.

    Parameters
    ----------
    distances : array-like of shape (n, n)
        Reference distances; self-pairs are left out.
    other_distances : array-like of shape (m, m)
        Distances to compare with them, in the same unit.

    Returns
    -------
    error : float
        0 if the distributions agree; .1 is a mean deviation of 10 % of the mean distance.

    Raises
    ------
    ValueError
        If an input is not a distance matrix of two or more points, or if all reference distances
        are zero.

    References
    ----------
    .. [1] :cite:t:`memoli2011`, the "second lower bound".

    Examples
    --------
    >>> from skgw.metrics import distance_distribution_error
    >>> triangle = [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    >>> round(distance_distribution_error(triangle, [[0, 1.5], [1.5, 0]]), 6)
    0.5
    """
    reference = condensed_distances(distances, "distances")
    other = condensed_distances(other_distances, "other_distances")
    unit = power_of_two(reference)
    scale = float(np.mean(reference / unit))
    if scale == 0:
        raise ValueError("All reference distances are zero, so there is no scale to divide by.")
    return float(wasserstein_distance(reference / unit, other / unit)) / scale
