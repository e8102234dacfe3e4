"""Flat rows as pictures, and pictures side by side in one sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ImageShape = tuple[int, int, int]  # channels, height and width

GAP = 0.1  # between pictures, of their smaller side


def resolve_image_shape(
    estimator: Any, image_shape: Sequence[int] | None, n_values: int
) -> ImageShape:
    """The shape that is given, that of the estimator, or a grey square; checked."""
    shape = getattr(estimator, "image_shape", None) if image_shape is None else image_shape
    if shape is None and math.isqrt(n_values) ** 2 == n_values:
        shape = (1, math.isqrt(n_values), math.isqrt(n_values))
    if shape is None or len(shape) != 3 or math.prod(shape) != n_values or shape[0] not in (1, 3):
        raise ValueError(
            "Pictures need image_shape=(channels, height, width) with 1 or 3 channels and "
            f"{n_values} values in all, the number of features; got {shape}."
        )
    channels, height, width = map(int, shape)
    return channels, height, width


def as_pictures(rows: Floats, shape: ImageShape) -> Floats:
    """Pictures (n, height, width, channels) of flat rows."""
    return rows.reshape(-1, *shape).transpose(0, 2, 3, 1)


def as_sheet(pictures: Floats, limits: tuple[float, float]) -> tuple[Floats, Floats, Floats]:
    """One picture of a table of pictures.

    Parameters
    ----------
    pictures : ndarray of shape (n_rows, n_columns, height, width, channels)
    limits : pair of float
        Values of black and of white.

    Returns
    -------
    sheet : ndarray of shape (total height, total width) or (total height, total width, 3)
        Values between 0 and 1; between grey pictures NaN, and between coloured pictures 1.
    down, right : ndarray of shapes (n_rows,) and (n_columns,)
        Middles of the pictures, in pixels of the sheet.
    """
    n_rows, n_columns, height, width, channels = pictures.shape
    gap = max(1, round(GAP * min(height, width)))
    low, high = limits
    between = np.nan if channels == 1 else 1.0
    padded = np.full((n_rows, n_columns, height + gap, width + gap, channels), between)
    scaled = (pictures - low) / (high - low if high > low else 1.0)
    padded[:, :, :height, :width] = np.clip(scaled, 0.0, 1.0)
    sheet = padded.swapaxes(1, 2).reshape(n_rows * (height + gap), n_columns * (width + gap), -1)
    down = np.arange(n_rows) * (height + gap) + (height - 1) / 2
    right = np.arange(n_columns) * (width + gap) + (width - 1) / 2
    sheet = sheet[:-gap, :-gap]
    return (sheet[:, :, 0] if channels == 1 else sheet), down, right
