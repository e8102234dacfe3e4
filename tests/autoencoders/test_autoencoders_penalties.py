import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from skgw.autoencoders.objective import AutoencodingObjective, RegularizedAutoencoder
from skgw.autoencoders.parameters import GANPenalty, MMDPenalty
from skgw.autoencoders.penalties import CodedBatch, LatentAdversary, MeanDiscrepancy
from skgw.nn import AutoencoderSpec, critic_loss, mmd, non_saturating_loss
from skgw.training import TrainingOptions, train

P, K = 5, 2


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def batch_of(codes):
    return CodedBatch(None, codes, codes, None, codes)


@pytest.fixture
def codes():
    return 1.5 * torch.randn(40, K, generator=seeded(2)) + 0.3


def test_parts_build_their_terms(codes):
    term = MMDPenalty(2.0, kernel="rbf", scales=[0.5, 2]).build(K, seed=0)
    drawn = torch.randn(40, K, generator=seeded())
    expected = mmd(codes, drawn, kernel="rbf", scales=(0.5, 2))
    assert_close(term(batch_of(codes), seeded()), expected)
    assert term.factor(batch_of(codes)) == 2.0
    critic = GANPenalty(0.3, hidden_layer_sizes=(7, 6), n_steps=3, learning_rate_factor=0.5)
    term = critic.build(K, seed=0)
    assert [tuple(p.shape) for p in term.adversary.parameters() if p.ndim == 2] == [
        (7, 2), (6, 7), (1, 6),
    ]  # fmt: skip
    assert (term.phase().n_steps, term.phase().learning_rate_factor) == (3, 0.5)
    assert not torch.equal(
        next(critic.build(K, seed=1).adversary.parameters()), next(term.adversary.parameters())
    )


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (MMDPenalty(scales=(1.0, -1.0)), "scales must be positive numbers"),
        (MMDPenalty(scales=()), "scales must be positive numbers"),
        (GANPenalty(hidden_layer_sizes=(0,)), "hidden_layer_sizes must be positive integers"),
    ],
)
def test_parts_that_fit_nothing_are_refused(part, message):
    with pytest.raises(ValueError, match=message):
        part.build(K, seed=0)


def test_a_critic_without_regularizer(codes):
    term = LatentAdversary(K, regularizer=None)
    drawn = torch.randn(40, K, generator=seeded())
    expected = critic_loss(term.adversary(drawn), term.adversary(codes))
    assert_close(term.adversary_loss(batch_of(codes), seeded()), expected)
    assert LatentAdversary(K).adversary_loss(batch_of(codes), seeded()) > expected


def test_spectral_normalisation_bounds_every_layer(codes):
    before = torch.get_rng_state()
    term = LatentAdversary(K, regularizer="spectral")
    assert torch.equal(torch.get_rng_state(), before)
    for _ in range(20):
        term(batch_of(codes), seeded())  # power iterations
    layers = [layer for layer in term.adversary if isinstance(layer, nn.Linear)]
    norms = [torch.linalg.matrix_norm(layer.weight, 2).item() for layer in layers]
    assert_close(norms, [1.0] * len(layers), atol=2e-3, rtol=0)
    plain = LatentAdversary(K, regularizer=None).adversary[0].weight
    assert not math.isclose(torch.linalg.matrix_norm(plain, 2).item(), 1.0, abs_tol=0.02)
    again = LatentAdversary(K, regularizer="spectral").state_dict()
    fresh = LatentAdversary(K, regularizer="spectral").state_dict()
    assert all(torch.equal(x, fresh[name]) for name, x in again.items())


def test_the_prior_trick_leaves_the_density_of_the_codes_to_the_network():
    """Minus the log density of normal codes, a quadratic, is then the best network."""

    class Quadratic(nn.Module):
        def __init__(self, mean, sd):
            super().__init__()
            self.mean, self.sd = mean, sd

        def forward(self, z):
            q = torch.distributions.Normal(self.mean, self.sd)
            return -q.log_prob(z).sum(1, keepdim=True)

    drawn = torch.randn(20_000, K, generator=seeded(5))
    codes = 0.3 + 0.8 * torch.randn(20_000, K, generator=seeded(6))
    term = LatentAdversary(K, prior_trick=True, regularizer=None)
    term.adversary = Quadratic(torch.tensor(0.3), torch.tensor(0.8))
    prior, q = torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(0.3, 0.8)
    ratio = (prior.log_prob(codes) - q.log_prob(codes)).sum(1, keepdim=True)
    assert_close(term.log_odds(codes), ratio, atol=1e-5, rtol=1e-5)
    assert_close(term(batch_of(codes), seeded()), non_saturating_loss(ratio), atol=1e-5, rtol=0)
    best = term.adversary_loss(batch_of(codes), seeded(5))
    for mean, sd in ((0.2, 0.8), (0.4, 0.8), (0.3, 0.7), (0.3, 0.9)):
        term.adversary = Quadratic(torch.tensor(mean), torch.tensor(sd))
        assert term.adversary_loss(batch_of(codes), seeded(5)) > best
    assert len(drawn)


def test_the_critic_has_its_own_rate_and_number_of_updates():
    X = torch.randn(30, P, generator=seeded()).numpy()
    model = RegularizedAutoencoder(
        AutoencoderSpec(P, K, hidden_layer_sizes=(4,)).build(),
        [LatentAdversary(K, n_steps=3, learning_rate_factor=0.5, optimizer=torch.optim.SGD)],
    )
    calls = []
    model.penalties[0].adversary.register_forward_pre_hook(lambda *args: calls.append(1))
    objective = AutoencodingObjective(
        X, model, batch_size=10, order=torch.arange(30).numpy(),
        held_out=torch.arange(0).numpy(),
    )  # fmt: skip
    _, critic = objective.phases()
    assert (critic.n_steps, critic.learning_rate_factor, critic.optimizer) == (
        3, 0.5, torch.optim.SGD,
    )  # fmt: skip
    train(objective, TrainingOptions(max_iter=2), seeded())
    assert len(calls) == 2 * (1 + 3 * 3)  # real, fake and the gradient penalty, three times


def encoders_for(decoder, covariance, weight):
    """Linear encoders before a fixed linear decoder, first free and then with the penalty.

    A free encoder has the right orientation, which a penalised one could not change any more.
    """
    autoencoder = AutoencoderSpec(3, K, hidden_layer_sizes=()).build(seed=1)
    with torch.no_grad():
        autoencoder.decoder[0].weight.copy_(decoder)
        autoencoder.decoder[0].bias.zero_()
    autoencoder.decoder.requires_grad_(False)
    model = RegularizedAutoencoder(autoencoder, [MeanDiscrepancy(K, 0.0, scales=(1.0,))])
    X = torch.randn(2000, 3, generator=seeded(4))
    X = X - X.mean(0)
    X = X @ torch.linalg.inv(torch.linalg.cholesky(X.T.cov())).T
    X = X @ torch.linalg.cholesky(covariance).T  # the sample has exactly this covariance
    objective = AutoencodingObjective(
        X.numpy(), model, batch_size=400, order=torch.arange(2000).numpy(),
        held_out=torch.arange(0).numpy(),
    )  # fmt: skip
    errors = []
    for model.penalties[0].weight in (0.0, weight):
        train(objective, TrainingOptions(max_iter=200, learning_rate=0.03), seeded())
        with torch.no_grad():
            codes = model.code(X, seeded(9)).codes
            errors.append((autoencoder.decode(codes) - X).square().sum(1).mean().item())
    assert torch.equal(autoencoder.decoder[0].weight, decoder)
    return errors, codes


def test_the_best_encoder_attains_the_transport_cost():
    """Theorem 1 of Tolstikhin et al.: couplings over pairs, and encoders with the prior as law.

    Rows and decoded draws of the prior are normal, so that the transport cost has a closed form.
    """
    covariance = torch.tensor([[4.0, 0.6, 0.0], [0.6, 1.0, 0.2], [0.0, 0.2, 0.3]])
    decoder = torch.tensor([[1.0, 0.5], [-0.8, 0.6], [0.2, 0.4]])
    # Squared distance of normal distributions: tr S + tr A A^T - 2 |S^(1/2) A|_*, S = L L^T.
    cross = torch.linalg.matrix_norm(torch.linalg.cholesky(covariance).T @ decoder, "nuc")
    cost = covariance.trace() + decoder.square().sum() - 2 * cross
    (free, error), codes = encoders_for(decoder, covariance, 200.0)
    assert_close(codes.T.cov(), torch.eye(K), atol=0.1, rtol=0)
    assert error == pytest.approx(float(cost), rel=0.08)
    assert free < 0.9 * error  # without the condition an encoder pays less
