import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgba, to_rgba_array
from numpy.testing import assert_array_equal

from skgw.plotting._colors import PALETTE, SAMPLE_COLOR, color_points


def test_without_labels_there_is_one_colour():
    coloring = color_points(None)
    assert coloring == ({"color": PALETTE[0]}, [], False, None)


@pytest.mark.parametrize(
    "labels", [["b", "a", "b"], [7, 3, 7], [7.0, 3.0, 7.0], [True, False, True], [None, "A", None]]
)
def test_classes_take_colours_in_sorted_order(labels):
    if labels[0] is None:
        labels = ["None", "A", "None"]
    coloring = color_points(labels)
    assert_array_equal(coloring.arguments["c"], to_rgba_array([PALETTE[i] for i in (1, 0, 1)]))
    assert not coloring.scale


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["b", "a"], ["a", "b"]),
        ([10, 9], ["9", "10"]),
        ([1.0, 2.0], ["1", "2"]),
        (np.array(["x", None], dtype=object), ["None", "x"]),
    ],
)
def test_the_legend_names_the_classes(labels, names):
    legend = color_points(labels).legend
    assert [name for name, _ in legend] == names
    assert [tuple(color) for _, color in legend] == [to_rgba(PALETTE[i]) for i in range(2)]


@pytest.mark.parametrize("n_classes", [10, 11, 20])
def test_up_to_twenty_classes_have_a_colour_and_a_name_each(n_classes):
    coloring = color_points(np.arange(n_classes))
    assert [name for name, _ in coloring.legend] == [str(i) for i in range(n_classes)]
    assert not coloring.scale
    assert len(np.unique(coloring.arguments["c"], axis=0)) == n_classes


@pytest.mark.parametrize("labels", [[0.5, 1.0], np.arange(21), np.arange(21.0)])
def test_quantities_get_a_scale(labels):
    coloring = color_points(labels)
    assert coloring.scale
    assert coloring.legend == []
    assert coloring.arguments["cmap"].name == "viridis"
    assert_array_equal(coloring.arguments["c"], labels)


def test_many_names_are_ticks_of_a_scale():
    names = [f"name {i}" for i in range(21)]
    coloring = color_points(names[::-1])
    assert coloring.scale
    assert coloring.legend == []
    assert coloring.ticks == sorted(names)
    drawn = [coloring.ticks[i] for i in coloring.arguments["c"]]
    assert drawn == names[::-1]


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
def test_points_without_a_number_are_grey(missing):
    values = np.array([0.5, missing, 1.5])
    arguments = color_points(values).arguments
    points = plt.figure().add_subplot().scatter([0, 1, 2], [0, 1, 0], **arguments)
    points.figure.canvas.draw()
    colors = points.get_facecolors()
    assert len(colors) == 3
    assert tuple(colors[1]) == to_rgba(SAMPLE_COLOR)
    assert points.get_clim() == (0.5, 1.5)
    plt.close("all")


def test_a_missing_class_is_a_class():
    coloring = color_points(np.array([0.0, 1.0, np.nan, 1.0]))
    assert [name for name, _ in coloring.legend] == ["0", "1", "nan"]
    assert not coloring.scale
