"""From what users pass to `fit` and `transform` to validated arrays and spaces."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from skgw.spaces import Space, edge_lengths, is_networkx, make_space
from skgw.spaces.build import check_distances
from skgw.spaces.finite import Metric

__all__ = ["as_array", "estimate_scale", "make_space", "read_points"]

SCALE_SAMPLE = 1000  # anchors from which the scale of the distances is estimated


def as_array(x: torch.Tensor) -> NDArray[Any]:
    """A tensor as an array; bfloat16, which numpy has not, as float32."""
    x = x.float() if x.dtype == torch.bfloat16 else x
    return x.detach().cpu().numpy()


def read_points(
    estimator: BaseEstimator, X: Any, *, metric: Metric, edge_length: str, reset: bool
) -> Any:
    """Validate points, distances or a graph: a float array, or a sparse matrix of edge lengths.

    Parameters
    ----------
    estimator : BaseEstimator
        Learns, or checks, the number and names of features.
    X : array, sparse matrix or networkx graph
    metric : str or callable
    edge_length : str
        How long the edges of a graph are.
    reset : bool
        Whether this is a fit.
    """
    precomputed = metric == "precomputed"
    if is_networkx(X):
        if not precomputed:
            raise ValueError("X is a graph: set metric='precomputed'.")
        X, edge_length = edge_lengths(X, edge_length), "weight"
    X = validate_data(
        estimator,
        X,
        reset=reset,
        dtype=[np.float64, np.float32],
        accept_sparse="csr" if precomputed else False,
        ensure_min_samples=2 if reset else 1,
        ensure_non_negative=precomputed,
    )
    if not sparse.issparse(X):
        return X
    if X.shape[0] == X.shape[1]:
        return edge_lengths(X, edge_length)
    if edge_length == "hops":  # rows of edges from new nodes
        X = sparse.csr_array((np.ones_like(X.data), X.indices, X.indptr), shape=X.shape)
    return X


def estimate_scale(space: Space, rng: np.random.RandomState) -> float:
    """Root mean square distance; 1 if all points coincide.

    Raises
    ------
    ValueError
        If the metric gives something else than distances.
    """
    n = len(space.anchors)
    sample = np.arange(n) if n <= SCALE_SAMPLE else rng.choice(n, SCALE_SAMPLE, replace=False)
    D = space.between(sample, sample)
    if not np.isfinite(D).all() or D.min() < 0:
        raise ValueError("The metric gave distances that are negative, NaN or infinite.")
    check_distances(D, "Distances by the metric")
    largest = float(D.max())
    if largest == 0:
        return 1.0
    return largest * float(np.sqrt(np.mean(np.square(D / largest, dtype=np.float64))))
