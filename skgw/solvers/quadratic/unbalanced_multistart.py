"""Multistart for unbalanced and partial problems: coarse solves, then the best one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.directed import any_directed
from skgw.solvers.initializers.basic import ANNEALING_START, perturbation_cost
from skgw.solvers.initializers.named import check_identity, read_state
from skgw.solvers.inputs import Inputs, given
from skgw.solvers.problems.quadratic import Problem, quadratic_problem
from skgw.solvers.problems.unbalanced import UnbalancedProblem
from skgw.solvers.quadratic.descent import CONVERGED, MAX_ITER, Solution, minimize
from skgw.solvers.quadratic.outer_step import choose
from skgw.solvers.result import Array, State
from skgw.solvers.settings import UNBALANCED, DescentSettings, UnbalancedSettings


class Start(NamedTuple):
    """First linearised cost, first annealing level, and whether the matched mass grows.

    The points that remain unmatched depend on the start, and no single start is best on all data. A
    growing start first solves problems that match less mass, and thus the most certain points.
    """

    state: State
    first_reg: Tensor | None = None  # (B,); None without annealing
    grows: bool = False


def first_states(
    init: str | Array | State,
    problem: UnbalancedProblem,
    inputs: Inputs,
    reg: Tensor,
    scale: Tensor,
    *,
    loss: str,
    max_iter: int,
    backend: str,
    settings: DescentSettings,
) -> list[Start]:
    """The starts that `init` names; "auto" is a pool of them."""
    if init is not None and not isinstance(init, str):
        return [Start(_given_state(init, problem))]
    if init == "identity":
        check_identity(problem)
        return [Start(State(problem.gradient(torch.diag_embed(problem.a))))]
    cost = problem.gradient(problem.a[:, :, None] * problem.b[:, None, :])
    level = ANNEALING_START * scale
    alone = torch.where(reg < level, 0.0, reg)  # where no annealing level adds a perturbation
    annealed, product = (
        Start(State(cost + perturbation_cost(problem, alone)), level),
        Start(State(cost + perturbation_cost(problem, reg))),
    )
    if init == "anneal":
        return [annealed]
    if init == "product":
        return [product]
    if init != "auto":
        raise ValueError(
            "init must be 'auto', 'anneal', 'product', 'identity', a plan or a State, "
            f"got {init!r}."
        )
    coupling = _balanced(inputs, reg, level, loss, problem.alpha, max_iter, backend, settings)
    grown = [start._replace(grows=True) for start in (annealed, product)]
    return [annealed, product, Start(State(problem.gradient(coupling))), *grown]


def _given_state(init: Array | State, problem: UnbalancedProblem) -> State:
    if isinstance(init, State):
        return read_state(init, problem)
    plan = given(init, problem.offset, "init")
    total = plan.sum((1, 2), keepdim=True)
    if (plan < 0).any() or not (total > 0).all():
        raise ValueError("init must be non-negative, and not zero everywhere.")
    return State(problem.gradient(plan / total))


def _balanced(
    inputs: Inputs,
    reg: Tensor,
    level: Tensor,
    loss: str,
    alpha: float,
    max_iter: int,
    backend: str,
    settings: DescentSettings,
) -> Tensor:
    """The plan of a coarse solution of the balanced problem, (B, n, m)."""
    problem = quadratic_problem(
        inputs.Ca, inputs.Cb, inputs.a, inputs.b, loss=loss, M=inputs.M, alpha=alpha,
        directed=any_directed(inputs.Ca, inputs.Cb),
    )  # fmt: skip
    tol = torch.full_like(reg, settings.max_marginal_error)
    start = State(problem.offset)
    return minimize(
        problem, reg, start,
        first_reg=level, tol=tol, max_iter=max_iter, backend=backend, settings=settings,
    ).plan  # fmt: skip


def best_of(
    stages: Sequence[Problem],
    starts: Sequence[Start],
    minimize: Callable[..., Solution],
    objective: Callable[[Solution], Tensor],
    *,
    tol: Tensor,
    max_iter: int,
    settings: UnbalancedSettings = UNBALANCED,
) -> Solution:
    """Coarse solves from all `starts`, then to `tol` from the lowest objective of each problem.

    The last of the `stages` is the problem, the stages before it match less mass. `n_iter` counts
    outer steps of the last stage only.
    """
    coarse_tol = settings.tolerance
    coarse = functools.partial(
        minimize, tol=tol.clamp_min(coarse_tol), max_iter=max_iter,
        settings=settings.descent._replace(max_levels=settings.coarse_levels),
    )  # fmt: skip
    best, *others = (_from_start(stages, start, coarse) for start in starts)
    for other in others:
        better = objective(other).nan_to_num(torch.inf) < objective(best).nan_to_num(torch.inf)
        best = choose(better, other, best)
    left = max_iter - int(best.n_iter.max())
    if (tol >= coarse_tol).all():
        return best
    if left < 1:
        is_coarse = best.status == CONVERGED
        return best._replace(status=torch.where(is_coarse, MAX_ITER, best.status))
    state = State(best.cost, best.potential)
    solution = minimize(stages[-1], start=state, plan=best.plan, tol=tol, max_iter=left)
    return solution._replace(n_iter=best.n_iter + solution.n_iter)


def _from_start(
    stages: Sequence[Problem], start: Start, minimize: Callable[..., Solution]
) -> Solution:
    state, level, grows = start
    if grows:
        for problem in stages[:-1]:
            solution = minimize(problem, start=state, first_reg=level)
            state, level = State(solution.cost, solution.potential), None
    return minimize(stages[-1], start=state, first_reg=level)
