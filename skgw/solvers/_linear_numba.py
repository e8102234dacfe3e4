"""The linear problem of one outer step, compiled: `linear.solve_linear` for one dense problem."""

from __future__ import annotations

import numpy as np

from skgw.solvers._compiled import Array, Exp2, Scalar, Weights, compiled
from skgw.solvers._newton import SMALL
from skgw.solvers._newton_numba import absorb, newton_steps
from skgw.solvers.linear import FAR, SYMMETRIC_STEPS, WARMER


@compiled()
def solve_one(
    cost: Array,
    weights: Weights,
    reg: Scalar,
    tol: Scalar,
    max_iter: int,
    symmetric: bool,
    exp2: Exp2,
    plan: Array,
    potential: Array,
) -> None:
    """Write the plan (n, m) after up to `max_iter` Newton steps; update the potential (m,).

    A problem that is far off then is solved roughly at higher and higher temperatures until one
    is easy, and from there again at all the lower ones. `max_iter` is at most `PATIENCE`.
    """
    as_type = cost.dtype.type
    if symmetric:
        _symmetric_sinkhorn(cost, weights.log_b, reg, exp2, plan, potential)
    level, warmer = reg, 0
    error = _newton_at(cost, weights, level, tol, max_iter, exp2, plan, potential)
    if not error > max(tol, as_type(FAR)):
        return
    rough, spread = as_type(FAR / 2), cost.max() - cost.min()
    while error > as_type(FAR) and level < spread:
        warmer += 1
        level = reg * as_type(WARMER**warmer)
        error = _newton_at(cost, weights, level, rough, max_iter, exp2, plan, potential)
    if error > as_type(FAR):
        warmer += 1  # once more at the warmest
    while warmer > 0:
        warmer -= 1
        level = reg * as_type(WARMER**warmer)
        goal = rough if warmer > 0 else tol
        _newton_at(cost, weights, level, goal, max_iter, exp2, plan, potential)


@compiled()
def _newton_at(
    cost: Array,
    weights: Weights,
    reg: Scalar,
    tol: Scalar,
    max_iter: int,
    exp2: Exp2,
    plan: Array,
    potential: Array,
) -> Scalar:
    """Newton's steps from a potential in units of the cost, which is updated."""
    rate = cost.dtype.type(1) / reg
    g = potential * rate
    error = newton_steps(cost, weights, rate, tol, max_iter, exp2, plan, g)
    potential[:] = g * reg
    return error


@compiled()
def _symmetric_sinkhorn(
    cost: Array, log_b: Array, reg: Scalar, exp2: Exp2, P: Array, potential: Array
) -> None:
    """As `linear._symmetric_sinkhorn`; P is workspace."""
    as_type = cost.dtype.type
    rate, half = as_type(1) / reg, as_type(0.5)
    g = potential * rate
    g = half * (g - absorb(cost, g + log_b, rate, exp2, P))
    log_rows = absorb(cost, g + log_b, rate, exp2, P) + g
    delta = -half * log_rows
    for _ in range(SYMMETRIC_STEPS):
        z = np.maximum(_times(P, np.exp(delta)), as_type(SMALL))
        delta = half * (delta - log_rows - np.log(z))
    potential[:] = (g + delta) * reg


@compiled(fastmath=True)
def _times(P: Array, v: Array) -> Array:
    """P v, (n,)."""
    out = np.zeros(len(P), P.dtype)
    for i in range(len(P)):
        for j in range(len(v)):
            out[i] += P[i, j] * v[j]
    return out
