"""Align two domains: from features or distances to a plan between all rows.

1. Plans between a few hundred rows are found under several metrics and averaged (`plan_pool`), and
   between more rows if the matching may be wrong.
2. The reference rows, all or a random part, are coupled from the best plan at a small epsilon
   (`reference`), and the coupling is refined with saturated distances (`refinement`).
3. If the metric is "auto" and this coupling preserves few nearest neighbours, it is more precise
   than the data allow. The average of step 1 is then the plan, and its rows are the reference rows.
   So it is if step 1 leaves little hope, and no coupling is tried.
4. The plan is extended to all rows and to new rows (`out_of_sample`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from skgw.base.progress import SILENT, Progress
from skgw.matching.confidence import row_confidence
from skgw.matching.contradiction import pair_costs
from skgw.matching.matching_probability import (
    HOPELESS_PROBABILITY,
    SURE_PROBABILITY,
    Judgement,
)
from skgw.matching.out_of_sample import PlanExtension, extend_reference_plan
from skgw.matching.plan_pool import (
    PlanPool,
    PoolDistances,
    PoolSettings,
    PoolSize,
    pool_plans,
    product_cost,
    sample_rows,
)
from skgw.matching.reference import CouplingSettings, PartialPlan, choose_epsilon, couple
from skgw.matching.refinement import RefinementSettings, refine_coupling
from skgw.matching.result import Alignment
from skgw.matching.side_information import SideInformation
from skgw.matching.training_domain import (
    DomainPair,
    ReferenceDomain,
    reference_domains,
)
from skgw.solvers import GromovResult
from skgw.solvers.problems import plan_cost
from skgw.spaces.finite import Array

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
    pool_size : PoolSize
        Size of the first pool. The next one, if the matching may be wrong, has all reference rows.
    min_preserved : float
        Share of nearest neighbours that a coupling must preserve to be preferred to an average.
    average_reg : float
        Entropic regularisation of an average, relative to the discrepancy of the product coupling.
    pool : PoolSettings
    coupling : CouplingSettings
    refinement : RefinementSettings
    """

    max_full: int = 2000
    max_reference: int = 1000
    max_extension_error: float = 1e-3
    pool_size: PoolSize = field(default_factory=lambda: PoolSize(300))
    min_preserved: float = 0.4
    average_reg: float = 0.05
    pool: PoolSettings = field(default_factory=PoolSettings)
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
        Whether to refine the coupling.
    average : bool
        Whether to search more rows where the matching may be wrong, and to average plans where the
        coupling is uncertain; of refined couplings.
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
    average: bool = False
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
    pool = _pool(pair, side_information, options, seed, progress)
    couplings, judgement = _couplings(pair, side_information, options, pool, seed, progress)
    progress.say(
        "extension to " + " and ".join(str(domain.X.shape[0]) for domain in pair) + " rows"
    )
    extended = [_extend(pair, side_information, coupled) for coupled in couplings]
    # Global and local distances reveal different errors.
    confidence = np.prod([each.confidence for each in extended], axis=0) ** (1 / len(extended))
    (domains, plan, reg, converged), (extension, error, distances, _) = couplings[-1], extended[-1]
    return Alignment(
        judgement, pool.margin, reg, domains, extension, distances, plan,
        value=_discrepancy(domains, plan),
        confidence=confidence,
        converged=converged and error < options.settings.max_extension_error,
        pair_costs=pair_costs(pair, side_information, pool, seed) if options.check_pairs else None,
    )  # fmt: skip


def _pool(
    pair: DomainPair,
    side_information: SideInformation,
    options: AlignmentOptions,
    seed: int,
    progress: Progress,
) -> PlanPool:
    """A pool of few rows; if it may be wrong, the better of it and a pool of the reference rows."""
    settings = options.settings
    n_rows = min(options.n_reference, max(x.X.shape[0] for x in pair))
    pools = []
    for size in (settings.pool_size, PoolSize(n_rows, n_starts=1)):
        pool = pool_plans(
            pair, side_information, size, options.n_init, seed, settings.pool, progress
        )
        probability = pool.judgement.probability
        progress.say(f"right with a probability of {probability:.2f}")
        pools.append(pool)
        is_last = n_rows <= settings.pool_size.n_rows or not options.average
        if is_last or probability >= SURE_PROBABILITY:
            break
    return max(pools, key=lambda pool: pool.judgement.probability)


class _Coupled(NamedTuple):
    """A plan between reference rows, and its entropic regularisation."""

    domains: References
    plan: Array
    reg: float
    converged: bool

    @classmethod
    def of(cls, domains: References, result: GromovResult) -> _Coupled:
        return cls(domains, result.plan.cpu().numpy(), float(result.reg), bool(result.converged))


def _couplings(
    pair: DomainPair,
    side_information: SideInformation,
    options: AlignmentOptions,
    pool: PlanPool,
    seed: int,
    progress: Progress,
) -> tuple[list[_Coupled], Judgement]:
    """The coupling of the reference rows, after a coarser one if it was refined."""
    settings, metrics = options.settings, (pair[0].metric, pair[1].metric)
    if options.average and pool.judgement.probability < HOPELESS_PROBABILITY:
        progress.say("average of the plans")
        return [_averaged(pair, pool, settings)], pool.judgement
    rows = sample_rows(pair, options.n_reference, pool.rows)
    domains = reference_domains(pair, metrics, rows)
    Dx, Dy = (domain.between() for domain in domains)
    at = tuple(np.searchsorted(i, j) for i, j in zip(rows, pool.rows, strict=True))
    epsilon = options.epsilon
    if epsilon is None:
        epsilon = choose_epsilon(pool.misfit, settings.coupling)
    progress.say(f"coupling of {len(Dx)} and {len(Dy)} rows, epsilon={epsilon:.2g}")
    result = couple(
        Dx, Dy, M=side_information.cost(Dx, Dy, *rows), alpha=side_information.weight,
        epsilon=epsilon, start=PartialPlan(pool.best, *at), unbalanced=options.unbalanced,
        mass=options.mass, seed=seed, device=options.device, settings=settings.coupling,
    )  # fmt: skip
    couplings = [_Coupled.of(domains, result)]
    if options.refine:
        progress.say("refinement")
        refined = refine_coupling(pair, domains, side_information, result, settings.refinement)
        if refined.result is not result:
            couplings.append(_Coupled.of(refined.domains, refined.result))
    distances, plan = PoolDistances.between(Dx, Dy, settings=settings.pool), couplings[-1].plan
    judgement = pool.judgement._replace(
        explained=distances.explained(plan / plan.sum()),
        preserved_neighbors=distances.preserved(plan),
    )
    if options.average and judgement.preserved_neighbors < settings.min_preserved:
        progress.say("average of the plans")
        return [_averaged(pair, pool, settings)], pool.judgement
    return couplings, judgement


def _averaged(pair: DomainPair, pool: PlanPool, settings: MatchingSettings) -> _Coupled:
    """The average of a pool as the plan."""
    domains = reference_domains(pair, (pair[0].metric, pair[1].metric), pool.rows)
    product = product_cost(*(domain.between() for domain in domains))
    reg = max(settings.average_reg * product, settings.pool.min_reg)
    return _Coupled(domains, pool.average, reg, converged=True)


class _Extended(NamedTuple):
    """The extension of a plan between reference rows to all training rows."""

    extension: PlanExtension
    error: float
    distances: tuple[Array, Array]
    confidence: Array


def _extend(pair: DomainPair, side_information: SideInformation, coupled: _Coupled) -> _Extended:
    domains, plan, reg, _ = coupled
    rows = domains[0].rows, domains[1].rows
    distances = domains[0].distances(pair[0].rows), domains[1].distances(pair[1].rows)
    with_pairs, weights = side_information.extend(plan, *rows), (plan.sum(1), plan.sum(0))
    extension, error = extend_reference_plan(distances, rows, with_pairs, reg, weights)
    certainty = row_confidence(extension, distances[0], domains[1].between())
    return _Extended(extension, error, distances, certainty)


def _discrepancy(domains: References, plan: Array) -> float:
    """Gromov-Wasserstein discrepancy of the unsaturated distances, for a plan of mass one."""
    Dx, Dy = (domain.plain.between() for domain in domains)
    return plan_cost(Dx, Dy, plan) / plan.sum() ** 2
