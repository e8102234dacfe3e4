"""Newton steps of balanced linear problems as one GPU kernel, one program per problem.

The algorithm of `newton_cg` and `trust_region`, with the same settings. In torch a step is
about a hundred small kernels, whose launches dominate the time of a batch of small problems. Here
one program on one multiprocessor solves a problem to its tolerance, without further launches and
without host-device synchronisation. Vectors over the columns stay in registers. The plan is read
from the cache in tiles of rows: a product with it and a product with its transpose share a pass, as
in `newton_cg_numba`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.language import constexpr, tensor

from skgw.solvers.linear.balanced import EXPERIMENTAL
from skgw.solvers.linear.conjugate_gradients import SMALLEST_DIVISOR
from skgw.solvers.linear.newton_cg import LinearProblem, LinearSolution, newton
from skgw.solvers.settings import NEWTON, NewtonSettings

MAX_SIZE = 256  # points a side that one multiprocessor solves
N_WARPS = 8  # of a program
TILE = 16384  # bytes of the plan in registers; twice as many do not fit

# Compiled code reads constants of type constexpr only. In products they are the right factor, which
# older interpreters of Triton require.
CG_STOP = constexpr(NEWTON.cg_tolerance**2)
CHECK_INTERVAL = constexpr(NEWTON.check_interval)
MAX_CHECKS = constexpr(NEWTON.max_cg_steps // NEWTON.check_interval)
INITIAL_RADIUS = constexpr(NEWTON.initial_radius)
MIN_RADIUS = constexpr(NEWTON.min_radius)
MAX_RADIUS = constexpr(NEWTON.max_radius)
RADIUS_GROWTH = constexpr(NEWTON.radius_growth)
RADIUS_SHRINKAGE = constexpr(NEWTON.radius_shrinkage)
ERROR_REDUCTION = constexpr(NEWTON.error_reduction)
SUFFICIENT_GAIN = constexpr(NEWTON.sufficient_gain)
ABSORPTION_THRESHOLD = constexpr(NEWTON.absorption_threshold)
SINKHORN_STEPS = constexpr(NEWTON.sinkhorn_steps)
UNDERFLOW_SHARE = constexpr(NEWTON.underflow_share)
SMALL = constexpr(SMALLEST_DIVISOR)
LOG_ZERO = constexpr(-1e30)  # in place of log 0, of which differences are taken


def newton_triton(
    problem: LinearProblem, max_iter: int, settings: NewtonSettings = NEWTON
) -> LinearSolution:
    """As `newton`, for tensors on a GPU.

    The kernel is compiled with the default settings. Other settings, and sizes beyond `MAX_SIZE`,
    are left to `newton`.
    """
    n_problems, n, m = problem.cost.shape
    if max(n, m) > MAX_SIZE or settings != NEWTON:
        return newton(problem, max_iter, settings)
    cost, a, b, reg, potential, tol = (field.contiguous() for field in problem)
    g, plan = potential / reg[:, None], torch.empty_like(cost)
    w, error = torch.empty_like(a), torch.empty_like(reg)
    with torch.cuda.device_of(cost):  # else the kernel would run on the current device
        _solve[(n_problems,)](
            cost, a, b, reg, tol, g, plan, w, error, n, m, max_iter,
            flat=torch.finfo(cost.dtype).eps, num_warps=N_WARPS, **_tile(cost),
        )  # fmt: skip
    return LinearSolution(plan, g * reg[:, None], error)


EXPERIMENTAL["triton"] = newton_triton


def _tile(cost: Tensor) -> dict[str, int]:
    """Height and width of a tile of a plan like `cost`: powers of two."""
    _, n, m = cost.shape
    width = triton.next_power_of_2(m)
    height = TILE // (width * cost.element_size())
    return {"ROWS": min(height, triton.next_power_of_2(n)), "COLUMNS": width}


class _Problem(NamedTuple):
    """One problem: pointers to its arrays, its blocks in registers, and its sizes."""

    cost: tensor  # (n, m)
    P: tensor  # (n, m)
    w: tensor  # (n,)
    a: tensor  # (n,)
    b: tensor  # (COLUMNS,), a block of registers, 0 beyond m
    reg: tensor  # a number
    n: tensor
    m: tensor
    rows: tensor  # (ROWS,), 0, 1, ...: rows of the first tile


@triton.jit(do_not_specialize=["n", "max_iter"])
def _solve(
    cost_ptr: tensor, a_ptr: tensor, b_ptr: tensor, reg_ptr: tensor, tol_ptr: tensor,
    g_ptr: tensor, plan_ptr: tensor, w_ptr: tensor, error_ptr: tensor,
    n: tensor, m: tensor, max_iter: tensor,
    flat: constexpr, ROWS: constexpr, COLUMNS: constexpr,
) -> None:  # fmt: skip
    """Solve problem `program_id`: read g = potential / reg, write g, the plan and its error."""
    k = tl.program_id(0).to(tl.int64)  # batches may have more than 2**31 entries
    j = tl.arange(0, COLUMNS)
    b = tl.load(b_ptr + k * m + j, j < m, other=0.0)
    g = tl.load(g_ptr + k * m + j, j < m, other=0.0)
    reg, tol = tl.load(reg_ptr + k), tl.load(tol_ptr + k)
    cost, P, a, w = cost_ptr + k * n * m, plan_ptr + k * n * m, a_ptr + k * n, w_ptr + k * n
    problem = _Problem(cost, P, w, a, b, reg, n, m, tl.arange(0, ROWS))

    _absorb(problem, g)
    delta = tl.zeros_like(b)
    v, columns, value, error = _evaluate(problem, delta)
    radius = tl.zeros_like(reg) + INITIAL_RADIUS
    while (max_iter > 0) & (error > tol):
        max_iter -= 1
        underflow = tl.max((columns < b * UNDERFLOW_SHARE).to(tl.int32), 0) > 0
        if underflow == 0:
            d = _direction(problem, v, columns, radius, flat)
            length = tl.max(tl.abs(d), 0)
            step = tl.minimum(radius / tl.maximum(length, SMALL), 1.0)
            predicted = step * tl.sum((b - columns) * d, 0)
            new_delta = delta + step * d
            new_v, new_columns, new_value, new_error = _evaluate(problem, new_delta)
            closer = new_error < tl.maximum(error * ERROR_REDUCTION, tol)
            if closer | (new_value - value > predicted * SUFFICIENT_GAIN):
                radius = tl.minimum(
                    tl.where(step < 1.0, radius * RADIUS_GROWTH, radius), MAX_RADIUS
                )
            else:
                new_delta = _sinkhorn(problem, v, columns)
                new_v, new_columns, new_value, new_error = _evaluate(problem, new_delta)
                radius = tl.maximum(step * RADIUS_SHRINKAGE * length, MIN_RADIUS)
            delta, v, columns, value, error = new_delta, new_v, new_columns, new_value, new_error
        if underflow | (tl.max(tl.abs(delta), 0) > ABSORPTION_THRESHOLD):
            g += delta
            if underflow:
                g = _log_sinkhorn(problem, g)
            _absorb(problem, g)
            delta = tl.zeros_like(b)
            v, columns, value, error = _evaluate(problem, delta)

    _scale(problem, v)
    tl.store(g_ptr + k * m + j, g + delta, j < m)
    tl.store(error_ptr + k, error)


@triton.jit
def _tile_at(problem: _Problem, first: tensor) -> tuple[tensor, ...]:
    """Rows and entries of the tile from row `first` on, each with the mask of those that exist."""
    i, j = first + problem.rows, tl.arange(0, problem.b.shape[0])
    is_row, is_column = i < problem.n, j < problem.m
    entry = i[:, None] * problem.m + j[None, :]
    return i, is_row, entry, is_row[:, None] & is_column[None, :]


@triton.jit
def _absorb(problem: _Problem, g: tensor) -> None:
    """Write the softmax of g + log b - cost / reg along each row to P."""
    h = g + tl.log(problem.b)
    for first in range(0, problem.n, problem.rows.shape[0]):
        _, _, entry, exists = _tile_at(problem, first)
        x = h[None, :] - tl.load(problem.cost + entry, exists, other=0.0) / problem.reg
        x = tl.exp(x - tl.max(x, 1)[:, None])
        tl.store(problem.P + entry, x / tl.sum(x, 1)[:, None], exists)
    tl.debug_barrier()  # other threads will read P


@triton.jit
def _evaluate(problem: _Problem, delta: tensor) -> tuple[tensor, ...]:
    """At log v = delta: v, the column sums, the semi-dual's gain, the error; w goes to memory."""
    v = tl.exp(delta)
    sums, logs = _products(problem, v)
    columns = v * sums
    error = tl.sum(tl.abs(problem.b - columns), 0)
    return v, columns, tl.sum(problem.b * delta, 0) - logs, error


@triton.jit
def _products(problem: _Problem, v: tensor) -> tuple[tensor, ...]:
    """P'w for w = a / Pv, which goes to memory, and <a, log Pv>."""
    sums = tl.zeros([problem.rows.shape[0], v.shape[0]], v.dtype)
    logs = tl.zeros([problem.rows.shape[0]], v.dtype)
    for first in range(0, problem.n, problem.rows.shape[0]):
        i, is_row, entry, exists = _tile_at(problem, first)
        tile = tl.load(problem.P + entry, exists, other=0.0)
        a = tl.load(problem.a + i, is_row, other=0.0)
        z = tl.maximum(tl.sum(tile * v[None, :], 1), SMALL)
        w = a / z
        tl.store(problem.w + i, w, is_row)
        sums += tile * w[:, None]
        logs += a * tl.log(z)
    tl.debug_barrier()  # other threads will read w
    return tl.sum(sums, 0), tl.sum(logs, 0)


@triton.jit
def _curvature(problem: _Problem, s: tensor) -> tensor:
    """P' diag(w^2 / a) P s."""
    sums = tl.zeros([problem.rows.shape[0], s.shape[0]], s.dtype)
    for first in range(0, problem.n, problem.rows.shape[0]):
        i, is_row, entry, exists = _tile_at(problem, first)
        tile = tl.load(problem.P + entry, exists, other=0.0)
        a = tl.load(problem.a + i, is_row, other=0.0)
        w = tl.load(problem.w + i, is_row, other=0.0)
        y = tl.sum(tile * s[None, :], 1) * w * w / tl.maximum(a, SMALL)
        sums += tile * y[:, None]
    tl.debug_barrier()  # all threads have read w, which may be overwritten
    return tl.sum(sums, 0)


@triton.jit
def _direction(
    problem: _Problem, v: tensor, columns: tensor, radius: tensor, flat: constexpr
) -> tensor:
    """Newton direction by Jacobi-preconditioned conjugate gradients."""
    b = problem.b
    jacobi = 1.0 / tl.maximum(columns, SMALL)
    d = tl.zeros_like(b)
    residual = b - columns
    s = residual * jacobi
    rz = tl.sum(residual * s, 0)
    stop = rz * CG_STOP
    n_checks, going = 0, True
    while (n_checks < MAX_CHECKS) & going:
        for _ in range(CHECK_INTERVAL):
            hs = columns * s - v * _curvature(problem, v * s)
            step = rz / tl.maximum(tl.sum(s * hs, 0), flat * rz + SMALL)
            d += step * s
            residual -= step * hs
            z = residual * jacobi
            last, rz = rz, tl.sum(residual * z, 0)
            s = z + (rz / tl.maximum(last, SMALL)) * s
        going = (rz > stop) & (tl.max(tl.abs(d), 0) < radius)
        n_checks += 1
    finite = tl.min((tl.abs(d) < float("inf")).to(tl.int32), 0) > 0
    d = tl.where(finite, d, 0.0)  # after an overflow, the step is rejected
    return d - tl.sum(d * b, 0)


@triton.jit
def _sinkhorn(problem: _Problem, v: tensor, columns: tensor) -> tensor:
    """Log v after Sinkhorn iterations, from v and its column sums."""
    v = problem.b / tl.maximum(columns / v, SMALL)
    for _ in range(SINKHORN_STEPS - 1):
        sums = _products(problem, v)[0]
        v = problem.b / tl.maximum(sums, SMALL)
    return tl.where(problem.b > 0.0, tl.log(v), 0.0)


@triton.jit
def _log_sinkhorn(problem: _Problem, g: tensor) -> tensor:
    """One Sinkhorn iteration in log domain, after which no column underflows. Returns g."""
    h = g + tl.log(problem.b)
    top = tl.full([h.shape[0]], LOG_ZERO, h.dtype)  # largest term of each column so far
    total = tl.zeros([h.shape[0]], h.dtype)  # sum of their exponentials, over exp(top)
    for first in range(0, problem.n, problem.rows.shape[0]):
        i, is_row, entry, exists = _tile_at(problem, first)
        rest = -tl.load(problem.cost + entry, exists, other=0.0) / problem.reg
        a = tl.load(problem.a + i, is_row, other=0.0)
        x = h[None, :] + rest
        highest = tl.max(x, 1)
        f = tl.log(a) - highest - tl.log(tl.sum(tl.exp(x - highest[:, None]), 1))
        x = tl.where(a > 0.0, f, LOG_ZERO)[:, None] + rest
        new_top = tl.maximum(top, tl.max(x, 0))
        total = total * tl.exp(top - new_top) + tl.sum(tl.exp(x - new_top[None, :]), 0)
        top = new_top
    return tl.where(problem.b > 0.0, -top - tl.log(total), 0.0)


@triton.jit
def _scale(problem: _Problem, v: tensor) -> None:
    """diag(w) P diag(v), in place."""
    for first in range(0, problem.n, problem.rows.shape[0]):
        i, is_row, entry, exists = _tile_at(problem, first)
        tile = tl.load(problem.P + entry, exists, other=0.0)
        w = tl.load(problem.w + i, is_row, other=0.0)
        tl.store(problem.P + entry, tile * w[:, None] * v[None, :], exists)
