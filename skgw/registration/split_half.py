"""Split-half cost ratio: the goodness of fit of a registration, without ground truth.

Two samples of one distribution have no exact matches in each other: a matching may cost as much as
the matching of one half of a cloud with the other half. A wrong similarity costs more, however
clear its margin is. The cost is the unbalanced objective, so that groups without a match in the
other cloud count little.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skgw.registration.unbalanced import unbalanced_objective

POOR_COST_RATIO = 1.3  # above this ratio a registration may be wrong
NOISE_FLOOR = 1e-6  # objective, relative to the median cost, that is added to both sums


@torch.no_grad()
def split_half_cost_ratio(source: Tensor, target: Tensor) -> float:
    """Cost of matching halves of two registered clouds, over the cost of both halves of each.

    Parameters
    ----------
    source, target : Tensor of shapes (n, k) and (m, k)
        In random order. The source points are transformed already.

    Returns
    -------
    float
        About 1 for two samples of one distribution.
    """
    halves_x, halves_y = (source[::2], source[1::2]), (target[::2], target[1::2])
    across = sum(unbalanced_objective(x, y) for x, y in zip(halves_x, halves_y, strict=True))
    within = unbalanced_objective(*halves_x) + unbalanced_objective(*halves_y)
    return (across + NOISE_FLOOR) / (within + NOISE_FLOOR)
