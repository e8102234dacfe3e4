"""Validation: arrays, graphs and spaces from the input of `fit` and `transform`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data

from skgw.spaces import Space, edge_lengths, is_networkx
from skgw.spaces.build import check_distances, check_finite_distances
from skgw.spaces.finite import Array, Metric


def as_array(x: torch.Tensor) -> Array:
    """Convert a tensor to an array; bfloat16, which numpy lacks, becomes float32."""
    x = x.float() if x.dtype == torch.bfloat16 else x
    return x.detach().cpu().numpy()


def read_points(
    estimator: BaseEstimator, X: Any, *, metric: Metric, edge_length: str, reset: bool
) -> Any:
    """Validate features, distances or a graph.

    Parameters
    ----------
    estimator : BaseEstimator
        Stores the number and names of the features in a fit, else they are compared.
    X : array, sparse matrix or networkx graph
        A graph needs the metric "precomputed".
    metric : str or callable
    edge_length : str
        Length of the edges of a graph: "hops" (1 each), "weight", or an edge attribute.
    reset : bool
        Whether `X` is the input of a fit.

    Returns
    -------
    array, or sparse array of edge lengths
        Features or distances in float32 or float64.

    Raises
    ------
    TypeError, ValueError
        For input that is not finite, or does not fit the metric; the message says what to do.
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


def read_codes(Z: Any, n_components: int, name: str) -> Array:
    """Validate codes or points (n, n_components).

    Parameters
    ----------
    Z : array of shape (n, n_components)
    n_components : int
    name : str
        Plural noun for the rows of `Z` in the error message.

    Raises
    ------
    ValueError
        If `Z` is not finite, or has another number of columns.
    """
    Z = check_array(Z, dtype=[np.float64, np.float32])
    if Z.shape[1] != n_components:
        raise ValueError(f"Z has {Z.shape[1]} columns, {name} have {n_components}.")
    return Z


def estimate_scale(space: Space, rng: np.random.RandomState, *, max_anchors: int = 1000) -> float:
    """Estimate the RMS distance of a space; 1 if all points coincide.

    Parameters
    ----------
    space : Space
    rng : RandomState
        Source of the subset of anchors.
    max_anchors : int, default=1000
        Largest number of anchors between which distances are computed.

    Raises
    ------
    ValueError
        If the metric returns negative, infinite or NaN distances, or asymmetric distances.
    """
    n = len(space.anchors)
    sample = np.arange(n) if n <= max_anchors else rng.choice(n, max_anchors, replace=False)
    D = space.between(sample, sample)
    check_finite_distances(D)
    check_distances(D, "Distances by the metric")
    largest = float(D.max())
    if largest == 0:
        return 1.0
    return largest * float(np.sqrt(np.mean(np.square(D / largest, dtype=np.float64))))
