"""Translation networks: two maps between spaces of codes, trained on a coupling and on each other.

Each map takes points to the barycentric projections of the coupling. The composition of both maps
should be the identity on codes (cycle consistency).

References
----------
:cite:t:`zhu2017`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skgw.nn.residual import ResidualMap
from skgw.training.objective import Objective, Phase


class TranslationObjective(Objective):
    """Losses of two maps between two sets of points of one space.

    Parameters
    ----------
    maps : pair of ResidualMap
        From the first set to the second set, and from the second set to the first set.
    points, targets : pairs of arrays of shapes (n, d) and (m, d)
        The points of either set, and the points that they should be mapped to.
    cycle_weight : float
        Weight of the cycle loss, relative to the loss of the targets.
    batch_size : int

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skgw.nn.residual import ResidualSpec
    >>> from skgw.training import TrainingOptions, train
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> maps = ResidualSpec(2, (16,)).build(0), ResidualSpec(2, (16,)).build(1)
    >>> objective = TranslationObjective(
    ...     maps, (X, X + 1), (X + 1, X), cycle_weight=1.0, batch_size=50
    ... )
    >>> history = train(objective, TrainingOptions(max_iter=300), torch.Generator().manual_seed(0))
    >>> sorted(history.losses), history.losses["target"][-1] < history.losses["target"][0] / 10
    (['cycle', 'loss', 'target'], True)
    """

    points_x: Tensor  # (n, d)
    points_y: Tensor  # (m, d)
    targets_x: Tensor  # (n, d)
    targets_y: Tensor  # (m, d)

    def __init__(
        self,
        maps: tuple[ResidualMap, ResidualMap],
        points: tuple[NDArray, NDArray],
        targets: tuple[NDArray, NDArray],
        *,
        cycle_weight: float,
        batch_size: int,
    ) -> None:
        super().__init__()
        self.maps = nn.ModuleList(maps)
        self.cycle_weight, self.batch_size = cycle_weight, batch_size
        for name, arrays in (("points", points), ("targets", targets)):
            for domain, array in zip("xy", arrays, strict=True):
                values = torch.as_tensor(array, dtype=torch.float32)
                self.register_buffer(f"{name}_{domain}", values, persistent=False)

    def phases(self) -> Sequence[Phase]:
        """Both maps in one phase."""
        return [Phase("maps", list(self.maps.parameters()))]

    def losses(self, phase: str, generator: torch.Generator) -> dict[str, Tensor]:
        """Mean squared distances from the targets, and of cycles from the points."""
        to_y, to_x = self.maps
        directions = (
            (self.points_x, self.targets_x, to_y, to_x),
            (self.points_y, self.targets_y, to_x, to_y),
        )
        target, cycle = self.points_x.new_zeros(2)
        for points, targets, forward, backward in directions:
            n = min(self.batch_size, len(points))
            batch = torch.randperm(len(points), generator=generator)[:n].to(points.device)
            mapped = forward(points[batch])
            target = target + (mapped - targets[batch]).square().sum(1).mean()
            cycle = cycle + (backward(mapped) - points[batch]).square().sum(1).mean()
        return {"loss": target + self.cycle_weight * cycle, "target": target, "cycle": cycle}
