"""Match two domains by their codes or rows: Gromov-Wasserstein plans, then registration.

Codes of two autoencoders that agree in their distances differ by a rigid transformation, and so do
the rows themselves where the domains agree in them. Plans under several distances are starts of a
registration; the similarity under which the points fit each other best, by the cost of optimal
transport, is kept. One similarity is sought between codes, and one between principal coordinates of
rows. The similarity of smaller split-half cost ratio decides which rows match.

If another similarity that matches most points otherwise fits about as well, the matching is
ambiguous. The codes alone would not reveal the ambiguity: two encoders deform a symmetric domain
differently, and one matching then fits best by chance. So the margin of the row distances counts as
well.

Anchor pairs are further starts and have a weight in the choice. Where no similarity fits, they also
displace the points around them, if the points of the two domains fit each other better afterwards.
The matching need not contain an anchor pair: its rows often belong to one kind only.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skgw.matching.alignment import AlignmentOptions, align
from skgw.matching.result import Alignment
from skgw.matching.side_information import SideInformation
from skgw.matching.training_domain import TrainingDomain
from skgw.registration.basin_hopping import SearchSettings, search
from skgw.registration.displacement import Displacement
from skgw.registration.multistart import MIN_COST, BestSimilarity, register_plans
from skgw.registration.procrustes import Pair, Registration
from skgw.registration.similarity import Similarity
from skgw.registration.split_half import POOR_COST_RATIO, split_half_cost_ratio
from skgw.registration.unbalanced import register_unbalanced
from skgw.spaces.finite import Array


@dataclass(frozen=True)
class LatentMatchingSettings:
    """Settings of a latent matching that the estimator does not offer as parameters.

    Attributes
    ----------
    code_metrics, row_metrics : tuple of str
        Metrics of codes and of rows under which plans are found.
    max_good_cost_ratio : float
        Split-half cost ratio up to which the similarity of the plans is kept without a search.
    max_fair_cost_ratio : float
        Split-half cost ratio up to which a search is not repeated.
    n_searches : int
        Largest number of searches; each search has more points than the search before.
    min_points_for_retry : int
        Below this number of points the cost ratio is too noisy to repeat a search.
    search : SearchSettings
    displacement_width : float
        Squared width of the kernel of the displacement by anchor pairs, relative to the mean
        squared distance of points.
    displacement_noise : float
        Noise of an anchor pair over the variance of the displacement, for equal weights of
        distances and pairs.
    """

    code_metrics: tuple[str, ...] = ("euclidean", "geodesic")
    row_metrics: tuple[str, ...] = ("euclidean",)
    max_good_cost_ratio: float = 1.1
    max_fair_cost_ratio: float = POOR_COST_RATIO
    n_searches: int = 3
    min_points_for_retry: int = 300
    search: SearchSettings = field(default_factory=SearchSettings)
    displacement_width: float = 0.5
    displacement_noise: float = 0.1


SETTINGS = LatentMatchingSettings()  # of all matchers


class LatentMatching(NamedTuple):
    """Similarity from one domain to the other domain, and its margin.

    Attributes
    ----------
    by_rows : bool
        Whether the similarity is one of principal coordinates of rows, (dx, dy), or of codes,
        (kx, ky).
    similarity : Similarity
    mass : tuple of Tensors of shapes (r,) and (s,)
        Matched mass of each point.
    margin : float
        Margin of the similarity, see `BestSimilarity`. The margin of the row distances
        (`Alignment.margin`) replaces it if it is smaller and rows explain the data at least as well
        as codes.
    cost_ratio : float
        Split-half cost ratio, after the displacement if there is one.
    displaced : bool
        Whether the anchor pairs displace the points after the similarity.
    """

    by_rows: bool
    similarity: Similarity[Tensor]
    mass: Pair
    margin: float
    cost_ratio: float
    displaced: bool = False


@dataclass(frozen=True)
class LatentMatcher:
    """Finds similarities between two domains.

    Attributes
    ----------
    n_pairs : int
        Number of anchor pairs, the first points of both domains.
    n_init : int
        Number of starts of each Gromov-Wasserstein problem.
    alpha : float
        Weight of the distances against the anchor pairs.
    unbalanced : float or None
        Penalty rho on the marginals; None for the default of `UnbalancedSettings`, and for a search
        only where the plans lead to no good similarity.
    seed : int
    settings : LatentMatchingSettings or None
        None stands for `SETTINGS`.
    """

    n_pairs: int = 0
    n_init: int = 16
    alpha: float = 0.5
    unbalanced: float | None = None
    seed: int = 0
    settings: LatentMatchingSettings | None = None

    def match(self, codes: Pair, rows: Pair, coordinates: Pair) -> LatentMatching:
        """Match two domains without an initial similarity.

        Parameters
        ----------
        codes : pair of Tensors of shapes (r, kx) and (s, ky)
            Centred, of RMS distance one.
        rows : pair of Tensors of shapes (r, p) and (s, q)
            The rows of these codes.
        coordinates : pair of Tensors of shapes (r, dx) and (s, dy)
            Principal coordinates of the rows.
        """
        settings = self._settings()
        starts = [
            self._solve(points, metric, side_information)
            for points, metrics in ((codes, settings.code_metrics), (rows, settings.row_metrics))
            for metric, side_information in itertools.product(metrics, self._side_information())
        ]
        plans = [start.plan for start in starts]
        of_rows = self._displaced(self._search(coordinates, plans), coordinates)
        of_codes = self._displaced(register_plans(codes, plans, self.n_pairs), codes)
        by_rows = of_rows.cost_ratio <= of_codes.cost_ratio
        (similarity, mass, margin, _), cost_ratio, displaced = of_rows if by_rows else of_codes
        if not self.n_pairs:
            margin = min(margin, _row_margin([start.aligned for start in starts]))
        return LatentMatching(by_rows, similarity, mass, margin, cost_ratio, displaced)

    def displacement(self, points: Tensor, others: Tensor) -> Displacement:
        """The displacement by the anchor pairs of registered points (r, d) and others (s, d)."""
        settings, k = self._settings(), self.n_pairs
        squared_distance = 2 * float(others.var(0, correction=0).sum())
        return Displacement.of(
            _array(points[:k]),
            _array(others[:k]),
            squared_width=settings.displacement_width * max(squared_distance, MIN_COST),
            noise=settings.displacement_noise * self.alpha / (1 - self.alpha),
        )

    def refine(self, codes: Pair, start: Similarity[Tensor]) -> Registration:
        """Improve a similarity of codes."""
        return register_unbalanced(*codes, start, self._search_settings().unbalanced.refining)

    def _search(self, points: Pair, plans: list[Tensor]) -> BestSimilarity:
        """The best similarity: from plans if its cost ratio is good, else from searches."""
        settings = self._settings()
        fit = register_plans(points, plans, self.n_pairs)
        if self.unbalanced is None and fit.cost_ratio <= settings.max_good_cost_ratio:
            return fit
        base = self._search_settings()
        enough = min(map(len, points)) >= settings.min_points_for_retry
        found: list[BestSimilarity] = []
        for k in range(settings.n_searches if enough else 1):
            found.append(
                search(
                    points, fit.similarity, n_pairs=self.n_pairs,
                    settings=replace(base, n_points=(1 + k) * base.n_points), seed=self.seed + k,
                )
            )  # fmt: skip
            if found[-1].cost_ratio <= settings.max_fair_cost_ratio:
                break
        return min(found, key=lambda fit: fit.cost_ratio)

    def _displaced(self, fit: BestSimilarity, points: Pair) -> _Displaced:
        """A similarity, and a displacement by anchor pairs where it fits poorly and they help."""
        before = fit.cost_ratio
        if not self.n_pairs or before <= self._settings().max_fair_cost_ratio:
            return _Displaced(fit, before, False)
        registered, others = fit.similarity(points[0]), points[1]
        moved = self.displacement(registered, others)(registered)
        after = split_half_cost_ratio(moved, others)
        return _Displaced(fit, min(after, before), after < before)

    def _settings(self) -> LatentMatchingSettings:
        return self.settings or SETTINGS

    def _search_settings(self) -> SearchSettings:
        """The settings of a search, with the parameters of this matcher."""
        settings = replace(self._settings().search, n_init=self.n_init)
        if not self.unbalanced:
            return settings
        return replace(settings, unbalanced=replace(settings.unbalanced, rho=self.unbalanced))

    def _side_information(self) -> list[SideInformation]:
        """No side information and, if there are any, the anchor pairs."""
        pairs = np.arange(self.n_pairs)
        anchors = SideInformation((pairs, pairs), None, self.alpha)
        return [SideInformation.none(), *([anchors] if self.n_pairs else [])]

    def _solve(self, points: Pair, metric: str, side_information: SideInformation) -> _Start:
        """The best Gromov-Wasserstein plan under one metric."""
        arrays = [x.double().cpu().numpy() for x in points]
        options = AlignmentOptions(self.n_init, max(map(len, arrays)), points[0].device)
        rng = np.random.RandomState(self.seed)
        x, y = (TrainingDomain(rows, metric, None, rng) for rows in arrays)
        aligned = align((x, y), side_information, options, self.seed)
        return _Start(aligned, torch.as_tensor(aligned.plan).to(points[0]))


class _Displaced(NamedTuple):
    """A similarity, and the displacement by anchor pairs.

    Attributes
    ----------
    fit : BestSimilarity
    cost_ratio : float
        Split-half cost ratio, after the displacement if it is kept.
    displaced : bool
        Whether the displacement is kept.
    """

    fit: BestSimilarity
    cost_ratio: float
    displaced: bool


def _array(points: Tensor) -> Array:
    return np.asarray(points.double().cpu())


class _Start(NamedTuple):
    """Initial plan of a registration, and the alignment that it comes from."""

    aligned: Alignment
    plan: Tensor


def _row_margin(alignments: list[Alignment]) -> float:
    """The margin of rows, the last alignment, if rows explain the data as well as codes do."""
    *of_codes, of_rows = alignments
    if of_rows.judgement.explained >= max(each.judgement.explained for each in of_codes):
        return of_rows.margin
    return math.inf
