"""One colour for each point, from its label."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Ten colours that stay apart for colour-blind readers (M. Petroff, "Accessible color sequences for
# data visualization", 2021); the two greys come last because samples are drawn in grey.
PALETTE = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#92dadd"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#94a4a2"),
)
SAMPLE_COLOR = "#9a9a9a"
EDGE_COLOR = "#b5b5b5"
MAX_CLASSES = 20  # more distinct numbers than this are a quantity, more names need a scale


class Coloring(NamedTuple):
    """How to colour the points, and how to explain the colours."""

    arguments: dict[str, Any]  # for `scatter`
    legend: list[tuple[str, Any]]  # name and colour of each class, where they are few
    scale: bool = False  # explained by a colour bar
    ticks: list[str] | None = None  # names of the classes 0, 1, ... along the bar


def color_points(labels: ArrayLike | None, limits: tuple[float, float] | None = None) -> Coloring:
    """Colours of discrete labels from the palette, of a quantity or many labels from viridis.

    Labels with `limits` are a quantity, for which these are the ends of the scale.
    """
    if labels is None:
        return Coloring({"color": PALETTE[0]}, [])
    values = np.asarray(labels)
    if values.dtype.kind not in "biuf":
        values = values.astype(str)
    classes, index = np.unique(values, return_inverse=True)
    if limits is not None or _is_quantity(values, len(classes)):
        ends = {} if limits is None else {"vmin": limits[0], "vmax": limits[1]}
        return Coloring({"c": values, "cmap": "viridis", **ends}, [], scale=True)
    names = [_name(value) for value in classes]
    if len(classes) > MAX_CLASSES:
        return Coloring({"c": index, "cmap": "viridis"}, [], scale=True, ticks=names)
    colors = _class_colors(len(classes))
    return Coloring({"c": colors[index]}, list(zip(names, colors, strict=True)))


def _is_quantity(values: NDArray[Any], n_classes: int) -> bool:
    if values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
        return True
    return values.dtype.kind in "iuf" and n_classes > MAX_CLASSES


def _class_colors(n_classes: int) -> NDArray[np.float64]:
    import matplotlib as mpl
    from matplotlib.colors import to_rgba_array

    if n_classes <= len(PALETTE):
        return np.asarray(to_rgba_array(PALETTE[:n_classes]))
    return np.asarray(mpl.colormaps["tab20"](range(n_classes)))  # neighbours in viridis look alike


def _name(value: Any) -> str:
    is_whole = isinstance(value, np.floating) and float(value).is_integer()
    return str(int(value)) if is_whole else str(value)
