"""What problems with relaxed marginals share: their objective and their result.

The double-centred form of `quadratic.py` holds on the couplings of two given weights only. On all
plans P of mass one, with row sums p, column sums q, and L = f1 + f2 - h1 h2, the objective is

    E(P) = sum_ijkl ((1 - alpha) M_ij + alpha L(Ca_ik, Cb_jl)) P_ij P_kl
         = (1 - alpha) <M, P> + alpha (p'f1 p + q'f2 q - <h1 P h2, P>).

It is quadratic in the plan, so that E(m P) = m^2 E(P): the solvers work on P, and the mass m enters
at the end.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers._inputs import Inputs
from skgw.solvers.descent import CONVERGED, STATUS, Solution
from skgw.solvers.envelope import envelope_value
from skgw.solvers.quadratic import split_loss
from skgw.solvers.result import GromovResult, State


class RelaxedProblem(NamedTuple):
    """E on plans of mass one, and the strengths that tie their marginals to `a` and `b`.

    Every field but the first has a leading batch axis.
    """

    alpha: float
    f1: Tensor  # (B, n, n)
    f2: Tensor  # (B, m, m)
    h1: Tensor  # (B, n, n)
    h2: Tensor  # (B, m, m)
    offset: Tensor  # (B, n, m)
    constant: Tensor  # (B,)
    a: Tensor  # (B, n)
    b: Tensor  # (B, m)
    rho_a: Tensor  # (B,), zero where the marginals are free, or bounded by other means
    rho_b: Tensor  # (B,)

    def gradient(self, plan: Tensor) -> Tensor:
        """Linearised cost at `plan`, (B, n, m)."""
        rows = torch.bmm(self.f1, plan.sum(2)[:, :, None])  # (B, n, 1)
        columns = torch.bmm(plan.sum(1)[:, None, :], self.f2)  # (B, 1, m)
        cross = torch.bmm(torch.bmm(self.h1, plan), self.h2)
        return self.offset + 2 * self.alpha * (rows + columns - cross)

    def take(self, index: Tensor) -> RelaxedProblem:
        """The problems of the batch at `index`, a boolean or integer (B,)."""
        return RelaxedProblem(self.alpha, *(field[index] for field in self[1:]))


def relaxed_problem(
    inputs: Inputs, rho_a: Tensor, rho_b: Tensor, *, loss: str, alpha: float
) -> RelaxedProblem:
    """Set up E for validated inputs and absolute strengths (B,)."""
    parts = split_loss(inputs.Ca, inputs.Cb, loss)
    linear = inputs.Ca.new_zeros(()) if inputs.M is None else (1 - alpha) * inputs.M
    offset = linear.expand(len(rho_a), inputs.a.shape[1], inputs.b.shape[1])
    constant = torch.zeros_like(rho_a)
    return RelaxedProblem(alpha, *parts, offset, constant, inputs.a, inputs.b, rho_a, rho_b)


def package(
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
    """The public result, in the kind of the input, of a solution of mass one.

    The objective is the transport cost of the plan that has `mass` (B,), and `penalty` (B,): the
    latter holds all that does not depend on the matrices.
    """
    transport = s.energy
    if any(x is not None and x.requires_grad for x in (inputs.Ca, inputs.Cb, inputs.M)):
        transport = envelope_value(inputs.Ca, inputs.Cb, inputs.M, transport, s.plan, alpha, loss)
    value = mass**2 * transport + penalty
    plan = mass[:, None, None] * s.plan
    out = inputs.restore
    names = tuple(STATUS[k] for k in s.status.tolist())
    is_batch = out(reg).ndim > 0
    converged = out(s.status == CONVERGED)
    return GromovResult(
        plan=out(plan),
        value=out(value),
        value_quad=out(mass**2 * s.energy),
        potentials=(out(row_potential), out(s.potential)),
        marginals=(out(plan.sum(2)), out(plan.sum(1))),
        marginal_error=out(s.error),
        converged=converged if is_batch else bool(converged),
        status=names if is_batch else names[0],
        n_iter=out(s.n_iter) if is_batch else int(s.n_iter[0]),
        reg=out(reg),
        tol=out(tol),
        state=State(out(s.cost), out(s.potential)),
    )
