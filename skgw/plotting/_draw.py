"""The strokes of a picture: axes, points, edges, legend. Imported when something is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
Keywords = dict[str, Any] | None

_GOLDEN = (5**0.5 - 1) / 2
_LEGEND_ROWS = 12
_BAR_TICKS = 16
_COLOR_KEYS = {"c", "color", "colors", "facecolor"}


def prepare_axes(ax: Axes | None, n_components: int) -> Any:
    """Return axes of the right kind: those given, or those of a new figure."""
    if ax is None:
        if n_components == 3:  # a computed layout would cut off the names of the axes
            return plt.subplots(subplot_kw={"projection": "3d"})[1]
        size = (6.4, 2.4) if n_components == 1 else (6.4, 4.8)
        return plt.subplots(figsize=size, layout="constrained")[1]
    if (n_components == 3) != (ax.name == "3d"):
        raise ValueError(
            "An embedding with three columns needs axes with a 3-D projection, made with "
            'plt.subplots(subplot_kw={"projection": "3d"}), and others need axes without.'
        )
    return ax


def prepare_pair(axes: Sequence[Axes] | None, dimensions: Sequence[int]) -> tuple[Any, Any]:
    """Return two axes of the right kinds: those given, or those of a new figure."""
    if isinstance(axes, Axes) or (axes is not None and len(axes) != 2):
        raise ValueError("axes must be two, as those of plt.subplots(1, 2)[1].")
    if axes is None:
        figure = plt.figure(figsize=(9.6, 4.8), layout="constrained")
        kinds = ("3d" if n_components == 3 else None for n_components in dimensions)
        axes = [figure.add_subplot(1, 2, k + 1, projection=kind) for k, kind in enumerate(kinds)]
    one, other = (prepare_axes(ax, n) for ax, n in zip(axes, dimensions, strict=True))
    return one, other


def finish_axes(ax: Any, n_components: int) -> None:
    """Name the axes, give them equal units, and keep the frame out of the way."""
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


def placed(points: Points, low: float) -> Points:
    """Give points with one coordinate a height in a strip of height 1 from `low` on."""
    if points.shape[1] > 1:
        return points
    # Multiples of the golden ratio fill the strip evenly, and the same way each time.
    heights = low + np.arange(len(points)) * _GOLDEN % 1.0
    return np.column_stack([points[:, 0], heights])


def draw_samples(ax: Any, points: Points, keywords: Keywords) -> PathCollection:
    """Draw fresh samples: small, grey, behind everything."""
    defaults = {"s": 6, "alpha": 0.5, "linewidth": 0, "color": SAMPLE_COLOR, "zorder": 1}
    artist: PathCollection = ax.scatter(*points.T, **_merged(defaults, keywords))
    return artist


def draw_edges(ax: Any, points: Points, edges: NDArray[np.intp], keywords: Keywords) -> Any:
    """Draw thin lines below the points."""
    defaults = {"color": EDGE_COLOR, "linewidth": 0.6, "alpha": 0.8, "zorder": 1.5}
    kind = Line3DCollection if points.shape[1] == 3 else LineCollection
    lines = kind(list(points[edges]), **_merged(defaults, keywords))  # (n_edges, 2, 2 or 3)
    ax.add_collection(lines)
    return lines


def draw_points(ax: Any, points: Points, coloring: Coloring, keywords: Keywords) -> PathCollection:
    """Draw the embedding, in smaller dots the more there are."""
    size = float(np.clip(6000 / max(len(points), 1), 7, 40))
    # A thin light rim keeps neighbours apart; it would swallow dots as small as the smallest.
    rim = {"edgecolor": "white", "linewidth": 0.4 if size > 10 else 0}
    defaults = {"s": size, "alpha": 0.9, "zorder": 2, **rim, **coloring.arguments}
    artist: PathCollection = ax.scatter(*points.T, **_merged(defaults, keywords))
    return artist


def keeps_colors(keywords: Keywords) -> bool:
    """Whether the settings of a caller leave the colours to the labels."""
    return not (_COLOR_KEYS & _normal(keywords).keys())


def draw_legend(
    ax: Any, coloring: Coloring, points: PathCollection, samples: PathCollection | None
) -> Legend | None:
    """Name the classes and the samples, outside the axes so that no point is hidden."""
    entries = list(coloring.legend)
    if samples is not None:
        if "color" in coloring.arguments:  # no labels, so the points have one colour and no name
            entries.append(("embedding", points.get_facecolor()[0]))
        entries.append(("samples", samples.get_facecolor()[0]))
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
    if ax.name == "3d":  # the corners of the axes are empty, their right is not
        place = {"loc": "upper left", "bbox_to_anchor": (-0.1, 1.0)}
        if n_columns > 1:  # a second one would lie over the points
            place |= {"fontsize": "small", "labelspacing": 0.2}
    elif coloring.scale:  # the scale is on the right
        place = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0)}
    legend: Legend = ax.legend(handles=dots, frameon=False, handletextpad=0.2, **place)
    return legend


def draw_groups(axis: Any, groups: list[tuple[str, int]], line: Any) -> None:
    """Name classes along an axis, at their middles, and separate them by thin lines."""
    if not groups:
        return
    ends = np.cumsum([size for _, size in groups])
    for end in ends[:-1]:
        line(end, color=EDGE_COLOR, linewidth=0.6)
    shown = groups if len(groups) <= _BAR_TICKS else []
    middles = [end - size / 2 for end, (_, size) in zip(ends, shown, strict=False)]
    axis.set_ticks(middles, labels=[name for name, _ in shown])


def draw_colorbar(ax: Any, points: PathCollection, coloring: Coloring, n_components: int) -> Any:
    """Draw the scale of a quantity, or of many classes, solid although the points are not."""
    pad = 0.12 if n_components == 3 else 0.02
    figure: Any = points.figure
    bar = figure.colorbar(points, ax=ax, shrink=0.7, pad=pad)
    bar.solids.set_alpha(1)
    bar.outline.set_visible(False)
    if coloring.ticks is not None:  # every class, or every second, third, ... that has room
        shown = np.arange(0, len(coloring.ticks), -(-len(coloring.ticks) // _BAR_TICKS))
        bar.set_ticks(shown, labels=[coloring.ticks[i] for i in shown])
    return bar


def _normal(keywords: Keywords) -> dict[str, Any]:
    """Give the settings of a caller their full names."""
    return cbook.normalize_kwargs(keywords or {}, PathCollection)


def _merged(defaults: dict[str, Any], keywords: Keywords) -> dict[str, Any]:
    """Put settings of a caller over the defaults; a colour of theirs replaces ours altogether."""
    dropped = set() if keeps_colors(keywords) else {"c", "color", "cmap", "vmin", "vmax"}
    kept = {key: value for key, value in defaults.items() if key not in dropped}
    return {**kept, **_normal(keywords)}
