"""From what a solver ends with to the public result, and to a warning."""

from __future__ import annotations

from torch import Tensor

from skgw.exceptions import GWConvergenceWarning, warn_user
from skgw.solvers.inputs import Inputs
from skgw.solvers.quadratic.descent import CONVERGED, STATUS, Solution
from skgw.solvers.quadratic.envelope import envelope_value
from skgw.solvers.result import GromovResult, StartsReport, State

BUDGETS = {
    "max_iter": "the outer steps ran out: raise max_iter, tol or reg",
    "inner": "the Newton steps of the linear problem ran out: raise tol or reg",
    "non_finite": "the values overflowed: rescale the matrices or raise reg",
}


def differentiable(energy: Tensor, plan: Tensor, inputs: Inputs, alpha: float, loss: str) -> Tensor:
    """`energy` (B,), with its gradient in those of the inputs that require one."""
    matrices = (inputs.Ca, inputs.Cb, inputs.M)
    if not any(x is not None and x.requires_grad for x in matrices):
        return energy
    return envelope_value(*matrices, energy, plan, alpha, loss)


def package(
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
    """The result, in the kind of the input; what is not given is taken from the solution."""
    out = inputs.restore
    names = tuple(STATUS[k] for k in s.status.tolist())
    is_batch = out(reg).ndim > 0
    converged = out(s.status == CONVERGED)
    return GromovResult(
        plan=out(plan),
        value=out(value),
        value_quad=out(value_quad),
        potentials=(out(row_potential), out(s.potential)),
        marginals=(out(plan.sum(2)), out(plan.sum(1))),
        marginal_error=out(s.error),
        converged=converged if is_batch else bool(converged),
        status=names if is_batch else names[0],
        n_iter=out(s.n_iter) if is_batch else int(s.n_iter[0]),
        reg=out(reg),
        tol=out(tol),
        state=State(out(s.cost), out(s.potential)),
        starts=starts,
    )


def package_relaxed(
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
    """The public result of a solution of mass one.

    The objective is the transport cost of the plan that has `mass` (B,), and `penalty` (B,): the
    latter holds all that does not depend on the matrices.
    """
    cost = mass**2 * differentiable(s.energy, s.plan, inputs, alpha, loss)
    return package(
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
