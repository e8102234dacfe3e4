"""Rows placed before the training: the start of a generator whose noise is fitted to them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from skgw.embedding.anchor_distances import AnchorDistances
from skgw.embedding.anchors import AnchorPairs
from skgw.embedding.initialization import MIN_RELATIVE_WIDTH, classical_scaling
from skgw.embedding.objective import GenerativeObjective
from skgw.embedding.placement import place, place_together
from skgw.nn import NormalMixturePrior
from skgw.nn.coded_domain import NormalMixture
from skgw.registration.normal_mixture import fit_normal_mixture
from skgw.solvers import full_precision
from skgw.spaces.finite import Array, Index

MAX_PLACED_TOGETHER = 1000  # rows that are placed together
MAX_PLACED = 2048  # rows that are placed
MIN_DRAWN = 1000  # draws that stand for weighted rows


class ReferenceRows(NamedTuple):
    """Rows that represent the training rows.

    Attributes
    ----------
    rows : array of int of shape (r,)
        Positions among the anchors of the space, in increasing order.
    weights : array of shape (r,) or None
        Weights with sum 1; None: equal weights.
    points : array of shape (r, k) or None
        Their points, in units of the scale, if they are placed.
    """

    rows: Index
    weights: Array | None
    points: Array | None


class PlacedRows(NamedTuple):
    """Rows placed by multidimensional scaling, and their distribution.

    Attributes
    ----------
    rows : array of int of shape (r,)
        Positions of the rows among the anchors of the space; neighbours follow each other.
    together : array of int of shape (r',)
        Positions in `rows` of the rows that were placed together.
    points : array of shape (r, k)
        In units of the scale.
    weights : array of shape (r,) or None
        Weights of the rows; None: equal weights.
    origin, widths : arrays of shape (k,)
        Mean, and RMS deviation along each axis.
    mixture : NormalMixture
        Distribution of ``(points - origin) / widths``.
    """

    rows: Index
    together: Index
    points: Array
    weights: Array | None
    origin: Array
    widths: Array
    mixture: NormalMixture

    def reference(self, n: int) -> ReferenceRows:
        """At most n of the rows that were placed together."""
        chosen = self.together[_spread(len(self.together), n)]
        chosen = chosen[self.rows[chosen].argsort()]
        weights = None if self.weights is None else self.weights[chosen]
        if weights is not None:
            weights = weights / weights.sum()
        return ReferenceRows(self.rows[chosen], weights, self.points[chosen])

    def start(self, objective: GenerativeObjective) -> None:
        """Set the generator to the distribution, and the first coupling to the placed rows."""
        model = objective.generator
        prior = model.prior
        assert isinstance(prior, NormalMixturePrior)
        prior.fill(*(torch.as_tensor(x, dtype=torch.float32) for x in self.mixture))
        model.origin.copy_(torch.as_tensor(self.origin))
        model.scale.copy_(torch.as_tensor(self.widths))
        objective.start_at(
            torch.as_tensor(self.rows).to(objective.order),
            torch.as_tensor(self.points).to(objective.last_points),
        )


def _spread(n: int, m: int) -> Index:
    """At most m of n positions, evenly spaced."""
    m = min(n, m)
    return np.asarray((np.arange(m) + 0.5) * (n / m), dtype=np.intp)


@full_precision()
def place_rows(
    space: AnchorDistances,
    scale: float,
    order: Index,
    n_components: int,
    max_mixture: int,
    rng: np.random.RandomState,
    *,
    weights: Array | None = None,
    anchors: AnchorPairs | None = None,
) -> PlacedRows:
    """Place rows by least stress, from classical scaling, and fit a mixture to them.

    Up to 1000 rows are placed together, and up to 2048 rows in all.

    Parameters
    ----------
    space : AnchorDistances
    scale : float
        RMS distance of the space.
    order : array of int of shape (n,)
        Positions of the training rows among the anchors, in the order of the strata.
    n_components : int
        Dimension k of the points.
    max_mixture : int
        Largest number of components of the mixture.
    rng : RandomState
        Source of the fits.
    weights : array of shape (N,), optional
        Weights of the anchors of the space; by default equal.
    anchors : AnchorPairs, optional
        Known pairs, to which the points are moved.
    """
    rows = order[_spread(len(order), MAX_PLACED)]
    own = None
    if weights is not None and np.ptp(weights[rows]) > 0:
        own = weights[rows]
    together = _spread(len(rows), MAX_PLACED_TOGETHER)
    first = rows[together]
    share = None if own is None else own[together]
    D = space.between(first, first) / scale
    start = classical_scaling(torch.as_tensor(D, dtype=torch.float64), n_components).numpy()
    points = np.empty((len(rows), n_components))
    points[together] = placed = place_together(D, start, share)
    if len(others := np.setdiff1d(np.arange(len(rows)), together)):
        points[others] = place(space.between(rows[others], first) / scale, placed, share)
    if anchors is not None:
        known = anchors.cpu().place(torch.as_tensor(rows), torch.as_tensor(points).float())
        points = known.double().numpy()
    drawn = points
    if own is not None:
        drawn = points[rng.choice(len(rows), max(len(rows), MIN_DRAWN), p=own / own.sum())]
    origin = drawn.mean(axis=0)
    widths = np.sqrt(np.square(drawn - origin).mean(axis=0))
    widths = np.maximum(widths, MIN_RELATIVE_WIDTH * widths.max()) if widths.any() else widths + 1
    # Fitted in one unit: narrow axes, which may be noise, have little say in the components.
    unit = widths.max()
    shares, means, factors = fit_normal_mixture((drawn - origin) / unit, max_mixture, rng)
    relative = unit / widths
    mixture = NormalMixture(shares, means * relative, factors * relative[:, None])
    return PlacedRows(rows, together, points, own, origin, widths, mixture)
