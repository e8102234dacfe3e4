"""Input checks shared by the metrics."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import squareform
from sklearn.utils import check_array

Floats = NDArray[np.float64]


def float_matrix(values: ArrayLike, name: str) -> Floats:
    """Return `values` as a finite two-dimensional float64 array; a ValueError names the fault."""
    checked = check_array(values, dtype=np.float64, order="C", input_name=name)
    return np.asarray(checked, dtype=np.float64, order="C")


def square_distances(distances: ArrayLike, name: str, *, min_points: int = 2) -> Floats:
    """Return a square symmetric matrix of distances as float64."""
    matrix = float_matrix(distances, name)
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(
            f"{name} must be a square distance matrix, got shape {matrix.shape}; "
            "for features use scipy.spatial.distance.cdist(X, X) first."
        )
    if matrix.shape[0] < min_points:
        raise ValueError(f"{name} must hold at least {min_points} points, got {matrix.shape[0]}.")
    if matrix.min() < 0:
        raise ValueError(f"{name} has negative entries; pass distances, not similarities.")
    # Computed distances are symmetric only up to rounding, which grows with the distances.
    if not np.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-8 * matrix.max()):
        raise ValueError(f"{name} is not symmetric; pass (D + D.T) / 2 if it should be.")
    return matrix


def condensed_distances(distances: ArrayLike, name: str, *, min_points: int = 2) -> Floats:
    """Return the distances of all pairs i < j of a square symmetric matrix, self-pairs left out."""
    matrix = square_distances(distances, name, min_points=min_points)
    return np.asarray(squareform(matrix, checks=False))


def same_width(first: Floats, second: Floats, names: tuple[str, str]) -> None:
    """Raise a ValueError if two sets of points have different numbers of columns."""
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"{names[0]} and {names[1]} must have the same number of columns, "
            f"got {first.shape[1]} and {second.shape[1]}."
        )


def two_samples(X: ArrayLike, Y: ArrayLike) -> tuple[Floats, Floats]:
    """Return two sets of at least two points of one space as float64."""
    first, second = float_matrix(X, "X"), float_matrix(Y, "Y")
    same_width(first, second, ("X", "Y"))
    if min(len(first), len(second)) < 2:
        raise ValueError(f"X and Y must have at least two rows, got {len(first)}, {len(second)}.")
    return first, second
