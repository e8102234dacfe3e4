"""The unbalanced linear problem."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from skgw.solvers.linear.balanced import solve_linear
from skgw.solvers.linear.unbalanced import log_mean, row_potential, solve_unbalanced_linear

N, M = 25, 20


@pytest.fixture
def problem():
    noise = torch.Generator().manual_seed(0)
    cost = torch.rand(1, N, M, generator=noise, dtype=torch.float64)
    a, b = (torch.rand(1, k, generator=noise, dtype=torch.float64) for k in (N, M))
    return cost, a / a.sum(), b / b.sum()


def solve(cost, a, b, reg, rho_a, rho_b, tol=1e-9, max_iter=50):
    reg, rho_a, rho_b, tol = (
        torch.full((len(a),), x, dtype=a.dtype) for x in (reg, rho_a, rho_b, tol)
    )
    potential = torch.zeros_like(b)
    return solve_unbalanced_linear(
        cost, a, b, reg, rho_a, rho_b, potential=potential, tol=tol, max_iter=max_iter
    )


def kl(p, a):
    return float((torch.xlogy(p, p) - torch.xlogy(p, a)).sum())


def smooth_min(x, weights, t):
    return -t * logsumexp(-x / t, b=weights.numpy())


@pytest.mark.parametrize("reg", [0.2, 0.01])
@pytest.mark.parametrize(("rho_a", "rho_b"), [(0.05, 0.3), (1.0, 1e-3), (0.0, 0.1), (3.0, 2.0)])
def test_no_duality_gap(problem, reg, rho_a, rho_b):
    solution = solve(*problem, reg, rho_a, rho_b)
    cost, a, b = (x[0] for x in problem)
    plan, g = solution.plan[0], solution.potential[0]
    primal = (
        float((cost * plan).sum())
        + rho_a * kl(plan.sum(1), a)
        + rho_b * kl(plan.sum(0), b)
        + reg * kl(plan, a[:, None] * b)
    )
    rows = np.array([smooth_min(c - g.numpy(), b, reg) for c in cost.numpy()])
    dual = smooth_min(rows, a, rho_a + reg) + smooth_min(g.numpy(), b, rho_b)
    assert float(plan.sum()) == pytest.approx(1)
    assert float(solution.error) < 1e-9
    assert primal == pytest.approx(dual, abs=1e-8)


def test_infinite_penalties_give_couplings(problem):
    cost, a, b = problem
    reg = torch.tensor([0.05], dtype=torch.float64)
    expected = solve_linear(cost, a, b, reg, tol=torch.full_like(reg, 1e-10), max_iter=50)
    for penalty in (math.inf, 1e8):
        result = solve(cost, a, b, 0.05, penalty, penalty)
        torch.testing.assert_close(result.plan, expected.plan, atol=1e-8, rtol=0)


def test_without_penalty_only_the_entropy_is_left(problem):
    cost, a, b = problem
    plan = a[:, :, None] * b[:, None, :] * torch.exp(-cost / 0.05)
    result = solve(cost, a, b, 0.05, 0.0, 0.0)
    torch.testing.assert_close(result.plan, plan / plan.sum(), atol=1e-6, rtol=0)


def test_the_potentials_give_the_plan(problem):
    cost, a, b = problem
    solution = solve(cost, a, b, 0.05, 0.1, 0.3)
    reg, rho = (torch.tensor([x], dtype=torch.float64) for x in (0.05, 0.1))
    f = row_potential(cost, a, b, reg, rho, solution.potential)
    log_plan = (f[:, :, None] + solution.potential[:, None, :] - cost) / 0.05
    plan = a[:, :, None] * b[:, None, :] * log_plan.exp()
    torch.testing.assert_close(plan, solution.plan, atol=1e-12, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_small_reg_and_points_without_weight(problem, dtype):
    cost, a, b = (x.to(dtype) for x in problem)
    a[0, 0] = b[0, 1] = 0
    a, b = a / a.sum(), b / b.sum()
    solution = solve(cost, a, b, 1e-3, 0.1, 0.1, tol=1e-4)
    assert float(solution.error) < 1e-4
    assert solution.plan[0, 0].sum() == solution.plan[0, :, 1].sum() == 0


def test_a_batch_equals_its_problems(problem):
    cost, a, b = problem
    rho = torch.tensor([0.01, 0.1, 1.0], dtype=torch.float64)
    reg = torch.tensor([0.1, 0.05, 0.02], dtype=torch.float64)
    tol, three = torch.full_like(reg, 1e-9), (3, -1, -1)
    potential = torch.zeros(3, M, dtype=torch.float64)
    batch = solve_unbalanced_linear(
        cost.expand(three), a.expand(3, -1), b.expand(3, -1), reg, rho, 2 * rho,
        potential=potential, tol=tol, max_iter=50,
    )  # fmt: skip
    for k in range(3):
        one = solve(cost, a, b, float(reg[k]), float(rho[k]), float(2 * rho[k]))
        torch.testing.assert_close(batch.plan[k], one.plan[0], atol=1e-9, rtol=0)


def test_log_mean_between_mean_and_maximum():
    weights = torch.tensor([[0.25, 0.75, 0.0]], dtype=torch.float64)
    x = torch.tensor([[1.0, 2.0, 900.0]], dtype=torch.float64)  # the last one has no weight
    at = {t: float(log_mean(weights, x, torch.tensor([[t]]))) for t in (1e-20, 1.0, 1e6)}
    assert at[1e-20] == pytest.approx(1.75)
    assert at[1.0] == pytest.approx(math.log(0.25 * math.e + 0.75 * math.e**2))
    assert at[1e6] == pytest.approx(2, abs=1e-5)
