"""Confidence in the match of each row."""

from __future__ import annotations

import numpy as np

from skgw.matching.out_of_sample import PlanExtension
from skgw.matching.registered_extension import RegisteredExtension
from skgw.spaces.finite import Array

RowExtension = PlanExtension | RegisteredExtension


def row_confidence(
    extension: RowExtension,
    features: tuple[Array, Array],
    squares: tuple[Array, Array],
) -> Array:
    """Confidence in the match of each row, (n,), between 0 and 1.

    The confidence has three factors, and each factor can reveal a wrong match.

    - *Concentration*: the share of the row's mass that goes near its match. Nearness is relative
      to the mean squared distance within the mass of a row, so that matches in dense regions do not
      count as doubtful where the plan matches regions only.
    - *Cycle consistency*: mass that goes to the other domain and back should end near the row.
    - *Misfit*: the row should agree with its matches. The misfit is relative to the row's own
      distances, so that rows at the boundary are not penalised.

    The confidence is ``concentration / ((1 + cycle) (1 + misfit))``, where the last two are divided
    by their means over the rows.

    Parameters
    ----------
    extension : PlanExtension or RegisteredExtension
    features : tuple of arrays of shapes (n, v) and (s, w)
        What the extension reads of the rows, and of the reference rows of the other space.
    squares : tuple of arrays of shapes (n, r) and (s, s)
        Squared distances from the rows to the reference rows of their space, and between the
        reference rows of the other space.
    """
    rows, others = features
    W = extension.onto_reference().rows(rows)  # (n, s)
    V = extension.reversed().onto_reference().rows(others)  # (s, r)
    cycle = np.einsum("ij,ij->i", W @ V, squares[0])
    misfit = extension.misfit(W, rows, others)
    return _concentration(W, squares[1]) / ((1 + _over_mean(cycle)) * (1 + _over_mean(misfit)))


def _concentration(W: Array, squares: Array) -> Array:
    """Share of the mass of each row that goes near its match, (n,)."""
    mean_square = np.einsum("ij,ij->i", W @ squares, W).mean()
    near = np.exp(-squares / (2 * max(mean_square, np.finfo(float).tiny)))
    return np.einsum("ij,ij->i", W, near[W.argmax(1)]).clip(0, 1)


def _over_mean(x: Array) -> Array:
    return x / (x.mean() or 1.0)


def distances_of_means(W: Array, V: Array, between: Array) -> Array:
    """Distances (b, c) between weighted means of points.

    The distances are exact for points of a Euclidean space of any dimension. For other distances
    the formula is a definition, and negative squares count as zero.

    Parameters
    ----------
    W, V : array of shapes (b, s) and (c, s)
        Weights; each row has the sum one.
    between : array of shape (s, s)
        Distances between the points.
    """
    squares = between * between
    cross = W @ squares  # (b, s)
    within_W = 0.5 * np.einsum("ij,ij->i", cross, W)[:, None]
    within_V = 0.5 * np.einsum("ij,ij->i", V @ squares, V)
    return np.sqrt(np.maximum(cross @ V.T - within_W - within_V, 0))
