"""Coupling of reference rows with a fixed cloud of generated points, after training."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from skgw.embedding.objective import GenerativeObjective
from skgw.nn import pairwise_distances
from skgw.solvers import full_precision
from skgw.solvers.linear import Extension, extend_plan
from skgw.solvers.quadratic import CONVERGED
from skgw.spaces.finite import Array, Index
from skgw.training.gw_loss import (
    cold_solve,
    lower_solution,
    matched_start,
    self_solve,
    solve_from,
    uniform_problem,
    uniform_value,
)

SELF_TOLERANCE_FACTOR = 10.0  # tolerance of self terms, whose plans are not kept, over `tol`
MAX_EXTENSION_ERROR = 30.0  # L1 error of the extended plans of a converged coupling, over `tol`


@dataclass(frozen=True)
class CloudCoupling:
    """Cloud of generated points and its coupling with the reference rows.

    Attributes
    ----------
    cloud : array of shape (m, k)
        In units of the scale of the objective.
    to_cloud : Extension
        Maps distances to the reference rows to conditional plans over the cloud.
    to_data : Extension
        Maps distances to the cloud to conditional plans over the reference rows.
    divergence : float
        Normalised GW_eps between reference rows and cloud.
    converged : bool
        Whether all problems converged.
    """

    cloud: Array
    to_cloud: Extension
    to_data: Extension
    divergence: float
    converged: bool


@torch.no_grad()
@full_precision()
def couple_with_cloud(
    objective: GenerativeObjective,
    reference: Index,
    n_generated: int,
    generator: torch.Generator,
    *,
    weights: Array | None = None,
    placed: Array | None = None,
    tol: float = 1e-4,
    max_iter: int = 200,
) -> CloudCoupling:
    """Generate a cloud and couple it with the reference rows, in float64.

    The coupling starts at matches of the cloud with the placed rows. For rows without places it is
    the solution of lower value, from the last coupling of training or from a cold solve.

    Parameters
    ----------
    objective : GenerativeObjective
        After training.
    reference : array of int of shape (r,)
        Positions of the reference rows among the anchors.
    n_generated : int
        Number of points in the cloud.
    generator : torch.Generator
        Source of the noise of the cloud.
    weights : array of shape (r,), optional
        Weights of the reference rows, positive with sum 1; by default equal.
    placed : array of shape (r, k), optional
        Points of the reference rows, in units of the scale.
    tol : float, default=1e-4
        L1 tolerance of the plans.
    max_iter : int, default=200
        Largest number of outer steps of each solve.
    """
    rows = torch.as_tensor(reference, device=objective.order.device)
    points = objective.generator(n_generated, generator, stratified=True)
    D = objective.distances(rows, rows).double()
    E = pairwise_distances(points.double())
    epsilon = objective.options.epsilon
    a = None if weights is None else torch.as_tensor(weights, dtype=D.dtype, device=D.device)
    problem = uniform_problem(D, E, a=a)
    if placed is None:
        start = objective.warm_start(rows, points, weights=a)
    else:
        to_placed = torch.cdist(points.double(), torch.as_tensor(placed).to(E))
        start = matched_start(D, to_placed, a)
    cross = solve_from(problem, start, epsilon, tol=tol, max_iter=max_iter)
    if placed is None:
        cold = cold_solve(problem, epsilon, tol=tol, max_iter=max_iter)
        cross = lower_solution(cross, cold, epsilon)
    self_tol = SELF_TOLERANCE_FACTOR * tol
    of_rows = self_solve(D, epsilon, tol=self_tol, max_iter=max_iter, a=a)
    of_points = self_solve(E, epsilon, tol=self_tol, max_iter=max_iter)
    value, *self_values = (
        float(uniform_value(solution, epsilon, b=b))
        for solution, b in ((cross, None), (of_rows, a), (of_points, None))
    )
    plan = cross.plan[0]
    to_cloud, cloud_error = extend_plan(D, plan, E, epsilon, tol=tol)
    to_data, data_error = extend_plan(E, plan.T, D, epsilon, tol=tol)
    solutions = cross, of_rows, of_points
    converged = all(bool((s.status == CONVERGED).all()) for s in solutions)
    limit = MAX_EXTENSION_ERROR * tol
    accurate = bool(cloud_error < limit) and bool(data_error < limit)
    return CloudCoupling(
        points.double().cpu().numpy(),
        to_cloud,
        to_data,
        2 * value - sum(self_values),
        converged and accurate,
    )
