"""The whole way from two domains to a rule that says which points belong together.

1. Rows are drawn from either domain, and each candidate pair of metrics is tried on them with a
   pool of starts; the one whose best matching stands out most is taken (`selection`).
2. The reference rows, all or a random part, are coupled from there (`reference`).
3. The coupling is refined by near distances (`refinement`).
4. It is extended to all rows, new ones included (`correspondence`).
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import torch

from skgw.matching.confidence import confidence
from skgw.matching.metric_selection import Trial, attempt, score
from skgw.matching.out_of_sample import Correspondence, correspond
from skgw.matching.reference import Known, choose_epsilon, couple
from skgw.matching.refinement import refine_coupling
from skgw.matching.result import Alignment
from skgw.matching.side_information import Hints
from skgw.matching.training_domain import ReferenceDomain, TrainingDomain, reference_domains
from skgw.solvers import GromovResult
from skgw.solvers.problems import plan_cost
from skgw.spaces.finite import Array, Index, Metric

N_TRIED = 300  # rows of either domain on which candidates and starts are tried
N_ROUNDS = 3  # of trials, each on other rows
CERTAIN = 3.0  # margin from which on a matching is beyond doubt
CLOSE = 0.8  # share of the best score from which on a candidate is tried again
PLAIN = "raw euclidean"
ABOUT = 0.95  # share of what a matching explains from which on another fits about as well
FITTING = 1e-3  # error of the rule's marginals up to which it counts as converged

Pair = tuple[TrainingDomain, TrainingDomain]


class AlignOptions(NamedTuple):
    """How two domains are to be aligned; see `GWMatcher`."""

    epsilon: float | None
    n_init: int
    max_reference: int
    unbalanced: Any
    mass: float | None
    device: torch.device
    refine: bool = False


def align(pair: Pair, hints: Hints, options: AlignOptions, seed: int) -> Alignment:
    """Align two domains."""
    metrics, tried, trial, _ = choose(pair, hints, options.n_init, seed)
    epsilon = choose_epsilon(trial.misfit) if options.epsilon is None else options.epsilon
    rows = _sample(pair, options.max_reference, tried)
    domains = reference_domains(pair, metrics, rows)
    Dx, Dy = (domain.between() for domain in domains)
    at = tuple(np.searchsorted(i, j) for i, j in zip(rows, tried, strict=True))
    result = couple(
        Dx, Dy, M=hints.cost(Dx, Dy, *rows), alpha=hints.weight, epsilon=epsilon,
        known=Known(trial.plan, *at), unbalanced=options.unbalanced, mass=options.mass,
        seed=seed, device=options.device,
    )  # fmt: skip
    extended = _extend(pair, domains, hints, result)
    sure = extended.confidence
    refined = None
    if options.refine:
        refined = refine_coupling(pair, metrics, domains, hints, result.plan)
    if refined is not None:
        metrics, domains, result, _ = refined
        epsilon = float(result.reg)
        extended = _extend(pair, domains, hints, result)
        sure = np.sqrt(sure * extended.confidence)  # far and near distances see other errors
    plan = result.plan.cpu().numpy()
    return Alignment(
        metrics, trial, epsilon, domains, extended.rule, extended.distances, plan,
        value=_discrepancy(domains, plan),
        confidence=sure,
        converged=bool(result.converged) and extended.error < FITTING,
    )  # fmt: skip


class _Extended(NamedTuple):
    """A coupling of reference rows, as a rule for all rows."""

    rule: Correspondence
    error: float
    distances: tuple[Array, Array]
    confidence: Array


def _extend(
    pair: Pair,
    domains: tuple[ReferenceDomain, ReferenceDomain],
    hints: Hints,
    result: GromovResult,
) -> _Extended:
    rows = domains[0].rows, domains[1].rows
    plan = result.plan.cpu().numpy()
    distances = domains[0].distances(pair[0].X), domains[1].distances(pair[1].X)
    acting, weights = hints.extend(plan, *rows), (plan.sum(1), plan.sum(0))
    rule, error = correspond(distances, rows, acting, float(result.reg), weights)
    sure = confidence(rule, distances[0], domains[1].between())
    return _Extended(rule, error, distances, sure)


def _discrepancy(domains: tuple[ReferenceDomain, ReferenceDomain], plan: Array) -> float:
    """Of the distances as they are, not saturated; for a plan of mass one."""
    Dx, Dy = (domain.plain.between() for domain in domains)
    return plan_cost(Dx, Dy, plan) / plan.sum() ** 2


class Choice(NamedTuple):
    """A pair of metrics, and one of its trials: on which rows, and what came out."""

    metrics: tuple[Metric, Metric]
    tried: tuple[Index, Index]
    trial: Trial
    score: float


def choose(pair: Pair, hints: Hints, n_init: int, seed: int) -> Choice:
    """The candidate pair of metrics whose best matching stands out most.

    Where both are to be chosen they are of the same kind. If rows have to be drawn, candidates that
    came close are tried on other ones, too, and the median score decides: one draw may single out
    a matching by chance.
    """
    first = _round(pair, _candidates(pair), hints, n_init, seed)
    best = max(choice.score for choice in first)
    close = [
        choice.metrics
        for choice in first
        if choice.score >= CLOSE * best or choice.trial.margin >= CERTAIN
    ]
    drawn = any(len(i) < domain.X.shape[0] for i, domain in zip(first[0].tried, pair, strict=True))
    rounds = [[choice for choice in first if choice.metrics in close]]
    if drawn and len(close) > 1:
        rounds += [_round(pair, close, hints, n_init, seed) for _ in range(N_ROUNDS - 1)]
    tries = list(zip(*rounds, strict=True))  # of each candidate
    margins = [float(np.median([choice.trial.margin for choice in each])) for each in tries]
    scores = [float(np.median([choice.score for choice in each])) for each in tries]
    k = _best(margins, scores)
    chosen = max(tries[k], key=lambda choice: choice.score)
    plain = next((c.trial for c in first if c.metrics == (PLAIN, PLAIN)), None)
    return chosen._replace(trial=_doubted(chosen.trial._replace(margin=margins[k]), plain))


def _best(margins: list[float], scores: list[float]) -> int:
    """The first of those beyond doubt, as candidates begin simple; else that of the best score."""
    certain = [k for k, margin in enumerate(margins) if margin >= CERTAIN]
    return certain[0] if certain else int(np.argmax(scores))


def _candidates(pair: Pair) -> list[tuple[Metric, Metric]]:
    one, other = pair
    if len(one.metrics) == len(other.metrics):
        return list(zip(one.metrics, other.metrics, strict=True))
    return list(itertools.product(one.metrics, other.metrics))


def _round(
    pair: Pair, candidates: list[tuple[Metric, Metric]], hints: Hints, n_init: int, seed: int
) -> list[Choice]:
    """Try every candidate on the same rows."""
    tried = _sample(pair, N_TRIED, hints.pairs)
    references = (reference_domains(pair, metrics, tried) for metrics in candidates)
    spaces = [(one.between(), other.between()) for one, other in references]
    trials = [
        attempt(Dx, Dy, n_init, seed, M=hints.cost(Dx, Dy, *tried), alpha=hints.weight)
        for Dx, Dy in spaces
    ]
    return [
        Choice(metrics, tried, trial, score(trial, spaces))
        for metrics, trial in zip(candidates, trials, strict=True)
    ]


def _doubted(trial: Trial, plain: Trial | None) -> Trial:
    """The trial, with the margin of the plain distances if these fit about as well.

    Paths between points that are symmetric may single one matching out by chance.
    """
    if plain is None or plain.explained < ABOUT * trial.explained:
        return trial
    return trial._replace(margin=min(trial.margin, plain.margin))


def _sample(pair: Pair, size: int, always: tuple[Index, Index]) -> tuple[Index, Index]:
    one, other = (domain.sample(size, i) for domain, i in zip(pair, always, strict=True))
    return one, other
