"""Align two domains: from features or distances to a plan between all rows.

1. Plans between a few hundred rows are found under several metrics (`plan_pool`).
2. If the metric is "auto", each plan is the start of a registration of the rows, and the rotations
   that may be right are kept (`registered_plan`). If the best one may be wrong, further rotations
   are searched between more rows. The rotations give the plan of all rows (`registered_extension`).
3. For another metric, or a plan that is not balanced, or if the rotation may be wrong, the
   reference rows, all or a random part, are coupled from the best plan at a small epsilon
   (`reference`). The coupling is refined with saturated distances (`refinement`), and extended to
   all rows (`out_of_sample`). It replaces the rotation if it preserves clearly more neighbours, as
   where one domain is bent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.metrics import pairwise_distances_argmin
from sklearn.metrics.pairwise import euclidean_distances

from skgw.base.progress import SILENT, Progress
from skgw.matching.confidence import RowExtension, row_confidence
from skgw.matching.contradiction import pair_costs
from skgw.matching.out_of_sample import extend_reference_plan
from skgw.matching.plan_pool import (
    PlanPool,
    PoolDistances,
    PoolSettings,
    pool_plans,
    sample_rows,
)
from skgw.matching.reference import CouplingSettings, PartialPlan, choose_epsilon, couple
from skgw.matching.refinement import RefinementSettings, refine_coupling
from skgw.matching.registered_extension import RegisteredDomain, extend_rotations
from skgw.matching.registered_plan import (
    RegisteredPlan,
    RegistrationSettings,
    Rotations,
    coordinate_sets,
    register_pool,
    with_search,
)
from skgw.matching.result import Alignment, RowDomain
from skgw.matching.side_information import SideInformation
from skgw.matching.training_domain import (
    DomainPair,
    ReferenceDomain,
    reference_domains,
)
from skgw.solvers import GromovResult
from skgw.solvers.problems import plan_cost
from skgw.spaces.finite import Array, Index

LEAST_MASS = 1e-3  # of rows without a match in the plan of a rotation, over the mean mass

References = tuple[ReferenceDomain, ReferenceDomain]


@dataclass(frozen=True)
class MatchingSettings:
    """Settings of a matching that the estimators do not offer as parameters.

    Attributes
    ----------
    max_full : int
        Rows of either domain up to which ``method="auto"`` couples all rows.
    max_reference : int
        Reference rows of either domain otherwise.
    max_extension_error : float
        L1 error of the extended plan's marginals up to which it counts as converged.
    pool_rows : int
        Rows of either domain in the pool, at most.
    min_gain : float
        Share of nearest neighbours that a coupling must preserve to replace a rotation, relative to
        the share that the rotation preserves.
    pool : PoolSettings
    registration : RegistrationSettings
    coupling : CouplingSettings
    refinement : RefinementSettings
    """

    max_full: int = 2000
    max_reference: int = 1000
    max_extension_error: float = 1e-3
    pool_rows: int = 300
    min_gain: float = 2.0
    pool: PoolSettings = field(default_factory=PoolSettings)
    registration: RegistrationSettings = field(default_factory=RegistrationSettings)
    coupling: CouplingSettings = field(default_factory=CouplingSettings)
    refinement: RefinementSettings = field(default_factory=RefinementSettings)


@dataclass(frozen=True)
class AlignmentOptions:
    """Options of an alignment.

    Attributes
    ----------
    n_init : int
        Starts of the solves of a subsample, under the metric itself.
    n_reference : int
        Reference rows of either domain at most.
    device : torch.device
    epsilon, unbalanced, mass
        Parameters of `GWMatcher`.
    refine : bool
        Whether to refine the matching: a rotation gives the plan, or the coupling is refined.
    register : bool
        Whether to register the features, and to search more rows where the matching may be wrong.
    check_pairs : bool
        Whether to compare the matching with a matching without the anchor pairs.
    settings : MatchingSettings
    """

    n_init: int
    n_reference: int
    device: torch.device
    epsilon: float | None = None
    unbalanced: Any = None
    mass: float | None = None
    refine: bool = False
    register: bool = False
    check_pairs: bool = False
    settings: MatchingSettings = field(default_factory=MatchingSettings)


def align(
    pair: DomainPair,
    side_information: SideInformation,
    options: AlignmentOptions,
    seed: int,
    progress: Progress = SILENT,
) -> Alignment:
    """Align two domains, and report each step to `progress`."""
    settings, metrics = options.settings, (pair[0].metric, pair[1].metric)
    pool, found = _search(pair, side_information, options, seed, progress)
    judgement, start = (
        (pool.judgement, pool) if found is None else (found.judgement, found.plans[0])
    )
    domains = reference_domains(pair, metrics, sample_rows(pair, options.n_reference, start.rows))
    if found is not None and options.refine:
        progress.say(_extension_of(pair))
        matched = _extend_rotations(pair, domains, found, settings, progress)
    else:
        coupled = _coupling(domains, side_information, options, pool.misfit, start, seed, progress)
        progress.say(_extension_of(pair))
        matched = _extend_coupling(pair, side_information, coupled, settings, progress)
        between = (domain.between() for domain in domains)
        judge = PoolDistances.between(*between, settings=settings.pool)
        of_plan = judge.judge(matched.plan)
        judgement = of_plan._replace(other_weight=judgement.other_weight)
    return Alignment(
        judgement, pool.margin,
        value=_discrepancy(domains, matched.plan),
        pair_costs=pair_costs(pair, side_information, pool, seed) if options.check_pairs else None,
        **matched._asdict(),
    )  # fmt: skip


def _extension_of(pair: DomainPair) -> str:
    """The last step of an alignment, in words."""
    return "extension to " + " and ".join(str(domain.X.shape[0]) for domain in pair) + " rows"


def _search(
    pair: DomainPair,
    side_information: SideInformation,
    options: AlignmentOptions,
    seed: int,
    progress: Progress,
) -> tuple[PlanPool, Rotations | None]:
    """A pool of plans between few rows and, for features, the rotations that may be right.

    There are no rotations if one of the domains is bent.
    """
    settings = options.settings
    registration = settings.registration
    pool = pool_plans(
        pair, side_information, settings.pool_rows, options.n_init, seed, settings.pool, progress
    )
    if not options.register:
        return pool, None
    progress.say("registration")
    sets = coordinate_sets(pair, side_information, seed, registration.max_axes)
    ranking = register_pool(pair, side_information, sets, pool, registration)
    found = ranking.rotations()
    progress.say(f"right with a probability of {found.judgement.probability:.2f}")
    has_more_rows = len(ranking.rows[0]) + len(ranking.rows[1]) > sum(map(len, pool.rows))
    for k in range(registration.n_searches if has_more_rows else 0):
        if found.judgement.is_sure:
            break
        progress.say(f"search of rotations {k + 1}")
        ranking = with_search(ranking, sets[-1], seed + k)
        found = ranking.rotations()
        progress.say(f"right with a probability of {found.judgement.probability:.2f}")
    if pair[0].scaling is not None:  # coordinates of geodesic distances are straight
        return pool, found
    if _is_bent(pair, side_information, options, pool, found, seed):
        return pool, None
    return pool, found


def _is_bent(
    pair: DomainPair,
    side_information: SideInformation,
    options: AlignmentOptions,
    pool: PlanPool,
    found: Rotations,
    seed: int,
) -> bool:
    """Whether a coupling of the rows of a pool preserves clearly more neighbours than a rotation.

    No rotation matches a bent domain with a straight one.
    """
    settings, metrics = options.settings, (pair[0].metric, pair[1].metric)
    best = found.plans[0]
    points = best.leading(settings.registration.n_axes).at(pool.rows)
    plan = points.transport(best.rotation, settings.registration.reg_schedule[-1]).plan
    by_rotation = pool.judge.judge(plan.numpy()).preserved_neighbors
    if settings.min_gain * by_rotation >= 1:
        return False
    domains = reference_domains(pair, metrics, pool.rows)
    coupled = _coupling(domains, side_information, options, pool.misfit, pool, seed, SILENT)
    by_coupling = pool.judge.judge(coupled.plan).preserved_neighbors
    return by_coupling > settings.min_gain * by_rotation


class _Coupled(NamedTuple):
    """A plan between reference rows, and its entropic regularisation."""

    domains: References
    plan: Array
    reg: float
    converged: bool

    @classmethod
    def of(cls, domains: References, result: GromovResult) -> _Coupled:
        return cls(domains, result.plan.cpu().numpy(), float(result.reg), bool(result.converged))


def _coupling(
    domains: References,
    side_information: SideInformation,
    options: AlignmentOptions,
    misfit: float,
    start: PlanPool | RegisteredPlan,
    seed: int,
    progress: Progress,
) -> _Coupled:
    """The coupling of the reference rows, refined if that preserves more neighbours."""
    settings, rows = options.settings, (domains[0].rows, domains[1].rows)
    Dx, Dy = (domain.between() for domain in domains)
    at = tuple(np.searchsorted(i, j) for i, j in zip(rows, start.rows, strict=True))
    epsilon = options.epsilon
    if epsilon is None:
        epsilon = choose_epsilon(misfit, settings.coupling)
    progress.say(f"coupling of {len(Dx)} and {len(Dy)} rows, epsilon={epsilon:.2g}")
    result = couple(
        Dx, Dy, M=side_information.cost(Dx, Dy, *rows), alpha=side_information.weight,
        epsilon=epsilon, start=PartialPlan(start.plan, *at), unbalanced=options.unbalanced,
        mass=options.mass, seed=seed, device=options.device, settings=settings.coupling,
    )  # fmt: skip
    if not options.refine:
        return _Coupled.of(domains, result)
    progress.say("refinement")
    refined = refine_coupling(domains, side_information, result, settings.refinement)
    return _Coupled.of(refined.domains, refined.result)


class _Matched(NamedTuple):
    """A plan between reference rows, extended to all rows. Fields are those of `Alignment`."""

    domains: tuple[RowDomain, RowDomain]
    extension: RowExtension
    features: Array
    plan: Array
    epsilon: float
    confidence: tuple[Array, Array]
    matched_mass: Array
    converged: bool


def _extend_rotations(
    pair: DomainPair,
    domains: References,
    found: Rotations,
    settings: MatchingSettings,
    progress: Progress,
) -> _Matched:
    """All rows by their principal coordinates; by one rotation, unless all are reference rows."""
    schedule, reference = settings.registration, (domains[0].rows, domains[1].rows)
    x, y = (
        domain.sample(schedule.n_transported, i, of_anchors=False)
        for domain, i in zip(pair, reference, strict=True)
    )
    is_whole = all(len(i) == x.X.shape[0] for i, x in zip(reference, pair, strict=True))
    extension, coordinates, plan, error = extend_rotations(
        found if is_whole else found.best, (x, y), reference, schedule,
        weighted=pair[0].scaling is not None,
    )  # fmt: skip
    Z, V = (points.numpy() for points in coordinates.points)
    X, Y = (points.numpy() for points in coordinates.at(reference).points)
    if is_whole:
        of_rows, of_columns = extension.to_y.rows(X) / len(X), extension.to_x.rows(Y).T / len(Y)
        plan = (1 - LEAST_MASS) * plan + LEAST_MASS * (of_rows + of_columns) / 2
        mass = plan.sum(1) * len(X)
    else:
        mass = plan.sum(1)[pairwise_distances_argmin(Z, Z[x])]
        mass = np.maximum(mass / mass.mean(), LEAST_MASS)
        plan = extension.onto_reference().rows(X) * mass[reference[0], None] / len(X)
    squares = euclidean_distances(X, squared=True), euclidean_distances(Y, squared=True)
    progress.say("confidence of the rows")
    return _Matched(
        (
            RegisteredDomain(
                domains[0].without_distances(), coordinates.axes[0], X, pair[0].scaling
            ),
            RegisteredDomain(
                domains[1].without_distances(), coordinates.axes[1], Y, pair[1].scaling
            ),
        ),
        extension, Z, plan,
        epsilon=extension.to_y.parts[0].reg,
        confidence=_confidence(extension, (Z, V), (X, Y), squares),
        matched_mass=mass,
        converged=error < settings.max_extension_error,
    )  # fmt: skip


def _extend_coupling(
    pair: DomainPair,
    side_information: SideInformation,
    coupled: _Coupled,
    settings: MatchingSettings,
    progress: Progress,
) -> _Matched:
    """All rows by their distances to the reference rows."""
    domains, plan, reg, converged = coupled
    rows = domains[0].rows, domains[1].rows
    distances = domains[0].distances(pair[0].rows), domains[1].distances(pair[1].rows)
    with_pairs, weights = side_information.extend(plan, *rows), (plan.sum(1), plan.sum(0))
    extension, error = extend_reference_plan(distances, rows, with_pairs, reg, weights)
    between = domains[0].between(), domains[1].between()
    progress.say("confidence of the rows")
    return _Matched(
        (domains[0].without_distances(), domains[1].without_distances()),
        extension, distances[0], plan, reg,
        confidence=_confidence(extension, distances, between, (between[0] ** 2, between[1] ** 2)),
        matched_mass=_matched_mass(plan, distances[0], rows[0]),
        converged=converged and error < settings.max_extension_error,
    )  # fmt: skip


def _confidence(
    extension: RowExtension,
    rows: tuple[Array, Array],
    reference: tuple[Array, Array],
    squares: tuple[Array, Array],
) -> tuple[Array, Array]:
    """Confidence in the matches of the training rows of both domains, (n,) and (m,).

    `rows` and `reference` are what the extension reads of the training rows and the reference rows.
    """
    return (
        row_confidence(extension, rows[0], reference, squares[1]),
        row_confidence(extension.reversed(), rows[1], reference[::-1], squares[0]),
    )


def _matched_mass(plan: Array, distances: Array, reference: Index) -> Array:
    """Matched mass of each training row of the first domain, over its weight, (n,).

    A row outside of the reference rows has the matched mass of the nearest reference row.
    """
    mass = plan.sum(1) * len(plan)  # of the reference rows
    nearest = distances.argmin(1)
    nearest[reference] = np.arange(len(mass))
    return mass[nearest]


def _discrepancy(domains: References, plan: Array) -> float:
    """Gromov-Wasserstein discrepancy of the unsaturated distances, for a plan of mass one."""
    Dx, Dy = (domain.plain.between() for domain in domains)
    return plan_cost(Dx, Dy, plan) / plan.sum() ** 2
