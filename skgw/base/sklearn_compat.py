"""Private and experimental names of scikit-learn; no other file imports them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import BaseEstimator, _fit_context
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils._set_output import _get_container_adapter, _get_output_config
from sklearn.utils.validation import _check_sample_weight

__all__ = [
    "CallbackSupportMixin",
    "CallbackTask",
    "HasMethods",
    "Interval",
    "StrOptions",
    "as_data_frame",
    "check_sample_weight",
    "fit_context",
    "gives_data_frames",
    "safe_indexing",
    "validate_parameters",
    "with_callbacks",
]


def fit_context(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a method: validate the estimator's parameters before, end its callbacks after."""
    return _fit_context(prefer_skip_nested_validation=True)(method)


def validate_parameters(part: BaseEstimator) -> None:
    """Raise a ValueError if a parameter violates a constraint of its class."""
    validate_parameter_constraints(
        part._parameter_constraints, part.get_params(deep=False), caller_name=type(part).__name__
    )


def gives_data_frames(estimator: BaseEstimator, kind: str | None = None) -> bool:
    """Whether `set_output`, or scikit-learn's configuration, asks `transform` for data frames.

    Parameters
    ----------
    estimator : BaseEstimator
    kind : {"pandas", "polars"}, optional
        Frames of this package only.
    """
    asked = _get_output_config("transform", estimator)["dense"]
    return bool(asked != "default" if kind is None else asked == kind)


def check_sample_weight(sample_weight: Any, X: Any) -> Any:
    """Validate weights of the rows of `X`: an array (n,), non-negative and not all zero."""
    return _check_sample_weight(sample_weight, X, ensure_non_negative=True)


def as_data_frame(estimator: BaseEstimator, rows: Any, X: Any, columns: Any) -> Any:
    """Rows (b, k) as the data frame that `set_output` asks for, with the index of a frame `X`.

    Parameters
    ----------
    estimator : BaseEstimator
        Asked for data frames.
    rows : array of shape (b, k)
    X : data frame or array
        Rows of which `rows` are the output.
    columns : sequence of str, or None
        Names of the columns; None numbers them.
    """
    return _get_container_adapter("transform", estimator).create_container(rows, X, columns)


def safe_indexing(X: Any, index: Any, axis: int = 0) -> Any:
    """Select rows or columns of an array, sparse matrix or data frame."""
    return _safe_indexing(X, index, axis=axis)


class CallbackTask:
    """Task of the callbacks of an estimator: a fit of `n_steps` steps.

    Parameters
    ----------
    estimator : BaseEstimator
    X : array or sparse matrix
        Training data that the callbacks receive.
    n_steps : int
        Largest number of steps.
    """

    def __init__(self, estimator: BaseEstimator, X: Any, n_steps: int) -> None:
        self.arguments = {"estimator": estimator, "X": X}
        self.context = estimator._init_callback_context(max_subtasks=n_steps)
        self.context.call_on_fit_task_begin(**self.arguments)

    def step(self, name: str = "training") -> bool:
        """Report a completed step of the task `name`; True if a callback stops the fit."""
        step = self.context.subcontext(task_name=name)
        step.call_on_fit_task_begin(**self.arguments)
        return bool(step.call_on_fit_task_end(**self.arguments))

    def end(self) -> None:
        """Report the completed fit."""
        self.context.call_on_fit_task_end(**self.arguments, reconstruction_attributes={})
