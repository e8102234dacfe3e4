"""Where a solve starts from: the first linearised cost, and potentials that go with it."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from skgw.solvers.precision import full_precision
from skgw.solvers.problems.quadratic import Problem, QuadraticProblem, mean, split_loss
from skgw.solvers.result import State

ANNEALING_START = 0.2  # relative temperature: above it the product coupling is the only minimum
TILT = 1e-2  # of the temperature: costs that are off by so little make a plan as good to start from
TILT_RANK = 4


def product_start(problem: QuadraticProblem, reg: Tensor) -> State:
    """Start from the product coupling, where the cost is no more than `offset`, tilted."""
    return State(problem.offset + tilt(problem, reg))


def tilt(problem: Problem, reg: Tensor) -> Tensor:
    """A small cost, (B, n, m), that tells points apart which the problem does not.

    On spaces whose points all look alike (cycles, tori, hypercubes) the product coupling is
    stationary at every temperature, though not a minimum below a critical one; orbits of other
    symmetric spaces do the same. Any generic perturbation, here a fixed one of low rank, lets the
    iteration leave such a saddle.
    """
    n, m = problem.a.shape[1], problem.b.shape[1]
    direction = tilt_direction(n, m, problem.offset.device).to(problem.offset)
    return reg[:, None, None] * direction


def tilt_direction(n: int, m: int, device: torch.device | None = None) -> Tensor:
    """The tilt at temperature 1, (n, m), float32."""
    u, v = (x.to(device) for x in _directions(n, m))
    return (TILT / TILT_RANK**0.5) * (u @ v.T)


@functools.lru_cache(maxsize=16)
def _directions(n: int, m: int) -> tuple[Tensor, Tensor]:
    """Factors of the tilt, (n, TILT_RANK) and (m, TILT_RANK)."""
    noise = torch.Generator().manual_seed(0)
    u, v = (torch.randn(k, TILT_RANK, generator=noise, dtype=torch.float32) for k in (n, m))
    return u, v


@full_precision()
def identity_start(problem: QuadraticProblem) -> State:
    """Start of a self term of the square loss: every point is matched with itself.

    The linearised cost is symmetric there, and half its diagonal the potential that makes it vanish
    for matched points and non-negative for all others.
    """
    cost = _matched_gradient(problem)
    return State(cost, 0.5 * cost.diagonal(dim1=1, dim2=2))


@full_precision()
def matched_start(problem: QuadraticProblem, Ca: Tensor, Cb: Tensor, *, loss: str) -> State:
    """As `identity_start`, for any loss and any two spaces of n points with the same weights."""
    parts, a = split_loss(Ca, Cb, loss), problem.a[:, :, None]  # (B, n, 1)
    # The mean over rows of the cost before it is centred, as in `_linearise`, without forming it.
    means = torch.bmm(parts.f2, a) - torch.bmm(parts.h2, a * torch.bmm(parts.h1, a))  # (B, n, 1)
    shift = 2 * (means[:, :, 0] + mean(parts.f1, problem.a)[:, None])
    return State(_matched_gradient(problem), -problem.alpha * shift)


def _matched_gradient(problem: QuadraticProblem) -> Tensor:
    """The gradient at the plan diag(a), (B, n, n)."""
    weighted = problem.kernel_a * problem.a[:, None, :]
    return torch.baddbmm(problem.offset, weighted, problem.kernel_b, alpha=-8 * problem.alpha)


@full_precision()
def warm_start(
    cross_a: Tensor, plan: Tensor, cross_b: Tensor, a: Tensor, b: Tensor, *, loss: str = "L2"
) -> State:
    """Start for new points, from a plan between old points of the same two spaces.

    The linearised cost of matching a new point x with a new point y is what the old plan says
    about it: the sum over old pairs (x', y') of L(d(x, x'), d(y, y')), weighted by the plan. It
    keeps the matching of consecutive mini-batches consistent where symmetric data admit several.

    Parameters
    ----------
    cross_a : Tensor of shape (B, n, n_old)
        Distances from the new points of one space to its old ones.
    plan : Tensor of shape (B, n_old, m_old)
    cross_b : Tensor of shape (B, m, m_old)
        Distances from the new points of the other space to its old ones.
    a, b : Tensor of shapes (B, n) and (B, m)
        Weights of the new points.
    """
    return State(*_linearise(cross_a, plan, cross_b, a, b, loss))


def _linearise(
    cross_a: Tensor, plan: Tensor, cross_b: Tensor, a: Tensor, b: Tensor, loss: str
) -> tuple[Tensor, Tensor]:
    """The linearised cost with weighted row and column means of zero, and a potential for it."""
    parts = split_loss(cross_a, cross_b, loss)
    rows = torch.bmm(parts.f1, plan.sum(2)[:, :, None])  # (B, n, 1)
    columns = torch.bmm(parts.f2, plan.sum(1)[:, :, None])  # (B, m, 1)
    cost = torch.bmm(torch.bmm(parts.h1, plan), parts.h2.transpose(1, 2))  # (B, n, m)
    cost = 2 * (rows + columns.transpose(1, 2) - cost)
    # The solver's costs are centred; what is taken off the columns reappears as their potential.
    shift = torch.bmm(a[:, None, :], cost)  # (B, 1, m)
    cost = cost - shift
    return cost - torch.bmm(cost, b[:, :, None]), -shift[:, 0]
