"""Confidence in the match of each row."""

from __future__ import annotations

import numpy as np

from skgw.matching.out_of_sample import PlanExtension
from skgw.spaces.finite import Array


def row_confidence(extension: PlanExtension, distances: Array, between: Array) -> Array:
    """Confidence in the match of each row, (n,), between 0 and 1.

    The confidence has three factors, and each factor can reveal a wrong match.

    - *Concentration*: the share of the row's mass that goes near its match. Nearness is relative
      to the mean squared distance within the mass of a row, so that matches in dense regions do not
      count as doubtful where the plan matches regions only.
    - *Cycle consistency*: mass that goes to the other domain and back should end near the row.
    - *Misfit*: the distances of the row should agree with the distances of its match. The misfit is
      relative to the row's own distances, so that rows at the boundary are not penalised.

    The confidence is ``concentration / ((1 + cycle) (1 + misfit))``, where the last two are divided
    by their means over the rows.

    Parameters
    ----------
    extension : PlanExtension
    distances : array of shape (n, r)
        From the rows to the reference points of their space.
    between : array of shape (s, s)
        Between the reference points of the other space.
    """
    W = extension.onto_reference().rows(distances)  # (n, s)
    V = extension.reversed().onto_reference().rows(between)  # (s, r)
    squares = distances * distances
    cycle = np.einsum("ij,ij->i", W @ V, squares)
    own = squares @ extension.plan.sum(1)
    misfit = _misfit(extension, W, distances, between) / np.where(own > 0, own, 1)
    concentration = _concentration(W, between * between)
    return concentration / ((1 + _over_mean(cycle)) * (1 + _over_mean(misfit)))


def _concentration(W: Array, squares: Array) -> Array:
    """Share of the mass of each row that goes near its match, (n,)."""
    mean_square = np.einsum("ij,ij->i", W @ squares, W).mean()
    near = np.exp(-squares / (2 * max(mean_square, np.finfo(float).tiny)))
    return np.einsum("ij,ij->i", W, near[W.argmax(1)]).clip(0, 1)


def _over_mean(x: Array) -> Array:
    return x / (x.mean() or 1.0)


def _misfit(extension: PlanExtension, W: Array, distances: Array, between: Array) -> Array:
    """Linearised cost of the matches of each row, (n,)."""
    own = (distances * distances) @ extension.plan.sum(1)
    matched = (between * between) @ extension.plan.sum(0)
    cross = distances @ extension.onto_reference().transported_distances  # (n, s)
    cost = own + W @ matched - 2 * np.einsum("ij,ij->i", W, cross)
    return np.maximum(cost, 0)


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
