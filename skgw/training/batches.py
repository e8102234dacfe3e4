"""Mini-batches that look like the whole: stratified by distances alone."""

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
    distances: Distances, index: Index, n_strata: int, rng: np.random.RandomState
) -> Index:
    """Order points so that runs of consecutive ones are close together.

    The points are halved again and again by the sign of d(x, p) - d(x, q), for two points p and q
    far from each other, until no part has more than ``n / n_strata`` points (which may take up to
    twice as many parts).

    Parameters
    ----------
    distances : callable
        From two index arrays to the distances between them.
    index : array of shape (n,)
        The points.
    n_strata : int
        Runs of ``n / n_strata`` points shall be close together.
    rng : RandomState

    Returns
    -------
    array of shape (n,)
        The points, reordered.
    """
    size = len(index) / n_strata
    parts, ordered = [index], []
    while parts:
        part = parts.pop()
        if len(part) <= max(size, 1):
            ordered.append(part)
            continue
        p = part[[rng.randint(len(part))]]
        p = part[[distances(p, part)[0].argmax()]]
        to_p = distances(p, part)[0]
        q = part[[to_p.argmax()]]
        nearer = np.argsort(to_p - distances(q, part)[0], kind="stable")
        half = len(part) // 2
        parts += [part[nearer[half:]], part[nearer[:half]]]
    return np.concatenate(ordered)


def spread(order: Tensor, n: int) -> Tensor:
    """At most n points, evenly along `order` (N,): indices (min(n, N),)."""
    n = min(n, len(order))
    position = (torch.arange(n, dtype=torch.float32) + 0.5) * (len(order) / n)
    return order[position.long().to(order.device)]


def draw_batch(order: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """One point from each of n consecutive runs of `order` (N,): indices (n,).

    Every point has the same chance. Where n does not divide N, one on the border of two runs may be
    drawn for both.
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
