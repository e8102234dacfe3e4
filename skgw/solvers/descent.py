"""Outer loop: minimise E(T) - reg H(T) by successive linearisation.

Each step solves the entropic linear problem whose cost is the gradient of E at the current plan
(the projected mirror descent of Peyre, Cuturi, Solomon 2016). Where E is concave on the couplings,
each step lowers the objective without a step size. Elsewhere the step is shortened to the minimiser
of an upper bound that is exact for E and linear for the (convex) negative entropy, so that the
objective never rises at a fixed temperature.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.linear import solve_linear
from skgw.solvers.quadratic import QuadraticProblem
from skgw.solvers.result import State

COOLING = 0.5  # factor from one annealing level to the next, one outer step each
INEXACTNESS = 0.1  # the linear problem need not be solved closer than this share of the last change
LEVEL_TOLERANCE = 1e-2  # largest marginal error of a step: plans that are further off mislead
MAX_NEWTON = 12  # per linear problem; the next one profits from what the last one has reached
FLOAT_MARGIN = 50  # a plan's entries carry a relative error of about this many ulps over reg


STATUS = ("converged", "max_iter", "inner", "non_finite")
CONVERGED, MAX_ITER, INNER, NON_FINITE = range(4)


class Solution(NamedTuple):
    """Raw outcome of a batch of problems; `status` indexes `STATUS`."""

    plan: Tensor  # (B, n, m)
    cost: Tensor  # (B, n, m), gradient of E at plan
    potential: Tensor  # (B, m)
    energy: Tensor  # (B,)
    error: Tensor  # (B,), L1 error of the column sums
    status: Tensor  # (B,)
    n_iter: Tensor  # (B,)


class _Iterate(NamedTuple):
    """The problems still under way; every field has the batch axis first."""

    cost: Tensor  # (B, n, m), gradient of E at `mixture`
    mixture: Tensor  # (B, n, m), convex combination of the plans so far
    potential: Tensor  # (B, m)
    level: Tensor  # (B,), current temperature
    change: Tensor  # (B,), L1 change of the plan in the last step


def attainable_tol(tol: float, reg: Tensor, scale: Tensor) -> Tensor:
    """The tolerance, raised to what the floating point type can resolve at this `reg`, (B,)."""
    eps = torch.finfo(reg.dtype).eps
    return (FLOAT_MARGIN * eps * scale / reg.clamp_min(torch.finfo(reg.dtype).tiny)).clamp(tol, 0.1)


@torch.no_grad()
def minimize(
    problem: QuadraticProblem,
    reg: Tensor,
    start: State,
    *,
    level: Tensor | None = None,
    tol: Tensor,
    max_iter: int = 100,
    symmetric: bool = False,
) -> Solution:
    """Minimise E(T) - reg H(T) for a batch of problems, each stopped when it has converged.

    Parameters
    ----------
    problem : QuadraticProblem
    reg : Tensor of shape (B,)
    start : State
        First linearised cost (B, n, m), and column potential (B, m) if there is one.
    level : Tensor of shape (B,), optional
        Temperature to cool from; `reg` (no annealing) by default.
    tol : Tensor of shape (B,)
        A problem has converged when one step changes the plan, and the plan violates its
        marginals, by less than this L1 norm.
    max_iter : int
        Outer steps, annealing included.
    symmetric : bool
        Whether a space is compared with itself, from a symmetric start.
    """
    n_problems = len(reg)
    level = reg if level is None else torch.maximum(level, reg)
    potential = torch.zeros_like(problem.b) if start.potential is None else start.potential
    it = _Iterate(start.cost, torch.zeros_like(start.cost), potential, level, torch.ones_like(reg))
    active = torch.arange(n_problems, device=reg.device)
    finished: list[tuple[Tensor, Solution]] = []
    for step in range(1, max_iter + 1):
        it, outcome = _outer_step(problem, it, reg, tol, step, symmetric)
        ended = (outcome.status == CONVERGED) | (outcome.status == NON_FINITE)
        done = ended | (step == max_iter)
        if not done.any():
            continue
        finished.append((active[done], Solution(*(field[done] for field in outcome))))
        if done.all():
            break
        keep = ~done
        problem, reg, tol, active = problem.take(keep), reg[keep], tol[keep], active[keep]
        it = _Iterate(*(field[keep] for field in it))
    if len(finished) == 1:
        return finished[0][1]
    order = torch.cat([index for index, _ in finished]).argsort()
    return Solution(*(torch.cat(f)[order] for f in zip(*(s for _, s in finished), strict=True)))


def _outer_step(
    problem: QuadraticProblem, it: _Iterate, reg: Tensor, tol: Tensor, step: int, symmetric: bool
) -> tuple[_Iterate, Solution]:
    """Solve the linear problem, move to its plan (or towards it), and judge convergence."""
    final = it.level <= reg
    wanted = torch.maximum((INEXACTNESS * it.change).clamp_max(LEVEL_TOLERANCE), 0.5 * tol)
    wanted = torch.where(final, wanted, LEVEL_TOLERANCE)
    plan, potential, error = solve_linear(
        it.cost, problem.a, problem.b, it.level,
        potential=it.potential, tol=wanted, max_iter=MAX_NEWTON, symmetric=symmetric,
    )  # fmt: skip
    cost = problem.gradient(plan)
    energy = problem.energy(plan, cost)
    difference = plan - it.mixture
    change = difference.abs().sum((1, 2)) if step > 1 else torch.ones_like(reg)

    settled = final & (change < tol)
    status = torch.full(reg.shape, MAX_ITER, device=reg.device)
    status[settled] = INNER
    status[settled & (error < tol)] = CONVERGED
    status[~torch.isfinite(energy)] = NON_FINITE
    outcome = Solution(plan, cost, potential, energy, error, status, torch.full_like(status, step))
    if step > 1:
        mixture, cost = _line_search(it, plan, cost, difference)
    else:
        mixture = plan
    level = torch.where(final, it.level, torch.maximum(COOLING * it.level, reg))
    change = torch.where(final, change, 1.0)
    return _Iterate(cost, mixture, potential, level, change), outcome


def _line_search(
    it: _Iterate, plan: Tensor, cost: Tensor, difference: Tensor
) -> tuple[Tensor, Tensor]:
    """The point between the mixture and `plan` with the lowest bound on the objective."""
    curvature = 0.5 * ((cost - it.cost) * difference).sum((1, 2))
    convex = curvature > 0
    if not convex.any():
        return plan, cost
    # The linear part falls by reg KL(mixture | plan), as the plan minimises it; to evaluate it
    # directly would tell the marginal errors of both for a gain or a loss.
    ratio = it.mixture / plan.clamp_min(torch.finfo(plan.dtype).tiny)
    divergence = (torch.xlogy(it.mixture, ratio) + difference).sum((1, 2)).clamp_min(0.0)
    step = (it.level * divergence / (2 * curvature)).clamp_max(1.0)
    step = torch.where(convex, step, 1.0)[:, None, None]
    return it.mixture + step * difference, it.cost + step * (cost - it.cost)
