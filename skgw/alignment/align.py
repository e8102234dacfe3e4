"""The whole way from two domains to a rule that says which points belong together.

1. Rows are drawn from either domain, and each candidate pair of metrics is tried on them with a
   pool of starts; the one whose best matching stands out most is taken (`selection`).
2. The reference rows, all or a random part, are coupled from there (`reference`).
3. The coupling is extended to all rows, new ones included (`correspondence`).
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import torch

from skgw.alignment.correspondence import Correspondence, correspond
from skgw.alignment.domains import (
    ReferenceDomain,
    TrainingDomain,
    all_distances,
    root_mean_square,
)
from skgw.alignment.hints import Hints
from skgw.alignment.reference import Known, choose_epsilon, couple
from skgw.alignment.selection import Trial, attempt
from skgw.solvers import GromovResult
from skgw.spaces.finite import Array, Index, Metric

N_TRIED = 300  # rows of either domain on which candidates and starts are tried
FITTING = 1e-3  # error of the rule's marginals up to which it counts as converged

Pair = tuple[TrainingDomain, TrainingDomain]


class AlignOptions(NamedTuple):
    """How two domains are to be aligned; see `GWMatcher`."""

    epsilon: float | None
    n_init: int
    max_reference: int
    unbalanced: Any
    device: torch.device


class Alignment(NamedTuple):
    """What aligns two domains.

    Attributes
    ----------
    metrics : tuple
        Those that were chosen.
    trial : Trial
        What tells how clear the choice was.
    epsilon : float
    domains : tuple of ReferenceDomain
    rule : Correspondence
    distances : tuple of arrays of shapes (n, r) and (m, s)
        From all training rows to the reference rows.
    plan : array of shape (r, s)
        Between the reference rows.
    value : float
        Gromov-Wasserstein discrepancy of the plan, without entropy.
    converged : bool
    """

    metrics: tuple[Metric, Metric]
    trial: Trial
    epsilon: float
    domains: tuple[ReferenceDomain, ReferenceDomain]
    rule: Correspondence
    distances: tuple[Array, Array]
    plan: Array
    value: float
    converged: bool


def align(pair: Pair, hints: Hints, options: AlignOptions, seed: int) -> Alignment:
    """Align two domains."""
    tried = _sample(pair, N_TRIED, hints.pairs)
    metrics, trial = choose(pair, tried, hints, options.n_init, seed)
    epsilon = choose_epsilon(trial.misfit) if options.epsilon is None else options.epsilon
    rows = _sample(pair, options.max_reference, tried)
    domains = _references(pair, metrics, rows)
    Dx, Dy = (domain.between() for domain in domains)
    at = tuple(np.searchsorted(i, j) for i, j in zip(rows, tried, strict=True))
    result = couple(
        Dx, Dy, M=hints.cost(Dx, Dy, *rows), alpha=hints.weight, epsilon=epsilon,
        known=Known(trial.plan, *at), unbalanced=options.unbalanced, seed=seed,
        device=options.device,
    )  # fmt: skip
    plan = result.plan.cpu().numpy()
    distances = tuple(d.distances(z.X) for d, z in zip(domains, pair, strict=True))
    rule, error = correspond(
        distances, rows, hints.extend(plan, *rows), float(result.reg),
        weights=(plan.sum(1), plan.sum(0)),
    )  # fmt: skip
    return Alignment(
        metrics, trial, epsilon, domains, rule, distances, plan, _discrepancy(Dx, Dy, plan),
        _converged(result, error),
    )  # fmt: skip


def choose(
    pair: Pair, tried: tuple[Index, Index], hints: Hints, n_init: int, seed: int
) -> tuple[tuple[Metric, Metric], Trial]:
    """The candidate pair of metrics whose best matching stands out most, and its trial.

    Where both are to be chosen they are of the same kind.
    """
    one, other = pair
    both = len(one.metrics) == len(other.metrics)
    candidates = zip(one.metrics, other.metrics) if both else itertools.product(
        one.metrics, other.metrics
    )
    best: tuple[tuple[Metric, Metric], Trial] | None = None
    for metrics in candidates:
        Dx, Dy = (domain.between() for domain in _references(pair, metrics, tried))
        trial = attempt(
            Dx, Dy, n_init, seed, M=hints.cost(Dx, Dy, *tried), alpha=hints.weight
        )
        if best is None or trial.score > best[1].score:
            best = metrics, trial
    assert best is not None  # there is at least one pair
    return best


def _sample(pair: Pair, size: int, always: tuple[Index, Index]) -> tuple[Index, Index]:
    one, other = (domain.sample(size, i) for domain, i in zip(pair, always, strict=True))
    return one, other


def _references(
    pair: Pair, metrics: tuple[Metric, Metric], rows: tuple[Index, Index]
) -> tuple[ReferenceDomain, ReferenceDomain]:
    spaces = [d.space(metric, i) for d, metric, i in zip(pair, metrics, rows, strict=True)]
    one, other = (
        ReferenceDomain(space, root_mean_square(all_distances(space)), i)
        for space, i in zip(spaces, rows, strict=True)
    )
    return one, other


def _discrepancy(Dx: Array, Dy: Array, plan: Array) -> float:
    """Sum over pairs of pairs of squared differences, weighted by the plan."""
    p, q = plan.sum(1), plan.sum(0)
    squares = p @ (Dx * Dx) @ p + q @ (Dy * Dy) @ q
    return float(max(squares - 2 * np.sum((Dx @ plan @ Dy) * plan), 0.0))


def _converged(result: GromovResult, error: float) -> bool:
    return bool(result.converged) and error < FITTING
