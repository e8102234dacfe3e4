"""A learned adversary: distances between features that set data and generated points apart.

Two networks, one for each space, map points to features, and distances are measured there. The
generator lowers the normalised discrepancy of these distances, the adversary raises it (Bunne et
al. 2019, Eq. 3 and 4). Unbounded, it would win by stretching one space and shrinking the other; it
is held to maps that are nearly isometries, by one of two penalties.

"procrustes" (Eq. 5) holds the map as a whole to the closest orthogonal one, on data and on
generated points. Its weight has a least value. At a perfect match, maps that move points by u and v
change distances by at most |u_i - u_j| + |v_i - v_j|, and so raise the discrepancy, twice the mean
square of that change, by at most 8 times the variances of u and v, which are the penalty. With a
weight above 8 the adversary has nothing to gain from a generator that is right; below, it can grow
without bound whatever the generator does.

"layerwise" holds each layer's weights to an orthogonal matrix (section 2.4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from skgw.nn import layerwise_penalty, pairwise_distances, procrustes_penalty
from skgw.training.objective import Phase

LEARNING_RATE_FACTOR = 0.5  # of the adversary's, against the generator's


@dataclass(frozen=True)
class AdversaryOptions:
    """How the adversary is held, and when it moves.

    Attributes
    ----------
    orthogonality : {"procrustes", "layerwise"} or None
        What holds the networks to isometries.
    weight : float
        Of that penalty, against the discrepancy.
    start : int
        Updates of the generator before the adversary's first one; distances are plain until then.
    every : int
        Updates of the generator for one of the adversary.
    """

    orthogonality: str | None
    weight: float
    start: int
    every: int


class Measure(NamedTuple):
    """How distances are measured in both spaces.

    Attributes
    ----------
    rows : callable
        From positions (n,) and (m,) of rows of data to distances (n, m).
    points : callable
        From generated points (n, k) and (m, k) to distances (n, m).
    """

    rows: Callable[[Tensor, Tensor], Tensor]
    points: Callable[[Tensor, Tensor], Tensor]


class AdversarialDistances(nn.Module):
    """Two networks, and the rows of data that one of them sees.

    Parameters
    ----------
    rows : Tensor of shape (N, d)
        Coordinates of the data, in units of the scale.
    networks : pair of Module
        From rows (n, d), and from generated points (n, k), to features (n, s).
    options : AdversaryOptions
    """

    rows: Tensor  # (N, d)
    started: Tensor  # (), whether the first update has been made

    def __init__(
        self, rows: Tensor, networks: tuple[nn.Module, nn.Module], options: AdversaryOptions
    ) -> None:
        super().__init__()
        self.of_rows, self.of_points = networks
        self.options = options
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("started", torch.tensor(False))
        self.measure = Measure(self._between_rows, self._between_points)

    def phases(self) -> Sequence[Phase]:
        """Both networks at once."""
        weights = [*self.of_rows.parameters(), *self.of_points.parameters()]
        return [
            Phase(
                "adversary",
                weights,
                learning_rate_factor=LEARNING_RATE_FACTOR,
                start=self.options.start,
                every=self.options.every,
            )
        ]

    def penalty(self, rows: Tensor, points: Tensor) -> Tensor:
        """How far the networks are from isometries on positions (n,) and points (m, k), 0-d."""
        if self.options.orthogonality is None:
            return points.new_zeros(())
        if self.options.orthogonality == "layerwise":
            return layerwise_penalty(self.of_rows) + layerwise_penalty(self.of_points)
        x = self.rows[rows]
        of_rows = procrustes_penalty(self.of_rows(x), x)
        return of_rows + procrustes_penalty(self.of_points(points), points)

    def _between_rows(self, i: Tensor, j: Tensor) -> Tensor:
        features = self.of_rows(self.rows[i])
        return pairwise_distances(features, None if j is i else self.of_rows(self.rows[j]))

    def _between_points(self, y: Tensor, z: Tensor) -> Tensor:
        features = self.of_points(y)
        return pairwise_distances(features, None if z is y else self.of_points(z))
