"""The whole solve of a dense problem, compiled for CPUs: small problems without any overhead.

The algorithm is that of `descent` and `outer_step`, which explain it; functions and variables have
their names. Each problem of a batch goes its own way here, through its own levels, on whichever
thread is free.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skgw.solvers.compiled import (
    Array,
    Exp2,
    Weights,
    compiled,
    each,
    exp2_for,
    log_weights,
)
from skgw.solvers.initializers.basic import tilt_direction
from skgw.solvers.linear.balanced_numba import solve_one
from skgw.solvers.linear.newton_cg_numba import CompiledProblem
from skgw.solvers.problems.low_rank import LowRankProblem
from skgw.solvers.problems.quadratic import QuadraticProblem
from skgw.solvers.quadratic.outer_step import CONVERGED, INNER, MAX_ITER, NON_FINITE, Solution
from skgw.solvers.quadratic.passes_numba import (
    DenseProblem,
    Iterate,
    ThinKernels,
    bending,
    compare,
    differentiate,
    differentiate_roughly,
    energy,
    proceed,
    shortened,
)
from skgw.solvers.result import State
from skgw.solvers.settings import DESCENT, DescentSettings


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
    K1, K2, offset, constant, a, b, regs, tols, top, first = (
        np.ascontiguousarray(field.detach().numpy()) for field in fields
    )
    log_b, slope = log_weights(b), first.dtype.type(-8 * problem.alpha)
    lean = first[0] if first_reg is None else lean_cost(*first.shape[1:], first.dtype)
    given = np.zeros_like(first) if plan is None else plan.numpy()
    potential = np.zeros_like(b) if start.potential is None else start.potential.numpy().copy()
    plans, gradients = np.empty_like(first), np.empty_like(first)
    outcome = np.empty((4, len(regs)))
    thin = _thin_kernels(problem, coarse)

    def solve(k: int) -> None:
        weights = Weights(a[k], b[k], log_b[k])
        one = DenseProblem(K1[k], K2[k], offset[k], float(constant[k]), slope, weights)
        it = Iterate(
            first[k].copy(), given[k].copy(), potential[k], given[k].copy(), first[k].copy(),
            plans[k], gradients[k],
        )  # fmt: skip
        outcome[:, k] = _solve(
            one, ThinKernels(*(x[k] for x in thin)), it, lean, float(regs[k]), float(top[k]),
            float(tols[k]), max_iter, symmetric, plan is not None, settings, exp2_for(b[k]),
        )  # fmt: skip

    each(solve, len(regs))
    value, error = (torch.from_numpy(x).to(reg) for x in outcome[:2])
    status, n_iter = (torch.from_numpy(x).long() for x in outcome[2:])
    arrays = (torch.from_numpy(x) for x in (plans, gradients, potential))
    return Solution(*arrays, value, error, status, n_iter)  # type: ignore[call-arg]


@functools.lru_cache(maxsize=4)
def lean_cost(n: int, m: int, dtype: np.dtype[Any]) -> Array:
    """The tilt at temperature 1, (n, m)."""
    return tilt_direction(n, m).numpy().astype(dtype)


def _thin_kernels(problem: QuadraticProblem, rough: LowRankProblem | None) -> ThinKernels:
    """The factors of `rough`, of all problems of the batch; of no columns without it."""
    if rough is None:
        none = np.empty((len(problem.b), 0, 0), problem.b.numpy().dtype)
        return ThinKernels(none, none, none, none)
    factors = rough.left_a, rough.range_a.mT, rough.left_b, rough.range_b.mT
    return ThinKernels(*(np.ascontiguousarray(x.numpy()) for x in factors))


@compiled()
def _solve(
    problem: DenseProblem,
    thin: ThinKernels,
    it: Iterate,
    lean: Array,
    reg: float,
    level: float,
    tol: float,
    max_iter: int,
    symmetric: bool,
    is_close: bool,
    settings: DescentSettings,
    exp2: Exp2,
) -> tuple[float, float, int, int]:
    """Solve one problem; returns the energy, the error, the status and the number of steps."""
    error, status, step = find_plan(
        problem, thin, it, lean, reg, level, tol, max_iter, symmetric, is_close, settings, exp2
    )
    differentiate(problem, it.plan, it.gradient, symmetric)
    value = energy(problem, it)
    return value, error, status if math.isfinite(value) else NON_FINITE, step


@compiled()
def find_plan(
    problem: DenseProblem,
    thin: ThinKernels,
    it: Iterate,
    lean: Array,
    reg: float,
    level: float,
    tol: float,
    max_iter: int,
    symmetric: bool,
    is_close: bool,
    settings: DescentSettings,
    exp2: Exp2,
) -> tuple[float, int, int]:
    """Solve one problem, in the arrays of `it`; `is_close` says that its first mixture is a plan.

    Returns the error, the status and the number of steps. The gradient at the last plan, which is
    the dearest part of a step, is left to those who need it.
    """
    as_type = it.cost.dtype.type
    step = _cool(problem, thin, it, lean, reg, level, max_iter - 1, symmetric, settings, exp2)
    last_change, streak = tol if is_close else 1.0, 0
    while True:
        step += 1
        wanted = min(settings.inexactness * last_change, settings.max_marginal_error)
        wanted = max(wanted, settings.marginal_share * tol)
        _solve_linearised(problem, it, it.cost, reg, wanted, symmetric, settings, exp2)
        error, change, price = compare(problem, it)
        is_first = step == 1 and not is_close
        status = _status(price, error, 1.0 if is_first else change, tol)
        if step == max_iter or status in (CONVERGED, NON_FINITE):
            return error, status, step
        differentiate(problem, it.plan, it.gradient, symmetric)
        share, momentum = 1.0, 0.0
        if not is_first:
            curvature, ahead = bending(it)
            if curvature > 0:
                share = shortened(it, reg, curvature)
            slow = change > settings.slow_rate * last_change
            streak = _streak(streak, curvature > 0, slow, ahead < 0)
            momentum = min(max(streak, 0) / (streak + 3), settings.max_momentum)
            last_change = change
        proceed(it, as_type(share), as_type(momentum))


@compiled()
def _cool(
    problem: DenseProblem,
    thin: ThinKernels,
    it: Iterate,
    lean: Array,
    reg: float,
    level: float,
    max_iter: int,
    symmetric: bool,
    settings: DescentSettings,
    exp2: Exp2,
) -> int:
    """One step at each temperature from `level` to above `reg`; returns their number."""
    ratio = max(level / reg, 1.0)
    n_levels = math.ceil(math.log2(ratio) / settings.octaves_per_level)
    n_steps = min(n_levels, max_iter)
    for k in range(n_steps):
        temperature = reg * ratio ** (1 - k / n_levels)
        target = it.cost + it.cost.dtype.type(temperature) * lean
        _solve_linearised(
            problem, it, target, temperature, settings.max_marginal_error, symmetric, settings, exp2
        )
        if k < n_steps - 1 and thin.left_a.size > 0:
            differentiate_roughly(problem, thin, it.plan, it.gradient)
        else:
            differentiate(problem, it.plan, it.gradient, symmetric)
        proceed(it, it.cost.dtype.type(1), it.cost.dtype.type(0))
    return n_steps


@compiled()
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
def _status(price: float, error: float, change: float, tol: float) -> int:
    if not math.isfinite(price):
        return NON_FINITE
    if change < tol:
        return CONVERGED if error < tol else INNER
    return MAX_ITER


@compiled()
def _streak(streak: int, convex: bool, slow: bool, back: bool) -> int:
    """Steps for which momentum has built up; -1: never again."""
    if convex or streak < 0:
        return -1
    if streak > 0 or slow:
        return 0 if back else streak + 1
    return 0
