r"""Derivatives of the optimal value by all that it depends on, at a fixed plan.

By the envelope theorem a minimum has the derivative of the Lagrangian at the solution. Its
multipliers are known from the dual potentials f and g, for which the plan is

    T_ij = a_i b_j exp((f_i + g_j - C_ij) / reg).

The linearised cost C equals the gradient of E up to terms r_i and s_j, constant along a row or a
column. In a balanced problem the derivative of the value by a_i is then

    r_i + f_i + reg log a_i,     r_i = sum_j b_j (dE/dT_ij - C_ij).

Weights sum to one, so that derivatives by weights are defined up to a constant. The derivative by
reg is minus the entropy. Where reg, a penalty, or the shift of the KL loss is relative to the
matrices, the derivative goes on through their scale, by automatic differentiation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.directed import any_directed
from skgw.solvers.inputs import Inputs
from skgw.solvers.precision import full_precision
from skgw.solvers.problems.quadratic import Loss, both_directions, split_loss
from skgw.solvers.quadratic.envelope import envelope_value, given_gradients
from skgw.solvers.result import GromovResult

MIN_PENALTY = 1e-6  # in units of reg: the solver treats smaller penalties alike


class Parameters(NamedTuple):
    """What an objective depends on besides the arrays; tensors may require gradients."""

    reg: Tensor  # (B,)
    rho: tuple[Tensor, Tensor] | None  # (B,) each, of the unbalanced problem
    mass: float | None  # of the partial problem
    loss: str
    alpha: float


class Solved(NamedTuple):
    """The arrays of a result, with a batch axis."""

    plan: Tensor  # (B, n, m)
    cost: Tensor  # (B, n, m), linearised
    f: Tensor  # (B, n)
    g: Tensor  # (B, m)
    reg: Tensor  # (B,)
    value: Tensor  # (B,)
    energy: Tensor  # (B,)


class Slopes(NamedTuple):
    """Derivatives of the value by the weights, reg, and the penalties."""

    a: Tensor  # (B, n)
    b: Tensor  # (B, m)
    reg: Tensor  # (B,)
    rho: tuple[Tensor, ...] = ()  # (B,) each


def needs_gradient(*tensors: Tensor | None) -> bool:
    """Whether one of the tensors requires a gradient, and gradients are recorded."""
    return torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in tensors)


@full_precision()
def differentiable(result: GromovResult, inputs: Inputs, parameters: Parameters) -> GromovResult:
    """`result` with the gradient of its value in the inputs and parameters that require one."""
    Ca, Cb, M, a, b, restore = inputs
    reg, rho, mass, loss, alpha = parameters
    others = (a, b, reg, *(() if rho is None else rho))
    if not needs_gradient(Ca, Cb, M, *others):
        return result
    with torch.no_grad():
        at = _solved(result, inputs)
        total = torch.ones_like(at.reg) if rho is None and mass is None else at.plan.sum((1, 2))
        unit = at.plan / total.clamp_min(torch.finfo(total.dtype).tiny)[:, None, None]
    value = at.value
    if needs_gradient(Ca, Cb, M):
        # E of a plan of any mass is the squared mass times E of the plan of mass one.
        value = value + total**2 * envelope_value(
            Ca, Cb, M, torch.zeros_like(value), unit, alpha, loss
        )
    if needs_gradient(*others):
        with torch.no_grad():
            slopes = _slopes(at, inputs, parameters)
        pairs = zip(others, (slopes.a, slopes.b, slopes.reg, *slopes.rho), strict=True)
        # A slope by an infinite penalty is not finite, and the penalty is a constant.
        used = [(x, s) for x, s in pairs if x.requires_grad and bool(x.isfinite().all())]
        if used:
            value = given_gradients(value, *zip(*used, strict=True))
    return replace(result, value=restore(value))


def _solved(result: GromovResult, inputs: Inputs) -> Solved:
    n_problems, n, m = len(inputs.a), inputs.a.shape[1], inputs.b.shape[1]
    f, g = result.potentials
    return Solved(
        result.plan.reshape(n_problems, n, m), result.state.cost.reshape(n_problems, n, m),
        f.reshape(n_problems, n), g.reshape(n_problems, m),
        *(x.reshape(n_problems) for x in (result.reg, result.value, result.cost)),
    )  # fmt: skip


def _slopes(at: Solved, inputs: Inputs, parameters: Parameters) -> Slopes:
    if parameters.rho is not None:
        return _unbalanced_slopes(at, inputs, parameters.rho)
    by_reg = (at.value - at.energy) / at.reg  # minus the entropy
    f, g = (x + at.reg[:, None] * _log(w) for x, w in ((at.f, inputs.a), (at.g, inputs.b)))
    if parameters.mass is not None:  # C is the gradient of E; plan and weights are over the mass
        return Slopes(parameters.mass * f, parameters.mass * g, by_reg)
    rows, columns = _uncentered(at, inputs, parameters)
    return Slopes(rows + f, columns + g, by_reg)


def _uncentered(at: Solved, inputs: Inputs, parameters: Parameters) -> tuple[Tensor, Tensor]:
    """r (B, n) and s (B, m), for which C_ij + r_i + s_j is the gradient of E, up to a constant."""
    Ca, Cb, M, a, b, _ = inputs
    alpha = parameters.alpha
    parts = split_loss(Ca, Cb, parameters.loss)
    if any_directed(Ca, Cb):
        directions = (_quadratic_means(x, at.plan, a, b) for x in both_directions(parts))
        of_rows, of_columns = (0.5 * (x + y) for x, y in zip(*directions, strict=True))
    else:
        of_rows, of_columns = _quadratic_means(parts, at.plan, a, b)
    rows = 2 * alpha * of_rows - _times(at.cost, b)
    columns = 2 * alpha * of_columns - _times(at.cost.mT, a)
    if M is not None:
        rows = rows + (1 - alpha) * _times(M, b)
        columns = columns + (1 - alpha) * _times(M.mT, a)
    return rows, columns


def _quadratic_means(parts: Loss, plan: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Half of the means of the rows (B, n) and columns (B, m) of the gradient, up to constants."""
    rows = _times(parts.f1, plan.sum(2)) - _times(parts.h1, _times(plan, _times(parts.h2, b)))
    back = _times(plan.mT, _times(parts.h1, a))
    return rows, _times(parts.f2, plan.sum(1)) - _times(parts.h2, back)


def _unbalanced_slopes(at: Solved, inputs: Inputs, rho: tuple[Tensor, Tensor]) -> Slopes:
    """Derivatives of E(T) + rho_a/2 KL2(T1 | a) + rho_b/2 KL2(T'1 | b) + reg/2 KL2(T | ab')."""
    a, b = inputs.a, inputs.b
    mass = at.plan.sum((1, 2))
    scores = (at.f[:, :, None] + at.g[:, None, :] - at.cost) / at.reg[:, None, None]
    rows = torch.logsumexp(scores + b.log()[:, None, :], 2).exp()  # row sums over a, also at a = 0
    columns = torch.logsumexp(scores + a.log()[:, :, None], 1).exp()
    by_a, by_b = (
        mass[:, None] ** 2 * _penalty_slope(potential, weights, penalty, at.reg)
        - (at.reg * mass)[:, None] * ratio
        for potential, weights, penalty, ratio in (
            (at.f, a, rho[0], rows), (at.g, b, rho[1], columns)
        )
    )  # fmt: skip
    p, q = at.plan.sum(2), at.plan.sum(1)
    of_plan = torch.special.xlogy(at.plan, at.plan).sum((1, 2))
    kl_a, kl_b = (torch.special.xlogy(x, x).sum(1) for x in (p, q))
    cross_a, cross_b = ((x * _log(w)).sum(1) for x, w in ((p, a), (q, b)))
    by_reg, *by_rho = (
        mass * inner + 0.5 * (1 - mass**2)  # KL2 / 2
        for inner in (of_plan - cross_a - cross_b, kl_a - cross_a, kl_b - cross_b)
    )
    return Slopes(by_a, by_b, by_reg, tuple(by_rho))


def _penalty_slope(potential: Tensor, weights: Tensor, rho: Tensor, reg: Tensor) -> Tensor:
    """-rho (p_i / a_i - 1), where the penalty holds the marginal p at a exp(-f / rho), (B, n).

    At an infinite penalty it is the potential f. A penalty of zero leaves none.
    """
    centered = potential - (weights * potential).sum(1, keepdim=True)
    exponent = -centered / rho.clamp_min(MIN_PENALTY * reg)[:, None]
    norm = torch.logsumexp(exponent + weights.log(), 1, keepdim=True)
    finite = -rho[:, None] * torch.expm1(exponent - norm)
    return torch.where(rho.isinf()[:, None], centered, finite)


def _log(weights: Tensor) -> Tensor:
    return weights.clamp_min(torch.finfo(weights.dtype).tiny).log()


def _times(matrix: Tensor, x: Tensor) -> Tensor:
    """Products of a batch of matrices and vectors."""
    return torch.bmm(matrix, x[:, :, None])[:, :, 0]
