"""Outer loop: minimise E(T) - reg H(T) by successive linearisation.

Each step solves an entropic linear problem, see `outer_step`: one step at each annealing level from
a level at which the plan is easy to find down to `reg`, then steps at `reg` until the plan changes
by less than the tolerance. At annealing levels a symmetry-breaking perturbation is added to the
cost, see `initializers.basic`.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from skgw.solvers.initializers.basic import perturbation_cost
from skgw.solvers.linear.annealing import AnnealingBudget
from skgw.solvers.linear.balanced import resolved
from skgw.solvers.linear.newton_cg import indices
from skgw.solvers.precision import full_precision
from skgw.solvers.problems.low_rank import LowRankProblem
from skgw.solvers.problems.quadratic import Problem, QuadraticProblem
from skgw.solvers.quadratic.outer_step import (
    CONVERGED,
    INNER,
    MAX_ITER,
    NON_FINITE,
    STATUS,
    Iterate,
    LinearSolver,
    Solution,
    anneal,
    annealing_levels,
    first_iterate,
    outer_step,
    solve_coupling,
)
from skgw.solvers.result import State
from skgw.solvers.settings import DESCENT, DescentSettings
from skgw.threads import elements_work, threads_for

__all__ = [
    "CONVERGED",
    "INNER",
    "MAX_ITER",
    "NON_FINITE",
    "STATUS",
    "Solution",
    "entropic_value",
    "is_compiled",
    "minimize",
]


@torch.no_grad()
@full_precision()
def minimize(
    problem: Problem,
    reg: Tensor,
    start: State,
    *,
    plan: Tensor | None = None,
    first_reg: Tensor | None = None,
    coarse: LowRankProblem | None = None,
    tol: Tensor,
    max_iter: int = 100,
    symmetric: bool = False,
    backend: str = "auto",
    linear: LinearSolver | None = None,
    settings: DescentSettings = DESCENT,
) -> Solution:
    """Minimise E(T) - reg H(T) for a batch of problems, each until it has converged.

    Parameters
    ----------
    problem : Problem
    reg : Tensor of shape (B,)
        Weight of the entropy, in units of E.
    start : State
        First linearised cost (B, n, m), and column potential (B, m) if it is known.
    plan : Tensor of shape (B, n, m), optional
        The plan at which the cost is the gradient, if it is close to a solution.
    first_reg : Tensor of shape (B,), optional
        First annealing level; `reg` (no annealing) by default.
    coarse : LowRankProblem, optional
        The problem with low-rank kernels, whose gradients are used at annealing levels. The last
        of these steps ends with the gradient of `problem`.
    tol : Tensor of shape (B,)
        A problem has converged if a step changes the plan by less than this L1 norm, and the
        marginal error is below it.
    max_iter : int, default=100
        Outer steps, annealing included.
    symmetric : bool, default=False
        Whether a space is compared with itself under the square loss, from a symmetric start.
    backend : str, default="auto"
        As for `solve_linear`. With numba, dense problems of up to `max_compiled_size` points are
        solved by `descent_numba`, the same algorithm in compiled code.
    linear : callable, optional
        Solver of the linear problems under other constraints; called like `solve_coupling`, which
        is the default.
    settings : DescentSettings

    Returns
    -------
    Solution
    """
    if isinstance(problem, QuadraticProblem) and is_compiled(problem.offset, backend, settings):
        from skgw.solvers.quadratic.descent_numba import minimize_numba

        return minimize_numba(
            problem, reg, start, plan=plan, first_reg=first_reg, coarse=coarse, tol=tol,
            max_iter=max_iter, symmetric=symmetric, settings=settings,
        )  # fmt: skip
    linear = linear or functools.partial(
        solve_coupling, symmetric=symmetric, backend=backend, settings=settings
    )
    linear = functools.partial(linear, budget=AnnealingBudget(settings.max_levels))
    # Inference mode saves a sixth of the time of operations on small tensors.
    with threads_for(elements_work(start.cost.numel())), torch.inference_mode():
        solution = _descend(
            problem, reg, start, plan, first_reg, coarse, tol, max_iter, linear, settings
        )
    return Solution(
        *(field.clone() for field in solution)
    )  # inference tensors cannot be used with gradients


def _descend(
    problem: Problem,
    reg: Tensor,
    start: State,
    plan: Tensor | None,
    first_reg: Tensor | None,
    coarse: Problem | None,
    tol: Tensor,
    max_iter: int,
    linear: LinearSolver,
    settings: DescentSettings,
) -> Solution:
    """`minimize`, in torch."""
    it = first_iterate(problem, start, plan, tol)
    levels: list[Tensor] = []
    if first_reg is not None:
        levels = annealing_levels(first_reg, reg, octaves=settings.octaves_per_level)
        levels = levels[: max_iter - 1]
    if levels:
        perturbation = perturbation_cost(problem, torch.ones_like(reg))
        it = anneal(problem, it, levels, perturbation, linear, settings, coarse=coarse)
    active = torch.arange(len(reg), device=reg.device)
    finished: list[tuple[Tensor, Solution]] = []
    for step in range(len(levels) + 1, max_iter + 1):
        is_first = step == 1 and plan is None
        it, outcome = outer_step(
            problem, it, reg, tol, linear, step, is_first=is_first, settings=settings
        )
        ended = (outcome.status == CONVERGED) | (outcome.status == NON_FINITE)
        done = ended | (it.failures >= settings.max_failures) | (step == max_iter)
        if not done.any():
            continue
        ready, keep = indices(done), indices(~done)
        finished.append((active[ready], Solution(*(field[ready] for field in outcome))))
        if len(keep) == 0:
            break
        problem, reg, tol, active = problem.take(keep), reg[keep], tol[keep], active[keep]
        it = Iterate(*(field[keep] for field in it))
    if len(finished) == 1:
        return finished[0][1]
    order = torch.cat([index for index, _ in finished]).argsort()
    return Solution(*(torch.cat(f)[order] for f in zip(*(s for _, s in finished), strict=True)))


def is_compiled(offset: Tensor, backend: str, settings: DescentSettings = DESCENT) -> bool:
    """Whether `minimize_numba` solves a dense problem with this offset."""
    compiled = resolved(backend, offset.device.type) == "numba"
    return compiled and max(offset.shape[1:]) <= settings.max_compiled_size


def entropic_value(
    plan: Tensor, potential: Tensor, energy: Tensor, b: Tensor, reg: Tensor
) -> Tensor:
    """E - reg H of the nearest coupling, (B,), to first order in the marginal error of `plan`.

    `energy` (B,) is E of the plan. At a solution the gradient of E - reg H is the sum of a term for
    each row and a term for each column, see `marginal_correction`. The error that is left is of
    second order.
    """
    neg_entropy = plan.clamp_min(torch.finfo(b.dtype).tiny).log_().mul_(plan).sum((1, 2))
    return energy + reg * neg_entropy + marginal_correction(plan.sum(1), potential, b, reg)


def marginal_correction(columns: Tensor, potential: Tensor, b: Tensor, reg: Tensor) -> Tensor:
    """First-order change of E - reg H, (B,), from the column sums (B, m) of a plan to `b` (B, m).

    The derivative by the mass of a column is its potential plus reg log b.
    """
    price = potential + reg[:, None] * b.clamp_min(torch.finfo(b.dtype).tiny).log()
    return ((b - columns) * price).sum(1)
