"""How far a matching can be trusted, row by row."""

from __future__ import annotations

import numpy as np

from skgw.alignment.correspondence import Correspondence
from skgw.spaces.finite import Array


def agreement(rule: Correspondence, distances: Array, between: Array) -> Array:
    """How closely the partners of rows agree, (n,): 1 all the same, 0 as far apart as any two."""
    W = rule.onto_reference().rows(distances)  # (n, s)
    squares = between * between
    spread = np.einsum("ij,ij->i", W @ squares, W)
    return np.clip(1 - spread / (squares.mean() or 1.0), 0, 1)


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
