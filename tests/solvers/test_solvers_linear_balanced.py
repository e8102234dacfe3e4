"""Entropic optimal transport: against POT, against linear programming, and where it is hard."""

import functools

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linprog
from scipy.spatial.distance import cdist

from skgw.solvers.linear import trust_region
from skgw.solvers.linear.balanced import solve_linear
from skgw.solvers.linear.newton_cg import LinearProblem, newton
from skgw.solvers.settings import NEWTON

DOUBLE = torch.float64


def solve_batch(cost, reg, a=None, b=None, *, dtype=DOUBLE, tol=1e-9, max_iter=50, **kwargs):
    """One problem, or a batch of them along the first axis, uniform weights by default."""
    cost = torch.as_tensor(cost, dtype=dtype)
    cost = cost if cost.ndim == 3 else cost[None]
    n_problems, n, m = cost.shape
    a = (
        torch.full((n_problems, n), 1 / n)
        if a is None
        else torch.as_tensor(a).expand(n_problems, n)
    )
    b = (
        torch.full((n_problems, m), 1 / m)
        if b is None
        else torch.as_tensor(b).expand(n_problems, m)
    )
    a, b = (w.to(dtype) / w.to(dtype).sum(1, keepdim=True) for w in (a, b))
    reg, tol = (torch.as_tensor(x, dtype=dtype).expand(n_problems) for x in (reg, tol))
    return solve_linear(cost, a, b, reg, tol=tol, max_iter=max_iter, **kwargs)


@pytest.fixture(params=["torch", "numba"])
def solve(request):
    """`solve_batch` with both kinds of Newton steps."""
    return functools.partial(solve_batch, backend=request.param)


def clustered(n, m, seed, spread=0.05):
    """Squared distances between two samples of tight clusters, of mean one."""
    rng = np.random.default_rng(seed)
    centers = 4 * rng.normal(size=(8, 2))
    x, y = (centers[rng.integers(0, 8, k)] + spread * rng.normal(size=(k, 2)) for k in (n, m))
    cost = cdist(x, y, "sqeuclidean")
    return cost / cost.mean()


@pytest.mark.parametrize("reg", [1.0, 0.1, 0.03])
def test_pot(solve, reg):
    rng = np.random.default_rng(0)
    cost, a, b = rng.random((30, 45)), rng.dirichlet(np.ones(30)), rng.dirichlet(np.ones(45))
    expected = ot.sinkhorn(a, b, cost, reg, method="sinkhorn_log", stopThr=1e-12, numItermax=20000)
    result = solve(cost, reg, a, b)
    np.testing.assert_allclose(result.plan[0], expected, atol=1e-9)
    assert result.error < 1e-9


def test_linear_program_at_a_tiny_reg(solve):
    rng = np.random.default_rng(1)
    n, m = 12, 9
    cost, a, b = rng.random((n, m)), rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    sums = np.vstack([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    exact = linprog(cost.ravel(), A_eq=sums, b_eq=np.r_[a, b]).fun
    result = solve(cost, 1e-4, a, b)
    assert result.error < 1e-9
    # Entropy costs at most reg log(nm), and a coupling is never cheaper than the best one.
    extra_cost = (result.plan[0].numpy() * cost).sum() - exact
    assert -1e-9 <= extra_cost <= 1e-4 * np.log(n * m)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("reg", [1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize(("dtype", "tol"), [(DOUBLE, 1e-8), (torch.float32, 1e-3)])
def test_groups_that_hardly_exchange_mass(solve, seed, reg, dtype, tol):
    result = solve(clustered(100, 70, seed), reg, dtype=dtype, tol=tol)
    assert result.error <= tol
    torch.testing.assert_close(result.plan.sum(2), torch.full((1, 100), 0.01, dtype=dtype))


@pytest.mark.parametrize("dtype", [DOUBLE, torch.float32])
@pytest.mark.parametrize("side", ["row", "column"])
def test_a_point_far_from_all_others(solve, dtype, side):
    cost = np.random.default_rng(0).random((30, 20))
    far = cost.copy()
    if side == "row":
        far[3] += 1e4
    else:
        far[:, 3] += 1e4  # its column of the kernel underflows
    near, result = (solve(c, 0.05, dtype=dtype, tol=1e-5) for c in (cost, far))
    assert result.error <= 1e-5
    assert (result.plan - near.plan).abs().sum() < 1e-2  # a constant moves no mass


def test_a_bad_start_is_recovered_from(solve):
    cost = clustered(60, 50, 0)
    potential = 20 * torch.randn(1, 50, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    result = solve(cost, 1e-3, potential=potential)
    assert result.error < 1e-9
    torch.testing.assert_close(result.plan, solve(cost, 1e-3).plan, atol=1e-10, rtol=1e-6)


def test_potential_is_that_of_the_plan(solve):
    cost = clustered(40, 30, 0)
    result = solve(cost, 0.02)
    scores = (result.potential[:, None, :] - torch.as_tensor(cost)) / 0.02
    torch.testing.assert_close(result.plan, torch.softmax(scores, 2) / 40)
    again = solve(cost, 0.02, potential=result.potential, max_iter=0)
    torch.testing.assert_close(again.plan, result.plan)


def test_batch_is_the_loop(solve):
    costs = np.stack([clustered(40, 30, seed) for seed in range(5)])
    regs = np.array([1.0, 1e-1, 1e-2, 1e-3, 1e-3])
    batch = solve(costs, regs)
    for i in range(5):
        single = solve(costs[i], regs[i])
        torch.testing.assert_close(batch.plan[i], single.plan[0], atol=1e-9, rtol=1e-6)
    assert (batch.error < 1e-9).all()


def test_a_hard_problem_gets_its_newton_steps_in_a_batch_too():
    costs = torch.tensor(np.stack([clustered(40, 30, seed) for seed in range(4)]))
    a, b = (torch.full((4, k), 1 / k, dtype=DOUBLE) for k in (40, 30))
    reg = torch.tensor([1.0, 1.0, 1.0, 1e-2], dtype=DOUBLE)
    problem = LinearProblem(costs, a, b, reg, torch.zeros_like(b), torch.full_like(reg, 1e-9))
    for max_iter in (3, 10, 40):
        batch = newton(problem, max_iter)
        single = newton(problem.take(torch.tensor([3])), max_iter)
        torch.testing.assert_close(batch.plan[3], single.plan[0], atol=1e-10, rtol=1e-6)
    assert batch.error.max() < 1e-9


@pytest.mark.parametrize(("n_failures", "max_iter"), [(1, 8), (1000, 100)])
def test_sinkhorn_steps_in_where_newton_overflows(monkeypatch, n_failures, max_iter):
    cost = np.random.default_rng(0).random((30, 20))
    expected = solve_batch(cost, 0.1).plan
    exact, calls = trust_region.newton_direction, []

    def overflowing(*args):
        calls.append(None)
        direction = exact(*args)
        return direction + torch.nan if len(calls) <= n_failures else direction

    monkeypatch.setattr(trust_region, "newton_direction", overflowing)
    result = solve_batch(cost, 0.1, max_iter=max_iter, backend="torch")
    assert result.error < 1e-9
    torch.testing.assert_close(result.plan, expected, atol=1e-9, rtol=1e-6)


def test_rejected_newton_steps_are_sinkhorn_steps(solve):
    cost = np.random.default_rng(0).random((30, 20))
    settings = NEWTON._replace(error_reduction=0.0, sufficient_gain=1e9, sinkhorn_steps=3)
    found = solve(cost, 0.1, tol=0.0, max_iter=2, settings=settings)
    kernel, v = np.exp(-cost / 0.1), np.ones(20)
    for _ in range(6):
        w = 1 / 30 / (kernel @ v)
        v = 1 / 20 / (kernel.T @ w)
    plan = kernel * v / (30 * (kernel @ v)[:, None])
    np.testing.assert_allclose(found.plan[0], plan, rtol=1e-9)


def test_no_weight_no_mass(solve):
    cost = clustered(30, 20, 0)
    a, b = np.ones(30), np.ones(20)
    a[[0, 7]] = b[[3, 19]] = 0
    result = solve(cost, 1e-2, a, b)
    assert result.error < 1e-9
    assert torch.isfinite(result.potential).all()
    assert result.plan[0, [0, 7]].sum() == 0 == result.plan[0][:, [3, 19]].sum()
    kept = solve(cost[a > 0][:, b > 0], 1e-2)
    np.testing.assert_allclose(result.plan[0][a > 0][:, b > 0], kept.plan[0], atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1)])
def test_only_the_product_is_possible(solve, shape):
    result = solve(np.random.default_rng(0).random(shape), 0.1)
    np.testing.assert_allclose(result.plan[0], np.full(shape, 0.2 if 5 in shape else 1.0))


@pytest.mark.parametrize("reg", [1e-1, 1e-3])
@pytest.mark.parametrize("uniform", [True, False])
def test_symmetric_problems(solve, reg, uniform):
    x = np.random.default_rng(0).normal(size=(50, 2))
    a = None if uniform else np.random.default_rng(1).dirichlet(np.ones(50))
    general, special = (solve(cdist(x, x), reg, a, a, symmetric=s) for s in (False, True))
    torch.testing.assert_close(general.plan, special.plan, atol=1e-9, rtol=1e-6)
    torch.testing.assert_close(special.plan, special.plan.mT, atol=1e-9, rtol=1e-6)


def test_symmetric_start_is_close_already(solve):
    x = np.random.default_rng(0).normal(size=(50, 2))
    errors = [solve(cdist(x, x), 0.1, symmetric=s, max_iter=0).error for s in (False, True)]
    assert errors[1] < 1e-4 * errors[0]


def test_the_error_that_is_left_is_told(solve):
    cost = clustered(100, 70, 1)
    result = solve(cost, 1e-4, max_iter=1)
    left = (result.plan.sum(1) - 1 / 70).abs().sum()
    assert result.error > 1e-3
    torch.testing.assert_close(result.error[0], left)


def test_nan_is_returned_not_looped_over(solve):
    cost = clustered(10, 10, 0)
    cost[0, 0] = np.nan
    result = solve(np.stack([cost, clustered(10, 10, 0)]), 0.1)
    assert result.error[0].isnan()
    assert result.error[1] < 1e-9
