"""Input checks shared by the metrics."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import squareform
from sklearn.utils import check_array

from skgw.spaces.duplicates import DIAGONAL_TOLERANCE

Floats = NDArray[np.float64]


class Frame(NamedTuple):
    """Origin (d,) and unit of points: a power of two, so that division by it is exact."""

    origin: Floats
    unit: float


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
    if (matrix.diagonal() > DIAGONAL_TOLERANCE * matrix.max()).any():
        raise ValueError(
            f"{name} must be zero on the diagonal. Similarities or kernels must be turned into "
            "distances first."
        )
    # Computed distances are symmetric only up to rounding, which grows with the distances.
    if not np.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-8 * matrix.max()):
        raise ValueError(f"{name} is not symmetric; pass (D + D.T) / 2 if it should be.")
    return matrix


def condensed_distances(distances: ArrayLike, name: str, *, min_points: int = 2) -> Floats:
    """Return the distances of all pairs i < j of a square symmetric matrix, self-pairs left out."""
    matrix = square_distances(distances, name, min_points=min_points)
    return np.asarray(squareform(matrix, checks=False))


def power_of_two(*arrays: Floats) -> float:
    """The largest power of two that is at most the largest magnitude; 1 if all are zero."""
    largest = max(float(abs(values).max(initial=0.0)) for values in arrays)
    return float(np.ldexp(0.5, np.frexp(largest)[1])) if largest > 0 else 1.0


def in_one_frame(*sets: Floats) -> tuple[list[Floats], Frame]:
    """Move the median of the first set to the origin, and divide all sets (n, d) by one unit.

    Squared distances that are computed from inner products lose small distances far from zero, and
    squares leave the range of float64. The coordinates of the origin are coordinates of points, so
    that points on a grid keep equal distances equal.
    """
    scale = power_of_two(*sets)
    origin = np.quantile(sets[0] / scale, 0.5, axis=0, method="lower")
    moved = [points / scale - origin for points in sets]
    unit = power_of_two(*moved)
    return [points / unit for points in moved], Frame(origin * scale, unit * scale)


def check_whole(value: Any, name: str, least: int, most: int | None = None) -> int:
    """A whole number from `least` to `most`; a ValueError names the fault."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or value < least or (most is not None and value > most):
        bounds = f"at least {least}" if most is None else f"between {least} and {most}"
        raise ValueError(f"{name} must be {bounds} and whole, got {value!r}.")
    return int(value)


def check_positive(value: Any, name: str) -> float:
    """A positive number, infinity included; a ValueError names the fault."""
    if not isinstance(value, int | float | np.number) or not value > 0:
        raise ValueError(f"{name} must be positive, got {value!r}.")
    return float(value)


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
