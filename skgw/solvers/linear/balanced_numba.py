"""The linear problem of one outer step, compiled: `linear.solve_linear` for one dense problem."""

from __future__ import annotations

import numpy as np

from skgw.solvers.compiled import Array, Exp2, Scalar, Weights, compiled
from skgw.solvers.linear.balanced import FAR, PATIENCE, SYMMETRIC_STEPS, WARMER
from skgw.solvers.linear.conjugate_gradients import SMALL
from skgw.solvers.linear.newton_cg import ABSORB_AT
from skgw.solvers.linear.newton_cg_numba import absorb, evaluate, newton_steps, scale

BALANCED = 0.1  # share of the tolerance at which a symmetric plan is balanced enough


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
    """Write the plan (n, m) after up to `max_iter` Newton steps; update the potential (m,)."""
    as_type = cost.dtype.type
    if symmetric:
        enough = as_type(BALANCED) * tol  # a plan that is nearer than `tol` may still be on its way
        if _symmetric_sinkhorn(cost, weights, reg, enough, exp2, plan, potential) <= enough:
            return
    first = min(max_iter, PATIENCE)
    error = _newton_at(cost, weights, reg, tol, first, exp2, plan, potential)
    if error > max(tol, as_type(FAR)):
        other, other_potential = np.empty_like(plan), potential.copy()
        prepared = _prepared(cost, weights, reg, tol, first, exp2, other, other_potential)
        if prepared < error:
            error = prepared
            plan[:], potential[:] = other, other_potential
    if error > tol and max_iter > PATIENCE:
        _newton_at(cost, weights, reg, tol, max_iter - PATIENCE, exp2, plan, potential)


@compiled()
def _prepared(
    cost: Array,
    weights: Weights,
    reg: Scalar,
    tol: Scalar,
    max_iter: int,
    exp2: Exp2,
    plan: Array,
    potential: Array,
) -> Scalar:
    """As `linear._prepared`, without its recursion; returns the error.

    Rough solves go to higher and higher temperatures until one is easy, and back. On the way back
    each temperature keeps the better of what it reached then and before.
    """
    as_type = cost.dtype.type
    far, spread = as_type(FAR), cost.max() - cost.min()
    levels, errors, potentials = [reg], [far + far], [potential.copy()]
    while errors[-1] > far and levels[-1] < spread:
        levels.append(as_type(WARMER) * levels[-1])
        errors.append(
            _newton_at(cost, weights, levels[-1], far / 2, max_iter, exp2, plan, potential)
        )
        potentials.append(potential.copy())
    warmest = len(levels) - 1
    for k in range(warmest if errors[-1] > far else warmest - 1, 0, -1):
        error = _newton_at(cost, weights, levels[k], far / 2, max_iter, exp2, plan, potential)
        if not error < errors[k]:
            potential[:] = potentials[k]
    return _newton_at(cost, weights, reg, tol, max_iter, exp2, plan, potential)


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
    cost: Array,
    weights: Weights,
    reg: Scalar,
    tol: Scalar,
    exp2: Exp2,
    plan: Array,
    potential: Array,
) -> Scalar:
    """As `linear._symmetric_sinkhorn`; writes the plan, too, and returns its error.

    The kernel is absorbed anew only where the first step leads too far for the scalings.
    """
    as_type = cost.dtype.type
    a, b, _ = weights
    rate, half = as_type(1) / reg, as_type(0.5)
    g = potential * rate
    log_rows, n_steps = _balance(cost, g, weights, rate, exp2, plan), SYMMETRIC_STEPS + 1
    if np.abs(log_rows).max() > ABSORB_AT:
        n_steps -= 1
        g -= half * log_rows
        log_rows = _balance(cost, g, weights, rate, exp2, plan)
    delta = -half * log_rows
    for _ in range(n_steps):
        z = np.maximum(_times(plan, np.exp(delta)), as_type(SMALL))
        excess = delta + log_rows + np.log(z)  # of the mass of each row, in log
        if (b * np.abs(excess)).sum() < tol:
            break
        delta -= half * excess
    v, w, columns, _ = evaluate(plan, delta, a, b)
    scale(plan, v, w)
    potential[:] = (g + delta) * reg
    return np.abs(columns - b).sum()


@compiled()
def _balance(cost: Array, g: Array, weights: Weights, rate: Scalar, exp2: Exp2, P: Array) -> Array:
    """Absorb g, and return what its rows lack to be symmetric with the columns, in log (n,)."""
    log_rows = absorb(cost, g + weights.log_b, rate, exp2, P) + g
    log_rows[weights.b == 0] = 0  # these have nothing to balance
    return log_rows


@compiled(fastmath=True)
def _times(P: Array, v: Array) -> Array:
    """P v, (n,)."""
    out = np.zeros(len(P), P.dtype)
    for i in range(len(P)):
        for j in range(len(v)):
            out[i] += P[i, j] * v[j]
    return out
