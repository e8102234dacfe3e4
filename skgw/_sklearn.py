"""The one file that touches private or experimental names of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import BaseEstimator, _fit_context
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight

__all__ = [
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "check_sample_weight",
    "fit_context",
    "report_to_callbacks",
    "with_callbacks",
]


def fit_context(method: Callable[..., Any]) -> Callable[..., Any]:
    """Validate the constructor's parameters before `method`, and end callbacks after it."""
    return _fit_context(prefer_skip_nested_validation=True)(method)


def check_sample_weight(sample_weight: Any, X: Any) -> Any:
    """Weights of the rows of `X`, (n,), non-negative and not all zero."""
    return _check_sample_weight(sample_weight, X, ensure_non_negative=True)


def report_to_callbacks(
    estimator: BaseEstimator, X: Any, n_reports: int
) -> tuple[Callable[[], bool], Callable[[], None]]:
    """Announce a fit of `n_reports` steps to the estimator's callbacks.

    Returns
    -------
    step : callable
        To be called after each step; True means that a callback asks to stop.
    end : callable
        To be called when the fit is over.
    """
    context = estimator._init_callback_context(max_subtasks=n_reports)
    context.call_on_fit_task_begin(estimator=estimator, X=X)
    current = []

    def begin() -> None:
        current.append(context.subcontext(task_name="epoch"))
        current[-1].call_on_fit_task_begin(estimator=estimator, X=X)

    def step() -> bool:
        if not current:
            begin()
        stop = bool(current.pop().call_on_fit_task_end(estimator=estimator, X=X))
        return stop

    def end() -> None:
        context.call_on_fit_task_end(estimator=estimator, X=X, reconstruction_attributes={})

    return step, end
