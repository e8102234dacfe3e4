import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skgw.nn import AutoencoderSpec, FittedNetwork
from skgw.nn.coded_domain import CodedDomain, NormalMixture, Scaler

CPU = torch.device("cpu")


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(50, 4)) * [5, 1, 1, 0] + 100


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_in_their_units_are_centred_and_of_mean_variance_one(X, dtype):
    X = X.astype(dtype)
    scaler = Scaler.of(X)
    rows = scaler.transform(X)
    assert rows.dtype == dtype
    assert_allclose(rows.mean(0), 0, atol=1e-5)
    assert rows.var(0).mean() == pytest.approx(1, rel=1e-4)
    assert_allclose(scaler.inverse_transform(rows), X, rtol=1e-5)
    spread = X.std(0)
    assert_allclose(rows.std(0)[:3] * spread[0], spread[:3] * rows.std(0)[0], rtol=1e-4)


def test_the_scale_of_equal_rows_is_one():
    scaler = Scaler.of(np.full((3, 2), 7.0))
    assert scaler.scale == 1
    assert_array_equal(scaler.transform(np.full((1, 2), 8.0)), [[1, 1]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_coded_domain_is_its_autoencoder_on_scaled_rows(X, dtype):
    X = X.astype(dtype)
    spec = AutoencoderSpec(4, 2, "mlp", (8,))
    autoencoder = spec.build(seed=1)
    scaler = Scaler.of(X)
    domain = CodedDomain(scaler, FittedNetwork.of(autoencoder, spec), np.dtype(dtype).name)
    codes = domain.encode(X, CPU)
    rows = domain.decode(codes, CPU)
    assert domain.latent_dim == 2
    assert codes.dtype == rows.dtype == dtype
    with torch.no_grad():
        expected = autoencoder(torch.as_tensor(scaler.transform(X), dtype=torch.float32))
    assert_allclose(rows, scaler.inverse_transform(expected.numpy()), rtol=1e-5)


def test_a_standard_mixture_is_a_normal_distribution():
    drawn = NormalMixture.standard(3).draw(4000, np.random.RandomState(0))
    assert_allclose(drawn.mean(0), 0, atol=0.1)
    assert_allclose(np.cov(drawn.T), np.eye(3), atol=0.1)


def test_a_mixture_has_the_moments_of_its_parts():
    factors = np.array([[[1.0, 0.0], [0.5, 0.2]], [[0.1, 0.0], [0.0, 3.0]]])
    mixture = NormalMixture(np.array([0.25, 0.75]), np.array([[-50.0, 0], [50, 1]]), factors)
    drawn = mixture.draw(8000, np.random.RandomState(0))
    first = drawn[:, 0] < 0
    assert first.mean() == pytest.approx(0.25, abs=0.02)
    for rows, mean, factor in zip((first, ~first), mixture.means, factors, strict=True):
        assert_allclose(drawn[rows].mean(0), mean, atol=0.2)
        assert_allclose(np.cov(drawn[rows].T), factor @ factor.T, atol=0.3)
