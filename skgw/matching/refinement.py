"""Refine a matching with saturated (local) distances.

Two domains often share their local distances even where global distances differ: parts of a protein
or of a mesh move, paths in a graph take other ways. Most distances are large, so that they find the
right region, but not the row. The refinement improves the plan under saturated distances, which
tell near rows apart and level off beyond the local scale. It lowers epsilon while at least half of
the nearest neighbours are preserved; below that the plan matches regions only, and a smaller
epsilon would be falsely precise.

Features of both domains may be related by more than their distances. An orthogonal map of features
is fitted to the plan, and its plan is refined instead if it preserves clearly more neighbours.

Independent samples of many groups may have only noise in common at small distances. A plan that
preserves more neighbours before the refinement is left unchanged.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skgw.exceptions import GWConvergenceWarning, without_warnings
from skgw.matching.neighbors import Graphs, neighbor_graph, preserved_neighbors
from skgw.matching.side_information import SideInformation
from skgw.matching.training_domain import (
    DomainPair,
    ReferenceDomain,
    TrainingDomain,
    reference_domains,
)
from skgw.registration.procrustes import register
from skgw.solvers import GromovResult, solve_gromov
from skgw.spaces.finite import Array

References = tuple[ReferenceDomain, ReferenceDomain]

# Orthogonal maps preserve them.
ORTHOGONAL_METRICS = ("raw euclidean", "centered-sphere euclidean")


@dataclass(frozen=True)
class RefinementSettings:
    """Settings of the refinement.

    Attributes
    ----------
    saturation_rank : int
        Distances are saturated at the scale of the distance to this neighbour.
    n_neighbors : int
        Number of nearest neighbours that a plan should preserve.
    reg_schedule : tuple of float
        Entropic regularisation of successive plans, relative to the discrepancy of the product
        coupling.
    min_reg : float
        Lower bound of the regularisation, relative to the mean squared distance.
    min_preserved : float
        Share of preserved neighbours above which epsilon is lowered.
    min_gain : float
        Share of preserved neighbours that an orthogonal map must reach, relative to the refined
        plan: smaller differences are chance.
    coarse_tol, coarse_max_iter : float and int
        Tolerance and outer steps of each level of the schedule.
    tol, max_iter : float and int
        Tolerance and outer steps of the final solve.
    """

    saturation_rank: int = 40
    n_neighbors: int = 5
    reg_schedule: tuple[float, ...] = (0.1, 0.03, 0.01)
    min_reg: float = 1e-5
    min_preserved: float = 0.5
    min_gain: float = 1.03
    coarse_tol: float = 1e-2
    coarse_max_iter: int = 10
    tol: float = 1e-4
    max_iter: int = 100


class Refined(NamedTuple):
    """A plan between reference rows.

    Attributes
    ----------
    domains : tuple of ReferenceDomain
        Under the distances of the solve; saturated, unless the refinement is left out.
    result : GromovResult
    preserved : float
        Share of nearest neighbours that the plan preserves.
    """

    domains: References
    result: GromovResult
    preserved: float


def refine_coupling(
    pair: DomainPair,
    domains: References,
    side_information: SideInformation,
    coupling: GromovResult,
    settings: RefinementSettings = RefinementSettings(),
) -> Refined:
    """Improve a coupling of reference rows; as it is, if it preserves more neighbours.

    Parameters
    ----------
    pair : pair of TrainingDomain
    domains : pair of ReferenceDomain
    side_information : SideInformation
    coupling : GromovResult
    settings : RefinementSettings
    """
    plan = coupling.plan
    graphs = neighbor_graphs(domains, plan, settings.n_neighbors)
    preserved = preserved_neighbors(graphs, plan)
    best = refine(domains, side_information, plan, settings)
    if all(_admits_rotation(*each) for each in zip(pair, domains, strict=True)):
        best = _refine_after_map(pair, graphs, side_information, domains, best, settings)
    if preserved > max(best.preserved, settings.min_preserved):  # lost at a large epsilon
        best = refine(domains, side_information, plan, settings, settings.reg_schedule[-1:])
    return best if best.preserved >= preserved else Refined(domains, coupling, preserved)


def _refine_after_map(
    pair: DomainPair,
    graphs: Graphs,
    side_information: SideInformation,
    domains: References,
    best: Refined,
    settings: RefinementSettings,
) -> Refined:
    """The best plan, or the refined plan of an orthogonal map of features if it preserves more."""
    rows = domains[0].rows, domains[1].rows
    maps = []
    for metric in ORTHOGONAL_METRICS:
        x, y = (domain.prepared(metric, i) for domain, i in zip(pair, rows, strict=True))
        plan = register_points((x, y), best.result.plan)
        maps.append((preserved_neighbors(graphs, plan), metric, plan))
    preserved, metric, plan = max(maps, key=lambda each: each[0])
    if preserved <= settings.min_gain * best.preserved:
        return best
    mapped = reference_domains(pair, (metric, metric), rows)
    found = refine(mapped, side_information, plan, settings, settings.reg_schedule[-1:])
    found = found._replace(preserved=preserved_neighbors(graphs, found.result.plan))
    return max(best, found, key=lambda each: each.preserved)


def refine(
    domains: References,
    side_information: SideInformation,
    plan: Tensor,
    settings: RefinementSettings = RefinementSettings(),
    reg_schedule: tuple[float, ...] | None = None,
) -> Refined:
    """Improve a plan under saturated distances, and lower epsilon while it preserves neighbours.

    By default the schedule is `settings.reg_schedule`.
    """
    near = (
        domains[0].saturated(settings.saturation_rank),
        domains[1].saturated(settings.saturation_rank),
    )
    Dx, Dy = (domain.between() for domain in near)
    A, B = (torch.from_numpy(np.asarray(D, dtype=np.float64)).to(plan) for D in (Dx, Dy))
    M = side_information.cost(Dx, Dy, near[0].rows, near[1].rows)
    cost = None if M is None else torch.from_numpy(M).to(plan)
    product = float(A.square().mean() + B.square().mean() - 2 * A.mean() * B.mean())
    solve = functools.partial(solve_gromov, A, B, cost, alpha=side_information.weight)
    graphs = neighbor_graphs(domains, plan, settings.n_neighbors)
    for relative_reg in reg_schedule or settings.reg_schedule:
        reg = max(relative_reg * product, settings.min_reg)
        with without_warnings(GWConvergenceWarning):  # the final solve converges
            plan = solve(
                reg=reg, init=plan, tol=settings.coarse_tol, max_iter=settings.coarse_max_iter
            ).plan
        if preserved_neighbors(graphs, plan) < settings.min_preserved:
            break
    result = solve(reg=reg, init=plan, tol=settings.tol, max_iter=settings.max_iter)
    return Refined(near, result, preserved_neighbors(graphs, result.plan))


def _admits_rotation(domain: TrainingDomain, reference: ReferenceDomain) -> bool:
    """Whether the metric is "auto", and there are enough rows to fit an orthogonal map."""
    enough = domain.X.shape[1] < len(reference.rows)
    return enough and set(ORTHOGONAL_METRICS) <= set(domain.candidates)


def register_points(points: tuple[Array, Array], plan: Tensor) -> Tensor:
    """The plan (r, s) between rows of features (r, p) and (s, q) after an orthogonal map."""
    Z, W = (_normalised(torch.from_numpy(np.asarray(x, dtype=np.float64))) for x in points)
    return register(Z.to(plan), W.to(plan), plan=plan).transport.plan


def _normalised(Z: Tensor) -> Tensor:
    """Centred points of root mean square norm one."""
    Z = Z - Z.mean(0)
    return Z / Z.square().sum(1).mean().sqrt().clamp_min(torch.finfo(Z.dtype).tiny)


def neighbor_graphs(domains: References, plan: Tensor, n_neighbors: int) -> Graphs:
    """Graphs of nearest neighbours of both domains, of the type of a plan."""
    x, y = (
        neighbor_graph(torch.from_numpy(domain.between()).to(plan), n_neighbors)
        for domain in domains
    )
    return x, y
