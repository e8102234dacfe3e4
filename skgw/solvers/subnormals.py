"""Subnormal numbers, which are slow on some processors, kept out of plans.

Entries of a plan decrease exponentially with the cost: in float32 some percent of them can be
subnormal, or become so in a product, which then takes some tens of times as long. Entries below
`smallest_entry` are zero: in float32 they are less than 1e-17 of the rounding error of the largest
entry of their row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def smallest_entry(dtype: np.dtype[Any] | torch.dtype) -> float:
    """The least positive entry of a plan: 8e-25 in float32, 5e-277 in float64."""
    limits = torch.finfo(dtype) if isinstance(dtype, torch.dtype) else np.finfo(dtype)
    return float(limits.tiny) / float(limits.eps) ** 2


def flush_subnormals(plan: Tensor) -> Tensor:
    """Set entries below `smallest_entry` to zero, in place; GPUs need no such pass."""
    if plan.device.type == "cpu":
        torch.threshold_(plan, smallest_entry(plan.dtype), 0.0)
    return plan
