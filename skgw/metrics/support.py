"""Supports and moments of generated samples and data.

Distances of pixels say little about images: apply these measures to features, such as the features
of a classifier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigvalsh
from sklearn.neighbors import NearestNeighbors

from skgw.threads import distances_work, threads_by

from ._checks import Floats, check_whole, float_matrix, in_one_frame, same_width, two_samples

ROUNDING = 1e-12  # of squared distances, over the squared norms that they are computed from


@dataclass(frozen=True)
class SampleSupport:
    """Shares of samples and data in each other's support, the result of `sample_support`.

    Attributes
    ----------
    precision : float
        Share of the samples in the support of the data; it measures how realistic the samples are.
    recall : float
        Share of the data in the support of the samples; it measures their variety. A few outlying
        samples may cover a large share.
    coverage : float
        Share of the data whose ball holds a sample; it measures variety, too, and outliers do not
        raise it.
    density : float
        Mean number of balls of the data that hold a sample, divided by k; it measures how realistic
        the samples are, and the large ball of an outlier in the data raises it less than
        `precision`. It exceeds 1 if samples crowd where data are dense.
    """

    precision: float
    recall: float
    coverage: float
    density: float


@threads_by(distances_work)
def sample_support(
    samples: ArrayLike, reference: ArrayLike, *, n_neighbors: int = 5
) -> SampleSupport:
    """Compare the supports of generated samples and data, by balls around points.

    Each point has a ball that reaches to its k-th neighbour in its own set; the union of the balls
    estimates the support of the set.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n_dims)
        Generated points, in the space and unit of the reference; apply `rigid_alignment` first if
        they come from a Gromov-Wasserstein model.
    reference : array-like of shape (n_reference, n_dims)
        Data that the model was not fitted to.
    n_neighbors : int, default=5
        The number k. Results can be compared for one k and one pair of set sizes only.

    Returns
    -------
    support : SampleSupport
        For new data in place of samples all four numbers are near 1; the distance from 1 depends on
        the set sizes and k.

    Raises
    ------
    ValueError
        If the columns differ or a set has no more than `n_neighbors` rows.

    References
    ----------
    .. [1] :cite:t:`kynkaanniemi2019`.
    .. [2] :cite:t:`naeem2020`, density and coverage.

    Examples
    --------
    >>> from skgw.metrics import sample_support
    >>> line = [[0.0], [1.0], [2.0], [3.0]]
    >>> sample_support([[0.4], [0.5], [0.6], [9.0]], line, n_neighbors=1)
    SampleSupport(precision=0.75, recall=0.75, coverage=0.5, density=1.5)
    """
    first, second = float_matrix(samples, "samples"), float_matrix(reference, "reference")
    same_width(first, second, ("samples", "reference"))
    n_neighbors = check_whole(n_neighbors, "n_neighbors", 1)
    if min(len(first), len(second)) <= n_neighbors:
        raise ValueError(
            f"samples and reference need more than n_neighbors={n_neighbors} rows, "
            f"got {len(first)} and {len(second)}."
        )
    (second, first), _ = in_one_frame(second, first)
    reach, reach_back = _radii(second, n_neighbors), _radii(first, n_neighbors)
    to_reference, to_samples = _nearest(first, second), _nearest(second, first)
    precision, n_balls = _in_balls(first, second, reach, to_reference)
    recall, _ = _in_balls(second, first, reach_back, to_samples)
    return SampleSupport(
        precision=precision,
        recall=recall,
        coverage=float(np.mean(to_samples <= reach)),
        density=n_balls / n_neighbors,
    )


def _radii(points: Floats, n_neighbors: int) -> Floats:
    """Distance of each point to its k-th neighbour among the others."""
    return NearestNeighbors(n_neighbors=n_neighbors).fit(points).kneighbors()[0][:, -1]


def _nearest(queries: Floats, points: Floats) -> Floats:
    return NearestNeighbors(n_neighbors=1).fit(points).kneighbors(queries)[0][:, 0]


def _in_balls(
    queries: Floats, centers: Floats, radii: Floats, nearest: Floats, chunk_size: int = 256
) -> tuple[float, float]:
    """Share of queries in any of the balls, and mean number of balls that hold a query.

    Only queries whose nearest centre is within the largest radius are compared with all centres,
    `chunk_size` at a time.
    """
    candidates = queries[nearest <= radii.max()]
    inside = n_balls = 0
    for start in range(0, len(candidates), chunk_size):
        block = candidates[start : start + chunk_size]
        norms = np.square(block).sum(1)[:, None] + np.square(centers).sum(1)
        squares = norms - 2 * block @ centers.T
        held = squares <= radii**2 + ROUNDING * norms  # (chunk, n_centers)
        inside += int(held.any(1).sum())
        n_balls += int(held.sum())
    return inside / len(queries), n_balls / len(queries)


@threads_by(distances_work)
def frechet_distance(X: ArrayLike, Y: ArrayLike) -> float:
    """Squared 2-Wasserstein distance of the normal distributions with the moments of X and Y.

    For features of a classifier this is the Fréchet inception distance of Heusel et al. It depends
    on the set sizes, so that only distances of equal set sizes can be compared.

    Parameters
    ----------
    X : array-like of shape (n, n_dims)
    Y : array-like of shape (m, n_dims)

    Returns
    -------
    distance : float
        In squared units of the features; 0 for equal means and covariances.

    Raises
    ------
    ValueError
        If the columns differ or one of the sets has fewer than two rows.

    References
    ----------
    .. [1] :cite:t:`heusel2017`.

    Examples
    --------
    >>> from skgw.metrics import frechet_distance
    >>> frechet_distance([[0.0], [2.0]], [[3.0], [5.0]])
    9.0
    """
    (first, second), frame = in_one_frame(*two_samples(X, Y))
    A, B = np.atleast_2d(np.cov(first.T)), np.atleast_2d(np.cov(second.T))
    values, vectors = np.linalg.eigh(A)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    shared = np.sqrt(eigvalsh(root @ B @ root).clip(0)).sum()  # trace of (A^1/2 B A^1/2)^1/2
    shift = np.square(first.mean(0) - second.mean(0)).sum()
    return frame.unit**2 * max(0.0, float(shift + np.trace(A) + np.trace(B) - 2 * shared))
