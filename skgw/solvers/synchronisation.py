"""When the host looks at values on the device, which on a GPU means to wait for them.

What a step does to a problem is decided by masks, problem by problem. A look at a mask only saves
work: that of steps which no problem is in need of. Under a fixed schedule all of it is done, and
the same operations run whatever the values are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

_N_PRODUCTS: ContextVar[int | None] = ContextVar("n_products", default=None)


@contextmanager
def fixed_schedule(n_products: int) -> Iterator[None]:
    """Within it nothing is looked at, and conjugate gradients take `n_products` steps."""
    token = _N_PRODUCTS.set(n_products)
    try:
        yield
    finally:
        _N_PRODUCTS.reset(token)


def any_of(mask: Tensor) -> bool:
    """Whether a mask holds for any problem; under a fixed schedule it might."""
    return _N_PRODUCTS.get() is not None or bool(mask.any())


def most_of(mask: Tensor) -> bool:
    """Whether a mask (B,) holds for more than half of the problems; likewise."""
    return _N_PRODUCTS.get() is not None or 2 * int(mask.sum()) > len(mask)


def n_products(usual: int) -> int:
    """Steps of conjugate gradients: `usual`, unless the schedule is fixed."""
    fixed = _N_PRODUCTS.get()
    return usual if fixed is None else fixed
