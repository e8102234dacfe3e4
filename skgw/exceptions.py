"""Warnings and errors with names, so that callers can filter them."""

from sklearn.exceptions import ConvergenceWarning


class GWConvergenceWarning(ConvergenceWarning):
    """A Gromov-Wasserstein solver ran out of a budget; the message names which one."""
