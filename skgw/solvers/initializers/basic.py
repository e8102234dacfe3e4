"""Starts of a solve: the first linearised cost, with its column potential if that is known."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from skgw.solvers.directed import any_directed, is_doubled
from skgw.solvers.precision import full_precision
from skgw.solvers.problems.quadratic import (
    Loss,
    Problem,
    QuadraticProblem,
    both_directions,
    mean,
    split_loss,
)
from skgw.solvers.result import State

ANNEALING_START = 0.2  # in units of the scale; above it the product coupling is the only minimum
PERTURBATION = 1e-2  # root mean square of the perturbation of a cost, in units of reg
PERTURBATION_RANK = 4  # of the perturbation as a matrix


def product_start(problem: QuadraticProblem, reg: Tensor) -> State:
    """The product coupling, whose linearised cost is `offset`, with a perturbation."""
    return State(problem.offset + perturbation_cost(problem, reg))


def annealed_start(problem: QuadraticProblem, reg: Tensor, scale: Tensor) -> State:
    """The product coupling, with a perturbation where no annealing level will add one."""
    alone = reg >= ANNEALING_START * scale
    if not alone.any():
        return State(problem.offset)
    return State(problem.offset + perturbation_cost(problem, torch.where(alone, reg, 0.0)))


def perturbation_cost(problem: Problem, reg: Tensor) -> Tensor:
    """Symmetry-breaking perturbation of the cost, (B, n, m).

    On spaces with transitive symmetry groups (cycles, tori, hypercubes) the product coupling is
    stationary at each `reg`, though not a minimum below a critical one. The same holds on orbits of
    other symmetric spaces. Any generic perturbation, in this case a fixed one of low rank, lets the
    iteration leave such a saddle.
    """
    n, m = problem.a.shape[1], problem.b.shape[1]
    direction = unit_perturbation(n, m, problem.offset.device).to(problem.offset)
    return reg[:, None, None] * direction


def unit_perturbation(n: int, m: int, device: torch.device | None = None) -> Tensor:
    """The perturbation at reg = 1, (n, m), float32."""
    u, v = (x.to(device) for x in _directions(n, m))
    return (PERTURBATION / PERTURBATION_RANK**0.5) * (u @ v.T)


@functools.lru_cache(maxsize=16)
def _directions(n: int, m: int) -> tuple[Tensor, Tensor]:
    """Factors of the perturbation, (n, PERTURBATION_RANK) and (m, PERTURBATION_RANK)."""
    noise = torch.Generator().manual_seed(0)
    u, v = (torch.randn(k, PERTURBATION_RANK, generator=noise, dtype=torch.float32) for k in (n, m))
    return u, v


@full_precision()
def identity_start(problem: QuadraticProblem) -> State:
    """Start of a self term under the square loss: each point is matched with itself.

    The linearised cost is symmetric at this plan. Half its diagonal is a potential under which the
    reduced cost is zero for matched points and non-negative for others.
    """
    cost = _matched_gradient(problem)
    return State(cost, 0.5 * cost.diagonal(dim1=1, dim2=2))


@full_precision()
def matched_start(problem: QuadraticProblem, Ca: Tensor, Cb: Tensor, *, loss: str) -> State:
    """As `identity_start`, for any loss and two spaces of n points with the same weights."""
    parts, a = split_loss(Ca, Cb, loss), problem.a[:, :, None]  # (B, n, 1)
    # The mean over rows of the cost before it is centred, as in `_linearise`, without forming it.
    if any_directed(Ca, Cb):
        forward, backward = both_directions(parts)
        means = 0.5 * (_cost_means(forward, a) + _cost_means(backward, a))
    else:
        means = _cost_means(parts, a)
    shift = 2 * (means[:, :, 0] + mean(parts.f1, problem.a)[:, None])
    return State(_matched_gradient(problem), -problem.alpha * shift)


def _cost_means(parts: Loss, a: Tensor) -> Tensor:
    return torch.bmm(parts.f2, a) - torch.bmm(parts.h2, a * torch.bmm(parts.h1, a))  # (B, n, 1)


def _matched_gradient(problem: QuadraticProblem) -> Tensor:
    """The gradient at the plan diag(a), (B, n, n)."""
    if is_doubled(problem.kernel_a):
        return problem.gradient(torch.diag_embed(problem.a))
    weighted = problem.kernel_a * problem.a[:, None, :]
    return torch.baddbmm(problem.offset, weighted, problem.kernel_b, alpha=-8 * problem.alpha)


@full_precision()
def warm_start(
    cross_a: Tensor, plan: Tensor, cross_b: Tensor, a: Tensor, b: Tensor, *, loss: str = "L2"
) -> State:
    """Warm start for new points, from a plan between old points of the same two spaces.

    The linearised cost of matching a new point x with a new point y is the sum over old pairs
    (x', y') of L(d(x, x'), d(y, y')), weighted by the old plan. If symmetric data admit several
    matchings, consecutive mini-batches thus keep the same one.

    Parameters
    ----------
    cross_a : Tensor of shape (B, n, n_old)
        Distances from the new points of the first space to its old points.
    plan : Tensor of shape (B, n_old, m_old)
        Plan between the old points.
    cross_b : Tensor of shape (B, m, m_old)
        Distances from the new points of the second space to its old points.
    a, b : Tensor of shapes (B, n) and (B, m)
        Weights of the new points.
    loss : {"L2", "KL"}, default="L2"

    Returns
    -------
    State
    """
    return State(*_linearise(cross_a, plan, cross_b, a, b, loss))


def _linearise(
    cross_a: Tensor, plan: Tensor, cross_b: Tensor, a: Tensor, b: Tensor, loss: str
) -> tuple[Tensor, Tensor]:
    """The linearised cost with weighted row and column means of zero, and its potential."""
    parts = split_loss(cross_a, cross_b, loss)
    rows = torch.bmm(parts.f1, plan.sum(2)[:, :, None])  # (B, n, 1)
    columns = torch.bmm(parts.f2, plan.sum(1)[:, :, None])  # (B, m, 1)
    cost = torch.bmm(torch.bmm(parts.h1, plan), parts.h2.transpose(1, 2))  # (B, n, m)
    cost = 2 * (rows + columns.transpose(1, 2) - cost)
    # The costs of the solver are centred. The column means become the potential.
    shift = torch.bmm(a[:, None, :], cost)  # (B, 1, m)
    cost = cost - shift
    return cost - torch.bmm(cost, b[:, :, None]), -shift[:, 0]
