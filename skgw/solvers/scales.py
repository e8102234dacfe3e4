"""Absolute values of the options that are relative to the scale of the matrices."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from skgw.solvers.inputs import Inputs, as_like
from skgw.solvers.problems.quadratic import mean, mean_of_both
from skgw.solvers.result import Array


def shift_for_kl(inputs: Inputs, loss: str, kl_shift: float) -> Inputs:
    """Add `kl_shift` times the mean entry to both matrices: the KL loss is undefined at zero.

    The shift is a constant for gradients. If all points coincide it is `kl_shift` itself.
    """
    if loss != "KL":
        return inputs
    if not kl_shift >= 0:
        raise ValueError(f"kl_shift must not be negative, got {kl_shift!r}.")
    scale = mean_of_both(inputs.Ca.detach(), inputs.a, inputs.Cb.detach(), inputs.b)
    shift = (kl_shift * torch.where(scale > 0, scale, 1.0))[:, None, None]
    Ca, Cb = inputs.Ca + shift, inputs.Cb + shift
    if not ((Ca > 0).all() and (Cb > 0).all()):
        raise ValueError("The KL loss needs positive entries: set kl_shift > 0.")
    return inputs._replace(Ca=Ca, Cb=Cb)


@torch.no_grad()
def absolute_reg(reg: float | Array, reg_scale: str | None, scale: Tensor) -> Tensor:
    """The absolute `reg` of each problem, (B,), from the scale of its entries (B,)."""
    if reg_scale not in ("auto", None):
        raise ValueError(f"reg_scale must be 'auto' or None, got {reg_scale!r}.")
    reg = as_like(reg, scale)
    if reg.ndim > 1 or reg.numel() not in (1, len(scale)):
        raise ValueError(f"reg has shape {tuple(reg.shape)}; give a number, or one per problem.")
    if not all(0 < x < math.inf for x in reg.flatten().tolist()):
        raise ValueError(
            "reg must be positive and finite; for the unregularised problem use POT's solver."
        )
    reg = reg.expand_as(scale).clone()
    return reg * scale if reg_scale == "auto" else reg


@torch.no_grad()
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


def _any_apart(inputs: Inputs, index: Tensor) -> bool:
    """Whether two points with weight differ in a problem at `index`, a boolean (B,)."""
    spaces = ((inputs.Ca[index], inputs.a[index]), (inputs.Cb[index], inputs.b[index]))
    return any(bool(mean((C != 0).to(p), (p > 0).to(p)).any()) for C, p in spaces)
