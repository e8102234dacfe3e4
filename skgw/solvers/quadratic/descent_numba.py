"""The outer loop of a dense problem, compiled for CPUs.

The algorithm of `descent` and `outer_step`, with the same names of functions and variables and the
same settings. Each problem of a batch is solved by itself, through its own annealing
levels, on the next idle thread.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from skgw.solvers.compiled import (
    Array,
    Exp2,
    Weights,
    compiled,
    exp2_for,
    inlined,
    log_weights,
    solve_each,
)
from skgw.solvers.initializers.basic import unit_perturbation
from skgw.solvers.linear.balanced_numba import solve_one
from skgw.solvers.linear.newton_cg_numba import CompiledProblem
from skgw.solvers.problems.low_rank import LowRankProblem
from skgw.solvers.problems.quadratic import QuadraticProblem
from skgw.solvers.quadratic.outer_step import CONVERGED, INNER, MAX_ITER, NON_FINITE, Solution
from skgw.solvers.quadratic.passes_numba import (
    DenseProblem,
    Iterate,
    LowRankKernels,
    curvature_and_alignment,
    differentiate,
    differentiate_low_rank,
    energy,
    measure,
    step_length,
    update,
)
from skgw.solvers.result import State
from skgw.solvers.settings import DESCENT, DescentSettings


class Task(NamedTuple):
    """The arguments of one solve, see `descent.minimize`."""

    reg: float
    first_reg: float  # `reg` without annealing
    tol: float
    max_iter: int
    symmetric: bool
    has_plan: bool  # whether the first mixture is a plan


def minimize_numba(
    problem: QuadraticProblem,
    reg: Tensor,
    start: State,
    *,
    plan: Tensor | None,
    first_reg: Tensor | None,
    coarse: LowRankProblem | None,
    tol: Tensor,
    max_iter: int,
    symmetric: bool,
    settings: DescentSettings = DESCENT,
) -> Solution:
    """As `descent.minimize`, for tensors on the CPU."""
    fields = (*problem[:-1], reg, tol, reg if first_reg is None else first_reg, start.cost)
    K1, K2, offset, constant, a, b, regs, tols, tops, first = (
        np.ascontiguousarray(field.detach().numpy()) for field in fields
    )
    log_b, slope = log_weights(b), first.dtype.type(-8 * problem.alpha)
    perturbation = (
        first[0] if first_reg is None else perturbation_array(*first.shape[1:], first.dtype)
    )
    given = np.zeros_like(first) if plan is None else plan.numpy()
    potential = np.zeros_like(b) if start.potential is None else start.potential.numpy().copy()
    plans, gradients = np.empty_like(first), np.empty_like(first)
    outcome = np.empty((4, len(regs)))
    kernels = _low_rank_kernels(problem, coarse)

    def solve(k: int) -> None:
        weights = Weights(a[k], b[k], log_b[k])
        one = DenseProblem(K1[k], K2[k], offset[k], float(constant[k]), slope, weights)
        it = Iterate(
            first[k].copy(), given[k].copy(), potential[k], given[k].copy(), first[k].copy(),
            plans[k], gradients[k],
        )  # fmt: skip
        task = Task(
            float(regs[k]), float(tops[k]), float(tols[k]), max_iter, symmetric, plan is not None
        )
        outcome[:, k] = _solve(
            one, LowRankKernels(*(x[k] for x in kernels)), it, perturbation, task, settings,
            exp2_for(b[k]),
        )  # fmt: skip

    solve_each(solve, len(regs))
    value, error = (torch.from_numpy(x).to(reg) for x in outcome[:2])
    status, n_iter = (torch.from_numpy(x).long() for x in outcome[2:])
    arrays = (torch.from_numpy(x) for x in (plans, gradients, potential))
    return Solution(*arrays, value, error, status, n_iter)  # type: ignore[call-arg]


@functools.lru_cache(maxsize=4)
def perturbation_array(n: int, m: int, dtype: np.dtype[Any]) -> Array:
    """`unit_perturbation` as an array, (n, m)."""
    return unit_perturbation(n, m).numpy().astype(dtype)


def _low_rank_kernels(problem: QuadraticProblem, coarse: LowRankProblem | None) -> LowRankKernels:
    """The factors of `coarse`, of all problems of the batch; of zero columns without it."""
    if coarse is None:
        none = np.empty((len(problem.b), 0, 0), problem.b.numpy().dtype)
        return LowRankKernels(none, none, none, none)
    factors = coarse.left_a, coarse.range_a.mT, coarse.left_b, coarse.range_b.mT
    return LowRankKernels(*(np.ascontiguousarray(x.numpy()) for x in factors))


@compiled()
def _solve(
    problem: DenseProblem,
    kernels: LowRankKernels,
    it: Iterate,
    perturbation: Array,
    task: Task,
    settings: DescentSettings,
    exp2: Exp2,
) -> tuple[float, float, int, int]:
    """Solve one problem; returns the energy, the error, the status and the number of steps."""
    error, status, step = find_plan(problem, kernels, it, perturbation, task, settings, exp2)
    differentiate(problem, it.plan, it.gradient, task.symmetric)
    value = energy(problem, it)
    return value, error, status if math.isfinite(value) else NON_FINITE, step


@inlined()
def find_plan(
    problem: DenseProblem,
    kernels: LowRankKernels,
    it: Iterate,
    perturbation: Array,
    task: Task,
    settings: DescentSettings,
    exp2: Exp2,
) -> tuple[float, int, int]:
    """Solve one problem in the arrays of `it`; returns the error, the status, and the steps.

    The gradient at the last plan, the most expensive part of a step, is left to the caller.
    """
    reg, _, tol, max_iter, symmetric, has_plan = task
    as_type = it.cost.dtype.type
    step = _anneal(problem, kernels, it, perturbation, task, settings, exp2)
    last_change, streak, failures = tol if has_plan else 1.0, 0, 0
    while True:
        step += 1
        wanted = min(settings.inexactness * last_change, settings.max_marginal_error)
        wanted = max(wanted, settings.marginal_share * tol)
        _solve_linearised(problem, it, it.cost, reg, wanted, symmetric, settings, exp2)
        error, change, linear_cost = measure(problem, it)
        is_first = step == 1 and not has_plan
        status = _status(linear_cost, error, 1.0 if is_first else change, tol)
        is_far = error > wanted + settings.newton.annealing_error
        failures = failures + 1 if is_far else 0
        is_hopeless = failures >= settings.max_failures
        if step == max_iter or is_hopeless or status in (CONVERGED, NON_FINITE):
            return error, INNER if is_hopeless and status == MAX_ITER else status, step
        differentiate(problem, it.plan, it.gradient, symmetric)
        share, momentum = 1.0, 0.0
        if not is_first:
            curvature, alignment = curvature_and_alignment(it)
            if curvature > 0:
                share = step_length(it, reg, curvature)
            slow = change > settings.slow_rate * last_change
            streak = _streak(streak, curvature > 0, slow, alignment < 0)
            momentum = min(max(streak, 0) / (streak + 3), settings.max_momentum)
            last_change = change
        update(it, as_type(share), as_type(momentum))


@inlined()
def _anneal(
    problem: DenseProblem,
    kernels: LowRankKernels,
    it: Iterate,
    perturbation: Array,
    task: Task,
    settings: DescentSettings,
    exp2: Exp2,
) -> int:
    """One step at each annealing level; returns the number of levels."""
    as_type = it.cost.dtype.type
    ratio = max(task.first_reg / task.reg, 1.0)
    n_levels = math.ceil(math.log2(ratio) / settings.octaves_per_level)
    n_steps, tol = min(n_levels, task.max_iter - 1), settings.max_marginal_error
    for k in range(n_steps):
        level = task.reg * ratio ** (1 - k / n_levels)
        target = it.cost + as_type(level) * perturbation
        _solve_linearised(problem, it, target, level, tol, task.symmetric, settings, exp2)
        if k < n_steps - 1 and kernels.left_a.size > 0:
            differentiate_low_rank(problem, kernels, it.plan, it.gradient)
        else:
            differentiate(problem, it.plan, it.gradient, task.symmetric)
        update(it, as_type(1), as_type(0))
    return n_steps


@inlined()
def _solve_linearised(
    problem: DenseProblem,
    it: Iterate,
    cost: Array,
    reg: float,
    tol: float,
    symmetric: bool,
    settings: DescentSettings,
    exp2: Exp2,
) -> None:
    """Solve the linear problem with this cost: its plan and potential, in `it`."""
    as_type = cost.dtype.type
    solve_one(
        CompiledProblem(cost, problem.weights, settings.newton, exp2), as_type(reg), as_type(tol),
        settings.max_newton_steps, symmetric, it.plan, it.potential,
    )  # fmt: skip


@compiled()
def _status(linear_cost: float, error: float, change: float, tol: float) -> int:
    """As `outer_step.status_of`, by the linearised cost in place of the value."""
    if not math.isfinite(linear_cost):
        return NON_FINITE
    if change < tol:
        return CONVERGED if error < tol else INNER
    return MAX_ITER


@compiled()
def _streak(streak: int, convex: bool, slow: bool, backward: bool) -> int:
    """Number of steps over which momentum has grown; -1 once a step was convex."""
    if convex or streak < 0:
        return -1
    if streak > 0 or slow:
        return 0 if backward else streak + 1
    return 0
