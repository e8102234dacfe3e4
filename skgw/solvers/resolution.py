"""The resolution of the floating point type: the smallest reg, the smallest tolerance.

Costs have rounding errors of one ulp of the scale. A plan depends on costs over `reg`, so that the
relative error of its entries is a number of ulps times scale / reg. No solver can do better, and a
result says so where more was asked for.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

SAFE_ULPS = 50  # error of a plan over eps * scale / reg, at most
USUAL_ULPS = 5  # the same in most cases: the median is 0.3, on 4 kinds of data at 5 levels of reg
DENSE_TOLERANCE = 1e-5  # default of `tol`, L1 norm
COARSEST = 0.1  # L1 norm: a plan that is further off is no plan


class Accuracy(NamedTuple):
    """The reg and the tolerance that a solve works with; each field has shape (B,)."""

    reg: Tensor  # at least one ulp of the scale
    tol: Tensor
    is_lost: Tensor  # whether `tol` is coarser than what was asked for
    is_fine: Tensor  # whether `tol` is below the largest error that rounding may cause


def attainable_tol(tol: float, reg: Tensor, scale: Tensor) -> Tensor:
    """The tolerance, raised to the resolution of the floating point type at `reg`, (B,)."""
    return (SAFE_ULPS * _ulps(reg, scale)).clamp_max(COARSEST).clamp_min(tol)


def attainable(
    tol: float | None,
    reg: Tensor,
    scale: Tensor,
    *,
    default: float = DENSE_TOLERANCE,
    mass: float = 1.0,
) -> Accuracy:
    """The accuracy of a solve with an explicit `tol`, or with the `default` for None.

    A default is raised to the resolution, up to `COARSEST`. An explicit tolerance is kept where the
    solver may reach it.

    Parameters
    ----------
    tol, default : float
        L1 norm of the error of a plan.
    reg, scale : Tensor of shape (B,)
        Weight of the entropy, and largest cost.
    mass : float
        L1 norm of the plan, if it is not one.
    """
    ulps = _ulps(reg, scale, mass)
    reg = torch.maximum(reg, torch.finfo(reg.dtype).eps * scale)
    safe = SAFE_ULPS * ulps
    if tol is None:
        coarsest = max(COARSEST, default)
        is_lost = safe > coarsest
        return Accuracy(reg, safe.clamp(default, coarsest), is_lost, is_lost)
    is_lost = USUAL_ULPS * ulps > tol
    raised = safe.clamp_max(COARSEST).clamp_min(tol)
    return Accuracy(reg, torch.where(is_lost, raised, tol), is_lost, safe > tol)


def _ulps(reg: Tensor, scale: Tensor, mass: float = 1.0) -> Tensor:
    """One ulp of the costs over `reg`, or of the plan's sums if that is more."""
    return torch.finfo(reg.dtype).eps * (scale / reg).clamp_min(mass)
