"""Unbalanced linear problems: Newton steps on the semi-dual, in a trust region.

For plans P of mass one, with row sums p and column sums q, the problem is

    min  <cost, P> + rho_a KL(p | a) + rho_b KL(q | b) + reg KL(P | ab').

Given a column potential g the best plan has a closed form. With theta = reg / (rho_a + reg),

    z_i = sum_j b_j exp((g_j - cost_ij) / reg),    p_i ~ a_i z_i^theta,
    P_ij = p_i b_j exp((g_j - cost_ij) / reg) / z_i,

and g maximises a smooth concave function whose gradient is t - q, where t_j ~ b_j exp(-g_j / rho_b)
is the target of the column sums. The function is invariant to a constant added to g, which is the
direction in which Sinkhorn's iteration for unbalanced transport is slow (Séjourné, Vialard, Peyré
2022). At infinite penalties it is the semi-dual of `balanced.py`.

References
----------
.. [1] :cite:t:`sejourne2022`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.linear.annealing import AnnealingBudget, solve_annealed
from skgw.solvers.linear.conjugate_gradients import SMALLEST_DIVISOR
from skgw.solvers.linear.newton_cg import LinearSolution
from skgw.solvers.linear.trust_region import newton_step
from skgw.solvers.settings import NEWTON, NewtonSettings
from skgw.solvers.subnormals import flush_subnormals

MIN_SHARE = 1e-20  # smallest theta and beta: the limit of infinite penalties, up to rounding
MAX_SHARE = 1e6  # largest beta: the limit of no penalty


class UnbalancedLinearProblem(NamedTuple):
    """A batch of problems, as in `solve_unbalanced_linear`."""

    cost: Tensor  # (B, n, m)
    a: Tensor  # (B, n)
    b: Tensor  # (B, m)
    reg: Tensor  # (B,)
    rho_a: Tensor  # (B,)
    rho_b: Tensor  # (B,)
    potential: Tensor  # (B, m), the start
    tol: Tensor  # (B,)

    def take(self, index: Tensor) -> UnbalancedLinearProblem:
        """The problems at `index`, integers."""
        return UnbalancedLinearProblem(*(field[index] for field in self))

    def at(self, reg: Tensor, tol: Tensor, potential: Tensor) -> UnbalancedLinearProblem:
        """The same problems at another level, from another potential."""
        return self._replace(reg=reg, tol=tol, potential=potential)


class UnbalancedPlan(NamedTuple):
    """The plan that belongs to a column potential."""

    potential: Tensor  # (B, m), over reg
    plan: Tensor  # (B, n, m)
    rows: Tensor  # (B, n), row sums
    columns: Tensor  # (B, m), column sums
    target: Tensor  # (B, m), column sums that the penalty asks for at this potential
    gradient: Tensor  # (B, m), target - columns
    error: Tensor  # (B,), L1 norm of the gradient
    log_z: Tensor  # (B, n)


class UnbalancedDual(NamedTuple):
    """The semi-dual of a batch of unbalanced problems; potentials and costs over reg."""

    kernel: Tensor  # (B, n, m), log b - cost / reg
    a: Tensor  # (B, n)
    b: Tensor  # (B, m)
    theta: Tensor  # (B, 1), reg / (rho_a + reg)
    beta: Tensor  # (B, 1), reg / rho_b

    def evaluate(self, potential: Tensor) -> UnbalancedPlan:
        """The plan at a potential over reg."""
        scores = self.kernel + potential[:, None, :]
        log_z = scores.logsumexp(2)  # (B, n)
        rows = torch.softmax(self.a.log() + self.theta * log_z, 1)
        plan = flush_subnormals(scores.sub_((log_z - rows.log())[:, :, None]).exp_())
        columns = plan.sum(1)
        target = torch.softmax(self.b.log() - self.beta * potential, 1)
        gradient = target - columns
        error = gradient.abs().sum(1)
        return UnbalancedPlan(potential, plan, rows, columns, target, gradient, error, log_z)

    def value(self, at: UnbalancedPlan) -> Tensor:
        """The semi-dual over reg, (B,)."""
        of_rows = log_mean(self.a, at.log_z, self.theta)
        return -of_rows - log_mean(self.b, -at.potential, self.beta)

    def curvature(self, at: UnbalancedPlan) -> tuple[Tensor, Tensor]:
        """A and s of `ConcaveDual.curvature`.

        H = diag(q + beta t) - (1 - theta) P' diag(1/p) P - theta qq' - beta tt': the last two terms
        are two more rows of A.
        """
        q, t = at.columns, at.target
        scale = (q + self.beta * t).clamp_min(SMALLEST_DIVISOR).rsqrt()  # (B, m)
        inner = ((1 - self.theta) / at.rows.clamp_min(SMALLEST_DIVISOR)).sqrt()  # (B, n)
        of_q, of_t = self.theta.sqrt() * q, self.beta.sqrt() * t
        A = torch.cat([inner[:, :, None] * at.plan, of_q[:, None, :], of_t[:, None, :]], 1)
        return A.mul_(scale[:, None, :]), scale[:, None, :]

    def fallback(self, at: UnbalancedPlan) -> Tensor:
        """The best column potential for the row potential at `at`, up to a constant."""
        scaling = (at.rows.log() - at.log_z)[:, :, None]
        log_columns = (self.kernel + scaling).logsumexp(1)  # at potential 0
        g = (self.b.log() - log_columns) / (1 + self.beta)
        return torch.where(self.b > 0, g, 0.0)


def solve_unbalanced_linear(
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
    budget: AnnealingBudget | None = None,
) -> LinearSolution:
    """Solve a batch of unbalanced linear problems.

    Parameters
    ----------
    cost : Tensor of shape (B, n, m)
    a, b : Tensor of shapes (B, n) and (B, m)
        Reference marginals, of mass one.
    reg : Tensor of shape (B,)
        Weight of the entropy, in units of the cost.
    rho_a, rho_b : Tensor of shape (B,)
        Penalties of the marginals, in units of the cost: zero leaves a marginal free, infinity
        fixes it.
    potential : Tensor of shape (B, m)
        Column potential of the start, in units of the cost.
    tol : Tensor of shape (B,)
        L1 distance between the column sums and their target, at which a problem stops. Row sums
        are exact.
    max_iter : int
        Newton steps at `reg`, as in `solve_linear`.
    settings : NewtonSettings
    budget : AnnealingBudget, optional
        Levels that may still be taken, which are subtracted; no limit by default.

    Returns
    -------
    LinearSolution
        `error` is the distance of the column sums from their target.
    """
    problem = UnbalancedLinearProblem(cost, a, b, reg, rho_a, rho_b, potential, tol)
    return solve_annealed(problem, max_iter, _newton, settings, budget)


def _newton(
    problem: UnbalancedLinearProblem, max_iter: int, settings: NewtonSettings
) -> LinearSolution:
    """Maximise the semi-dual until every error is below its tolerance."""
    cost, a, b, reg, rho_a, rho_b, potential, tol = problem
    kernel = b.log()[:, None, :] - cost / reg[:, None, None]
    theta = (reg / (rho_a + reg)).clamp_min(MIN_SHARE)[:, None]
    beta = (reg / rho_b).clamp(MIN_SHARE, MAX_SHARE)[:, None]
    dual = UnbalancedDual(kernel, a, b, theta, beta)
    at = dual.evaluate(potential / reg[:, None])
    radius = torch.full_like(reg, settings.initial_radius)
    for _ in range(max_iter):
        todo = at.error > tol
        if not todo.any():
            break
        at, radius = newton_step(dual, at, radius, todo, tol, settings)
    return LinearSolution(at.plan, at.potential * reg[:, None], at.error)


def row_potential(
    cost: Tensor, a: Tensor, b: Tensor, reg: Tensor, rho_a: Tensor, potential: Tensor
) -> Tensor:
    """The f, (B, n), for which the plan is a_i b_j exp((f_i + g_j - cost_ij) / reg)."""
    scores = (potential[:, None, :] - cost) / reg[:, None, None] + b.log()[:, None, :]
    log_z = scores.logsumexp(2)
    shares = (reg / (rho_a + reg))[:, None] * log_z
    return reg[:, None] * (shares - (a.log() + shares).logsumexp(1, keepdim=True) - log_z)


def log_mean(weights: Tensor, x: Tensor, t: Tensor) -> Tensor:
    """log(sum_i w_i exp(t x_i)) / t for weights (B, n) of sum one; the mean of x at t = 0."""
    x = torch.where(weights > 0, x, -torch.inf)
    top = x.amax(1, keepdim=True)
    mean = (weights * torch.expm1(t * (x - top))).sum(1, keepdim=True)
    return (top + torch.log1p(mean) / t)[:, 0]
