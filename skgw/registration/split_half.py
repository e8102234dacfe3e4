"""How well a motion fits, measured by the clouds themselves.

Even samples of one law have no exact partners in each other: what a matching may cost is what it
costs to match one half of a cloud with the other half. A wrong motion costs more, however clearly
it is the best one that there is. Marginals are relaxed, so that groups without partners count
little.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skgw.registration.unbalanced import LAST, STRENGTH, relaxed_objective

TINY = 1e-6


@torch.no_grad()
def excess(H: Tensor, W: Tensor) -> float:
    """Cost of matching halves of two clouds, over that of both halves of each.

    Parameters
    ----------
    H, W : Tensor of shapes (n, k) and (m, k)
        Points of one space, those of the first cloud moved already.

    Returns
    -------
    float
        About 1 for samples of one law.
    """
    first, second = (H[::2], H[1::2]), (W[::2], W[1::2])
    across = sum(_cost(h, w) for h, w in zip(first, second, strict=True))
    within = _cost(*first) + _cost(*second)
    return (across + TINY) / (within + TINY)


def _cost(H: Tensor, W: Tensor) -> float:
    return relaxed_objective(H, W, STRENGTH, LAST[-1])
