import re

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgba
from numpy.testing import assert_allclose, assert_array_equal

from skgw.plotting import _draw
from skgw.plotting._colors import color_points


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_one_dimension_fills_a_strip_evenly():
    points = _draw.add_height(np.arange(1000.0)[:, None], -1.2)
    assert_array_equal(points[:, 0], np.arange(1000.0))
    counts, _ = np.histogram(points[:, 1], bins=10, range=(-1.2, -0.2))
    assert counts.sum() == 1000
    assert np.ptp(counts) <= 4


@pytest.mark.parametrize("n_components", [2, 3])
def test_other_points_are_unchanged(n_components):
    points = np.eye(n_components)
    assert _draw.add_height(points, 0.0) is points


@pytest.mark.parametrize(
    ("keywords", "kept"),
    [
        (None, True),
        ({"s": 3, "ec": "k"}, True),
        ({"c": "k"}, False),
        ({"color": "k"}, False),
        ({"facecolors": "k"}, False),
        ({"fc": "k"}, False),
    ],
)
def test_a_colour_of_the_caller_is_noticed(keywords, kept):
    assert _draw.keeps_colors(keywords) is kept


@pytest.mark.parametrize("key", ["c", "color", "facecolors"])
def test_a_colour_of_the_caller_replaces_the_colours_of_the_labels(ax, key):
    points = _draw.draw_points(ax, np.eye(2), color_points([0, 1]), {key: "red", "alpha": 1})
    assert_allclose(points.get_facecolor(), [to_rgba("red")])


def test_short_names_of_settings_replace_the_defaults(ax):
    points = _draw.draw_points(ax, np.eye(2), color_points(None), {"lw": 3, "ec": "red", "s": 9})
    assert points.get_linewidth() == [3]
    assert points.get_sizes() == [9]
    edges = _draw.draw_edges(ax, np.eye(2), np.array([[0, 1]]), {"lw": 5, "colors": "red"})
    assert edges.get_linewidth() == [5]
    assert_allclose(edges.get_color()[0][:3], to_rgba("red")[:3])


def test_points_shrink_as_they_become_many(ax):
    sizes = [
        _draw.draw_points(ax, np.zeros((n, 2)), color_points(None), None).get_sizes()[0]
        for n in (30, 300, 3000)
    ]
    assert sizes == [40, 20, 7]


def test_points_cover_edges_and_edges_cover_samples(ax):
    samples = _draw.draw_samples(ax, np.eye(2), None)
    edges = _draw.draw_edges(ax, np.eye(2), np.array([[0, 1]]), None)
    points = _draw.draw_points(ax, np.eye(2), color_points(None), None)
    assert samples.get_zorder() < edges.get_zorder() < points.get_zorder()


def test_the_wrong_projection_is_refused(ax):
    with pytest.raises(ValueError, match=re.escape('subplot_kw={"projection": "3d"}')):
        _draw.prepare_axes(ax, 3)
    assert _draw.prepare_axes(ax, 2) is ax


@pytest.mark.parametrize(("n_classes", "n_columns"), [(12, 1), (13, 2), (20, 2)])
def test_a_long_legend_has_columns(ax, n_classes, n_columns):
    coloring = color_points(np.arange(n_classes))
    points = _draw.draw_points(ax, np.eye(n_classes)[:, :2], coloring, None)
    assert _draw.draw_legend(ax, coloring, points, None)._ncols == n_columns


@pytest.mark.parametrize(("n_classes", "step"), [(21, 2), (32, 2), (100, 7)])
def test_a_scale_of_classes_names_at_most_sixteen(ax, n_classes, step):
    names = [f"{i:03d}" for i in range(n_classes)]
    coloring = color_points(names)
    points = _draw.draw_points(ax, np.eye(n_classes)[:, :2], coloring, None)
    bar = _draw.draw_colorbar(ax, points, coloring, 2)
    assert_array_equal(bar.get_ticks(), np.arange(0, n_classes, step))
    assert [label.get_text() for label in bar.ax.get_yticklabels()] == names[::step]


def test_axes_must_be_axes():
    with pytest.raises(
        TypeError, match=r"one Axes of matplotlib, got ndarray: .* such as axes\[0\]"
    ):
        _draw.prepare_axes(plt.subplots(1, 2)[1], 2)
    with pytest.raises(TypeError, match="one Axes of matplotlib, got str"):
        _draw.prepare_axes("left", 2)
    plt.close("all")
