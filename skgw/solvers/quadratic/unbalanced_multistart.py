"""Starts for problems with relaxed marginals: a pool of them, of which the best one is kept."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.initializers.basic import ANNEALING_START, tilt
from skgw.solvers.inputs import Inputs, given
from skgw.solvers.problems.quadratic import Problem, quadratic_problem
from skgw.solvers.problems.unbalanced import RelaxedProblem
from skgw.solvers.quadratic.descent import CONVERGED, MAX_ITER, Solution, minimize
from skgw.solvers.quadratic.outer_step import choose
from skgw.solvers.result import Array, State
from skgw.solvers.settings import DescentSettings


class Start(NamedTuple):
    """First linearised cost, temperature to cool from, and whether to grow the matched part.

    Which points to give up depends on the start, and no single one is good enough. One that grows
    first matches fewer points than asked for, the most certain ones, and then more.
    """

    state: State
    level: Tensor | None = None  # (B,)
    grows: bool = False


def first_states(
    init: str | Array | State,
    problem: RelaxedProblem,
    inputs: Inputs,
    reg: Tensor,
    scale: Tensor,
    *,
    loss: str,
    max_iter: int,
    backend: str,
    settings: DescentSettings,
) -> list[Start]:
    """Where to start; "auto" gives a pool of starts."""
    if not isinstance(init, str):
        return [Start(_given_state(init, problem))]
    if init == "identity":
        if problem.a.shape != problem.b.shape or not torch.allclose(problem.a, problem.b):
            raise ValueError("init='identity' needs both sides to have the same size and weights.")
        return [Start(State(problem.gradient(torch.diag_embed(problem.a))))]
    cost = problem.gradient(problem.a[:, :, None] * problem.b[:, None, :])
    level = ANNEALING_START * scale
    annealed, product = Start(State(cost), level), Start(State(cost + tilt(problem, reg)))
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


def _given_state(init: Array | State, problem: RelaxedProblem) -> State:
    if isinstance(init, State):
        cost, potential = init
        if potential is not None:
            potential = given(potential, problem.b, "init.potential")
        return State(given(cost, problem.offset, "init.cost"), potential)
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
    """A rough solution of the problem with fixed marginals, (B, n, m)."""
    problem = quadratic_problem(
        inputs.Ca, inputs.Cb, inputs.a, inputs.b, loss=loss, M=inputs.M, alpha=alpha
    )
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
    coarse_tol: float,
) -> Solution:
    """Minimise roughly from all `starts`, and on from the lowest objective of each problem.

    The last of the `stages` is the problem, those before it match less of the mass. Only outer
    steps for the last one count.
    """
    rough = functools.partial(minimize, tol=tol.clamp_min(coarse_tol), max_iter=max_iter)
    best, *others = (_from_start(stages, start, rough) for start in starts)
    for other in others:
        better = objective(other).nan_to_num(torch.inf) < objective(best).nan_to_num(torch.inf)
        best = choose(better, other, best)
    left = max_iter - int(best.n_iter.max())
    if (tol >= coarse_tol).all():
        return best
    if left < 1:
        rough_only = best.status == CONVERGED
        return best._replace(status=torch.where(rough_only, MAX_ITER, best.status))
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
