"""The matching of two domains by their codes: from Gromov-Wasserstein plans, by registration.

Codes of two autoencoders that agree in their distances differ by a rigid motion, and so do the rows
themselves where the domains agree in them. Plans, found under several distances, are starts for
such a motion; the one under which the points fit each other best, by the cost of optimal transport,
is taken. It is sought for codes and for principal coordinates of rows. Where the latter fit each
other better, in relation to how points of one domain fit each other, they say which rows are
partners, whatever the codes are like.

If another motion that matches most points otherwise fits about as well, the domains do not tell
which is right. The codes alone would not show this: two encoders deform a symmetric domain each in
its own way, and one of its matchings then fits best by chance. So the distances of the rows are
asked as well.

Known pairs are more starts, and have a say in the choice. They are not forced on the matching, as
often they are no more than two things of one kind.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skgw.matching.alignment import AlignOptions, align
from skgw.matching.metric_selection import Trial
from skgw.matching.side_information import Hints
from skgw.matching.training_domain import TrainingDomain
from skgw.registration.basin_hopping import N_ROUGH, search
from skgw.registration.multistart import Fit, fit_plans
from skgw.registration.procrustes import Motion
from skgw.registration.unbalanced import LAST, STRENGTH, motion_of_pairs, register_relaxed

Array = NDArray[Any]
Pair = tuple[Tensor, Tensor]

NO_HINTS = Hints((np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)), None, 1.0)
OF_CODES, OF_ROWS = ("euclidean", "geodesic"), ("euclidean",)  # metrics that are tried
N_SEARCHES = 3  # thorough ones at most, on more points each time, while the motion is poor
MANY = 300  # points from which on it is certain that it is
FITS, POOR = 1.1, 1.3  # excess up to which a motion is good, and from which on it may be wrong


class CodeMatching(NamedTuple):
    """A motion that takes one domain to the other, and how clear it is.

    Attributes
    ----------
    by_rows : bool
        Whether it is one of principal coordinates of rows, (dx, dy), or one of codes, (kx, ky).
    motion : Motion
    weights : tuple of Tensors of shapes (r,) and (s,)
        Mass of each point that is matched.
    margin : float
        That of the motion, see `Fit`. Or that of the discrepancy of the rows (`Trial.rival`), if
        it is less, and their distances agree no worse than those of codes.
    excess : float
        What the motion costs, over what it would between samples of one law.
    """

    by_rows: bool
    motion: Motion
    weights: Pair
    margin: float
    excess: float


class CodeMatcher(NamedTuple):
    """Finds motions between two domains.

    Attributes
    ----------
    n_pairs : int
        The first so many points of either side are known to belong together.
    n_init : int
        Size of the pool of starts of each Gromov-Wasserstein problem.
    alpha : float
        Weight of the distances against the pairs.
    unbalanced : float or None
        Strength that ties marginals to uniform ones; None for those of the plain search.
    seed : int
    """

    n_pairs: int = 0
    n_init: int = 16
    alpha: float = 0.5
    unbalanced: float | None = None
    seed: int = 0

    def first(self, codes: Pair, rows: Pair, axes: Pair) -> CodeMatching:
        """Match from nothing.

        Parameters
        ----------
        codes : pair of Tensors of shapes (r, kx) and (s, ky)
            Centred and of unit size.
        rows : pair of Tensors of shapes (r, p) and (s, q)
            What they are the codes of.
        axes : pair of Tensors of shapes (r, dx) and (s, dy)
            Principal coordinates of the rows.
        """
        starts = [
            self._start(points, metric, hints)
            for points, metrics in ((codes, OF_CODES), (rows, OF_ROWS))
            for metric, hints in itertools.product(metrics, self._hints())
        ]
        plans = [start.plan for start in starts]
        of_axes, of_codes = self._search(axes, plans), fit_plans(codes, plans, self.n_pairs)
        by_rows = of_axes.excess <= of_codes.excess
        motion, weights, margin, excess = of_axes if by_rows else of_codes
        if not self.n_pairs:
            margin = min(margin, _rivalry([start.trial for start in starts]))
        return CodeMatching(by_rows, motion, weights, margin, excess)

    def again(self, codes: Pair, motion: Pair) -> tuple[Motion, Pair]:
        """Improve a motion of codes; and the mass of each that is matched."""
        strength = self.unbalanced or STRENGTH
        found = register_relaxed(*codes, Motion(*motion), unbalanced=strength, temperatures=LAST)
        plan = found.transport.plan
        return found.motion, (plan.sum(1), plan.sum(0))

    def fit(self, codes: Pair, weights: Tensor) -> Motion:
        """The motion that fits codes of partners, (n, kx) and (n, ky), best."""
        return motion_of_pairs(*codes, weights)

    def _search(self, points: Pair, plans: list[Tensor]) -> Fit:
        """The best motion of points: from plans if that fits, else from a thorough search."""
        fit = fit_plans(points, plans, self.n_pairs)
        if self.unbalanced is None and fit.excess <= FITS:
            return fit
        n_searches = N_SEARCHES if min(map(len, points)) >= MANY else 1
        found: list[Fit] = []
        while len(found) < n_searches and not (found and found[-1].excess <= POOR):
            again = search(
                points, fit.motion, strength=self.unbalanced or STRENGTH, n_pairs=self.n_pairs,
                n_init=self.n_init, n_rough=(1 + len(found)) * N_ROUGH,
                seed=self.seed + len(found),
            )  # fmt: skip
            found.append(again)
        return min(found, key=lambda fit: fit.excess)

    def _hints(self) -> list[Hints]:
        known = np.arange(self.n_pairs)
        return [NO_HINTS, *([Hints((known, known), None, self.alpha)] if self.n_pairs else [])]

    def _start(self, points: Pair, metric: str, hints: Hints) -> _Start:
        """The best Gromov-Wasserstein plan under one metric."""
        arrays = [x.double().cpu().numpy() for x in points]
        options = AlignOptions(
            None, self.n_init, max(map(len, arrays)), None, None, points[0].device
        )
        rng = np.random.RandomState(self.seed)
        one, other = (TrainingDomain(x, metric, None, rng) for x in arrays)
        aligned = align((one, other), hints, options, self.seed)
        return _Start(aligned.trial, torch.as_tensor(aligned.plan).to(points[0]))


class _Start(NamedTuple):
    trial: Trial
    plan: Tensor


def _rivalry(trials: list[Trial]) -> float:
    """The margin of the rows' distances, the last trial, if they agree as well as any others."""
    *of_codes, of_rows = trials
    if of_rows.explained >= max(trial.explained for trial in of_codes):
        return of_rows.rival
    return math.inf
