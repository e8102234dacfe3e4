"""Newton steps of balanced linear problems, compiled for CPUs.

The algorithm of `newton_cg` and `trust_region`, with the same settings, for one problem at a time.
A product with the plan and a product with its transpose share one pass over the plan, in which a
row stays in the cache. There is no overhead per operation, which dominates the time of small
problems in torch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from skgw.solvers.compiled import (
    LOG2_E,
    LOG_ZERO,
    Array,
    Exp2,
    Scalar,
    Weights,
    compiled,
    exp2_for,
    inlined,
    log_weights,
    solve_each,
)
from skgw.solvers.linear.conjugate_gradients import SMALLEST_DIVISOR
from skgw.solvers.linear.newton_cg import LinearProblem, LinearSolution
from skgw.solvers.settings import NEWTON, NewtonSettings


class CompiledProblem(NamedTuple):
    """One linear problem but for its `reg`, and all else that compiled functions read."""

    cost: Array  # (n, m)
    weights: Weights
    settings: NewtonSettings
    exp2: Exp2


def newton_numba(
    problem: LinearProblem, max_iter: int, settings: NewtonSettings = NEWTON
) -> LinearSolution:
    """As `newton`, for tensors on the CPU."""
    cost, a, b, reg, potential, tol = (np.ascontiguousarray(field.numpy()) for field in problem)
    log_b, rate = log_weights(b), 1 / reg
    plan, g, error = np.empty_like(cost), potential / reg[:, None], np.empty_like(reg)

    def solve(k: int) -> None:
        weights = Weights(a[k], b[k], log_b[k])
        one = CompiledProblem(cost[k], weights, settings, exp2_for(b[k]))
        error[k] = newton_steps(one, rate[k], tol[k], max_iter, plan[k], g[k])

    solve_each(solve, len(reg))
    return LinearSolution(*map(torch.from_numpy, (plan, g * reg[:, None], error)))


@compiled()
def newton_steps(
    problem: CompiledProblem, rate: Scalar, tol: Scalar, max_iter: int, P: Array, g: Array
) -> Scalar:
    """Solve one problem at reg = 1 / rate; return the L1 error of the column sums.

    Writes the plan to P (n, m). Reads the column potential over reg from g (m,), and updates it.
    """
    cost, weights, settings, exp2 = problem
    a, b, log_b = weights
    as_type = cost.dtype.type
    radius = as_type(settings.initial_radius)
    absorb(cost, g + log_b, rate, exp2, P)
    delta = np.zeros_like(b)
    v, w, columns, value = evaluate(P, delta, a, b)
    error = np.abs(b - columns).sum()
    for _ in range(max_iter):
        if error <= tol:
            break
        underflow = (columns < as_type(settings.underflow_share) * b).any()
        if not underflow:
            d = _direction(P, v, w, columns, radius, a, b, settings)
            length = np.abs(d).max()
            step = min(radius / max(length, as_type(SMALLEST_DIVISOR)), as_type(1))
            predicted = step * ((b - columns) * d).sum()
            new = delta + step * d
            new_v, new_w, new_columns, new_value = evaluate(P, new, a, b)
            new_error = np.abs(b - new_columns).sum()
            closer = new_error < max(as_type(settings.error_reduction) * error, tol)
            if closer or new_value - value > as_type(settings.sufficient_gain) * predicted:
                if step < 1:
                    grown = as_type(settings.radius_growth) * radius
                    radius = min(grown, as_type(settings.max_radius))
            else:
                new = _sinkhorn(P, v, w, a, b, settings.sinkhorn_steps)
                new_v, new_w, new_columns, new_value = evaluate(P, new, a, b)
                new_error = np.abs(b - new_columns).sum()
                shrunk = as_type(settings.radius_shrinkage) * step * length
                radius = max(shrunk, as_type(settings.min_radius))
            delta, v, w, columns = new, new_v, new_w, new_columns
            value, error = new_value, new_error
        if underflow or np.abs(delta).max() > settings.absorption_threshold:
            g += delta
            if underflow:
                _log_sinkhorn(cost, log_b, rate, a, b, g)
            absorb(cost, g + log_b, rate, exp2, P)
            delta = np.zeros_like(b)
            v, w, columns, value = evaluate(P, delta, a, b)
            error = np.abs(b - columns).sum()
    g += delta
    scale(P, v, w)
    return error


@compiled(fastmath=True)
def absorb(cost: Array, h: Array, rate: Scalar, exp2: Exp2, P: Array) -> Array:
    """Write the softmax of h - rate * cost along each row to P; return log normalisers (n,)."""
    lowest, series, bias, position, bits = exp2
    as_type = cost.dtype.type
    log2_e, half = as_type(LOG2_E), as_type(0.5)
    power = bits.view(cost.dtype)
    x = np.empty_like(h)
    log_rows = np.empty(len(P), cost.dtype)
    for i in range(len(P)):
        row = P[i]
        top = h[0] - rate * cost[i, 0]
        for j in range(len(h)):
            x[j] = h[j] - rate * cost[i, j]
            top = max(top, x[j])
        for j in range(len(h)):
            y = (x[j] - top) * log2_e
            seen = y > lowest
            y = max(y, lowest)
            whole = np.floor(y + half)
            rest, value = y - whole, series[0]
            for k in range(1, len(series)):
                value = value * rest + series[k]
            row[j] = value
            bits[j] = (bits.dtype.type(whole) + bias) << position if seen else 0
        total = as_type(0)
        for j in range(len(h)):
            row[j] *= power[j]
            total += row[j]
        for j in range(len(h)):
            row[j] /= total
        log_rows[i] = top + np.log(total)
    return log_rows


@compiled(fastmath=True)
def evaluate(P: Array, delta: Array, a: Array, b: Array) -> tuple[Array, Array, Array, Scalar]:
    """Scalings v (m,) and w (n,), column sums (m,) and the semi-dual's gain at log v = delta."""
    small = P.dtype.type(SMALLEST_DIVISOR)
    v, w, columns = np.exp(delta), np.empty_like(a), np.zeros_like(b)
    value = (b * delta).sum()
    for i in range(len(P)):
        row = P[i]
        z = P.dtype.type(0)
        for j in range(len(v)):
            z += row[j] * v[j]
        z = max(z, small)
        w[i] = a[i] / z
        value -= a[i] * np.log(z)
        for j in range(len(v)):
            columns[j] += w[i] * row[j]
    return v, w, v * columns, value


@compiled(fastmath=True)
def _hessian(P: Array, v: Array, inner: Array, columns: Array, s: Array, hs: Array) -> Scalar:
    """Write the semi-dual's negative Hessian times s to hs (m,); return the curvature along s.

    Two rows at a time, which halves the traffic to s and hs.
    """
    n, m = P.shape
    as_type = P.dtype.type
    vs = v * s
    hs[:] = 0
    for i in range(0, n, 2):
        k = min(i + 1, n - 1)  # an odd last row is paired with itself, at weight zero
        row, other = P[i], P[k]
        y = z = as_type(0)
        for j in range(m):
            y += row[j] * vs[j]
            z += other[j] * vs[j]
        y *= inner[i]
        z *= inner[k] * as_type(k - i)
        for j in range(m):
            hs[j] += y * row[j] + z * other[j]
    curvature = as_type(0)
    for j in range(m):
        hs[j] = columns[j] * s[j] - v[j] * hs[j]
        curvature += hs[j] * s[j]
    return curvature


@compiled(fastmath=True)
def _along(step: Scalar, s: Array, hs: Array, jacobi: Array, d: Array, residual: Array) -> Scalar:
    """Move d and its residual by a step along s; return the residual's preconditioned square."""
    rz = residual.dtype.type(0)
    for j in range(len(d)):
        d[j] += step * s[j]
        residual[j] -= step * hs[j]
        rz += residual[j] * residual[j] * jacobi[j]
    return rz


@inlined()
def _direction(
    P: Array,
    v: Array,
    w: Array,
    columns: Array,
    radius: Scalar,
    a: Array,
    b: Array,
    settings: NewtonSettings,
) -> Array:
    """Newton direction (m,) by Jacobi-preconditioned conjugate gradients."""
    as_type = P.dtype.type
    small, flat = as_type(SMALLEST_DIVISOR), as_type(np.finfo(P.dtype).eps)
    inner = w * w / np.maximum(a, small)
    jacobi = as_type(1) / np.maximum(columns, small)
    d, hs = np.zeros_like(b), np.empty_like(b)
    residual = b - columns
    s = residual * jacobi
    rz = (residual * s).sum()
    stop = as_type(settings.cg_tolerance**2) * rz
    for k in range(1, settings.max_cg_steps + 1):
        curvature = _hessian(P, v, inner, columns, s, hs)
        step = rz / max(curvature, flat * rz + small)
        rz_new = _along(step, s, hs, jacobi, d, residual)
        is_check = k % settings.check_interval == 0
        if is_check and not (rz_new > stop and np.abs(d).max() < radius):
            break
        ratio = rz_new / max(rz, small)
        for j in range(len(s)):
            s[j] = residual[j] * jacobi[j] + ratio * s[j]
        rz = rz_new
    if not np.isfinite(d).all():
        d[:] = 0
    return d - (d * b).sum() / b.sum()


@compiled()
def _sinkhorn(P: Array, v: Array, w: Array, a: Array, b: Array, n_steps: int) -> Array:
    """Log v after `n_steps` Sinkhorn iterations, (m,)."""
    small = P.dtype.type(SMALLEST_DIVISOR)
    for _ in range(n_steps):
        _, columns = _products(P, v, w)
        v = b / np.maximum(columns, small)
        z, _ = _products(P, v, w)
        w = a / np.maximum(z, small)
    out = np.zeros_like(b)
    for j in range(len(b)):
        if b[j] > 0:
            out[j] = np.log(max(v[j], small))
    return out


@compiled(fastmath=True)
def _products(P: Array, v: Array, w: Array) -> tuple[Array, Array]:
    """P v (n,) and P' w (m,)."""
    rows, columns = np.zeros_like(w), np.zeros_like(v)
    for i in range(len(P)):
        row = P[i]
        for j in range(len(v)):
            rows[i] += row[j] * v[j]
        for j in range(len(v)):
            columns[j] += w[i] * row[j]
    return rows, columns


@inlined()
def _log_sinkhorn(cost: Array, log_b: Array, rate: Scalar, a: Array, b: Array, g: Array) -> None:
    """One Sinkhorn iteration in log domain, after which no column underflows; changes g."""
    n, m = cost.shape
    f = np.empty_like(a)
    for i in range(n):
        x = g + log_b - rate * cost[i]
        top = x.max()
        f[i] = np.log(a[i]) - top - np.log(np.exp(x - top).sum()) if a[i] > 0 else LOG_ZERO
    for j in range(m):
        if b[j] > 0:
            x = f - rate * cost[:, j]
            top = x.max()
            g[j] = -top - np.log(np.exp(x - top).sum())
        else:
            g[j] = 0


@compiled(fastmath=True)
def scale(P: Array, v: Array, w: Array) -> None:
    """diag(w) P diag(v), in place; as `subnormals` says."""
    limits, zero = np.finfo(P.dtype), P.dtype.type(0)
    smallest = P.dtype.type(limits.tiny / limits.eps**2)
    for i in range(len(P)):
        for j in range(len(v)):
            entry = P[i, j] * w[i] * v[j]
            P[i, j] = entry if entry > smallest else zero
