"""Transfer of labels between domains: shares of the classes in the mass that a row receives."""

from __future__ import annotations

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import column_or_1d

from skgw.base.coupling import Coupling
from skgw.solvers import LazyPlan
from skgw.spaces.finite import Array

MISSING_NUMBER = -1  # label of a row without a label, as in `sklearn.semi_supervised`


class Labels(NamedTuple):
    """Labels of the rows of a domain, some of which may be missing.

    Attributes
    ----------
    classes : array of shape (c,)
        The classes, sorted.
    members : array of shape (n, c)
        1 where a row is of a class; a row without a label has zeros.
    """

    classes: Array
    members: Array

    @classmethod
    def read(cls, labels: Any, n: int) -> Labels:
        """Validate the labels of n rows.

        Raises
        ------
        ValueError
            If there are not n labels, if all labels are missing, or if strings and numbers are
            mixed.
        """
        values = column_or_1d(np.asarray(labels, dtype=object))
        if len(values) != n:
            raise ValueError(f"Got {len(values)} labels for a domain of {n} rows.")
        absent = labels.isna() if hasattr(labels, "isna") else np.zeros(n, dtype=bool)  # pandas.NA
        known = np.array(
            [not (gone or _is_missing(x)) for gone, x in zip(absent, values, strict=True)]
        )
        if not known.any():
            raise ValueError("All labels are missing.")
        given = values[known].tolist()
        if len({isinstance(x, str) for x in given}) > 1:
            raise ValueError("Labels must be all strings or all numbers, got both.")
        classes, code = np.unique(np.array(given), return_inverse=True)
        members = np.zeros((n, len(classes)))
        members[known, code] = 1
        return cls(classes, members)

    def transfer(self, mass: Array) -> tuple[Array, Array]:
        """Labels and probabilities of rows that receive a mass (b, c) of each class.

        A row that receives no mass has the probabilities NaN and a missing label.
        """
        total = mass.sum(1, keepdims=True)
        empty = total[:, 0] <= 0
        probabilities = mass / np.where(total > 0, total, np.nan)
        labels = self.classes[mass.argmax(1)]
        if empty.any():
            labels = _with_missing(labels, empty)
        return labels, probabilities


def transfer_over_plan(plan: Coupling, labels: Any, source: int) -> tuple[Array, Array]:
    """Transfer labels of the training rows of a domain, 0 or 1, to those of the other domain.

    Parameters
    ----------
    plan : Coupling of shape (n, m)
    labels : sequence of shape (n,), or (m,) for the second domain
    source : int

    Returns
    -------
    labels : array of shape (m,), or (n,) for the second domain
    probabilities : array of shape (m, n_classes), or (n, n_classes) for the second domain
    """
    read = Labels.read(labels, plan.shape[source])
    mass = plan.apply(read.members, axis=source)
    if not isinstance(plan.plan, LazyPlan):  # which gives all rows equal mass
        mass[plan.argmax(axis=source) < 0] = 0
    return read.transfer(mass)


def _is_missing(label: Any) -> bool:
    return label is None or label != label or (isinstance(label, Real) and label == MISSING_NUMBER)


def _with_missing(labels: Array, empty: Array) -> Array:
    """Labels with a missing label, -1, NaN or None by their kind, in the empty rows."""
    missing = {"i": MISSING_NUMBER, "f": np.nan}.get(labels.dtype.kind)
    if missing is None:
        labels = labels.astype(object)
    labels[empty] = missing
    return labels
