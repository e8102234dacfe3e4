"""Mini-batches: stratified by distances, or uniform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Index = NDArray[np.intp]
Distances = Callable[[Index, Index], NDArray[Any]]


def stratified_order(
    distances: Distances,
    index: Index,
    n_strata: int,
    rng: np.random.RandomState,
    weights: NDArray[Any] | None = None,
) -> Index:
    """Order points so that consecutive points are close together.

    Parts of the points are halved by the order of d(x, p) - d(x, q), for two distant points p and
    q, until every part has at most ``n / n_strata`` points; there are up to ``2 * n_strata`` parts.
    With weights, halves and parts have shares of the weight in place of numbers of points.

    Parameters
    ----------
    distances : callable
        Maps two index arrays (n,) and (m,) to distances (n, m).
    index : array of int of shape (n,)
        Indices of the points.
    n_strata : int
        Number of strata: runs of ``n / n_strata`` consecutive points.
    rng : RandomState
        Source of the first point p of each part.
    weights : array of shape (m,), optional
        Positive weights of the points by their index; by default equal.

    Returns
    -------
    array of int of shape (n,)
        `index`, reordered.
    """
    weights = np.ones(index.max() + 1) if weights is None else weights
    size = weights[index].sum() / n_strata
    parts, ordered = [index], []
    while parts:
        part = parts.pop()
        if len(part) == 1 or weights[part].sum() <= size:
            ordered.append(part)
            continue
        p = part[[rng.randint(len(part))]]
        p = part[[distances(p, part)[0].argmax()]]
        to_p = distances(p, part)[0]
        q = part[[to_p.argmax()]]
        nearer = np.argsort(to_p - distances(q, part)[0], kind="stable")
        mass = np.cumsum(weights[part[nearer]])
        half = np.searchsorted(mass, mass[-1] / 2, side="right").clip(1, len(part) - 1)
        parts += [part[nearer[half:]], part[nearer[:half]]]
    return np.concatenate(ordered)


def evenly_spaced(order: Tensor, n: int, mass: Tensor | None = None) -> Tensor:
    """Take at most n points of `order` (N,) at evenly spaced positions: indices (min(n, N),).

    With cumulative weights `mass` (N,) take n points at evenly spaced shares of the mass: a heavy
    point is taken several times.
    """
    if mass is not None:
        share = (torch.arange(n, dtype=torch.float64) + 0.5) / n
        return order[_positions(share, mass)]
    n = min(n, len(order))
    position = (torch.arange(n, dtype=torch.float32) + 0.5) * (len(order) / n)
    return order[position.long().to(order.device)]


def draw_batch(order: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Draw one point from each of n consecutive runs of `order` (N,): indices (n,).

    All points have the same probability. If n does not divide N, a point on the border of two runs
    may be drawn for both runs.
    """
    n_points = len(order)
    if n >= n_points:
        return order
    within = torch.rand(n, generator=generator, dtype=torch.float32)
    position = (torch.arange(n) + within) * (n_points / n)
    return order[position.long().clamp_max(n_points - 1).to(order.device)]


def draw_uniform_batch(order: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Draw n points of `order` (N,) uniformly, without replacement: indices (n,)."""
    chosen = torch.randperm(len(order), generator=generator)[:n]
    return order[chosen.to(order.device)]


def draw_weighted_batch(
    order: Tensor, mass: Tensor, n: int, generator: torch.Generator, *, stratified: bool
) -> Tensor:
    """Draw n points of `order` (N,) in proportion to their weights, with replacement: indices (n,).

    Parameters
    ----------
    order : Tensor of shape (N,)
    mass : Tensor of shape (N,)
        Cumulative weights of the points in order, up to 1.
    n : int
    generator : torch.Generator
    stratified : bool
        Draw one point from each of n consecutive runs of equal mass. False: independent points.
    """
    share = torch.rand(n, generator=generator, dtype=torch.float64)
    if stratified:
        share = (torch.arange(n) + share) / n
    return order[_positions(share, mass)]


def _positions(share: Tensor, mass: Tensor) -> Tensor:
    """Positions at which the cumulative weights `mass` (N,) reach shares (n,) of their sum."""
    found = torch.searchsorted(mass, share.to(mass.device) * mass[-1], right=True)
    return found.clamp_max(len(mass) - 1)
