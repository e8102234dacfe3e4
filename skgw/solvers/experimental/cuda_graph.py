"""A solve whose operations do not depend on values: what a CUDA graph can record.

Small problems keep a GPU waiting for its host, which launches one little kernel after the other and
looks at values to decide what comes next. Here the schedule is fixed beforehand: so many levels of
temperature, outer steps, Newton steps and conjugate gradients. Every step is that of `outer_step`
and `newton_cg`; masks keep what a problem has reached when it has converged. Recorded once, all
of it is a single launch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.initializers.basic import ANNEALING_START, tilt_direction
from skgw.solvers.linear.newton_cg import LinearProblem, LinearSolution, newton
from skgw.solvers.precision import full_precision
from skgw.solvers.problems.quadratic import Problem, mean_of_both, quadratic_problem
from skgw.solvers.quadratic.descent import CONVERGED, NON_FINITE, Solution, attainable_tol
from skgw.solvers.quadratic.outer_step import (
    anneal,
    annealing_levels,
    choose,
    first_iterate,
    outer_step,
    with_both_errors,
)
from skgw.solvers.result import State
from skgw.solvers.settings import NEWTON
from skgw.solvers.synchronisation import fixed_schedule


class Schedule(NamedTuple):
    """How much is done, whatever the values are.

    Attributes
    ----------
    n_levels : int
        Levels of temperature that the problem is cooled through, one outer step each; 0 starts at
        `reg` itself.
    n_outer : int
        Outer steps at `reg`, at least 2: the last one must find the plan at rest.
    n_newton : int
        Newton steps for each linear problem.
    n_products : int
        Conjugate gradients for each Newton step, a multiple of 4.
    """

    n_levels: int = 5
    n_outer: int = 12
    n_newton: int = 6
    n_products: int = 12


@torch.no_grad()
@full_precision()
def solve_fixed(
    Ca: Tensor,
    Cb: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    reg: Tensor,
    tol: float = 1e-3,
    schedule: Schedule | None = None,
    lean: Tensor | None = None,
) -> Solution:
    """Solve a batch of Gromov-Wasserstein problems, square loss, by a fixed schedule.

    Nothing is validated, as that would take a look at values.

    Parameters
    ----------
    Ca, Cb : Tensor of shapes (B, n, n) and (B, m, m)
        Symmetric matrices.
    a, b : Tensor of shapes (B, n) and (B, m)
        Weights.
    reg : Tensor of shape (B,)
        Strength of the entropy, absolute.
    tol : float
        As in `solve_gromov`: what "converged" means.
    schedule : Schedule, optional
    lean : Tensor of shape (n, m), optional
        `tilt_direction` of these sizes; a graph cannot fetch it from the host.

    Returns
    -------
    Solution
        ``status == CONVERGED`` says, problem by problem, whether the schedule was enough, and
        ``n_iter`` after how many steps.

    Raises
    ------
    ValueError
        For a schedule that can never converge, or whose products are not a multiple of 4.
    """
    schedule = _checked(schedule or Schedule())
    problem = quadratic_problem(Ca, Cb, a, b)
    scale = mean_of_both(Ca * Ca, a, Cb * Cb, b)
    tols = attainable_tol(tol, reg, scale)
    lean = _lean_cost(a, b) if lean is None else lean

    def linear(
        problem: Problem, cost: Tensor, reg: Tensor, *, potential: Tensor, tol: Tensor
    ) -> LinearSolution:
        steps = LinearProblem(cost, problem.a, problem.b, reg, potential, tol)
        return with_both_errors(problem, newton(steps, schedule.n_newton))

    with fixed_schedule(schedule.n_products):
        it = first_iterate(problem, State(problem.offset), None, tols)
        levels = annealing_levels(ANNEALING_START * scale, reg, n_levels=schedule.n_levels)
        it = anneal(problem, it, levels, lean[None], linear)
        kept: Solution | None = None
        for k in range(schedule.n_outer):
            step = schedule.n_levels + k + 1
            it, found = outer_step(problem, it, reg, tols, linear, step, is_first=step == 1)
            kept = found if kept is None else _still(kept, found)
    assert kept is not None
    return kept


def _lean_cost(a: Tensor, b: Tensor) -> Tensor:
    return tilt_direction(a.shape[1], b.shape[1], a.device).to(a)


def _checked(schedule: Schedule) -> Schedule:
    if schedule.n_levels < 0 or schedule.n_newton < 1 or schedule.n_outer < 2:
        raise ValueError(f"A schedule needs a Newton step and two outer steps, got {schedule}.")
    if schedule.n_products < 1 or schedule.n_products % NEWTON.check_interval:
        raise ValueError(
            f"n_products must be a multiple of {NEWTON.check_interval}, got {schedule}."
        )
    return schedule


def _still(kept: Solution, found: Solution) -> Solution:
    """What has ended stays as it is, the others are where they are found."""
    ended = (kept.status == CONVERGED) | (kept.status == NON_FINITE)
    return choose(ended, kept, found)


class RecordedSolve:
    """`solve_fixed` for one shape, recorded as a CUDA graph, replayed for other values.

    Parameters
    ----------
    Ca, Cb, a, b, reg
        As for `solve_fixed`, on a GPU: the first values, which fix shapes and dtype.
    tol, schedule
        As for `solve_fixed`.

    Examples
    --------
    >>> solve = RecordedSolve(Ca, Cb, a, b, reg=reg)  # doctest: +SKIP
    >>> solution = solve(Ca, Cb, a, b, reg)  # doctest: +SKIP
    >>> solution.status == 0  # converged  # doctest: +SKIP
    """

    def __init__(
        self,
        Ca: Tensor,
        Cb: Tensor,
        a: Tensor,
        b: Tensor,
        reg: Tensor,
        *,
        tol: float = 1e-3,
        schedule: Schedule | None = None,
    ) -> None:
        self._inputs = [x.detach().clone() for x in (Ca, Cb, a, b, reg)]
        lean = _lean_cost(a, b)

        def solve() -> Solution:
            *arrays, regs = self._inputs
            return solve_fixed(*arrays, reg=regs, tol=tol, schedule=schedule, lean=lean)

        aside = torch.cuda.Stream()  # libraries set themselves up on their first calls
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            solve()
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._solution = solve()

    def __call__(self, Ca: Tensor, Cb: Tensor, a: Tensor, b: Tensor, reg: Tensor) -> Solution:
        """The solution for other values; its tensors are copies that stay."""
        for held, given in zip(self._inputs, (Ca, Cb, a, b, reg), strict=True):
            held.copy_(given)
        self._graph.replay()
        return Solution(*(field.clone() for field in self._solution))
