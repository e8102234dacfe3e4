"""Balanced linear problems: Newton steps on the semi-dual, in a trust region.

Between two evaluations of the exponential the plan is kept as diag(w) P diag(v), where P is the
row-normalised kernel at the last absorption (Schmitzer 2019). Trial steps, values of the semi-dual
and Sinkhorn iterations then cost two matrix-vector products each. Scalings are absorbed before
they over- or underflow.

References
----------
.. [1] :cite:t:`schmitzer2019`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.linear.conjugate_gradients import SMALLEST_DIVISOR
from skgw.solvers.linear.trust_region import newton_step
from skgw.solvers.settings import NEWTON, NewtonSettings
from skgw.solvers.subnormals import flush_subnormals
from skgw.solvers.synchronisation import any_of, most_of


class LinearProblem(NamedTuple):
    """Minimise <cost, T> - reg H(T) over couplings T of a and b; a batch, as in `solve_linear`."""

    cost: Tensor  # (B, n, m)
    a: Tensor  # (B, n)
    b: Tensor  # (B, m)
    reg: Tensor  # (B,)
    potential: Tensor  # (B, m), the start
    tol: Tensor  # (B,)

    def take(self, index: Tensor) -> LinearProblem:
        """The problems at `index`, integers."""
        return LinearProblem(*(field[index] for field in self))

    def at(self, reg: Tensor, tol: Tensor, potential: Tensor) -> LinearProblem:
        """The same problems at another level, from another potential."""
        return self._replace(reg=reg, tol=tol, potential=potential)


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


class ScaledPlan(NamedTuple):
    """The plan diag(w) P diag(v) at log v = potential; its rows sum to a."""

    potential: Tensor  # (B, m), over reg, relative to the last absorption
    v: Tensor  # (B, m)
    z: Tensor  # (B, n), P v
    w: Tensor  # (B, n), a / z
    columns: Tensor  # (B, m), column sums
    gradient: Tensor  # (B, m), of the semi-dual: b - columns
    error: Tensor  # (B,), L1 norm of the gradient


class BalancedDual(NamedTuple):
    """The semi-dual of a batch of balanced problems, relative to the last absorption."""

    scaling: Tensor  # (B, n, m), P
    a: Tensor  # (B, n)
    b: Tensor  # (B, m)
    n_sinkhorn: int  # iterations of the fallback
    workspace: Tensor  # (B, n, m), overwritten

    def evaluate(self, potential: Tensor) -> ScaledPlan:
        """The plan at a potential over reg."""
        v = potential.exp()
        z = times(v, self.scaling.mT).clamp_min(SMALLEST_DIVISOR)  # (B, n)
        w = self.a / z
        columns = v * times(w, self.scaling)
        gradient = self.b - columns
        return ScaledPlan(potential, v, z, w, columns, gradient, gradient.abs().sum(1))

    def value(self, at: ScaledPlan) -> Tensor:
        """Gain over reg since the last absorption, (B,)."""
        return (self.b * at.potential).sum(1) - (self.a * at.z.log()).sum(1)

    def curvature(self, at: ScaledPlan) -> tuple[Tensor, Tensor]:
        """A and s of `ConcaveDual.curvature`; A is in the workspace."""
        scale = at.columns.clamp_min(SMALLEST_DIVISOR).rsqrt()[:, None, :]
        A = torch.mul(self.scaling, at.v[:, None, :] * scale, out=self.workspace)
        A.mul_((self.a.sqrt() / at.z)[:, :, None])
        return A, scale

    def fallback(self, at: ScaledPlan) -> Tensor:
        """Sinkhorn iterations: slow, but they cannot fail."""
        w = at.w
        for _ in range(self.n_sinkhorn):
            v = self.b / times(w, self.scaling).clamp_min(SMALLEST_DIVISOR)
            w = self.a / times(v, self.scaling.mT).clamp_min(SMALLEST_DIVISOR)
        return torch.where(self.b > 0, v.log(), 0.0)


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
    plan = torch.empty_like(cost)  # a workspace until the end
    dual, at = _absorb(kernel, g, a, b, plan, settings)
    radius = torch.full_like(reg, settings.initial_radius) if radius is None else radius
    least = settings.underflow_share * b
    todo = at.error > tol
    while max_iter > 0 and most_of(todo):
        max_iter -= 1
        underflow = (at.columns < least).any(1) & todo
        at, radius = newton_step(dual, at, radius, todo & ~underflow, tol, settings)
        is_far = at.potential.abs().amax(1) > settings.absorption_threshold
        if any_of(is_far.logical_or_(underflow)):
            g = g + at.potential
            if any_of(underflow):
                g = torch.where(underflow[:, None], _log_sinkhorn(kernel, g, a, b), g)
            dual, at = _absorb(kernel, g, a, b, plan, settings)
        todo = at.error > tol
    torch.mul(dual.scaling, at.v[:, None, :], out=plan).mul_(at.w[:, :, None])
    flush_subnormals(plan)
    solution = LinearSolution(plan, (g + at.potential) * reg[:, None], at.error)
    if max_iter > 0 and any_of(todo):  # most problems are solved: the others continue alone
        left = indices(todo)
        rest = problem._replace(potential=solution.potential).take(left)
        solution.replace(left, newton(rest, max_iter, settings, radius[left]))
    return solution


def _absorb(
    kernel: Tensor, g: Tensor, a: Tensor, b: Tensor, workspace: Tensor, settings: NewtonSettings
) -> tuple[BalancedDual, ScaledPlan]:
    """The semi-dual relative to `g`, and the plan at `g`."""
    scaling = flush_subnormals(torch.softmax(torch.add(kernel, g[:, None, :], out=workspace), -1))
    columns = times(a, scaling)
    gradient = b - columns
    ones_a, ones_b = torch.ones_like(a), torch.ones_like(b)
    at = ScaledPlan(
        torch.zeros_like(b), ones_b, ones_a, a, columns, gradient, gradient.abs().sum(1)
    )
    return BalancedDual(scaling, a, b, settings.sinkhorn_steps, workspace), at


def _log_sinkhorn(kernel: Tensor, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """One Sinkhorn iteration in log domain, after which no column underflows. Returns g."""
    log_rows = a.log() - (kernel + g[:, None, :]).logsumexp(2)
    log_columns = (kernel + log_rows[:, :, None]).logsumexp(1)
    return torch.where(b > 0, b.log() - log_columns, 0.0)


def indices(mask: Tensor) -> Tensor:
    """The problems for which `mask`, a boolean (B,), holds.

    One host-device synchronisation, instead of one for each tensor that is indexed by the mask.
    """
    return mask.nonzero(as_tuple=True)[0]


def times(x: Tensor, matrices: Tensor) -> Tensor:
    """Each vector (B, n) times its matrix (B, n, m).

    The vector stands on the left, with a transposed matrix if need be: on CPUs batched products
    with a single column are ten times slower than products with a single row.
    """
    return torch.bmm(x.unsqueeze(1), matrices).squeeze(1)
