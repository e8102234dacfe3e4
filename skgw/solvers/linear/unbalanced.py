"""Entropic optimal transport with relaxed marginals, by Newton steps on its semi-dual.

For plans P of mass one, with row sums p and column sums q, the problem is

    min  <cost, P> + rho_a KL(p | a) + rho_b KL(q | b) + reg KL(P | ab').

Given a column potential g the best plan has a closed form. With theta = reg / (rho_a + reg),

    z_i = sum_j b_j exp((g_j - cost_ij) / reg),    p_i ~ a_i z_i^theta,
    P_ij = p_i b_j exp((g_j - cost_ij) / reg) / z_i,

and g maximises a smooth concave function whose gradient is t - q, where t_j ~ b_j exp(-g_j / rho_b)
are the column sums that g asks for. Adding a constant to g changes nothing: what makes Sinkhorn's
iteration slow for relaxed marginals (Sejourne, Vialard, Peyre 2022) is not there. Infinite
strengths give back the semi-dual of couplings, see `linear.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.linear.conjugate_gradients import SMALLEST_DIVISOR
from skgw.solvers.linear.newton_cg import LinearSolution, times
from skgw.solvers.settings import NEWTON, NewtonSettings

MIN_SHARE = 1e-20  # of reg in a strength: in place of 0, where limits are reached to rounding
MAX_SHARE = 1e6


class RelaxedLinear(NamedTuple):
    """A batch of linear problems; potentials and costs in units of reg."""

    kernel: Tensor  # (B, n, m), log b - cost / reg
    a: Tensor  # (B, n)
    b: Tensor  # (B, m)
    theta: Tensor  # (B, 1), reg / (rho_a + reg)
    beta: Tensor  # (B, 1), reg / rho_b


class _Point(NamedTuple):
    """The plan that belongs to a column potential."""

    g: Tensor  # (B, m)
    plan: Tensor  # (B, n, m)
    rows: Tensor  # (B, n)
    columns: Tensor  # (B, m)
    target: Tensor  # (B, m), the column sums that g asks for
    error: Tensor  # (B,), L1 distance of these from the columns
    value: Tensor  # (B,), the semi-dual over reg


def solve_relaxed(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    reg: Tensor,
    rho_a: Tensor,
    rho_b: Tensor,
    *,
    potential: Tensor,
    tol: Tensor,
    max_iter: int,
    settings: NewtonSettings = NEWTON,
) -> LinearSolution:
    """Solve a batch of relaxed linear problems; strengths may be zero or infinite.

    Parameters
    ----------
    cost : Tensor of shape (B, n, m)
    a, b : Tensor of shapes (B, n) and (B, m)
        Marginals, of mass one.
    reg, rho_a, rho_b : Tensor of shape (B,)
    potential : Tensor of shape (B, m)
        Column potential to start from, in units of the cost.
    tol : Tensor of shape (B,)
        L1 distance between the column sums and those that the potential asks for at which a
        problem is left alone. The row sums have closed form.
    max_iter : int
        Newton steps.
    """
    kernel = b.log()[:, None, :] - cost / reg[:, None, None]
    theta = (reg / (rho_a + reg)).clamp_min(MIN_SHARE)[:, None]
    beta = (reg / rho_b).clamp(MIN_SHARE, MAX_SHARE)[:, None]
    problem = RelaxedLinear(kernel, a, b, theta, beta)
    at = _evaluate(problem, potential / reg[:, None])
    radius = torch.full_like(reg, settings.initial_radius)
    for _ in range(max_iter):
        todo = at.error > tol
        if not todo.any():
            break
        at, radius = _step(problem, at, radius, todo, tol, settings)
    return LinearSolution(at.plan, at.g * reg[:, None], at.error)


def _evaluate(problem: RelaxedLinear, g: Tensor) -> _Point:
    scores = problem.kernel + g[:, None, :]
    log_z = scores.logsumexp(2)  # (B, n)
    rows = torch.softmax(problem.a.log() + problem.theta * log_z, 1)
    plan = scores.sub_((log_z - rows.log())[:, :, None]).exp_()
    columns = plan.sum(1)
    target = torch.softmax(problem.b.log() - problem.beta * g, 1)
    value = -log_mean(problem.a, log_z, problem.theta) - log_mean(problem.b, -g, problem.beta)
    return _Point(g, plan, rows, columns, target, (target - columns).abs().sum(1), value)


def row_potential(
    cost: Tensor, a: Tensor, b: Tensor, reg: Tensor, rho_a: Tensor, potential: Tensor
) -> Tensor:
    """The f, (B, n), for which the plan is a_i b_j exp((f_i + g_j - cost_ij) / reg)."""
    scores = (potential[:, None, :] - cost) / reg[:, None, None] + b.log()[:, None, :]
    log_z = scores.logsumexp(2)
    shares = (reg / (rho_a + reg))[:, None] * log_z
    return reg[:, None] * (shares - (a.log() + shares).logsumexp(1, keepdim=True) - log_z)


def log_mean(weights: Tensor, x: Tensor, t: Tensor) -> Tensor:
    """log(sum_i w_i exp(t x_i)) / t for weights (B, n) that sum to one; the mean of x at t = 0."""
    x = torch.where(weights > 0, x, -torch.inf)
    top = x.amax(1, keepdim=True)
    mean = (weights * torch.expm1(t * (x - top))).sum(1, keepdim=True)
    return (top + torch.log1p(mean) / t)[:, 0]


def _step(
    problem: RelaxedLinear,
    at: _Point,
    radius: Tensor,
    todo: Tensor,
    tol: Tensor,
    settings: NewtonSettings,
) -> tuple[_Point, Tensor]:
    """One globalised Newton step of the problems in `todo`, and the new trust radius."""
    direction = _direction(problem, at, radius, todo, settings)
    length = direction.abs().amax(1)
    step = (radius / length.clamp_min(SMALLEST_DIVISOR)).clamp_max(1.0) * todo
    new = _evaluate(problem, at.g + step[:, None] * direction)
    promised = step * ((at.target - at.columns) * direction).sum(1)
    closer = new.error < torch.maximum(settings.error_reduction * at.error, tol)
    failed = todo & ~closer & ~(new.value - at.value > settings.sufficient_gain * promised)
    if failed.any():
        new = _evaluate(problem, torch.where(failed[:, None], _sinkhorn(problem, at), new.g))
    grown = torch.where(step < 1, settings.radius_growth * radius, radius)
    grown = grown.clamp_max(settings.max_radius)
    shrunk = (settings.radius_shrinkage * step * length).clamp_min(settings.min_radius)
    return new, torch.where(failed, shrunk, grown)


def _direction(
    problem: RelaxedLinear, at: _Point, radius: Tensor, todo: Tensor, settings: NewtonSettings
) -> Tensor:
    """Solve H d = t - q by Jacobi-preconditioned CG, within a trust region as in `newton_cg.py`.

    H = diag(q) - (1 - theta) P' diag(1/p) P - theta qq' + beta (diag(t) - tt').
    """
    plan_t = at.plan.mT
    inner = (1 - problem.theta) / at.rows.clamp_min(SMALLEST_DIVISOR)  # (B, n)
    diagonal = at.columns + problem.beta * at.target
    jacobi = 1 / diagonal.clamp_min(SMALLEST_DIVISOR)
    flat = torch.finfo(diagonal.dtype).eps

    d = torch.zeros_like(diagonal)
    residual = at.target - at.columns
    z = s = residual * jacobi
    rz = (residual * z).sum(1, keepdim=True)  # (B, 1)
    stop = settings.cg_tolerance**2 * rz
    going = todo[:, None]
    for k in range(1, settings.max_cg_steps + 1):
        hs = diagonal * s - times(times(s, plan_t) * inner, at.plan)
        hs = hs - problem.theta * at.columns * (at.columns * s).sum(1, keepdim=True)
        hs = hs - problem.beta * at.target * (at.target * s).sum(1, keepdim=True)
        curvature = (s * hs).sum(1, keepdim=True)
        step = going * rz / torch.maximum(curvature, flat * rz + SMALLEST_DIVISOR)
        d = torch.addcmul(d, step, s)
        residual = torch.addcmul(residual, step, hs, value=-1)
        z = residual * jacobi
        rz_new = (residual * z).sum(1, keepdim=True)
        if k % settings.check_interval == 0:
            going = going & (d.abs().amax(1, keepdim=True) < radius[:, None]) & (rz_new > stop)
            if not going.any():
                break
        s = torch.addcmul(z, rz_new / rz.clamp_min(SMALLEST_DIVISOR), s)
        rz = rz_new
    d = torch.where(d.isfinite().all(1, keepdim=True), d, 0.0)
    return d - (d * problem.b).sum(1, keepdim=True)


def _sinkhorn(problem: RelaxedLinear, at: _Point) -> Tensor:
    """The best column potential for the row potential of `at`, up to a constant: it cannot fail."""
    kernel, b = problem.kernel, problem.b
    log_z = (kernel + at.g[:, None, :]).logsumexp(2)
    scaling = (at.rows.log() - log_z)[:, :, None]
    reach = (kernel + scaling).logsumexp(1)  # log column sums at g = 0
    g = (b.log() - reach) / (1 + problem.beta)
    return torch.where(b > 0, g, 0.0)
