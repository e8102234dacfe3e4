"""Plans between registered rows: principal coordinates of one domain, rotated onto the other.

A plan between some hundred rows has errors that a rotation does not have: a rotation that fits the
plan has far fewer unknowns, and determines the plan of all rows (`registered_extension`). So each
plan of a pool is the start of a registration (`registration.procrustes`) of principal coordinates
of the rows, and of directions from the mean. The registered plans are compared by the odds that
they are right: all of them between the rows of the pool, and the best of them between more rows.
Between disjoint rows a wrong plan may explain more than the right one, and no plan leads to the
right rotation. Then rotations themselves are searched between more rows.

Some rows may have no match, and groups may have other shares in the other domain. Where all rows
count alike, a wrong rotation that takes large groups to large groups may fit better than the right
one. So each rotation is the start of an unbalanced registration (`registration.unbalanced`), whose
plan gives little mass to rows that nothing matches. The marginals of this plan are the weights of
the rows in the registration.

Rotations that are about as good as the best one may be right as well. Their plans are averaged,
with weights exp(log odds / temperature), so that the errors of wrong rotations cancel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skgw.matching.candidate_metrics import MIN_FEATURES
from skgw.matching.domain_points import DomainPoints, Rows
from skgw.matching.matching_probability import Judgement
from skgw.matching.plan_pool import PlanPool, PoolDistances, sample_rows
from skgw.matching.side_information import SideInformation
from skgw.matching.training_domain import DomainPair
from skgw.registration.initial_similarities import mirror_images
from skgw.registration.procrustes import Pair, best_rotation
from skgw.registration.rotation_search import RotationSearchSettings, search_rotations
from skgw.registration.similarity import first_distinct
from skgw.registration.unbalanced import UnbalancedSettings
from skgw.spaces.finite import Array
from skgw.threads import each_on_a_thread


@dataclass(frozen=True)
class RegistrationSettings:
    """Settings of the registration of principal coordinates.

    Attributes
    ----------
    reg_schedule : tuple of float
        Entropic regularisation of successive plans, relative to the mean cost.
    n_axes, max_axes : int
        Number of principal axes of the search, and of the last registration at most.
    rows_per_axis : int
        Rows that the last registration needs for a further axis.
    n_finalists : int
        Number of registered plans that are registered again between more rows.
    n_judged : int
        Rows of either domain, at most, between which these are judged.
    n_transported : int
        Rows of either domain, at most, between which the potentials are solved for.
    n_refinements : int
        Number of improvements of a rotation between these rows.
    reg_per_cost : float
        Entropic regularisation of the last plan, at most, over the cost of its matches.
    rho : float
        Penalty on the divergence of the marginals of the last plan from uniform ones, over the
        regularisation.
    n_mirror_axes : int
        Number of axes along which the best plan is reflected, in search of a symmetry.
    search : RotationSearchSettings
    n_searches : int
        Number of searches, by different random starts, at most.
    temperature : float
        Difference of log odds at which a rotation has exp(-1) of the weight of the best one.
    min_weight : float
        Weight, relative to the best rotation, below which a rotation is dropped.
    unbalanced : UnbalancedSettings
        Of the registration that gives the weights of the rows.
    same_displacement, other_displacement : float
        Mean squared distance between the places where two plans take the rows, relative to that of
        two rows: below the first, the two count as one, and above the second, they are different
        matchings as a whole.
    """

    reg_schedule: tuple[float, ...] = (0.1, 0.03, 0.01)
    n_axes: int = 32
    max_axes: int = 128
    rows_per_axis: int = 8
    n_finalists: int = 8
    n_judged: int = 1000
    n_transported: int = 2000
    n_refinements: int = 2
    reg_per_cost: float = 0.1
    rho: float = 20.0
    n_mirror_axes: int = 4
    search: RotationSearchSettings = field(default_factory=RotationSearchSettings)
    n_searches: int = 2
    temperature: float = 0.56
    min_weight: float = 0.05
    unbalanced: UnbalancedSettings = field(default_factory=UnbalancedSettings)
    same_displacement: float = 0.05
    other_displacement: float = 0.5


class RegisteredPlan(NamedTuple):
    """A plan between registered rows.

    Attributes
    ----------
    coordinates : DomainPoints
        Of all training rows, of equal weights.
    weights : tuple of Tensors of shapes (n,) and (m,)
        Of all training rows, in this registration.
    rows : tuple of arrays of int of shapes (r,) and (s,)
        Positions of the rows among the training rows.
    plan : array of shape (r, s)
        Of mass one.
    rotation : Tensor of shape (k, l)
        From reweighted coordinates along the leading principal axes of the first domain to those of
        the second domain.
    judgement : Judgement
        Without the weight of another matching.
    """

    coordinates: DomainPoints
    weights: Pair
    rows: Rows
    plan: Array
    rotation: Tensor
    judgement: Judgement

    def leading(self, n_axes: int) -> DomainPoints:
        """The reweighted coordinates of all training rows along the leading axes."""
        return self.coordinates.leading(n_axes).reweighted(self.weights)

    def displacement(self, other: RegisteredPlan, places: Array) -> float:
        """Mean squared distance between the places where two plans of the same rows take them.

        The columns of the plans have these `places` (s, l).
        """
        of_self, of_other = (each.plan / each.plan.sum(1, keepdims=True) for each in (self, other))
        difference = of_self - of_other
        return float(np.square(difference @ places).sum(1).mean())


class Rotations(NamedTuple):
    """The rotations between two domains that may be right, the best one first.

    Attributes
    ----------
    plans : list of RegisteredPlan
        Of the same coordinates, each reweighted.
    weights : array of shape (c,)
        Of sum one.
    judgement : Judgement
        Of the best plan.
    """

    plans: list[RegisteredPlan]
    weights: Array
    judgement: Judgement

    @property
    def best(self) -> Rotations:
        """The best rotation alone."""
        return self._replace(plans=self.plans[:1], weights=np.ones(1))


@dataclass(frozen=True)
class Ranking:
    """Registered plans between the same rows, judged by the same distances.

    Attributes
    ----------
    judge : PoolDistances
    rows, weighed_rows : tuples of arrays of int of shapes (r,) and (s,)
        Rows that are registered, and those of them between which the weights are found.
    places : array of shape (s, l)
        Coordinates of the rows of the second domain, in which displacements are measured.
    settings : RegistrationSettings
    plans : list of RegisteredPlan
        The most probable one first; no two of them are the same.
    """

    judge: PoolDistances
    rows: Rows
    weighed_rows: Rows
    places: Array
    settings: RegistrationSettings
    plans: list[RegisteredPlan] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        judge: PoolDistances,
        rows: Rows,
        weighed_rows: Rows,
        sets: list[DomainPoints],
        settings: RegistrationSettings,
    ) -> Ranking:
        """A ranking without plans."""
        places = sets[0].leading(settings.n_axes).at(rows).points[1].numpy()
        return cls(judge, rows, weighed_rows, places, settings)

    def register(
        self,
        coordinates: DomainPoints,
        rotations: Iterable[Tensor],
        reg_schedule: tuple[float, ...],
        weights: Pair | None = None,
    ) -> Iterator[RegisteredPlan]:
        """Register coordinates from these rotations; by default all rows have the same weight."""
        points = coordinates.leading(self.settings.n_axes)
        points = points if weights is None else points.reweighted(weights)
        part = points.at(self.rows)

        def registered(start: Tensor) -> RegisteredPlan:
            rotation, tensor = part.register(start, reg_schedule)
            plan = tensor.numpy()
            judgement = self.judge.judge(plan)
            return RegisteredPlan(
                coordinates, points.weights, self.rows, plan, rotation, judgement
            )  # fmt: skip

        return each_on_a_thread(registered, rotations)

    def register_unbalanced(
        self, coordinates: DomainPoints, rotations: Iterable[Tensor]
    ) -> Iterator[RegisteredPlan]:
        """Register coordinates from these rotations, with weights of the rows."""
        settings = self.settings
        points = coordinates.leading(settings.n_axes)

        def registered(rotation: Tensor) -> RegisteredPlan:
            weights = points.matched_weights(rotation, self.weighed_rows, settings.unbalanced)
            schedule = settings.reg_schedule[1:]
            (found,) = self.register(coordinates, [rotation], schedule, weights)
            return found

        return each_on_a_thread(registered, rotations)

    def extended(self, plans: Iterable[RegisteredPlan]) -> Ranking:
        """The ranking with further plans between its rows."""
        ranked = sorted([*self.plans, *plans], key=lambda each: -each.judgement.log_odds)
        limit = self.settings.same_displacement
        distinct = first_distinct(
            ranked, self.settings.n_finalists,
            lambda each, other: each.displacement(other, self.places) > limit,
        )  # fmt: skip
        return replace(self, plans=distinct)

    def rotations(self) -> Rotations:
        """The rotations that are about as good as the best one, in its coordinates."""
        settings, best = self.settings, self.plans[0]
        odds = np.array([each.judgement.log_odds for each in self.plans])
        weights = np.exp((odds - odds[0]) / settings.temperature)
        others = [
            weight
            for each, weight in zip(self.plans, weights, strict=True)
            if each.displacement(best, self.places) > settings.other_displacement
        ]
        judgement = best.judgement._replace(other_weight=float(max(others, default=0.0)))
        kept = [
            k
            for k, each in enumerate(self.plans)
            if each.coordinates is best.coordinates and weights[k] >= settings.min_weight
        ]
        return Rotations(
            [self.plans[k] for k in kept], weights[kept] / weights[kept].sum(), judgement,
        )  # fmt: skip


def coordinate_sets(
    pair: DomainPair, side_information: SideInformation, seed: int, max_axes: int
) -> list[DomainPoints]:
    """Principal coordinates of the rows and, if they have directions, of the directions."""
    coordinates = DomainPoints.of(pair, side_information, seed, max_axes)
    is_placed = pair[0].scaling is not None  # by distances, in which directions mean nothing
    if is_placed or min(points.shape[1] for points in coordinates.points) < MIN_FEATURES:
        return [coordinates]
    return [coordinates, coordinates.of_unit_length(seed)]


def register_pool(
    pair: DomainPair,
    side_information: SideInformation,
    sets: list[DomainPoints],
    pool: PlanPool,
    settings: RegistrationSettings = RegistrationSettings(),
) -> Ranking:
    """Register the plans of a pool, and the best of them again, unbalanced, between more rows.

    Parameters
    ----------
    pair : pair of TrainingDomain
    side_information : SideInformation
    sets : list of DomainPoints
        Coordinates that are registered.
    pool : PlanPool
    settings : RegistrationSettings
    """
    fine = settings.reg_schedule[1:]
    ranking = Ranking.of(pool.judge, pool.rows, pool.rows, sets, settings)
    for coordinates in sets:
        starts = _starts(pool, coordinates.leading(settings.n_axes), side_information)
        found = list(ranking.register(coordinates, starts, settings.reg_schedule))
        best = max(found, key=lambda each: each.judgement.log_odds)
        points = coordinates.leading(settings.n_axes).points[0]
        mirrored = mirror_images(points, best.rotation, settings.n_mirror_axes)
        ranking = ranking.extended([*found, *ranking.register(coordinates, mirrored, fine)])
    rows = sample_rows(pair, settings.n_judged, pool.rows)
    judge = pool.judge
    if any(len(i) > len(j) for i, j in zip(rows, pool.rows, strict=True)):
        metrics = pair[0].metric, pair[1].metric
        judge = PoolDistances.of(pair, metrics, rows, side_information, pool.judge.settings)
    wider = Ranking.of(judge, rows, pool.rows, sets, settings)
    return wider.extended(
        plan
        for coordinates in sets
        for plan in wider.register_unbalanced(
            coordinates,
            [each.rotation for each in ranking.plans if each.coordinates is coordinates],
        )
    )


def with_search(ranking: Ranking, coordinates: DomainPoints, seed: int) -> Ranking:
    """Add rotations that a search between all rows finds, see `registration.rotation_search`."""
    settings = ranking.settings
    Z, W = coordinates.leading(settings.n_axes).points
    found = search_rotations((Z.float(), W.float()), settings.search, seed)
    rotations = (each.double() for each in found[: settings.n_finalists])
    return ranking.extended(ranking.register_unbalanced(coordinates, rotations))


def _starts(
    pool: PlanPool, coordinates: DomainPoints, side_information: SideInformation
) -> Iterator[Tensor]:
    """Rotations that fit the plans of a pool and the anchor pairs best."""
    points = coordinates.at(pool.rows)
    for plan in pool.plans:
        yield points.rotation(torch.from_numpy(plan))
    if len(side_information.pairs[0]):
        Z, W = coordinates.at(side_information.pairs).points
        yield best_rotation(Z.T @ W)
