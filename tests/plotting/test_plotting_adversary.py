import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgba
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import pdist

from skgw import GWGenerativeEmbedding
from skgw.embedding import Adversary
from skgw.plotting import AdversaryDisplay
from skgw.plotting._colors import PALETTE


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(40, 2)) * [2, 1] + 5


def fitted(X, adversary):
    model = GWGenerativeEmbedding(adversary=adversary, max_iter=2, n_generated=40, random_state=0)
    return model.fit(X)


def offsets(artist):
    return np.asarray(artist.get_offsets())


def test_features_of_rows_and_samples_are_drawn(X):
    """Those of an adversary that has not moved keep the distances."""
    model = fitted(X, Adversary(start=1.0))
    display = AdversaryDisplay.from_estimator(model, X, n_samples=30, random_state=3)
    rows, samples = map(offsets, display.points_)
    expected = model.sample(30, random_state=3)
    assert_allclose(rows, X - X.mean(0), atol=1e-5)
    assert_allclose(pdist(samples), pdist(expected), atol=1e-5)
    assert [ax.get_title() for ax in display.axes_] == ["features of rows", "features of samples"]
    assert display.figure_ is display.axes_[0].figure


def test_both_axes_have_one_unit(X):
    display = AdversaryDisplay.from_arrays(X, 10 * X)
    for ax in display.axes_:
        assert ax.get_xlim() == ax.get_ylim() == display.axes_[0].get_xlim()
        assert ax.get_xlim()[1] > 10 * abs(X - X.mean(0)).max()


def test_labels_colour_the_rows(X):
    y = np.repeat(["b", "a"], 20)
    display = AdversaryDisplay.from_arrays(X, X[:7], y, scatter_kw={"alpha": 1})
    assert_allclose(display.points_[0].get_facecolor()[[0, 39]], list(map(to_rgba, PALETTE[1::-1])))
    assert len(offsets(display.points_[1])) == 7
    with pytest.raises(ValueError, match="one label for each of the 40 rows"):
        AdversaryDisplay.from_arrays(X, X, y[:7])


def test_many_features_are_reduced(X):
    wide = np.hstack([X, 0 * X, X])
    display = AdversaryDisplay.from_arrays(wide, wide[:, :1])
    assert [Z.shape[1] for Z in display.features] == [2, 1]
    assert_allclose(pdist(display.features[0]), pdist(wide), rtol=1e-6)


def test_axes_of_the_caller(X):
    _, axes = plt.subplots(1, 2)
    display = AdversaryDisplay.from_arrays(X, X, axes=axes, titles=("x", "z"))
    assert_array_equal(display.axes_, axes)
    assert axes[1].get_title() == "z"
    with pytest.raises(ValueError, match="axes must be a pair"):
        AdversaryDisplay.from_arrays(X, X, axes=axes[0])


def test_an_adversary_is_needed(X):
    with pytest.raises(ValueError, match="has no adversary_: fit an embedding with an adversary"):
        AdversaryDisplay.from_estimator(fitted(X, None), X)
