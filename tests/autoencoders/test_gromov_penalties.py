"""Penalties of a Gromov-Wasserstein autoencoder: known values, and gradients by differences."""

import math
from types import SimpleNamespace

import pytest
import torch

from skgw.autoencoders.gromov_penalties import (
    CodeEntropy,
    GenerativeDiscrepancy,
    GenerativeProcess,
    JointCritic,
    JointDiscrepancy,
    MongeGap,
    SolvedDiscrepancy,
    gromov_value,
    relative,
)
from skgw.autoencoders.penalties import CodedBatch
from skgw.nn import pairwise_distances
from skgw.nn.trainable_priors import PriorSpec

N, K, P = 40, 2, 5
identity = torch.nn.Identity()


def source(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def basis():
    return torch.linalg.qr(torch.randn(P, K, generator=source(5))).Q.T  # (K, P)


def process(seed=0, family="neural"):
    prior = PriorSpec(family, K, 4).build(seed)
    return GenerativeProcess(prior)


def batch_of(decode, rows, codes=None, log_variances=None, error=None):
    codes = torch.zeros(len(rows), K) if codes is None else codes
    autoencoder = SimpleNamespace(decode=decode)
    return CodedBatch(autoencoder, rows, codes, log_variances, codes, error)


def drawn(model, seed=0):
    """The draws that a penalty with this source of noise gets."""
    return model.prior.draw(N, source(seed)).codes


def test_all_penalties_of_a_batch_share_its_draws(basis):
    model, calls = process(), []

    def decode(z):
        calls.append(len(z))
        return z @ basis

    batch = batch_of(decode, torch.randn(N, P, generator=source(1)))
    noise = source()
    first = model.generate(batch, noise)
    assert model.generate(batch, noise) is first
    assert calls == [N]
    assert model.generate(batch_of(decode, batch.rows), noise) is not first
    model.forget()
    assert model.generate(batch, noise) is not first


def test_rows_isometric_to_the_draws_have_the_least_discrepancy(basis):
    model = process()
    codes = drawn(model).detach()
    penalty = SolvedDiscrepancy(model, 1.0, epsilon=1e-3, features=identity)
    near = penalty(batch_of(lambda z: z @ basis, codes @ basis), source())
    assert float(near.detach()) < 1e-3
    model.forget()
    other = torch.randn(N, P, generator=source(1)) ** 3
    far = penalty(batch_of(lambda z: z @ basis, other), source())
    assert float(far.detach()) > 0.02
    far.backward()
    assert all(p.grad is not None for p in model.prior.parameters())


def test_gradient_of_the_discrepancy_is_that_of_its_value():
    codes = torch.randn(12, K, generator=source(), dtype=torch.float64)
    E = relative(pairwise_distances(torch.randn(12, P, generator=source(1), dtype=torch.float64)))
    epsilon, step = 0.05, 1e-4

    def value(z):
        return gromov_value(relative(pairwise_distances(z)), E, epsilon)

    z = codes.clone().requires_grad_()
    value(z).backward()
    direction = torch.randn(12, K, generator=source(2), dtype=torch.float64)
    change = float(value(codes + step * direction) - value(codes - step * direction)) / (2 * step)
    assert float((z.grad * direction).sum()) == pytest.approx(change, rel=0.05)


def test_an_isometric_decoder_has_no_distortion_and_no_gap(basis):
    model = process()
    codes = drawn(model).detach()
    batch = batch_of(lambda z: 3 * z @ basis, 3 * codes @ basis)
    distortion = GenerativeDiscrepancy(model, 1.0, features=identity)(batch, source())
    gap = MongeGap(model, 1.0, epsilon=1e-3, features=identity)(batch, source())
    assert float(distortion.detach()) < 1e-5
    assert float(gap.detach()) < 1e-4


def test_a_decoder_that_permutes_rows_has_a_gap(basis):
    """The images are the same set, so that the best coupling has no distortion."""
    model = process()
    rows = drawn(model).detach() @ basis
    order = torch.randperm(N, generator=source(3))
    batch = batch_of(lambda z: (z @ basis)[order], rows)
    gap = MongeGap(model, 1.0, epsilon=1e-3, features=identity)(batch, source())
    D = relative(pairwise_distances(rows))
    assert float(gap.detach()) == pytest.approx(
        float((D - D[order][:, order]).square().mean()), rel=0.05
    )


def test_the_joint_discrepancy_is_that_of_the_kernel_sum(basis):
    model, scales = process(), (0.5, 2.0)
    codes = drawn(model).detach()
    z, x = torch.randn(N, K, generator=source(1)), torch.randn(N, P, generator=source(2))
    found = JointDiscrepancy(model, 1.0, scales=scales)(
        batch_of(lambda c: c @ basis, x, codes=z), source()
    )

    def kernel(zs, xs, of_pairs):
        d = (zs[0] - zs[1]).square().sum() / (2 * K)
        if of_pairs:
            d = (d + (xs[0] - xs[1]).square().sum() / (2 * P)) / 2
        return sum(s / (s + d) for s in scales) / len(scales)

    sets = (z, x), (codes, codes @ basis)
    total = 0.0
    for of_pairs in (False, True):
        for a, b, sign in ((0, 0, 1), (1, 1, 1), (0, 1, -2)):
            values = [
                kernel((sets[a][0][i], sets[b][0][j]), (sets[a][1][i], sets[b][1][j]), of_pairs)
                for i in range(N) for j in range(N) if a != b or i != j
            ]  # fmt: skip
            total += sign * float(torch.stack(values).mean())
    assert float(found.detach()) == pytest.approx(total, rel=1e-3)


def test_the_joint_discrepancy_is_zero_on_average_for_equal_distributions(basis):
    values = []
    for seed in range(20):
        model = process(family="normal")
        codes = model.prior.draw(N, source(100 + seed)).codes.detach()
        batch = batch_of(lambda c: c @ basis, codes @ basis, codes=codes)
        values.append(float(JointDiscrepancy(model, 1.0)(batch, source(seed)).detach()))
    error = torch.tensor(values).std() / math.sqrt(len(values))
    assert abs(sum(values) / len(values)) < 4 * float(error)
    assert float(error) < 0.02


def test_a_critic_learns_to_separate_pairs_and_keeps_its_slope_near_one(basis):
    model = process()
    critic = JointCritic(model, 1.0, n_features=P, seed=0)
    codes = drawn(model).detach()
    rows = codes @ basis
    batch = batch_of(lambda c: c @ basis, rows, codes=codes.flip(0) + 3)
    optimizer, noise = torch.optim.Adam(critic.adversary.parameters(), 1e-3), source(7)
    before = float(critic(batch, source()).detach())
    for _ in range(60):
        optimizer.zero_grad()
        critic.adversary_loss(batch, noise).backward()
        optimizer.step()
    model.forget()
    after = float(critic(batch, source()).detach())
    assert after > before + 0.5
    x, z = rows.clone().requires_grad_(), batch.codes.clone().requires_grad_()
    slopes = torch.autograd.grad(critic.adversary(x, z).sum(), (x, z))
    assert float(torch.cat(slopes, 1).norm(dim=1).max()) < 1.5
    assert critic.phase().n_steps == 1


def test_the_calibrated_entropy_is_least_at_the_variance_of_the_prior():
    log_variances = torch.tensor([[0.0, 0.0], [0.0, 0.0]], requires_grad=True)
    batch = batch_of(
        identity, torch.zeros(2, P), log_variances=log_variances, error=torch.tensor(0.4)
    )
    penalty = CodeEntropy(P)
    value = penalty(batch, source())
    value.backward()
    assert float(value.detach()) == 0
    assert torch.equal(log_variances.grad, torch.zeros(2, 2))
    assert float(penalty.factor(batch)) == pytest.approx(2 * 0.4 / P)


def test_the_published_entropy_is_half_the_sum_of_log_variances():
    log_variances = torch.tensor([[1.0, 3.0], [0.0, 2.0]])
    batch = batch_of(
        identity, torch.zeros(2, P), log_variances=log_variances, error=torch.tensor(0.4)
    )
    penalty = CodeEntropy(P, 0.03)
    assert float(penalty(batch, source())) == pytest.approx(-0.5 * 3)
    assert float(penalty.factor(batch)) == pytest.approx(2 * 0.03 / P)
    with pytest.raises(ValueError, match="stochastic"):
        penalty(batch_of(identity, torch.zeros(2, P)), source())
