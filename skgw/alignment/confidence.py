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

    The share of the row's mass that goes to its partner, times one minus the spread of all its
    partners in the rule `warm`, which belongs to a temperature `HEAT` times as high. A plan at a
    low temperature is sharp also where another partner would do nearly as well; a little warmer, a
    row that could as well go elsewhere does.

    Parameters
    ----------
    rule, warm : Correspondence
    distances : array of shape (n, r)
        From the rows to the reference points of their space.
    between : array of shape (s, s)
        Between the reference points of the other space.
    """
    share = rule.onto_reference().rows(distances).max(1)
    W = warm.onto_reference().rows(distances)  # (n, s)
    squares = between * between
    spread = np.einsum("ij,ij->i", W @ squares, W) / (squares.mean() or 1.0)
    return np.clip(share * (1 - spread), 0, 1)


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
