"""What the estimators of two domains share: naming, reading and transforming them, scoring both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_array
from torch import Tensor

from skgw.base.domains import Domains
from skgw.base.validation import as_array, read_points
from skgw.exceptions import LabelsAsDomainWarning, warn_user
from skgw.spaces import is_networkx
from skgw.spaces.finite import Metric

Metrics = tuple[Metric, Metric]

EUCLIDEAN = ("euclidean", "euclidean")  # both domains have features


def position(name: str, parameter: str = "domain") -> int:
    """0 for the domain "x", 1 for "y"; a ValueError that names the parameter for others."""
    if name not in ("x", "y"):
        raise ValueError(f"{parameter} must be 'x' or 'y', got {name!r}.")
    return ("x", "y").index(name)


def of_domain(value: Any, here: int, name: str) -> Any:
    """What a parameter, given for both domains or as a pair, is for one of them, 0 or 1."""
    if not isinstance(value, tuple | list):
        return value
    if len(value) != 2:
        raise ValueError(f"{name} must be one or a pair, got {value!r}.")
    return value[here]


def read_domains(
    estimator: BaseEstimator,
    X: Any,
    y: Any,
    *,
    metrics: Metrics = EUCLIDEAN,
    edge_length: str = "hops",
) -> tuple[Any, Any, Metric]:
    """Validate both domains of a fit, from `Domains` in place of `X` or from `X` and `y`.

    The estimator learns the numbers and the names of their features, as `n_features_in_`,
    `n_features_y_in_` and so on.

    Returns
    -------
    X, Y : array or sparse matrix
        As of `read_points`.
    metric : str or callable
        Of the second domain: "euclidean" in place of "precomputed" for what has one dimension.
    """
    X, Y = _split(X, y, estimator)
    X = read_points(estimator, X, metric=metrics[0], edge_length=edge_length, reset=True)
    second = SecondDomain(metrics[1], edge_length)
    Y = second.read(Y, reset=True)
    second.describe_to(estimator)
    return X, Y, second.metric


def read_rows(
    estimator: BaseEstimator,
    X: Any,
    here: int,
    *,
    metrics: Metrics = EUCLIDEAN,
    edge_length: str = "hops",
) -> Any:
    """Validated rows of one domain, 0 or 1, of a fitted estimator, transformed."""
    if here == 0:
        X = read_points(estimator, X, metric=metrics[0], edge_length=edge_length, reset=False)
        return transformed(estimator.transformer_x_, X)
    second = SecondDomain.of(estimator, metrics[1], edge_length)
    return transformed(estimator.transformer_y_, second.read(X, reset=False))


def fit_transformer(transformer: Any, X: Any, name: str, metric: Metric = "euclidean") -> Any:
    """A clone of the transformer, fitted to the rows of a domain; None for None."""
    if transformer is None:
        return None
    if metric == "precomputed":
        raise ValueError(f"{name} transforms features, but the metric is 'precomputed'.")
    return clone(transformer).fit(X)


def transformed(transformer: Any, X: Any) -> Any:
    """Validated rows, transformed if there is something to do it."""
    if transformer is None:
        return X
    return check_array(transformer.transform(X), dtype=[np.float64, np.float32])


def mean_score(
    X: Any, y: Any, sample_weight: Any, distortion: Callable[[Any, int, Any], float]
) -> float:
    """Minus the mean distortion of the domains that are there.

    Parameters
    ----------
    X : array, graph or Domains
    y : array, graph or None
    sample_weight : array or None
        For the rows of `X`.
    distortion : callable
        From rows, the position of their domain, and weights or None.
    """
    parts = X.parts if isinstance(X, Domains) else (X, y)
    weights: list[Any] = [sample_weight, None]
    if isinstance(X, Domains) and sample_weight is not None:
        weights = np.split(np.asarray(sample_weight), [X.X.shape[0]])
    scores = [
        -distortion(part, here, weight)
        for here, part, weight in zip((0, 1), parts, weights, strict=True)
        if part is not None
    ]
    return float(np.mean(scores))


def _split(X: Any, y: Any, estimator: BaseEstimator) -> tuple[Any, Any]:
    """Both domains, from `Domains` in place of `X` or from `X` and `y`."""
    if isinstance(X, Domains):
        if y is not None:
            raise ValueError("X holds both domains already: leave y out.")
        return X.parts
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None: it is "
            "the second domain. Or pass Domains(X, Y) as X."
        )
    return X, y


class SecondDomain(BaseEstimator):
    """Stands for the second domain where scikit-learn's validation counts columns."""

    n_features_in_: int
    feature_names_in_: Any

    def __init__(self, metric: Metric, edge_length: str) -> None:
        self.metric = metric
        self.edge_length = edge_length

    @classmethod
    def of(cls, estimator: BaseEstimator, metric: Metric, edge_length: str) -> SecondDomain:
        """That of a fitted estimator, with the number and the names of its features."""
        second = cls(metric, edge_length)
        second.n_features_in_ = estimator.n_features_y_in_
        if hasattr(estimator, "feature_names_y_in_"):
            second.feature_names_in_ = estimator.feature_names_y_in_
        return second

    def describe_to(self, estimator: BaseEstimator) -> None:
        """Tell an estimator the number and the names of the features."""
        estimator.n_features_y_in_ = self.n_features_in_
        vars(estimator).pop("feature_names_y_in_", None)
        if hasattr(self, "feature_names_in_"):
            estimator.feature_names_y_in_ = self.feature_names_in_

    def read(self, y: Any, *, reset: bool) -> Any:
        """Validate as `read_points` does; what has one dimension is one feature."""
        y = as_array(y) if isinstance(y, Tensor) else y
        if not (sparse.issparse(y) or is_networkx(y)) and np.asarray(y).ndim == 1:
            y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
            if reset and y.dtype.kind in "biu":
                warn_user(
                    "y has one dimension and holds integers: is it labels? It is the second "
                    "domain, and taken as one feature. Reshape it if that is what you mean.",
                    LabelsAsDomainWarning,
                )
            y = y.astype(np.float64).reshape(-1, 1)
            if reset and self.metric == "precomputed":
                self.metric = "euclidean"
        try:
            return read_points(
                self, y, metric=self.metric, edge_length=self.edge_length, reset=reset
            )
        except (TypeError, ValueError) as error:  # of an "X" that the user calls y
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"In the second domain, y: {error}") from error
