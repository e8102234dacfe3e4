import itertools
import math

import pytest
import torch
from torch.testing import assert_close

from skgw.nn import critic_loss, gaussian_kl, gradient_penalty, mmd, non_saturating_loss


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


# ------------------------------------------------------------------------------- Kullback-Leibler


def test_kl_of_normal_distributions():
    mean, log_variance = normal(5, 3, dtype=torch.float64), normal(5, 3, seed=1).double()
    rows = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    prior = torch.distributions.Normal(torch.zeros(5, 3).double(), 1.0)
    expected = torch.distributions.kl_divergence(rows, prior).sum(1).mean()
    assert_close(gaussian_kl(mean, log_variance), expected)


def test_kl_is_zero_at_the_prior_and_exact_around_it():
    assert gaussian_kl(torch.zeros(4, 2), torch.zeros(4, 2)) == 0
    small = torch.full((4, 2), 1e-3)
    assert_close(gaussian_kl(torch.zeros(4, 2), small).item(), 5e-7, rtol=2e-3, atol=0)


def test_kl_has_the_right_gradient():
    mean, log_variance = (normal(4, 2, seed=s, dtype=torch.float64) for s in (0, 1))
    mean.requires_grad_(), log_variance.requires_grad_()
    assert torch.autograd.gradcheck(gaussian_kl, (mean, log_variance))


# -------------------------------------------------------------------- maximum mean discrepancy


def brute_force(x, y, widths):
    """Algorithm 2 of Tolstikhin et al. (2018), pair by pair."""

    def kernel(a, b):
        squared = float(((a - b) ** 2).sum())
        return sum(c / (c + squared) for c in widths)

    n, m = len(x), len(y)
    xx = sum(kernel(x[i], x[j]) for i, j in itertools.permutations(range(n), 2))
    yy = sum(kernel(y[i], y[j]) for i, j in itertools.permutations(range(m), 2))
    xy = sum(kernel(a, b) for a in x for b in y)
    return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)


def test_mmd_is_the_sum_over_pairs():
    x, y = normal(7, 3, dtype=torch.float64), normal(5, 3, seed=1, dtype=torch.float64) + 0.5
    widths = [2 * 3 * 1.5 * s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10)]
    assert_close(mmd(x, y, prior_variance=1.5).item(), brute_force(x, y, widths))
    assert_close(mmd(x, y, scales=[0.5]).item(), brute_force(x, y, [3.0]))


def test_mmd_between_samples_of_one_distribution_is_zero_on_average():
    draws = torch.stack([mmd(*normal(2, 50, 3, seed=s)) for s in range(300)])
    error = draws.std() / math.sqrt(len(draws))
    assert draws.mean().abs() < 3 * error
    assert (draws < 0).any()


def test_mmd_of_two_atoms():
    """The value is k(0) + k(0) - 2 k(r), whatever the sizes of the samples."""
    x, y = torch.zeros(4, 2), torch.tensor([3.0, 4.0]).repeat(6, 1)
    widths = torch.tensor([4 * s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10)])
    assert_close(mmd(x, y), 2 * (1 - widths / (widths + 25)).sum())


def test_mmd_grows_with_the_shift():
    x, y = normal(2, 400, 3)
    shifts = [mmd(x, y + shift) for shift in (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 100.0)]
    assert shifts == sorted(shifts)
    assert shifts[0].abs() < 0.02
    assert shifts[-1] > 2


def test_mmd_sees_shape_where_the_mean_is_right():
    x, y = normal(2, 400, 3)
    assert mmd(0.5 * x, y) > 0.1
    assert mmd(2 * x, y) > 0.1


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
@pytest.mark.parametrize(("n", "m"), [(7, 12), (3, 9), (12, 2)])
@pytest.mark.parametrize("k", [2, 40])
def test_mmd_in_blocks(kernel, n, m, k):
    x, y = normal(n, k, dtype=torch.float64), normal(m, k, seed=1, dtype=torch.float64) + 0.5
    whole = mmd(x, y, kernel=kernel)
    assert_close(mmd(x, y, kernel=kernel, block_size=3), whole, atol=1e-9, rtol=0)
    order = torch.randperm(n, generator=seeded())
    assert_close(mmd(x[order], y, kernel=kernel, block_size=4), whole, atol=1e-9, rtol=0)


def test_mmd_of_gaussians_between_normal_distributions():
    """Closed form: 2 (l^2 / (l^2 + 2))^(k/2) (1 - exp(-|shift|^2 / (2 l^2 + 4))), 2 l^2 = width."""
    k, scale, shift = 3, 0.7, torch.tensor([0.6, -0.4, 0.2])
    squared_length = k * scale
    factor = 2 * (squared_length / (squared_length + 2)) ** (k / 2)
    expected = factor * (1 - math.exp(-float(shift @ shift) / (2 * squared_length + 4)))
    draws = torch.stack(
        [
            mmd(x, y + shift, kernel="rbf", scales=[scale])
            for x, y in (normal(2, 200, k, seed=s) for s in range(200))
        ]
    )
    error = draws.std() / math.sqrt(len(draws))
    assert abs(draws.mean() - expected) < 3 * error < 0.1 * expected


def test_unknown_kernels_are_refused():
    with pytest.raises(ValueError, match=r"kernel must be one of \('imq', 'rbf'\), got 'linear'"):
        mmd(normal(3, 2), normal(3, 2), kernel="linear")


def test_mmd_has_the_right_gradient():
    x, y = normal(5, 2, dtype=torch.float64), normal(4, 2, seed=1, dtype=torch.float64)
    x.requires_grad_(), y.requires_grad_()
    assert torch.autograd.gradcheck(mmd, (x, y))


@pytest.mark.parametrize("k", [2, 40])
def test_mmd_with_duplicates_and_far_codes_has_a_finite_gradient(k):
    x = torch.cat([torch.zeros(5, k), torch.full((1, k), 1e4)]).requires_grad_()
    value = mmd(x, normal(6, k))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(x.grad).all()


def test_descent_on_mmd_brings_shifted_codes_back():
    x = (normal(20, 3) + 30).requires_grad_()
    mmd(x, normal(20, 3, seed=1)).backward()
    assert (x.grad.mean(0) > 0).all()


@pytest.mark.parametrize("k", [2, 40])
def test_mmd_in_single_precision(k):
    x, y = normal(2, 100, k)
    assert_close(mmd(x, y + 0.1).double(), mmd(x.double(), y.double() + 0.1), atol=2e-5, rtol=0)


def test_mmd_of_a_single_row_is_refused():
    with pytest.raises(ValueError, match="at least two rows"):
        mmd(normal(1, 3), normal(5, 3))


# ------------------------------------------------------------------------------------ critics


def test_losses_of_a_constant_critic():
    logits = torch.zeros(7)
    assert critic_loss(logits, logits).item() == pytest.approx(2 * math.log(2))
    assert non_saturating_loss(logits).item() == pytest.approx(math.log(2))


def test_the_best_critic_has_the_jensen_shannon_divergence():
    """On two atoms: real points are the first with probability 0.8, generated ones with 0.3."""
    real, fake = torch.tensor([0.8, 0.2]), torch.tensor([0.3, 0.7])
    log_odds = (real / fake).log()
    outputs = log_odds[[0] * 8 + [1] * 2], log_odds[[0] * 3 + [1] * 7]
    middle = (real + fake) / 2
    jensen_shannon = 0.5 * ((real * (real / middle).log()) + (fake * (fake / middle).log())).sum()
    assert_close(critic_loss(*outputs), 2 * math.log(2) - 2 * jensen_shannon)
    for shift in (-0.1, 0.1):
        assert critic_loss(outputs[0] + shift, outputs[1] + shift) > critic_loss(*outputs)


def test_losses_of_confident_critics_are_finite_and_keep_a_gradient():
    confident = torch.full((3,), -200.0, requires_grad=True)
    non_saturating_loss(confident).backward()
    assert non_saturating_loss(confident) == 200
    assert_close(confident.grad, torch.full((3,), -1 / 3))
    assert critic_loss(-confident, confident) == 0
    assert critic_loss(confident, -confident) == 400


def test_gradient_penalty_of_known_critics():
    z = normal(6, 3)
    slope = torch.tensor([[2.0], [-1.0], [0.5]], requires_grad=True)
    penalty = gradient_penalty(lambda z: z @ slope, z)
    assert_close(penalty.item(), 5.25)
    penalty.backward()
    assert_close(slope.grad, 2 * slope.detach())
    quadratic = gradient_penalty(lambda z: z.square().sum(1), z)
    assert_close(quadratic, 4 * z.square().sum(1).mean())
