"""Linear problems in blocks of rows, beside dense ones."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skgw.solvers.linear.balanced import solve_linear
from skgw.solvers.linear.streamed import StreamedProblem, log_sums, solve_streamed

N, M = 60, 45


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    left, right = 3 * rng.normal(size=(N, 2)), 3 * rng.normal(size=(M, 2))
    b = rng.dirichlet(np.ones(M))
    b[3] = 0
    return StreamedProblem(
        *map(torch.tensor, (left, right, rng.dirichlet(np.ones(N)), b / b.sum()))
    )


def plan(problem, g):
    left, right, a, b = problem
    return a[:, None] * torch.softmax(left @ right.T + g + b.log(), 1)


def sinkhorn(problem, n_sweeps):
    """Error of the column sums after plain iterations."""
    g = torch.zeros(M, dtype=torch.float64)
    for _ in range(n_sweeps):
        columns = problem.column_sums(g)
        g = g + torch.where(problem.b > 0, (problem.b / columns).log(), 0.0)
    return float((problem.column_sums(g) - problem.b).abs().sum())


def test_same_plan_as_newtons(problem):
    solution = solve_streamed(problem, torch.zeros(M).double(), tol=1e-9, max_sweeps=500)
    left, right, a, b = problem
    one = torch.ones(1, dtype=torch.float64)
    expected = solve_linear(
        -(left @ right.T)[None], a[None], b[None], one, tol=1e-10 * one, max_iter=100
    )
    T = plan(problem, solution.g)
    assert_allclose(T, expected.plan[0], atol=1e-8)
    assert_allclose(solution.columns, T.sum(0))
    assert solution.error == pytest.approx(float((T.sum(0) - b).abs().sum()))
    assert solution.error < 1e-9


def test_fewer_sweeps_than_sinkhorns(problem):
    solution = solve_streamed(problem, torch.zeros(M).double(), tol=1e-6, max_sweeps=40)
    assert solution.error < 1e-6
    assert sinkhorn(problem, 80) > 1e-5


def test_potentials_and_moment(problem):
    rng = np.random.default_rng(1)
    x, y, g = (torch.tensor(rng.normal(size=s)) for s in ((N, 3), (M, 4), (M,)))
    f, moment = problem.moment(g, x, y)
    T = plan(problem, g)
    left, right, a, b = problem
    assert_allclose(moment, x.T @ T @ y)
    assert_allclose(a[:, None] * b * (f[:, None] + g + left @ right.T).exp(), T)
    assert_allclose(log_sums(left, right, g), (left @ right.T + g).logsumexp(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_underflowed_columns_are_recovered(problem, dtype):
    """From potentials that leave most columns without any mass in this precision."""
    problem = StreamedProblem(*(x.to(dtype) for x in problem))
    g = torch.zeros(M, dtype=dtype)
    g[0] = 1000.0
    solution = solve_streamed(problem, g, tol=1e-3, max_sweeps=200)
    assert solution.error < 1e-3


def test_the_best_iterate_is_returned(problem):
    """A tolerance out of reach, and a budget of one sweep."""
    g = torch.zeros(M, dtype=torch.float64)
    solution = solve_streamed(problem, g, tol=1e-300, max_sweeps=300)
    assert solution.error < 1e-12
    assert torch.isfinite(solution.g).all()
    first = solve_streamed(problem, g, tol=1e-9, max_sweeps=1)
    assert torch.equal(first.g, g)
    assert_allclose(first.columns, plan(problem, g).sum(0))
