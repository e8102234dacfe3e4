"""Balanced problems between matrices: choose start, solver and kernels; package the result."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skgw.solvers.directed import any_directed
from skgw.solvers.initializers.named import Start, StartContext, read_start
from skgw.solvers.inputs import Inputs
from skgw.solvers.problems.quadratic import QuadraticProblem, quadratic_problem
from skgw.solvers.quadratic.descent import Solution, entropic_value, minimize
from skgw.solvers.quadratic.low_rank import annealing_problem, minimize_low_rank, prefers_low_rank
from skgw.solvers.quadratic.multistart import best_of_pool
from skgw.solvers.quadratic.package import package_solution
from skgw.solvers.resolution import Accuracy, attainable
from skgw.solvers.result import Array, GromovResult, StartsReport, State
from skgw.solvers.scales import fused_scale, lowest_cost
from skgw.solvers.settings import DENSE, DenseSettings


def solve_dense(
    inputs: Inputs,
    reg: Tensor,
    scale: Tensor,
    *,
    loss: str,
    alpha: float,
    init: str | Array | State,
    tol: float | None,
    max_iter: int,
    n_init: int = 1,
    symmetric: bool = False,
    backend: str = "auto",
    random_state: Any = None,
    settings: DenseSettings = DENSE,
) -> GromovResult:
    """`solve_gromov` of a balanced problem, on validated tensors, at an absolute `reg` (B,).

    `scale` (B,) is the unit of the annealing levels. `symmetric` means that a space is compared
    with itself under the square loss, from a symmetric start.
    """
    accuracy = attainable(tol, reg, fused_scale(scale, inputs, alpha))
    reg = accuracy.reg
    with torch.no_grad():
        problem = quadratic_problem(
            inputs.Ca, inputs.Cb, inputs.a, inputs.b, loss=loss, M=inputs.M, alpha=alpha,
            directed=any_directed(inputs.Ca, inputs.Cb),
        )  # fmt: skip
        context = StartContext(problem, inputs, reg, scale, loss)
        start, report = read_start(init, context), None
        if n_init > 1:
            start, report = best_of_pool(
                start, int(n_init), context,
                max_iter=max_iter, backend=backend, random_state=random_state,
                settings=settings,
            )  # fmt: skip
        solution = solution_from(
            start, problem, reg,
            is_far=n_init > 1, tol=accuracy.tol, max_iter=max_iter, symmetric=symmetric,
            backend=backend, settings=settings,
        )  # fmt: skip
    return _package(solution, problem, inputs, accuracy, report)


def solution_from(
    start: Start,
    problem: QuadraticProblem,
    reg: Tensor,
    *,
    is_far: bool = False,
    tol: Tensor,
    max_iter: int,
    symmetric: bool = False,
    backend: str = "auto",
    settings: DenseSettings = DENSE,
) -> Solution:
    """Minimise E(T) - reg H(T) from a start, annealed if its first level is above `reg` (B,).

    `is_far` says that many outer steps are expected whatever the first level is.
    """
    first_ratio = float((start.first_reg / reg).amax())
    is_far = is_far or first_ratio > 1
    if is_far and prefers_low_rank(problem, backend, settings):
        return minimize_low_rank(
            problem, reg, start.state,
            first_reg=start.first_reg, tol=tol, max_iter=max_iter, backend=backend,
            settings=settings,
        )  # fmt: skip
    return minimize(
        problem, reg, start.state, first_reg=start.first_reg if is_far else None,
        coarse=annealing_problem(problem, first_ratio, settings.low_rank), tol=tol,
        max_iter=max_iter, symmetric=symmetric, backend=backend, settings=settings.descent,
    )  # fmt: skip


def _package(
    s: Solution,
    problem: QuadraticProblem,
    inputs: Inputs,
    accuracy: Accuracy,
    report: StartsReport | None,
) -> GromovResult:
    reg = accuracy.reg
    s = s.judged(accuracy, lowest_cost(inputs, problem.alpha))
    value = entropic_value(s.plan, s.potential, s.energy, problem.b, reg)
    return package_solution(
        s, inputs,
        plan=s.plan, value=value, cost=s.energy, row_potential=_row_transform(problem, s, reg),
        reg=reg, tol=accuracy.tol, alpha=problem.alpha, starts=report,
    )  # fmt: skip


def _row_transform(problem: QuadraticProblem, s: Solution, reg: Tensor) -> Tensor:
    """Row potential of the column potential, (B, n): the softmin of each row."""
    scores = (s.potential[:, None, :] - s.cost) / reg[:, None, None] + problem.b.log()[:, None, :]
    # log-sum-exp, by `log_softmax`, which is faster than `logsumexp`.
    return reg[:, None] * (scores.log_softmax(2).amax(2) - scores.amax(2))
