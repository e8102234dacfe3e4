"""The centred objective is the one from the definition, and its gradient is its derivative."""

import numpy as np
import pytest
import torch

from skgw.solvers.problems import quadratic
from skgw.solvers.problems.quadratic import loss_slopes, quadratic_problem, split_loss


def instance(n, m, dtype=torch.float64, offset=0.1):
    """Two positive symmetric matrices, a cost, weights and a coupling that is not the product."""
    rng = np.random.default_rng(0)
    Ca, Cb = (x + x.T + offset for x in (rng.random((n, n)), rng.random((m, m))))
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    plan = np.outer(a, b)
    plan[0, 0] += (move := 0.4 * plan[:2, :2].min())
    plan[1, 1] += move
    plan[0, 1] -= move
    plan[1, 0] -= move
    arrays = (Ca, Cb, a, b, rng.random((n, m)) + 3, plan)
    return [torch.tensor(x, dtype=dtype)[None] for x in arrays]


def pairwise_loss(Ca, Cb, loss):
    """L(Ca_ik, Cb_jl), (n, m, n, m)."""
    x, y = Ca[0][:, None, :, None], Cb[0][None, :, None, :]
    return (x - y) ** 2 if loss == "L2" else x * (x / y).log() - x + y


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_energy_is_the_definition(loss):
    Ca, Cb, a, b, M, plan = instance(6, 5)
    L = pairwise_loss(Ca, Cb, loss)
    quad = torch.einsum("ij,ijkl,kl->", plan[0], L, plan[0])
    for alpha, expected in ((1.0, quad), (0.3, 0.7 * (M * plan).sum() + 0.3 * quad)):
        problem = quadratic_problem(
            Ca, Cb, a, b, loss=loss, M=M if alpha < 1 else None, alpha=alpha
        )
        energy = quadratic.energy(problem, plan, problem.gradient(plan))
        torch.testing.assert_close(energy[0], expected)


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_gradient_is_the_derivative_along_couplings(loss):
    Ca, Cb, a, b, M, plan = instance(6, 5)
    problem = quadratic_problem(Ca, Cb, a, b, loss=loss, M=M, alpha=0.3)
    full = 0.7 * M[0] + 0.6 * torch.einsum("ijkl,kl->ij", pairwise_loss(Ca, Cb, loss), plan[0])
    difference = problem.gradient(plan)[0] - full
    # They may differ by terms constant along a row or a column, which no coupling can see.
    difference = difference - difference[:1] - difference[:, :1] + difference[0, 0]
    torch.testing.assert_close(difference, torch.zeros_like(difference))


def test_costs_are_centred():
    Ca, Cb, a, b, M, plan = instance(6, 5)
    problem = quadratic_problem(Ca, Cb, a, b, M=M, alpha=0.3)
    for T in (plan, a[:, :, None] * b[:, None, :]):
        cost = problem.gradient(T)[0]
        torch.testing.assert_close(cost @ b[0], torch.zeros(6, dtype=cost.dtype))
        torch.testing.assert_close(a[0] @ cost, torch.zeros(5, dtype=cost.dtype))


def test_product_coupling_needs_no_kernels():
    Ca, Cb, a, b, *_ = instance(6, 5)
    problem = quadratic_problem(Ca, Cb, a, b)
    product = a[:, :, None] * b[:, None, :]
    torch.testing.assert_close(problem.gradient(product), problem.offset)


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_float32_loses_no_digits_to_an_offset(loss):
    values = []
    for dtype in (torch.float32, torch.float64):
        Ca, Cb, a, b, _, plan = instance(40, 30, dtype, offset=50.0)
        problem = quadratic_problem(Ca, Cb, a, b, loss=loss)
        values.append(problem.gradient(plan).double())
    spread = values[1].abs().max()
    assert (values[0] - values[1]).abs().max() < 2e-4 * spread


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_parts_and_slopes_of_the_loss(loss):
    Ca, Cb, *_ = instance(5, 5)
    Ca, Cb = Ca.requires_grad_(), Cb.requires_grad_()
    parts, slopes = split_loss(Ca, Cb, loss), loss_slopes(Ca, Cb, loss)
    direct = (Ca - Cb) ** 2 if loss == "L2" else Ca * (Ca / Cb).log() - Ca + Cb
    torch.testing.assert_close(parts.f1 + parts.f2 - parts.h1 * parts.h2, direct)
    for part, slope, C in zip(parts, slopes, (Ca, Cb, Ca, Cb), strict=True):
        (expected,) = torch.autograd.grad(part.sum() + 0 * C.sum(), C, retain_graph=True)
        torch.testing.assert_close(slope, expected)


def test_batch_is_the_loop():
    problems = [instance(6, 5) for _ in range(2)]
    problems[1] = [x * 2 if i < 2 else x for i, x in enumerate(problems[1])]
    Ca, Cb, a, b, M, plan = (torch.cat(x) for x in zip(*problems, strict=True))
    batch = quadratic_problem(Ca, Cb, a, b, M=M, alpha=0.5)
    for i, (Ca, Cb, a, b, M, plan_i) in enumerate(problems):
        single = quadratic_problem(Ca, Cb, a, b, M=M, alpha=0.5)
        torch.testing.assert_close(batch.gradient(plan)[i], single.gradient(plan_i)[0])
        torch.testing.assert_close(batch.take(torch.tensor([i])).offset, single.offset)
