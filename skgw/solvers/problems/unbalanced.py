"""The quadratic objective on plans of any marginals, for unbalanced and partial problems.

The double-centred form of `quadratic.py` holds on the couplings of two given weights only. On all
plans P of mass one, with row sums p, column sums q, and L = f1 + f2 - h1 h2, the objective is

    E(P) = sum_ijkl ((1 - alpha) M_ij + alpha L(Ca_ik, Cb_jl)) P_ij P_kl
         = (1 - alpha) <M, P> + alpha (p'f1 p + q'f2 q - <h1 P h2, P>).

It is quadratic in the plan, so that E(m P) = m^2 E(P): the solvers work on P, and multiply by the
mass m at the end. Of directed spaces the symmetric parts of f1, f2, h1 and h2 count, and the skew
parts of h1 and h2 where both spaces are directed, see `directed`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.directed import (
    any_directed,
    is_doubled,
    left_kernel,
    right_kernel,
    skew_part,
    symmetric_part,
    two_products,
)
from skgw.solvers.inputs import Inputs
from skgw.solvers.problems.quadratic import Loss, split_loss


class UnbalancedProblem(NamedTuple):
    """E on plans of mass one, with reference marginals `a`, `b` and their penalties.

    Each field but the first has a leading batch axis.
    """

    alpha: float
    f1: Tensor  # (B, n, n)
    f2: Tensor  # (B, m, m)
    h1: Tensor  # (B, n, n); (B, n, 2n) of directed spaces
    h2: Tensor  # (B, m, m); (B, 2m, m) of directed spaces
    offset: Tensor  # (B, n, m)
    constant: Tensor  # (B,)
    a: Tensor  # (B, n)
    b: Tensor  # (B, m)
    rho_a: Tensor  # (B,), penalty of the row sums; zero in partial problems
    rho_b: Tensor  # (B,)

    def gradient(self, plan: Tensor) -> Tensor:
        """Linearised cost at `plan`, (B, n, m)."""
        rows = torch.bmm(self.f1, plan.sum(2)[:, :, None])  # (B, n, 1)
        columns = torch.bmm(plan.sum(1)[:, None, :], self.f2)  # (B, 1, m)
        if is_doubled(self.h1):
            cross = two_products(self.h1, plan, self.h2)
        else:
            cross = torch.bmm(torch.bmm(self.h1, plan), self.h2)
        return self.offset + 2 * self.alpha * (rows + columns - cross)

    def take(self, index: Tensor) -> UnbalancedProblem:
        """The problems of the batch at `index`, a boolean or integer (B,)."""
        return UnbalancedProblem(self.alpha, *(field[index] for field in self[1:]))


def unbalanced_problem(
    inputs: Inputs, rho_a: Tensor, rho_b: Tensor, *, loss: str, alpha: float
) -> UnbalancedProblem:
    """Set up E for validated inputs and absolute penalties (B,)."""
    parts = split_loss(inputs.Ca, inputs.Cb, loss)
    if any_directed(inputs.Ca, inputs.Cb):
        parts = _by_parts(parts)
    linear = inputs.Ca.new_zeros(()) if inputs.M is None else (1 - alpha) * inputs.M
    offset = linear.expand(len(rho_a), inputs.a.shape[1], inputs.b.shape[1])
    constant = torch.zeros_like(rho_a)
    return UnbalancedProblem(alpha, *parts, offset, constant, inputs.a, inputs.b, rho_a, rho_b)


def _by_parts(parts: Loss) -> Loss:
    """The parts of the loss between directed spaces."""
    f1, f2, h1, h2 = map(symmetric_part, parts)
    skew_a, skew_b = skew_part(parts.h1), skew_part(parts.h2)
    if skew_a.any() and skew_b.any():
        h1, h2 = left_kernel(h1, skew_a), right_kernel(h2, skew_b)
    return Loss(f1, f2, h1, h2)
