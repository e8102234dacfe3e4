"""The linear problem of one outer step, compiled: `solve_linear` for one dense problem.

The two differ in one respect: a symmetric problem stops, without Newton steps, at the first
Sinkhorn iterate of small error. `balanced` takes a fixed number of iterations, as each check of an
error would be a host-device synchronisation, and Newton steps after them.
"""

from __future__ import annotations

import math

import numpy as np

from skgw.solvers.compiled import Array, Exp2, Scalar, Weights, compiled, inlined
from skgw.solvers.linear.conjugate_gradients import SMALLEST_DIVISOR
from skgw.solvers.linear.newton_cg_numba import (
    CompiledProblem,
    absorb,
    evaluate,
    newton_steps,
    scale,
)


@compiled()
def solve_one(
    problem: CompiledProblem,
    reg: Scalar,
    tol: Scalar,
    max_iter: int,
    symmetric: bool,
    plan: Array,
    potential: Array,
) -> None:
    """Write the plan (n, m) after up to `max_iter` Newton steps; update the potential (m,)."""
    settings, as_type = problem.settings, problem.cost.dtype.type
    if symmetric:
        # A plan with an error just below `tol` may still change in the next iterations.
        accuracy = as_type(settings.symmetric_accuracy) * tol
        if _symmetric_sinkhorn(problem, reg, accuracy, plan, potential) <= accuracy:
            return
    first = min(max_iter, settings.direct_steps)
    error = _newton_at(problem, reg, tol, first, plan, potential)
    if error > max(tol, as_type(settings.annealing_error)):
        other, other_potential = np.empty_like(plan), potential.copy()
        annealed = _annealed(problem, reg, tol, first, other, other_potential)
        if annealed < error:
            error = annealed
            plan[:], potential[:] = other, other_potential
    if error > tol and max_iter > first:
        _newton_at(problem, reg, tol, max_iter - first, plan, potential)


@inlined()
def _annealed(
    problem: CompiledProblem,
    reg: Scalar,
    tol: Scalar,
    max_iter: int,
    plan: Array,
    potential: Array,
) -> Scalar:
    """As `annealing._annealed`; returns the error at `reg`."""
    cost, settings = problem.cost, problem.settings
    as_type = cost.dtype.type
    far, factor = as_type(settings.annealing_error), as_type(settings.annealing_factor)
    ratio, exponent = (cost.max() - cost.min()) / reg, 0
    if 1 < ratio < np.inf:
        exponent = min(math.ceil(math.log2(ratio) / math.log2(factor)), settings.max_levels)
    error, reached = far + far, 0
    while error > far and reached < exponent:
        reached = min(max(2 * reached, 1), exponent)
        level = reg * factor ** as_type(reached)
        error = _newton_at(problem, level, far / 2, max_iter, plan, potential)
    while reached > 1:
        reached -= 1
        level = reg * factor ** as_type(reached)
        _newton_at(problem, level, far / 2, max_iter, plan, potential)
    return _newton_at(problem, reg, tol, max_iter, plan, potential)


@inlined()
def _newton_at(
    problem: CompiledProblem,
    reg: Scalar,
    tol: Scalar,
    max_iter: int,
    plan: Array,
    potential: Array,
) -> Scalar:
    """Newton steps from a potential in units of the cost, which is updated."""
    rate = problem.cost.dtype.type(1) / reg
    g = potential * rate
    error = newton_steps(problem, rate, tol, max_iter, plan, g)
    potential[:] = g * reg
    return error


@inlined()
def _symmetric_sinkhorn(
    problem: CompiledProblem, reg: Scalar, tol: Scalar, plan: Array, potential: Array
) -> Scalar:
    """Averaged Sinkhorn iterations; write the plan, update the potential, return the error.

    The potential is absorbed a second time only if the first iteration exceeds the absorption
    threshold.
    """
    cost, weights, settings, exp2 = problem
    as_type = cost.dtype.type
    a, b, _ = weights
    rate, half = as_type(1) / reg, as_type(0.5)
    g = potential * rate
    log_rows, n_steps = _balance(cost, g, weights, rate, exp2, plan), settings.symmetric_steps + 1
    if np.abs(log_rows).max() > settings.absorption_threshold:
        n_steps -= 1
        g -= half * log_rows
        log_rows = _balance(cost, g, weights, rate, exp2, plan)
    delta = -half * log_rows
    for _ in range(n_steps):
        z = np.maximum(_times(plan, np.exp(delta)), as_type(SMALLEST_DIVISOR))
        residual = delta + log_rows + np.log(z)  # of the log mass of each row
        if (b * np.abs(residual)).sum() < tol:
            break
        delta -= half * residual
    v, w, columns, _ = evaluate(plan, delta, a, b)
    scale(plan, v, w)
    potential[:] = (g + delta) * reg
    return np.abs(columns - b).sum()


@compiled()
def _balance(cost: Array, g: Array, weights: Weights, rate: Scalar, exp2: Exp2, P: Array) -> Array:
    """Absorb g; return the log ratio (n,) of row sums to column sums in a symmetric plan."""
    log_rows = absorb(cost, g + weights.log_b, rate, exp2, P) + g
    log_rows[weights.b == 0] = 0  # points without weight
    return log_rows


@compiled(fastmath=True)
def _times(P: Array, v: Array) -> Array:
    """P v, (n,)."""
    out = np.zeros(len(P), P.dtype)
    for i in range(len(P)):
        for j in range(len(v)):
            out[i] += P[i, j] * v[j]
    return out
