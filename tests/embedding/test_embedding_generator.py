"""The trained generator as a module, its latents, and points on the way between two latents."""

import copy
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from skgw import GWGenerativeEmbedding
from skgw.embedding import Generator, Penalties, Prior, Style


def upper(points):
    return (5 - points[:, 1]).clamp_min(0)


COORDINATES = {
    "principal axes": {},
    "normal prior": {"generator": Generator(prior="normal")},
    "of the generator": {"penalties": Penalties(style=Style(upper))},
    "images": {"n_components": 8, "output_shape": (2, 2, 2)},
}


def test_samples_are_points_of_latents(fitted):
    latent = fitted.estimator.sample_latent(7, random_state=0)
    assert latent.shape == (7, 2)
    points = fitted.estimator.sample(7, random_state=0)
    assert_array_equal(fitted.estimator.sample(latent=latent), points)
    assert_array_equal(fitted.estimator.sample(7, latent=latent.tolist()), points)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("params", COORDINATES.values(), ids=COORDINATES)
def test_the_module_gives_points_of_the_embedding(quick, X, params, dtype):
    estimator = quick(**params).fit(X.astype(dtype))
    network = estimator.generator_
    latent = torch.as_tensor(estimator.sample_latent(9, random_state=1))
    points = network(latent)
    assert isinstance(network, torch.nn.Module)
    assert not network.training
    assert points.numpy(force=True).dtype == dtype
    assert_array_equal(points.numpy(force=True), estimator.sample(9, random_state=1))
    many = network(network.prior(4000, torch.Generator().manual_seed(0))).numpy(force=True)
    assert_allclose(many.mean(0), estimator.generated_.mean(0), atol=0.3 * many.std())


def test_the_module_has_gradients_and_is_a_copy(quick, X):
    estimator = quick().fit(X)
    before = estimator.sample(3, random_state=0)
    network = estimator.generator_
    latent = torch.zeros(2, 2, requires_grad=True)
    network(latent).sum().backward()
    assert (latent.grad != 0).any()
    with torch.no_grad():
        for weights in network.parameters():
            weights.zero_()
    assert_array_equal(estimator.sample(3, random_state=0), before)


def test_the_fitted_state_stays_arrays(quick, X, tmp_path):
    estimator = quick().fit(X)
    latent = estimator.sample_latent(3, random_state=0)
    points = estimator.generator_(torch.as_tensor(latent)).numpy(force=True)
    assert "generator_" not in vars(estimator)
    estimator.save(tmp_path / "embedding")
    loaded = GWGenerativeEmbedding.load(tmp_path / "embedding")
    for other in (loaded, pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator)):
        assert_allclose(other.sample(latent=latent), points, rtol=1e-12)


def test_a_module_waits_for_a_fit(quick):
    assert not hasattr(quick(), "generator_")
    for name in ("sample_latent", "interpolate"):
        with pytest.raises(NotFittedError):
            getattr(quick(), name)(*2 * [np.zeros(16)] * (name == "interpolate"))


def test_interpolation_is_a_path(quick, X):
    estimator = quick().fit(X)
    ends = estimator.sample_latent(2, random_state=0)
    path = estimator.interpolate(*ends, n_samples=101)
    assert_allclose(path[[0, -1]], estimator.sample(latent=ends), atol=1e-5)
    middle = estimator.sample(latent=ends.mean(0, keepdims=True))
    assert_allclose(path[[50]], middle, atol=1e-5)
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert steps.max() < 0.2 * np.linalg.norm(path[0] - path[-1]) + 0.1  # no jump


def test_latents_as_tensors(quick, X):
    estimator = quick().fit(X)
    latent = torch.as_tensor(estimator.sample_latent(5, random_state=0)).requires_grad_()
    for out in (estimator.sample(latent=latent), estimator.sample(5, latent=latent)):
        assert isinstance(out, torch.Tensor)
        assert_array_equal(out, estimator.sample(5, random_state=0))
    assert isinstance(estimator.interpolate(latent[0], latent[1]), torch.Tensor)
    assert isinstance(estimator.interpolate(latent[0].tolist(), latent[1]), np.ndarray)


@pytest.mark.parametrize(
    ("latent", "n_samples", "message"),
    [
        (np.zeros((3, 16)), 1, "latent has 16 columns, latents have 2"),
        (np.zeros(16), 1, "Expected 2D array, got 1D array"),
        (np.full((1, 16), np.nan), 1, "contains NaN"),
        (np.zeros((3, 2)), 5, "n_samples=5, but there are 3 latents"),
    ],
)
def test_latents_are_checked(quick, X, latent, n_samples, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(X).sample(n_samples, latent=latent)


def test_the_dimension_of_latents(quick, X):
    estimator = quick(generator=Generator(prior=Prior(latent_dim=3))).fit(X)
    assert estimator.sample_latent(2).shape == (2, 3)
    with pytest.raises(ValueError, match="n_samples"):
        estimator.interpolate(np.zeros(3), np.ones(3), n_samples=1)
    with pytest.raises(ValueError, match="latents have 3"):
        estimator.interpolate(np.zeros(4), np.ones(4))
