"""Drawing of axes, points, edges, legends and colour bars; imports matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import cbook
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from mpl_toolkits.mplot3d.art3d import Line3DCollection
from numpy.typing import NDArray

from ._colors import EDGE_COLOR, SAMPLE_COLOR, Coloring

Points = NDArray[Any]
Keywords = dict[str, Any] | None  # arguments of a matplotlib method

_GOLDEN_RATIO = (5**0.5 - 1) / 2
_LEGEND_ROWS = 12  # entries per column
_MAX_TICKS = 16  # names along an axis or a colour bar
_COLOR_KEYS = {"c", "color", "colors", "facecolor"}  # arguments of `scatter` that set the colour


def prepare_axes(ax: Axes | None, n_components: int) -> Any:
    """Check the projection of `ax`, or create a figure if `ax` is None."""
    if ax is None:
        if n_components == 3:  # a constrained layout cuts off the names of the axes
            return plt.subplots(subplot_kw={"projection": "3d"})[1]
        size = (6.4, 2.4) if n_components == 1 else (6.4, 4.8)
        return plt.subplots(figsize=size, layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise TypeError(
            f"ax must be one Axes of matplotlib, got {type(ax).__name__}: plt.subplots returns an "
            "array of several, such as axes[0]."
        )
    if (n_components == 3) != (ax.name == "3d"):
        raise ValueError(
            "Points with three columns need axes with a 3-D projection, "
            'plt.subplots(subplot_kw={"projection": "3d"}); other points need axes without it.'
        )
    return ax


def prepare_pair(axes: Sequence[Axes] | None, dimensions: Sequence[int]) -> tuple[Any, Any]:
    """Check the projections of two axes, or create a figure if `axes` is None."""
    if isinstance(axes, Axes) or (axes is not None and len(axes) != 2):
        raise ValueError("axes must be a pair, for instance plt.subplots(1, 2)[1].")
    if axes is None:
        figure = plt.figure(figsize=(9.6, 4.8), layout="constrained")
        kinds = ("3d" if n_components == 3 else None for n_components in dimensions)
        axes = [figure.add_subplot(1, 2, k + 1, projection=kind) for k, kind in enumerate(kinds)]
    return prepare_axes(axes[0], dimensions[0]), prepare_axes(axes[1], dimensions[1])


def format_axes(ax: Any, n_components: int) -> None:
    """Name the axes, set equal units, and reduce the frame."""
    ax.set_xlabel("component 1")
    if n_components == 1:
        ax.set_yticks([])
    else:
        ax.set_ylabel("component 2")
        ax.set_aspect("equal")
    ax.tick_params(color="0.6", labelcolor="0.4", labelsize="small")
    if n_components == 3:
        ax.set_zlabel("component 3")
        ax.locator_params(nbins=5)
        for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
            axis.set_pane_color("white")
    else:
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color("0.6")


def add_height(points: Points, bottom: float) -> Points:
    """Add a height between `bottom` and `bottom` + 1 to points with one coordinate."""
    if points.shape[1] > 1:
        return points
    # Multiples of the golden ratio modulo 1 are evenly spaced and deterministic.
    heights = bottom + np.arange(len(points)) * _GOLDEN_RATIO % 1.0
    return np.column_stack([points[:, 0], heights])


def draw_samples(ax: Any, points: Points, keywords: Keywords) -> PathCollection:
    """Draw samples as small grey dots behind points and edges."""
    defaults = {"s": 6, "alpha": 0.5, "linewidth": 0, "color": SAMPLE_COLOR, "zorder": 1}
    artist: PathCollection = ax.scatter(*points.T, **_merged(defaults, keywords))
    return artist


def draw_edges(ax: Any, points: Points, edges: NDArray[np.intp], keywords: Keywords) -> Any:
    """Draw edges as thin lines behind the points."""
    defaults = {"color": EDGE_COLOR, "linewidth": 0.6, "alpha": 0.8, "zorder": 1.5}
    kind = Line3DCollection if points.shape[1] == 3 else LineCollection
    lines = kind(list(points[edges]), **_merged(defaults, keywords))  # (n_edges, 2, 2 or 3)
    ax.add_collection(lines)
    return lines


def draw_points(ax: Any, points: Points, coloring: Coloring, keywords: Keywords) -> PathCollection:
    """Draw points; the area of a dot falls with the number of points."""
    size = float(np.clip(6000 / max(len(points), 1), 7, 40))
    # A thin white rim separates neighbours, but covers most of the smallest dots.
    rim = {"edgecolor": "white", "linewidth": 0.4 if size > 10 else 0}
    defaults = {"s": size, "alpha": 0.9, "zorder": 2, **rim, **coloring.arguments}
    artist: PathCollection = ax.scatter(*points.T, **_merged(defaults, keywords))
    return artist


def keeps_colors(keywords: Keywords) -> bool:
    """Whether the caller's arguments leave the colours to the labels."""
    return not (_COLOR_KEYS & _full_names(keywords).keys())


def draw_legend(
    ax: Any,
    coloring: Coloring,
    points: PathCollection,
    samples: PathCollection | None,
    names: tuple[str, str] = ("embedding", "samples"),
) -> Legend | None:
    """Draw a legend of the classes and the samples outside the axes, where it covers no point."""
    entries = list(coloring.legend)
    if samples is not None:
        if "color" in coloring.arguments:  # without labels, the points have one colour
            entries.append((names[0], points.get_facecolor()[0]))
        entries.append((names[1], samples.get_facecolor()[0]))
    if not entries:
        return None
    dots = [
        Line2D([], [], linestyle="", marker="o", markersize=5, color=color, label=name)
        for name, color in entries
    ]
    n_columns = -(-len(dots) // _LEGEND_ROWS)
    place: dict[str, Any] = {
        "loc": "center left", "bbox_to_anchor": (1.02, 0.5), "ncols": n_columns, "columnspacing": 1
    }  # fmt: skip
    if ax.name == "3d":  # the corners are free, and the right has the name of an axis
        place = {"loc": "upper left", "bbox_to_anchor": (-0.1, 1.0)}
        if n_columns > 1:  # a second column would cover points
            place |= {"fontsize": "small", "labelspacing": 0.2}
    elif coloring.scale:  # the colour bar is on the right
        place = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0)}
    legend: Legend = ax.legend(handles=dots, frameon=False, handletextpad=0.2, **place)
    return legend


def prepare_sheet(ax: Axes | None, shape: Sequence[int]) -> Any:
    """Check `ax`, or create a figure for a table of pictures of a shape.

    Parameters
    ----------
    shape : (int, int, int, int)
        Numbers of rows and columns, height and width of a picture in pixels.
    """
    if ax is None:
        n_rows, n_columns, height, width = shape
        ratio = n_rows * height / (n_columns * width)
        side = float(np.clip(0.6 * n_columns, 3.0, 9.6))  # inches
        size = (side + 0.8, side * ratio + 0.6)  # and the names of rows and columns
        return plt.subplots(figsize=size, layout="constrained")[1]
    return prepare_axes(ax, 2)


def draw_sheet(ax: Any, sheet: Points, keywords: Keywords) -> Any:
    """Draw pictures in one sheet, white between them, without a frame."""
    grey = mpl.colormaps["gray"].with_extremes(bad="white")
    defaults = {"interpolation": "nearest", "cmap": grey, "vmin": 0, "vmax": 1}
    image = ax.imshow(sheet, **{**defaults, **(keywords or {})})
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, labelcolor="0.4", labelsize="small")
    return image


def name_cells(axis: Any, middles: NDArray[np.float64], names: Sequence[str]) -> None:
    """Write at most `_MAX_TICKS` names of rows or columns of a sheet at their middles."""
    named = [(middle, name) for middle, name in zip(middles, names, strict=False) if name]
    shown = named[:: max(1, -(-len(named) // _MAX_TICKS))]
    axis.set_ticks([middle for middle, _ in shown], labels=[name for _, name in shown])


def draw_groups(axis: Any, groups: list[tuple[str, int]], line: Any) -> None:
    """Write the name of each class at its middle, and draw thin lines between classes."""
    if not groups:
        return
    ends = np.cumsum([size for _, size in groups])
    for end in ends[:-1]:
        line(end, color=EDGE_COLOR, linewidth=0.6)
    shown = groups if len(groups) <= _MAX_TICKS else []
    middles = [end - size / 2 for end, (_, size) in zip(ends, shown, strict=False)]
    axis.set_ticks(middles, labels=[name for name, _ in shown])


def draw_colorbar(ax: Any, points: PathCollection, coloring: Coloring, n_components: int) -> Any:
    """Draw an opaque colour bar of a quantity or of more than 20 classes."""
    pad = 0.12 if n_components == 3 else 0.02
    figure: Any = points.figure
    bar = figure.colorbar(points, ax=ax, shrink=0.7, pad=pad)
    bar.solids.set_alpha(1)
    bar.outline.set_visible(False)
    if coloring.ticks is not None:
        step = -(-len(coloring.ticks) // _MAX_TICKS)
        shown = np.arange(0, len(coloring.ticks), step)
        bar.set_ticks(shown, labels=[coloring.ticks[i] for i in shown])
    return bar


def _full_names(keywords: Keywords) -> dict[str, Any]:
    """Replace aliases of the caller's arguments by their full names."""
    return cbook.normalize_kwargs(keywords or {}, PathCollection)


def _merged(defaults: dict[str, Any], keywords: Keywords) -> dict[str, Any]:
    """Merge the caller's arguments into the defaults; any colour replaces all default colours."""
    dropped = (
        set() if keeps_colors(keywords) else {"c", "color", "cmap", "vmin", "vmax", "plotnonfinite"}
    )
    kept = {key: value for key, value in defaults.items() if key not in dropped}
    return {**kept, **_full_names(keywords)}
