"""Directed relations: matrices that are not symmetric, by their symmetric and skew parts.

Write S and A for the parts of h1(Ca) = S1 + A1 and h2(Cb) = S2 + A2, A' = -A. On every plan T

    <h1 T h2', T> = <S1 T S2, T> - <A1 T A2, T>,

as the mixed terms vanish. The objective therefore depends on A1 and A2 only where both spaces are
directed, and its gradient is the one of a symmetric problem plus a second product of the same form.
Both products are one product of kernels that are twice as long: a left kernel [S1 | A1], and a
right kernel whose rows alternate between S2 and A2.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SYMMETRY_TOLERANCE = 1e-4  # relative to the largest entry; above rounding errors of float32


def is_directed(C: Tensor) -> bool:
    """Whether a matrix (..., n, n) is not symmetric, by more than rounding errors."""
    if torch.equal(C, C.mT):
        return False
    gap, largest = (x.abs().amax((-2, -1)) for x in (C - C.mT, C))
    return not bool((gap <= SYMMETRY_TOLERANCE * largest).all())


def any_directed(*matrices: Tensor) -> bool:
    """Whether one of the matrices is directed."""
    return any(map(is_directed, matrices))


def symmetric_part(x: Tensor) -> Tensor:
    """S = (x + x') / 2."""
    return 0.5 * (x + x.mT)


def skew_part(x: Tensor) -> Tensor:
    """A = (x - x') / 2."""
    return 0.5 * (x - x.mT)


def left_kernel(symmetric: Tensor, skew: Tensor) -> Tensor:
    """The two parts side by side, (B, n, 2n)."""
    return torch.cat([symmetric, skew], 2)


def right_kernel(symmetric: Tensor, skew: Tensor) -> Tensor:
    """The rows of both parts in turn, (B, 2m, m)."""
    return torch.stack([symmetric, skew], 2).flatten(1, 2)


def is_doubled(left: Any) -> bool:
    """Whether a left kernel (..., n, k), an array or a tensor, holds a skew part."""
    return bool(left.shape[-1] != left.shape[-2])


def symmetric_kernels(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """The symmetric parts of two kernels, (B, n, n) and (B, m, m)."""
    if not is_doubled(left):
        return left, right
    return left[:, :, : left.shape[1]], right[:, ::2]


def two_products(left: Tensor, plan: Tensor, right: Tensor) -> Tensor:
    """S1 T S2 - A1 T A2 for doubled kernels, (B, n, m)."""
    n_problems, n, m = plan.shape
    half = torch.bmm(right, plan.mT)  # (B, 2m, n): rows of S2 T' and A2 T' in turn
    return torch.bmm(left, half.reshape(n_problems, m, 2 * n).mT)
