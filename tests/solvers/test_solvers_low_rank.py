"""Large problems, most of which is solved with kernels of low rank."""

import functools

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from skgw.exceptions import GWConvergenceWarning
from skgw.solvers.problems.low_rank import low_rank_problem
from skgw.solvers.problems.quadratic import QuadraticProblem, energy, quadratic_problem
from skgw.solvers.quadratic import low_rank
from skgw.solvers.settings import DenseSettings, DescentSettings, LowRankSettings

N, M = 330, 310


def distances(*samples):
    """Of mean square one, in a batch."""
    D = np.stack([cdist(x, x) for x in samples])
    return D / np.sqrt(np.mean(D**2))


@pytest.fixture(params=["plane", "R^30", "city blocks"])
def matrices(request):
    rng = np.random.default_rng(0)
    d = {"plane": 2, "R^30": 30, "city blocks": 3}[request.param]
    scale = rng.uniform(0.5, 2, size=d)
    x, y = scale * rng.normal(size=(N, d)), scale * rng.normal(size=(M, d))
    if request.param == "city blocks":
        return cdist(x, x, "cityblock") / 4, cdist(y, y, "cityblock") / 4
    return distances(x)[0], distances(y)[0]


# Compiled solves of this size take exact kernels but for their annealing steps.
NOT_COMPILED = DenseSettings(descent=DescentSettings(max_compiled_size=0))
EXACT = NOT_COMPILED._replace(low_rank=LowRankSettings(min_size=10**9, annealing_min_size=10**9))


@pytest.fixture
def solve(solve_with):
    return functools.partial(solve_with, NOT_COMPILED)


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_same_solution_as_with_full_matrices(solve_with, matrices, loss):
    result = solve_with(NOT_COMPILED, *matrices, loss=loss, reg=0.02, max_iter=300)
    # From there the plain iteration has nothing to do: the plan solves the exact problem.
    again = solve_with(EXACT, *matrices, loss=loss, reg=0.02, init=result.state)
    assert result.converged
    assert again.n_iter <= 6
    assert np.abs(result.plan - again.plan).sum() < 1e-3
    assert result.value == pytest.approx(float(again.value), abs=1e-6)
    expected = solve_with(EXACT, *matrices, loss=loss, reg=0.02, max_iter=300)
    assert result.value <= expected.value + 1e-4  # nor is it a worse minimum


def test_few_products_of_full_matrices(monkeypatch, matrices, solve):
    calls = []
    gradient = QuadraticProblem.gradient
    monkeypatch.setattr(
        QuadraticProblem, "gradient", lambda *args: calls.append(1) or gradient(*args)
    )
    result = solve(*matrices, reg=0.02)
    assert result.converged
    assert len(calls) <= 8 < result.n_iter


def test_float32_and_batches(solve):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, N, 2)) * [1, 3]
    Ca, Cb = distances(*x), distances(*x[:, ::-1])
    result = solve(Ca.astype(np.float32), Cb.astype(np.float32), reg=0.01, tol=1e-3)
    assert result.converged.all()
    assert result.plan.dtype == np.float32
    for k in range(2):
        single = solve(Ca[k], Cb[k], reg=0.01)
        assert result.value[k] == pytest.approx(float(single.value), abs=1e-4)


@pytest.mark.parametrize("max_iter", [1, 5, 9, 12])
def test_a_budget_that_runs_out(matrices, max_iter, solve):
    with pytest.warns(GWConvergenceWarning, match="raise max_iter"):
        result = solve(*matrices, reg=0.001, tol=1e-7, max_iter=max_iter)
    assert not result.converged
    assert result.n_iter <= max_iter
    assert result.marginal_error < 0.1


def test_steps_are_left_for_the_exact_kernels(solve):
    """In many dimensions a small rank misses much, and progress is slow."""
    rng = np.random.default_rng(0)
    scale = 0.9 ** np.arange(50)
    Ca, Cb = (cdist(x, x) for x in scale * rng.normal(size=(2, 300, 50)))
    result = solve(Ca, Cb, reg=1e-3)
    assert result.converged
    assert result.n_iter <= 100


def test_corrections_that_do_not_settle(solve_with, matrices):
    low_rank = LowRankSettings(rank=1, oversampling=0, max_corrections=1)
    settings = NOT_COMPILED._replace(low_rank=low_rank)
    result = solve_with(settings, *matrices, reg=0.05, max_iter=300)
    assert result.converged
    again = solve_with(EXACT, *matrices, reg=0.05, init=result.state)
    assert np.abs(result.plan - again.plan).sum() < 1e-3


def test_approximation_is_exact_for_low_rank():
    """Squared distances in the plane have kernels of rank two."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(50, 2)), rng.normal(size=(40, 2))
    C, D = (torch.tensor(cdist(z, z, "sqeuclidean"))[None] for z in (x, y))
    a, b = (torch.full((1, k), 1 / k, dtype=torch.float64) for k in (50, 40))
    problem = quadratic_problem(C, D, a, b)
    plan = torch.tensor(rng.dirichlet(np.ones(2000)).reshape(1, 50, 40))
    coarse = low_rank_problem(problem, 2)
    torch.testing.assert_close(coarse.gradient(plan), problem.gradient(plan))
    torch.testing.assert_close(
        energy(coarse, plan, coarse.gradient(plan)), energy(problem, plan, problem.gradient(plan))
    )
    tight = low_rank_problem(problem, 1)._replace(offset=problem.offset)
    corrected = tight.corrected(plan, problem.gradient(plan))
    torch.testing.assert_close(corrected.gradient(plan), problem.gradient(plan))


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("reg", [0.02, 0.2])
def test_first_steps_of_smaller_problems(monkeypatch, solve_with, matrices, backend, reg):
    """From a high annealing level the first steps, and no others, take low-rank kernels."""
    settings = DenseSettings(low_rank=LowRankSettings(min_size=500))
    calls = []

    def counted(problem, rank, oversampling):
        calls.append(rank)
        return low_rank_problem(problem, rank, oversampling)

    monkeypatch.setattr(low_rank, "low_rank_problem", counted)
    C, D = (C[:200, :200] for C in matrices)
    options = {"reg": reg, "backend": backend, "max_iter": 300}
    result = solve_with(settings, C, D, **options)
    assert calls == ([settings.low_rank.annealing_rank] if reg == 0.02 else [])
    exact = solve_with(EXACT._replace(descent=DescentSettings()), C, D, **options)
    assert result.converged
    assert result.value == pytest.approx(float(exact.value), abs=1e-6)
    np.testing.assert_allclose(result.plan, exact.plan, atol=1e-5)
