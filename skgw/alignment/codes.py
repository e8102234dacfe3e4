"""The matching of two sets of codes: from several Gromov-Wasserstein plans, by registration.

Codes of two autoencoders that agree in their distances differ by a rigid motion. Plans between
them, found under several distances, are starts for it; the motion under which the codes fit each
other best, by the cost of optimal transport, is taken. If another one that matches most points
otherwise fits about as well, the domains do not tell which is right. The codes alone would not show
this: two encoders deform a symmetric domain each in its own way, and one of its matchings then fits
best by chance. So the distances of the rows are asked as well.

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
from scipy.special import logsumexp, softmax
from sklearn.metrics.pairwise import euclidean_distances
from torch import Tensor

from skgw.alignment.domains import TrainingDomain
from skgw.alignment.fitting import AlignOptions, align
from skgw.alignment.hints import Hints
from skgw.alignment.registration import Registration, polar_factor, register
from skgw.alignment.selection import Trial
from skgw.solvers import LazyPlan

Array = NDArray[Any]

NO_HINTS = Hints((np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)), None, 1.0)
TINY = 1e-6
SAME_MATCHING = 0.5  # total variation up to which plans count as the same matching
OF_CODES, OF_ROWS = ("euclidean", "geodesic"), ("euclidean",)  # metrics that are tried


class CodeMatching(NamedTuple):
    """The best registration, and how clear it is.

    Attributes
    ----------
    registration : Registration
    contrast : float
        By how much the cost of the best other matching exceeds that of this one, over it;
        infinite if all starts lead to the same matching. Or the same for the discrepancy of the
        rows (`Trial.rival`), if that is less, and their distances agree no worse than those of
        codes.
    """

    registration: Registration
    contrast: float


def match_codes(
    codes: tuple[Tensor, Tensor],
    rows: tuple[Tensor, Tensor],
    *,
    n_pairs: int = 0,
    n_init: int = 16,
    alpha: float = 0.5,
    seed: int = 0,
) -> CodeMatching:
    """Match codes from nothing.

    Parameters
    ----------
    codes : pair of Tensors of shapes (r, kx) and (s, ky)
        Centred and of unit size.
    rows : pair of Tensors of shapes (r, p) and (s, q)
        What they are the codes of: their distances give one more start.
    n_pairs : int
        The first so many rows of either side are known to belong together.
    n_init : int
        Size of the pool of starts of each Gromov-Wasserstein problem.
    alpha : float
        Weight of the distances against the pairs.
    seed : int
    """
    known = np.arange(n_pairs)
    hints = [Hints((known, known), None, alpha)] if n_pairs else []
    options = AlignOptions(None, n_init, max(len(z) for z in codes), None, None, codes[0].device)
    candidates = []
    for points, metrics in ((codes, OF_CODES), (rows, OF_ROWS)):
        arrays = [x.double().cpu().numpy() for x in points]
        for metric, hint in itertools.product(metrics, [NO_HINTS, *hints]):
            rng = np.random.RandomState(seed)
            one, other = (TrainingDomain(x, metric, None, rng) for x in arrays)
            aligned = align((one, other), hint, options, seed)
            plan = torch.as_tensor(aligned.plan).to(codes[0])
            candidates.append(_Candidate(aligned.trial, register(*codes, plan=plan)))
    if not n_pairs:
        return _choose(candidates)
    Z, W = (z[:n_pairs] for z in codes)
    by_pairs = register(*codes, rotation=polar_factor(Z.T @ W))
    found = [by_pairs, *(candidate.registration for candidate in candidates)]
    return _cheapest(found, [float(r.cost) + _pair_cost(r, codes, n_pairs) for r in found])


class _Candidate(NamedTuple):
    trial: Trial
    registration: Registration


def _choose(candidates: list[_Candidate]) -> CodeMatching:
    """The best of them; the last is that of the rows."""
    found = [candidate.registration for candidate in candidates]
    best, contrast = _cheapest(found, [float(r.cost) for r in found])
    *of_codes, of_rows = (candidate.trial for candidate in candidates)
    if of_rows.explained >= max(trial.explained for trial in of_codes):
        contrast = min(contrast, of_rows.rival)
    return CodeMatching(best, contrast)


def _cheapest(found: list[Registration], costs: list[float]) -> CodeMatching:
    """The registration of the least cost, beside the next one that matches otherwise."""
    first, *others = np.argsort(costs)
    best = found[first]
    for k in others:
        if (best.transport.plan - found[k].transport.plan).abs().sum() > 2 * SAME_MATCHING:
            return CodeMatching(best, (costs[k] - costs[first]) / max(costs[first], TINY))
    return CodeMatching(best, math.inf)


def _pair_cost(found: Registration, codes: tuple[Tensor, Tensor], n_pairs: int) -> float:
    """Mean squared distance of known pairs over that of all points: about 1 for a wrong motion."""
    moved, there = codes[0] @ found.rotation, codes[1]
    cost = (moved[:n_pairs] - there[:n_pairs]).square().sum(1).mean()
    return float(cost / torch.cdist(moved, there).square().mean().clamp_min(TINY))


class CodeMap(NamedTuple):
    """Maps codes of one domain to those of the other, and to partners among reference codes.

    Attributes
    ----------
    means : tuple of arrays of shapes (kx,) and (ky,)
        Of the codes.
    sizes : tuple of float
        Root mean square distances of the codes.
    rotation : array of shape (kx, ky)
    reference : tuple of arrays of shapes (r, d) and (s, d)
        Reference codes, both in the space of the second domain, centred and of unit size.
    scores : tuple of arrays of shapes (r,) and (s,)
        Potentials over `reg`, with which the conditional plan of a row is a softmax.
    reg : float
    """

    means: tuple[Array, Array]
    sizes: tuple[float, float]
    rotation: Array
    reference: tuple[Array, Array]
    scores: tuple[Array, Array]
    reg: float

    @classmethod
    def of(
        cls,
        registration: Registration,
        codes: tuple[Tensor, Tensor],
        means: tuple[Tensor, Tensor],
        sizes: tuple[float, float],
    ) -> CodeMap:
        """Keep what a registration of normalised codes (r, kx) and (s, ky) has found."""
        moved = codes[0] @ registration.rotation
        _, g, reg, _ = registration.transport
        f = -torch.logsumexp((g - torch.cdist(moved, codes[1]).square()) / reg, 1)
        return cls(
            means=_arrays(*means),
            sizes=sizes,
            rotation=_arrays(registration.rotation)[0],
            reference=_arrays(moved, codes[1]),
            scores=_arrays(f, g / reg),
            reg=float(reg),
        )

    def shared(self, codes: Array, here: int) -> Array:
        """Codes (b, k) of either domain in the space that both share, centred, of unit size."""
        normal = (codes.astype(np.float64) - self.means[here]) / self.sizes[here]
        return normal if here else np.asarray(normal @ self.rotation)

    def codes(self, shared: Array, here: int) -> Array:
        """Points of the shared space (b, k) as codes of either domain."""
        normal = shared if here else shared @ self.rotation.T
        return np.asarray(normal * self.sizes[here] + self.means[here])

    def partners(self, shared: Array, here: int) -> Array:
        """Conditional plan (b, r) of points over the reference points of the other domain."""
        return np.asarray(softmax(self._logits(shared, 1 - here), axis=1))

    def partner_means(self, shared: Array, here: int) -> Array:
        """Means of the partners of points, (b, d)."""
        return np.asarray(self.partners(shared, here) @ self.reference[1 - here])

    def plan(self, shared: Array, others: Array, here: int) -> LazyPlan:
        """Between points of one domain and all of some `others` of the other one.

        The potentials of these are those that the plan of the reference points implies.
        """
        scores = -logsumexp(self._logits(others, here), axis=1)
        scores = scores - (others * others).sum(1) / self.reg
        weights = np.full(len(shared), 1 / len(shared))
        return LazyPlan((2 / self.reg) * shared, others, scores, weights)

    def _logits(self, points: Array, there: int) -> Array:
        """Of points (b, k) and the reference points of a domain, (b, r)."""
        distances = euclidean_distances(points, self.reference[there], squared=True)
        return np.asarray(self.scores[there] - distances / self.reg)


def _arrays(*tensors: Tensor) -> Any:
    return tuple(x.double().cpu().numpy() for x in tensors)
