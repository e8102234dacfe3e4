"""Colours of points by their labels.

The palette of :cite:t:`petroff2021` has ten colours that colour-blind readers can tell apart.
The two greys are last because samples are drawn in grey.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

PALETTE = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#92dadd"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#94a4a2"),
)
SAMPLE_COLOR = "#9a9a9a"
EDGE_COLOR = "#b5b5b5"
MAX_CLASSES = 20  # distinct labels in a legend; more numbers are a quantity, more names a scale


class Coloring(NamedTuple):
    """Colours of points, and the entries of their legend or colour bar."""

    arguments: dict[str, Any]  # of `Axes.scatter`
    legend: list[tuple[str, Any]]  # name and colour of each of at most MAX_CLASSES classes
    scale: bool = False  # whether a colour bar replaces the legend
    ticks: list[str] | None = None  # names of the classes 0, 1, ... on the colour bar


def color_points(labels: ArrayLike | None, limits: tuple[float, float] | None = None) -> Coloring:
    """Choose the colours of points by their labels.

    Parameters
    ----------
    labels : array-like of shape (n,) or None
        Up to 20 different labels are classes with colours of the palette. A quantity, and more than
        20 classes, have colours of viridis, where NaN and infinity are grey. None gives one colour.
    limits : pair of float, default=None
        Ends of the colour scale. If given, the labels are a quantity.
    """
    if labels is None:
        return Coloring({"color": PALETTE[0]}, [])
    values = np.asarray(labels)
    if values.dtype.kind not in "biuf":
        values = values.astype(str)
    classes, index = np.unique(values, return_inverse=True)
    if limits is not None or _is_quantity(values, len(classes)):
        ends = {} if limits is None else {"vmin": limits[0], "vmax": limits[1]}
        return Coloring({**_quantity(values), **ends}, [], scale=True)
    names = [_name(value) for value in classes]
    if len(classes) > MAX_CLASSES:
        return Coloring({"c": index, "cmap": "viridis"}, [], scale=True, ticks=names)
    colors = _class_colors(len(classes))
    return Coloring({"c": colors[index]}, list(zip(names, colors, strict=True)))


def _quantity(values: NDArray[Any]) -> dict[str, Any]:
    """Arguments of `scatter`, which leaves points out whose number is not finite."""
    import matplotlib as mpl

    values = np.where(np.isfinite(values), values, np.nan)
    scale = mpl.colormaps["viridis"].with_extremes(bad=SAMPLE_COLOR)
    return {"c": values, "cmap": scale, "plotnonfinite": True}


def _is_quantity(values: NDArray[Any], n_classes: int) -> bool:
    if values.dtype.kind == "f" and not np.array_equal(values, np.rint(values), equal_nan=True):
        return True
    return values.dtype.kind in "iuf" and n_classes > MAX_CLASSES


def _class_colors(n_classes: int) -> NDArray[np.float64]:
    import matplotlib as mpl
    from matplotlib.colors import to_rgba_array

    if n_classes <= len(PALETTE):
        return np.asarray(to_rgba_array(PALETTE[:n_classes]))
    return np.asarray(mpl.colormaps["tab20"](range(n_classes)))  # viridis gives similar colours


def _name(value: Any) -> str:
    is_whole = isinstance(value, np.floating) and float(value).is_integer()
    return str(int(value)) if is_whole else str(value)
