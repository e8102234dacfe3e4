"""Gradients of the value are finite differences of re-solved problems."""

import numpy as np
import pytest
import torch

from skgw.solvers import gw_divergence, solve_gromov
from skgw.solvers.quadratic.envelope import envelope_value, matrix_gradients, self_value

STEP = 1e-4
POSITIVE = {"L2": {}, "KL": {"kl_shift": 0}}  # the shift would move with the matrices


@pytest.fixture
def instance(noisy_copies):
    Ca, Cb, _ = noisy_copies(15, 12, noise=0.2)
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(0.5, 1.5, n) for n in (15, 12))
    arrays = (Ca + 0.3, Cb + 0.3, rng.random((15, 12)), a / a.sum(), b / b.sum())
    return [torch.tensor(x) for x in arrays]


def directional(function, x, symmetric):
    """Autograd's and the central difference's derivative along one random direction."""
    direction = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(0))
    if symmetric:
        direction = direction + direction.mT
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(x).sum(), x)
    with torch.no_grad():
        ahead, behind = function(x + STEP * direction), function(x - STEP * direction)
    return float((gradient * direction).sum()), float((ahead - behind).sum() / (2 * STEP))


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("varied", ["Ca", "Cb", "M"])
def test_value(instance, loss, varied):
    Ca, Cb, M, a, b = instance
    arrays = {"Ca": Ca, "Cb": Cb, "M": M}
    options = {"loss": loss, "reg": 0.3, "reg_scale": None, "tol": 1e-10, **POSITIVE[loss]}

    def value(x):
        return solve_gromov(**(arrays | {varied: x}), a=a, b=b, alpha=0.6, **options).value

    exact, differences = directional(value, arrays[varied], symmetric=varied != "M")
    assert exact == pytest.approx(differences, rel=1e-5)
    assert abs(exact) > 1e-2


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("varied", ["Ca", "Cb"])
def test_divergence(instance, loss, varied):
    Ca, Cb, _, a, b = instance
    arrays = {"Ca": Ca, "Cb": Cb}
    options = {"loss": loss, "reg": 0.3, "reg_scale": None, "tol": 1e-9, **POSITIVE[loss]}

    def value(x):
        return gw_divergence(**(arrays | {varied: x}), a=a, b=b, **options)

    exact, differences = directional(value, arrays[varied], symmetric=True)
    assert exact == pytest.approx(differences, rel=1e-5, abs=1e-7)
    assert abs(exact) > 1e-3


def test_batch_and_broadcasting(instance):
    Ca, Cb, *_ = instance
    Ca = Ca.clone().requires_grad_()
    batch = torch.stack([Cb, 1.3 * Cb]).requires_grad_()
    options = {"reg": 0.3, "reg_scale": None, "tol": 1e-9}
    grad_a, grad_b = torch.autograd.grad(gw_divergence(Ca, batch, **options).sum(), (Ca, batch))
    expected = torch.zeros_like(Ca)
    for i in range(2):
        C = batch[i].detach().requires_grad_()
        one, other = torch.autograd.grad(gw_divergence(Ca, C, **options), (Ca, C))
        expected += one
        torch.testing.assert_close(grad_b[i], other, atol=1e-7, rtol=1e-4)
    torch.testing.assert_close(grad_a, expected, atol=1e-7, rtol=1e-4)


def test_no_gradient_where_none_is_asked(instance):
    Ca, Cb, M, *_ = instance
    assert not solve_gromov(Ca, Cb, reg=0.1).value.requires_grad
    result = solve_gromov(Ca, Cb.clone().requires_grad_(), M, reg=0.1)
    assert result.value.requires_grad
    assert not result.plan.requires_grad
    assert not result.cost.requires_grad


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_a_matched_pair_of_equal_spaces_is_at_rest(instance, loss):
    Ca = instance[0][None]
    plan = torch.diag_embed(torch.rand(1, 15, dtype=Ca.dtype))  # at any weights
    for gradient in matrix_gradients(Ca, Ca, plan, loss):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient))


def test_only_what_is_needed_is_computed(instance):
    Ca, Cb = (x[None] for x in instance[:2])
    plan = torch.full((1, 15, 12), 1 / 180, dtype=Ca.dtype)
    both = matrix_gradients(Ca, Cb, plan, "L2")
    first, none = matrix_gradients(Ca, Cb, plan, "L2", (True, False))
    assert none is None
    torch.testing.assert_close(first, both[0])
    assert matrix_gradients(Ca, Cb, plan, "L2", (False, True))[0] is None


def test_a_symmetric_plan_has_one_gradient(instance):
    C, value = instance[0][None], torch.zeros(1, dtype=torch.float64)
    plan = torch.rand(1, 15, 15, dtype=C.dtype, generator=torch.Generator().manual_seed(0))
    plan = plan + plan.mT
    gradients = []
    for attached in (
        lambda C: envelope_value(C, C, None, value, plan, 1.0, "L2"),
        lambda C: self_value(C, value, plan),
    ):
        leaf = C.clone().requires_grad_()
        (3 * attached(leaf)).sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients)
    assert not self_value(C.detach(), value, plan).requires_grad
