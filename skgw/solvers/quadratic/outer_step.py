"""One outer step: solve the entropic linear problem whose cost is the gradient of E at a plan.

This is projected mirror descent [1]_. Where E is concave on the couplings, each step lowers the
objective E(T) - reg H(T) without a step size. Where E is convex along a step, the step length
minimises an upper bound that is exact for E and linear for the (convex) negative entropy, so that
the objective does not rise either.

Where progress is slow, E is linearised beyond the plan, with Nesterov's momentum, which restarts
when it points backward [2]_.

References
----------
.. [1] :cite:t:`peyre2016`.
.. [2] :cite:t:`wen2018`.
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
from skgw.solvers.resolution import Accuracy
from skgw.solvers.result import State
from skgw.solvers.settings import DESCENT, DescentSettings
from skgw.solvers.synchronisation import any_of

LinearSolver = Callable[..., LinearSolution]  # as `solve_coupling`
STATUS = ("converged", "max_iter", "inner", "non_finite", "precision", "empty")
CONVERGED, MAX_ITER, INNER, NON_FINITE, PRECISION, EMPTY = range(6)


class Solution(NamedTuple):
    """Solution of a batch of problems, before it is packaged; `status` indexes `STATUS`."""

    plan: Tensor  # (B, n, m)
    cost: Tensor  # (B, n, m), gradient of E at plan
    potential: Tensor  # (B, m)
    energy: Tensor  # (B,)
    error: Tensor  # (B,), sum of the L1 errors of row sums and column sums
    status: Tensor  # (B,)
    n_iter: Tensor  # (B,)

    def judged(self, accuracy: Accuracy, lowest: Tensor | float) -> Solution:
        """With honest statuses, and the energy at least its `lowest` value, but for rounding.

        A tolerance below the resolution of the floating point type is the reason why a problem has
        not converged to it.
        """
        return self._replace(
            energy=self.energy.clamp(min=lowest), status=judged(self.status, accuracy)
        )


def judged(status: Tensor, accuracy: Accuracy) -> Tensor:
    """The status (..., B) in view of the resolution of the floating point type."""
    if not (accuracy.is_lost | accuracy.is_fine).any():
        return status
    missed = accuracy.is_lost | (accuracy.is_fine & (status == INNER))
    return torch.where(missed & (status != NON_FINITE), PRECISION, status)


T = TypeVar("T", bound=tuple[Tensor, ...])


def choose(mask: Tensor, one: T, other: T) -> T:
    """Fields of `one` for the problems in `mask` (B,), fields of `other` for the rest."""
    pairs = zip(one, other, strict=True)
    fields = (torch.where(mask.view(-1, *[1] * (x.ndim - 1)), x, y) for x, y in pairs)
    return type(one)(*fields)


def status_of(value: Tensor, change: Tensor, error: Tensor, tol: Tensor) -> Tensor:
    """Index into `STATUS` (B,), from values, changes of the plan and marginal errors, all (B,)."""
    settled = change < tol
    status = torch.full(tol.shape, MAX_ITER, device=tol.device).masked_fill_(settled, INNER)
    status.masked_fill_(settled & (error < tol), CONVERGED)
    return status.masked_fill_(~torch.isfinite(value), NON_FINITE)


class Iterate(NamedTuple):
    """The problems that have not ended; each field has a leading batch axis."""

    cost: Tensor  # (B, n, m), gradient of E at `mixture`
    mixture: Tensor  # (B, n, m), combination of plans at which E is linearised
    potential: Tensor  # (B, m)
    change: Tensor  # (B,), L1 distance between the last plan and the mixture before it
    last: Tensor  # (B, n, m), the last plan
    last_cost: Tensor  # (B, n, m), gradient of E at `last`
    streak: Tensor  # (B,), steps over which momentum has grown; -1 once a step was convex
    failures: Tensor  # (B,), linear problems in a row that stayed far from their solution


def first_iterate(problem: Problem, start: State, plan: Tensor | None, tol: Tensor) -> Iterate:
    """The iterate at a start, or at a `plan` whose cost the start holds."""
    potential = torch.zeros_like(problem.b) if start.potential is None else start.potential
    change = torch.ones_like(tol) if plan is None else tol
    plan = torch.zeros_like(start.cost) if plan is None else plan
    zero = torch.zeros_like(change)
    return Iterate(start.cost, plan, potential, change, plan, start.cost, zero, zero)


def anneal(
    problem: Problem,
    it: Iterate,
    levels: list[Tensor],
    perturbation: Tensor,
    linear: LinearSolver,
    settings: DescentSettings = DESCENT,
    *,
    coarse: Problem | None = None,
) -> Iterate:
    """One step at each annealing level, with gradients of `coarse`; the last one of `problem`."""
    for k, level in enumerate(levels):
        differentiated = problem if coarse is None or k == len(levels) - 1 else coarse
        it = annealing_step(differentiated, it, level, perturbation, linear, settings)
    return it


def annealing_levels(
    first: Tensor, reg: Tensor, *, n_levels: int | None = None, octaves: float = 1.0
) -> list[Tensor]:
    """Annealing levels, (B,) each: a geometric sequence from `first` (B,) to above `reg` (B,).

    All problems have the same number of levels, by default the smallest number for which the ratio
    of consecutive levels is at most 2**octaves.
    """
    ratio = (first / reg).clamp_min(1.0)
    if n_levels is None:
        n_levels = math.ceil(float(ratio.log2().amax()) / octaves)
    return [reg * ratio ** (1 - k / n_levels) for k in range(n_levels)]


def annealing_step(
    problem: Problem,
    it: Iterate,
    level: Tensor,
    perturbation: Tensor,
    linear: LinearSolver,
    settings: DescentSettings = DESCENT,
) -> Iterate:
    """One step at an annealing level (B,), without a convergence check.

    `perturbation` (n, m) or (B, n, m) is added to the cost, in units of the level.
    """
    target = torch.addcmul(it.cost, level[:, None, None], perturbation)
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
    """Solve the linear problem, move to its plan or towards it, and check convergence.

    The first step of a solve (`is_first`) has no plan to compare with.
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
    is_far = error > wanted + settings.newton.annealing_error
    failures = torch.where(is_far, it.failures + 1, 0.0)
    hopeless = (status == MAX_ITER) & (failures >= settings.max_failures)
    status = torch.where(hopeless, INNER, status)
    outcome = Solution(plan, cost, potential, value, error, status, torch.full_like(status, step))
    if is_first:
        mixture, at, streak = plan, cost, it.streak
    else:
        mixture, at, streak = _advance(it, plan, cost, difference, change, reg, settings)
    return Iterate(at, mixture, potential, change, plan, cost, streak, failures), outcome


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
    """`solve_linear`, with the error of both marginals: row sums have rounding errors, too."""
    options |= {"potential": potential, "tol": tol, "max_iter": settings.max_newton_steps}
    options["settings"] = settings.newton
    solution = solve_linear(cost, problem.a, problem.b, reg, **options)
    return with_both_errors(problem, solution)


def with_both_errors(problem: Problem, solution: LinearSolution) -> LinearSolution:
    """The solution whose error is the sum of the L1 errors of row sums and column sums."""
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
    """The next mixture, the gradient of E at it, and the new streak.

    The mixture is the plan, a point beyond it if progress is slow, or a point before it if E is
    convex along the step.
    """
    gradient_change = cost - it.cost
    curvature = 0.5 * (gradient_change * difference).sum((1, 2))
    convex = curvature > 0
    mixture, at = plan, cost
    if any_of(convex):
        step = torch.where(convex, _step_length(it, plan, difference, curvature, reg), 1.0)
        step = step[:, None, None]
        mixture, at = it.mixture + step * difference, it.cost + step * gradient_change
    gaining = (it.streak >= 0) & ((it.streak > 0) | (change > settings.slow_rate * it.change))
    streak = torch.where(gaining, it.streak + 1, 0.0)
    streak = torch.where(convex | (it.streak < 0), -1.0, streak)
    if any_of(streak > 0):
        since_last = cost - it.last_cost
        backward = (gradient_change * since_last).sum((1, 2)) < 0
        streak = torch.where(backward & (streak > 0), 0.0, streak)
        momentum = (streak / (streak + 3)).clamp(0.0, settings.max_momentum)[:, None, None]
        mixture, at = mixture + momentum * (plan - it.last), at + momentum * since_last
    return mixture, at, streak


def _step_length(
    it: Iterate, plan: Tensor, difference: Tensor, curvature: Tensor, reg: Tensor
) -> Tensor:
    """Share of the step from the mixture to `plan` that minimises the upper bound, (B,)."""
    # The linear part falls by reg KL(mixture | plan), as the plan minimises it. In a direct
    # evaluation, marginal errors would be mistaken for a change of the objective.
    mixture = it.mixture.clamp_min(0.0)  # momentum may have made entries negative
    ratio = mixture / plan.clamp_min(torch.finfo(plan.dtype).tiny)
    divergence = (torch.xlogy(mixture, ratio) + difference).sum((1, 2)).clamp_min(0.0)
    return (reg * divergence / (2 * curvature)).clamp_max(1.0)
