"""Penalties on generated samples: means over the batch, in units of the data's scale."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def centering_mean(y: Tensor) -> Tensor:
    """Squared norm of the mean of `y` (n, k): keeps samples centred, leaves their shape free."""
    return y.mean(0).square().sum()


def centering_l1(y: Tensor) -> Tensor:
    """Mean l1 norm of `y` (n, k), as in Bunne et al. (2019), section 2.3: also shrinks."""
    return y.abs().sum(1).mean()


PENALTIES: dict[str, Callable[[Tensor], Tensor]] = {"mean": centering_mean, "l1": centering_l1}
