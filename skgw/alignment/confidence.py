"""How far a matching can be trusted, row by row."""

from __future__ import annotations

import numpy as np

from skgw.alignment.correspondence import Correspondence
from skgw.spaces.finite import Array

HEAT = 3.0  # factor to the temperature at which doubts about partners show


def confidence(
    rule: Correspondence, warm: Correspondence, distances: Array, between: Array
) -> Array:
    """How sure the partner of each row is, (n,) between 0 and 1.

    The product of three numbers. The share of the row's mass that goes to its partner. One minus
    the spread of its partners in the rule `warm`, of a temperature `HEAT` times as high: a cold
    plan is sharp also where another partner would do nearly as well. And 1 / (1 + misfit), the
    misfit being how badly the row's distances agree with those of its partners, relative to the
    mean.

    Parameters
    ----------
    rule, warm : Correspondence
    distances : array of shape (n, r)
        From the rows to the reference points of their space.
    between : array of shape (s, s)
        Between the reference points of the other space.
    """
    W = rule.onto_reference().rows(distances)  # (n, s)
    misfit = _misfit(rule, W, distances, between)
    misfit /= misfit.mean() or 1.0
    spread = _spread(warm.onto_reference().rows(distances), between)
    return np.clip(W.max(1) * (1 - spread) / (1 + misfit), 0, 1)


def _spread(W: Array, between: Array) -> Array:
    """Mean squared distance of two partners, over that of any two points, (n,)."""
    squares = between * between
    return np.einsum("ij,ij->i", W @ squares, W) / (squares.mean() or 1.0)


def _misfit(rule: Correspondence, W: Array, distances: Array, between: Array) -> Array:
    """Linearised cost of the partners of each row, (n,)."""
    own = (distances * distances) @ rule.plan.sum(1)
    partners = (between * between) @ rule.plan.sum(0)
    scores = distances @ rule.onto_reference().link  # (n, s)
    cost = own + W @ partners - 2 * np.einsum("ij,ij->i", W, scores)
    return np.maximum(cost, 0)


def distances_of_means(W: Array, V: Array, between: Array) -> Array:
    """Distances (b, c) between means of points, weighted by the rows of W (b, s) and V (c, s).

    Points at distances `between` (s, s) that lie in a Euclidean space of any dimension have means
    that are so far apart; of other distances this is taken as the definition, and where it gives
    negative squares they are zero.
    """
    squares = between * between
    cross = W @ squares  # (b, s)
    own = 0.5 * np.einsum("ij,ij->i", cross, W)[:, None]
    other = 0.5 * np.einsum("ij,ij->i", V @ squares, V)
    return np.sqrt(np.maximum(cross @ V.T - own - other, 0))
