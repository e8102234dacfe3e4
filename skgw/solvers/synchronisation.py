"""Host-device synchronisation: whether the host reads masks from the device.

Masks on the device decide what a step updates, problem by problem. Reading one on the host
synchronises a GPU, and serves only to skip steps that no problem needs. Under a fixed schedule
nothing is read and nothing is skipped, so that the operations do not depend on values.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

_N_PRODUCTS: ContextVar[int | None] = ContextVar("n_products", default=None)


@contextmanager
def fixed_schedule(n_products: int) -> Iterator[None]:
    """Context in which no mask is read, and conjugate gradients take `n_products` steps."""
    token = _N_PRODUCTS.set(n_products)
    try:
        yield
    finally:
        _N_PRODUCTS.reset(token)


def any_of(mask: Tensor) -> bool:
    """Whether a mask holds for any problem; True under a fixed schedule."""
    return _N_PRODUCTS.get() is not None or bool(mask.any())


def most_of(mask: Tensor) -> bool:
    """Whether a mask (B,) holds for more than half of the problems; True under a fixed schedule."""
    return _N_PRODUCTS.get() is not None or 2 * int(mask.sum()) > len(mask)


def n_products(usual: int) -> int:
    """Number of conjugate gradient steps: `usual`, unless the schedule is fixed."""
    fixed = _N_PRODUCTS.get()
    return usual if fixed is None else fixed
