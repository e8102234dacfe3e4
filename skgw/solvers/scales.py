"""Absolute values of the options that are relative to the scale of the matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from skgw.solvers.inputs import Inputs, as_like, first_order, refuse_hidden
from skgw.solvers.options import check_real
from skgw.solvers.precision import full_precision
from skgw.solvers.problems.quadratic import mean
from skgw.solvers.result import Array


class _Mean(torch.autograd.Function):
    """As `mean`, with a gradient that autocast does not round."""

    @staticmethod
    def forward(ctx: Any, f: Tensor, p: Tensor) -> Tensor:
        ctx.save_for_backward(f, p)
        return mean(f, p)

    @staticmethod
    @once_differentiable
    @full_precision()
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        f, p = ctx.saved_tensors
        rows = torch.bmm(f + f.mT, p[:, :, None])[:, :, 0]
        by_f = gradient[:, None, None] * p[:, :, None] * p[:, None, :]
        return by_f, gradient[:, None] * rows


def mean_of_both(f: Tensor, p: Tensor, g: Tensor, q: Tensor) -> Tensor:
    """Average of the means of f (B, n, n) under p and of g (B, m, m) under q, (B,)."""
    is_constant = not any(x.requires_grad for x in (f, p, g, q))
    of = mean if is_constant else _Mean.apply  # the function alone takes a tenth of the time
    return 0.5 * (of(f, p) + of(g, q))


def shift_for_kl(inputs: Inputs, loss: str, kl_shift: float) -> Inputs:
    """Add `kl_shift` times the mean entry to both matrices: the KL loss is undefined at zero.

    If all points coincide the shift is `kl_shift` itself.
    """
    if loss != "KL":
        return inputs
    kl_shift = check_real(kl_shift, "kl_shift must not be negative", at_least=0)
    scale = mean_of_both(inputs.Ca, inputs.a, inputs.Cb, inputs.b)
    shift = (kl_shift * torch.where(scale > 0, scale, 1.0))[:, None, None]
    Ca, Cb = inputs.Ca + shift, inputs.Cb + shift
    if not ((Ca > 0).all() and (Cb > 0).all()):
        raise ValueError("The KL loss needs positive entries: set kl_shift > 0.")
    return inputs._replace(Ca=Ca, Cb=Cb)


def absolute_reg(reg: float | Array, reg_scale: str | None, scale: Tensor) -> Tensor:
    """The absolute `reg` of each problem, (B,), from the scale of its entries (B,)."""
    if reg_scale not in ("auto", None):
        raise ValueError(f"reg_scale must be 'auto' or None, got {reg_scale!r}.")
    reg = _read_reg(reg, scale)
    if reg.ndim > 1 or reg.numel() not in (1, len(scale)):
        raise ValueError(f"reg has shape {tuple(reg.shape)}; give a number, or one per problem.")
    if not all(0 < x < math.inf for x in reg.flatten().tolist()):
        raise ValueError(
            "reg must be positive and finite; for the unregularised problem use solve_gromov with "
            "reg=0, for all problems of a batch."
        )
    unit = scale if reg_scale == "auto" else torch.ones_like(scale)
    limits, absolute = torch.finfo(scale.dtype), reg.expand_as(scale) * unit
    if not all(limits.tiny <= x <= limits.max for x in absolute.tolist()):
        smallest, largest = limits.tiny / unit.amin().item(), limits.max / unit.amax().item()
        raise ValueError(
            f"reg={reg.tolist()} leaves the range of {scale.dtype} at this scale of the matrices: "
            f"give a reg from {smallest:.1e} to {largest:.1e}, or rescale the matrices."
        )
    return absolute


def is_unregularised(reg: Any) -> bool:
    """Whether `reg` is zero, for all problems of a batch.

    Raises
    ------
    ValueError
        For a tensor that requires a gradient: the value has no derivative at zero.
    """
    if isinstance(reg, Tensor):
        is_zero = reg.dtype != torch.bool and reg.numel() > 0 and not bool(reg.any())
        if is_zero and reg.requires_grad:
            raise ValueError("reg=0 is a constant: give a positive reg for its gradient.")
        return is_zero
    if isinstance(reg, np.ma.MaskedArray):
        return False
    array = np.asarray(reg)
    return array.dtype.kind in "iuf" and array.size > 0 and not array.any()


def _read_reg(reg: Any, scale: Tensor) -> Tensor:
    """`reg` as a tensor; the message names it where it holds no numbers."""
    refuse_hidden(reg, "reg")
    if isinstance(reg, Tensor):
        if reg.dtype != torch.bool and not reg.is_complex():
            return first_order(reg.to(scale))
    elif np.asarray(reg).dtype.kind in "iuf":
        return as_like(reg, scale)
    raise ValueError(f"reg must be a positive number, or one per problem of a batch, got {reg!r}.")


def problem_scale(inputs: Inputs, loss: str) -> Tensor:
    """Average over both matrices of the mean squared entry (mean entry for the KL loss), (B,)."""
    parts = (C * C if loss == "L2" else C for C in (inputs.Ca, inputs.Cb))
    scale = mean_of_both(next(parts), inputs.a, next(parts), inputs.b)
    tiny = torch.finfo(scale.dtype).tiny
    if all(tiny <= x < math.inf for x in scale.tolist()):
        return scale
    vanished = scale < tiny
    if _any_apart(inputs, vanished) or not torch.isfinite(scale).all():
        raise ValueError(
            f"The squared entries of Ca or Cb leave the range of {scale.dtype}: rescale them."
        )
    return torch.where(vanished, 1.0, scale)  # all points coincide: E is constant


def fused_scale(scale: Tensor, inputs: Inputs, alpha: float) -> Tensor:
    """The scale of all costs of a problem, (B,): `scale` plus the largest weighted entry of M."""
    if inputs.M is None:
        return scale
    return scale + (1 - alpha) * inputs.M.abs().amax((1, 2))


def lowest_cost(inputs: Inputs, alpha: float) -> Tensor | float:
    """A lower bound, 0 or (B,), of the cost of plans of mass one: no loss is negative."""
    if inputs.M is None:
        return 0.0
    return (1 - alpha) * inputs.M.detach().amin((1, 2))


def _any_apart(inputs: Inputs, index: Tensor) -> bool:
    """Whether two points with weight differ in a problem at `index`, a boolean (B,)."""
    spaces = ((inputs.Ca[index], inputs.a[index]), (inputs.Cb[index], inputs.b[index]))
    return any(bool(mean((C != 0).to(p), (p > 0).to(p)).any()) for C, p in spaces)
