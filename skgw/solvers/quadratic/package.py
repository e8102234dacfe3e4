"""Public results from solutions of a batch, and the warning of the problems that failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from skgw.exceptions import GWConvergenceWarning, warn_user
from skgw.solvers.inputs import Inputs
from skgw.solvers.lazy_plan import LazyPlan
from skgw.solvers.quadratic.descent import CONVERGED, STATUS, Solution
from skgw.solvers.result import GromovResult, StartsReport, State

BUDGETS = {
    "max_iter": "the outer steps ran out: raise max_iter, tol or reg",
    "inner": "the Newton steps of the linear problem ran out: raise tol or reg",
    "non_finite": "the values overflowed: rescale the matrices or raise reg",
    "precision": "the dtype does not resolve tol at this reg: use float64, or raise reg or tol",
    "empty": "the penalties leave a plan without mass: raise unbalanced or reg",
}


def package(
    *,
    plan: Tensor | LazyPlan,
    value: Tensor,
    value_linear: Tensor,
    value_quad: Tensor,
    potentials: tuple[Tensor, Tensor],
    marginals: tuple[Tensor, Tensor],
    marginal_error: Tensor,
    status: Tensor,
    n_iter: Tensor,
    reg: Tensor,
    tol: Tensor,
    gradient: Tensor,
    restore: Callable[[Tensor], Any],
    starts: StartsReport | None = None,
) -> GromovResult:
    """The result in the kind of the input, from tensors with a batch axis.

    `gradient` is the linearised cost at the plan.
    """
    names = tuple(STATUS[k] for k in status.tolist())
    is_batch = restore(reg).ndim > 0
    f, g = map(restore, potentials)
    rows, columns = map(restore, marginals)
    return GromovResult(
        plan=restore(plan) if isinstance(plan, Tensor) else plan,
        value=restore(value),
        value_linear=restore(value_linear),
        value_quad=restore(value_quad),
        potentials=(f, g),
        marginals=(rows, columns),
        marginal_error=restore(marginal_error),
        converged=restore(status == CONVERGED) if is_batch else bool(status[0] == CONVERGED),
        status=names if is_batch else names[0],
        n_iter=restore(n_iter) if is_batch else int(n_iter[0]),
        reg=restore(reg),
        tol=restore(tol),
        state=State(restore(gradient), g),
        starts=starts,
    )


def package_solution(
    s: Solution,
    inputs: Inputs,
    *,
    plan: Tensor,
    value: Tensor,
    cost: Tensor,
    row_potential: Tensor,
    reg: Tensor,
    tol: Tensor,
    alpha: float,
    mass: Tensor | float = 1.0,
    starts: StartsReport | None = None,
) -> GromovResult:
    """The result of a dense solution, whose `plan` and `cost` (B,) may be of another `mass`."""
    linear = mass * _linear_cost(plan, inputs.M, alpha)
    linear = cost if alpha == 0 else linear
    return package(
        plan=plan, value=value, value_linear=linear, value_quad=(cost - linear).clamp_min(0.0),
        potentials=(row_potential, s.potential), marginals=(plan.sum(2), plan.sum(1)),
        marginal_error=s.error, status=s.status, n_iter=s.n_iter, reg=reg, tol=tol,
        gradient=s.cost, restore=inputs.restore, starts=starts,
    )  # fmt: skip


def package_unbalanced(
    s: Solution,
    inputs: Inputs,
    *,
    mass: Tensor,
    penalty: Tensor,
    row_potential: Tensor,
    reg: Tensor,
    tol: Tensor,
    alpha: float,
) -> GromovResult:
    """The result of a solution of mass one, for the plan of `mass` (B,).

    Its value is the cost of the plan plus `penalty` (B,).
    """
    cost = mass**2 * s.energy
    return package_solution(
        s, inputs,
        plan=mass[:, None, None] * s.plan, value=cost + penalty, cost=cost,
        row_potential=row_potential, reg=reg, tol=tol, alpha=alpha, mass=mass,
    )  # fmt: skip


def _linear_cost(plan: Tensor, M: Tensor | None, alpha: float) -> Tensor:
    """(1 - alpha) <M, T>, (B,)."""
    if M is None:
        return plan.new_zeros(len(plan))
    return (1 - alpha) * (M * plan).sum((1, 2))


def warn_if_not_converged(*results: GromovResult, tol: float | None) -> None:
    """Warn once for all `results`, naming the explicit `tol` and the budgets that ran out."""
    status = [s for r in results for s in ([r.status] if isinstance(r.status, str) else r.status)]
    if any(s != "converged" for s in status):
        warn_of(status, tol or max(float(r.tol.max()) for r in results))


def warn_of(status: list[str], tol: float) -> None:
    """Warn once, if one of the problems has not converged."""
    failed = [s for s in status if s != "converged"]
    if failed:
        reasons = "; ".join(BUDGETS[s] for s in sorted(set(failed)))
        warn_user(
            f"{len(failed)} of {len(status)} Gromov-Wasserstein problems did not converge "
            f"to tol={tol:.1e} ({reasons}).",
            GWConvergenceWarning,
        )
