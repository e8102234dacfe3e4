"""Registration from several starts, and the margin between the best two similarities.

Registration finds the nearest similarity that fits well, so the result depends on the start. The
starts are given plans, and then mirror images of the best similarity found: for a symmetric cloud
mirror images fit as well, also where all plans have led to one similarity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skgw.nn import polar_factor
from skgw.registration.initial_similarities import mirror_images
from skgw.registration.procrustes import FINE_REG_SCHEDULE, Pair, Registration, register
from skgw.registration.similarity import Similarity
from skgw.registration.split_half import split_half_cost_ratio

MIN_COST = 1e-6  # squared distance below which costs count as zero


@dataclass(frozen=True)
class ComparisonSettings:
    """Settings of the comparison of similarities.

    Attributes
    ----------
    max_displacement : float
        Two similarities count as one if they take points to places whose mean squared distance is
        at most this share of the mean squared distance of two points of the cloud.
    margin_unit_cap : float
        Cap of the unit of the margin, as a share of the mean squared distance between the places
        that two similarities take the points to.
    n_mirror_axes : int
        Number of principal axes that points are reflected along.
    pair_weight : float
        Weight of the distances of anchor pairs in the cost: a wrong similarity may fit a few anchor
        pairs by chance.
    """

    max_displacement: float = 0.1
    margin_unit_cap: float = 0.15
    n_mirror_axes: int = 4
    pair_weight: float = 0.1


class BestSimilarity(NamedTuple):
    """The best of several similarities between two clouds.

    Attributes
    ----------
    similarity : Similarity
    mass : tuple of Tensors of shapes (n,) and (m,)
        Matched mass of each point; uniform after balanced registrations.
    margin : float
        Relative margin between the best similarity and the runner-up: the difference of their costs
        over the best cost. The best cost is capped at 15 % of the mean squared displacement between
        the two, as most of it is noise in many dimensions. Infinite without a runner-up.
    cost_ratio : float
        `split_half_cost_ratio` of the best similarity.
    """

    similarity: Similarity[Tensor]
    mass: Pair
    margin: float
    cost_ratio: float


def register_plans(
    points: Pair,
    plans: Sequence[Tensor],
    n_pairs: int = 0,
    settings: ComparisonSettings = ComparisonSettings(),
) -> BestSimilarity:
    """Register two clouds from several plans, and keep the similarity of the least cost.

    Parameters
    ----------
    points : pair of Tensors of shapes (n, k) and (m, l)
        Centred, of RMS distance one.
    plans : sequence of Tensors of shape (n, m)
        Initial plans.
    n_pairs : int
        Number of anchor pairs, the first points of both clouds: one more start.
    settings : ComparisonSettings
    """
    source, target = points
    found = [register(source, target, plan=plan) for plan in plans]
    if n_pairs:
        cross = source[:n_pairs].T @ target[:n_pairs]
        found.append(register(source, target, rotation=polar_factor(cross)))
    best = select_best(points, found, n_pairs, settings).similarity
    for rotation in mirror_images(source, best.rotation, settings.n_mirror_axes):
        found.append(register(source, target, rotation=rotation, reg_schedule=FINE_REG_SCHEDULE))
    return select_best(points, found, n_pairs, settings)


def select_best(
    points: Pair,
    found: Sequence[Registration],
    n_pairs: int = 0,
    settings: ComparisonSettings = ComparisonSettings(),
) -> BestSimilarity:
    """The registration of the least cost, which includes the distances of anchor pairs."""
    source, target = points
    costs = [
        float(each.cost) + settings.pair_weight * _pair_cost(each.similarity, points, n_pairs)
        for each in found
    ]
    first = int(np.argmin(costs))
    best, best_cost = found[first], costs[first]
    registered, margin = best.similarity(source), math.inf
    for each, cost in zip(found, costs, strict=True):
        compared = each.similarity(source)
        if differ(registered, compared, settings):
            displacement = float((registered - compared).square().sum(1).mean())
            unit = max(min(best_cost, settings.margin_unit_cap * displacement), MIN_COST)
            margin = min(margin, (cost - best_cost) / unit)
    ratio = split_half_cost_ratio(registered, target)
    return BestSimilarity(best.similarity, best.transport.marginals, margin, ratio)


def differ(
    first: Tensor, second: Tensor, settings: ComparisonSettings = ComparisonSettings()
) -> bool:
    """Whether two similarities have taken the same points to different places (n, k)."""
    squared_distance = 2 * first.var(0).sum().clamp_min(MIN_COST)
    displacement = (first - second).square().sum(1).mean()
    return bool(displacement > settings.max_displacement * squared_distance)


def _pair_cost(similarity: Similarity[Tensor], points: Pair, n_pairs: int) -> float:
    """Mean squared distance of anchor pairs, relative to all pairs of points.

    It is about 1 for a wrong similarity.
    """
    if not n_pairs:
        return 0.0
    registered, target = similarity(points[0]), points[1]
    cost = (registered[:n_pairs] - target[:n_pairs]).square().sum(1).mean()
    mean = torch.cdist(registered, target).square().mean().clamp_min(MIN_COST)
    return float(cost / mean)
