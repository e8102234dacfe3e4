"""Products and updates of plans in the compiled outer loop, each in one pass over its arrays."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from skgw.solvers.compiled import Array, Scalar, Weights, compiled


class DenseProblem(NamedTuple):
    """E(T) = constant + <offset + slope / 2 K1 T K2, T>, one `QuadraticProblem`."""

    kernel_a: Array  # (n, n), K1; (n, 2n) of directed spaces
    kernel_b: Array  # (m, m), K2; (2m, m) of directed spaces
    offset: Array  # (n, m)
    constant: float
    slope: Scalar
    weights: Weights


class LowRankKernels(NamedTuple):
    """The factors of a `LowRankProblem`; of zero columns without one."""

    left_a: Array  # (n, r)
    range_a: Array  # (r, n)
    left_b: Array  # (m, r)
    range_b: Array  # (r, m)


class Iterate(NamedTuple):
    """The arrays of `outer_step.Iterate`, updated in place, and the arrays of its step."""

    cost: Array  # (n, m), gradient of E at `mixture`
    mixture: Array  # (n, m)
    potential: Array  # (m,)
    last: Array  # (n, m), plan of the step before
    last_cost: Array  # (n, m), gradient of E at `last`
    plan: Array  # (n, m), plan of this step
    gradient: Array  # (n, m), of E at `plan`


@compiled()
def differentiate(problem: DenseProblem, plan: Array, gradient: Array, symmetric: bool) -> None:
    """Write the gradient of E at `plan` to `gradient` (n, m).

    `symmetric` says that plan and gradient are symmetric: one half is computed.
    """
    n, m = plan.shape
    half = np.empty((len(problem.kernel_b), n), plan.dtype)
    product(problem.kernel_b, plan, half, False)
    product(problem.kernel_a, half.reshape(m, problem.kernel_a.shape[1]), gradient, symmetric)
    _complete(problem, gradient)


@compiled()
def differentiate_low_rank(
    problem: DenseProblem, kernels: LowRankKernels, plan: Array, gradient: Array
) -> None:
    """As `differentiate`, with kernels of low rank."""
    r = len(kernels.range_b)
    right = np.empty((len(plan), r), plan.dtype)
    core = np.empty((len(kernels.range_a), r), plan.dtype)
    product(plan, kernels.range_b, right, False)
    product(kernels.range_a, right.T.copy(), core, False)
    product(kernels.left_a, core.T.copy(), right, False)
    product(right, kernels.left_b, gradient, False)
    _complete(problem, gradient)


@compiled(fastmath=True)
def _complete(problem: DenseProblem, gradient: Array) -> None:
    """From K1 T K2 to the gradient of E at T, in place."""
    for i in range(len(gradient)):
        for j in range(gradient.shape[1]):
            gradient[i, j] = problem.offset[i, j] + problem.slope * gradient[i, j]


@compiled(fastmath=True)
def product(A: Array, B: Array, out: Array, symmetric: bool) -> None:
    """Write A B' to `out`, by blocks of four by four, whose sums stay in registers.

    At this size it is as fast as BLAS, and starts no threads. Blocks at the end repeat the last
    row. Of a symmetric product one half is computed.
    """
    n, m = out.shape
    zero = out.dtype.type(0)
    for i in range(0, n, 4):
        i1, i2, i3 = min(i + 1, n - 1), min(i + 2, n - 1), min(i + 3, n - 1)
        a0, a1, a2, a3 = A[i], A[i1], A[i2], A[i3]
        for j in range(i if symmetric else 0, m, 4):
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
            if symmetric:
                out[j, i], out[j1, i], out[j2, i], out[j3, i] = s00, s01, s02, s03
                out[j, i1], out[j1, i1], out[j2, i1], out[j3, i1] = s10, s11, s12, s13
                out[j, i2], out[j1, i2], out[j2, i2], out[j3, i2] = s20, s21, s22, s23
                out[j, i3], out[j1, i3], out[j2, i3], out[j3, i3] = s30, s31, s32, s33


@compiled(fastmath=True)
def measure(problem: DenseProblem, it: Iterate) -> tuple[float, float, float]:
    """Marginal error of the plan, its L1 distance from the mixture, and its linearised cost."""
    a, b, _ = problem.weights
    zero = it.plan.dtype.type(0)
    columns = np.zeros_like(b)
    error = change = linear_cost = 0.0
    for i in range(len(a)):
        mass = row_change = row_cost = zero
        for j in range(len(b)):
            plan = it.plan[i, j]
            mass += plan
            columns[j] += plan
            row_change += abs(plan - it.mixture[i, j])
            row_cost += it.cost[i, j] * plan
        error += abs(mass - a[i])
        change += row_change
        linear_cost += row_cost
    return error + np.abs(columns - b).sum(), change, linear_cost


@compiled(fastmath=True)
def curvature_and_alignment(it: Iterate) -> tuple[float, float]:
    """Curvature of E from the mixture to the plan, and alignment of the momentum with the step.

    The alignment is an inner product of two changes of the gradient: to this plan from the mixture
    and from the last plan. It is negative where momentum points backward.
    """
    zero = it.plan.dtype.type(0)
    curvature = alignment = 0.0
    for i in range(len(it.plan)):
        row_curvature = row_alignment = zero
        for j in range(len(it.potential)):
            gradient = it.gradient[i, j]
            difference = gradient - it.cost[i, j]
            row_curvature += difference * (it.plan[i, j] - it.mixture[i, j])
            row_alignment += difference * (gradient - it.last_cost[i, j])
        curvature += row_curvature
        alignment += row_alignment
    return 0.5 * curvature, alignment


@compiled(fastmath=True)
def energy(problem: DenseProblem, it: Iterate) -> float:
    """E at the plan, from the gradient at the plan."""
    total = 0.0
    for i in range(len(it.plan)):
        value = it.plan.dtype.type(0)
        for j in range(len(it.potential)):
            value += (problem.offset[i, j] + it.gradient[i, j]) * it.plan[i, j]
        total += value
    return problem.constant + 0.5 * total


@compiled(fastmath=True)
def update(it: Iterate, share: Scalar, momentum: Scalar) -> None:
    """Move the mixture by a share of the step to the plan, plus momentum; keep the last plan."""
    rest = it.cost.dtype.type(1) - share
    for i in range(len(it.plan)):
        for j in range(len(it.potential)):
            plan, gradient = it.plan[i, j], it.gradient[i, j]
            step = plan - it.last[i, j]
            gradient_change = gradient - it.last_cost[i, j]
            it.mixture[i, j] = rest * it.mixture[i, j] + share * plan + momentum * step
            it.cost[i, j] = rest * it.cost[i, j] + share * gradient + momentum * gradient_change
            it.last[i, j], it.last_cost[i, j] = plan, gradient


@compiled()
def step_length(it: Iterate, reg: float, curvature: float) -> float:
    """Share of the step from the mixture to the plan that minimises the bound of `outer_step`."""
    tiny = np.finfo(it.plan.dtype).tiny
    divergence = 0.0
    for i in range(len(it.plan)):
        for j in range(len(it.potential)):
            plan, mixture = it.plan[i, j], it.mixture[i, j]
            divergence += plan - mixture
            if mixture > 0:
                divergence += mixture * math.log(mixture / max(plan, tiny))
    return min(reg * max(divergence, 0.0) / (2 * curvature), 1.0)
