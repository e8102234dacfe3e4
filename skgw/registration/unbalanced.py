"""Unbalanced registration: clouds with points that have no match in the other cloud.

Plans with fixed marginals match all points, and a wrong transformation that takes large groups to
large groups may then cost less than the right transformation. So the marginals p and q of the plan
P are penalised, and the best similarity minimises

    <C, P> + rho (KL(p | a) + KL(q | b)),    C_ij = |z_i R + t - w_j|^2 / (r_i s_j),

over P, the rotation and scale R and the offset t, in turn as in `procrustes`. The local scales r_i
and s_j are distances to a near neighbour in the own cloud (Zelnik-Manor, Perona 2004): without them
the cheapest plan matches nothing but the densest group with itself. Offset and scale follow the
plan, as two clouds that hold groups in different shares differ in their means and RMS distances.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from skgw.registration.procrustes import FINE_REG_SCHEDULE, Pair, Registration, entropic_transport
from skgw.registration.similarity import Similarity, similarity_of_plan
from skgw.solvers import full_precision
from skgw.solvers.linear import solve_unbalanced_linear


@dataclass(frozen=True)
class UnbalancedSettings:
    """Settings of an unbalanced registration.

    Attributes
    ----------
    rho : float
        Penalty on the marginals, relative to the median cost.
    reg_schedule : tuple of float
        Entropic regularisation of successive plans, relative to the median cost.
    n_neighbors : int
        The local scale of a point is the distance to this neighbour.
    max_scale : float
        Largest scale of the similarity, and the inverse of the smallest scale.
    min_mass : float
        Smallest mass of a point, relative to the mean.
    tol : float
        L1 error of the column sums of a plan.
    max_iter : int
        Newton steps of a plan.
    """

    rho: float = 0.05
    reg_schedule: tuple[float, ...] = (0.1, 0.05, 0.02, 0.01)
    n_neighbors: int = 5
    max_scale: float = 2.0
    min_mass: float = 1e-6
    tol: float = 1e-3
    max_iter: int = 50

    @property
    def refining(self) -> UnbalancedSettings:
        """The same settings for a start near the solution: the end of the schedule."""
        return self.restricted(-2, None)

    def restricted(self, first: int | None, last: int | None) -> UnbalancedSettings:
        """The same settings with a part of the schedule."""
        return replace(self, reg_schedule=self.reg_schedule[first:last])


class UnbalancedMatch(NamedTuple):
    """A similarity, its plan of mass one (n, m), and the objective of both."""

    similarity: Similarity[Tensor]
    plan: Tensor
    objective: float

    def weights(self, min_mass: float) -> Pair:
        """Marginals (n,) and (m,) of the plan, bounded from below relative to their means."""
        return _positive(self.plan.sum(1), min_mass), _positive(self.plan.sum(0), min_mass)


@torch.no_grad()
@full_precision()
def alternate(
    source: Tensor,
    target: Tensor,
    start: Similarity[Tensor],
    settings: UnbalancedSettings = UnbalancedSettings(),
    fixed: Pair | None = None,
) -> UnbalancedMatch:
    """Improve plan and similarity in turn, once for each value of the schedule.

    The costs include those of further coordinates (n, c) and (m, c) that no similarity changes, if
    `fixed` has them.
    """
    scales = _local_scales(source, target, settings)
    A, B = fixed or (source[:, :0], target[:, :0])
    registered = torch.cat([target, B], 1)

    def plan_of(similarity: Similarity[Tensor], reg: float, potential: Tensor) -> _UnbalancedPlan:
        moved = torch.cat([similarity(source), A], 1)
        return _unbalanced_plan(moved, registered, scales, reg, settings, potential)

    similarity, potential = start, target.new_zeros(len(target))
    for reg in settings.reg_schedule:
        plan, potential, _ = plan_of(similarity, reg, potential)
        similarity = similarity_of_plan(source, target, plan / scales, max_scale=settings.max_scale)
    plan, _, objective = plan_of(similarity, settings.reg_schedule[-1], potential)
    return UnbalancedMatch(similarity, plan, objective)


def register_unbalanced(
    source: Tensor,
    target: Tensor,
    start: Similarity[Tensor],
    settings: UnbalancedSettings = UnbalancedSettings(),
) -> Registration:
    """Improve a similarity between clouds of which some points may have no match.

    Parameters
    ----------
    source, target : Tensor of shapes (n, kx) and (m, ky)
        Of about one RMS distance.
    start : Similarity
    settings : UnbalancedSettings

    Returns
    -------
    Registration
        Its plan is the balanced plan of `entropic_transport`, for the marginals of the unbalanced
        plan.

    References
    ----------
    :cite:t:`chizat2018`.

    :cite:t:`zelnikmanor2004`.

    Examples
    --------
    >>> import torch
    >>> Z = torch.randn(60, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([3, 2, 1])
    >>> Z[50:] += 20  # a group that the other cloud lacks
    >>> rotation = torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    >>> start = Similarity(rotation, torch.zeros(3))
    >>> found = register_unbalanced(Z, Z[:50] @ rotation + 1, start)
    >>> bool((found.similarity.offset - 1).abs().max() < 0.1)
    True
    >>> bool(found.transport.plan[50:].sum() < 0.01)
    True
    """
    found = alternate(source, target, start, settings)
    a, b = found.weights(settings.min_mass)
    registered = found.similarity(source)
    transport = entropic_transport(registered, target, FINE_REG_SCHEDULE[-1], (a, b))
    return Registration(found.similarity, transport, transport.reg.new_tensor(found.objective))


@torch.no_grad()
@full_precision()
def unbalanced_objective(
    source: Tensor, target: Tensor, settings: UnbalancedSettings = UnbalancedSettings()
) -> float:
    """The objective of two registered clouds, at the last value of the schedule."""
    scales, reg = _local_scales(source, target, settings), settings.reg_schedule[-1]
    potential = target.new_zeros(len(target))
    return _unbalanced_plan(source, target, scales, reg, settings, potential).objective


class _UnbalancedPlan(NamedTuple):
    """The plan (n, m), its column potential (m,) over the median cost, and the objective."""

    plan: Tensor
    potential: Tensor
    objective: float


def _unbalanced_plan(
    source: Tensor,
    target: Tensor,
    scales: Tensor,
    reg: float,
    settings: UnbalancedSettings,
    potential: Tensor,
) -> _UnbalancedPlan:
    """The plan between registered clouds, from a potential (m,)."""
    cost = torch.cdist(source, target).square() / scales
    median = cost.median()
    cost = (cost / torch.where(median > 0, median, torch.ones_like(median)))[None]
    _, n, m = cost.shape
    a, b = cost.new_full((1, n), 1 / n), cost.new_full((1, m), 1 / m)
    regs, rho, tol = (cost.new_full((1,), x) for x in (reg, settings.rho, settings.tol))
    found = solve_unbalanced_linear(
        cost, a, b, regs, rho, rho, potential=potential[None], tol=tol, max_iter=settings.max_iter
    )
    plan = found.plan[0]
    penalty = _divergence(plan.sum(1)) + _divergence(plan.sum(0))
    objective = float((cost[0] * plan).sum() + settings.rho * penalty)
    return _UnbalancedPlan(plan, found.potential[0], objective)


def _divergence(p: Tensor) -> Tensor:
    """KL(p | uniform) of weights (n,) of sum one."""
    return torch.special.xlogy(p, p * len(p)).sum()


def _local_scales(source: Tensor, target: Tensor, settings: UnbalancedSettings) -> Tensor:
    """The products r_i s_j, (n, m)."""
    r, s = (_neighbor_distances(X, settings.n_neighbors) for X in (source, target))
    return r[:, None] * s


def _neighbor_distances(X: Tensor, n_neighbors: int) -> Tensor:
    """Distance of each point to its `n_neighbors`-th neighbour, (n,)."""
    k = min(n_neighbors, len(X) - 1)
    distances = torch.cdist(X, X).kthvalue(k + 1, dim=1).values
    floor = distances.mean() * 1e-3  # points may coincide
    return distances.clamp_min(torch.where(floor > 0, floor, torch.ones_like(floor)))


def _positive(p: Tensor, min_mass: float) -> Tensor:
    """Weights (n,) of sum one, bounded from below."""
    p = p.clamp_min(min_mass / len(p))
    return p / p.sum()
