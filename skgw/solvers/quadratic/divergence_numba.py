"""The three terms of the divergence and its gradients, compiled: the loss of a training step.

Each matrix is centred once for the two terms that it enters. With its final plan T a term needs
X = T' K1 T only: the energy is constant + <offset, T> - 8 <X, K2>, and as C1 = u 1' + 1 u' - 2 K1,
the gradient in C2 at a fixed plan, 2 C2 * qq' - 2 T' C1 T with q = T'1, takes X and vectors. Value
and gradient together thus cost less than the linearised cost at T, which is not computed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skgw.solvers.compiled import Array, Exp2, Weights, compiled, exp2_for, log_weights, solve_each
from skgw.solvers.initializers.basic import ANNEALING_START
from skgw.solvers.quadratic.descent_numba import Task, find_plan, perturbation_array
from skgw.solvers.quadratic.outer_step import NON_FINITE
from skgw.solvers.quadratic.passes_numba import DenseProblem, Iterate, LowRankKernels, product
from skgw.solvers.settings import DESCENT, DescentSettings


class Divergence(NamedTuple):
    """The divergence of each problem of a batch; `status` indexes `descent.STATUS`."""

    value: Tensor  # (B,)
    grad_a: Tensor  # (B, n, n), or (B, 0, 0) where it is not needed
    grad_b: Tensor  # (B, m, m), or (B, 0, 0)
    grad_reg: Tensor  # (B,)
    status: Tensor  # (3, B): of the cross term and of the self terms


class CentredMatrix(NamedTuple):
    """The matrix of one space, centred as in `problems.quadratic`."""

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
    """Solve the three terms under the square loss: the cross term annealed, then the self terms.

    Shapes as in `quadratic_problem`; `reg`, `scale` and `tol` are (B,). `needed` says which of the
    gradients, in `Ca` and in `Cb`, are computed.
    """
    fields = (Ca, Cb, a, b, reg, ANNEALING_START * scale, tol)
    C1, C2, p, q, regs, tops, tols = (
        np.ascontiguousarray(field.detach().numpy()) for field in fields
    )
    log_p, log_q = log_weights(p), log_weights(q)
    perturbation = perturbation_array(p.shape[1], q.shape[1], p.dtype)
    grad_a, grad_b = (
        np.empty(C.shape if is_needed else (len(C), 0, 0), C.dtype)
        for C, is_needed in zip((C1, C2), needed, strict=True)
    )
    value, grad_reg = np.empty_like(regs), np.empty_like(regs)
    status = np.empty((3, len(regs)), int)

    def solve(k: int) -> None:
        task = Task(float(regs[k]), float(tops[k]), float(tols[k]), max_iter, False, False)
        value[k], grad_reg[k], status[0, k], status[1, k], status[2, k] = _divergence(
            C1[k], C2[k], Weights(p[k], p[k], log_p[k]), Weights(q[k], q[k], log_q[k]),
            perturbation, task, settings, exp2_for(p[k]), exp2_for(q[k]), grad_a[k], grad_b[k],
        )  # fmt: skip

    solve_each(solve, len(regs))
    status[0, ~np.isfinite(value)] = NON_FINITE
    return Divergence(*map(torch.from_numpy, (value, grad_a, grad_b, grad_reg, status)))


@compiled()
def _divergence(
    Ca: Array,
    Cb: Array,
    a: Weights,
    b: Weights,
    perturbation: Array,
    task: Task,
    settings: DescentSettings,
    exp2_a: Exp2,
    exp2_b: Exp2,
    grad_a: Array,
    grad_b: Array,
) -> tuple[float, float, int, int, int]:
    """One divergence, its derivative by reg, and the statuses of its terms.

    Writes the gradients in the matrices, unless they are empty.
    """
    x, y = _centred(Ca, a), _centred(Cb, b)
    grad_a[:], grad_b[:] = 0, 0
    problem = _problem(x, y)
    potential = np.zeros_like(b.a)
    start = problem.offset.copy()
    if task.first_reg <= task.reg:  # no annealing level adds the perturbation
        start += Ca.dtype.type(task.reg) * perturbation
    it = _iterate(start, potential)
    _, cross, _ = find_plan(problem, _no_kernels(Ca), it, perturbation, task, settings, exp2_b)
    entropic = 2 * _entropy(it, task.reg, b)
    if len(grad_a):
        energy = _differentiate(y, x, it.plan, 2.0, grad_a)
    if len(grad_b) or not len(grad_a):
        energy = _differentiate(x, y, it.plan.T.copy(), 2.0, grad_b)
    entropy_a, energy_a, status_a = _self_term(x, perturbation, task, settings, exp2_a, grad_a)
    entropy_b, energy_b, status_b = _self_term(y, perturbation, task, settings, exp2_b, grad_b)
    entropic -= entropy_a + entropy_b
    value = entropic + 2 * energy - energy_a - energy_b
    return value, entropic / task.reg, cross, status_a, status_b


@compiled()
def _self_term(
    x: CentredMatrix,
    perturbation: Array,
    task: Task,
    settings: DescentSettings,
    exp2: Exp2,
    grad: Array,
) -> tuple[float, float, int]:
    """Entropy term, energy and status of a space with itself, from the identity.

    The gradient of their sum leaves `grad`.
    """
    problem, as_type = _problem(x, x), x.C.dtype.type
    cost = np.empty_like(x.C)
    product(x.kernel * x.weights.a, x.kernel, cost, True)
    cost *= problem.slope
    cost += problem.offset
    it = _iterate(cost, as_type(0.5) * np.diag(cost))
    itself = Task(task.reg, task.reg, task.tol, task.max_iter, True, False)
    _, status, _ = find_plan(problem, _no_kernels(cost), it, perturbation, itself, settings, exp2)
    energy = _differentiate(x, x, it.plan, -2.0, grad)
    return _entropy(it, task.reg, x.weights), energy, status


@compiled(fastmath=True)
def _centred(C: Array, weights: Weights) -> CentredMatrix:
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
    return CentredMatrix(C, kernel, u, center, square, weights)


@compiled()
def _problem(x: CentredMatrix, y: CentredMatrix) -> DenseProblem:
    """As `quadratic_problem`, whose second kernel is twice the kernel of y."""
    as_type = x.C.dtype.type
    u, v = x.u - as_type(x.center), y.u - as_type(y.center)
    offset = np.outer(as_type(-4) * u, v)
    weights = Weights(x.weights.a, y.weights.a, y.weights.log_b)
    return DenseProblem(x.kernel, y.kernel, offset, _constant(x, y), as_type(-16), weights)


@compiled()
def _constant(x: CentredMatrix, y: CentredMatrix) -> float:
    return x.square + y.square - 8 * x.center * y.center


@compiled()
def _no_kernels(like: Array) -> LowRankKernels:
    """Kernels of zero columns: annealing steps take the exact ones."""
    none = np.empty((0, 0), like.dtype)
    return LowRankKernels(none, none, none, none)


@compiled()
def _iterate(cost: Array, potential: Array) -> Iterate:
    zeros = np.zeros_like(cost)
    return Iterate(
        cost, zeros, potential, np.zeros_like(cost), cost.copy(), np.empty_like(cost),
        np.empty_like(cost),
    )  # fmt: skip


@compiled(fastmath=True)
def _differentiate(
    x: CentredMatrix, y: CentredMatrix, plan_t: Array, factor: float, grad: Array
) -> float:
    """Add `factor` times the gradient in the matrix of y, as both arguments, to `grad` (m, m).

    `plan_t`, (m, n), is the transposed plan T'. Returns the energy.
    """
    m, n = plan_t.shape
    as_type = plan_t.dtype.type
    half, X = np.empty_like(plan_t), np.empty_like(y.C)
    product(plan_t, x.kernel, half, False)
    product(plan_t, half, X, True)
    q, means = np.zeros_like(y.u), np.zeros_like(y.u)  # T'1 and T'u
    inner = 0.0
    for j in range(m):
        total = as_type(0)
        for i in range(n):
            q[j] += plan_t[j, i]
            means[j] += plan_t[j, i] * x.u[i]
        for k in range(m):
            total += X[j, k] * y.kernel[j, k]
        inner += 2 * total + (means[j] - q[j] * x.center) * (y.u[j] - y.center)
    twice, four = as_type(2), as_type(2 * factor)
    if len(grad):
        for j in range(m):
            for k in range(m):
                moved = means[j] * q[k] + q[j] * means[k] - twice * X[j, k]  # T' C1 T
                grad[j, k] += four * (y.C[j, k] * q[j] * q[k] - moved)
    return max(_constant(x, y) - 4 * inner, 0.0)  # below 0 by rounding only


@compiled(fastmath=True)
def _entropy(it: Iterate, reg: float, b: Weights) -> float:
    """-reg H of the last plan plus the `marginal_correction` of `descent`, in one pass.

    Up to a constant for each row, log T is (potential - cost) / reg + log b. One logarithm is taken
    for each row, at its heaviest entry.
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
