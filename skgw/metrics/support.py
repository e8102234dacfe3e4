"""Whether samples lie where the data are, and reach all of it; and how far two clouds' moments are.

In pixels these measures see little: apply them to features, such as those of a classifier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigvalsh
from sklearn.neighbors import NearestNeighbors

from ._checks import Floats, float_matrix, same_width, two_samples

CHUNK = 1024  # samples that are compared with the whole reference at a time


@dataclass(frozen=True)
class SampleSupport:
    """What `sample_support` found, each between 0 and 1.

    Attributes
    ----------
    precision : float
        Share of the samples that lie within the data: are they realistic?
    recall : float
        Share of the data that lie within the samples: are they varied? A few outlying samples
        claim much.
    coverage : float
        Share of the data that have a sample nearby: the same question, but outliers do not help.
    """

    precision: float
    recall: float
    coverage: float


def sample_support(
    samples: ArrayLike, reference: ArrayLike, *, n_neighbors: int = 5
) -> SampleSupport:
    """Compare the supports of generated samples and data, by balls around points.

    Each point has a ball that reaches to its k-th neighbour in its own set; the union of balls
    stands for the set's support.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n_dims)
        Generated points, in the space and unit of the reference: `rigid_alignment` first, if they
        come from a Gromov-Wasserstein model.
    reference : array-like of shape (n_reference, n_dims)
        Data that the model has not seen.
    n_neighbors : int, default=5
        The k above. Values compare for one k and one pair of sizes only.

    Returns
    -------
    support : SampleSupport
        Of fresh data all three are near 1, below it by what the sizes and k cost.

    Raises
    ------
    ValueError
        If the columns differ or a set has no more than `n_neighbors` rows.

    References
    ----------
    .. [1] T. Kynkaanniemi et al., "Improved precision and recall metric for assessing generative
       models", NeurIPS 2019.
    .. [2] M. F. Naeem et al., "Reliable fidelity and diversity metrics for generative models",
       ICML 2020.

    Examples
    --------
    >>> from skgw.metrics import sample_support
    >>> line = [[0.0], [1.0], [2.0], [3.0]]
    >>> sample_support([[0.4], [0.5], [0.6], [9.0]], line, n_neighbors=1)
    SampleSupport(precision=0.75, recall=0.75, coverage=0.5)
    """
    first, second = float_matrix(samples, "samples"), float_matrix(reference, "reference")
    same_width(first, second, ("samples", "reference"))
    if min(len(first), len(second)) <= n_neighbors:
        raise ValueError(
            f"samples and reference need more than n_neighbors={n_neighbors} rows, "
            f"got {len(first)} and {len(second)}."
        )
    reach, reach_back = _radii(second, n_neighbors), _radii(first, n_neighbors)
    to_reference, to_samples = _nearest(first, second), _nearest(second, first)
    return SampleSupport(
        precision=_share_in_balls(first, second, reach, to_reference),
        recall=_share_in_balls(second, first, reach_back, to_samples),
        coverage=float(np.mean(to_samples <= reach)),
    )


def _radii(points: Floats, n_neighbors: int) -> Floats:
    """Distance of each point to its k-th neighbour among the others."""
    return NearestNeighbors(n_neighbors=n_neighbors).fit(points).kneighbors()[0][:, -1]


def _nearest(queries: Floats, points: Floats) -> Floats:
    return NearestNeighbors(n_neighbors=1).fit(points).kneighbors(queries)[0][:, 0]


def _share_in_balls(queries: Floats, centers: Floats, radii: Floats, nearest: Floats) -> float:
    """Share of queries in any of the balls; only those that may be are compared with all."""
    candidates = queries[nearest <= radii.max()]
    inside = 0
    for start in range(0, len(candidates), CHUNK):
        block = candidates[start : start + CHUNK]
        squares = (
            np.square(block).sum(1)[:, None] + np.square(centers).sum(1) - 2 * block @ centers.T
        )
        inside += int((squares <= radii**2 + 1e-9 * squares.max()).any(1).sum())
    return inside / len(queries)


def frechet_distance(X: ArrayLike, Y: ArrayLike) -> float:
    """Squared 2-Wasserstein distance of the normal distributions with the moments of X and Y.

    Of features of a classifier this is the well-known distance of Heusel et al. It depends on the
    sizes of the sets, and so compares for equal sizes only.

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
    .. [1] M. Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash
       equilibrium", NeurIPS 2017.

    Examples
    --------
    >>> from skgw.metrics import frechet_distance
    >>> frechet_distance([[0.0], [2.0]], [[3.0], [5.0]])
    9.0
    """
    first, second = two_samples(X, Y)
    A, B = np.atleast_2d(np.cov(first.T)), np.atleast_2d(np.cov(second.T))
    values, vectors = np.linalg.eigh(A)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    shared = np.sqrt(eigvalsh(root @ B @ root).clip(0)).sum()  # trace of (A^1/2 B A^1/2)^1/2
    shift = np.square(first.mean(0) - second.mean(0)).sum()
    return max(0.0, float(shift + np.trace(A) + np.trace(B) - 2 * shared))
