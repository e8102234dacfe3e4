"""Subnormal numbers, for which processors take up to a hundred times as long, kept out of plans.

Entries of a plan decrease exponentially with the cost: in float32 a tenth of them can be subnormal,
or become so in a product. Entries below `smallest_entry` are zero. They are smaller than the
rounding errors of their row by a factor of 1e-17 in float32, and change no result.
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
