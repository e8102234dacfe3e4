"""Plans of several metrics and starts, judged by one metric.

No single metric finds the right matching on all data, and no single start finds the best plan under
a metric. So the problem is solved on a few hundred rows, under every candidate metric and from
several starts. Each plan is judged under one metric, the mean of the candidates, by the share of
the discrepancy that it explains; the best plan is solved again under this metric, and added:

    explained = 1 - E(plan) / E(product coupling).

Two more figures tell right matchings from wrong ones without ground truth: the share of nearest
neighbours that the plan preserves, and the weight exp(-gap / temperature) of the best plan that
matches nearly all rows otherwise, and explains less by the gap (`matching_probability`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch

from skgw.base.progress import SILENT, Progress
from skgw.exceptions import GWConvergenceWarning, without_warnings
from skgw.matching.matching_probability import Judgement
from skgw.matching.neighbors import Graphs, neighbor_graph, preserved_neighbors
from skgw.matching.side_information import SideInformation
from skgw.matching.training_domain import DomainPair, reference_domains, root_mean_square
from skgw.solvers import GromovResult, solve_gromov
from skgw.solvers.problems import plan_cost, smallest_entry
from skgw.spaces.finite import Array, Index, Metric
from skgw.threads import each_on_a_thread

SMALLEST = smallest_entry(np.dtype(np.float32))
STARTS = ("spectral", "flb", "anneal")  # of each pair of metrics


@dataclass(frozen=True)
class PoolSettings:
    """Settings of a pool of plans.

    Attributes
    ----------
    temperature : float
        Explained share by which another matching is worse if its weight is exp(-1).
    other_distance : float
        Total variation between two plans above which one is another matching as a whole.
    neighbors : tuple of int and float
        Number of nearest neighbours that a plan should preserve: at least so many, and at least
        this share of the rows.
    reg : float
        Entropic regularisation, relative to the discrepancy of the product coupling.
    min_reg : float
        Lower bound of the regularisation, relative to the mean squared distance.
    tol, max_iter : float and int
        Tolerance and outer steps of a solve, those of its annealing among them.
    min_misfit : float
        Misfit below which the unit of the margin does not fall.
    """

    temperature: float = 0.02
    other_distance: float = 0.85
    neighbors: tuple[int, float] = (5, 1 / 60)
    reg: float = 0.015
    min_reg: float = 3e-4
    tol: float = 0.01
    max_iter: int = 20
    min_misfit: float = 1e-3

    def other_weight(self, gap: float) -> float:
        """Weight of another matching that explains less by this gap, relative to the best one."""
        return float(np.exp(-max(gap, 0.0) / self.temperature))

    def n_neighbors(self, n_rows: int) -> int:
        """Number of nearest neighbours among so many rows."""
        at_least, share = self.neighbors
        return max(at_least, round(share * n_rows))


class PlanPool(NamedTuple):
    """The plans between some rows of two domains.

    Attributes
    ----------
    rows : tuple of arrays of int of shapes (n,) and (m,)
        Positions of the rows among the training rows.
    plans : array of shape (k, n, m)
        Each of mass one.
    plan : array of shape (n, m)
        The plan that explains most.
    judge : PoolDistances
        Distances under the metric that judges.
    judgement : Judgement
        Of the best plan.
    misfit : float
        E of the best plan, relative to the mean squared distance.
    margin : float
        By how much the best other matching is worse, over the misfit of the best plan.
    """

    rows: tuple[Index, Index]
    plans: Array
    plan: Array
    judge: PoolDistances
    judgement: Judgement
    misfit: float
    margin: float


def pool_plans(
    domains: DomainPair,
    side_information: SideInformation,
    n_rows: int,
    n_init: int,
    seed: int,
    settings: PoolSettings = PoolSettings(),
    progress: Progress = SILENT,
) -> PlanPool:
    """Solve on a subsample under all pairs of candidate metrics, and judge the plans.

    Parameters
    ----------
    domains : pair of TrainingDomain
    side_information : SideInformation
    n_rows : int
        Rows of either domain at most.
    n_init : int
        Starts under the metric that judges.
    seed : int
    settings : PoolSettings
    progress : Progress
        Receives the number of solves, and each solve.
    """
    rows = sample_rows(domains, n_rows, side_information.pairs)
    judge, *candidates = (
        PoolDistances.of(domains, metrics, rows, side_information, settings)
        for metrics in _pairs_of_metrics(domains)
    )
    solves = list(itertools.product((judge, *candidates), STARTS))
    n_solves = n_init + len(solves) + 1
    progress.say(f"plans of {len(rows[0])} and {len(rows[1])} rows: {n_solves} solves")
    result = judge.solve(n_init=n_init, random_state=seed)
    plans = [_plan(result)]
    for k, other in enumerate(each_on_a_thread(_solve_from, solves)):
        progress.step(f"solve {n_init + k}/{n_solves}")
        plans.append(_plan(other))
    explained = [*each_on_a_thread(judge.explained, plans)]
    best = plans[int(np.argmax(explained))]
    plans.append(_plan(judge.solve(init=best.astype(np.float32))))
    explained.append(judge.explained(plans[-1]))
    return _judged(judge, np.stack(plans), np.array(explained), result, rows, settings)


def _judged(
    judge: PoolDistances,
    plans: Array,
    explained: Array,
    result: GromovResult,
    rows: tuple[Index, Index],
    settings: PoolSettings,
) -> PlanPool:
    """A pool of plans (k, n, m) that explain these shares (k,) under the judging distances."""
    best = plans[explained.argmax()]
    misfit = plan_cost(judge.Dx, judge.Dy, best)
    gap = min(_gaps(judge, plans, explained, result, settings))
    judgement = judge.judge(best)._replace(other_weight=settings.other_weight(gap))
    margin = max(gap, 0.0) * judge.product / (misfit + settings.min_misfit)
    return PlanPool(rows, plans, best, judge, judgement, misfit, margin)


def _gaps(
    judge: PoolDistances,
    plans: Array,
    explained: Array,
    result: GromovResult,
    settings: PoolSettings,
) -> Iterator[float]:
    """How much less is explained by the product coupling, and other matchings that were found."""
    best = int(explained.argmax())
    yield float(explained[best])
    distances = np.array([0.5 * np.abs(plan - plans[best]).sum() for plan in plans])
    far = distances > settings.other_distance
    if far.any():
        yield float(explained[best] - explained[far].max())
    if result.starts is not None:  # of which only the best plan is known, the first of the pool
        far = result.starts.distances > settings.other_distance
        if far.any() and judge.product > 0:
            worse = float(result.starts.values[far].min() - result.starts.values.min())
            yield float(explained[best] - explained[0]) + worse / judge.product


@dataclass(frozen=True, eq=False)
class PoolDistances:
    """A pair of distance matrices, of mean square one, with the cost of the side information."""

    Dx: Array
    Dy: Array
    M: Array | None
    alpha: float | None
    product: float  # E of the product coupling
    settings: PoolSettings

    @classmethod
    def of(
        cls,
        domains: DomainPair,
        metrics: tuple[Metric, Metric],
        rows: tuple[Index, Index],
        side_information: SideInformation,
        settings: PoolSettings,
    ) -> PoolDistances:
        """Distances between some rows of two domains."""
        Dx, Dy = (domain.between() for domain in reference_domains(domains, metrics, rows))
        M = side_information.cost(Dx, Dy, *rows)
        return cls.between(Dx, Dy, M=M, alpha=side_information.weight, settings=settings)

    @classmethod
    def between(
        cls,
        Dx: Array,
        Dy: Array,
        *,
        M: Array | None = None,
        alpha: float | None = None,
        settings: PoolSettings = PoolSettings(),
    ) -> PoolDistances:
        """Distances (n, n) and (m, m) of any scale."""
        Dx, Dy = (np.asarray(D / root_mean_square(D), dtype=np.float64) for D in (Dx, Dy))
        uniform = (np.full(len(D), 1 / len(D)) for D in (Dx, Dy))
        return cls(Dx, Dy, M, alpha, product_cost(Dx, Dy, *uniform), settings)

    def solve(self, **start: Any) -> GromovResult:
        """Solve in float32 and at a low precision."""
        A, B, M = (
            None if D is None else torch.from_numpy(D.astype(np.float32))
            for D in (self.Dx, self.Dy, self.M)
        )
        settings = self.settings
        with without_warnings(GWConvergenceWarning):  # a plan of the pool need not be exact
            return solve_gromov(
                A, B, M, alpha=self.alpha,
                reg=max(settings.reg * self.product, settings.min_reg), reg_scale=None,
                tol=settings.tol, max_iter=settings.max_iter, **start,
            )  # fmt: skip

    def judge(self, plan: Array) -> Judgement:
        """What speaks for a plan, if there is no other plan.

        The figures are means of two plans: in one all rows, in the other all columns, have the same
        mass. A plan that leaves rows without a match cannot gain by that.
        """
        tiny, (n, m) = np.finfo(plan.dtype).tiny, plan.shape
        of_rows = plan / np.maximum(plan.sum(1, keepdims=True), tiny) / n
        of_columns = plan / np.maximum(plan.sum(0), tiny) / m
        both = of_rows, of_columns
        explained = sum(map(self.explained, both)) / 2
        return Judgement(explained, sum(map(self.preserved, both)) / 2, 0.0, min(n, m))

    def preserved(self, plan: Array) -> float:
        """Share of nearest neighbours that a plan preserves."""
        return preserved_neighbors(self._graphs, torch.from_numpy(plan))

    @cached_property
    def _single(self) -> tuple[Array, Array]:
        """Both matrices in float32, which suffices to compare plans."""
        return self.Dx.astype(np.float32), self.Dy.astype(np.float32)

    @cached_property
    def _graphs(self) -> Graphs:
        """The nearest neighbours in both domains."""
        x, y = (
            neighbor_graph(torch.from_numpy(D), self.settings.n_neighbors(len(D)))
            for D in (self.Dx, self.Dy)
        )
        return x, y

    def explained(self, plan: Array) -> float:
        """Share of the objective of the product coupling that a plan of mass one removes."""
        a, b = plan.sum(1), plan.sum(0)
        Dx, Dy = self._single
        value = plan_cost(Dx, Dy, np.where(plan < SMALLEST, 0, plan).astype(np.float32))
        product = product_cost(Dx, Dy, a, b)
        if self.M is not None and self.alpha is not None:
            value = self.alpha * value + (1 - self.alpha) * float((self.M * plan).sum())
            product = self.alpha * product + (1 - self.alpha) * float(a @ self.M @ b)
        return float(1 - value / product) if product > 0 else 0.0


def solve_distances(
    Dx: Array, Dy: Array, *, n_init: int, seed: int, settings: PoolSettings = PoolSettings()
) -> Array:
    """The best plan (n, m) of several starts between distances (n, n) and (m, m)."""
    distances = PoolDistances.between(Dx, Dy, settings=settings)
    return _plan(distances.solve(n_init=n_init, random_state=seed))


def product_cost(Dx: Array, Dy: Array, a: Array, b: Array) -> float:
    """E of the product coupling of weights (n,) and (m,) of sum one."""
    return float(a @ (Dx * Dx) @ a + b @ (Dy * Dy) @ b - 2 * (a @ Dx @ a) * (b @ Dy @ b))


def _solve_from(solve: tuple[PoolDistances, str]) -> GromovResult:
    distances, start = solve
    return distances.solve(init=start)


def _plan(result: GromovResult) -> Array:
    plan = result.plan.double().numpy()
    return np.asarray(plan / plan.sum())


def _pairs_of_metrics(domains: DomainPair) -> list[tuple[Metric, Metric]]:
    """The pair of metrics that judges, then the pairs of candidates."""
    x, y = domains
    n = max(len(x.candidates), len(y.candidates))
    kinds = (domain.candidates or (domain.metric,) * n for domain in domains)
    return [(x.metric, y.metric), *zip(*kinds, strict=True)]


def sample_rows(domains: DomainPair, size: int, always: tuple[Index, Index]) -> tuple[Index, Index]:
    """Up to `size` rows of either domain, the rows `always` among them."""
    x, y = (domain.sample(size, i) for domain, i in zip(domains, always, strict=True))
    return x, y
