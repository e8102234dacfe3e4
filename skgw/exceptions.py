"""Warnings and errors with names, so that callers can filter them."""

from sklearn.exceptions import ConvergenceWarning


class GWConvergenceWarning(ConvergenceWarning):
    """A Gromov-Wasserstein solver ran out of a budget; the message names which one."""


class LabelsAsDomainWarning(UserWarning):
    """What was given as the second domain looks like labels of the first."""


class AmbiguousMatchingWarning(UserWarning):
    """The data admit several matchings that differ and are about equally good."""
