"""Newton directions: against a dense solve, and where there is none."""

import pytest
import torch

from skgw.solvers.linear.conjugate_gradients import conjugate_gradients
from skgw.solvers.settings import NEWTON

FAR = 1e3  # a radius that nothing reaches


def system(n_problems=3, n=20, m=15, *, dtype=torch.float64, links=1.0):
    """A, residual and scale at plans between two groups that exchange a share `links` of mass."""
    generator = torch.Generator().manual_seed(0)
    T = torch.rand(n_problems, n, m, dtype=dtype, generator=generator)
    T[:, : n // 2, m // 2 :] *= links
    T[:, n // 2 :, : m // 2] *= links
    T /= T.sum((1, 2), keepdim=True)
    rows, columns = T.sum(2, keepdim=True), T.sum(1, keepdim=True)
    gradient = torch.rand(columns.shape, dtype=dtype, generator=generator)
    gradient = gradient / gradient.sum(2, keepdim=True) - columns  # sums to zero
    scale = columns.rsqrt()
    return T * rows.rsqrt() * scale, gradient * scale, scale


def solve(A, residual, scale, *, radius=FAR, todo=True, settings=NEWTON):
    radius = torch.full_like(A[:, :1, :1], radius)
    todo = torch.as_tensor(todo).expand(len(A))[:, None, None]
    return conjugate_gradients(A, residual, scale, radius, todo, settings)


def left(A, residual, scale, d):
    """Relative residuals, (B,)."""
    y = d / scale
    return (residual - y + y @ A.mT @ A).norm(dim=(1, 2)) / residual.norm(dim=(1, 2))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("shape", [(20, 15), (15, 20), (5, 1), (1, 5), (2, 2)])
def test_solves_to_the_tolerance(dtype, shape):
    A, residual, scale = system(3, *shape, dtype=dtype)
    d = solve(A, residual, scale)
    assert torch.isfinite(d).all()
    if min(shape) > 2:
        assert (left(A, residual, scale, d) <= NEWTON.cg_tolerance).all()


def test_exact_after_as_many_steps_as_dimensions():
    settings = NEWTON._replace(cg_tolerance=1e-8)
    A, residual, scale = system()
    hessian = torch.eye(15, dtype=A.dtype) - A.mT @ A
    exact = torch.linalg.lstsq(hessian, residual.mT, driver="gelsd").solution.mT * scale
    found = solve(A, residual, scale, settings=settings)
    torch.testing.assert_close(found, exact, rtol=1e-6, atol=1e-8)


def test_others_are_left_alone():
    A, residual, scale = system()
    both = solve(A, residual, scale)
    some = solve(A, residual, scale, todo=[True, False, True])
    assert (some[1] == 0).all()
    torch.testing.assert_close(some[[0, 2]], both[[0, 2]])


def test_stops_outside_of_the_trust_region():
    A, residual, scale = system(links=1e-6)
    far, near = (solve(A, residual, scale, radius=radius).abs().amax(2) for radius in (1e9, 10.0))
    assert (near > 10).all()  # the caller cuts it
    assert (far > 1e3).all()


def test_overflow_in_one_problem_is_its_own():
    A, residual, scale = system()
    expected = solve(A, residual, scale)
    A[1, 0, 0] = torch.nan
    d = solve(A, residual, scale)
    assert (d[1] == 0).all()
    torch.testing.assert_close(d[[0, 2]], expected[[0, 2]])
