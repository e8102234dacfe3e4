"""What is looked at before something is drawn."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array


def as_points(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Rows of finite numbers."""
    return np.asarray(check_array(values, dtype=np.float64, input_name=name))


def as_labels(values: ArrayLike, n_rows: int, of: str = "what is drawn") -> NDArray[Any]:
    """One label for each row."""
    labels = np.asarray(values)
    if labels.shape != (n_rows,):
        raise ValueError(
            f"Labels must be one for each of the {n_rows} rows of {of}, got shape {labels.shape}."
        )
    return labels


def has_two_domains(estimator: Any) -> bool:
    """Whether an estimator's `transform` has to be told the domain of its rows."""
    transform = getattr(estimator, "transform", None)
    return transform is not None and "domain" in inspect.signature(transform).parameters


def require_matplotlib() -> None:
    """Say which extra is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Drawing needs matplotlib; install it with pip install 'skgw[plot]'."
        ) from error
