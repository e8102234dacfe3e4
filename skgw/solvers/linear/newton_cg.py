"""Newton steps with conjugate gradients on the semi-dual of entropic optimal transport.

Between two evaluations of the exponential the plan is kept as diag(w) P diag(v), P being the
row-normalised kernel at the last "absorption" (Schmitzer 2019, stabilized sparse scaling): trial
steps, values of the semi-dual and Sinkhorn's fallback all cost two matrix-vector products, and
nothing over- or underflows because the scalings stay moderate.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.linear.conjugate_gradients import SMALLEST_DIVISOR, conjugate_gradients
from skgw.solvers.settings import NEWTON, NewtonSettings
from skgw.solvers.synchronisation import any_of, most_of


class LinearProblem(NamedTuple):
    """Minimise <cost, T> - reg H(T) over couplings T of a and b; a batch, as in `solve_linear`."""

    cost: Tensor  # (B, n, m)
    a: Tensor  # (B, n)
    b: Tensor  # (B, m)
    reg: Tensor  # (B,)
    potential: Tensor  # (B, m), where to start
    tol: Tensor  # (B,)

    def take(self, index: Tensor) -> LinearProblem:
        """The problems at `index`, integers."""
        return LinearProblem(*(field[index] for field in self))


class LinearSolution(NamedTuple):
    """A plan with exact row sums, its column potential and the L1 error of its column sums."""

    plan: Tensor  # (B, n, m)
    potential: Tensor  # (B, m)
    error: Tensor  # (B,)

    def take(self, index: Tensor) -> LinearSolution:
        """The problems at `index`, integers."""
        return LinearSolution(*(field[index] for field in self))

    def replace(self, index: Tensor, part: LinearSolution) -> None:
        """Overwrite the problems at `index`, integers."""
        for whole, new in zip(self, part, strict=True):
            whole[index] = new


class _Point(NamedTuple):
    """The plan diag(w) P diag(v) at log v = delta; its rows sum to a."""

    delta: Tensor  # (B, m)
    v: Tensor  # (B, m)
    z: Tensor  # (B, n), P v
    w: Tensor  # (B, n), a / z
    columns: Tensor  # (B, m), column sums
    gradient: Tensor  # (B, m), of the semi-dual: b - columns
    error: Tensor  # (B,), its L1 norm

    def gain(self, a: Tensor, b: Tensor) -> Tensor:
        """The semi-dual's gain over reg since the last absorption, (B,)."""
        return (b * self.delta).sum(1) - (a * self.z.log()).sum(1)


def newton(
    problem: LinearProblem,
    max_iter: int,
    settings: NewtonSettings = NEWTON,
    radius: Tensor | None = None,
) -> LinearSolution:
    """Maximise the semi-dual until every error is below its tolerance."""
    cost, a, b, reg, potential, tol = problem
    kernel = torch.addcdiv(b.log()[:, None, :], cost, reg[:, None, None], value=-1)  # (B, n, m)
    g = potential / reg[:, None]
    plan = torch.empty_like(cost)  # before it is filled at the end, room for intermediate results
    scaling, at = _absorb(kernel, g, a, b, plan)
    radius = torch.full_like(reg, settings.initial_radius) if radius is None else radius
    least = settings.underflow_share * b
    todo = at.error > tol
    while max_iter > 0 and most_of(todo):
        max_iter -= 1
        starved = (at.columns < least).any(1) & todo
        at, radius = _step(scaling, at, radius, todo & ~starved, problem, plan, settings)
        if any_of((at.delta.abs().amax(1) > settings.absorption_threshold).logical_or_(starved)):
            g = g + at.delta
            if any_of(starved):
                g = torch.where(starved[:, None], _log_sinkhorn(kernel, g, a, b), g)
            scaling, at = _absorb(kernel, g, a, b, plan)
        todo = at.error > tol
    torch.mul(scaling, at.v[:, None, :], out=plan).mul_(at.w[:, :, None])
    solution = LinearSolution(plan, (g + at.delta) * reg[:, None], at.error)
    if max_iter > 0 and any_of(todo):  # most problems are solved: the others go on alone
        left = indices(todo)
        rest = problem._replace(potential=solution.potential).take(left)
        solution.replace(left, newton(rest, max_iter, settings, radius[left]))
    return solution


def _absorb(kernel: Tensor, g: Tensor, a: Tensor, b: Tensor, room: Tensor) -> tuple[Tensor, _Point]:
    """The row-normalised kernel P at `g`, (B, n, m), and the point there."""
    scaling = torch.softmax(torch.add(kernel, g[:, None, :], out=room), -1)
    columns = times(a, scaling)
    gradient = b - columns
    one_a, one_b = torch.ones_like(a), torch.ones_like(b)
    point = _Point(torch.zeros_like(b), one_b, one_a, a, columns, gradient, gradient.abs().sum(1))
    return scaling, point


def _evaluate(scaling: Tensor, delta: Tensor, a: Tensor, b: Tensor) -> _Point:
    v = delta.exp()
    z = times(v, scaling.mT).clamp_min(SMALLEST_DIVISOR)  # (B, n)
    w = a / z
    columns = v * times(w, scaling)
    gradient = b - columns
    return _Point(delta, v, z, w, columns, gradient, gradient.abs().sum(1))


def _step(
    scaling: Tensor,
    at: _Point,
    radius: Tensor,
    todo: Tensor,
    problem: LinearProblem,
    room: Tensor,
    settings: NewtonSettings,
) -> tuple[_Point, Tensor]:
    """One globalised Newton step of the problems in `todo`, and the new trust radius.

    `room`, (B, n, m), is overwritten.
    """
    a, b = problem.a, problem.b
    direction = _direction(scaling, at, radius, todo, a, b, room, settings)
    length = direction.abs().amax(1)
    step = (radius / length.clamp_min(SMALLEST_DIVISOR)).clamp_max(1.0)
    new = _evaluate(scaling, torch.addcmul(at.delta, step[:, None], direction), a, b)
    grown = torch.where(length > radius, settings.radius_growth * radius, radius)
    grown = grown.clamp_max(settings.max_radius)
    # Either test will do: the error may stand still on the way to a far solution, and the value
    # drowns in rounding close to it.
    doubtful = todo & ~(new.error < torch.maximum(settings.error_reduction * at.error, problem.tol))
    if not any_of(doubtful):
        return new, grown
    promised = step * (at.gradient * direction).sum(1)
    failed = doubtful & ~(new.gain(a, b) - at.gain(a, b) > settings.sufficient_gain * promised)
    if not any_of(failed):
        return new, grown
    safe = _sinkhorn(scaling, at, a, b, settings.sinkhorn_steps)
    new = _evaluate(scaling, torch.where(failed[:, None], safe, new.delta), a, b)
    shrunk = (settings.radius_shrinkage * step * length).clamp_min(settings.min_radius)
    return new, torch.where(failed, shrunk, grown)


def _direction(
    scaling: Tensor,
    at: _Point,
    radius: Tensor,
    todo: Tensor,
    a: Tensor,
    b: Tensor,
    room: Tensor,
    settings: NewtonSettings,
) -> Tensor:
    """Newton's direction, (B, m), zero for the problems that are not in `todo`."""
    scale = at.columns.clamp_min(SMALLEST_DIVISOR).rsqrt()[:, None, :]
    A = torch.mul(scaling, at.v[:, None, :] * scale, out=room)
    A.mul_((a.sqrt() / at.z)[:, :, None])
    residual = at.gradient[:, None, :] * scale
    d = conjugate_gradients(
        A, residual, scale, radius[:, None, None], todo[:, None, None], settings
    )[:, 0]
    return d - (d * b).sum(1, keepdim=True)  # potentials are defined up to a constant


def _sinkhorn(scaling: Tensor, at: _Point, a: Tensor, b: Tensor, n_steps: int) -> Tensor:
    """Sinkhorn's iteration: slow, but it cannot fail. Returns log v, (B, m)."""
    w = at.w
    for _ in range(n_steps):
        v = b / times(w, scaling).clamp_min(SMALLEST_DIVISOR)
        w = a / times(v, scaling.mT).clamp_min(SMALLEST_DIVISOR)
    return torch.where(b > 0, v.log(), 0.0)


def _log_sinkhorn(kernel: Tensor, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """One step of Sinkhorn's iteration in log domain, after which no column starves. Returns g."""
    log_rows = a.log() - (kernel + g[:, None, :]).logsumexp(2)
    log_columns = (kernel + log_rows[:, :, None]).logsumexp(1)
    return torch.where(b > 0, b.log() - log_columns, 0.0)


def indices(mask: Tensor) -> Tensor:
    """The problems that `mask`, a boolean (B,), holds for.

    A GPU is waited for once, here, instead of with every tensor that is indexed with the mask.
    """
    return mask.nonzero(as_tuple=True)[0]


def times(x: Tensor, matrices: Tensor) -> Tensor:
    """Each vector (B, n) times its matrix (B, n, m).

    The vector stands on the left, even where that takes a transposed matrix: on CPUs batched
    products with a single column are ten times slower than those with a single row.
    """
    return torch.bmm(x.unsqueeze(1), matrices).squeeze(1)
