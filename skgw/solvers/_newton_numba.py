"""The Newton steps of `_newton`, compiled for CPUs: one pass over the plan where torch takes five.

The algorithm is that of `_newton`, which explains it, problem by problem. A product with the plan
and one with its transpose share a pass, in which a row stays in the cache; and there is no overhead
per operation, which is what small problems spend their time on in torch.
"""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.polynomial import Chebyshev, Polynomial
from numpy.typing import NDArray

from skgw.solvers._newton import (
    ABSORB_AT,
    CG_TOLERANCE,
    FIRST_RADIUS,
    MAX_CG,
    MAX_RADIUS,
    SINKHORN_STEPS,
    SMALL,
    STARVED,
    SUFFICIENT_GAIN,
    LinearProblem,
    LinearSolution,
)

Array = NDArray[Any]
Scalar = np.floating[Any]
Exp2 = tuple[Array, np.integer[Any], np.integer[Any], Array]  # series, bias, position, workspace

FAR_BELOW = -1e30  # instead of log 0, as compiled code must not meet an infinity
LOG2_E = 1.4426950408889634

# The cache looks at the date of this file alone: touch it after a change of the constants above.
compiled = functools.partial(njit, cache=True, nogil=True, error_model="numpy")


def _exp2_series(degree: int, dtype: Any) -> Any:
    """Coefficients of 2**x on [-.5, .5], highest first."""
    series = Chebyshev.interpolate(np.exp2, degree, domain=[-0.5, 0.5])
    return series.convert(kind=Polynomial, domain=[-1, 1]).coef[::-1].astype(dtype)


# By dtype: the series, the bias of the exponent's bits, their position, and integers of that size.
EXP2: dict[Any, tuple[Array, int, int, Any]] = {
    np.dtype(np.float32): (_exp2_series(6, np.float32), 127, 23, np.int32),
    np.dtype(np.float64): (_exp2_series(12, np.float64), 1023, 52, np.int64),
}


def newton_numba(problem: LinearProblem, max_iter: int) -> LinearSolution:
    """As `newton`, for tensors on the CPU."""
    cost, a, b, reg, potential, tol = (np.ascontiguousarray(field.numpy()) for field in problem)
    log_b = np.log(b, where=b > 0, out=np.full_like(b, FAR_BELOW))
    plan, g, error = np.empty_like(cost), potential / reg[:, None], np.empty_like(reg)
    series, bias, position, integer = EXP2[cost.dtype]
    rate = 1 / reg

    def solve(k: int) -> None:
        bits = np.empty(len(b[k]), integer)
        exp2: Exp2 = (series, integer(bias), integer(position), bits)
        error[k] = _newton(
            cost[k], a[k], b[k], log_b[k], rate[k], tol[k], max_iter, exp2, plan[k], g[k]
        )

    n_threads = min(torch.get_num_threads(), len(reg))
    if n_threads == 1:
        for k in range(len(reg)):
            solve(k)
    else:
        with ThreadPoolExecutor(n_threads) as pool:  # the compiled code holds no lock
            list(pool.map(solve, range(len(reg))))
    return LinearSolution(*map(torch.from_numpy, (plan, g * reg[:, None], error)))


@compiled()
def _newton(
    cost: Array,
    a: Array,
    b: Array,
    log_b: Array,
    rate: Scalar,
    tol: Scalar,
    max_iter: int,
    exp2: Exp2,
    P: Array,
    g: Array,
) -> Scalar:
    """Solve one problem; write its plan (n, m) to P and its potential over reg (m,) to g."""
    as_type = cost.dtype.type
    radius = as_type(FIRST_RADIUS)
    _absorb(cost, g + log_b, rate, exp2, P)
    delta = np.zeros_like(b)
    v, w, columns, value = _evaluate(P, delta, a, b)
    error = np.abs(b - columns).sum()
    for _ in range(max_iter):
        if error <= tol:
            break
        starved = (columns < as_type(STARVED) * b).any()
        if not starved:
            d = _direction(P, v, w, columns, radius, a, b)
            length = np.abs(d).max()
            step = min(radius / max(length, as_type(SMALL)), as_type(1))
            promised = step * ((b - columns) * d).sum()
            new = delta + step * d
            new_v, new_w, new_columns, new_value = _evaluate(P, new, a, b)
            new_error = np.abs(b - new_columns).sum()
            closer = new_error < max(as_type(0.9) * error, tol)
            if closer or new_value - value > as_type(SUFFICIENT_GAIN) * promised:
                if step < 1:
                    radius = min(as_type(4) * radius, as_type(MAX_RADIUS))
            else:
                new = _sinkhorn(P, v, w, a, b)
                new_v, new_w, new_columns, new_value = _evaluate(P, new, a, b)
                new_error = np.abs(b - new_columns).sum()
                radius = max(as_type(0.25) * step * length, as_type(FIRST_RADIUS / 4))
            delta, v, w, columns = new, new_v, new_w, new_columns
            value, error = new_value, new_error
        if starved or np.abs(delta).max() > ABSORB_AT:
            g += delta
            if starved:
                _log_sinkhorn(cost, log_b, rate, a, b, g)
            _absorb(cost, g + log_b, rate, exp2, P)
            delta = np.zeros_like(b)
            v, w, columns, value = _evaluate(P, delta, a, b)
            error = np.abs(b - columns).sum()
    g += delta
    _scale(P, v, w)
    return error


@compiled(fastmath=True)
def _absorb(cost: Array, h: Array, rate: Scalar, exp2: Exp2, P: Array) -> None:
    """Write the softmax of h - rate * cost along each row to P."""
    series, bias, position, bits = exp2
    as_type = cost.dtype.type
    lowest, log2_e, half = as_type(1 - bias), as_type(LOG2_E), as_type(0.5)
    power = bits.view(cost.dtype)
    x = np.empty_like(h)
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
            x[j] = y - whole
            bits[j] = (bits.dtype.type(whole) + bias) << position if seen else 0
            row[j] = series[0]
        for k in range(1, len(series)):
            for j in range(len(h)):
                row[j] = row[j] * x[j] + series[k]
        total = as_type(0)
        for j in range(len(h)):
            row[j] *= power[j]
            total += row[j]
        for j in range(len(h)):
            row[j] /= total


@compiled(fastmath=True)
def _evaluate(P: Array, delta: Array, a: Array, b: Array) -> tuple[Array, Array, Array, Scalar]:
    """Scalings v (m,) and w (n,), column sums (m,) and the semi-dual's gain at log v = delta."""
    small = P.dtype.type(SMALL)
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
def _hessian(P: Array, v: Array, inner: Array, columns: Array, s: Array) -> Array:
    """The semi-dual's negative Hessian, times s (m,)."""
    out, vs = np.zeros_like(s), v * s
    for i in range(len(P)):
        row = P[i]
        y = P.dtype.type(0)
        for j in range(len(s)):
            y += row[j] * vs[j]
        y *= inner[i]
        for j in range(len(s)):
            out[j] += y * row[j]
    return columns * s - v * out


@compiled()
def _direction(
    P: Array, v: Array, w: Array, columns: Array, radius: Scalar, a: Array, b: Array
) -> Array:
    """Newton direction (m,) by Jacobi-preconditioned conjugate gradients."""
    as_type = P.dtype.type
    small, flat = as_type(SMALL), as_type(np.finfo(P.dtype).eps)
    inner = w * w / np.maximum(a, small)
    jacobi = as_type(1) / np.maximum(columns, small)
    d = np.zeros_like(b)
    residual = b - columns
    s = residual * jacobi
    rz = (residual * s).sum()
    stop = as_type(CG_TOLERANCE**2) * rz
    for k in range(MAX_CG):
        hs = _hessian(P, v, inner, columns, s)
        step = rz / max((s * hs).sum(), flat * rz + small)
        d += step * s
        residual -= step * hs
        z = residual * jacobi
        rz_new = (residual * z).sum()
        if k % 4 == 3 and not (rz_new > stop and np.abs(d).max() < radius):
            break
        s = z + (rz_new / max(rz, small)) * s
        rz = rz_new
    if not np.isfinite(d).all():
        d[:] = 0
    return d - (d * b).sum()


@compiled()
def _sinkhorn(P: Array, v: Array, w: Array, a: Array, b: Array) -> Array:
    """Log v after some of Sinkhorn's iterations, (m,)."""
    small = P.dtype.type(SMALL)
    for _ in range(SINKHORN_STEPS):
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


@compiled()
def _log_sinkhorn(cost: Array, log_b: Array, rate: Scalar, a: Array, b: Array, g: Array) -> None:
    """One of Sinkhorn's iterations in log domain, after which no column starves; changes g."""
    n, m = cost.shape
    f = np.empty_like(a)
    for i in range(n):
        x = g + log_b - rate * cost[i]
        top = x.max()
        f[i] = np.log(a[i]) - top - np.log(np.exp(x - top).sum()) if a[i] > 0 else FAR_BELOW
    for j in range(m):
        if b[j] > 0:
            x = f - rate * cost[:, j]
            top = x.max()
            g[j] = -top - np.log(np.exp(x - top).sum())
        else:
            g[j] = 0


@compiled(fastmath=True)
def _scale(P: Array, v: Array, w: Array) -> None:
    """diag(w) P diag(v), in place."""
    for i in range(len(P)):
        for j in range(len(v)):
            P[i, j] *= w[i] * v[j]
