"""Validation: arrays, graphs and spaces from the input of `fit` and `transform`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, validate_data

from skgw.base.input_kinds import explained, refuse_condensed_distances, refuse_foreign_kinds
from skgw.base.sklearn_compat import check_sample_weight, gives_data_frames
from skgw.exceptions import without_warnings
from skgw.spaces import Space, edge_lengths, is_networkx
from skgw.spaces.build import (
    SPARSE_METRICS,
    check_distances,
    check_finite_distances,
    scaled_root_mean_square,
    without_negative_rounding,
)
from skgw.spaces.finite import Array, Metric
from skgw.spaces.graphs import same_edges, stored_distances
from skgw.spaces.node_names import (
    edges_to_training_nodes,
    has_attribute,
    new_nodes,
    node_names,
    training_nodes,
)

# Metrics of estimators of two domains between sparse rows; "auto" is a mean of metrics.
SPARSE_ROW_METRICS = (*SPARSE_METRICS, "geodesic", "auto")
MIN_MAGNITUDE, MAX_MAGNITUDE = 1e-100, 1e100  # largest value of X, in any unit


def as_array(x: torch.Tensor) -> Array:
    """Convert a tensor to an array; bfloat16, which numpy lacks, becomes float32."""
    x = x.float() if x.dtype == torch.bfloat16 else x
    return x.detach().cpu().numpy()


def read_points(
    estimator: BaseEstimator,
    X: Any,
    *,
    metric: Metric,
    edge_length: str = "auto",
    reset: bool,
    accept_sparse: bool = False,
) -> Any:
    """Validate features, distances or a graph.

    Parameters
    ----------
    estimator : BaseEstimator
        A fit stores what later input is compared with: the number and names of the features, the
        dtype of the output in `_dtype`, and of a graph the edges in `_graph` and the names of the
        nodes in `node_names_`.
    X : array, sparse matrix or networkx graph
        A graph needs the metric "precomputed".
    metric : str or callable
    edge_length : str, default="auto"
        Length of the edges of a graph, as for `skgw.spaces.graph_distances`.
    reset : bool
        Whether `X` is the input of a fit.
    accept_sparse : bool, default=False
        Whether features may be sparse.

    Returns
    -------
    array of float64 in C order, or csr array
        Features, sparse if they were given so; distances; or edges: in a fit the edge lengths of
        the graph, (n, n), else the lengths of the edges from new nodes to the training nodes, where
        a training node has one edge of length zero to itself.

    Raises
    ------
    TypeError, ValueError
        For input that is not finite, or does not fit the metric; the message says what to do.
    """
    refuse_foreign_kinds(X)
    if reset:
        for name in ("node_names_", "_graph"):
            vars(estimator).pop(name, None)
    if metric == "precomputed":
        if reset:
            refuse_condensed_distances(X)
        try:
            return read_relations(estimator, X, edge_length=edge_length, reset=reset)
        except (TypeError, ValueError) as error:
            raise explained(error, metric) from error
    if is_networkx(X):
        raise ValueError("X is a graph: set metric='precomputed'.")
    if sparse.issparse(X) and not accept_sparse:
        other = "" if metric in SPARSE_METRICS else "choose metric='euclidean' or 'cosine', "
        raise TypeError(
            f"Sparse data was passed for X, but dense data is required: {other}reduce the features "
            "by TruncatedSVD first, or use '.toarray()' to convert to a dense array."
        )
    try:
        return read_array(estimator, X, reset=reset, accept_sparse=accept_sparse)
    except (TypeError, ValueError) as error:
        raise explained(error, metric) from error


def read_array(
    estimator: BaseEstimator,
    X: Any,
    *,
    reset: bool,
    accept_sparse: bool = False,
) -> Any:
    """Validate an array (n, d) of any layout: the same numbers give the same result.

    Returns
    -------
    array of float64 in C order, or canonical csr array
    """
    X = validate_data(
        estimator,
        X,
        reset=reset,
        dtype=[np.float64, np.float32],
        order="C",
        accept_sparse="csr" if accept_sparse else False,
        ensure_min_samples=2 if reset else 1,
    )
    if reset:
        estimator._dtype = X.dtype.name
    if not sparse.issparse(X):
        X = X.astype(np.float64, order="C", copy=False)
        check_magnitude(X, training=reset)
        return X
    X = sparse.csr_array(X, dtype=np.float64, copy=True)
    X.sum_duplicates()
    check_magnitude(X.data, training=reset)
    return X


def check_magnitude(values: Array, *, training: bool) -> None:
    """Raise a ValueError for values whose squares leave the range of float64.

    Parameters
    ----------
    values : array of float64
    training : bool
        Whether the largest value must not be too small either; all values may be zero.
    """
    largest = max(values.max(initial=0.0), -values.min(initial=0.0))
    if largest > MAX_MAGNITUDE or (training and 0 < largest < MIN_MAGNITUDE):
        raise ValueError(
            f"The largest magnitude in X is {largest:.3g}, and squares of such numbers leave the "
            f"range of float64: it must be between {MIN_MAGNITUDE:g} and {MAX_MAGNITUDE:g}. "
            "Rescale X, for instance X / np.abs(X).max()."
        )


def read_relations(estimator: BaseEstimator, X: Any, *, edge_length: str, reset: bool) -> Any:
    """Validate distances or a graph, as `read_points` with the metric "precomputed"."""
    if reset:
        _check_names_of_rows(X)
    names = None
    if is_networkx(X):
        if not reset:
            return _read_nodes(estimator, X, edge_length)
        names = node_names(X)
        X, edge_length = edge_lengths(X, edge_length), "weight"
    if reset and sparse.issparse(X) and X.shape[0] != X.shape[1]:
        raise ValueError(
            f"A graph's matrix must be square, got shape {X.shape}. For sparse features choose "
            "metric='euclidean' or 'cosine'."
        )
    X = read_array(estimator, X, reset=reset, accept_sparse=True)
    if not sparse.issparse(X):
        return without_negative_rounding(X)
    X.data = without_negative_rounding(X.data)
    if not reset:
        return _read_edges(estimator, X, edge_length)
    lengths = edge_lengths(X, edge_length)
    D = stored_distances(X, lengths) if edge_length == "auto" else None
    if D is not None:
        return D
    estimator._graph = lengths
    if names is not None:
        estimator.node_names_ = names
    return lengths


def _check_names_of_rows(X: Any) -> None:
    """Raise a ValueError if a data frame names its rows in another order than its columns."""
    if not hasattr(getattr(X, "index", None), "get_indexer"):
        return
    rows, columns = list(X.index), list(X.columns)
    if rows != columns and set(rows) == set(columns):
        raise ValueError(
            "Distances in a data frame have the same names in rows and columns, in another order: "
            "pass X.loc[X.columns]."
        )


def _read_edges(estimator: BaseEstimator, X: sparse.csr_array, edge_length: str) -> Any:
    """Edges (b, n) from new nodes; those of the training graph become the training nodes.

    A square matrix that differs from the training graph holds rows of edges, unless it is
    symmetric: then it is another graph.
    """
    graph = getattr(estimator, "_graph", None)
    if edge_length == "hops" or (edge_length == "auto" and hasattr(estimator, "node_names_")):
        X = sparse.csr_array((np.ones_like(X.data), X.indices, X.indptr), shape=X.shape)
    if graph is None or X.shape != graph.shape:
        return X
    with without_warnings(UserWarning):  # of loops, which the fit has warned of
        try:
            lengths = edge_lengths(X, "auto")
        except ValueError:  # edges from new nodes are not symmetric
            return X
    if same_edges(graph, lengths):
        return training_nodes(np.arange(graph.shape[0]), graph.shape[0])
    if same_edges(lengths, X):
        raise ValueError(
            "A square graph must be the training graph, with its nodes in the same order. Give new "
            "nodes by rows of edges to the training nodes, or by rows of distances."
        )
    return X


def _read_nodes(estimator: BaseEstimator, graph: Any, edge_length: str) -> Any:
    """Edges (b, n) of the nodes of a networkx graph to the training nodes."""
    training = getattr(estimator, "_graph", None)
    if training is None:
        raise ValueError(
            "The estimator was fitted to a matrix of distances, so that new rows are distances as "
            "well. skgw.spaces.graph_distances computes distances from a graph."
        )
    names = getattr(estimator, "node_names_", None)
    if edge_length == "auto":  # a matrix that networkx made has the weights as entries
        edge_length = "hops" if names is not None else "weight"
    if names is None:
        names = list(range(training.shape[0]))
        edge_length = edge_length if has_attribute(graph, edge_length) else "hops"
    return edges_to_training_nodes(graph, names, training, edge_length)


def with_node_names(estimator: BaseEstimator, rows: Any, X: Any) -> Any:
    """Rows of the output as a data frame with the names of nodes as its index.

    Other rows than those of a networkx graph `X`, and rows for other output than "pandas" of
    `set_output`, are returned as they are.
    """
    if not is_networkx(X) or not gives_data_frames(estimator, "pandas"):
        return rows
    import pandas as pd

    names = getattr(estimator, "node_names_", list(range(estimator.n_features_in_)))
    return pd.DataFrame(rows, index=pd.Index(new_nodes(X, names), tupleize_cols=False))


def describe_input(tags: Tags, metric: Any, *, sparse_features: bool) -> None:
    """Set the tags of input under a metric, or under the first metric of a pair.

    Precomputed distances are pairwise and non-negative, and a sparse matrix is a graph. With
    `sparse_features` features may be sparse if the metric takes sparse rows.
    """
    first = metric[0] if isinstance(metric, tuple | list) else metric
    precomputed = isinstance(first, str) and first == "precomputed"
    tags.input_tags.pairwise = precomputed
    tags.input_tags.positive_only = precomputed
    tags.input_tags.sparse = precomputed or (sparse_features and first in SPARSE_ROW_METRICS)


def read_codes(Z: Any, n_components: int, name: str, *, argument: str = "Z") -> Array:
    """Validate codes or points (n, n_components).

    Parameters
    ----------
    Z : array of shape (n, n_components)
    n_components : int
    name : str
        Plural noun for the rows of `Z` in the error message.
    argument : str, default="Z"
        Name of the user's argument.

    Raises
    ------
    ValueError
        If `Z` is not finite, or has another number of columns.
    """
    Z = check_array(Z, dtype=np.float64, order="C", input_name=argument)
    if Z.shape[1] != n_components:
        raise ValueError(f"{argument} has {Z.shape[1]} columns, {name} have {n_components}.")
    return Z


def read_weights(sample_weight: Any, X: Any) -> Array:
    """Validate weights of the training rows of validated `X`: an array (n,) with sum 1.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, or fewer than two weights are positive.
    """
    weights: Array = check_sample_weight(sample_weight, X)
    weights = weights / weights.max()  # the sum is then finite
    if np.count_nonzero(weights) < 2:
        raise ValueError("sample_weight has 1 positive weight: at least 2 rows must have weights.")
    return weights / weights.sum()


def estimate_scale(
    space: Space,
    rng: np.random.RandomState,
    *,
    weights: Array | None = None,
    max_anchors: int = 1000,
) -> float:
    """Estimate the RMS distance of a space; 1 if all points coincide.

    Parameters
    ----------
    space : Space
    rng : RandomState
        Source of the subset of anchors.
    weights : array of shape (n_anchors,), optional
        Weights of the anchors; anchors without weight are left out. By default equal.
    max_anchors : int, default=1000
        Largest number of anchors between which distances are computed.

    Raises
    ------
    ValueError
        If the metric returns negative, infinite or NaN distances, or asymmetric distances.
    """
    sample = np.arange(len(space.anchors)) if weights is None else np.flatnonzero(weights)
    if len(sample) > max_anchors:
        sample = sample[rng.choice(len(sample), max_anchors, replace=False)]
    D = space.between(sample, sample)
    check_finite_distances(D)
    check_distances(D, "Distances by the metric")
    return scaled_root_mean_square(D, None if weights is None else weights[sample]) or 1.0
