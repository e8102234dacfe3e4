"""Penalties, styles and images: properties of samples that distances do not determine."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.model_selection import GridSearchCV
from torch import nn

from skgw import GWGenerativeEmbedding
from skgw.embedding import Adversary, Generator, Penalties, Style
from skgw.metrics import distance_distribution_error

LONG = {"max_iter": 80, "generator": Generator(init="random"), "n_generated": 100}


def styled(classifier, **params):
    """A style alone, with weight 1."""
    return Penalties(mean=0.0, style=Style(classifier, weight=1.0, **params))


def to_the_right(points):
    """A penalty on what is left of 10."""
    return (10 - points[:, 0]).clamp_min(0)


@pytest.fixture
def half_planes():
    """A classifier of points above and below the axis."""
    Z = np.random.default_rng(0).normal(size=(200, 2))
    return FrozenEstimator(LogisticRegression().fit(Z, np.where(Z[:, 1] > 0, "above", "below")))


def test_a_callable_places_the_samples_and_keeps_their_structure(quick, X):
    estimator = quick(penalties=styled(to_the_right), **LONG).fit(X)
    samples = estimator.sample(100, random_state=0)
    assert (samples[:, 0] > 9).mean() > 0.8
    plain = quick(penalties=None, **LONG).fit(X).sample(100, random_state=0)
    ours, theirs = euclidean_distances(samples), euclidean_distances(plain)
    assert distance_distribution_error(theirs, ours) < 0.15


def test_own_terms_are_in_the_loss(quick, X):
    """One number for all points, or one for each, with a weight; in the coordinates of the data."""

    def beyond(points):
        return (10 - points[:, 0]).clamp_min(0).mean()

    for terms in (to_the_right, [beyond], [(to_the_right, 0.25), (beyond, 0.75)]):
        estimator = quick(penalties=Penalties(mean=0.0, terms=terms), **LONG).fit(X)
        samples = estimator.sample(100, random_state=0)
        assert (samples[:, 0] > 9).mean() > 0.8
        assert np.abs(estimator.generated_.mean(0)).max() > 1  # the axes are not principal axes
    same = quick(penalties=styled(to_the_right), **LONG).fit(X)
    assert_array_equal(quick(penalties=to_the_right, **LONG).fit(X).embedding_, same.embedding_)
    off = quick(penalties=Penalties(terms=[(to_the_right, 0.0)]), **LONG).fit(X)
    assert off.sample(100, random_state=0)[:, 0].mean() < 5


def test_a_module_as_a_term_stays_as_it_is(quick, X):
    class Target(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(2, 1), nn.Dropout(0.5)).double()

        def forward(self, points):
            assert not self.training
            return self.layers(points)[:, 0].square()

    target = Target()
    before = {name: x.clone() for name, x in target.state_dict().items()}
    quick(penalties=["mean", target]).fit(X)
    assert target.training
    assert all(x.grad is None for x in target.parameters())
    assert all(torch.equal(x, before[name]) for name, x in target.state_dict().items())


@pytest.mark.parametrize("term", [lambda points: 3.0, lambda points: points])
def test_terms_must_return_numbers_with_gradients(quick, X, term):
    with pytest.raises(ValueError, match="'term_0' must return a tensor with one number"):
        quick(penalties=term).fit(X)


def test_a_list_of_penalties(quick, X):
    images = {"n_components": 16, "output_shape": (1, 4, 4)}
    several = quick(penalties=["mean", "total_variation"], **images).fit(X)
    expected = quick(penalties=Penalties(total_variation=0.1), **images).fit(X)
    assert_array_equal(several.embedding_, expected.embedding_)


@pytest.mark.parametrize("wanted", ["above", "below"])
def test_the_preferred_class_of_a_classifier_pulls(quick, X, half_planes, wanted):
    estimator = quick(penalties=styled(half_planes, target=wanted), **LONG).fit(X)
    assert (half_planes.predict(estimator.sample(200, random_state=0)) == wanted).mean() > 0.95


def test_a_style_is_in_the_unit_of_the_data(quick, X, half_planes):
    """Points of data that are a hundred times larger have to go a hundred times further."""
    style = styled(lambda y: (y[:, 0] - 500).abs() / 100)
    center = quick(penalties=style, **LONG).fit(100 * X).generated_.mean(0)
    assert center[0] == pytest.approx(500, abs=200)


def test_a_style_keeps_the_coordinates_of_the_generator(quick, X):
    """A rotation to principal axes would undo a style."""
    estimator = quick(penalties=styled(nn.Linear(2, 3), target=2)).fit(X)
    assert_array_equal(estimator.transform(X), estimator.embedding_)
    assert np.abs(estimator.generated_.mean(0)).max() > 1e-3
    spread = estimator.generated_.std(0)
    centre = estimator.generated_.mean(0)
    assert (np.abs(estimator.embedding_.mean(0) - centre) < 0.5 * spread).all()


def test_a_frozen_classifier_can_be_searched_over(quick, X, half_planes):
    estimator = quick(penalties=styled(half_planes, target="above"))
    grid = {"penalties__style__weight": [0.1, 1.0]}
    search = GridSearchCV(estimator, grid, cv=2, error_score="raise").fit(X)
    weak, strong = search.cv_results_["mean_test_score"]
    assert np.isfinite([weak, strong]).all()
    assert weak != strong
    best = search.best_estimator_.penalties.style
    assert best.weight == search.best_params_["penalties__style__weight"]
    assert best.classifier.predict([[0.0, 1.0]]) == "above"


def test_total_variation_needs_images(quick, X):
    with pytest.raises(ValueError, match="needs output_shape"):
        quick(penalties="total_variation").fit(X)


@pytest.mark.parametrize("generator", ["mlp", "conv"])
def test_total_variation_smoothes_images(quick, X, generator):
    params = {"n_components": 16, "output_shape": (1, 4, 4), **LONG}
    params |= {"hidden_layer_sizes": (16, 16), "generator__network": generator}

    def roughness(weight):
        penalties = Penalties(mean=0.0, total_variation=weight)
        samples = quick(penalties=penalties, **params).fit(X).sample(50, random_state=0)
        images = samples.reshape(-1, 4, 4)
        steps = [np.abs(np.diff(images, axis=axis)).mean() for axis in (1, 2)]
        return sum(steps) / images.std()

    assert roughness(10.0) < 0.85 * roughness(0.0)


@pytest.mark.parametrize("shape", [(4, 4), (1, 3, 4), (2, 4, 4)])
def test_images_have_as_many_values_as_components(quick, X, shape):
    with pytest.raises(ValueError, match=r"output_shape=.*( of 16 values| set n_components=)"):
        quick(n_components=16, output_shape=shape).fit(X)


@pytest.mark.parametrize("shape", [(1, 4, 4), [3, 2, 4]])
def test_images_begin_smooth(quick, X, shape):
    """As far as distances leave it free: principal axes become slow cosines."""
    size = int(np.prod(shape))
    params = {"max_iter": 1, "generator": Generator(n_init_updates=100)}
    estimator = quick(n_components=size, output_shape=shape, **params).fit(X)
    images = estimator.sample(200, random_state=0).reshape(-1, *shape)
    steps = np.mean([np.square(np.diff(images, axis=axis)).mean() for axis in (2, 3)])
    assert steps < 0.7 * images.var()  # of noise it is 2
    D, E = euclidean_distances(X), euclidean_distances(images.reshape(200, -1))
    assert distance_distribution_error(D, E) < 0.25


def test_a_convolutional_adversary_of_images(quick, X):
    images = np.random.default_rng(0).normal(size=(40, 32))
    params = {"adversary": Adversary("conv", start=0.0), "hidden_layer_sizes": (4,)}
    with_shape = {**params, "adversary__image_shape": (2, 4, 4)}
    as_points = quick(**with_shape).fit(images)
    as_images = quick(n_components=16, generator="conv", output_shape=(1, 4, 4), **with_shape)
    as_images.fit(images)
    for estimator in (as_points, as_images):
        assert len(estimator.adversary_curve_) == 2
        assert np.isfinite(estimator.sample(3, random_state=0)).all()
    with pytest.raises(ValueError, match=r"needs output_shape, or Adversary\(.*, or both"):
        quick(**params, adversary__image_shape=None).fit(images)


@pytest.mark.parametrize("network", ["infogan", "dcgan", "dcgan-no-norm"])
def test_an_adversary_of_the_literature(quick, network):
    images = np.random.default_rng(0).normal(size=(40, 32))
    params = {"adversary": Adversary(network, start=0.0, image_shape=(2, 4, 4))}
    params |= {"n_components": 16, "output_shape": (1, 4, 4), "generator__network": network}
    first, again = (quick(**params).fit(images) for _ in range(2))
    assert len(first.adversary_curve_) == 2
    assert_array_equal(first.embedding_, again.embedding_)
    with pytest.raises(ValueError, match=f'adversary="{network}" needs output_shape, or'):
        quick(adversary=network).fit(images)


def test_the_initialisation_trains_with_batch_normalisation(quick, X):
    """The first batches of the training, in training mode, are near the initial samples."""
    params = {"n_components": 16, "output_shape": (1, 4, 4), "max_iter": 1}
    generator = Generator("infogan", n_init_updates=100)
    estimator = quick(generator=generator, penalties=None, **params).fit(X)
    samples = estimator.sample(200, random_state=0)
    error = distance_distribution_error(euclidean_distances(X), euclidean_distances(samples))
    assert error < 0.25
    assert estimator.loss_curve_[0] < 0.1


@pytest.mark.parametrize("network", ["conv", "infogan"])
def test_images_are_saved_and_loaded(quick, X, tmp_path, network):
    params = {"n_components": 16, "hidden_layer_sizes": (4,), "generator__network": network}
    estimator = quick(output_shape=(1, 4, 4), penalties="total_variation", **params).fit(X)
    estimator.save(tmp_path / "model")
    loaded = GWGenerativeEmbedding.load(tmp_path / "model")
    assert_allclose(loaded.sample(5, random_state=0), estimator.sample(5, random_state=0))
    assert_array_equal(loaded.embedding_, estimator.embedding_)
