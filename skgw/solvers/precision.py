"""Half precision stays outside of the solvers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

DEVICES = "cpu", "cuda"


@contextmanager
def full_precision() -> Iterator[None]:
    """Switch autocast off, in a block or, as a decorator, in a function.

    Costs are divided by a small reg before they are exponentiated: rounded to bfloat16 they would
    give other plans. All that multiplies matrices and is called from outside of the solvers is
    decorated.
    """
    if not any(torch.is_autocast_enabled(kind) for kind in DEVICES):
        yield  # to switch off what is off takes longer than to look
        return
    with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
        yield
