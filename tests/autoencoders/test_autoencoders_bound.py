"""Bounds of the likelihood of a linear decoder, whose likelihood is known."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from skgw.autoencoders.bound import importance_weighted_bound, negative_bound
from skgw.nn import Autoencoder

P, K, VARIANCE = 4, 2, 0.3


def linear(weight, bias):
    layer = nn.Linear(weight.shape[1], weight.shape[0], dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer


def model(*, shift=0.0, log_width=0.0):
    """Probabilistic PCA with its posterior, moved by `shift` and widened by `log_width`."""
    frame = torch.linalg.qr(torch.randn(P, K, generator=seeded(), dtype=torch.float64))[0]
    A, b = frame * torch.tensor([2.0, 0.7]), torch.arange(P, dtype=torch.float64)
    precisions = 1 + A.square().sum(0) / VARIANCE  # of the posterior, whose axes are orthogonal
    B = A.T / VARIANCE / precisions[:, None]
    log_variances = -precisions.log() + log_width
    encoder = linear(torch.cat([B, torch.zeros_like(B)]), torch.cat([shift - B @ b, log_variances]))
    autoencoder = Autoencoder(encoder, linear(A, b), n_features=P, latent_dim=K, stochastic=True)
    covariance = A @ A.T + VARIANCE * torch.eye(P)
    return autoencoder, torch.distributions.MultivariateNormal(b, covariance)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(n, seed=1):
    return torch.randn(n, K, generator=seeded(seed), dtype=torch.float64)


@pytest.fixture
def x():
    return 2 * torch.randn(7, P, generator=seeded(3), dtype=torch.float64)


@torch.no_grad()
def test_with_the_true_posterior_one_draw_is_exact(x):
    autoencoder, exact = model()
    for n_draws in (1, 5):
        bound = importance_weighted_bound(autoencoder, x, noise(n_draws), variance=VARIANCE)
        assert_close(bound, exact.log_prob(x))


@torch.no_grad()
def test_many_draws_close_the_gap_of_a_wrong_posterior(x):
    autoencoder, exact = model(shift=0.2, log_width=0.5)
    gaps = []
    for n_draws in (1, 10, 10_000):
        bounds = [
            importance_weighted_bound(autoencoder, x, noise(n_draws, s), variance=VARIANCE)
            for s in range(200 if n_draws < 1000 else 1)
        ]
        gaps.append(float((exact.log_prob(x) - torch.stack(bounds)).mean()))
    assert gaps[0] > 2 * gaps[1] > 0
    assert abs(gaps[2]) < 0.02


@torch.no_grad()
def test_one_draw_is_the_evidence_lower_bound_on_average(x):
    autoencoder, _ = model(shift=0.2, log_width=0.5)
    one, elbo = [], []
    for seed in range(2000):
        e = noise(1, seed)
        one.append(importance_weighted_bound(autoencoder, x, e, variance=VARIANCE))
        parts = negative_bound(autoencoder, x, e.expand(len(x), K), variance=VARIANCE)
        elbo.append(-sum(parts))
    one, elbo = torch.stack(one), torch.stack(elbo)
    error = (one - elbo).mean(1).std() / math.sqrt(2000)
    assert abs((one - elbo).mean()) < 4 * error < 0.1


def test_a_deterministic_encoder_has_no_bound(x):
    autoencoder = Autoencoder(
        nn.Linear(P, K), nn.Linear(K, P), n_features=P, latent_dim=K, stochastic=False
    )
    with pytest.raises(ValueError, match="no evidence lower bound"):
        importance_weighted_bound(autoencoder, x.float(), noise(1).float(), variance=1.0)
