"""Annealing of linear problems on which Newton steps from the given potential make slow progress.

Newton steps move a potential by a few tens of `reg`. A potential that is further off is found at
a higher level of the entropy first: the level is raised until Newton steps get close, then lowered
to `reg`. The exponent of the level doubles on the way up, so that a ratio of costs to `reg` of
2**k takes O(log k) levels up and O(k) levels down, without recursion.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor

from skgw.solvers.linear.newton_cg import LinearSolution, indices
from skgw.solvers.settings import NewtonSettings


class AnnealedProblem(Protocol):
    """A batch of linear problems that differ in their cost, `reg` and tolerance."""

    @property
    def cost(self) -> Tensor:
        """Costs, (B, n, m)."""

    @property
    def reg(self) -> Tensor:
        """Weight of the entropy, (B,)."""

    @property
    def potential(self) -> Tensor:
        """Column potential of the start, (B, m), in units of the cost."""

    @property
    def tol(self) -> Tensor:
        """L1 error of the column sums at which a problem stops, (B,)."""

    def take(self, index: Tensor) -> Self:
        """The problems at `index`, integers."""

    def at(self, reg: Tensor, tol: Tensor, potential: Tensor) -> Self:
        """The same problems at another level, from another potential."""


P = TypeVar("P", bound=AnnealedProblem)


@dataclass
class AnnealingBudget:
    """Annealing levels that the linear problems of one solve may still take, all together."""

    n_levels: int


def solve_annealed(
    problem: P,
    max_iter: int,
    newton: Callable[[P, int, NewtonSettings], LinearSolution],
    settings: NewtonSettings,
    budget: AnnealingBudget | None = None,
) -> LinearSolution:
    """Newton steps, annealing of the problems that are not close, further Newton steps."""
    first = min(max_iter, settings.direct_steps)
    solution = newton(problem, first, settings)
    if (solution.error <= problem.tol).all():
        return solution
    far = solution.error > problem.tol.clamp_min(settings.annealing_error)
    if far.any() and (budget is None or budget.n_levels > 0):
        index = indices(far)
        rest = problem.take(index)
        rest = rest.at(rest.reg, rest.tol, solution.potential[index])
        annealed, n_levels = _annealed(rest, first, newton, settings)
        if budget is not None:
            budget.n_levels -= n_levels
        closer = indices(annealed.error < solution.error[index])
        solution.replace(index[closer], annealed.take(closer))
    todo = solution.error > problem.tol
    if max_iter > first and todo.any():
        index = indices(todo)
        rest = problem.take(index)
        rest = rest.at(rest.reg, rest.tol, solution.potential[index])
        solution.replace(index, newton(rest, max_iter - first, settings))
    return solution


def _annealed(
    problem: P,
    max_iter: int,
    newton: Callable[[P, int, NewtonSettings], LinearSolution],
    settings: NewtonSettings,
) -> tuple[LinearSolution, int]:
    """Solutions at `reg` from a coarse solution at a higher level, and the number of levels."""
    factor, potential = settings.annealing_factor, problem.potential.clone()
    coarse = torch.full_like(problem.tol, settings.annealing_error / 2)
    exponent = _highest_exponents(problem, settings)  # at higher levels the plan is the product
    reached = torch.zeros_like(exponent)
    n_levels = 1

    def solve_at(index: Tensor) -> Tensor:
        level = problem.reg[index] * factor ** reached[index]
        rest = problem.take(index).at(level, coarse[index], potential[index])
        solution = newton(rest, max_iter, settings)
        potential[index] = solution.potential
        return solution.error

    index = indices(exponent > 0)
    while len(index) > 0:
        reached[index] = torch.minimum((2 * reached[index]).clamp_min(1), exponent[index])
        is_far = solve_at(index) > settings.annealing_error
        index = index[is_far & (reached[index] < exponent[index])]
        n_levels += 1
    while len(index := indices(reached > 1)) > 0:
        reached[index] -= 1
        solve_at(index)
        n_levels += 1
    return newton(problem.at(problem.reg, problem.tol, potential), max_iter, settings), n_levels


def _highest_exponents(problem: AnnealedProblem, settings: NewtonSettings) -> Tensor:
    """For each problem the k, (B,), from which on level k, factor**k reg, exceeds all costs."""
    cost_range = problem.cost.amax((1, 2)) - problem.cost.amin((1, 2))
    ratio = (cost_range / problem.reg).clamp(1.0, torch.finfo(cost_range.dtype).max)
    exponent = (ratio.log2() / math.log2(settings.annealing_factor)).ceil()
    return exponent.nan_to_num(0.0).clamp_max(settings.max_levels)
