"""The search for the motion between clouds whose points may be without partners.

Where groups have other shares in either cloud, Gromov-Wasserstein plans of the points bring large
groups onto large groups, and the right motion is no local minimum. Three things help. Centres of
k-means stand for the points: they are less noisy, and few, so that many unbalanced plans between
them, each of other centres, cost little. Their marginals are nearly free, as each good plan needs
no more than to find some groups. Each leads to a motion, of which the objective of `relaxed.py`
tells the good ones. And the best of these that differ are changed at random, improved, and kept
where that lowers the objective (basin hopping). Motions are often right for some groups only, so
every other change fits the motion to the partners of some groups, and forgets those of the others;
the rest turn it as a whole.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from skgw.exceptions import GWConvergenceWarning
from skgw.registration.multistart import Fit, cheapest, differ, mirror_images
from skgw.registration.procrustes import Motion, polar_factor
from skgw.registration.unbalanced import (
    STRENGTH,
    TEMPERATURES,
    Descent,
    best_motion,
    descend,
    register_relaxed,
)
from skgw.solvers import solve_gromov

N_CENTRES, MIN_MEMBERS = 250, 4  # of a cloud; points to a centre, if these are few
REG, TOLERANCE, MAX_ITER = 3e-3, 1e-2, 50  # of the plans between centres
LOOSE = 0.1  # strength of their marginals, over that of the marginals of points
N_ROUGH = 500
ROUGH, AGAIN, FINE = TEMPERATURES[:3], TEMPERATURES[1:3], TEMPERATURES[1:]
N_BEST, N_TURNS = 3, 20  # motions that are changed, and how often
N_ENDS = 5  # motions that are compared in the end: rivals tell whether the best one is clear
TURNS, SMALL_TURN = (0.6, 1.2), 0.3  # size of the random change of a unit vector
N_GROUPS, SHARES = 12, (0.3, 0.5, 0.7)  # of points, and of them those that a motion is fitted to
FORGOTTEN = 0.02  # weight of the others

Pair = tuple[Tensor, Tensor]


def search(
    points: Pair,
    start: Motion | None = None,
    *,
    strength: float = STRENGTH,
    n_pairs: int = 0,
    n_init: int = 16,
    n_rough: int = N_ROUGH,
    seed: int = 0,
) -> Fit:
    """The best motion between two clouds, of which some points may be without partners.

    Parameters
    ----------
    points : pair of Tensors of shapes (n, k) and (m, l)
        In random order, but for known pairs.
    start : Motion, optional
        One more start.
    strength : float
        What ties marginals to uniform ones; see `register_relaxed`.
    n_pairs : int
        The first so many points of either cloud are known to belong together.
    n_init : int
        Plans between centres.
    n_rough : int
        Points of either cloud on which motions are compared: more of them are slower, and surer.
    seed : int
    """
    rough = points[0][:n_rough], points[1][:n_rough]
    improve = functools.partial(descend, *rough, strength=strength)
    starts = [_start(points, strength, seed + k) for k in range(n_init)]
    if n_pairs:
        Z, W = (z[:n_pairs] for z in points)
        starts.append(best_motion(Z, W, torch.eye(n_pairs).to(Z)))
    starts += [] if start is None else [start]
    found = sorted((improve(motion, temperatures=ROUGH) for motion in starts), key=_objective)
    generator = torch.Generator().manual_seed(seed)
    groups = _clusters(rough[0], N_GROUPS, seed)
    hopped = [
        _hopped(begun, rough, groups, improve, generator)
        for begun in _distinct(found, rough[0], N_BEST)
    ]
    best = min(hopped, key=_objective).motion
    mirrored = [
        improve(best._replace(rotation=rotation), temperatures=AGAIN)
        for rotation in mirror_images(rough[0], best.rotation)
    ]
    ends = _distinct(sorted(hopped + found + mirrored, key=_objective), rough[0], N_ENDS)
    refine = functools.partial(register_relaxed, unbalanced=strength, temperatures=FINE)
    return cheapest(points, [refine(*points, d.motion) for d in ends], n_pairs)


def _distinct(found: list[Descent], Z: Tensor, size: int) -> list[Descent]:
    """The first ones whose motions differ."""
    kept: list[Descent] = []
    for each in found:
        moved = each.motion(Z)
        if len(kept) < size and all(differ(moved, other.motion(Z)) for other in kept):
            kept.append(each)
    return kept


def _start(points: Pair, strength: float, seed: int) -> Motion:
    """The motion of a plan between centres."""
    one, other = (_members(z, seed) @ z for z in points)
    return best_motion(one, other, _plan(one, other, strength).to(one))


def _members(Z: Tensor, seed: int) -> Tensor:
    """The matrix (c, n) that takes means of points in clusters."""
    one_hot = torch.nn.functional.one_hot(_clusters(Z, N_CENTRES, seed)).T.to(Z)
    return one_hot / one_hot.sum(1, keepdim=True)


def _clusters(Z: Tensor, n_clusters: int, seed: int) -> Tensor:
    """The cluster of each point, (n,), counted from 0 without gaps."""
    n_clusters = max(2, min(n_clusters, len(Z) // MIN_MEMBERS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # points may coincide
        clusters = KMeans(n_clusters, n_init=1, random_state=seed)
        labels = clusters.fit_predict(Z.double().cpu().numpy())
    return torch.as_tensor(np.unique(labels, return_inverse=True)[1], device=Z.device)


def _plan(A: Tensor, B: Tensor, strength: float) -> Tensor:
    C, D = (torch.cdist(X, X) for X in (A, B))
    C, D = (E / E.square().mean().sqrt().clamp_min(torch.finfo(E.dtype).tiny) for E in (C, D))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GWConvergenceWarning)  # it need not
        result = solve_gromov(
            C, D, reg=REG, unbalanced=LOOSE * strength, tol=TOLERANCE, max_iter=MAX_ITER
        )
    return torch.as_tensor(result.plan)


def _hopped(
    best: Descent, points: Pair, groups: Tensor, improve: Callable[..., Descent],
    generator: torch.Generator,
) -> Descent:  # fmt: skip
    """The best of motions that are each improved from the best one before, changed at random."""
    for k in range(N_TURNS):
        if k % 2:
            changed = _partly_forgotten(
                best, points, groups, SHARES[k // 2 % len(SHARES)], generator
            )
            changed = _turned(changed, SMALL_TURN, generator)
        else:
            changed = _turned(best.motion, TURNS[k // 2 % len(TURNS)], generator)
        best = min(best, improve(changed, temperatures=AGAIN), key=_objective)
    return best


def _partly_forgotten(
    found: Descent, points: Pair, groups: Tensor, share: float, generator: torch.Generator
) -> Motion:
    """The motion that fits the partners of a random share of the groups."""
    kept = torch.rand(int(groups.max()) + 1, generator=generator) < share
    weights = torch.where(kept.to(groups.device)[groups], 1.0, FORGOTTEN)
    return best_motion(*points, weights[:, None].to(found.plan) * found.plan)


def _turned(motion: Motion, turn: float, generator: torch.Generator) -> Motion:
    noise = torch.randn(motion.rotation.shape, generator=generator).to(motion.rotation)
    k = max(motion.rotation.shape)
    length = motion.rotation.norm() / min(motion.rotation.shape) ** 0.5
    turned = polar_factor(motion.rotation / length + turn / k**0.5 * noise)
    return motion._replace(rotation=length * turned)


def _objective(found: Descent) -> float:
    return found.objective
