import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA

from skgw.plotting import LatentSpaceDisplay


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def codes():
    return np.random.RandomState(0).standard_normal((30, 4)) * [1, 5, 1, 3]


def offsets(artist):
    return np.asarray(artist.get_offsets())


def legend_names(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def test_chosen_codes_are_drawn(codes):
    display = LatentSpaceDisplay.from_arrays(codes, np.arange(30) % 3, components=(3, 0))
    assert_array_equal(offsets(display.points_), codes[:, [3, 0]])
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("code 3", "code 0")
    assert legend_names(display) == ["0", "1", "2"]


def test_two_codes_are_drawn_as_they_are_and_more_by_their_components(codes):
    assert_array_equal(LatentSpaceDisplay.from_arrays(codes[:, :2]).codes, codes[:, :2])
    draws = codes[::-1] + 1
    display = LatentSpaceDisplay.from_arrays(codes, prior=draws)
    pca = PCA(2).fit(codes)
    assert_allclose(offsets(display.points_), pca.transform(codes))
    assert_allclose(offsets(display.prior_), pca.transform(draws))
    assert display.ax_.get_xlabel() == "principal component 0"
    assert legend_names(display) == ["codes", "prior"]


def test_an_estimator_transforms_the_rows(codes):
    pca = PCA(2).fit(codes)
    display = LatentSpaceDisplay.from_estimator(pca, codes[:9], codes[:9, 0])
    assert_array_equal(display.codes, pca.transform(codes[:9]))
    assert display.colorbar_.mappable is display.points_
    assert display.legend_ is None
    display.figure_.canvas.draw()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"components": (0, 4)}, "components must be two different numbers from 0 to 3"),
        ({"components": (0, -1)}, "components must be two different numbers"),
        ({"prior": np.ones((3, 2))}, "prior has 2 columns, but there are 4 codes"),
        ({"y": [1, 2]}, "one label for each of the 30 rows of the codes"),
    ],
)
def test_bad_input(arguments, message, codes):
    with pytest.raises(ValueError, match=message):
        LatentSpaceDisplay.from_arrays(codes, **arguments)


def test_one_code_is_refused(codes):
    with pytest.raises(ValueError, match="EmbeddingDisplay draws it as a strip"):
        LatentSpaceDisplay.from_arrays(codes[:, :1])
