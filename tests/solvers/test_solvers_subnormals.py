"""Plans hold no entries so small that products with them are subnormal numbers."""

import numpy as np
import pytest
import torch

from skgw.solvers import solve_gromov
from skgw.solvers.linear import solve_linear, solve_unbalanced_linear
from skgw.solvers.subnormals import flush_subnormals, smallest_entry


def problem(dtype):
    """A cost (1, 40, 50) of which many entries of exp(-cost / reg) are tiny, and marginals."""
    generator = torch.Generator().manual_seed(0)
    cost = torch.rand(1, 40, 50, generator=generator).to(dtype)
    return cost, torch.full((1, 40), 1 / 40, dtype=dtype), torch.full((1, 50), 1 / 50, dtype=dtype)


def is_free_of_tiny_entries(plan):
    return bool(((plan == 0) | (plan >= smallest_entry(plan.dtype))).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_smallest_entry_is_the_same_for_numpy_and_far_from_subnormal(dtype):
    as_numpy = torch.empty(0, dtype=dtype).numpy().dtype
    smallest = smallest_entry(dtype)
    assert smallest == smallest_entry(as_numpy)
    assert smallest > 1e10 * torch.finfo(dtype).tiny


def test_flushing_changes_tiny_entries_alone():
    plan = torch.tensor([1.0, 1e-20, 1e-30, 1e-40, 0.0])
    assert flush_subnormals(plan) is plan
    assert plan.tolist() == pytest.approx([1.0, 1e-20, 0.0, 0.0, 0.0])


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_linear_plans_hold_no_tiny_entry_and_keep_their_marginals(backend):
    cost, a, b = problem(torch.float32)
    reg, tol = torch.tensor([0.01]), torch.tensor([1e-5])
    found = solve_linear(cost, a, b, reg, tol=tol, max_iter=50, backend=backend)
    exact = solve_linear(
        cost.double(), a.double(), b.double(), reg.double(), tol=tol.double(), max_iter=50,
        backend=backend,
    )  # fmt: skip
    assert float((exact.plan.float() < smallest_entry(torch.float32)).float().mean()) > 0.2
    assert is_free_of_tiny_entries(found.plan)
    assert float((found.plan.sum(2) - a).abs().sum()) < 1e-5
    assert float((found.plan - exact.plan).abs().sum()) < 1e-3


def test_unbalanced_plans_hold_no_tiny_entry():
    cost, a, b = problem(torch.float32)
    reg, rho, tol = torch.tensor([0.01]), torch.tensor([0.1]), torch.tensor([1e-4])
    found = solve_unbalanced_linear(
        cost, a, b, reg, rho, rho, potential=torch.zeros_like(b), tol=tol, max_iter=50
    )
    assert is_free_of_tiny_entries(found.plan)


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_plans_of_solve_gromov_hold_no_tiny_entry(backend):
    X = np.random.default_rng(0).normal(size=(60, 3))
    D = np.linalg.norm(X[:, None] - X, axis=2).astype(np.float32)
    plan = solve_gromov(D, D[::-1, ::-1].copy(), reg=1e-3, backend=backend).plan
    assert is_free_of_tiny_entries(torch.as_tensor(plan))
