"""Registration of clouds of which one may hold points that have no partner in the other.

Plans with fixed marginals force partners on all points, and a wrong motion that brings large groups
onto large groups may then cost less than the right one. So the marginals p and q of the plan P are
relaxed, and the best motion minimises

    <C, P> + rho (KL(p | a) + KL(q | b)),    C_ij = |z_i R + t - w_j|^2 / (r_i s_j),

over P, the map R (orthogonal up to a scale) and the offset t, in turn as in `registration.py`. The
radii r_i and s_j are distances to near neighbours in the own cloud (Zelnik-Manor, Perona 2004):
without them it costs least to match nothing but the densest group with itself. Offset and scale
follow the plan, as means and sizes of clouds that hold groups in different shares differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from skgw.registration.rigid import (
    REFINING,
    Motion,
    Registration,
    polar_factor,
    transport,
)
from skgw.solvers import full_precision
from skgw.solvers.linear import solve_unbalanced_linear

TEMPERATURES = (0.1, 0.05, 0.02, 0.01)  # of the plans in turn, over the median cost
LAST = TEMPERATURES[-2:]  # those of a motion that is good already
N_NEIGHBOURS = 5  # that a radius reaches
STRENGTH = 0.05  # rho, where nothing else is asked for
MAX_SCALE = 2.0
TOLERANCE, MAX_NEWTON = 1e-3, 50
LEAST = 1e-6  # share of its weight that a point keeps, over the mean


class Descent(NamedTuple):
    """A motion, the plan of mass one (n, m) that goes with it, and the objective."""

    motion: Motion
    plan: Tensor
    objective: float


@torch.no_grad()
@full_precision()
def descend(
    Z: Tensor, W: Tensor, motion: Motion, strength: float, temperatures: tuple[float, ...]
) -> Descent:
    """Improve plan and motion in turn, once for each temperature."""
    spread = _radii(Z)[:, None] * _radii(W)  # (n, m)
    for temperature in temperatures:
        plan, _ = _relaxed_plan(motion(Z), W, spread, strength, temperature)
        motion = best_motion(Z, W, plan / spread)
    return Descent(motion, *_relaxed_plan(motion(Z), W, spread, strength, temperatures[-1]))


def register_relaxed(
    Z: Tensor,
    W: Tensor,
    motion: Motion,
    *,
    unbalanced: float,
    temperatures: tuple[float, ...] = TEMPERATURES,
) -> Registration:
    """Improve a motion between clouds whose points may be without partners.

    Parameters
    ----------
    Z, W : Tensor of shapes (n, kx) and (m, ky)
        Of similar size.
    motion : Motion
        Where to start.
    unbalanced : float
        Strength rho that ties the marginals to uniform ones, over the median cost.
    temperatures : tuple of float
        One step for each.

    Returns
    -------
    Registration
        Its plan is that of `transport`, with the marginals of the relaxed one as weights.

    References
    ----------
    Chizat, Peyre, Schmitzer, Vialard (2018), Scaling algorithms for unbalanced optimal transport
    problems. Mathematics of Computation.

    Zelnik-Manor, Perona (2004), Self-tuning spectral clustering. NeurIPS.

    Examples
    --------
    >>> import torch
    >>> Z = torch.randn(60, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([3, 2, 1])
    >>> Z[50:] += 20  # a group that the other cloud does not have
    >>> turn = torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    >>> start = Motion(turn, torch.zeros(3))
    >>> found = register_relaxed(Z, Z[:50] @ turn + 1, start, unbalanced=0.05)
    >>> bool((found.offset - 1).abs().max() < 0.1), bool(found.transport.plan[50:].sum() < 0.01)
    (True, True)
    """
    found = descend(Z, W, motion, unbalanced, temperatures)
    weights = tuple(_positive(found.plan.sum(axis)) for axis in (1, 0))
    final = transport(found.motion(Z), W, REFINING[-1], (weights[0], weights[1]))
    return Registration(found.motion, final, final.reg.new_tensor(found.objective))


@torch.no_grad()
@full_precision()
def relaxed_objective(H: Tensor, W: Tensor, strength: float, temperature: float) -> float:
    """The objective of points (n, k) and (m, k) of one space."""
    return _relaxed_plan(H, W, _radii(H)[:, None] * _radii(W), strength, temperature)[1]


def best_motion(Z: Tensor, W: Tensor, plan: Tensor) -> Motion:
    """The motion that brings points to their partners, under the weights of a plan.

    It holds a scale, that at which what is matched varies alike: clouds of unit size that have
    groups in different shares are not of one scale.
    """
    return _similarity(Z, W, plan.sum(1), plan.sum(0), lambda Z, W: Z.T @ plan @ W)


def motion_of_pairs(Z: Tensor, W: Tensor, weights: Tensor) -> Motion:
    """The same for points (n, kx) and their partners (n, ky)."""
    return _similarity(Z, W, weights, weights, lambda Z, W: (weights[:, None] * Z).T @ W)


def _similarity(
    Z: Tensor, W: Tensor, a: Tensor, b: Tensor, cross: Callable[[Tensor, Tensor], Tensor]
) -> Motion:
    """From points of weights a and b, and how to take the covariance across."""
    mean_z, mean_w = a @ Z / a.sum(), b @ W / b.sum()
    Z, W = Z - mean_z, W - mean_w
    ratio = (b @ W.square().sum(1)) / (a @ Z.square().sum(1)).clamp_min(LEAST)
    scale = ratio.sqrt().clamp(1 / MAX_SCALE, MAX_SCALE)
    rotation = scale * polar_factor(cross(Z, W))
    return Motion(rotation, mean_w - mean_z @ rotation)


def _relaxed_plan(
    H: Tensor, W: Tensor, spread: Tensor, strength: float, temperature: float
) -> tuple[Tensor, float]:
    """The plan (n, m) between moved points and the others, and the objective."""
    cost = torch.cdist(H, W).square() / spread
    unit = cost.median()
    cost = (cost / torch.where(unit > 0, unit, torch.ones_like(unit)))[None]
    _, n, m = cost.shape
    a, b = cost.new_full((1, n), 1 / n), cost.new_full((1, m), 1 / m)
    reg, rho, tol = (cost.new_full((1,), x) for x in (temperature, strength, TOLERANCE))
    plan = solve_unbalanced_linear(
        cost, a, b, reg, rho, rho, potential=torch.zeros_like(b), tol=tol, max_iter=MAX_NEWTON
    ).plan[0]
    penalty = _divergence(plan.sum(1)) + _divergence(plan.sum(0))
    return plan, float((cost[0] * plan).sum() + strength * penalty)


def _divergence(p: Tensor) -> Tensor:
    """KL(p | uniform) of weights (n,) of mass one."""
    return torch.special.xlogy(p, p * len(p)).sum()


def _radii(X: Tensor) -> Tensor:
    """Distance of each point to one of its near neighbours, (n,)."""
    k = min(N_NEIGHBOURS, len(X) - 1)
    radii = torch.cdist(X, X).kthvalue(k + 1, dim=1).values
    floor = radii.mean() * 1e-3  # points may coincide
    return radii.clamp_min(torch.where(floor > 0, floor, torch.ones_like(floor)))


def _positive(p: Tensor) -> Tensor:
    p = p.clamp_min(LEAST / len(p))
    return p / p.sum()
