"""The outer loop: it descends, stops each problem by itself, and says why it stopped."""

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import cdist

from skgw.solvers import solve_gromov
from skgw.solvers.problems import quadratic
from skgw.solvers.problems.quadratic import quadratic_problem
from skgw.solvers.quadratic import descent, outer_step
from skgw.solvers.quadratic.descent import (
    CONVERGED,
    INNER,
    MAX_ITER,
    NON_FINITE,
    minimize,
)
from skgw.solvers.resolution import attainable_tol
from skgw.solvers.result import State
from skgw.solvers.settings import DescentSettings


def hops(graph):
    return shortest_path(nx.to_numpy_array(graph))


def gaussian(seed, n=30):
    C = np.random.default_rng(seed).normal(size=(n, n))
    return C + C.T


NOT_OF_NEGATIVE_TYPE = {
    "graphs": (
        hops(nx.connected_watts_strogatz_graph(40, 4, 0.3, seed=2)),
        hops(nx.barabasi_albert_graph(35, 2, seed=3)),
    ),
    "regular": tuple(hops(nx.random_regular_graph(3, 40, seed=seed)) for seed in (0, 1)),
    "opposite": (cdist(gaussian(0, 20), gaussian(0, 20)), -cdist(gaussian(1, 20), gaussian(1, 20))),
    "indefinite": (gaussian(2), gaussian(3)),
}


def batched(Ca, Cb):
    Ca, Cb = torch.tensor(Ca)[None], torch.tensor(Cb)[None]
    a, b = (torch.full((1, C.shape[1]), 1 / C.shape[1], dtype=C.dtype) for C in (Ca, Cb))
    scale = 0.5 * ((Ca * Ca).mean((1, 2)) + (Cb * Cb).mean((1, 2)))
    return quadratic_problem(Ca, Cb, a, b), scale


def descend(problem, reg, **options):
    """In torch, as most tests below change what it does."""
    options = {"tol": torch.full_like(reg, 1e-6), "backend": "torch"} | options
    return minimize(problem, reg, State(problem.offset), **options)


@pytest.mark.parametrize("name", NOT_OF_NEGATIVE_TYPE)
@pytest.mark.parametrize("relative", [0.2, 0.05])
def test_objective_never_rises_at_a_fixed_reg(monkeypatch, name, relative):
    problem, scale = batched(*NOT_OF_NEGATIVE_TYPE[name])
    reg = relative * scale
    # Plans that are feasible, so that their values compare.
    settings = DescentSettings(max_marginal_error=1e-9, max_momentum=0.0)
    values, step = [], descent.outer_step

    def recorded(problem, it, *args, **options):
        it, outcome = step(problem, it, *args, **options)
        energy = quadratic.energy(problem, it.mixture, problem.gradient(it.mixture))
        values.append(float(energy - reg * torch.special.entr(it.mixture).sum((1, 2))))
        return it, outcome

    monkeypatch.setattr(descent, "outer_step", recorded)
    solution = descend(problem, reg, max_iter=600, settings=settings)
    assert solution.status == CONVERGED
    assert len(values) > 3
    assert np.diff(values).max() < 1e-7 * float(scale)
    # Where steps are cut short the plan returned is still a solution of its own linear problem.
    again = minimize(problem, reg, State(problem.gradient(solution.plan)), tol=reg * 0 + 1e-6)
    assert (again.plan - solution.plan).abs().sum() < 1e-4


def test_some_steps_have_to_be_cut_short(monkeypatch):
    problem, scale = batched(*NOT_OF_NEGATIVE_TYPE["indefinite"])
    assert descend(problem, 0.05 * scale, max_iter=300).status == CONVERGED
    monkeypatch.setattr(outer_step, "_step_length", lambda *_: 1.0)
    without = descend(problem, 0.05 * scale, max_iter=300)
    assert without.status == MAX_ITER  # the iterates cycle


@pytest.mark.parametrize("seeds", [(0, 1), (2, 3)])
def test_momentum_leads_to_the_same_plan_sooner(seeds):
    problem, scale = batched(*(hops(nx.random_regular_graph(3, 40, seed=s)) for s in seeds))
    options = {"first_reg": 0.2 * scale, "max_iter": 1000}
    fast = descend(problem, 0.05 * scale, **options)
    slow = descend(problem, 0.05 * scale, settings=DescentSettings(max_momentum=0.0), **options)
    assert slow.status == fast.status == CONVERGED
    assert fast.n_iter < 0.6 * slow.n_iter
    assert (fast.plan - slow.plan).abs().sum() < 1e-3


def test_problems_stop_one_by_one(noisy_copies):
    Ca, Cb = (torch.tensor(C).expand(2, -1, -1) for C in noisy_copies(20, noise=0.1)[:2])
    weights = torch.full((2, 20), 1 / 20, dtype=Ca.dtype)
    problem = quadratic_problem(Ca, Cb, weights, weights)
    reg = torch.tensor([100.0, 0.1], dtype=Ca.dtype)
    solution = descend(problem, reg, max_iter=300)
    assert solution.n_iter[0] < solution.n_iter[1]
    assert solution.status.tolist() == [CONVERGED, CONVERGED]
    for i in range(2):
        single = descend(problem.take(torch.tensor([i])), reg[[i]], max_iter=300)
        torch.testing.assert_close(solution.plan[i], single.plan[0], atol=1e-6, rtol=1e-3)


def test_status_max_iter(noisy_copies):
    problem, scale = batched(*noisy_copies(20)[:2])
    solution = descend(problem, 0.01 * scale, max_iter=3)
    assert solution.status == MAX_ITER
    assert solution.n_iter == 3


def test_status_inner(noisy_copies):
    problem, scale = batched(*noisy_copies(20)[:2])

    def careless(problem, *args, **options):  # with the rows only: the columns are right
        solution = outer_step.solve_coupling(problem, *args, **options)
        solution.plan[:, 1] += 0.01 * solution.plan[:, 0]
        solution.plan[:, 0] *= 0.99
        return outer_step.with_both_errors(problem, solution)

    solution = descend(problem, 0.05 * scale, linear=careless)
    assert solution.status == INNER  # the plan has settled, its marginals have not
    assert solution.error == pytest.approx(1e-3, rel=0.01)
    assert solution.n_iter == 100


def test_status_non_finite(noisy_copies):
    problem, scale = batched(*noisy_copies(20)[:2])
    offset = problem.offset.clone()
    offset[0, 0, 0] = torch.nan
    solution = descend(problem._replace(offset=offset), 0.05 * scale)
    assert solution.status == NON_FINITE
    assert solution.n_iter == 1  # no point in going on


def test_annealing_ends_at_reg(noisy_copies):
    problem, scale = batched(*noisy_copies(20)[:2])
    reg = 0.03 * scale
    cold, cooled = (descend(problem, reg, first_reg=level) for level in (None, 0.2 * scale))
    torch.testing.assert_close(cold.plan, cooled.plan, atol=1e-5, rtol=1e-3)
    assert cooled.status == CONVERGED


def test_a_level_below_reg_is_reg(noisy_copies):
    problem, scale = batched(*noisy_copies(20)[:2])
    one, other = (descend(problem, 0.05 * scale, first_reg=x) for x in (None, 0.001 * scale))
    assert torch.equal(one.plan, other.plan)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_attainable_tol(dtype):
    reg, scale = torch.tensor([1e-1, 1e-4, 1e-12], dtype=dtype), torch.ones(3, dtype=dtype)
    fine, coarse = attainable_tol(1e-9, reg, scale), attainable_tol(0.05, reg, scale)
    assert (fine.diff() >= 0).all()
    assert fine[0] > 1e-9 if dtype == torch.float32 else fine[0] == 1e-9
    assert fine.max() <= 0.1  # a plan that is further off is no plan
    assert (coarse[:2] >= 0.05).all()
    assert attainable_tol(0.5, reg, scale)[0] == 0.5  # what was asked for is never tightened


def test_no_gradient_flows_through_plans(noisy_copies):
    Ca, Cb, _ = noisy_copies(12)
    result = solve_gromov(torch.tensor(Ca).requires_grad_(), torch.tensor(Cb), reg=0.05)
    assert not result.plan.requires_grad


def test_what_comes_out_can_be_used_with_gradients():
    problem, scale = batched(*NOT_OF_NEGATIVE_TYPE["graphs"])
    for max_iter in (1, 100):
        solution = descend(problem, 0.2 * scale, max_iter=max_iter)
        weight = torch.ones_like(solution.plan, requires_grad=True)
        (weight * solution.plan).sum().backward()
        torch.testing.assert_close(weight.grad, solution.plan)
        assert not any(field.is_inference() for field in solution)
