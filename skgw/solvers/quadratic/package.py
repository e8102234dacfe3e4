"""Public results from solutions of a batch, and the warning of the problems that failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from skgw.exceptions import GWConvergenceWarning, warn_user
from skgw.solvers.inputs import Inputs
from skgw.solvers.lazy_plan import LazyPlan
from skgw.solvers.quadratic.descent import CONVERGED, STATUS, Solution
from skgw.solvers.quadratic.envelope import envelope_value
from skgw.solvers.result import GromovResult, StartsReport, State

BUDGETS = {
    "max_iter": "the outer steps ran out: raise max_iter, tol or reg",
    "inner": "the Newton steps of the linear problem ran out: raise tol or reg",
    "non_finite": "the values overflowed: rescale the matrices or raise reg",
}


def differentiable(energy: Tensor, plan: Tensor, inputs: Inputs, alpha: float, loss: str) -> Tensor:
    """`energy` (B,), with its envelope gradient in the inputs that require a gradient."""
    matrices = (inputs.Ca, inputs.Cb, inputs.M)
    if not any(x is not None and x.requires_grad for x in matrices):
        return energy
    return envelope_value(*matrices, energy, plan, alpha, loss)


def package(
    *,
    plan: Tensor | LazyPlan,
    value: Tensor,
    value_quad: Tensor,
    potentials: tuple[Tensor, Tensor],
    marginals: tuple[Tensor, Tensor],
    marginal_error: Tensor,
    status: Tensor,
    n_iter: Tensor,
    reg: Tensor,
    tol: Tensor,
    cost: Tensor,
    restore: Callable[[Tensor], Any],
    starts: StartsReport | None = None,
) -> GromovResult:
    """The result in the kind of the input, from tensors with a batch axis."""
    names = tuple(STATUS[k] for k in status.tolist())
    is_batch = restore(reg).ndim > 0
    f, g = map(restore, potentials)
    rows, columns = map(restore, marginals)
    return GromovResult(
        plan=restore(plan) if isinstance(plan, Tensor) else plan,
        value=restore(value),
        value_quad=restore(value_quad),
        potentials=(f, g),
        marginals=(rows, columns),
        marginal_error=restore(marginal_error),
        converged=restore(status == CONVERGED) if is_batch else bool(status[0] == CONVERGED),
        status=names if is_batch else names[0],
        n_iter=restore(n_iter) if is_batch else int(n_iter[0]),
        reg=restore(reg),
        tol=restore(tol),
        state=State(restore(cost), g),
        starts=starts,
    )


def package_solution(
    s: Solution,
    inputs: Inputs,
    *,
    plan: Tensor,
    value: Tensor,
    value_quad: Tensor,
    row_potential: Tensor,
    reg: Tensor,
    tol: Tensor,
    starts: StartsReport | None = None,
) -> GromovResult:
    """The result of a dense solution, whose `plan` may be of another mass."""
    return package(
        plan=plan, value=value, value_quad=value_quad, potentials=(row_potential, s.potential),
        marginals=(plan.sum(2), plan.sum(1)), marginal_error=s.error, status=s.status,
        n_iter=s.n_iter, reg=reg, tol=tol, cost=s.cost, restore=inputs.restore, starts=starts,
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
    loss: str,
    alpha: float,
) -> GromovResult:
    """The result of a solution of mass one, for the plan of `mass` (B,).

    Its value is the transport cost, which depends on the matrices, plus `penalty` (B,), which does
    not.
    """
    cost = mass**2 * differentiable(s.energy, s.plan, inputs, alpha, loss)
    return package_solution(
        s, inputs,
        plan=mass[:, None, None] * s.plan, value=cost + penalty, value_quad=mass**2 * s.energy,
        row_potential=row_potential, reg=reg, tol=tol,
    )  # fmt: skip


def warn_if_not_converged(*results: GromovResult) -> None:
    """Warn once for all `results`, naming the budgets that ran out."""
    status = [s for r in results for s in ([r.status] if isinstance(r.status, str) else r.status)]
    if any(s != "converged" for s in status):
        warn_of(status, max(float(r.tol.max()) for r in results))


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
