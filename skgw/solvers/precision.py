"""Full precision within the solvers, whatever autocast the caller uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

DEVICES = "cpu", "cuda"


@contextmanager
def full_precision() -> Iterator[None]:
    """Switch autocast off, in a block or, as a decorator, in a function.

    Costs are divided by a small reg before they are exponentiated: rounded to bfloat16 they would
    give other plans. Each function of the solvers that multiplies matrices, and that other packages
    call, is decorated.
    """
    if not any(torch.is_autocast_enabled(kind) for kind in DEVICES):
        yield  # the check is faster than the contexts below
        return
    with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
        yield
