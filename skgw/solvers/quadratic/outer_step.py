"""One outer step: solve the entropic linear problem whose cost is the gradient of E at a plan.

That is the projected mirror descent of Peyre, Cuturi, Solomon 2016. Where E is concave on the
couplings, each step lowers the objective E(T) - reg H(T) without a step size. Where E is convex
along a step, the step is shortened to the minimiser of an upper bound that is exact for E and
linear for the (convex) negative entropy, so that the objective does not rise there either.

Where progress is slow, E is linearised beyond the plan, with Nesterov's momentum and a restart when
that points backwards (Wen, Chen, Pong 2018, A proximal difference-of-convex algorithm with
extrapolation).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from skgw.solvers.linear.balanced import solve_linear
from skgw.solvers.linear.newton_cg import LinearSolution
from skgw.solvers.problems.quadratic import Problem, energy
from skgw.solvers.result import State
from skgw.solvers.settings import DESCENT, DescentSettings
from skgw.solvers.synchronisation import any_of

LinearSolver = Callable[..., LinearSolution]  # as `solve_coupling`
STATUS = ("converged", "max_iter", "inner", "non_finite")
CONVERGED, MAX_ITER, INNER, NON_FINITE = range(4)


class Solution(NamedTuple):
    """Raw outcome of a batch of problems; `status` indexes `STATUS`."""

    plan: Tensor  # (B, n, m)
    cost: Tensor  # (B, n, m), gradient of E at plan
    potential: Tensor  # (B, m)
    energy: Tensor  # (B,)
    error: Tensor  # (B,), L1 error of the row sums plus that of the column sums
    status: Tensor  # (B,)
    n_iter: Tensor  # (B,)


T = TypeVar("T", bound=tuple[Tensor, ...])


def choose(mask: Tensor, one: T, other: T) -> T:
    """Named tuple of the fields of `one` for the problems in `mask` (B,), of `other` elsewhere."""
    pairs = zip(one, other, strict=True)
    fields = (torch.where(mask.view(-1, *[1] * (x.ndim - 1)), x, y) for x, y in pairs)
    return type(one)(*fields)


def status_of(value: Tensor, change: Tensor, error: Tensor, tol: Tensor) -> Tensor:
    """Index into `STATUS`, (B,): of values, changes of the plan and marginal errors."""
    settled = change < tol
    status = torch.full(tol.shape, MAX_ITER, device=tol.device).masked_fill_(settled, INNER)
    status.masked_fill_(settled & (error < tol), CONVERGED)
    return status.masked_fill_(~torch.isfinite(value), NON_FINITE)


class Iterate(NamedTuple):
    """The problems still under way; every field has the batch axis first."""

    cost: Tensor  # (B, n, m), gradient of E at `mixture`
    mixture: Tensor  # (B, n, m), combination of plans at which E is linearised
    potential: Tensor  # (B, m)
    change: Tensor  # (B,), L1 distance of the last plan from the mixture before it
    last: Tensor  # (B, n, m), that plan
    last_cost: Tensor  # (B, n, m), gradient of E at it
    streak: Tensor  # (B,), steps for which momentum has built up; -1: never again


def first_iterate(problem: Problem, start: State, plan: Tensor | None, tol: Tensor) -> Iterate:
    """Where a solve begins: at a start, or from a `plan` with its cost."""
    potential = torch.zeros_like(problem.b) if start.potential is None else start.potential
    change = torch.ones_like(tol) if plan is None else tol
    plan = torch.zeros_like(start.cost) if plan is None else plan
    return Iterate(start.cost, plan, potential, change, plan, start.cost, torch.zeros_like(change))


def anneal(
    problem: Problem,
    it: Iterate,
    levels: list[Tensor],
    lean: Tensor,
    linear: LinearSolver,
    settings: DescentSettings = DESCENT,
    *,
    coarse: Problem | None = None,
) -> Iterate:
    """One step at each level; gradients are those of `coarse`, and of `problem` at the last."""
    for k, level in enumerate(levels):
        of = problem if coarse is None or k == len(levels) - 1 else coarse
        it = cooled(of, it, level, lean, linear, settings)
    return it


def annealing_levels(
    first: Tensor, reg: Tensor, *, n_levels: int | None = None, octaves: float = 1.0
) -> list[Tensor]:
    """Annealing levels from `first` (B,) to above `reg` (B,), as many for each problem.

    By default as many as it takes for a ratio of at most 2**octaves from one to the next.
    """
    ratio = (first / reg).clamp_min(1.0)
    if n_levels is None:
        n_levels = math.ceil(float(ratio.log2().amax()) / octaves)
    return [reg * ratio ** (1 - k / n_levels) for k in range(n_levels)]


def cooled(
    problem: Problem,
    it: Iterate,
    level: Tensor,
    lean: Tensor,
    linear: LinearSolver,
    settings: DescentSettings = DESCENT,
) -> Iterate:
    """One step at a temperature above the final one: nothing is judged, there will be more."""
    target = torch.addcmul(it.cost, level[:, None, None], lean)
    tol = torch.full_like(level, settings.max_marginal_error)
    plan, potential, _ = linear(problem, target, level, potential=it.potential, tol=tol)
    cost = problem.gradient(plan)
    return it._replace(cost=cost, mixture=plan, potential=potential, last=plan, last_cost=cost)


def outer_step(
    problem: Problem,
    it: Iterate,
    reg: Tensor,
    tol: Tensor,
    linear: LinearSolver,
    step: int,
    *,
    is_first: bool,
    settings: DescentSettings = DESCENT,
) -> tuple[Iterate, Solution]:
    """Solve the linear problem, move to its plan (or towards it), and judge convergence.

    The first plan of a solve has none before it to be compared with.
    """
    least = settings.marginal_share * tol
    wanted = (settings.inexactness * it.change).clamp_max(settings.max_marginal_error)
    wanted = torch.maximum(wanted, least)
    plan, potential, error = linear(problem, it.cost, reg, potential=it.potential, tol=wanted)
    cost = problem.gradient(plan)
    value = energy(problem, plan, cost)
    difference = plan - it.mixture
    change = torch.ones_like(reg) if is_first else difference.abs().sum((1, 2))

    status = status_of(value, change, error, tol)
    outcome = Solution(plan, cost, potential, value, error, status, torch.full_like(status, step))
    if is_first:
        mixture, at, streak = plan, cost, it.streak
    else:
        mixture, at, streak = _advance(it, plan, cost, difference, change, reg, settings)
    return Iterate(at, mixture, potential, change, plan, cost, streak), outcome


def solve_coupling(
    problem: Problem,
    cost: Tensor,
    reg: Tensor,
    *,
    potential: Tensor,
    tol: Tensor,
    settings: DescentSettings = DESCENT,
    **options: Any,
) -> LinearSolution:
    """`solve_linear`, with the error of both marginals: the rows are off, too, by rounding."""
    options |= {"potential": potential, "tol": tol, "max_iter": settings.max_newton_steps}
    options["settings"] = settings.newton
    solution = solve_linear(cost, problem.a, problem.b, reg, **options)
    return with_both_errors(problem, solution)


def with_both_errors(problem: Problem, solution: LinearSolution) -> LinearSolution:
    """The solution with the L1 error of its row sums added to that of the column sums."""
    plan, a, b = solution.plan, problem.a, problem.b
    error = (plan.sum(2) - a).abs().sum(1) + (plan.sum(1) - b).abs().sum(1)
    return solution._replace(error=error)


def _advance(
    it: Iterate,
    plan: Tensor,
    cost: Tensor,
    difference: Tensor,
    change: Tensor,
    reg: Tensor,
    settings: DescentSettings,
) -> tuple[Tensor, Tensor, Tensor]:
    """Where to linearise next, the gradient there, and the new streak.

    That is the plan itself, or a point beyond it where progress is slow, or one short of it where
    E is convex on the way there.
    """
    bend = cost - it.cost
    curvature = 0.5 * (bend * difference).sum((1, 2))
    convex = curvature > 0
    mixture, at = plan, cost
    if any_of(convex):
        step = torch.where(convex, _shortened(it, plan, difference, curvature, reg), 1.0)
        step = step[:, None, None]
        mixture, at = it.mixture + step * difference, it.cost + step * bend
    gaining = (it.streak >= 0) & ((it.streak > 0) | (change > settings.slow_rate * it.change))
    streak = torch.where(gaining, it.streak + 1, 0.0)
    streak = torch.where(convex | (it.streak < 0), -1.0, streak)
    if any_of(streak > 0):
        onward = cost - it.last_cost
        back = (bend * onward).sum((1, 2)) < 0
        streak = torch.where(back & (streak > 0), 0.0, streak)
        momentum = (streak / (streak + 3)).clamp(0.0, settings.max_momentum)[:, None, None]
        mixture, at = mixture + momentum * (plan - it.last), at + momentum * onward
    return mixture, at, streak


def _shortened(
    it: Iterate, plan: Tensor, difference: Tensor, curvature: Tensor, reg: Tensor
) -> Tensor:
    """Share of the way from the mixture to `plan` that minimises the bound, (B,)."""
    # The linear part falls by reg KL(mixture | plan), as the plan minimises it; to evaluate it
    # directly would tell the marginal errors of both for a gain or a loss.
    mixture = it.mixture.clamp_min(0.0)  # momentum may have overshot
    ratio = mixture / plan.clamp_min(torch.finfo(plan.dtype).tiny)
    divergence = (torch.xlogy(mixture, ratio) + difference).sum((1, 2)).clamp_min(0.0)
    return (reg * divergence / (2 * curvature)).clamp_max(1.0)
