"""Outer loop: minimise E(T) - reg H(T) by successive linearisation.

Each step solves the entropic linear problem whose cost is the gradient of E at the current plan
(the projected mirror descent of Peyre, Cuturi, Solomon 2016). Where E is concave on the couplings,
each step lowers the objective without a step size. Where E is convex along a step, the step is
shortened to the minimiser of an upper bound that is exact for E and linear for the (convex)
negative entropy, so that the objective does not rise there either.

Where progress is slow, E is linearised beyond the plan, with Nesterov's momentum and a restart when
that points backwards (Wen, Chen, Pong 2018, A proximal difference-of-convex algorithm with
extrapolation).

While the temperature falls, costs are tilted a little (`starts.tilt`): see there.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from skgw.solvers._looks import any_of
from skgw.solvers._newton import LinearSolution, indices
from skgw.solvers._truncated import LowRankProblem
from skgw.solvers.linear import resolved, solve_linear
from skgw.solvers.precision import full_precision
from skgw.solvers.quadratic import Problem, QuadraticProblem, energy
from skgw.solvers.result import State
from skgw.solvers.starts import tilt

MAX_COOLING = 1.0  # octaves from one annealing level to the next, one outer step each
INEXACTNESS = 0.1  # the linear problem need not be solved closer than this share of the last change
MARGINAL_SHARE = 0.2  # of the tolerance, that it is solved to at last
LEVEL_TOLERANCE = 1e-2  # largest marginal error of a step: plans that are further off mislead
SLOW = 0.8  # rate of convergence from which on momentum is built up
MAX_MOMENTUM = 0.9
MAX_NEWTON = 24  # per linear problem; the next one profits from what the last one has reached
MAX_COMPILED = 500  # points per side: above, products are left to BLAS and its threads
FLOAT_MARGIN = 50  # a plan's entries carry a relative error of about this many ulps over reg


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


class _Iterate(NamedTuple):
    """The problems still under way; every field has the batch axis first."""

    cost: Tensor  # (B, n, m), gradient of E at `mixture`
    mixture: Tensor  # (B, n, m), combination of plans at which E is linearised
    potential: Tensor  # (B, m)
    change: Tensor  # (B,), L1 distance of the last plan from the mixture before it
    last: Tensor  # (B, n, m), that plan
    last_cost: Tensor  # (B, n, m), gradient of E at it
    streak: Tensor  # (B,), steps for which momentum has built up; -1: never again


def attainable_tol(tol: float, reg: Tensor, scale: Tensor) -> Tensor:
    """The tolerance, raised to what the floating point type can resolve at this `reg`, (B,)."""
    eps = torch.finfo(reg.dtype).eps
    ratio = scale / reg.clamp_min(torch.finfo(reg.dtype).tiny)
    floor = FLOAT_MARGIN * eps * ratio.clamp_min(1.0)  # sums over the plan are rounded at any reg
    return floor.clamp_max(0.1).clamp_min(tol)


@torch.no_grad()
@full_precision()
def minimize(
    problem: Problem,
    reg: Tensor,
    start: State,
    *,
    plan: Tensor | None = None,
    level: Tensor | None = None,
    rough: LowRankProblem | None = None,
    tol: Tensor,
    max_iter: int = 100,
    symmetric: bool = False,
    backend: str = "auto",
    linear: LinearSolver | None = None,
) -> Solution:
    """Minimise E(T) - reg H(T) for a batch of problems, each stopped when it has converged.

    Parameters
    ----------
    problem : Problem
    reg : Tensor of shape (B,)
    start : State
        First linearised cost (B, n, m), and column potential (B, m) if there is one.
    plan : Tensor of shape (B, n, m), optional
        The plan with that cost, if it is close to a solution already.
    level : Tensor of shape (B,), optional
        Temperature to cool from; `reg` (no annealing) by default.
    rough : LowRankProblem, optional
        The problem with truncated kernels, whose gradients are good enough while it cools; the last
        step above `reg` ends with that of `problem`.
    tol : Tensor of shape (B,)
        A problem has converged when one step changes the plan, and the plan violates its
        marginals, by less than this L1 norm.
    max_iter : int
        Outer steps, annealing included.
    symmetric : bool
        Whether a space is compared with itself under the square loss, from a symmetric start.
    backend : str
        As for `solve_linear`. With numba, dense problems of up to `MAX_COMPILED` points are solved
        by `_descent_numba`, which does as below, in compiled code.
    linear : callable, optional
        What solves the linear problems, for other constraints than couplings; called as
        `solve_coupling` is, which is the default.
    """
    if isinstance(problem, QuadraticProblem) and is_compiled(problem.offset, backend):
        from skgw.solvers._descent_numba import minimize_numba

        return minimize_numba(
            problem, reg, start, plan=plan, level=level, rough=rough, tol=tol, max_iter=max_iter,
            symmetric=symmetric,
        )  # fmt: skip
    linear = linear or functools.partial(solve_coupling, symmetric=symmetric, backend=backend)
    with torch.inference_mode():  # operations on small tensors take a sixth less time there
        solution = _descend(problem, reg, start, plan, level, rough, tol, max_iter, linear)
    return Solution(*(field.clone() for field in solution))  # such as may be used with gradients


def _descend(
    problem: Problem,
    reg: Tensor,
    start: State,
    plan: Tensor | None,
    level: Tensor | None,
    rough: Problem | None,
    tol: Tensor,
    max_iter: int,
    linear: LinearSolver,
) -> Solution:
    """`minimize`, in torch."""
    it = first_iterate(problem, start, plan, tol)
    levels = [] if level is None else _levels(level, reg)[: max_iter - 1]
    if levels:
        lean = tilt(problem, torch.ones_like(reg))
        gradients = [*[problem if rough is None else rough] * (len(levels) - 1), problem]
        for temperature, of in zip(levels, gradients, strict=True):
            it = cooled(of, it, temperature, lean, linear)
    active = torch.arange(len(reg), device=reg.device)
    finished: list[tuple[Tensor, Solution]] = []
    for step in range(len(levels) + 1, max_iter + 1):
        is_first = step == 1 and plan is None
        it, outcome = outer_step(problem, it, reg, tol, linear, step, is_first=is_first)
        ended = (outcome.status == CONVERGED) | (outcome.status == NON_FINITE)
        done = ended | (step == max_iter)
        if not done.any():
            continue
        ready, keep = indices(done), indices(~done)
        finished.append((active[ready], Solution(*(field[ready] for field in outcome))))
        if len(keep) == 0:
            break
        problem, reg, tol, active = problem.take(keep), reg[keep], tol[keep], active[keep]
        it = _Iterate(*(field[keep] for field in it))
    if len(finished) == 1:
        return finished[0][1]
    order = torch.cat([index for index, _ in finished]).argsort()
    return Solution(*(torch.cat(f)[order] for f in zip(*(s for _, s in finished), strict=True)))


def is_compiled(offset: Tensor, backend: str) -> bool:
    """Whether a dense problem with this offset is solved in compiled code altogether."""
    compiled = resolved(backend, offset.device.type) == "numba"
    return compiled and max(offset.shape[1:]) <= MAX_COMPILED


def first_iterate(problem: Problem, start: State, plan: Tensor | None, tol: Tensor) -> _Iterate:
    """Where a solve begins: at a start, or from a `plan` with its cost."""
    potential = torch.zeros_like(problem.b) if start.potential is None else start.potential
    change = torch.ones_like(tol) if plan is None else tol
    plan = torch.zeros_like(start.cost) if plan is None else plan
    return _Iterate(start.cost, plan, potential, change, plan, start.cost, torch.zeros_like(change))


def _levels(level: Tensor, reg: Tensor) -> list[Tensor]:
    """Temperatures from `level` (B,) to above `reg` (B,), the same number for all problems."""
    ratio = (level / reg).clamp_min(1.0)
    n_levels = math.ceil(float(ratio.log2().amax()) / MAX_COOLING)
    return spaced(ratio, reg, n_levels)


def spaced(ratio: Tensor, reg: Tensor, n_levels: int) -> list[Tensor]:
    """`n_levels` temperatures, (B,) each, from `ratio` times `reg` to above it."""
    return [reg * ratio ** (1 - k / n_levels) for k in range(n_levels)]


def cooled(
    problem: Problem, it: _Iterate, level: Tensor, lean: Tensor, linear: LinearSolver
) -> _Iterate:
    """One step at a temperature above the final one: nothing is judged, there will be more."""
    target = torch.addcmul(it.cost, level[:, None, None], lean)
    tol = torch.full_like(level, LEVEL_TOLERANCE)
    plan, potential, _ = linear(problem, target, level, potential=it.potential, tol=tol)
    cost = problem.gradient(plan)
    return it._replace(cost=cost, mixture=plan, potential=potential, last=plan, last_cost=cost)


def outer_step(
    problem: Problem,
    it: _Iterate,
    reg: Tensor,
    tol: Tensor,
    linear: LinearSolver,
    step: int,
    *,
    is_first: bool,
) -> tuple[_Iterate, Solution]:
    """Solve the linear problem, move to its plan (or towards it), and judge convergence.

    The first plan of a solve has none before it to be compared with.
    """
    least = MARGINAL_SHARE * tol
    wanted = torch.maximum((INEXACTNESS * it.change).clamp_max(LEVEL_TOLERANCE), least)
    plan, potential, error = linear(problem, it.cost, reg, potential=it.potential, tol=wanted)
    cost = problem.gradient(plan)
    value = energy(problem, plan, cost)
    difference = plan - it.mixture
    change = torch.ones_like(reg) if is_first else difference.abs().sum((1, 2))

    settled = change < tol
    status = torch.full(reg.shape, MAX_ITER, device=reg.device).masked_fill_(settled, INNER)
    status.masked_fill_(settled & (error < tol), CONVERGED)
    status.masked_fill_(~torch.isfinite(value), NON_FINITE)
    outcome = Solution(plan, cost, potential, value, error, status, torch.full_like(status, step))
    if is_first:
        mixture, at, streak = plan, cost, it.streak
    else:
        mixture, at, streak = _advance(it, plan, cost, difference, change, reg)
    return _Iterate(at, mixture, potential, change, plan, cost, streak), outcome


def solve_coupling(
    problem: Problem, cost: Tensor, reg: Tensor, *, potential: Tensor, tol: Tensor, **options: Any
) -> LinearSolution:
    """`solve_linear`, with the error of both marginals: the rows are off, too, by rounding."""
    options |= {"potential": potential, "tol": tol, "max_iter": MAX_NEWTON}
    solution = solve_linear(cost, problem.a, problem.b, reg, **options)
    return with_both_errors(problem, solution)


def with_both_errors(problem: Problem, solution: LinearSolution) -> LinearSolution:
    """The solution with the L1 error of its row sums added to that of the column sums."""
    plan, a, b = solution.plan, problem.a, problem.b
    error = (plan.sum(2) - a).abs().sum(1) + (plan.sum(1) - b).abs().sum(1)
    return solution._replace(error=error)


def entropic_value(
    plan: Tensor, potential: Tensor, energy: Tensor, b: Tensor, reg: Tensor
) -> Tensor:
    """E - reg H of the coupling that `plan` is close to, (B,), from its `energy` (B,).

    At a solution the gradient of E - reg H is constant along rows and, but for the potential and
    the column's weight, along columns. That prices what the plan's columns are off by, and leaves
    an error of second order where that of the plan itself would be of first.
    """
    missing = b - plan.sum(1)  # (B, m)
    tiny = torch.finfo(b.dtype).tiny
    price = potential + reg[:, None] * b.clamp_min(tiny).log()
    neg_entropy = plan.clamp_min(tiny).log_().mul_(plan).sum((1, 2))
    return energy + reg * neg_entropy + (missing * price).sum(1)


def _advance(
    it: _Iterate, plan: Tensor, cost: Tensor, difference: Tensor, change: Tensor, reg: Tensor
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
    gaining = (it.streak >= 0) & ((it.streak > 0) | (change > SLOW * it.change))
    streak = torch.where(gaining, it.streak + 1, 0.0)
    streak = torch.where(convex | (it.streak < 0), -1.0, streak)
    if any_of(streak > 0):
        onward = cost - it.last_cost
        back = (bend * onward).sum((1, 2)) < 0
        streak = torch.where(back & (streak > 0), 0.0, streak)
        momentum = (streak / (streak + 3)).clamp(0.0, MAX_MOMENTUM)[:, None, None]
        mixture, at = mixture + momentum * (plan - it.last), at + momentum * onward
    return mixture, at, streak


def _shortened(
    it: _Iterate, plan: Tensor, difference: Tensor, curvature: Tensor, reg: Tensor
) -> Tensor:
    """Share of the way from the mixture to `plan` that minimises the bound, (B,)."""
    # The linear part falls by reg KL(mixture | plan), as the plan minimises it; to evaluate it
    # directly would tell the marginal errors of both for a gain or a loss.
    mixture = it.mixture.clamp_min(0.0)  # momentum may have overshot
    ratio = mixture / plan.clamp_min(torch.finfo(plan.dtype).tiny)
    divergence = (torch.xlogy(mixture, ratio) + difference).sum((1, 2)).clamp_min(0.0)
    return (reg * divergence / (2 * curvature)).clamp_max(1.0)
