"""Outer steps with low-rank kernels, and a last solve with exact kernels.

Products of full matrices dominate the time of large problems; low-rank kernels need products with
(n, r) factors only. The error of a low-rank gradient is nearly the same for plans that are close to
each other. It is taken from the exact gradient at one plan, and held constant during the next
solve. The plan and the gradient that are returned are exact.

Smaller problems, and problems that are solved in compiled code, take low-rank kernels at annealing
levels only, see `annealing_problem`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from skgw.solvers.directed import is_doubled
from skgw.solvers.problems.low_rank import LowRankProblem, low_rank_problem
from skgw.solvers.problems.quadratic import QuadraticProblem, energy
from skgw.solvers.quadratic.descent import NON_FINITE, Solution, is_compiled, minimize
from skgw.solvers.result import State
from skgw.solvers.settings import DENSE, LOW_RANK, DenseSettings, LowRankSettings


def prefers_low_rank(
    problem: QuadraticProblem, backend: str, settings: DenseSettings = DENSE
) -> bool:
    """Whether low-rank kernels save time; in compiled code exact kernels are faster."""
    size = min(problem.offset.shape[1:])
    is_large = size >= settings.low_rank.min_size and not is_doubled(problem.kernel_a)
    return is_large and not is_compiled(problem.offset, backend, settings.descent)


def annealing_problem(
    problem: QuadraticProblem, first_ratio: float, settings: LowRankSettings = LOW_RANK
) -> LowRankProblem | None:
    """The low-rank problem for annealing from `first_ratio` times `reg`; None if it saves no time.

    On GPUs kernel launches dominate, and factors need more of them. Kernels of directed spaces have
    no factors.
    """
    is_small = min(problem.offset.shape[1:]) < settings.annealing_min_size
    on_cpu = problem.offset.device.type == "cpu"
    if (
        is_doubled(problem.kernel_a)
        or not on_cpu
        or first_ratio < settings.annealing_min_ratio
        or is_small
    ):
        return None
    return low_rank_problem(problem, settings.annealing_rank, settings.oversampling)


def minimize_low_rank(
    problem: QuadraticProblem,
    reg: Tensor,
    start: State,
    *,
    first_reg: Tensor,
    tol: Tensor,
    max_iter: int,
    backend: str = "auto",
    settings: DenseSettings = DENSE,
) -> Solution:
    """As `minimize`, with fewer products of full matrices."""
    solve = functools.partial(minimize, reg=reg, backend=backend, settings=settings.descent)
    if max_iter == 1:
        return solve(problem, start=start, first_reg=first_reg, tol=tol, max_iter=1)
    low_rank = settings.low_rank
    coarse = low_rank_problem(problem, low_rank.rank, low_rank.oversampling)
    allowed = max_iter - max(1, max_iter // low_rank.exact_interval)
    wanted = tol.clamp_min(low_rank.tolerance)
    solution = solve(coarse, start=start, first_reg=first_reg, tol=wanted, max_iter=allowed)
    if (solution.status == NON_FINITE).any():
        return solve(problem, start=start, first_reg=first_reg, tol=tol, max_iter=max_iter)
    solution, settled = _corrected(problem, coarse, solution, solve, tol, allowed, low_rank)
    plan, n_iter = solution.plan, solution.n_iter
    gradient = problem.gradient(plan)
    if settled:
        return solution._replace(cost=gradient, energy=energy(problem, plan, gradient))
    state, left = State(gradient, solution.potential), max_iter - int(n_iter.max())
    exact = solve(problem, start=state, plan=plan, tol=tol, max_iter=left)
    return exact._replace(n_iter=n_iter + exact.n_iter)


def _corrected(
    problem: QuadraticProblem,
    coarse: LowRankProblem,
    solution: Solution,
    solve: Callable[..., Solution],
    tol: Tensor,
    max_iter: int,
    settings: LowRankSettings,
) -> tuple[Solution, bool]:
    """Solve `coarse`, corrected by the exact gradient at the last plan, until the plan is stable.

    Returns the solution, whose `n_iter` counts all steps, and whether the plan is stable.
    """
    wanted, n_iter = torch.full_like(tol, settings.tolerance), solution.n_iter
    for _ in range(settings.max_corrections):
        if int(n_iter.max()) >= max_iter:
            break
        plan, gradient = solution.plan, problem.gradient(solution.plan)
        state = State(gradient, solution.potential)
        # The plan of a correction moves again with the next one, by a share of this change.
        wanted = torch.maximum(tol, settings.correction_ratio * wanted)
        left = max_iter - int(n_iter.max())
        solution = solve(
            coarse.corrected(plan, gradient), start=state, plan=plan, tol=wanted, max_iter=left
        )
        n_iter = n_iter + solution.n_iter
        wanted = (solution.plan - plan).abs().sum((1, 2)).clamp_max(settings.tolerance)
        # The first step takes the exact gradient: a solve that ends there has converged.
        at_rest = (solution.n_iter == 1) & (wanted < tol) & (solution.error < tol)
        if at_rest.all():
            return solution._replace(n_iter=n_iter), True
    return solution._replace(n_iter=n_iter), False
