"""Align two domains: from features or distances to a plan between all rows.

1. Candidate metrics are tried on subsamples, and one pair is selected (`metric_selection`).
2. The reference rows, all or a random part, are coupled, from the plan of the best trial
   (`reference`).
3. The plan is refined with saturated distances (`refinement`).
4. The plan is extended to all rows and to new rows (`out_of_sample`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from skgw.matching.confidence import confidence
from skgw.matching.contradiction import pair_costs
from skgw.matching.metric_selection import SelectionSettings, sample_rows, select_metrics
from skgw.matching.out_of_sample import PlanExtension, extend_reference_plan
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
    selection : SelectionSettings
    coupling : CouplingSettings
    refinement : RefinementSettings
    """

    max_full: int = 2000
    max_reference: int = 1000
    max_extension_error: float = 1e-3
    selection: SelectionSettings = field(default_factory=SelectionSettings)
    coupling: CouplingSettings = field(default_factory=CouplingSettings)
    refinement: RefinementSettings = field(default_factory=RefinementSettings)


@dataclass(frozen=True)
class AlignmentOptions:
    """Options of an alignment.

    Attributes
    ----------
    n_init : int
        Starts of each solve of a subsample.
    n_reference : int
        Reference rows of either domain at most.
    device : torch.device
    epsilon, unbalanced, mass, refine
        Parameters of `GWMatcher`.
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
    check_pairs: bool = False
    settings: MatchingSettings = field(default_factory=MatchingSettings)


def align(
    pair: DomainPair, side_information: SideInformation, options: AlignmentOptions, seed: int
) -> Alignment:
    """Align two domains."""
    settings = options.settings
    selected = select_metrics(pair, side_information, options.n_init, seed, settings.selection)
    metrics, trial = selected.metrics, selected.trial
    epsilon = options.epsilon
    if epsilon is None:
        epsilon = choose_epsilon(trial.misfit, settings.coupling)
    rows = sample_rows(pair, options.n_reference, selected.rows)
    domains = reference_domains(pair, metrics, rows)
    Dx, Dy = (domain.between() for domain in domains)
    at = tuple(np.searchsorted(i, j) for i, j in zip(rows, selected.rows, strict=True))
    result = couple(
        Dx, Dy, M=side_information.cost(Dx, Dy, *rows), alpha=side_information.weight,
        epsilon=epsilon, start=PartialPlan(trial.plan, *at), unbalanced=options.unbalanced,
        mass=options.mass, seed=seed, device=options.device, settings=settings.coupling,
    )  # fmt: skip
    extended = _extend(pair, domains, side_information, result)
    certainty = extended.confidence
    refined = None
    if options.refine:
        refined = refine_coupling(
            pair, metrics, domains, side_information, result.plan, settings.refinement
        )
    if refined is not None:
        metrics, domains, result, _ = refined
        epsilon = float(result.reg)
        extended = _extend(pair, domains, side_information, result)
        # Global and local distances reveal different errors.
        certainty = np.sqrt(certainty * extended.confidence)
    costs = pair_costs(pair, side_information, selected, seed) if options.check_pairs else None
    plan = result.plan.cpu().numpy()
    return Alignment(
        metrics, trial, epsilon, domains, extended.extension, extended.distances, plan,
        value=_discrepancy(domains, plan),
        confidence=certainty,
        converged=bool(result.converged) and extended.error < settings.max_extension_error,
        pair_costs=costs,
    )  # fmt: skip


class _Extended(NamedTuple):
    """The extension of a plan between reference rows to all training rows."""

    extension: PlanExtension
    error: float
    distances: tuple[Array, Array]
    confidence: Array


def _extend(
    pair: DomainPair, domains: References, side_information: SideInformation, result: GromovResult
) -> _Extended:
    rows = domains[0].rows, domains[1].rows
    plan = result.plan.cpu().numpy()
    distances = domains[0].distances(pair[0].rows), domains[1].distances(pair[1].rows)
    with_pairs, weights = side_information.extend(plan, *rows), (plan.sum(1), plan.sum(0))
    extension, error = extend_reference_plan(
        distances, rows, with_pairs, float(result.reg), weights
    )
    certainty = confidence(extension, distances[0], domains[1].between())
    return _Extended(extension, error, distances, certainty)


def _discrepancy(domains: References, plan: Array) -> float:
    """Gromov-Wasserstein discrepancy of the unsaturated distances, for a plan of mass one."""
    Dx, Dy = (domain.plain.between() for domain in domains)
    return plan_cost(Dx, Dy, plan) / plan.sum() ** 2
