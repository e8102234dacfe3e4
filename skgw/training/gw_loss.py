"""Gromov-Wasserstein losses on mini-batches: GW_eps between uniform distributions on points.

The normalised discrepancy of Bunne et al. (2019, Eq. 2) has a cross term and two self terms. Each
term is a problem that is solved without gradients; the gradient of its value then follows from the
envelope theorem.

A self term compares a batch with itself, or with a second, independent batch of its space
(Salimans et al. 2018). A batch is closer to itself than to any other batch: the loss of the first
kind has its least mean where the generated points are too concentrated, the loss of the second kind
where the distributions are equal.

A linear cost M makes a problem fused, with a share `alpha` of the discrepancy. The problem that is
solved is alpha GW + (1 - alpha) <M, T>, with alpha epsilon as the weight of the entropy; values of
terms are divided by alpha, so that they are GW_eps + (1 - alpha) / alpha <M, T>.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skgw.solvers import State, initializers
from skgw.solvers.initializers import ANNEALING_START, identity_start
from skgw.solvers.problems import QuadraticProblem, quadratic_problem
from skgw.solvers.quadratic import Solution, entropic_value, envelope_value, minimize, self_value

MAX_COLD_STEPS = 30  # outer steps of a cold solve
TOLERANCE = 1e-2  # L1 norm; the envelope gradient then has a cosine of 0.9997 with the exact one


def uniform_weights(n: int, m: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Uniform weights (1, n) and (1, m) with the dtype and device of `like`."""
    return like.new_full((1, n), 1 / n), like.new_full((1, m), 1 / m)


def uniform_problem(
    D: Tensor,
    E: Tensor,
    M: Tensor | None = None,
    alpha: float = 1.0,
    *,
    a: Tensor | None = None,
    b: Tensor | None = None,
) -> QuadraticProblem:
    """The problem of two distance matrices (n, n) and (m, m) with uniform weights.

    Weights `a` (n,) and `b` (m,) of positive numbers with sum 1 replace the uniform weights.
    """
    uniform_a, uniform_b = uniform_weights(len(D), len(E), D)
    return quadratic_problem(
        D[None],
        E[None],
        uniform_a if a is None else a[None],
        uniform_b if b is None else b[None],
        M=None if M is None else M[None],
        alpha=alpha,
    )


def fused_start(start: State, M: Tensor, alpha: float) -> State:
    """The start of a fused problem, from a start of the problem without M (n, m)."""
    shift = M.mean(0)
    cost = M - shift
    cost = cost - cost.mean(1, keepdim=True)  # the costs of the solver are centred
    potential = None if start.potential is None else alpha * start.potential - (1 - alpha) * shift
    return State(alpha * start.cost + (1 - alpha) * cost, potential)


def matched_start(to_matches: Tensor, from_matches: Tensor, weights: Tensor | None = None) -> State:
    """Start of a problem from r known matches.

    Two samples of one space have known matches as well: the second sample with itself.

    Parameters
    ----------
    to_matches : Tensor of shape (n, r)
        Distances from the first points to their side of the matches.
    from_matches : Tensor of shape (m, r)
        Distances from the second points to their side of the matches.
    weights : Tensor of shape (n,), optional
        Weights of the first points, which are the first sides of the matches; by default equal.
    """
    (n, r), m = to_matches.shape, len(from_matches)
    a, b = uniform_weights(n, m, to_matches)
    plan = torch.eye(r, dtype=a.dtype, device=a.device) / r
    if weights is not None:
        a, plan = weights[None], weights.diag()
    return initializers.warm_start(to_matches[None], plan[None], from_matches[None], a, b)


def solve_from(
    problem: QuadraticProblem,
    start: State,
    epsilon: float,
    *,
    tol: float = TOLERANCE,
    max_iter: int,
) -> Solution:
    """Solve in at most `max_iter` outer steps from a start near the solution."""
    reg, tols = (problem.a.new_full((1,), x) for x in (epsilon, tol))
    like = problem.a
    potential = None if start.potential is None else start.potential.to(like)
    start = State(start.cost.to(like), potential)
    return minimize(problem, reg, start, tol=tols, max_iter=max_iter)


def cold_solve(
    problem: QuadraticProblem,
    epsilon: float,
    *,
    tol: float = TOLERANCE,
    max_iter: int = MAX_COLD_STEPS,
) -> Solution:
    """Solve with annealing from the product coupling."""
    reg, tols, level = (problem.a.new_full((1,), x) for x in (epsilon, tol, ANNEALING_START))
    start = State(problem.offset)
    return minimize(problem, reg, start, first_reg=level, tol=tols, max_iter=max_iter)


def self_solve(
    D: Tensor,
    epsilon: float,
    *,
    tol: float = TOLERANCE,
    max_iter: int,
    M: Tensor | None = None,
    alpha: float = 1.0,
    a: Tensor | None = None,
) -> Solution:
    """Solve the problem of a space with itself from the identity coupling, with weights `a`."""
    problem = uniform_problem(D, D, M, alpha, a=a, b=a)
    reg, tols = (D.new_full((1,), x) for x in (alpha * epsilon, tol))
    start = identity_start(problem)
    return minimize(problem, reg, start, tol=tols, max_iter=max_iter, symmetric=True)


def lower_solution(first: Solution, second: Solution, epsilon: float) -> Solution:
    """The solution of a `uniform_problem` with the lower GW_eps; the second if the first is NaN."""
    first_value, second_value = (uniform_value(s, epsilon) for s in (first, second))
    is_lower = bool(second_value < first_value)
    return second if is_lower or not bool(first_value.isfinite()) else first


def uniform_value(solution: Solution, epsilon: float, *, b: Tensor | None = None) -> Tensor:
    """GW_eps of a solution of a `uniform_problem` with weights `b` (m,) of the columns, (1,)."""
    m = solution.plan.shape[2]
    reg = solution.energy.new_full((1,), epsilon)
    b = solution.energy.new_full((1, m), 1 / m) if b is None else b[None]
    return entropic_value(solution.plan, solution.potential, solution.energy, b, reg)


def cross_term(
    solution: Solution,
    D: Tensor,
    E: Tensor,
    epsilon: float,
    M: Tensor | None = None,
    alpha: float = 1.0,
) -> Tensor:
    """GW_eps of a solution for D (n, n), E (m, m) and M (n, m), 0-d, with gradients in these."""
    value = uniform_value(solution, alpha * epsilon)
    linear = None if M is None else M[None]
    return envelope_value(D[None], E[None], linear, value, solution.plan, alpha, "L2")[0] / alpha


def self_term(
    D: Tensor, epsilon: float, *, max_iter: int, M: Tensor | None = None, alpha: float = 1.0
) -> Tensor:
    """GW_eps of D (n, n) with itself, 0-d, with its gradient in D and in M (n, n)."""
    if M is not None:
        fixed, cost = D.detach(), M.detach()
        solution = self_solve(fixed, epsilon, max_iter=max_iter, M=cost, alpha=alpha)
        return cross_term(solution, D, D, epsilon, M, alpha)
    solution = self_solve(D.detach(), epsilon, max_iter=max_iter)
    return self_value(D[None], uniform_value(solution, epsilon), solution.plan)[0]
