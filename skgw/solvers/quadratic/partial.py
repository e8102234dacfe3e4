"""Partial Gromov-Wasserstein: the plan transports a given mass at the lowest cost.

The plans T have a given mass s in (0, 1], row sums of at most a and column sums of at most b [1]_.
A dummy point in each space takes the mass r = a - T1 and c = b - T'1 that is not transported: the
plan with r as its last column, c as its last row, and zero in the corner, is a coupling of
(a, 1 - s) and (b, 1 - s). The solver of balanced problems minimises

    E(T) - s reg (H(T) + H(r) + H(c)).

The entropy of r and c keeps the problem smooth: the transported share of a point falls from one to
zero as its cost rises past a threshold, over a range of about reg. The factor s compensates for E
being quadratic: with T = s P the objective is s^2 (E(P) - reg H(P) - ...), so that the plan between
matched points is as sharp as the plan of a balanced problem.

References
----------
.. [1] :cite:t:`chapel2020`.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from skgw.solvers.directed import is_doubled
from skgw.solvers.inputs import Inputs
from skgw.solvers.problems.unbalanced import UnbalancedProblem, unbalanced_problem
from skgw.solvers.quadratic.descent import Solution, minimize
from skgw.solvers.quadratic.package import package_unbalanced
from skgw.solvers.quadratic.unbalanced_multistart import best_of, first_states
from skgw.solvers.resolution import attainable
from skgw.solvers.result import Array, GromovResult, State
from skgw.solvers.scales import fused_scale, lowest_cost
from skgw.solvers.settings import UNBALANCED, UnbalancedSettings


class PartialProblem(NamedTuple):
    """E on plans with a dummy row and a dummy column, whose entries for points have mass one."""

    points: UnbalancedProblem
    offset: Tensor  # (B, n + 1, m + 1)
    constant: Tensor  # (B,)
    a: Tensor  # (B, n + 1), (a, 1 - s) / s
    b: Tensor  # (B, m + 1)

    def gradient(self, plan: Tensor) -> Tensor:
        """Linearised cost at `plan`, (B, n + 1, m + 1); mass at the dummies costs nothing."""
        return self.extended(self.points.gradient(plan[:, :-1, :-1]))

    def extended(self, cost: Tensor) -> Tensor:
        """Costs between points, (B, n, m), extended by the costs of the dummies."""
        cost = pad(cost, (0, 1, 0, 1))
        cost[:, -1, -1] = self.offset[:, -1, -1]
        return cost

    def take(self, index: Tensor) -> PartialProblem:
        """The problems of the batch at `index`, a boolean or integer (B,)."""
        return PartialProblem(self.points.take(index), *(field[index] for field in self[1:]))


def solve_partial(
    inputs: Inputs,
    reg: Tensor,
    scale: Tensor,
    mass: float,
    *,
    loss: str,
    alpha: float,
    init: str | Array | State,
    tol: float | None,
    max_iter: int,
    backend: str,
    settings: UnbalancedSettings = UNBALANCED,
) -> GromovResult:
    """`solve_gromov` with `mass`, on validated tensors, at an absolute `reg` (B,)."""
    accuracy = attainable(tol, reg, fused_scale(scale, inputs, alpha), mass=(2 - mass) / mass)
    reg = accuracy.reg
    with torch.no_grad():
        free = torch.zeros_like(reg)
        points = unbalanced_problem(inputs, free, free, loss=loss, alpha=alpha)
        stages = [
            partial_problem(points, share * mass, reg, settings.dummy_cost)
            for share in settings.mass_stages
        ]
        problem = stages[-1]
        starts = first_states(
            init, points, inputs, reg, scale,
            loss=loss, max_iter=max_iter, backend=backend, settings=settings.descent,
        )  # fmt: skip
        starts = [s._replace(state=_extended_state(problem, s.state)) for s in starts]
        run = functools.partial(minimize, reg=reg, backend=backend, settings=settings.descent)
        objective = functools.partial(_objective, reg=reg)
        solution = best_of(
            stages, starts, run, objective,
            tol=accuracy.tol, max_iter=max_iter, settings=settings,
        ).judged(accuracy, lowest_cost(inputs, alpha))  # fmt: skip
        entropy = torch.special.entr(mass * solution.plan).sum((1, 2))
        solution, f = _without_dummies(problem, solution, reg)
    return package_unbalanced(
        solution, inputs,
        mass=torch.full_like(reg, mass), penalty=-mass * reg * entropy,
        row_potential=f - (reg * torch.full_like(reg, mass).log())[:, None],
        reg=reg, tol=accuracy.tol, alpha=alpha,
    )  # fmt: skip


def partial_problem(
    points: UnbalancedProblem,
    mass: float,
    reg: Tensor,
    dummy_cost: float = UNBALANCED.dummy_cost,
) -> PartialProblem:
    """Add the dummies to a problem on points; `reg` (B,) is the weight of the entropy."""
    rest = (1 - mass) / mass
    a, b = (pad(p / mass, (0, 1), value=rest) for p in (points.a, points.b))
    offset = pad(points.offset, (0, 1, 0, 1))
    n_parts = 2 if is_doubled(points.h1) else 1
    bound = points.offset.abs().amax((1, 2)) + 2 * points.alpha * (
        points.f1.abs().amax((1, 2))
        + points.f2.abs().amax((1, 2))
        + n_parts * points.h1.abs().amax((1, 2)) * points.h2.abs().amax((1, 2))
    )
    offset[:, -1, -1] = dummy_cost * bound + _margin(points.offset, mass) * reg
    return PartialProblem(points, offset, points.constant, a, b)


def _margin(offset: Tensor, mass: float) -> float:
    """Cost of matching both dummies above the bound of other costs, over `reg`.

    The potentials of the dummies d satisfy T_dd = T_id T_dj / T_ij exp((c_ij - c_dd) / reg) for all
    points i, j. The largest T_ij is at least 1 / nm, T_id and T_dj are at most 1 / mass. With this
    margin the dummies match less than half an ulp of mass, whatever the costs of the points are.
    """
    share = offset.shape[1] * offset.shape[2] / mass**2
    return math.log(share) - math.log(torch.finfo(offset.dtype).eps / 2)


def _objective(s: Solution, *, reg: Tensor) -> Tensor:
    return s.energy - reg * torch.special.entr(s.plan).sum((1, 2))


def _extended_state(problem: PartialProblem, start: State) -> State:
    potential = start.potential
    if potential is not None:
        potential = pad(potential, (0, 1))
    return State(problem.extended(start.cost), potential)


def _without_dummies(problem: PartialProblem, s: Solution, reg: Tensor) -> tuple[Solution, Tensor]:
    """The solution on the points, and its row potential; potentials of the dummies are zero.

    The plan of the points has mass one also where the marginals have an error.
    """
    scores = (s.potential[:, None, :] - s.cost) / reg[:, None, None]
    f = -reg[:, None] * (scores + problem.b.log()[:, None, :]).logsumexp(2)  # (B, n + 1)
    dummy = s.potential[:, -1:]
    plan = s.plan[:, :-1, :-1]
    total = plan.sum((1, 2), keepdim=True).clamp_min(torch.finfo(plan.dtype).tiny)
    inner = s._replace(
        plan=plan / total, cost=s.cost[:, :-1, :-1], potential=s.potential[:, :-1] - dummy
    )
    return inner, f[:, :-1] + dummy
