import sys

import networkx as nx
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgba
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

from skgw.plotting import EmbeddingDisplay
from skgw.plotting._colors import PALETTE


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def points():
    return np.random.RandomState(0).standard_normal((30, 2))


class Model:
    """A stand-in for a fitted embedding."""

    def __init__(self, embedding):
        self.embedding_ = embedding

    def transform(self, X):
        return np.asarray(X)[:, :2] + 100

    def sample(self, n_samples, *, random_state=None):
        rng = np.random.RandomState(random_state)
        return rng.standard_normal((n_samples, self.embedding_.shape[1]))


def offsets(artist):
    return np.asarray(artist.get_offsets())


def legend_names(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def test_the_fitted_embedding_and_samples_are_drawn(points):
    display = EmbeddingDisplay.from_estimator(Model(points), n_samples=7, random_state=3)
    assert_array_equal(offsets(display.points_), points)
    assert_array_equal(offsets(display.samples_), Model(points).sample(7, random_state=3))
    assert legend_names(display) == ["embedding", "samples"]


def test_given_data_are_transformed(points):
    display = EmbeddingDisplay.from_estimator(Model(points), points[:5], [0, 1, 0, 1, 0])
    assert_array_equal(offsets(display.points_), points[:5] + 100)
    assert legend_names(display) == ["0", "1", "samples"]


def test_n_samples_zero_draws_no_samples(points):
    display = EmbeddingDisplay.from_estimator(Model(points), n_samples=0)
    assert display.samples_ is None
    assert display.legend_ is None


def test_samples_of_two_domains_are_not_drawn(points):
    class TwoDomains(Model):
        def transform(self, X, *, domain="x"):
            return X

    with pytest.raises(ValueError, match="Samples of TwoDomains are rows of its domains"):
        EmbeddingDisplay.from_estimator(TwoDomains(points))
    assert EmbeddingDisplay.from_estimator(TwoDomains(points), n_samples=0).samples_ is None


def test_other_transformers_are_drawn(points):
    display = EmbeddingDisplay.from_estimator(PCA(1).fit(points), points, n_samples=500)
    assert display.embedding.shape == (30, 1)
    assert display.samples_ is None


def test_without_data_an_embedding_is_needed(points):
    with pytest.raises(NotFittedError, match="PCA has no embedding_: fit it, or pass X"):
        EmbeddingDisplay.from_estimator(PCA(2).fit(points))


def test_axes_have_equal_units(points):
    display = EmbeddingDisplay.from_arrays(points * [10, 1])
    assert display.ax_.get_aspect() == 1.0
    assert display.figure_ is display.ax_.figure


def test_given_axes_are_used(points):
    _, (ax, unused) = plt.subplots(1, 2)
    display = EmbeddingDisplay.from_arrays(points, ax=ax)
    assert display.ax_ is ax
    assert not unused.collections


def test_points_have_the_colours_of_their_classes(points):
    labels = np.repeat(["b", "a"], 15)
    display = EmbeddingDisplay.from_arrays(points, y=labels, scatter_kw={"alpha": 1})
    assert legend_names(display) == ["a", "b"]
    assert_allclose(display.points_.get_facecolor()[0], to_rgba(PALETTE[1]))
    assert_allclose(display.points_.get_facecolor()[-1], to_rgba(PALETTE[0]))
    assert display.colorbar_ is None


def test_a_quantity_has_a_colour_bar(points):
    display = EmbeddingDisplay.from_arrays(points, y=points[:, 0])
    assert display.colorbar_.mappable is display.points_
    assert display.legend_ is None
    assert_array_equal(display.points_.get_array(), points[:, 0])


def test_a_colour_of_the_caller_replaces_the_legend(points):
    display = EmbeddingDisplay.from_arrays(points, y=points[:, 0], scatter_kw={"color": "red"})
    assert display.legend_ is None
    assert display.colorbar_ is None


def test_edges_join_the_points(points):
    display = EmbeddingDisplay.from_arrays(points, graph=nx.path_graph(30))
    segments = np.array(display.edges_.get_segments())
    assert_array_equal(segments, np.stack([points[:-1], points[1:]], axis=1))


@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_labels_samples_and_edges_are_drawn_together(n_components):
    rng = np.random.RandomState(0)
    display = EmbeddingDisplay.from_arrays(
        rng.standard_normal((10, n_components)),
        y=np.arange(10) % 3,
        samples=rng.standard_normal((20, n_components)),
        graph=[[0, 1], [2, 3]],
    )
    display.figure_.canvas.draw()
    assert len(display.edges_.get_segments()) == 2
    assert (display.ax_.name == "3d") == (n_components == 3)


def test_one_dimension_is_a_strip_above_the_strip_of_the_samples(points):
    display = EmbeddingDisplay.from_arrays(points[:, :1], samples=points[:5, :1])
    assert_array_equal(offsets(display.points_)[:, 0], points[:, 0])
    assert offsets(display.points_)[:, 1].min() >= 0
    assert offsets(display.samples_)[:, 1].max() < 0
    assert len(display.ax_.get_yticks()) == 0


def test_settings_reach_their_artists(points):
    display = EmbeddingDisplay.from_arrays(
        points,
        samples=points,
        graph=[[0, 1]],
        scatter_kw={"s": 11},
        samples_kw={"s": 12},
        edges_kw={"linewidth": 13},
    )
    assert display.points_.get_sizes() == [11]
    assert display.samples_.get_sizes() == [12]
    assert display.edges_.get_linewidth() == [13]


def test_a_display_can_be_drawn_again(points):
    display = EmbeddingDisplay.from_arrays(points, samples=points)
    first = display.ax_
    assert display.plot() is display
    assert display.ax_ is not first
    assert_array_equal(offsets(display.points_), points)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"embedding": np.eye(4)}, r"4 columns cannot be drawn\. .*embedding\[:, :2\]"),
        ({"y": [0, 1]}, r"one label for each of the 3 rows of the embedding, got shape \(2,\)"),
        ({"samples": np.eye(3)}, "samples have 3 columns and the embedding has 2"),
        ({"graph": nx.path_graph(2)}, "graph has 2 nodes"),
        ({"embedding": [[np.nan, 0.0]]}, "embedding contains NaN"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay.from_arrays(**{"embedding": np.zeros((3, 2)), **arguments})


def test_the_missing_extra_is_named(points, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'skgw\[plot\]'"):
        EmbeddingDisplay.from_arrays(points)
    with pytest.raises(ImportError, match=r"pip install 'skgw\[plot\]'"):
        EmbeddingDisplay.from_estimator(Model(points))
