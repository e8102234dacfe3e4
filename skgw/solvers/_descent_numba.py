"""The whole solve of a dense problem, compiled for CPUs: small problems without any overhead.

The algorithm is that of `descent`, which explains it; functions and variables have its names. Each
problem of a batch goes its own way here, through its own levels, on whichever thread is free. All
that an outer step does to plans is done in one pass over them, where torch takes some twenty.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skgw.solvers._compiled import (
    Array,
    Exp2,
    Scalar,
    Weights,
    compiled,
    each,
    exp2_for,
    log_weights,
)
from skgw.solvers._linear_numba import solve_one
from skgw.solvers.descent import (
    CONVERGED,
    INEXACTNESS,
    INNER,
    LEVEL_TOLERANCE,
    MAX_COOLING,
    MAX_ITER,
    MAX_MOMENTUM,
    MAX_NEWTON,
    NON_FINITE,
    SLOW,
    Solution,
)
from skgw.solvers.quadratic import QuadraticProblem
from skgw.solvers.result import State
from skgw.solvers.starts import tilt


class _Problem(NamedTuple):
    """E(T) = constant + <offset + slope / 2 K1 T K2, T>, one `QuadraticProblem`."""

    kernel_a: Array  # (n, n), K1
    kernel_b: Array  # (m, m), K2
    offset: Array  # (n, m)
    constant: float
    slope: Scalar
    weights: Weights


class _Iterate(NamedTuple):
    """The arrays of `descent._Iterate`, which change in place, and those of its step."""

    cost: Array  # (n, m), gradient of E at `mixture`
    mixture: Array  # (n, m)
    potential: Array  # (m,)
    last: Array  # (n, m), plan of the step before
    last_cost: Array  # (n, m), gradient of E at it
    plan: Array  # (n, m), plan of this step
    gradient: Array  # (n, m), of E at it


def minimize_numba(
    problem: QuadraticProblem,
    reg: Tensor,
    start: State,
    *,
    plan: Tensor | None,
    level: Tensor | None,
    tol: Tensor,
    max_iter: int,
    symmetric: bool,
) -> Solution:
    """As `descent.minimize`, for tensors on the CPU."""
    fields = (*problem[:-1], reg, tol, reg if level is None else level, start.cost)
    K1, K2, offset, constant, a, b, regs, tols, top, first = (
        np.ascontiguousarray(field.numpy()) for field in fields
    )
    log_b, slope = log_weights(b), first.dtype.type(-8 * problem.alpha)
    lean = first[0] if level is None else tilt(problem, torch.ones_like(reg[:1]))[0].numpy()
    given = np.zeros_like(first) if plan is None else plan.numpy()
    potential = np.zeros_like(b) if start.potential is None else start.potential.numpy().copy()
    plans, gradients = np.empty_like(first), np.empty_like(first)
    outcome = np.empty((4, len(regs)))

    def solve(k: int) -> None:
        weights = Weights(a[k], b[k], log_b[k])
        one = _Problem(K1[k], K2[k], offset[k], float(constant[k]), slope, weights)
        it = _Iterate(
            first[k].copy(), given[k].copy(), potential[k], given[k].copy(), first[k].copy(),
            plans[k], gradients[k],
        )  # fmt: skip
        outcome[:, k] = _minimize(
            one, it, lean, float(regs[k]), float(top[k]), float(tols[k]), max_iter, symmetric,
            plan is not None, exp2_for(b[k]),
        )  # fmt: skip

    each(solve, len(regs))
    energy, error = (torch.from_numpy(x).to(reg) for x in outcome[:2])
    status, n_iter = (torch.from_numpy(x).long() for x in outcome[2:])
    arrays = (torch.from_numpy(x) for x in (plans, gradients, potential))
    return Solution(*arrays, energy, error, status, n_iter)  # type: ignore[call-arg]


@compiled()
def _minimize(
    problem: _Problem,
    it: _Iterate,
    lean: Array,
    reg: float,
    level: float,
    tol: float,
    max_iter: int,
    symmetric: bool,
    is_close: bool,
    exp2: Exp2,
) -> tuple[float, float, int, int]:
    """Solve one problem, in the arrays of `it`; `is_close` says that its first mixture is a plan.

    Returns the energy, the error, the status and the number of steps.
    """
    as_type = it.cost.dtype.type
    step = _cool(problem, it, lean, reg, level, max_iter - 1, symmetric, exp2)
    last_change, streak = tol if is_close else 1.0, 0
    while True:
        step += 1
        wanted = max(min(INEXACTNESS * last_change, LEVEL_TOLERANCE), 0.5 * tol)
        _linearised(problem, it, it.cost, reg, wanted, symmetric, exp2)
        energy, error, change, curvature, ahead = _compare(problem, it)
        is_first = step == 1 and not is_close
        change = 1.0 if is_first else change
        status = _status(energy, error, change, tol)
        if step == max_iter or status in (CONVERGED, NON_FINITE):
            return energy, error, status, step
        share, momentum = 1.0, 0.0
        if not is_first:
            if curvature > 0:
                share = _shortened(it, reg, curvature)
            streak = _streak(streak, curvature > 0, change > SLOW * last_change, ahead < 0)
            momentum = min(max(streak, 0) / (streak + 3), MAX_MOMENTUM)
        _proceed(it, as_type(share), as_type(momentum))
        last_change = change


@compiled()
def _cool(
    problem: _Problem,
    it: _Iterate,
    lean: Array,
    reg: float,
    level: float,
    max_iter: int,
    symmetric: bool,
    exp2: Exp2,
) -> int:
    """One step at each temperature from `level` to above `reg`; returns their number."""
    ratio = max(level / reg, 1.0)
    n_levels = math.ceil(math.log2(ratio) / MAX_COOLING)
    n_steps = min(n_levels, max_iter)
    for k in range(n_steps):
        temperature = reg * ratio ** (1 - k / n_levels)
        target = it.cost + it.cost.dtype.type(temperature) * lean
        _linearised(problem, it, target, temperature, LEVEL_TOLERANCE, symmetric, exp2)
        _proceed(it, it.cost.dtype.type(1), it.cost.dtype.type(0))
    return n_steps


@compiled()
def _linearised(
    problem: _Problem,
    it: _Iterate,
    cost: Array,
    reg: float,
    tol: float,
    symmetric: bool,
    exp2: Exp2,
) -> None:
    """Solve the linear problem with this cost: its plan and the gradient there, in `it`."""
    as_type = cost.dtype.type
    solve_one(
        cost, problem.weights, as_type(reg), as_type(tol), MAX_NEWTON, symmetric, exp2,
        it.plan, it.potential,
    )  # fmt: skip
    _differentiate(problem, it.plan, it.gradient)


@compiled()
def _status(energy: float, error: float, change: float, tol: float) -> int:
    if not math.isfinite(energy):
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


@compiled()
def _differentiate(problem: _Problem, plan: Array, gradient: Array) -> None:
    """Write the gradient of E to `gradient` (n, m)."""
    n, m = plan.shape
    half = np.empty((m, n), plan.dtype)
    _product(problem.kernel_b, plan, half)
    _product(problem.kernel_a, half, gradient)
    for i in range(n):
        for j in range(m):
            gradient[i, j] = problem.offset[i, j] + problem.slope * gradient[i, j]


@compiled(fastmath=True)
def _product(A: Array, B: Array, out: Array) -> None:
    """Write A B' to `out`, by blocks of four by four, whose sums stay in registers.

    At this size that is as fast as BLAS, which would have threads of its own. The last blocks reach
    past the end: they repeat the last row.
    """
    n, m = out.shape
    zero = out.dtype.type(0)
    for i in range(0, n, 4):
        i1, i2, i3 = min(i + 1, n - 1), min(i + 2, n - 1), min(i + 3, n - 1)
        a0, a1, a2, a3 = A[i], A[i1], A[i2], A[i3]
        for j in range(0, m, 4):
            j1, j2, j3 = min(j + 1, m - 1), min(j + 2, m - 1), min(j + 3, m - 1)
            b0, b1, b2, b3 = B[j], B[j1], B[j2], B[j3]
            s00 = s01 = s02 = s03 = zero
            s10 = s11 = s12 = s13 = zero
            s20 = s21 = s22 = s23 = zero
            s30 = s31 = s32 = s33 = zero
            for k in range(A.shape[1]):
                s00 += a0[k] * b0[k]
                s01 += a0[k] * b1[k]
                s02 += a0[k] * b2[k]
                s03 += a0[k] * b3[k]
                s10 += a1[k] * b0[k]
                s11 += a1[k] * b1[k]
                s12 += a1[k] * b2[k]
                s13 += a1[k] * b3[k]
                s20 += a2[k] * b0[k]
                s21 += a2[k] * b1[k]
                s22 += a2[k] * b2[k]
                s23 += a2[k] * b3[k]
                s30 += a3[k] * b0[k]
                s31 += a3[k] * b1[k]
                s32 += a3[k] * b2[k]
                s33 += a3[k] * b3[k]
            out[i, j], out[i, j1], out[i, j2], out[i, j3] = s00, s01, s02, s03
            out[i1, j], out[i1, j1], out[i1, j2], out[i1, j3] = s10, s11, s12, s13
            out[i2, j], out[i2, j1], out[i2, j2], out[i2, j3] = s20, s21, s22, s23
            out[i3, j], out[i3, j1], out[i3, j2], out[i3, j3] = s30, s31, s32, s33


@compiled(fastmath=True)
def _compare(problem: _Problem, it: _Iterate) -> tuple[float, float, float, float, float]:
    """Energy and marginal error of the plan, its distance from the mixture, and how E bends.

    The latter is the curvature of E from the mixture to the plan, and the product with the change
    of the gradient since the last plan, by whose sign momentum restarts.
    """
    a, b, _ = problem.weights
    zero = it.plan.dtype.type(0)
    columns = np.zeros_like(b)
    energy = error = change = curvature = ahead = 0.0
    for i in range(len(a)):
        mass = value = moved = bent = onward = zero
        for j in range(len(b)):
            plan, gradient = it.plan[i, j], it.gradient[i, j]
            difference, bend = plan - it.mixture[i, j], gradient - it.cost[i, j]
            mass += plan
            columns[j] += plan
            value += (problem.offset[i, j] + gradient) * plan
            moved += abs(difference)
            bent += bend * difference
            onward += bend * (gradient - it.last_cost[i, j])
        error += abs(mass - a[i])
        energy += value
        change += moved
        curvature += bent
        ahead += onward
    error += np.abs(columns - b).sum()
    return problem.constant + 0.5 * energy, error, change, 0.5 * curvature, ahead


@compiled(fastmath=True)
def _proceed(it: _Iterate, share: Scalar, momentum: Scalar) -> None:
    """Move the mixture a share of the way to the plan, and on; the plan becomes the last one."""
    rest = it.cost.dtype.type(1) - share
    for i in range(len(it.plan)):
        for j in range(len(it.potential)):
            plan, gradient = it.plan[i, j], it.gradient[i, j]
            onward, slope = plan - it.last[i, j], gradient - it.last_cost[i, j]
            it.mixture[i, j] = rest * it.mixture[i, j] + share * plan + momentum * onward
            it.cost[i, j] = rest * it.cost[i, j] + share * gradient + momentum * slope
            it.last[i, j], it.last_cost[i, j] = plan, gradient


@compiled()
def _shortened(it: _Iterate, reg: float, curvature: float) -> float:
    """Share of the way from the mixture to the plan that minimises the bound."""
    tiny = np.finfo(it.plan.dtype).tiny
    divergence = 0.0
    for i in range(len(it.plan)):
        for j in range(len(it.potential)):
            plan, mixture = it.plan[i, j], it.mixture[i, j]
            divergence += plan - mixture
            if mixture > 0:
                divergence += mixture * math.log(mixture / max(plan, tiny))
    return min(reg * max(divergence, 0.0) / (2 * curvature), 1.0)
