"""Autocast and torch's default dtype are the caller's business: results do not depend on them."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from skgw.solvers import State, gw_divergence, solve_gromov
from skgw.solvers.initializers.basic import identity_start, warm_start
from skgw.solvers.linear.extension import extend_plan
from skgw.solvers.problems.quadratic import quadratic_problem
from skgw.solvers.quadratic.descent import minimize
from skgw.solvers.quadratic.envelope import envelope_value


@pytest.fixture
def matrices(noisy_copies):
    Ca, Cb, _ = noisy_copies(20, noise=0.1)
    return torch.tensor(Ca, dtype=torch.float32), torch.tensor(Cb, dtype=torch.float32)


def outcomes(function):
    """What `function` returns without and under autocast."""
    plain = function()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
        return plain, function()


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("init", ["auto", "product", "identity", "plan"])
def test_solve_under_autocast(matrices, loss, init):
    if init == "plan":
        init = torch.full((20, 20), 1 / 400)

    def solve():
        result = solve_gromov(*matrices, M=matrices[0], loss=loss, reg=0.02, init=init)
        return result.plan, result.value, result.reg, result.barycenter(matrices[1])

    for plain, other in zip(*outcomes(solve), strict=True):
        assert torch.equal(plain, other)


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_divergence_and_gradients_under_autocast(matrices, loss):
    def value_and_gradients():
        Ca, Cb = (C.clone().requires_grad_() for C in matrices)
        value = gw_divergence(Ca, Cb, loss=loss, reg=0.02)
        return value, *torch.autograd.grad(value, (Ca, Cb))

    for plain, other in zip(*outcomes(value_and_gradients), strict=True):
        assert torch.equal(plain, other)


def test_parts_under_autocast(matrices):
    Ca, Cb = (C[None] for C in matrices)
    a = torch.full((1, 20), 0.05)
    plan = torch.softmax(-Ca, 2) / 20
    problem = quadratic_problem(Ca, Cb, a, a)
    reg = torch.full((1,), 0.1)

    def gradient():
        x = Ca.clone().requires_grad_()
        return torch.autograd.grad(envelope_value(x, Cb, None, reg, plan, 1.0, "L2"), x)[0]

    for part in (
        lambda: quadratic_problem(Ca, Cb, a, a)[:-1],
        lambda: identity_start(problem),
        lambda: warm_start(Ca, plan, Cb, a, a),
        lambda: minimize(problem, reg, State(problem.offset), first_reg=10 * reg, tol=1e-4 * reg),
        lambda: (torch.tensor(extend_plan(Ca[0], plan[0], Cb[0], 0.1)[0].log_scaling),),
        lambda: (gradient(),),
    ):
        for plain, other in zip(*outcomes(part), strict=True):
            assert torch.equal(plain, other)


def test_autocast_is_back_afterwards(matrices):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        solve_gromov(*matrices, reg=0.1)
        assert torch.is_autocast_enabled("cpu")


def test_default_dtype():
    # From "product" the plan depends on the seeded draw that tells points apart.
    ring = np.exp(2j * np.pi * np.arange(12) / 12)
    C = cdist(np.c_[ring.real, ring.imag], np.c_[ring.real, ring.imag])
    expected = solve_gromov(C, C, reg=0.01, init="product").plan
    torch.set_default_dtype(torch.float64)
    try:
        result = solve_gromov(C, C, reg=0.01, init="product").plan
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(result, expected)
