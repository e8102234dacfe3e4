import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch.testing import assert_close

from skgw.solvers import gw_divergence
from skgw.training.gw_loss import (
    cold_solve,
    cross_term,
    lower_solution,
    self_solve,
    self_term,
    uniform_problem,
    uniform_value,
)

EPSILON = 0.02


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return np.c_[rng.exponential(size=(48, 1)), rng.normal(size=(48, 1))] * [2, 1]


def test_the_value_of_an_inexact_solution_is_the_exact_value(X):
    """The potential corrects the value for the error of the column sums to first order."""
    problem = uniform_problem(*(torch.tensor(cdist(Z, Z)) for Z in (X, X[:25] * [1, 2])))
    inexact, exact = (cold_solve(problem, EPSILON, tol=tol, max_iter=99) for tol in (1e-2, 1e-10))
    value = exact.energy - EPSILON * torch.special.entr(exact.plan).sum()
    error = abs(float(uniform_value(inexact, EPSILON) - value))
    assert error < 0.02 * EPSILON
    uncorrected = inexact.energy - EPSILON * torch.special.entr(inexact.plan).sum()
    assert abs(float(uncorrected - value)) > 2 * error


def test_the_better_of_two_solutions_has_the_lower_value(X):
    D = torch.tensor(cdist(X, X))
    solution = self_solve(D, EPSILON, max_iter=20)
    worse = solution._replace(energy=solution.energy + 1)
    undefined = solution._replace(energy=solution.energy * torch.nan)
    assert (
        lower_solution(solution, worse, EPSILON)
        is lower_solution(worse, solution, EPSILON)
        is solution
    )
    assert (
        lower_solution(undefined, solution, EPSILON)
        is lower_solution(solution, undefined, EPSILON)
        is solution
    )


def test_terms_have_the_gradient_of_the_divergence(X):
    epsilon = 1.0  # with one minimum, whatever the start

    def matrices():
        return [torch.tensor(cdist(Z, Z), requires_grad=True) for Z in (X, X[:25] * [1, 2])]

    D, E = matrices()
    problem = uniform_problem(D.detach(), E.detach())
    solution = cold_solve(problem, epsilon, tol=1e-9, max_iter=99)
    self_terms = [self_term(C, epsilon, max_iter=99) for C in (D, E)]
    total = 2 * cross_term(solution, D, E, epsilon) - sum(self_terms)
    total.backward()
    A, B = matrices()
    expected = gw_divergence(A, B, reg=epsilon, reg_scale=None, tol=1e-9)
    expected.backward()
    assert_close(total, expected, rtol=1e-3, atol=0)
    for ours, theirs in ((D, A), (E, B)):
        assert_close(ours.grad, theirs.grad, atol=1e-2 * float(theirs.grad.norm()), rtol=0)
