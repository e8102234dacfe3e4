"""The best motion between two clouds of points, among those that several matchings lead to.

Registration finds the nearest motion that fits well, so much depends on where it starts. Where no
start has led to one that fits, small random parts of both clouds are matched as well: plans of few
points are found at once and differ widely, and a motion that some of them lead to is judged by all
points.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skgw.alignment.registration import REFINING, Registration, polar_factor, register
from skgw.exceptions import GWConvergenceWarning
from skgw.solvers import solve_gromov

Pair = tuple[Tensor, Tensor]

TINY = 1e-6
FITS = 1.1  # misfit up to which a motion is good enough
SAME_MATCHING = 0.5  # total variation up to which plans count as the same matching
PAIR_WEIGHT = 0.1  # of the distances of known pairs in the choice: a motion fits a few by chance
N_SMALL, N_REFINED = 300, 6  # points of a small part; motions from them that are gone on with
REG, TOLERANCE, N_INIT = 5e-3, 1e-2, 4  # of their Gromov-Wasserstein plans


class Motion(NamedTuple):
    """A motion between clouds of points.

    Attributes
    ----------
    found : Registration
    contrast : float
        By how much the cost of the best other one that was found exceeds that of this one, over it;
        infinite if there was no other one.
    """

    found: Registration
    contrast: float

    @property
    def rotation(self) -> Tensor:
        """From points of the first cloud (n, k) to those of the second (m, l), (k, l)."""
        return self.found.rotation


def best_motion(
    points: Pair, plans: Sequence[Tensor], *, n_pairs: int = 0, n_parts: int = 0, seed: int = 0
) -> Motion:
    """The motion under which two clouds fit each other best, by the cost of optimal transport.

    Parameters
    ----------
    points : pair of Tensors of shapes (n, k) and (m, l)
        Centred and of unit size.
    plans : sequence of Tensors of shape (n, m)
        To start from.
    n_pairs : int
        The first so many points of either cloud are known to belong together; one more start.
    n_parts : int
        Small parts to start from if no plan leads to a motion that fits.
    seed : int
        Of these.
    """
    found = [register(*points, plan=plan) for plan in plans]
    if n_pairs:
        Z, W = (z[:n_pairs] for z in points)
        found.append(register(*points, rotation=polar_factor(Z.T @ W)))
    if min(misfit(points, r) for r in found) > FITS:
        found += _from_parts(points, n_parts, seed)
    costs = [float(r.cost) + PAIR_WEIGHT * _pair_cost(r, points, n_pairs) for r in found]
    return _cheapest(found, costs)


def misfit(points: Pair, found: Registration) -> float:
    """How far moved points are from the others, over how far those of one cloud are.

    Squared distances between the nearest of two halves: about 1 where both clouds are distributed
    alike, and less where they hold the same points.
    """
    moved, there = points[0] @ found.rotation, points[1]
    half = min(len(moved), len(there)) // 2
    across = _apart(moved[:half], there[:half])
    within = _apart(moved[:half], moved[half:]) + _apart(there[:half], there[half:])
    return 2 * across / max(within, TINY)


def _from_parts(points: Pair, n_parts: int, seed: int) -> list[Registration]:
    """The best of the motions that fit small random parts."""
    rng = np.random.RandomState(seed)
    rotations = [_of_part(points, rng) for _ in range(n_parts)]
    rotations.sort(key=lambda rotation: _apart(points[0] @ rotation, points[1]))
    return [
        register(*points, rotation=rotation, temperatures=REFINING)
        for rotation in rotations[:N_REFINED]
    ]


def _of_part(points: Pair, rng: np.random.RandomState) -> Tensor:
    """The motion (k, l) that a Gromov-Wasserstein plan of some points leads to."""
    Z, W = (z[torch.as_tensor(rng.permutation(len(z))[:N_SMALL], device=z.device)] for z in points)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GWConvergenceWarning)  # it need not
        result = solve_gromov(
            torch.cdist(Z, Z), torch.cdist(W, W), reg=REG, tol=TOLERANCE, n_init=N_INIT,
            random_state=rng,
        )  # fmt: skip
    return register(Z, W, plan=result.plan).rotation


def _apart(one: Tensor, other: Tensor) -> float:
    """Mean squared distance to the nearest point of the other set, both ways."""
    cost = torch.cdist(one, other).square()
    return float(cost.amin(0).mean() + cost.amin(1).mean()) / 2


def _pair_cost(found: Registration, points: Pair, n_pairs: int) -> float:
    """Mean squared distance of known pairs over that of all points: about 1 for a wrong motion."""
    if not n_pairs:
        return 0.0
    moved, there = points[0] @ found.rotation, points[1]
    cost = (moved[:n_pairs] - there[:n_pairs]).square().sum(1).mean()
    return float(cost / torch.cdist(moved, there).square().mean().clamp_min(TINY))


def _cheapest(found: list[Registration], costs: list[float]) -> Motion:
    """The registration of the least cost, and how much worse the next one that differs is."""
    first, *others = np.argsort(costs)
    best = found[first]
    for k in others:
        if (best.transport.plan - found[k].transport.plan).abs().sum() > 2 * SAME_MATCHING:
            return Motion(best, (costs[k] - costs[first]) / max(costs[first], TINY))
    return Motion(best, math.inf)
