"""Most of a solve with kernels of low rank, its end with the exact ones.

Products of full matrices dominate large problems; truncated kernels do with thin ones. What the
truncation misses is the same for plans that are close to each other, so it is taken from the exact
gradient now and then, and held; plan and gradient that are returned are exact.

Smaller problems, and those that are solved in compiled code, take truncated kernels for the steps
at high temperatures only (`cooling_problem`), whose plans are rough anyway.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from skgw.solvers.problems.low_rank import LowRankProblem, truncate
from skgw.solvers.problems.quadratic import QuadraticProblem, energy
from skgw.solvers.quadratic.descent import NON_FINITE, Solution, is_compiled, minimize
from skgw.solvers.result import State
from skgw.solvers.settings import DENSE, LOW_RANK, DenseSettings, LowRankSettings


def pays(problem: QuadraticProblem, backend: str, settings: DenseSettings = DENSE) -> bool:
    """Whether truncated kernels save time: in compiled code full ones are quicker."""
    size = min(problem.offset.shape[1:])
    is_large = size >= settings.low_rank.min_size
    return is_large and not is_compiled(problem.offset, backend, settings.descent)


def cooling_problem(
    problem: QuadraticProblem, fall: float, settings: LowRankSettings = LOW_RANK
) -> LowRankProblem | None:
    """The problem to cool with from `fall` times the final temperature, if not the exact one.

    On GPUs it is launches that take the time, of which factors would need more.
    """
    is_small = min(problem.offset.shape[1:]) < settings.annealing_min_size
    on_cpu = problem.offset.device.type == "cpu"
    if not on_cpu or fall < settings.annealing_min_fall or is_small:
        return None
    return truncate(problem, settings.annealing_rank, settings.oversampling)


def minimize_from_truncated(
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
    """As `minimize`, with a handful of products of full matrices."""
    solve = functools.partial(minimize, reg=reg, backend=backend, settings=settings.descent)
    if max_iter == 1:
        return solve(problem, start=start, first_reg=first_reg, tol=tol, max_iter=1)
    rank = settings.low_rank
    rough = truncate(problem, rank.rank, rank.oversampling)
    allowed = max_iter - max(1, max_iter // rank.exact_interval)
    wanted = tol.clamp_min(rank.tolerance)
    solution = solve(rough, start=start, first_reg=first_reg, tol=wanted, max_iter=allowed)
    if (solution.status == NON_FINITE).any():
        return solve(problem, start=start, first_reg=first_reg, tol=tol, max_iter=max_iter)
    solution, settled = _corrected(problem, rough, solution, solve, tol, allowed, rank)
    plan, n_iter = solution.plan, solution.n_iter
    gradient = problem.gradient(plan)
    if settled:
        return solution._replace(cost=gradient, energy=energy(problem, plan, gradient))
    state, left = State(gradient, solution.potential), max_iter - int(n_iter.max())
    exact = solve(problem, start=state, plan=plan, tol=tol, max_iter=left)
    return exact._replace(n_iter=n_iter + exact.n_iter)


def _corrected(
    problem: QuadraticProblem,
    rough: LowRankProblem,
    solution: Solution,
    solve: Callable[..., Solution],
    tol: Tensor,
    max_iter: int,
    settings: LowRankSettings,
) -> tuple[Solution, bool]:
    """Solve `rough` with the exact gradient at the last plan, again and again.

    Returns the solution, whose `n_iter` counts all steps, and whether nothing moves any more.
    """
    wanted, n_iter = torch.full_like(tol, settings.tolerance), solution.n_iter
    for _ in range(settings.max_corrections):
        if int(n_iter.max()) >= max_iter:
            break
        plan, gradient = solution.plan, problem.gradient(solution.plan)
        state = State(gradient, solution.potential)
        # The next correction moves the plan, too, by a share of what this one does.
        wanted, left = (
            torch.maximum(tol, settings.correction_ratio * wanted),
            max_iter - int(n_iter.max()),
        )
        solution = solve(
            rough.corrected(plan, gradient), start=state, plan=plan, tol=wanted, max_iter=left
        )
        n_iter = n_iter + solution.n_iter
        wanted = (solution.plan - plan).abs().sum((1, 2)).clamp_max(settings.tolerance)
        # The first step is from the exact gradient: if it moved nothing, it was the last.
        at_rest = (solution.n_iter == 1) & (wanted < tol) & (solution.error < tol)
        if at_rest.all():
            return solution._replace(n_iter=n_iter), True
    return solution._replace(n_iter=n_iter), False
