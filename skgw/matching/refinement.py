"""Refine a matching with saturated (local) distances.

Two domains often share their local distances even where global distances differ: parts of a protein
or of a mesh move, paths in a graph take other ways. Most distances are large, so that they find the
right region, but not the row. The refinement improves the plan under saturated distances, which
tell near rows apart and level off beyond the local scale. It lowers epsilon while at least half of
the nearest neighbours are preserved; below that the plan matches regions only, and a smaller
epsilon would be falsely precise.

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
from skgw.matching.training_domain import ReferenceDomain
from skgw.solvers import GromovResult, solve_gromov

References = tuple[ReferenceDomain, ReferenceDomain]


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
    domains: References,
    side_information: SideInformation,
    coupling: GromovResult,
    settings: RefinementSettings = RefinementSettings(),
) -> Refined:
    """Improve a coupling of reference rows; as it is, if it preserves more neighbours.

    Parameters
    ----------
    domains : pair of ReferenceDomain
    side_information : SideInformation
    coupling : GromovResult
    settings : RefinementSettings
    """
    plan = coupling.plan
    graphs = neighbor_graphs(domains, plan, settings.n_neighbors)
    preserved = preserved_neighbors(graphs, plan)
    best = refine(domains, side_information, plan, settings)
    if preserved > max(best.preserved, settings.min_preserved):  # lost at a large epsilon
        best = refine(domains, side_information, plan, settings, settings.reg_schedule[-1:])
    return best if best.preserved >= preserved else Refined(domains, coupling, preserved)


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


def neighbor_graphs(domains: References, plan: Tensor, n_neighbors: int) -> Graphs:
    """Graphs of nearest neighbours of both domains, of the type of a plan."""
    x, y = (
        neighbor_graph(torch.from_numpy(domain.between()).to(plan), n_neighbors)
        for domain in domains
    )
    return x, y
