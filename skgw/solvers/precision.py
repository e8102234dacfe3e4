"""Full precision and the CPU within the solvers, whatever the caller has set for torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

DEVICES = "cpu", "cuda"


@contextmanager
def full_precision() -> Iterator[None]:
    """Switch autocast off, in a block or, as a decorator, in a function; see `cpu_by_default`.

    Costs are divided by a small reg before they are exponentiated: rounded to bfloat16 they would
    give other plans. Each function of the solvers that multiplies matrices, and that other packages
    call, is decorated.
    """
    is_cast = any(torch.is_autocast_enabled(kind) for kind in DEVICES)
    if not is_cast and torch.get_default_device().type == "cpu":
        yield  # the checks are faster than the contexts below
        return
    with (
        cpu_by_default(),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False),
    ):
        yield


@contextmanager
def cpu_by_default() -> Iterator[None]:
    """Create tensors of no named device on the CPU, whatever `torch.set_default_device` says.

    Tensors are on the device of the input, or on the `device` of an estimator.
    """
    if torch.get_default_device().type == "cpu":
        yield  # a context for the device slows each function of torch
        return
    with torch.device("cpu"):
        yield
