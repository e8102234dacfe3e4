"""Two domains of one estimator: validation, transformers and scores.

Methods name a domain "x" or "y"; functions take its position, 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NotRequired

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_array
from torch import Tensor

from skgw.base.domains import Domains
from skgw.base.estimator import FittedState
from skgw.base.input_kinds import refuse_condensed_distances, refuse_foreign_kinds
from skgw.base.validation import SPARSE_ROW_METRICS, as_array, read_array, read_points
from skgw.exceptions import LabelsAsDomainWarning, warn_user
from skgw.fields import Count, FloatType, Names, SparseNumbers, Strings
from skgw.spaces import is_networkx
from skgw.spaces.finite import Array, Metric
from skgw.spaces.node_names import node_names

Metrics = tuple[Metric, Metric]

EUCLIDEAN = ("euclidean", "euclidean")  # metrics of two domains with features


class TwoDomainState(FittedState):
    """Fitted attributes of estimators of two domains, of p and q columns.

    Transformers cannot be saved.
    """

    n_features_y_in_: Annotated[int, Count("q")]
    feature_names_y_in_: NotRequired[Annotated[Array, Strings("q")]]
    node_names_y_: NotRequired[Annotated[list, Names("q")]]
    _graph_y: NotRequired[Annotated[sparse.csr_array, SparseNumbers("q", "q")]]
    _dtype_y: FloatType
    transformer_x_: None
    transformer_y_: None


def position(name: str, parameter: str = "domain") -> int:
    """Position of a domain: 0 for "x", 1 for "y".

    Parameters
    ----------
    name : {"x", "y"}
    parameter : str
        Name of the parameter in the error message.

    Raises
    ------
    ValueError
        For another name.
    """
    if name not in ("x", "y"):
        raise ValueError(f"{parameter} must be 'x' or 'y', got {name!r}.")
    return ("x", "y").index(name)


def of_domain(value: Any, domain: int, name: str) -> Any:
    """Value of a parameter for one domain.

    Parameters
    ----------
    value : object, or pair of objects
        One value for both domains, or one value for each domain.
    domain : int
        Position of the domain, 0 or 1.
    name : str
        Name of the parameter in the error message.

    Raises
    ------
    ValueError
        For a tuple or a list that is not a pair.
    """
    if not isinstance(value, tuple | list):
        return value
    if len(value) != 2:
        raise ValueError(f"{name} must be one value or a pair, got {value!r}.")
    return value[domain]


def read_domains(
    estimator: BaseEstimator,
    X: Any,
    y: Any,
    *,
    metrics: Metrics = EUCLIDEAN,
    edge_length: str = "auto",
    sparse_features: bool = False,
) -> tuple[Any, Any, Metric]:
    """Validate both domains of a fit, given as `Domains` or as `X` and `y`.

    Features may be sparse if a transformer follows (`transformer_x`, `transformer_y`) or, with
    `sparse_features`, if the metric takes sparse rows.

    Set on the estimator `n_features_in_` and `n_features_y_in_`; `feature_names_in_` and
    `feature_names_y_in_` for domains with named features; `node_names_` and `node_names_y_` for
    networkx graphs; `_graph`, `_graph_y`, `_dtype` and `_dtype_y`.

    Returns
    -------
    X, Y : array or sparse matrix
        Results of `read_points`.
    metric : str or callable
        Metric of the second domain: "euclidean" instead of "precomputed" for a one-dimensional `y`.
    """
    X, Y = _split(X, y, estimator)
    transformers = estimator.transformer_x, estimator.transformer_y
    accept_sparse = [
        transformer is not None or (sparse_features and metric in SPARSE_ROW_METRICS)
        for transformer, metric in zip(transformers, metrics, strict=True)
    ]
    X = read_points(
        estimator, X, metric=metrics[0], edge_length=edge_length, reset=True,
        accept_sparse=accept_sparse[0],
    )  # fmt: skip
    second = SecondDomain(metrics[1], edge_length, accept_sparse=accept_sparse[1])
    Y = second.read(Y, reset=True)
    second.describe_to(estimator)
    return X, Y, second.metric


def read_rows(
    estimator: BaseEstimator,
    X: Any,
    domain: int,
    *,
    metrics: Metrics = EUCLIDEAN,
    edge_length: str = "auto",
    sparse_features: bool = False,
) -> Any:
    """Validate and transform rows of one domain, 0 or 1, of a fitted estimator."""
    transformer = estimator.transformer_y_ if domain else estimator.transformer_x_
    sparse_rows = sparse_features and metrics[domain] in SPARSE_ROW_METRICS
    accept_sparse = transformer is not None or sparse_rows
    if domain == 0:
        X = read_points(
            estimator, X, metric=metrics[0], edge_length=edge_length, reset=False,
            accept_sparse=accept_sparse,
        )  # fmt: skip
    else:
        second = SecondDomain.of(estimator, metrics[1], edge_length, accept_sparse=accept_sparse)
        X = second.read(X, reset=False)
    return transformed(transformer, X, accept_sparse=sparse_rows)


def fit_transformer(transformer: Any, X: Any, name: str, metric: Metric = "euclidean") -> Any:
    """Fit a clone of a transformer to the rows of a domain; None for no transformer."""
    if transformer is None:
        return None
    if metric == "precomputed":
        raise ValueError(f"{name} transforms features, but the metric is 'precomputed'.")
    return clone(transformer).fit(X)


def transformed(transformer: Any, X: Any, *, accept_sparse: bool = False) -> Any:
    """Transform validated rows; without a transformer they are returned as they are.

    Parameters
    ----------
    transformer : fitted transformer or None
    X : array or sparse matrix
    accept_sparse : bool, default=False
        Whether transformed rows may be sparse.

    Returns
    -------
    array of float64 in C order, or csr array
    """
    if transformer is None:
        return X
    rows = transformer.transform(X)
    if hasattr(rows, "to_numpy"):  # the names of its columns belong to the transformer
        rows = rows.to_numpy()
    return read_array(BaseEstimator(), rows, reset=False, accept_sparse=accept_sparse)


def untransformed(transformer: Any, rows: Array) -> Array:
    """Rows before a fitted transformer, if it has `inverse_transform`; else the rows."""
    inverse = getattr(transformer, "inverse_transform", None)
    return rows if inverse is None else np.asarray(inverse(rows))


def mean_score(
    X: Any, y: Any, sample_weight: Any, distortion: Callable[[Any, int, Any], float]
) -> float:
    """Minus the mean distortion of the given domains.

    Parameters
    ----------
    X : array, graph or Domains
        Rows of the first domain, or both domains.
    y : array, graph or None
        Rows of the second domain, if any.
    sample_weight : array or None
        Weights of the rows of `X`.
    distortion : callable
        Maps rows, the position of their domain, and weights or None to a number.

    Returns
    -------
    float
        Mean over one or two domains.
    """
    parts = X.parts if isinstance(X, Domains) else (X, y)
    weights: list[Any] = [sample_weight, None]
    if isinstance(X, Domains) and sample_weight is not None:
        weights = np.split(np.asarray(sample_weight), [X.X.shape[0]])
    scores = [
        -distortion(part, domain, weight)
        for domain, part, weight in zip((0, 1), parts, weights, strict=True)
        if part is not None
    ]
    return float(np.mean(scores))


def _split(X: Any, y: Any, estimator: BaseEstimator) -> tuple[Any, Any]:
    """Both domains, given as `Domains` or as `X` and `y`."""
    if isinstance(X, Domains):
        if y is not None:
            raise ValueError("X is Domains, which holds both domains already: leave y out.")
        return X.parts
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None: it is "
            "the second domain. Or pass Domains(X, Y) as X."
        )
    return X, y


# Fitted attributes of a domain, and their names on an estimator for its second domain.
OF_SECOND_DOMAIN = {
    "n_features_in_": "n_features_y_in_",
    "feature_names_in_": "feature_names_y_in_",
    "node_names_": "node_names_y_",
    "_graph": "_graph_y",
    "_dtype": "_dtype_y",
}


def row_names(X: Any, y: Any = None) -> tuple[Any, Any]:
    """Names of the rows of two domains, given as to `fit`; None for rows without names.

    The rows of a data frame have the names of its index, the nodes of a networkx graph their own.
    """
    x_names, y_names = map(_names, X.parts if isinstance(X, Domains) else (X, y))
    return x_names, y_names


def _names(X: Any) -> Any:
    if is_networkx(X):
        return node_names(X)
    index = getattr(X, "index", None)
    return list(index) if index is not None and hasattr(index, "get_indexer") else None


class SecondDomain(BaseEstimator):
    """The second domain as `read_points` and scikit-learn's validation describe it.

    Parameters
    ----------
    metric : str or callable
    edge_length : str
        Length of the edges of a graph.
    accept_sparse : bool, default=False
        Whether features may be sparse.
    """

    def __init__(self, metric: Metric, edge_length: str, *, accept_sparse: bool = False) -> None:
        self.metric = metric
        self.edge_length = edge_length
        self.accept_sparse = accept_sparse

    @classmethod
    def of(
        cls, estimator: BaseEstimator, metric: Metric, edge_length: str, *, accept_sparse: bool
    ) -> SecondDomain:
        """The second domain of a fitted estimator."""
        second = cls(metric, edge_length, accept_sparse=accept_sparse)
        for name, name_y in OF_SECOND_DOMAIN.items():
            if hasattr(estimator, name_y):
                setattr(second, name, getattr(estimator, name_y))
        return second

    def describe_to(self, estimator: BaseEstimator) -> None:
        """Set the description on an estimator, and remove what a last fit has set."""
        for name, name_y in OF_SECOND_DOMAIN.items():
            vars(estimator).pop(name_y, None)
            if hasattr(self, name):
                setattr(estimator, name_y, getattr(self, name))

    def read(self, y: Any, *, reset: bool) -> Any:
        """Validate by `read_points`; a one-dimensional `y` is one feature."""
        y = as_array(y) if isinstance(y, Tensor) else y
        try:
            refuse_foreign_kinds(y)
            if _is_one_dimensional(y):
                y = self._one_feature(y, reset=reset)
            return read_points(
                self, y, metric=self.metric, edge_length=self.edge_length, reset=reset,
                accept_sparse=self.accept_sparse,
            )  # fmt: skip
        except (TypeError, ValueError) as error:  # the message names X, which is y
            kind = TypeError if isinstance(error, TypeError) else ValueError
            text = str(error).replace(type(self).__name__, "the estimator")
            raise kind(f"In the second domain, y: {text}") from error

    def _one_feature(self, y: Any, *, reset: bool) -> Any:
        """A one-dimensional array as one feature (m, 1), which is no matrix of distances."""
        y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
        if y.dtype.kind not in "biuf":
            try:
                y = y.astype(np.float64)
            except ValueError as error:
                raise ValueError(
                    f"{error}: is y labels? It is the rows of the second domain, in numbers."
                ) from error
        if reset and y.dtype.kind in "biu":
            warn_user(
                "y has one dimension and holds integers: is it labels? y is the second domain "
                "and is read as one feature. Reshape y to (-1, 1) if that is intended.",
                LabelsAsDomainWarning,
            )
        if reset and self.metric == "precomputed":
            if y.dtype.kind == "f" and (y % 1 != 0).any():  # no labels
                refuse_condensed_distances(y)
            self.metric = "euclidean"
        return y.astype(np.float64).reshape(-1, 1)


def _is_one_dimensional(y: Any) -> bool:
    return not (sparse.issparse(y) or is_networkx(y)) and np.asarray(y).ndim == 1
