"""Gradients of the optimal value by the envelope theorem: the plan is held fixed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from skgw.solvers.precision import full_precision
from skgw.solvers.problems.quadratic import loss_slopes


class _EnvelopeValue(torch.autograd.Function):
    """Identity on a value, with the gradient of the objective at a fixed plan."""

    @staticmethod
    def forward(
        ctx: Any, Ca: Tensor, Cb: Tensor, M: Tensor | None, value: Tensor, plan: Tensor,
        alpha: float, loss: str,
    ) -> Tensor:  # fmt: skip
        ctx.save_for_backward(Ca, Cb, plan)
        ctx.alpha, ctx.loss = alpha, loss
        return value.clone()

    @staticmethod
    @once_differentiable  # the plan is held fixed: second derivatives would be wrong
    def backward(ctx: Any, grad_value: Tensor) -> tuple[Any, ...]:
        Ca, Cb, plan = ctx.saved_tensors
        scale = grad_value[:, None, None]
        grads = matrix_gradients(Ca, Cb, plan, ctx.loss, ctx.needs_input_grad[:2])
        grad_a, grad_b = (None if g is None else ctx.alpha * scale * g for g in grads)
        grad_m = (1 - ctx.alpha) * scale * plan if ctx.needs_input_grad[2] else None
        return grad_a, grad_b, grad_m, None, None, None, None


@full_precision()
def matrix_gradients(
    Ca: Tensor, Cb: Tensor, plan: Tensor, loss: str, needed: tuple[bool, bool] = (True, True)
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients in Ca and Cb of sum_ijkl L(Ca_ik, Cb_jl) T_ij T_kl at a fixed plan T.

    The formula uses the marginals of the plan, so that the gradient vanishes at a matching of equal
    matrices whatever the marginal error is.
    """
    slopes = loss_slopes(Ca, Cb, loss)
    plan_t = plan.transpose(1, 2)
    grad_a = grad_b = None
    if needed[0]:
        p = plan.sum(2)  # (B, n)
        h2 = 2 * Cb if loss == "L2" else Cb.log()
        cross = torch.bmm(torch.bmm(plan, h2), plan_t)  # (B, n, n)
        grad_a = slopes.f1 * p[:, :, None] * p[:, None, :] - slopes.h1 * cross
    if needed[1]:
        q = plan.sum(1)  # (B, m)
        cross = torch.bmm(torch.bmm(plan_t, Ca), plan)  # (B, m, m); h1 is the identity
        grad_b = slopes.f2 * q[:, :, None] * q[:, None, :] - slopes.h2 * cross
    return grad_a, grad_b


def envelope_value(
    Ca: Tensor, Cb: Tensor, M: Tensor | None, value: Tensor, plan: Tensor, alpha: float, loss: str
) -> Tensor:
    """Attach the envelope gradient in Ca (B, n, n), Cb (B, m, m), M (B, n, m) to `value` (B,)."""
    return _EnvelopeValue.apply(Ca, Cb, M, value, plan, alpha, loss)


def self_value(C: Tensor, value: Tensor, plan: Tensor) -> Tensor:
    """As `envelope_value` of a space with itself under the square loss, at a symmetric plan.

    The gradients in both arguments are equal, which saves half of the products.
    """
    if not (C.requires_grad and torch.is_grad_enabled()):
        return value
    gradient, _ = matrix_gradients(C.detach(), C.detach(), plan, "L2", (True, False))
    assert gradient is not None
    return given_gradients(value, (C,), (2 * gradient,))


class _GivenGradients(torch.autograd.Function):
    """Identity on a value whose gradients are given."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, *arrays: Tensor) -> Tensor:
        ctx.save_for_backward(*arrays[len(arrays) // 2 :])
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_value: Tensor) -> tuple[Any, ...]:
        given = ctx.saved_tensors
        needed = ctx.needs_input_grad[1 : len(given) + 1]
        scales = (grad_value.reshape(-1, *(1 for _ in g.shape[1:])) for g in given)
        gradients = (s * g if n else None for n, s, g in zip(needed, scales, given, strict=True))
        grad_of_value = grad_value if ctx.needs_input_grad[0] else None
        return grad_of_value, *gradients, *(None for _ in given)


def given_gradients(
    value: Tensor, arrays: tuple[Tensor, ...], gradients: tuple[Tensor, ...]
) -> Tensor:
    """Attach given gradients in `arrays`, of any shapes (B, ...), to `value` (B,).

    Gradients that `value` has already are kept.
    """
    return _GivenGradients.apply(value, *arrays, *gradients)
