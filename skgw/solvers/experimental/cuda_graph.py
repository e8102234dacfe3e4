"""A solve whose operations do not depend on values, so that a CUDA graph can record it.

On small problems a GPU waits for the host, which launches many small kernels, and reads values to
choose the next one. Here the schedule is fixed beforehand: the numbers of annealing levels, outer
steps, Newton steps and conjugate gradient steps. The steps are the functions of `outer_step` and
`newton_cg`; masks keep the solution of a problem once it has converged. The recorded solve is a
single launch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.initializers.basic import ANNEALING_START, unit_perturbation
from skgw.solvers.linear.newton_cg import LinearProblem, LinearSolution, newton
from skgw.solvers.precision import full_precision
from skgw.solvers.problems.quadratic import Problem, quadratic_problem
from skgw.solvers.quadratic.descent import CONVERGED, NON_FINITE, Solution
from skgw.solvers.quadratic.outer_step import (
    anneal,
    annealing_levels,
    choose,
    first_iterate,
    outer_step,
    with_both_errors,
)
from skgw.solvers.resolution import attainable_tol
from skgw.solvers.result import State
from skgw.solvers.scales import mean_of_both
from skgw.solvers.settings import NEWTON
from skgw.solvers.synchronisation import fixed_schedule


class Schedule(NamedTuple):
    """The numbers of steps, which do not depend on values.

    Attributes
    ----------
    n_levels : int
        Annealing levels, one outer step each; 0 starts at `reg`.
    n_outer : int
        Outer steps at `reg`, at least 2: convergence is a small change between two of them.
    n_newton : int
        Newton steps of each linear problem.
    n_products : int
        Conjugate gradient steps of each Newton step, a multiple of 4.
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
    perturbation: Tensor | None = None,
) -> Solution:
    """Solve a batch of Gromov-Wasserstein problems under the square loss by a fixed schedule.

    Input is not validated, which would read values from the device.

    Parameters
    ----------
    Ca, Cb : Tensor of shapes (B, n, n) and (B, m, m)
        Symmetric matrices.
    a, b : Tensor of shapes (B, n) and (B, m)
        Weights.
    reg : Tensor of shape (B,)
        Weight of the entropy, absolute.
    tol : float
        L1 norm of changes of the plan and of marginal errors, as in `solve_gromov`.
    schedule : Schedule, optional
    perturbation : Tensor of shape (n, m), optional
        `unit_perturbation` on the device; a graph cannot copy it from the host.

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
    perturbation = _perturbation(a, b) if perturbation is None else perturbation

    def linear(
        problem: Problem, cost: Tensor, reg: Tensor, *, potential: Tensor, tol: Tensor
    ) -> LinearSolution:
        steps = LinearProblem(cost, problem.a, problem.b, reg, potential, tol)
        return with_both_errors(problem, newton(steps, schedule.n_newton))

    with fixed_schedule(schedule.n_products):
        it = first_iterate(problem, State(problem.offset), None, tols)
        levels = annealing_levels(ANNEALING_START * scale, reg, n_levels=schedule.n_levels)
        it = anneal(problem, it, levels, perturbation[None], linear)
        kept: Solution | None = None
        for k in range(schedule.n_outer):
            step = schedule.n_levels + k + 1
            it, found = outer_step(problem, it, reg, tols, linear, step, is_first=step == 1)
            kept = found if kept is None else _merged(kept, found)
    assert kept is not None
    return kept


def _perturbation(a: Tensor, b: Tensor) -> Tensor:
    return unit_perturbation(a.shape[1], b.shape[1], a.device).to(a)


def _checked(schedule: Schedule) -> Schedule:
    if schedule.n_levels < 0 or schedule.n_newton < 1 or schedule.n_outer < 2:
        raise ValueError(f"A schedule needs a Newton step and two outer steps, got {schedule}.")
    if schedule.n_products < 1 or schedule.n_products % NEWTON.check_interval:
        raise ValueError(
            f"n_products must be a multiple of {NEWTON.check_interval}, got {schedule}."
        )
    return schedule


def _merged(kept: Solution, found: Solution) -> Solution:
    """The kept solution of the problems that have ended, the new one of the others."""
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
        perturbation = _perturbation(a, b)

        def solve() -> Solution:
            *arrays, regs = self._inputs
            return solve_fixed(
                *arrays, reg=regs, tol=tol, schedule=schedule, perturbation=perturbation
            )

        aside = torch.cuda.Stream()  # libraries initialise on their first calls
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
