"""The best motion between two clouds of points, among those that several matchings lead to.

Registration finds the nearest motion that fits well, so much depends on where it starts. First it
starts from given plans, and then from mirror images of the best motion: of a symmetric cloud they
fit as well, also where all plans have led to the same one. Where none has led to a motion that fits
as well as samples of one law would, the thorough search of `relaxed_search.py` takes over.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skgw.registration.procrustes import REFINING, Motion, Registration, polar_factor, register
from skgw.registration.split_half import excess

Pair = tuple[Tensor, Tensor]

TINY = 1e-6
SAME_MOTION = 0.1  # mean squared distance of moved points, over that of all, up to which motions
# count as the same
PAID = 0.15  # share of that distance which it costs where a motion is clear
N_MIRRORS = 4  # principal axes that are reflected, one at a time
PAIR_WEIGHT = 0.1  # of the distances of known pairs in the choice: a motion fits a few by chance


class Fit(NamedTuple):
    """A motion between clouds of points, and how good it is.

    Attributes
    ----------
    motion : Motion
    weights : tuple of Tensors of shapes (n,) and (m,)
        Mass of each point that is matched; uniform, unless marginals are relaxed.
    margin : float
        By how much the cost of other motions that were found at least exceeds that of this one,
        over it, or over `PAID` of the mean squared distance between where both bring the points
        if that is less: in many dimensions most of the cost is noise, which no motion does without.
        Infinite if there was no other one.
    excess : float
        What `excess` says of it.
    """

    motion: Motion
    weights: Pair
    margin: float
    excess: float


def fit_plans(points: Pair, plans: Sequence[Tensor], n_pairs: int = 0) -> Fit:
    """The motion under which two clouds fit each other best, by the cost of optimal transport.

    Parameters
    ----------
    points : pair of Tensors of shapes (n, k) and (m, l)
        Centred and of unit size.
    plans : sequence of Tensors of shape (n, m)
        To start from.
    n_pairs : int
        The first so many points of either cloud are known to belong together; one more start.
    """
    found = [register(*points, plan=plan) for plan in plans]
    if n_pairs:
        Z, W = (z[:n_pairs] for z in points)
        found.append(register(*points, rotation=polar_factor(Z.T @ W)))
    best = cheapest(points, found, n_pairs).motion
    for rotation in mirror_images(points[0], best.rotation):
        found.append(register(*points, rotation=rotation, temperatures=REFINING))
    return cheapest(points, found, n_pairs)


def mirror_images(Z: Tensor, rotation: Tensor) -> list[Tensor]:
    """The rotation after a reflection of points (n, k) along each of their first axes."""
    axes = torch.linalg.eigh(Z.T @ Z).eigenvectors.T.flip(0)[:N_MIRRORS]
    return [rotation - 2 * torch.outer(v, v @ rotation) for v in axes]


def cheapest(points: Pair, found: Sequence[Registration], n_pairs: int = 0) -> Fit:
    """The registration of the least cost, known pairs included."""
    costs = [float(r.cost) + PAIR_WEIGHT * _pair_cost(r.motion, points, n_pairs) for r in found]
    first = int(np.argmin(costs))
    best = found[first]
    moved, margin = best.motion(points[0]), math.inf
    for other, cost in zip(found, costs, strict=True):
        there = other.motion(points[0])
        if differ(moved, there):
            apart = float((moved - there).square().sum(1).mean())
            unit = max(min(costs[first], PAID * apart), TINY)
            margin = min(margin, (cost - costs[first]) / unit)
    plan = best.transport.plan
    return Fit(best.motion, (plan.sum(1), plan.sum(0)), margin, excess(moved, points[1]))


def differ(one: Tensor, other: Tensor) -> bool:
    """Whether two motions have brought points (n, k) to different places."""
    spread = 2 * one.var(0).sum().clamp_min(TINY)
    return bool((one - other).square().sum(1).mean() > SAME_MOTION * spread)


def _pair_cost(motion: Motion, points: Pair, n_pairs: int) -> float:
    """Mean squared distance of known pairs over that of all points: about 1 for a wrong motion."""
    if not n_pairs:
        return 0.0
    moved, there = motion(points[0]), points[1]
    cost = (moved[:n_pairs] - there[:n_pairs]).square().sum(1).mean()
    return float(cost / torch.cdist(moved, there).square().mean().clamp_min(TINY))
