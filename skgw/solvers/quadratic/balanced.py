"""Balanced problems between matrices: from tensors to a result, by the route that fits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skgw.solvers.initializers.named import Setting, read_start
from skgw.solvers.inputs import Inputs
from skgw.solvers.problems.quadratic import QuadraticProblem, quadratic_problem
from skgw.solvers.quadratic.descent import Solution, attainable_tol, entropic_value, minimize
from skgw.solvers.quadratic.low_rank import cooling_problem, minimize_from_truncated, pays
from skgw.solvers.quadratic.multistart import best_of_pool
from skgw.solvers.quadratic.package import differentiable, package_solution
from skgw.solvers.result import Array, GromovResult, StartsReport, State
from skgw.solvers.settings import DENSE, DenseSettings


def solve_dense(
    inputs: Inputs,
    reg: Tensor,
    scale: Tensor,
    *,
    loss: str,
    alpha: float,
    init: str | Array | State,
    tol: float,
    max_iter: int,
    n_init: int = 1,
    symmetric: bool = False,
    backend: str = "auto",
    random_state: Any = None,
    settings: DenseSettings = DENSE,
) -> GromovResult:
    """`solve_gromov` of a balanced problem, on validated tensors, at an absolute `reg` (B,).

    `symmetric` says that a space is compared with itself under the square loss, from a symmetric
    start.
    """
    with torch.no_grad():
        problem = quadratic_problem(
            inputs.Ca, inputs.Cb, inputs.a, inputs.b, loss=loss, M=inputs.M, alpha=alpha
        )
        setting = Setting(problem, inputs, reg, scale, loss)
        start, report = read_start(init, setting), None
        if n_init > 1:
            start, report = best_of_pool(
                start, int(n_init), setting,
                max_iter=max_iter, backend=backend, random_state=random_state,
                settings=settings,
            )  # fmt: skip
        if inputs.M is not None:
            scale = scale + (1 - alpha) * inputs.M.abs().amax((1, 2))
        tol_used = attainable_tol(tol, reg, scale)
        fall = float((start.level / reg).amax())
        is_far = n_init > 1 or fall > 1
        if is_far and pays(problem, backend, settings):
            solution = minimize_from_truncated(
                problem, reg, start.state,
                first_reg=start.level, tol=tol_used, max_iter=max_iter, backend=backend,
                settings=settings,
            )  # fmt: skip
        else:
            solution = minimize(
                problem, reg, start.state, first_reg=start.level if is_far else None,
                coarse=cooling_problem(problem, fall, settings.low_rank), tol=tol_used,
                max_iter=max_iter, symmetric=symmetric, backend=backend, settings=settings.descent,
            )  # fmt: skip
    return _package(solution, problem, inputs, reg, tol_used, loss, report)


def _package(
    s: Solution,
    problem: QuadraticProblem,
    inputs: Inputs,
    reg: Tensor,
    tol: Tensor,
    loss: str,
    report: StartsReport | None,
) -> GromovResult:
    value = entropic_value(s.plan, s.potential, s.energy, problem.b, reg)
    return package_solution(
        s, inputs,
        plan=s.plan, value=differentiable(value, s.plan, inputs, problem.alpha, loss),
        value_quad=s.energy, row_potential=_row_transform(problem, s, reg),
        reg=reg, tol=tol, starts=report,
    )  # fmt: skip


def _row_transform(problem: QuadraticProblem, s: Solution, reg: Tensor) -> Tensor:
    """Row potential that goes with the column potential, (B, n)."""
    scores = (s.potential[:, None, :] - s.cost) / reg[:, None, None] + problem.b.log()[:, None, :]
    # The logarithm of the sum of exponentials: the normalisers of a softmax are sooner had.
    return reg[:, None] * (scores.log_softmax(2).amax(2) - scores.amax(2))
