"""One-to-one assignment of rows by a plan."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from skgw.spaces.finite import Array, Index

ASSIGNMENTS = ("argmax", "one-to-one")
MAX_ROWS = 5000  # of either domain; time grows with the cube, and takes about ten seconds here


def is_one_to_one(assignment: str) -> bool:
    """Whether the name of an assignment is "one-to-one"; a ValueError for an unknown name."""
    if assignment not in ASSIGNMENTS:
        raise ValueError(f"assignment must be one of {ASSIGNMENTS}, got {assignment!r}.")
    return assignment == ASSIGNMENTS[1]


def check_size(n: int, m: int) -> None:
    """Raise a ValueError if an assignment between n and m rows takes too long."""
    if max(n, m) > MAX_ROWS:
        raise ValueError(
            f"assignment='one-to-one' takes up to {MAX_ROWS} rows of either domain, got {n} and "
            f"{m}. Take assignment='argmax', or assign parts: match(X[part], y[part], ...)."
        )


def assign(plan: Array) -> Index:
    """The one-to-one assignment that is most probable under a plan.

    The product of the masses of the assigned pairs is largest. (The largest sum leaves rows whose
    first choice is taken to chance.) Rows and columns without mass are not assigned.

    Parameters
    ----------
    plan : array of shape (n, m)

    Returns
    -------
    array of int of shape (n,)
        Column of each row, -1 for rows without a column.
    """
    rows, columns = np.flatnonzero(plan.any(1)), np.flatnonzero(plan.any(0))
    masses = plan[np.ix_(rows, columns)].astype(np.float64)
    i, j = linear_sum_assignment(np.log(np.maximum(masses, np.finfo(np.float64).tiny)), True)
    assigned = np.full(len(plan), -1, dtype=np.intp)
    assigned[rows[i]] = columns[j]
    return assigned
