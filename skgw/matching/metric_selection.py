"""Select the metric for two domains, without ground truth.

The value of the best plan alone misleads: distances that hardly tell rows apart, such as the
distances of a ring, are matched well in many ways. Under a good pair of metrics one matching is
much better than any other matching, and a right matching keeps distances of every kind, also
distances under which it was not found. So each candidate has two figures:

    margin = (F of the runner-up - F of the best plan) / E of the best plan,

where F is the objective, E its part without the entropy, and the runner-up the best plan that is
another matching; and

    agreement = mean over all candidates of 1 - E / E_product of this plan under their distances,

the share of the discrepancy that the matching explains. The product coupling, which matches each
row with all rows, always counts as another matching. The score is (1 + margin) agreement^2: a clear
margin decides, and without one the matching that most distances agree on. All figures come from
several starts on subsamples.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from skgw.exceptions import GWConvergenceWarning, without_warnings
from skgw.matching.side_information import SideInformation
from skgw.matching.training_domain import (
    DomainPair,
    reference_domains,
    root_mean_square,
)
from skgw.solvers import GromovResult, solve_gromov
from skgw.solvers.problems import plan_cost
from skgw.spaces.finite import Array, Index, Metric

# Margin below which a matching is ambiguous: samples of rings, squares and normal distributions
# have margins of 0 to 0.17, samples of most shapes without symmetry 0.2 and more.
AMBIGUOUS_MARGIN = 0.2
PLAIN_METRICS = ("raw euclidean", "raw euclidean")


@dataclass(frozen=True)
class SelectionSettings:
    """Settings of the selection of metrics.

    Attributes
    ----------
    n_rows : int
        Rows of either domain on which candidates and starts are tried.
    n_subsamples : int
        Number of subsamples on which candidates of nearly equal score are tried.
    min_decisive_margin : float
        Margin above which a matching is certain, and the simplest metric is selected.
    min_score_ratio : float
        Score, relative to the best score, above which a candidate is tried on further subsamples.
    min_explained_ratio : float
        Explained share under plain Euclidean distances, relative to the selected metric, above
        which the margin of the plain distances counts, too.
    plan_distances : tuple of float
        Total variation between two plans above which they are different matchings; the second
        value applies where no plan differs by the first value.
    far_plan_distance : float
        Total variation above which two plans differ as a whole: in noisy domains half of the mass
        may go to other neighbours in one matching.
    reg : float
        Entropic regularisation, relative to the discrepancy of the product coupling.
    min_reg : float
        Lower bound of the regularisation, relative to the mean squared distance.
    tol, max_iter : float and int
        Tolerance and outer steps of a solve.
    min_misfit : float
        Misfit below which the unit of the margin does not fall.
    """

    n_rows: int = 300
    n_subsamples: int = 3
    min_decisive_margin: float = 3.0
    min_score_ratio: float = 0.8
    min_explained_ratio: float = 0.95
    plan_distances: tuple[float, ...] = (0.5, 0.25)
    far_plan_distance: float = 0.75
    reg: float = 0.015
    min_reg: float = 3e-4
    tol: float = 1e-3
    max_iter: int = 100
    min_misfit: float = 1e-3


class Trial(NamedTuple):
    """Solves of one pair of spaces from several starts.

    Attributes
    ----------
    margin : float
        Margin between the best plan and the runner-up.
    explained : float
        1 - E / E_product of the best plan.
    misfit : float
        E of the best plan.
    plan : array of shape (n, m)
        The best plan.
    far_margin : float
        Margin to plans that differ as a whole, such as the mirror images of a symmetric domain.
    """

    margin: float
    explained: float
    misfit: float
    plan: Array
    far_margin: float = np.inf


class Candidate(NamedTuple):
    """A pair of metrics, its trial on the rows of a subsample, and its score."""

    metrics: tuple[Metric, Metric]
    rows: tuple[Index, Index]
    trial: Trial
    score: float


def select_metrics(
    domains: DomainPair,
    side_information: SideInformation,
    n_init: int,
    seed: int,
    settings: SelectionSettings = SelectionSettings(),
) -> Candidate:
    """The candidate pair of metrics with the best score.

    Where both metrics are to be selected, candidates are pairs of one kind. If there are more rows
    than in a subsample, candidates whose score is near the best score are tried on further
    subsamples, and the median decides: one subsample may single out a matching by chance.

    Parameters
    ----------
    domains : pair of TrainingDomain
    side_information : SideInformation
    n_init : int
        Starts of each solve.
    seed : int
    settings : SelectionSettings
    """
    first = _try_on_subsample(
        domains, _pairs_of_metrics(domains), side_information, n_init, seed, settings
    )
    best = max(each.score for each in first)
    near_best = [
        each.metrics
        for each in first
        if each.score >= settings.min_score_ratio * best
        or each.trial.margin >= settings.min_decisive_margin
    ]
    drawn = any(len(i) < x.X.shape[0] for i, x in zip(first[0].rows, domains, strict=True))
    subsamples = [[each for each in first if each.metrics in near_best]]
    if drawn and len(near_best) > 1:
        subsamples += [
            _try_on_subsample(domains, near_best, side_information, n_init, seed, settings)
            for _ in range(settings.n_subsamples - 1)
        ]
    repeated = list(zip(*subsamples, strict=True))  # of each candidate
    margins = [float(np.median([each.trial.margin for each in trials])) for trials in repeated]
    scores = [float(np.median([each.score for each in trials])) for trials in repeated]
    k = decide(margins, scores, settings.min_decisive_margin)
    selected = max(repeated[k], key=lambda each: each.score)
    plain = next((each.trial for each in first if each.metrics == PLAIN_METRICS), None)
    trial = selected.trial._replace(margin=margins[k])
    return selected._replace(trial=_with_plain_margin(trial, plain, settings))


def decide(margins: list[float], scores: list[float], min_decisive_margin: float) -> int:
    """Position of the first decisive margin (the simplest metric), else of the best score."""
    decisive = [k for k, margin in enumerate(margins) if margin >= min_decisive_margin]
    return decisive[0] if decisive else int(np.argmax(scores))


def score(trial: Trial, spaces: Iterable[tuple[Array, Array]]) -> float:
    """The score of a candidate, where `spaces` are the distances of all candidates."""
    agreement = float(np.mean([explained(Dx, Dy, trial.plan) for Dx, Dy in spaces]))
    return (1 + trial.margin) * max(agreement, 0) ** 2


def explained(Dx: Array, Dy: Array, plan: Array) -> float:
    """Share of the product coupling's discrepancy that a plan removes."""
    p, q = plan.sum(1), plan.sum(0)
    product = p @ (Dx * Dx) @ p + q @ (Dy * Dy) @ q - 2 * (p @ Dx @ p) * (q @ Dy @ q)
    return float(1 - plan_cost(Dx, Dy, plan) / product) if product > 0 else 1.0


def try_distances(
    Dx: Array,
    Dy: Array,
    n_init: int,
    seed: int,
    *,
    M: Array | None = None,
    alpha: float | None = None,
    settings: SelectionSettings = SelectionSettings(),
) -> Trial:
    """Solve one pair of distance matrices from several starts, in float32 and at a low precision.

    Parameters
    ----------
    Dx, Dy : array of shapes (n, n) and (m, m)
    n_init : int
        Number of starts.
    seed : int
    M, alpha : array of shape (n, m) and float, optional
        Cost across the domains, as for `solve_gromov`.
    settings : SelectionSettings
    """
    A, B = (torch.from_numpy((D / root_mean_square(D)).astype(np.float32)) for D in (Dx, Dy))
    product = float((A * A).mean() + (B * B).mean() - 2 * A.mean() * B.mean())
    cost = None if M is None else torch.from_numpy(M.astype(np.float32))
    with without_warnings(GWConvergenceWarning):  # a trial need not converge
        result = solve_gromov(
            A, B, cost, alpha=alpha, reg=max(settings.reg * product, settings.min_reg),
            n_init=n_init, tol=settings.tol, max_iter=settings.max_iter, random_state=seed,
        )  # fmt: skip
    misfit, value = float(result.cost), float(result.value)
    product_value = product - float(result.reg) * np.log(len(A) * len(B))
    margin, far_margin = (
        max(min(_value_gap(result, distances), product_value - value), 0.0)
        / (misfit + settings.min_misfit)
        for distances in (settings.plan_distances, (settings.far_plan_distance,))
    )
    share = 1 - misfit / product if product > 0 else 1.0
    return Trial(margin, share, misfit, result.plan.double().numpy(), far_margin)


def _value_gap(result: GromovResult, plan_distances: tuple[float, ...]) -> float:
    """Difference of the values of the runner-up and the best plan; infinite without a runner-up."""
    starts = result.starts
    if starts is None:
        return np.inf
    for distance in plan_distances:
        others = starts.values[starts.distances > distance]
        if len(others):
            return float(others.min() - starts.values.min())
    return np.inf


def _pairs_of_metrics(domains: DomainPair) -> list[tuple[Metric, Metric]]:
    x, y = domains
    if len(x.metrics) == len(y.metrics):
        return list(zip(x.metrics, y.metrics, strict=True))
    return list(itertools.product(x.metrics, y.metrics))


def _try_on_subsample(
    domains: DomainPair,
    metrics: list[tuple[Metric, Metric]],
    side_information: SideInformation,
    n_init: int,
    seed: int,
    settings: SelectionSettings,
) -> list[Candidate]:
    """Try all pairs of metrics on the rows of one subsample."""
    rows = sample_rows(domains, settings.n_rows, side_information.pairs)
    references = (reference_domains(domains, pair, rows) for pair in metrics)
    spaces = [(x.between(), y.between()) for x, y in references]
    trials = [
        try_distances(
            Dx, Dy, n_init, seed, M=side_information.cost(Dx, Dy, *rows),
            alpha=side_information.weight, settings=settings,
        )
        for Dx, Dy in spaces
    ]  # fmt: skip
    return [
        Candidate(pair, rows, trial, score(trial, spaces))
        for pair, trial in zip(metrics, trials, strict=True)
    ]


def sample_rows(domains: DomainPair, size: int, always: tuple[Index, Index]) -> tuple[Index, Index]:
    """Up to `size` rows of either domain, the rows `always` among them."""
    x, y = (domain.sample(size, i) for domain, i in zip(domains, always, strict=True))
    return x, y


def _with_plain_margin(trial: Trial, plain: Trial | None, settings: SelectionSettings) -> Trial:
    """The trial, with the margin of plain distances if they explain about as much.

    Shortest paths between points of a symmetric cloud may single out one matching by chance.
    """
    if plain is None or plain.explained < settings.min_explained_ratio * trial.explained:
        return trial
    return trial._replace(margin=min(trial.margin, plain.margin))
