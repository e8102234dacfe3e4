"""Adversary: learned distances in which data and generated points differ most.

One network per space maps points to features, and the loss compares distances between features. The
generator lowers the normalised discrepancy of these distances, and the adversary raises it (Bunne
et al. 2019, Eq. 3 and 4). Without a penalty the adversary could stretch one space and shrink the
other without bound. One of two penalties keeps its networks close to isometries:

- "procrustes" (Eq. 5): the mean squared distance between the features and the closest orthogonal
  map of the points, for rows and for generated points;
- "layerwise" (section 2.4): the squared distance of each weight matrix to an orthogonal matrix.

The Procrustes penalty needs a weight above 8. At a perfect match, networks that move the points of
the two spaces by u and v change distances by at most |u_i - u_j| + |v_i - v_j|. The discrepancy is
twice the mean square of this change, at most 8 times the sum of the variances of u and v; this sum
is the penalty. Above a weight of 8 the adversary cannot lower its loss at a perfect match; below 8
it can grow without bound, whatever the generator does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from skgw.nn import (
    AdversarySpec,
    FittedNetwork,
    layerwise_penalty,
    pairwise_distances,
    procrustes_penalty,
)
from skgw.training.objective import Phase

LEARNING_RATE_FACTOR = 0.5  # learning rate of the adversary over the rate of the generator


@dataclass(frozen=True)
class AdversaryOptions:
    """Penalty and schedule of the adversary.

    Attributes
    ----------
    orthogonality : {"procrustes", "layerwise"} or None
        Penalty on the distance of the networks from isometries.
    weight : float
        Weight of the penalty relative to the discrepancy.
    start : int
        Number of updates of the generator before the first update of the adversary. Until then the
        loss compares the distances of the data.
    every : int
        Number of updates of the generator from one turn of the adversary to the next.
    n_steps : int
        Number of updates of the adversary in a turn.
    """

    orthogonality: str | None
    weight: float
    start: int
    every: int
    n_steps: int = 1


class DistanceFunctions(NamedTuple):
    """Distance functions of the two spaces that the loss compares.

    Attributes
    ----------
    rows : callable
        Maps positions (n,) and (m,) of rows of the data to distances (n, m).
    points : callable
        Maps generated points (n, k) and (m, k) to distances (n, m).
    """

    rows: Callable[[Tensor, Tensor], Tensor]
    points: Callable[[Tensor, Tensor], Tensor]


class AdversarialDistances(nn.Module):
    """Distances between features of rows and between features of generated points.

    Parameters
    ----------
    rows : Tensor of shape (N, d)
        Features of the data divided by their RMS distance.
    networks : pair of Module
        Maps rows (n, d), and generated points (n, k), to features (n, s); one network twice if the
        spaces share it.
    options : AdversaryOptions
    """

    rows: Tensor  # (N, d)
    started: Tensor  # (), whether the adversary has made its first update

    def __init__(
        self, rows: Tensor, networks: tuple[nn.Module, nn.Module], options: AdversaryOptions
    ) -> None:
        super().__init__()
        self.row_network, self.point_network = networks
        self.options = options
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("started", torch.tensor(False))
        self.distances = DistanceFunctions(self._between_rows, self._between_points)

    def phases(self) -> Sequence[Phase]:
        """One phase that updates both networks."""
        return [
            Phase(
                "adversary",
                list(self.parameters()),
                n_steps=self.options.n_steps,
                learning_rate_factor=LEARNING_RATE_FACTOR,
                start=self.options.start,
                every=self.options.every,
            )
        ]

    def penalty(self, rows: Tensor, points: Tensor) -> Tensor:
        """Distance of the networks from isometries at positions (n,) and points (m, k), 0-d."""
        if self.options.orthogonality is None:
            return points.new_zeros(())
        if self.options.orthogonality == "layerwise":
            return sum(
                (layerwise_penalty(network) for network in self.children()), points.new_zeros(())
            )
        x = self.rows[rows]
        row_penalty = procrustes_penalty(self.row_network(x), x)
        return row_penalty + procrustes_penalty(self.point_network(points), points)

    def fitted(
        self, specs: tuple[AdversarySpec, AdversarySpec]
    ) -> tuple[FittedNetwork[nn.Module], FittedNetwork[nn.Module]]:
        """The networks of rows and of points as plain data."""
        return (
            FittedNetwork.of(self.row_network, specs[0]),
            FittedNetwork.of(self.point_network, specs[1]),
        )

    def _between_rows(self, i: Tensor, j: Tensor) -> Tensor:
        """Distances between the features of rows at positions i and j."""
        features = self.row_network(self.rows[i])
        return pairwise_distances(features, None if j is i else self.row_network(self.rows[j]))

    def _between_points(self, y: Tensor, z: Tensor) -> Tensor:
        """Distances between the features of generated points y and z."""
        features = self.point_network(y)
        return pairwise_distances(features, None if z is y else self.point_network(z))
