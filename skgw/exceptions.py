"""Warnings and errors with names, so that callers can filter them."""

import inspect
import warnings

from sklearn.exceptions import ConvergenceWarning

__all__ = ["AmbiguousMatchingWarning", "GWConvergenceWarning", "LabelsAsDomainWarning"]

PASSED = {"skgw", "sklearn", "torch", "contextlib", "joblib"}  # what a user's call goes through


class GWConvergenceWarning(ConvergenceWarning):
    """A Gromov-Wasserstein solver ran out of a budget; the message names which one."""


class LabelsAsDomainWarning(UserWarning):
    """What was given as the second domain looks like labels of the first."""


class AmbiguousMatchingWarning(UserWarning):
    """The data admit several matchings that differ and are about equally good."""


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the user's line: the nearest one outside of skgw and of what decorates it."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in PASSED:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
