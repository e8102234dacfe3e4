"""Validation of the input of displays."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array


def as_points(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Validate rows of finite numbers, (n, k)."""
    return np.asarray(check_array(values, dtype=np.float64, input_name=name))


def as_labels(values: ArrayLike, n_rows: int, of: str = "the points") -> NDArray[Any]:
    """Validate one label per row, (n_rows,)."""
    labels = np.asarray(values)
    if labels.shape != (n_rows,):
        raise ValueError(
            f"y must hold one label for each of the {n_rows} rows of {of}, got shape "
            f"{labels.shape}."
        )
    return labels


def as_pair(values: Any) -> tuple[Any, Any]:
    """Validate labels of two domains."""
    if isinstance(values, str) or not hasattr(values, "__len__") or len(values) != 2:
        raise ValueError(
            "y must be a pair, the labels of the first and of the second domain, got "
            f"{type(values).__name__}."
        )
    first, second = values
    return first, second


def has_two_domains(estimator: Any) -> bool:
    """Whether an estimator's `transform` takes the domain of its rows."""
    transform = getattr(estimator, "transform", None)
    return transform is not None and "domain" in inspect.signature(transform).parameters


def require_matplotlib() -> None:
    """Raise an ImportError that names the extra if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Drawing needs matplotlib; install it with pip install 'skgw[plot]'."
        ) from error
