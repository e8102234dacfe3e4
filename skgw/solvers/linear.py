"""Entropic optimal transport by semi-dual Newton steps with conjugate gradients.

The row potential is eliminated: with the column potential g alone, the plan

    T_ij = a_i softmax_j((g_j - M_ij) / reg + log b_j)

has exact row sums, and g maximises the concave semi-dual D whose gradient is b - T'1 and whose
Hessian is -(diag(T'1) - T' diag(1/a) T) / reg. A Newton step costs a few matrix-vector products,
where Sinkhorn's iteration needs thousands of them for the same accuracy at small `reg`; truncated
Newton steps for entropic transport are studied by Kemertas, Farahmand, Jepson (2025),
arXiv:2504.02067.

Between two evaluations of the exponential the plan is kept as diag(w) P diag(v), P being the
row-normalised kernel at the last "absorption" (Schmitzer 2019, stabilized sparse scaling): trial
steps, values of D and Sinkhorn's fallback all cost two matrix-vector products, and nothing over- or
underflows because the scalings stay moderate.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

CG_TOLERANCE = 0.1  # relative residual of a Newton direction; tighter does not pay
MAX_CG = 50
FIRST_RADIUS = 10.0  # trust region of a Newton step: largest change of g / reg
MAX_RADIUS = 40.0
SUFFICIENT_GAIN = 0.1  # share of the gain that the gradient promises (Armijo)
STARVED = 1e-12  # columns with less than this share of their mass are no place for Newton
ABSORB_AT = 15.0  # log scalings beyond it are absorbed into the kernel
SINKHORN_STEPS = 4
SYMMETRIC_STEPS = 8
SMALL = 1e-30  # guards divisions; a normal number in float32


class LinearSolution(NamedTuple):
    """A plan with exact row sums, its column potential and the L1 error of its column sums."""

    plan: Tensor  # (B, n, m)
    potential: Tensor  # (B, m)
    error: Tensor  # (B,)


class _Point(NamedTuple):
    """The plan diag(w) P diag(v) at log v = delta, and the semi-dual there."""

    delta: Tensor  # (B, m)
    v: Tensor  # (B, m)
    w: Tensor  # (B, n)
    columns: Tensor  # (B, m), sums of the plan's columns; b minus them is the semi-dual's gradient
    error: Tensor  # (B,), L1 norm of that gradient
    value: Tensor  # (B,), gain of the semi-dual over reg since the last absorption


def solve_linear(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    reg: Tensor,
    *,
    potential: Tensor | None = None,
    tol: Tensor,
    max_iter: int = 20,
    symmetric: bool = False,
) -> LinearSolution:
    """Minimise <cost, T> - reg H(T) over couplings T of `a` and `b`, for a batch of problems.

    Parameters
    ----------
    cost : Tensor of shape (B, n, m)
    a, b : Tensor of shapes (B, n) and (B, m)
        Marginals.
    reg : Tensor of shape (B,)
    potential : Tensor of shape (B, m), optional
        Column potential to start from, in units of the cost.
    tol : Tensor of shape (B,)
        L1 error of the column sums at which a problem is left alone.
    max_iter : int
        Newton steps; the solution reports the error that is left.
    symmetric : bool
        Whether the costs are symmetric and `a` equals `b`: both potentials are then equal, and
        Sinkhorn's iteration, averaged, gets close to them in a few products (Knight, Ruiz, Ucar
        2014; Feydy et al. 2019).

    Returns
    -------
    LinearSolution
    """
    kernel = b.log()[:, None, :] - cost / reg[:, None, None]  # (B, n, m), in log domain
    g = torch.zeros_like(b) if potential is None else potential / reg[:, None]
    if symmetric:
        g = _symmetric_sinkhorn(kernel, g)
    scaling, at = _absorb(kernel, g, a, b)
    radius = torch.full_like(reg, FIRST_RADIUS)
    left = 0
    for left in range(max_iter, 0, -1):
        todo = at.error > tol
        if 2 * todo.sum() <= len(todo):
            break
        starved = at.columns < STARVED * b
        if starved.any():
            g = g + at.delta
            alone = (starved.any(1) & todo)[:, None]
            g = torch.where(alone, _log_sinkhorn(kernel, g, a, b), g)
            scaling, at = _absorb(kernel, g, a, b)
            continue
        at, radius = _step(scaling, at, radius, todo, tol, a, b)
        if at.delta.abs().max() > ABSORB_AT:
            g = g + at.delta
            scaling, at = _absorb(kernel, g, a, b)
    plan = (scaling * at.v[:, None, :]).mul_(at.w[:, :, None])
    solution = LinearSolution(plan, (g + at.delta) * reg[:, None], at.error)
    todo = at.error > tol
    if left > 1 and todo.any():  # most problems are solved: the others go on alone
        rest = solve_linear(
            cost[todo], a[todo], b[todo], reg[todo],
            potential=solution.potential[todo], tol=tol[todo], max_iter=left,
        )  # fmt: skip
        for whole, part in zip(solution, rest, strict=True):
            whole[todo] = part
    return solution


def _absorb(kernel: Tensor, g: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, _Point]:
    """The row-normalised kernel P at `g`, and the point there."""
    scaling = torch.softmax(kernel + g[:, None, :], -1)
    return scaling, _evaluate(scaling, torch.zeros_like(b), a, b)


def _evaluate(scaling: Tensor, delta: Tensor, a: Tensor, b: Tensor) -> _Point:
    v = delta.exp()
    z = _times(v, scaling.mT).clamp_min(SMALL)  # (B, n)
    w = a / z
    columns = v * _times(w, scaling)
    value = (b * delta).sum(1) - (a * z.log()).sum(1)
    return _Point(delta, v, w, columns, (b - columns).abs().sum(1), value)


def _step(
    scaling: Tensor, at: _Point, radius: Tensor, todo: Tensor, tol: Tensor, a: Tensor, b: Tensor
) -> tuple[_Point, Tensor]:
    """One globalised Newton step of the problems in `todo`, and the new trust radius."""
    direction = _newton_direction(scaling, at, radius * todo, a, b)
    length = direction.abs().amax(1)
    step = (radius / length.clamp_min(SMALL)).clamp_max(1.0) * todo
    new = _evaluate(scaling, at.delta + step[:, None] * direction, a, b)
    promised = step * ((b - at.columns) * direction).sum(1)
    # Either test will do: the error may stand still on the way to a far solution, and the value
    # drowns in rounding close to it.
    closer = new.error < torch.maximum(0.9 * at.error, tol)
    failed = todo & ~closer & ~(new.value - at.value > SUFFICIENT_GAIN * promised)
    if failed.any():
        safe = _sinkhorn(scaling, at, a, b)
        new = _evaluate(scaling, torch.where(failed[:, None], safe, new.delta), a, b)
    grown = torch.where(step < 1, 4.0 * radius, radius).clamp_max(MAX_RADIUS)
    shrunk = (0.25 * step * length).clamp_min(FIRST_RADIUS / 4)
    return new, torch.where(failed, shrunk, grown)


def _newton_direction(
    scaling: Tensor, at: _Point, radius: Tensor, a: Tensor, b: Tensor
) -> Tensor:
    """Solve (diag(T'1) - T' diag(1/a) T) d = residual by Jacobi-preconditioned CG.

    The iteration ends where it leaves the trust region (Steihaug 1983): between blocks of points
    that hardly exchange mass the Hessian is nearly singular, and to resolve it is no use.
    """
    flat = torch.finfo(b.dtype).eps  # a curvature that rounding cannot tell from zero
    residual = b - at.columns
    jacobi = 1 / at.columns.clamp_min(SMALL)
    inner = at.w * at.w / a.clamp_min(SMALL)  # (B, n)
    outer, scaling_t = at.v, scaling.mT

    d = torch.zeros_like(b)
    z = s = residual * jacobi
    rz = (residual * z).sum(1, keepdim=True)  # (B, 1)
    stop = CG_TOLERANCE**2 * rz
    for k in range(MAX_CG):
        hs = _times(outer * s, scaling_t) * inner
        hs = at.columns * s - outer * _times(hs, scaling)
        curvature = (s * hs).sum(1, keepdim=True)
        step = rz / torch.maximum(curvature, flat * rz + SMALL)
        d = torch.addcmul(d, step, s)
        residual = torch.addcmul(residual, step, hs, value=-1)
        z = residual * jacobi
        rz_new = (residual * z).sum(1, keepdim=True)
        if k % 4 == 3:
            inside = d.abs().amax(1, keepdim=True) < radius[:, None]
            if not (inside & (rz_new > stop)).any():
                break
        s = torch.addcmul(z, rz_new / rz.clamp_min(SMALL), s)
        rz = rz_new
    return d - (d * b).sum(1, keepdim=True)  # potentials are defined up to a constant


def _sinkhorn(scaling: Tensor, at: _Point, a: Tensor, b: Tensor) -> Tensor:
    """Sinkhorn's iteration: slow, but it cannot fail. Returns log v, (B, m)."""
    w = at.w
    for _ in range(SINKHORN_STEPS):
        v = b / _times(w, scaling).clamp_min(SMALL)
        w = a / _times(v, scaling.mT).clamp_min(SMALL)
    return torch.where(b > 0, v.log(), 0.0)


def _log_sinkhorn(kernel: Tensor, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """One step of Sinkhorn's iteration in log domain, where no column can vanish. Returns g."""
    log_rows = a.log() - (kernel + g[:, None, :]).logsumexp(2)
    log_columns = (kernel + log_rows[:, :, None]).logsumexp(1)
    return torch.where(b > 0, b.log() - log_columns, 0.0)


def _symmetric_sinkhorn(kernel: Tensor, g: Tensor) -> Tensor:
    """Averaged Sinkhorn steps g <- (g - log sum exp(kernel + g)) / 2 of a symmetric problem."""
    g = 0.5 * (g - (kernel + g[:, None, :]).logsumexp(2))
    log_rows = (kernel + g[:, None, :]).logsumexp(2)
    scaling = (kernel + g[:, None, :]).sub_(log_rows[:, :, None]).exp_()
    log_rows = log_rows + g
    delta = -0.5 * log_rows
    for _ in range(SYMMETRIC_STEPS):
        z = _times(delta.exp(), scaling.mT).clamp_min(SMALL)
        delta = 0.5 * (delta - log_rows - z.log())
    return g + delta


def _times(x: Tensor, matrices: Tensor) -> Tensor:
    """Each vector (B, n) times its matrix (B, n, m).

    The vector stands on the left, even where that takes a transposed matrix: on CPUs batched
    products with a single column are ten times slower than those with a single row.
    """
    return torch.bmm(x.unsqueeze(1), matrices).squeeze(1)
