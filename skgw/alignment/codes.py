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

from skgw.alignment.domains import TrainingDomain
from skgw.alignment.fitting import AlignOptions, align
from skgw.alignment.hints import Hints
from skgw.alignment.motions import best_motion, misfit
from skgw.alignment.registration import REFINING, polar_factor, register
from skgw.alignment.selection import Trial

Array = NDArray[Any]
Pair = tuple[Tensor, Tensor]

NO_HINTS = Hints((np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)), None, 1.0)
OF_CODES, OF_ROWS = ("euclidean", "geodesic"), ("euclidean",)  # metrics that are tried
N_PARTS = 3  # small parts that are matched, for each start of a pool


class CodeMatching(NamedTuple):
    """Motions that take one domain to the other, and how clear they are.

    Attributes
    ----------
    rotation : Tensor of shape (kx, ky)
        Of codes.
    turn : Tensor of shape (dx, dy) or None
        Of principal coordinates of rows, if these are to say which rows are partners.
    contrast : float
        By how much the cost of the best other matching exceeds that of this one, over it;
        infinite if all starts lead to the same matching. Or the same for the discrepancy of the
        rows (`Trial.rival`), if that is less, and their distances agree no worse than those of
        codes.
    """

    rotation: Tensor
    turn: Tensor | None
    contrast: float


class CodeMatcher(NamedTuple):
    """Finds orthogonal maps between the codes of two domains.

    Attributes
    ----------
    n_pairs : int
        The first so many points of either side are known to belong together.
    n_init : int
        Size of the pool of starts of each Gromov-Wasserstein problem.
    alpha : float
        Weight of the distances against the pairs.
    seed : int
    """

    n_pairs: int = 0
    n_init: int = 16
    alpha: float = 0.5
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
        by_codes = best_motion(codes, plans, n_pairs=self.n_pairs)
        by_axes = best_motion(
            axes, plans, n_pairs=self.n_pairs, n_parts=N_PARTS * self.n_init, seed=self.seed
        )
        by_rows = misfit(axes, by_axes.found) <= misfit(codes, by_codes.found)
        contrast = (by_axes if by_rows else by_codes).contrast
        if not self.n_pairs:
            contrast = min(contrast, _rivalry([start.trial for start in starts]))
        if not by_rows:
            return CodeMatching(by_codes.rotation, None, contrast)
        plan = by_axes.found.transport.plan
        return CodeMatching(polar_factor(codes[0].T @ plan @ codes[1]), by_axes.rotation, contrast)

    def again(self, codes: Pair, rotation: Tensor) -> Tensor:
        """Improve a rotation of codes."""
        return register(*codes, rotation=rotation, temperatures=REFINING).rotation

    def fit(self, codes: Pair) -> Tensor:
        """The rotation that fits codes of partners, (n, kx) and (n, ky), best."""
        return polar_factor(codes[0].T @ codes[1])

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
    """The contrast of the rows' distances, the last trial, if they agree as well as any others."""
    *of_codes, of_rows = trials
    if of_rows.explained >= max(trial.explained for trial in of_codes):
        return of_rows.rival
    return math.inf
