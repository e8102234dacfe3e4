"""Search for the rotation between two clouds, from few principal axes to many.

Registration (`procrustes`) finds the nearest rotation that fits well, and among many axes no start
is near the right one. A rotation of few axes has few unknowns: some hundred random starts reach the
best rotation of the 4 widest axes. The search has these steps.

1. Centres of k-means stand for the points, so that the search takes the same time for any number of
   points, and so that few unknowns meet many points.
2. Random rotations of the widest axes are registered. Of those that differ the best are kept, by
   the cost of the matches.
3. Rotations that are kept are moved at random: some axes are reflected or rotated among themselves.
   The results are registered, and the best of all are kept.
4. The plan of each rotation that is kept is the start among more axes, and step 3 follows.

Step 3 is basin hopping, and the rotations that are kept are the beam of a beam search.

References
----------
:cite:t:`wales1997`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from skgw.exceptions import without_foreign_warnings
from skgw.nn import polar_factor
from skgw.registration.procrustes import Pair, Registration, best_rotation, register
from skgw.registration.similarity import first_distinct
from skgw.solvers import full_precision
from skgw.threads import each_on_a_thread


@dataclass(frozen=True)
class RotationSearchSettings:
    """Settings of `search_rotations`.

    Attributes
    ----------
    levels : tuple of int
        Numbers of axes.
    n_centres : int
        Number of centres of either cloud.
    n_starts : int
        Number of random rotations of the widest axes.
    n_kept : int
        Number of rotations that are kept at each level.
    n_rounds, n_moves : int
        Number of rounds of a level, and of moves of each rotation in a round.
    max_moved_axes : int
        Number of axes that a move changes at most.
    reg_schedule : tuple of float
        Entropic regularisation of successive plans, relative to the mean cost.
    min_displacement : float
        Mean squared distance between the places of the points under two rotations, relative to that
        of two points, above which the two count as different.
    """

    levels: tuple[int, ...] = (4, 8, 16, 32)
    n_centres: int = 300
    n_starts: int = 300
    n_kept: int = 15
    n_rounds: int = 2
    n_moves: int = 10
    max_moved_axes: int = 4
    reg_schedule: tuple[float, ...] = (0.1, 0.03)
    min_displacement: float = 0.1


@torch.no_grad()
@full_precision()
def search_rotations(
    points: Pair, settings: RotationSearchSettings = RotationSearchSettings(), seed: int = 0
) -> list[Tensor]:
    """Search the rotation between two clouds without a start.

    Parameters
    ----------
    points : pair of Tensors of shapes (n, k) and (m, l)
        Centred coordinates along principal axes, the widest axis first.
    settings : RotationSearchSettings
    seed : int

    Returns
    -------
    rotations : list of Tensors of shape (k', l')
        Different rotations of the leading axes, as many as the last level has, the one of least
        cost first.

    Examples
    --------
    >>> import torch
    >>> Z = torch.randn(90, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([4, 2, 1])
    >>> Z = Z**2 - (Z**2).mean(0)
    >>> mirror = torch.tensor([-1.0, 1, -1])
    >>> rotation = search_rotations((Z, Z * mirror))[0]
    >>> bool((rotation - torch.diag(mirror)).abs().max() < 0.1)
    True
    """
    generator = torch.Generator().manual_seed(seed)
    n_axes = max(Z.shape[1] for Z in points)
    levels = settings.levels[: 1 + sum(k < n_axes for k in settings.levels)]
    clouds = tuple(_Cloud.of(Z[:, : levels[-1]], settings.n_centres, seed) for Z in points)
    found: list[Registration] = []
    for k in levels:
        level = _Level(clouds[0].leading(k), clouds[1].leading(k), settings, generator)
        starts = (level.extended(each) for each in found) if found else level.random()
        found = level.best(each_on_a_thread(level.register, starts))
        for _ in range(settings.n_rounds):
            moved = (rotation for each in found for rotation in level.moves(each))
            found = level.best([*found, *each_on_a_thread(level.register, moved)])
    return [each.similarity.rotation for each in found]


class _Cloud(NamedTuple):
    """Centres of a cloud (c, k), and their weights (c,)."""

    centres: Tensor
    weights: Tensor

    @classmethod
    def of(cls, points: Tensor, n_centres: int, seed: int) -> _Cloud:
        if len(points) <= n_centres:
            return cls(points, points.new_full((len(points),), 1 / len(points)))
        with without_foreign_warnings(ConvergenceWarning, "sklearn"):  # points may coincide
            clusters = KMeans(n_centres, n_init=1, random_state=seed).fit(points.cpu().numpy())
        counts = np.bincount(clusters.labels_, minlength=n_centres)
        centres = torch.from_numpy(clusters.cluster_centers_[counts > 0]).to(points)
        return cls(centres, torch.from_numpy(counts[counts > 0] / len(points)).to(points))

    def leading(self, n_axes: int) -> _Cloud:
        """The centres along the leading axes, of RMS distance one."""
        Z = self.centres[:, :n_axes]
        square = 2 * (self.weights @ Z.square()).sum()
        return self._replace(centres=Z / torch.where(square > 0, square, 1.0).sqrt())


class _Level(NamedTuple):
    """The search among some of the axes."""

    x: _Cloud
    y: _Cloud
    settings: RotationSearchSettings
    generator: torch.Generator

    def random(self) -> Iterator[Tensor]:
        """Random rotations."""
        shape = self.x.centres.shape[1], self.y.centres.shape[1]
        for _ in range(self.settings.n_starts):
            yield polar_factor(self._normal(*shape))

    def extended(self, found: Registration) -> Tensor:
        """The rotation that fits the plan of fewer axes."""
        return best_rotation(self.x.centres.T @ found.transport.plan @ self.y.centres)

    def moves(self, found: Registration) -> Iterator[Tensor]:
        """The rotation after reflections, or random rotations, of some axes of the first cloud."""
        spread = (self.x.weights @ self.x.centres.square()).sqrt()
        spread = spread + torch.finfo(spread.dtype).tiny  # an axis may have no width
        n_axes = len(spread)
        for _ in range(self.settings.n_moves):
            limit = min(self.settings.max_moved_axes, n_axes)
            n_moved = int(torch.randint(1, limit + 1, (), generator=self.generator))
            axes = torch.multinomial(spread, n_moved, generator=self.generator)
            if torch.rand((), generator=self.generator) < 0.5:
                block = torch.diag(self._normal(n_moved).sign())
            else:
                block = polar_factor(self._normal(n_moved, n_moved))
            move = torch.eye(n_axes).to(spread)
            move[axes[:, None], axes] = block
            yield move @ found.similarity.rotation

    def register(self, rotation: Tensor) -> Registration:
        """Improve a rotation."""
        (Z, a), (W, b) = self.x, self.y
        schedule = self.settings.reg_schedule
        return register(Z, W, rotation=rotation, reg_schedule=schedule, weights=(a, b))

    def best(self, found: Iterable[Registration]) -> list[Registration]:
        """The rotations of least cost that differ."""
        Z, a = self.x

        def differ(first: Registration, second: Registration) -> bool:
            difference = first.similarity.rotation - second.similarity.rotation
            return float(a @ (Z @ difference).square().sum(1)) > self.settings.min_displacement

        ranked = sorted(found, key=lambda each: float(each.cost))
        return first_distinct(ranked, self.settings.n_kept, differ)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, dtype=torch.float64).to(self.x.centres)
