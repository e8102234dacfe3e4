"""What problems with relaxed marginals share: their objective, their starts and their result.

The double-centred form of `quadratic.py` holds on the couplings of two given weights only. On all
plans P of mass one, with row sums p, column sums q, and L = f1 + f2 - h1 h2, the objective is

    E(P) = sum_ijkl ((1 - alpha) M_ij + alpha L(Ca_ik, Cb_jl)) P_ij P_kl
         = (1 - alpha) <M, P> + alpha (p'f1 p + q'f2 q - <h1 P h2, P>).

It is quadratic in the plan, so that E(m P) = m^2 E(P): the solvers work on P, and the mass m enters
at the end.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers._inputs import Inputs, given
from skgw.solvers.descent import CONVERGED, LEVEL_TOLERANCE, MAX_ITER, STATUS, Solution, minimize
from skgw.solvers.envelope import envelope_value
from skgw.solvers.quadratic import Problem, quadratic_problem, split_loss
from skgw.solvers.result import Array, GromovResult, State
from skgw.solvers.starts import ANNEALING_START, tilt

ROUGH_TOLERANCE = 1e-2  # until the best start is known


class Start(NamedTuple):
    """First linearised cost, temperature to cool from, and whether to grow the matched part.

    Which points to give up depends on the start, and no single one is good enough. One that grows
    first matches fewer points than asked for, the most certain ones, and then more.
    """

    state: State
    level: Tensor | None = None  # (B,)
    grows: bool = False


class RelaxedProblem(NamedTuple):
    """E on plans of mass one, and the strengths that tie their marginals to `a` and `b`.

    Every field but the first has a leading batch axis.
    """

    alpha: float
    f1: Tensor  # (B, n, n)
    f2: Tensor  # (B, m, m)
    h1: Tensor  # (B, n, n)
    h2: Tensor  # (B, m, m)
    offset: Tensor  # (B, n, m)
    constant: Tensor  # (B,)
    a: Tensor  # (B, n)
    b: Tensor  # (B, m)
    rho_a: Tensor  # (B,), zero where the marginals are free, or bounded by other means
    rho_b: Tensor  # (B,)

    def gradient(self, plan: Tensor) -> Tensor:
        """Linearised cost at `plan`, (B, n, m)."""
        rows = torch.bmm(self.f1, plan.sum(2)[:, :, None])  # (B, n, 1)
        columns = torch.bmm(plan.sum(1)[:, None, :], self.f2)  # (B, 1, m)
        cross = torch.bmm(torch.bmm(self.h1, plan), self.h2)
        return self.offset + 2 * self.alpha * (rows + columns - cross)

    def take(self, index: Tensor) -> RelaxedProblem:
        """The problems of the batch at `index`, a boolean or integer (B,)."""
        return RelaxedProblem(self.alpha, *(field[index] for field in self[1:]))


def relaxed_problem(
    inputs: Inputs, rho_a: Tensor, rho_b: Tensor, *, loss: str, alpha: float
) -> RelaxedProblem:
    """Set up E for validated inputs and absolute strengths (B,)."""
    parts = split_loss(inputs.Ca, inputs.Cb, loss)
    linear = inputs.Ca.new_zeros(()) if inputs.M is None else (1 - alpha) * inputs.M
    offset = linear.expand(len(rho_a), inputs.a.shape[1], inputs.b.shape[1])
    constant = torch.zeros_like(rho_a)
    return RelaxedProblem(alpha, *parts, offset, constant, inputs.a, inputs.b, rho_a, rho_b)


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
    coupling = _balanced(inputs, reg, level, loss, problem.alpha, max_iter, backend)
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
) -> Tensor:
    """A rough solution of the problem with fixed marginals, (B, n, m)."""
    problem = quadratic_problem(
        inputs.Ca, inputs.Cb, inputs.a, inputs.b, loss=loss, M=inputs.M, alpha=alpha
    )
    tol = torch.full_like(reg, LEVEL_TOLERANCE)
    start = State(problem.offset)
    return minimize(
        problem, reg, start, level=level, tol=tol, max_iter=max_iter, backend=backend
    ).plan


def best_of(
    stages: Sequence[Problem],
    starts: Sequence[Start],
    minimize: Callable[..., Solution],
    objective: Callable[[Solution], Tensor],
    *,
    tol: Tensor,
    max_iter: int,
) -> Solution:
    """Minimise roughly from all `starts`, and on from the lowest objective of each problem.

    The last of the `stages` is the problem, those before it match less of the mass. Only outer
    steps for the last one count.
    """
    rough = functools.partial(minimize, tol=tol.clamp_min(ROUGH_TOLERANCE), max_iter=max_iter)
    best, *others = (_from_start(stages, start, rough) for start in starts)
    for other in others:
        better = objective(other).nan_to_num(torch.inf) < objective(best).nan_to_num(torch.inf)
        pairs = zip(other, best, strict=True)
        best = Solution(*(torch.where(_along(better, x), x, y) for x, y in pairs))
    left = max_iter - int(best.n_iter.max())
    if (tol >= ROUGH_TOLERANCE).all():
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
            solution = minimize(problem, start=state, level=level)
            state, level = State(solution.cost, solution.potential), None
    return minimize(stages[-1], start=state, level=level)


def _along(index: Tensor, x: Tensor) -> Tensor:
    """`index` (B,) with as many axes as `x`."""
    return index.reshape(-1, *([1] * (x.ndim - 1)))


def package(
    s: Solution,
    inputs: Inputs,
    *,
    mass: Tensor,
    penalty: Tensor,
    row_potential: Tensor,
    reg: Tensor,
    tol: Tensor,
    loss: str,
    alpha: float,
) -> GromovResult:
    """The public result, in the kind of the input, of a solution of mass one.

    The objective is the transport cost of the plan that has `mass` (B,), and `penalty` (B,): the
    latter holds all that does not depend on the matrices.
    """
    transport = s.energy
    if any(x is not None and x.requires_grad for x in (inputs.Ca, inputs.Cb, inputs.M)):
        transport = envelope_value(inputs.Ca, inputs.Cb, inputs.M, transport, s.plan, alpha, loss)
    value = mass**2 * transport + penalty
    plan = mass[:, None, None] * s.plan
    out = inputs.restore
    names = tuple(STATUS[k] for k in s.status.tolist())
    is_batch = out(reg).ndim > 0
    converged = out(s.status == CONVERGED)
    return GromovResult(
        plan=out(plan),
        value=out(value),
        value_quad=out(mass**2 * s.energy),
        potentials=(out(row_potential), out(s.potential)),
        marginals=(out(plan.sum(2)), out(plan.sum(1))),
        marginal_error=out(s.error),
        converged=converged if is_batch else bool(converged),
        status=names if is_batch else names[0],
        n_iter=out(s.n_iter) if is_batch else int(s.n_iter[0]),
        reg=out(reg),
        tol=out(tol),
        state=State(out(s.cost), out(s.potential)),
    )
