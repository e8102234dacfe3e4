"""The three terms of the discrepancy and its gradients, compiled: what training asks for.

A side is centred once for the two terms it enters. With its final plan T a term needs X = T' K1 T
alone: the energy is constant + <offset, T> - 8 <X, K2>, and as C1 = u 1' + 1 u' - 2 K1, the
gradient in C2 at a fixed plan, 2 C2 * qq' - 2 T' C1 T with q = T'1, takes X and vectors. So value
and gradient together cost less than the linearised cost at T, which is not needed any more.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skgw.solvers.compiled import Array, Exp2, Weights, compiled, each, exp2_for, log_weights
from skgw.solvers.initializers.basic import ANNEALING_START
from skgw.solvers.quadratic.descent_numba import find_plan, lean_cost
from skgw.solvers.quadratic.outer_step import NON_FINITE
from skgw.solvers.quadratic.passes_numba import DenseProblem, Iterate, ThinKernels, product
from skgw.solvers.settings import DESCENT, DescentSettings


class Divergence(NamedTuple):
    """The normalised discrepancy of a batch; `status` indexes `descent.STATUS`."""

    value: Tensor  # (B,)
    grad_a: Tensor  # (B, n, n), or (B, 0, 0) where it is not needed
    grad_b: Tensor  # (B, m, m), likewise
    status: Tensor  # (3, B): of the cross term, of the self terms


class Side(NamedTuple):
    """One of the two spaces, centred as in `quadratic`."""

    C: Array  # (n, n)
    kernel: Array  # (n, n)
    u: Array  # (n,), so that C = u 1' + 1 u' - 2 kernel
    center: float  # mean of u
    square: float  # mean of C * C
    weights: Weights


def divergence_numba(
    Ca: Tensor,
    Cb: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    reg: Tensor,
    scale: Tensor,
    tol: Tensor,
    max_iter: int,
    needed: tuple[bool, ...],
    settings: DescentSettings = DESCENT,
) -> Divergence:
    """Solve for the three terms under the square loss: the cross term annealed, then the others.

    Shapes as in `quadratic_problem`; `reg`, `scale` and `tol` are (B,). `needed` says which of the
    gradients, in `Ca` and in `Cb`, are to be computed.
    """
    fields = (Ca, Cb, a, b, reg, ANNEALING_START * scale, tol)
    C1, C2, p, q, regs, levels, tols = (
        np.ascontiguousarray(field.detach().numpy()) for field in fields
    )
    log_p, log_q = log_weights(p), log_weights(q)
    lean = lean_cost(p.shape[1], q.shape[1], p.dtype)
    grad_a, grad_b = (
        np.empty(C.shape if is_needed else (len(C), 0, 0), C.dtype)
        for C, is_needed in zip((C1, C2), needed, strict=True)
    )
    value, status = np.empty_like(regs), np.empty((3, len(regs)), int)

    def solve(k: int) -> None:
        value[k], status[0, k], status[1, k], status[2, k] = _divergence(
            C1[k], C2[k], Weights(p[k], p[k], log_p[k]), Weights(q[k], q[k], log_q[k]), lean,
            float(regs[k]), float(levels[k]), float(tols[k]), max_iter, settings,
            exp2_for(p[k]), exp2_for(q[k]), grad_a[k], grad_b[k],
        )  # fmt: skip

    each(solve, len(regs))
    status[0, ~np.isfinite(value)] = NON_FINITE
    return Divergence(*map(torch.from_numpy, (value, grad_a, grad_b, status)))


@compiled()
def _divergence(
    Ca: Array,
    Cb: Array,
    a: Weights,
    b: Weights,
    lean: Array,
    reg: float,
    level: float,
    tol: float,
    max_iter: int,
    settings: DescentSettings,
    exp2_a: Exp2,
    exp2_b: Exp2,
    grad_a: Array,
    grad_b: Array,
) -> tuple[float, int, int, int]:
    """One discrepancy and the status of its terms; writes the gradients unless they are empty."""
    one, other = _centred(Ca, a), _centred(Cb, b)
    grad_a[:], grad_b[:] = 0, 0
    problem = _problem(one, other)
    potential = np.zeros_like(b.a)
    it = _iterate(problem.offset.copy(), potential)
    _, crossed, _ = find_plan(
        problem, _exact(Ca), it, lean, reg, level, tol, max_iter, False, False, settings, exp2_b
    )
    value = 2 * _entropy(it, reg, b)
    if len(grad_a):
        energy = _differentiate(other, one, it.plan, 2.0, grad_a)
    if len(grad_b) or not len(grad_a):
        energy = _differentiate(one, other, it.plan.T.copy(), 2.0, grad_b)
    value += 2 * energy
    self_a, of_a = _self_term(one, lean, reg, tol, max_iter, settings, exp2_a, grad_a)
    self_b, of_b = _self_term(other, lean, reg, tol, max_iter, settings, exp2_b, grad_b)
    return value - self_a - self_b, crossed, of_a, of_b


@compiled()
def _self_term(
    side: Side,
    lean: Array,
    reg: float,
    tol: float,
    max_iter: int,
    settings: DescentSettings,
    exp2: Exp2,
    grad: Array,
) -> tuple[float, int]:
    """A space with itself, from the identity; takes the gradient off `grad`."""
    problem, as_type = _problem(side, side), side.C.dtype.type
    cost = np.empty_like(side.C)
    product(side.kernel * side.weights.a, side.kernel, cost, True)
    cost *= problem.slope
    cost += problem.offset
    it = _iterate(cost, as_type(0.5) * np.diag(cost))
    _, status, _ = find_plan(
        problem, _exact(cost), it, lean, reg, reg, tol, max_iter, True, False, settings, exp2
    )
    energy = _differentiate(side, side, it.plan, -2.0, grad)
    return _entropy(it, reg, side.weights) + energy, status


@compiled(fastmath=True)
def _centred(C: Array, weights: Weights) -> Side:
    a, as_type = weights.a, C.dtype.type
    u, kernel, half = np.empty_like(a), np.empty_like(C), as_type(0.5)
    center = square = 0.0
    for i in range(len(a)):
        mean = squares = as_type(0)
        for j in range(len(a)):
            mean += C[i, j] * a[j]
            squares += C[i, j] * C[i, j] * a[j]
        u[i] = mean
        center += 0.5 * a[i] * mean
        square += a[i] * squares
    u -= as_type(center)
    for i in range(len(a)):
        for j in range(len(a)):
            kernel[i, j] = half * (u[i] + u[j] - C[i, j])
    return Side(C, kernel, u, center, square, weights)


@compiled()
def _problem(one: Side, other: Side) -> DenseProblem:
    """As `quadratic.quadratic_problem`, whose second kernel is twice the one here."""
    as_type = one.C.dtype.type
    u, v = one.u - as_type(one.center), other.u - as_type(other.center)
    offset = np.outer(as_type(-4) * u, v)
    weights = Weights(one.weights.a, other.weights.a, other.weights.log_b)
    constant = _constant(one, other)
    return DenseProblem(one.kernel, other.kernel, offset, constant, as_type(-16), weights)


@compiled()
def _constant(one: Side, other: Side) -> float:
    return one.square + other.square - 8 * one.center * other.center


@compiled()
def _exact(like: Array) -> ThinKernels:
    """No truncated kernels."""
    none = np.empty((0, 0), like.dtype)
    return ThinKernels(none, none, none, none)


@compiled()
def _iterate(cost: Array, potential: Array) -> Iterate:
    zeros = np.zeros_like(cost)
    return Iterate(
        cost, zeros, potential, np.zeros_like(cost), cost.copy(), np.empty_like(cost),
        np.empty_like(cost),
    )  # fmt: skip


@compiled(fastmath=True)
def _differentiate(one: Side, other: Side, plan_t: Array, factor: float, grad: Array) -> float:
    """Add `factor` times the gradient in the other's matrix, both its slots, to `grad` (m, m).

    `plan_t`, (m, n), is the transposed plan T'. Returns the energy.
    """
    m, n = plan_t.shape
    as_type = plan_t.dtype.type
    half, X = np.empty_like(plan_t), np.empty_like(other.C)
    product(plan_t, one.kernel, half, False)
    product(plan_t, half, X, True)
    q, means = np.zeros_like(other.u), np.zeros_like(other.u)  # T'1 and T'u
    inner = 0.0
    for j in range(m):
        total = as_type(0)
        for i in range(n):
            q[j] += plan_t[j, i]
            means[j] += plan_t[j, i] * one.u[i]
        for k in range(m):
            total += X[j, k] * other.kernel[j, k]
        inner += 2 * total + (means[j] - q[j] * one.center) * (other.u[j] - other.center)
    twice, four = as_type(2), as_type(2 * factor)
    if len(grad):
        for j in range(m):
            for k in range(m):
                moved = means[j] * q[k] + q[j] * means[k] - twice * X[j, k]  # T' C1 T
                grad[j, k] += four * (other.C[j, k] * q[j] * q[k] - moved)
    return _constant(one, other) - 4 * inner


@compiled(fastmath=True)
def _entropy(it: Iterate, reg: float, b: Weights) -> float:
    """-reg H of the last plan, with the price of what its columns lack: see `entropic_value`.

    Up to a constant for each row, log T is (potential - cost) / reg + log b: there is one logarithm
    to take for each row, that of its heaviest entry.
    """
    as_type = it.plan.dtype.type
    rate = as_type(1 / reg)
    h = it.potential * rate + b.log_b
    missing = b.a.copy()
    total = 0.0
    for i in range(len(it.plan)):
        plan, cost = it.plan[i], it.cost[i]
        mass = inner = as_type(0)
        for j in range(len(h)):
            mass += plan[j]
            inner += plan[j] * (h[j] - rate * cost[j])
            missing[j] -= plan[j]
        top = np.argmax(plan)
        if plan[top] > 0:
            total += inner + mass * (np.log(plan[top]) - h[top] + rate * cost[top])
    return reg * (total + (missing * h).sum())
