"""How far a matching can be trusted, row by row."""

from __future__ import annotations

import numpy as np

from skgw.matching.out_of_sample import Correspondence
from skgw.spaces.finite import Array


def confidence(rule: Correspondence, distances: Array, between: Array) -> Array:
    """How sure the partner of each row is, (n,) between 0 and 1.

    Three things can be wrong with a partner. The row's mass may go elsewhere: what counts is the
    share that goes near the partner, near being what is usual in this matching, so that partners
    in a dense region do not count as doubts where all that is matched are regions. The row may not
    come back: from its partners and from there back, by the plan, it should end where it began. And
    its distances may not be those of its partners: the misfit, relative to its own distances, so
    that rows at the rim are not blamed for being far from everything. The confidence is
    share / ((1 + return) (1 + misfit)), the last two over their means.

    Parameters
    ----------
    rule : Correspondence
    distances : array of shape (n, r)
        From the rows to the reference points of their space.
    between : array of shape (s, s)
        Between the reference points of the other space.
    """
    W = rule.onto_reference().rows(distances)  # (n, s)
    V = rule.reversed().onto_reference().rows(between)  # (s, r)
    squares = distances * distances
    back = np.einsum("ij,ij->i", W @ V, squares)
    own = squares @ rule.plan.sum(1)
    misfit = _misfit(rule, W, distances, between) / np.where(own > 0, own, 1)
    share = _share_near(W, between * between)
    return share / ((1 + _relative(back)) * (1 + _relative(misfit)))


def _share_near(W: Array, squares: Array) -> Array:
    """Of the mass of each row what goes near its partner, on the scale of the mean spread, (n,)."""
    spread = np.einsum("ij,ij->i", W @ squares, W).mean()
    near = np.exp(-squares / (2 * max(spread, np.finfo(float).tiny)))
    return np.einsum("ij,ij->i", W, near[W.argmax(1)]).clip(0, 1)


def _relative(x: Array) -> Array:
    return x / (x.mean() or 1.0)


def _misfit(rule: Correspondence, W: Array, distances: Array, between: Array) -> Array:
    """Linearised cost of the partners of each row, (n,)."""
    own = (distances * distances) @ rule.plan.sum(1)
    partners = (between * between) @ rule.plan.sum(0)
    scores = distances @ rule.onto_reference().transported_distances  # (n, s)
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
