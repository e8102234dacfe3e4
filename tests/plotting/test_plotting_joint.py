"""Two domains in one space."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgba
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.decomposition import PCA

from skgw import Domains, GWMatcher
from skgw.plotting import JointDisplay
from skgw.plotting._colors import PALETTE


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def rows():
    rng = np.random.RandomState(0)
    return rng.standard_normal((12, 5)), rng.standard_normal((8, 5))


class Translation:
    """A stand-in for an estimator that translates between rows of 2 and of 5 columns."""

    def translate(self, Z, *, domain):
        Z = np.asarray(Z)
        return Z[:, :2] if domain == "y" else np.pad(Z, ((0, 0), (0, 3)))


def drawn(display, k):
    """Points and colours of the axes at position k, in the order of the rows."""
    artist, rank = display.points_[k], np.argsort(display.order_)
    return np.asarray(artist.get_offsets())[rank], artist.get_facecolor()[rank]


def names(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_rows_of_both_domains_share_axes_and_colours(rows):
    labels = np.arange(12) % 3, np.arange(8) % 3
    display = JointDisplay.from_arrays(rows, labels, scatter_kw={"alpha": 1})
    expected = PCA(2).fit_transform(np.concatenate(rows))
    for k, of in enumerate((np.repeat([0, 1], (12, 8)), np.concatenate(labels))):
        points, colors = drawn(display, k)
        assert_allclose(points, expected)
        assert_allclose(colors, [to_rgba(PALETTE[c]) for c in of])
    assert [names(legend) for legend in display.legends_] == [["x", "y"], ["0", "1", "2"]]
    assert [ax.get_title() for ax in display.axes_] == ["domain", "label"]
    assert not np.array_equal(np.sort(display.order_), display.order_)


def test_one_axes_without_labels(rows):
    ax = plt.subplots()[1]
    display = JointDisplay.from_arrays(Domains(*rows), axes=ax, names=("cells", "nuclei"))
    assert display.axes_ == (ax,)
    assert names(display.legends_[0]) == ["cells", "nuclei"]
    display = JointDisplay.from_arrays(rows, scatter_kw={"c": "red"})
    assert display.legends_ == (None,)


def test_a_quantity_has_a_scale(rows):
    display = JointDisplay.from_arrays(rows, (np.linspace(0, 0.5, 12), np.linspace(0.2, 1, 8)))
    assert display.colorbar_.mappable is display.points_[1]
    assert display.legends_[1] is None


@pytest.mark.parametrize("width", [1, 2, 3])
def test_few_columns_are_drawn_as_they_are(rows, width):
    display = JointDisplay.from_arrays([Z[:, :width] for Z in rows])
    display.figure_.canvas.draw()
    assert_array_equal(display.points, np.concatenate(rows)[:, :width])


def test_either_domain_is_translated(rows):
    X, Y = rows[0][:, :2], rows[1]
    display = JointDisplay.from_estimator(Translation(), (X, sparse.csr_array(Y)))
    expected = np.r_[np.pad(X, ((0, 0), (0, 3))), Y]
    assert_allclose(display.points, PCA(2).fit_transform(expected))
    assert names(display.legends_[0]) == ["x, translated", "y"]
    display = JointDisplay.from_estimator(Translation(), (X, Y), domain="y")
    assert_array_equal(display.points, np.r_[X, Y[:, :2]])
    assert names(display.legends_[0]) == ["x", "y, translated"]


def test_a_matcher_mixes_its_domains(rows):
    X = np.random.default_rng(0).exponential(size=(40, 4)) * [4, 3, 2, 1]
    frames = pd.DataFrame(X), pd.DataFrame(X[::-1] * [1, 1, -1, 1] + 50, columns=list("abcd"))
    matcher = GWMatcher(metric="euclidean", n_init=4, random_state=0)
    matcher.set_output(transform="pandas").fit(*frames)
    points = JointDisplay.from_estimator(matcher, frames).points
    assert np.linalg.norm(points[:40] - points[40:][::-1], axis=1).mean() < 0.2 * points.std()


def test_mistakes(rows):
    with pytest.raises(ValueError, match="5 and 2 columns: translate one"):
        JointDisplay.from_arrays((rows[0], rows[1][:, :2]))
    with pytest.raises(ValueError, match="one label for each of the 8 rows"):
        JointDisplay.from_arrays(rows, (np.arange(12), np.arange(12)))
    with pytest.raises(ValueError, match="axes must be a pair"):
        JointDisplay.from_arrays(rows, (np.arange(12), np.arange(8)), axes=plt.subplots()[1])
    with pytest.raises(ValueError, match="domain must be 'x' or 'y'"):
        JointDisplay.from_estimator(Translation(), rows, domain="z")
    with pytest.raises(ValueError, match="two domains"):
        JointDisplay.from_estimator(Translation(), rows[0])
