import numpy as np
import pytest
import torch

from skgw.autoencoders.codes import code_distribution, prior_diagnostics, prior_discrepancy
from skgw.nn import AutoencoderSpec, draw, encode, mmd


def normal(n=3000, k=3, seed=1):
    return np.random.default_rng(seed).normal(size=(n, k))


def test_draws_of_the_prior_are_at_the_prior():
    found = prior_diagnostics(normal())
    assert abs(found["mmd"]) < 0.01
    assert found["mean"] < 0.1
    assert 0.95 < found["smallest_sd"] <= found["largest_sd"] < 1.05


def test_moments_of_other_codes():
    frame = np.linalg.qr(normal(3, 3))[0]
    found = prior_diagnostics(normal(20_000) * [2.0, 0.5, 1.0] @ frame + [3.0, 0.0, 4.0])
    assert found["mean"] == pytest.approx(5.0, abs=0.1)
    assert found["smallest_sd"] == pytest.approx(0.5, rel=0.05)
    assert found["largest_sd"] == pytest.approx(2.0, rel=0.05)
    assert found["mmd"] > 1


def test_the_discrepancy_is_the_estimate_of_the_kernel():
    codes = normal(200, 2) + 1
    drawn = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    expected = mmd(torch.tensor(codes, dtype=torch.float32), drawn)
    assert prior_discrepancy(codes) == pytest.approx(float(expected))
    assert prior_discrepancy(codes) == prior_discrepancy(codes)
    assert np.isnan(prior_discrepancy(codes[:1]))
    assert prior_discrepancy(normal(6000, 2)) == pytest.approx(0, abs=0.01)


def test_a_mixture_is_fitted_to_the_codes_if_asked_for():
    codes = normal(800, 2) * 0.1 + np.random.default_rng(0).choice([-3, 3], size=(800, 1))
    rng = np.random.RandomState(0)
    prior = code_distribution(codes, "prior", rng)
    assert prior.draw(500, rng).std() == pytest.approx(1, abs=0.1)
    fitted = code_distribution(codes, "gaussian-mixture", rng).draw(500, rng)
    assert np.abs(np.abs(fitted) - 3).max() < 0.6
    assert 0.4 < (fitted[:, 0] > 0).mean() < 0.6


def test_draws_of_codes():
    X = normal(50, 4).astype(np.float32)
    spec = AutoencoderSpec(4, 2, hidden_layer_sizes=(5,), stochastic=True)
    autoencoder, source = spec.build(), torch.Generator().manual_seed(0)
    drawn = np.stack([draw(autoencoder, X, source) for _ in range(400)])
    mean, log_variance = autoencoder.posterior(torch.tensor(X))
    np.testing.assert_allclose(drawn.mean(0), mean.detach(), atol=0.3)
    np.testing.assert_allclose(drawn.var(0), log_variance.detach().exp(), rtol=0.5)
    fixed = AutoencoderSpec(4, 2, hidden_layer_sizes=(5,)).build()
    np.testing.assert_array_equal(draw(fixed, X, source), encode(fixed, X))
