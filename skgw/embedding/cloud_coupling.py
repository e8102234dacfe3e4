"""After training: couple reference points of the data with a fixed cloud of generated points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skgw.embedding.objective import GenerativeObjective
from skgw.nn import pairwise_distances
from skgw.solvers import State, full_precision
from skgw.solvers.linear import Extension, extend_plan
from skgw.solvers.quadratic import CONVERGED, Solution, minimize
from skgw.training.gw_loss import (
    cold_solve,
    lower_solution,
    self_solve,
    uniform_problem,
    uniform_value,
)

TOLERANCE = 1e-4
MAX_ITER = 200


@dataclass(frozen=True)
class Projection:
    """A cloud of generated points, and where the points of either space go in the other.

    Attributes
    ----------
    cloud : array of shape (m, k)
        In units of the objective's scale.
    to_cloud, to_data : Extension
        From distances to the reference points to a row over the cloud, and the reverse.
    divergence : float
        Normalised GW_eps between reference points and cloud.
    converged : bool
    """

    cloud: NDArray[Any]
    to_cloud: Extension
    to_data: Extension
    divergence: float
    converged: bool


@torch.no_grad()
@full_precision()
def project(
    objective: GenerativeObjective,
    reference: NDArray[np.intp],
    n_generated: int,
    generator: torch.Generator,
) -> Projection:
    """Couple the anchors at positions `reference` with `n_generated` points, in float64."""
    rows = torch.as_tensor(reference, device=objective.order.device)
    points = objective.generator(n_generated, generator, stratified=True)
    D = objective.distances(rows, rows).double()
    E = pairwise_distances(points.double())
    epsilon = objective.options.epsilon
    cross = _cross_plan(D, E, epsilon, objective.carried(rows, points))
    self_terms = [self_solve(C, epsilon, tol=TOLERANCE, max_iter=MAX_ITER) for C in (D, E)]
    value, *self_values = (
        float(uniform_value(solution, epsilon)) for solution in (cross, *self_terms)
    )
    plan = cross.plan[0]
    to_cloud, error = extend_plan(D, plan, E, epsilon, tol=TOLERANCE)
    to_data, error_back = extend_plan(E, plan.T, D, epsilon, tol=TOLERANCE)
    settled = all(bool((s.status == CONVERGED).all()) for s in (cross, *self_terms))
    settled = settled and bool(error < 10 * TOLERANCE) and bool(error_back < 10 * TOLERANCE)
    return Projection(
        points.double().cpu().numpy(), to_cloud, to_data, 2 * value - sum(self_values), settled
    )


def _cross_plan(D: Tensor, E: Tensor, epsilon: float, carried: State) -> Solution:
    """The better of a solve from the training's coupling and a fresh, annealed one."""
    problem = uniform_problem(D, E)
    reg, tol = D.new_full((1,), epsilon), D.new_full((1,), TOLERANCE)
    potential = carried.potential
    start = State(carried.cost.double(), None if potential is None else potential.double())
    return lower_solution(
        minimize(problem, reg, start, tol=tol, max_iter=MAX_ITER),
        cold_solve(problem, epsilon, tol=TOLERANCE, max_iter=MAX_ITER),
        epsilon,
    )
