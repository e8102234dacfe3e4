"""Zeros in distance matrices: duplicated points, or pairs without an edge."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DIAGONAL_TOLERANCE = 1e-2  # of the largest distance; float32 rounding of squares gives about 1e-3
SYMMETRY_TOLERANCE = 1e-4  # of the largest distance; covers float32 rounding
MAX_INSPECTED_ROWS = 1000  # rows with zeros that are compared with another row


def zeros_are_duplicates(D: NDArray[Any]) -> bool:
    """Whether any two points at distance zero have the same distances to all points.

    Parameters
    ----------
    D : array of shape (n, n)
        Distances; zero on the diagonal.
    """
    gaps, largest = duplicate_gaps(D)
    return bool((gaps <= SYMMETRY_TOLERANCE * largest).all())


def duplicate_gaps(D: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Largest differences between the distances of points that are at distance zero.

    By the triangle inequality, two points at distance zero have the same distances to all points.

    Parameters
    ----------
    D : array of shape (n, n)

    Returns
    -------
    gaps : array of shape (k,)
        For each of up to 1000 rows with a zero outside of the diagonal: the largest difference to
        the row at distance zero.
    largest : array of shape (k,)
        Largest distance in either of the two rows.
    """
    rows = np.flatnonzero((D == 0).sum(1) > 1)[:MAX_INSPECTED_ROWS]
    at_zero = D[rows] == 0
    at_zero[np.arange(len(rows)), rows] = False
    own, other = D[rows], D[at_zero.argmax(1)]
    gaps = abs(own - other).max(1, initial=0.0)
    return gaps, np.maximum(own, other).max(1, initial=0.0)
