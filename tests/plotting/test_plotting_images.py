import sys

import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgw import VariationalAutoencoder
from skgw.plotting import InterpolationDisplay, LatentPlaneDisplay, ReconstructionDisplay
from skgw.plotting._pictures import as_sheet


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def X():
    return np.random.RandomState(0).uniform(size=(40, 24)) + 3


@pytest.fixture(scope="module")
def pca(X):
    return PCA(5).fit(X)


def tick_names(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


SHAPES = [(1, 4, 6), (3, 2, 4)]


@pytest.mark.parametrize("shape", SHAPES)
def test_pairs_are_the_rows_and_their_reconstructions(shape, X, pca):
    display = ReconstructionDisplay.from_estimator(pca, X[:7], image_shape=shape)
    flat = display.images.transpose(0, 1, 4, 2, 3).reshape(2, 7, 24)
    assert_allclose(flat[0], X[:7])
    assert_allclose(flat[1], pca.inverse_transform(pca.transform(X[:7])))
    assert display.limits == (X[:7].min(), X[:7].max())
    assert tick_names(display.ax_.yaxis) == ["data", "decoded"]
    display.figure_.canvas.draw()


@pytest.mark.parametrize("shape", SHAPES)
def test_strips_lead_from_row_to_row(shape, X, pca):
    display = InterpolationDisplay.from_estimator(pca, X[:3], X[3:6], n_steps=5, image_shape=shape)
    flat = display.images.transpose(0, 1, 4, 2, 3).reshape(3, 7, 24)
    assert_allclose(flat[:, 0], X[:3])
    assert_allclose(flat[:, -1], X[3:6])
    codes = pca.transform(X[:6])
    for k in range(5):
        expected = pca.inverse_transform(codes[:3] + k / 4 * (codes[3:] - codes[:3]))
        assert_allclose(flat[:, 1 + k], expected)
    assert tick_names(display.ax_.xaxis) == ["data", "data"]


def test_the_ends_of_long_strips_have_names(X, pca):
    display = InterpolationDisplay.from_estimator(
        pca, X[:1], X[1:2], n_steps=30, image_shape=(1, 4, 6)
    )
    assert tick_names(display.ax_.xaxis) == ["data", "data"]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_plane_covers_the_range_of_two_codes(shape, X, pca):
    display = LatentPlaneDisplay.from_estimator(
        pca, X, components=(3, 1), n_steps=4, tail=0.1, image_shape=shape
    )
    codes = pca.transform(X)
    low, high = np.quantile(codes, [0.1, 0.9], axis=0)
    flat = display.images.transpose(0, 1, 4, 2, 3).reshape(4, 4, 24)
    for row, up in enumerate(np.linspace(high[1], low[1], 4)):
        for column, right in enumerate(np.linspace(low[3], high[3], 4)):
            code = codes.mean(0)
            code[[3, 1]] = right, up
            assert_allclose(flat[row, column], pca.inverse_transform([code])[0])
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("code 3", "code 1")
    assert tick_names(display.ax_.yaxis)[0] == f"{high[1]:.2g}"


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sheet_worked_out_by_hand(channels):
    pictures = np.arange(2.0 * 3 * 2 * 2).reshape(2, 3, 2, 2, 1).repeat(channels, axis=-1)
    sheet, down, right = as_sheet(pictures, (1.0, 22.0))
    assert sheet.shape[:2] == (5, 8)
    assert_array_equal(down, [0.5, 3.5])
    assert_array_equal(right, [0.5, 3.5, 6.5])
    grey = sheet if channels == 1 else sheet[:, :, 1]
    assert_array_equal(np.isnan(grey[2]) if channels == 1 else grey[2] == 1, True)
    assert_allclose(grey[:2, 3:5], (np.array([[4, 5], [6, 7]]) - 1) / 21)
    assert grey[0, 0] == 0  # 0, below the limits
    assert grey[-1, -1] == 1  # 23, above


def test_arguments_of_the_caller_count(X, pca):
    _, (ax, unused) = plt.subplots(1, 2)
    display = ReconstructionDisplay.from_estimator(
        pca, X[:3], image_shape=(1, 4, 6), ax=ax, image_kw={"cmap": "viridis"}
    )
    assert display.ax_ is ax
    assert not unused.images
    assert display.image_.get_cmap().name == "viridis"


def test_the_shape_is_that_of_the_estimator_or_a_square(X, pca):
    vae = VariationalAutoencoder(
        2, network="conv", image_shape=(1, 4, 6), hidden_layer_sizes=(4,), max_iter=2,
        random_state=0,
    ).fit(X)  # fmt: skip
    assert ReconstructionDisplay.from_estimator(vae, X[:2]).images.shape == (2, 2, 4, 6, 1)
    assert LatentPlaneDisplay.from_estimator(vae, X, n_steps=3).images.shape == (3, 3, 4, 6, 1)
    pipeline = make_pipeline(StandardScaler(), PCA(3)).fit(X[:, :16])
    display = InterpolationDisplay.from_estimator(pipeline, X[:2, :16], X[2:4, :16])
    assert display.images.shape == (2, 10, 4, 4, 1)
    with pytest.raises(ValueError, match="24 values in all, the number of features; got None"):
        ReconstructionDisplay.from_estimator(pca, X)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda p, X: ReconstructionDisplay.from_estimator(p, X, image_shape=(2, 3, 4)),
         "1 or 3 channels"),
        (lambda p, X: ReconstructionDisplay.from_estimator(p, X, image_shape=(4, 6)),
         r"image_shape=\(channels, height, width\)"),
        (lambda p, X: ReconstructionDisplay.from_predictions(X, X[:3], image_shape=(1, 4, 6)),
         "decoded must have the shape of X"),
        (lambda p, X: InterpolationDisplay.from_estimator(p, X, X[:3], image_shape=(1, 4, 6)),
         "Y must have the shape of X"),
        (lambda p, X: InterpolationDisplay.from_estimator(p, X, X, n_steps=1),
         "n_steps must be at least 2"),
        (lambda p, X: LatentPlaneDisplay.from_estimator(p, X, n_steps=1),
         "n_steps must be at least 2"),
        (lambda p, X: LatentPlaneDisplay.from_estimator(p, X, tail=0.5), "tail must be"),
        (lambda p, X: LatentPlaneDisplay.from_estimator(
            p, X, image_shape=(1, 4, 6), components=(1, 5)),
         "components must be two different numbers from 0 to 4"),
        (lambda p, X: LatentPlaneDisplay.from_estimator(
            p, X, image_shape=(1, 4, 6), components=(1, 1)),
         "components must be two different numbers"),
    ],
)  # fmt: skip
def test_bad_input(draw, message, X, pca):
    with pytest.raises(ValueError, match=message):
        draw(pca, X)


def test_a_missing_matplotlib_is_named(monkeypatch, X, pca):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'skgw\[plot\]'"):
        ReconstructionDisplay.from_estimator(pca, X, image_shape=(1, 4, 6))
