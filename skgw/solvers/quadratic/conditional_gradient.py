"""The problem without entropy, by conditional gradient from an annealed plan.

Each step minimises the linearised cost over the couplings, which gives a vertex, and moves from the
plan T towards the vertex V by the step length that minimises E exactly [1]_, [2]_: along a line E
is a parabola, for both losses. Where E is concave along the step the plan moves to the vertex, and
the solve ends after a few steps. The gap <gradient, T - V> is what a plan may gain to first order,
and zero at a solution.

From the product coupling the first vertices are far from a good matching. The entropic problem is
therefore annealed first, to the edge: the `reg` at which its plan is sharp enough for the linear
problems to follow. Its plan is rounded to a coupling [3]_. The product coupling, the start of POT,
is a second start, and the lower value counts.

References
----------
.. [1] :cite:t:`frank1956`.
.. [2] :cite:t:`vayer2020`, Algorithms 1 and 2.
.. [3] :cite:t:`altschuler2017`, Algorithm 2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from skgw.solvers.directed import any_directed, is_doubled
from skgw.solvers.initializers.named import (
    Start,
    StartContext,
    check_identity,
    read_plan,
    read_start,
    read_state,
)
from skgw.solvers.inputs import Inputs
from skgw.solvers.linear.network_simplex import Floats, Vertex, transport_vertex
from skgw.solvers.problems.quadratic import QuadraticProblem, quadratic_problem, support_energy
from skgw.solvers.quadratic.balanced import solution_from
from skgw.solvers.quadratic.descent import CONVERGED, MAX_ITER, NON_FINITE, Solution
from skgw.solvers.quadratic.multistart import best_of_pool
from skgw.solvers.quadratic.package import package_solution
from skgw.solvers.result import Array, GromovResult, StartsReport, State
from skgw.solvers.scales import fused_scale, lowest_cost
from skgw.solvers.settings import DENSE, VERTICES, DenseSettings, VertexSettings
from skgw.solvers.subnormals import flush_subnormals

ROUNDING = 1e-13  # of the largest cost, in a gap
SPARSE_SIZE = 2**14  # entries of a vertex from which on sparse products are faster


class Descent(NamedTuple):
    """The end of a conditional gradient descent of one problem."""

    plan: Tensor  # (n, m)
    gradient: Tensor  # (n, m)
    vertex: Vertex  # minimises the linearised cost
    energy: float
    status: int
    n_iter: int


@torch.no_grad()
def solve_unregularised(
    inputs: Inputs,
    scale: Tensor,
    *,
    loss: str,
    alpha: float,
    init: str | Array | State,
    tol: float | None,
    max_iter: int,
    n_init: int = 1,
    backend: str = "auto",
    random_state: Any = None,
    settings: DenseSettings = DENSE,
    vertices: VertexSettings = VERTICES,
) -> GromovResult:
    """`solve_gromov` with ``reg=0``, on validated tensors without gradients, in float64.

    `scale` (B,) is the unit of the annealing levels and of the edge. A problem has converged if the
    gap is at most `tol` times `scale` and the largest cost between the spaces.
    """
    exact = _doubled(inputs)
    scale = scale.double()
    problem = quadratic_problem(
        exact.Ca, exact.Cb, exact.a, exact.b, loss=loss, M=exact.M, alpha=alpha,
        directed=any_directed(exact.Ca, exact.Cb),
    )  # fmt: skip
    context = StartContext(problem, exact, vertices.edge * scale, scale, loss)
    tol = vertices.tolerance if tol is None else tol
    largest_gap = tol * fused_scale(scale, exact, alpha)
    starts, report = _starts(
        init, int(n_init), context, min(vertices.max_annealing_steps, max_iter - 1), backend,
        random_state, settings,
    )  # fmt: skip
    ends = [
        min(
            (
                descend(_one(problem, k), plans[k], largest_gap[k].item(), max_iter, steps)
                for plans, steps in starts
            ),
            key=lambda end: end.energy,
        )
        for k in range(len(scale))
    ]
    solution, row_potential = _stacked(ends, problem)
    value = _value(solution, exact, loss, alpha, vertices).clamp(min=lowest_cost(exact, alpha))
    solution = solution._replace(energy=value)
    return _package(solution, row_potential, inputs, tol, alpha, report)


def descend(
    problem: QuadraticProblem, plan: Tensor, largest_gap: float, max_iter: int, n_iter: int = 0
) -> Descent:
    """Conditional gradient on a batch of one problem, from a coupling (n, m), in numpy.

    It ends where the gap is zero up to rounding. Where E is convex along a step the gap falls as
    one over the number of steps, and `largest_gap` is enough. `n_iter` steps were made before; at
    least one step is made.
    """
    kernel_a, kernel_b, offset, constant, a, b = (field[0].numpy() for field in problem[:-1])
    factor, near, largest_cost = -8 * problem.alpha, None, np.abs(offset).max() + abs(constant)
    at: Floats = plan.numpy()
    quadratic = factor * _product(kernel_a, at, kernel_b)  # (n, m), the part of the gradient
    for _ in range(max(max_iter - n_iter, 1)):
        n_iter += 1
        gradient = offset + quadratic
        vertex = transport_vertex(gradient, a, b, near)
        near = vertex.row, vertex.column
        direction = vertex.plan - at
        gap = -float(np.vdot(gradient, direction))
        if not gap > ROUNDING * largest_cost:  # also where it is not a number
            break
        few = csr_array(vertex.plan) if vertex.plan.size > SPARSE_SIZE else vertex.plan
        at_vertex = factor * _product(kernel_a, few, kernel_b)
        curvature = 0.5 * float(np.vdot(at_vertex - quadratic, direction))
        length = 1.0 if curvature <= 0 else min(1.0, gap / (2 * curvature))
        if length < 1.0 and gap <= largest_gap:
            break
        if length == 1.0:
            at, quadratic = vertex.plan, at_vertex
        else:
            at = at + length * direction
            quadratic = quadratic + length * (at_vertex - quadratic)
    gradient = offset + quadratic
    value = float(constant + 0.5 * np.vdot(offset + gradient, at))
    status = CONVERGED if gap <= largest_gap else MAX_ITER if np.isfinite(value) else NON_FINITE
    return Descent(torch.from_numpy(at), torch.from_numpy(gradient), vertex, value, status, n_iter)


def _product(kernel_a: Floats, plan: Any, kernel_b: Floats) -> Floats:
    """K1 T K2 of a plan (n, m), dense or sparse; for directed spaces plus B1 T B2'."""
    if is_doubled(kernel_a):
        half = (plan @ kernel_b.T).T  # (2m, n)
        return np.asarray(kernel_a @ half.reshape(plan.shape[1], -1).T)
    return np.asarray((plan.T @ kernel_a).T @ kernel_b)


def rounded(plan: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """A coupling of a (B, n) and b (B, m) near `plan` (B, n, m), whose sums need not be exact."""
    plan = plan.nan_to_num(nan=0.0).clamp_min(0.0)
    tiny = torch.finfo(plan.dtype).tiny
    plan = plan * (a / plan.sum(2).clamp_min(tiny)).clamp_max(1.0)[:, :, None]
    plan = plan * (b / plan.sum(1).clamp_min(tiny)).clamp_max(1.0)[:, None, :]
    rows, columns = (a - plan.sum(2)).clamp_min(0.0), (b - plan.sum(1)).clamp_min(0.0)
    missing = rows.sum(1).clamp_min(tiny)[:, None, None]
    return plan + rows[:, :, None] * columns[:, None, :] / missing


def _starts(
    init: Any,
    n_init: int,
    context: StartContext,
    max_steps: int,
    backend: str,
    random_state: Any,
    settings: DenseSettings,
) -> tuple[list[tuple[Tensor, int]], StartsReport | None]:
    """Couplings (B, n, m) to descend from, each with the outer steps that were made before."""
    problem = context.problem
    a, b = problem.a, problem.b
    product = (a[:, :, None] * b[:, None, :], 0)
    is_named = init is None or isinstance(init, str)
    if n_init == 1 and not is_named:
        if isinstance(init, State):
            return [(_vertices(read_state(init, problem).cost, a, b), 0)], None
        return [(rounded(read_plan(init, problem), a, b), 0)], None
    if n_init == 1 and init == "product":
        return [product], None
    if n_init == 1 and init == "identity":
        check_identity(problem)
        return [(torch.diag_embed(a), 0)], None
    start, report = read_start(init, context), None
    if max_steps < 1 or problem.alpha == 0:
        return [product], None
    if n_init > 1:
        start, report = best_of_pool(
            start, n_init, context,
            max_iter=max_steps, backend=backend, random_state=random_state, settings=settings,
        )  # fmt: skip
    plan, n_steps = _annealed(start, context, max_steps, backend, settings)
    annealed = (rounded(plan, a, b), n_steps)
    is_pool = n_init > 1 or init == "auto"
    return [annealed, product] if is_pool else [annealed], report


def _annealed(
    start: Start, context: StartContext, max_steps: int, backend: str, settings: DenseSettings
) -> tuple[Tensor, int]:
    """The plan (B, n, m) at the edge, and the outer steps; in float32, which takes half the time.

    Costs are in units of the scale, which keeps them in the range of float32.
    """
    problem, scale = context.problem, context.scale
    unit, largest = scale[:, None, None], problem.kernel_a.abs().amax((1, 2), keepdim=True)
    largest = largest.clamp_min(torch.finfo(largest.dtype).tiny)
    scaled = QuadraticProblem(
        (problem.kernel_a / largest).float(), (problem.kernel_b * (largest / unit)).float(),
        (problem.offset / unit).float(), (problem.constant / scale).float(),
        problem.a.float(), problem.b.float(), problem.alpha,
    )  # fmt: skip
    cost, potential = start.state
    state = State(
        (cost / unit).float(), None if potential is None else (potential / scale[:, None]).float()
    )
    reg, first_reg = ((level / scale).float() for level in (context.reg, start.first_reg))
    solution = solution_from(
        Start(start.name, state, first_reg), scaled, reg,
        tol=torch.full_like(reg, settings.multistart.tolerance), max_iter=max_steps,
        backend=backend, settings=settings,
    )  # fmt: skip
    return solution.plan.double(), int(solution.n_iter.max())


def _vertices(cost: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Plans (B, n, m) that minimise linear costs (B, n, m)."""
    parts = zip(cost.numpy(), a.numpy(), b.numpy(), strict=True)
    return torch.stack([torch.from_numpy(transport_vertex(*part).plan) for part in parts])


def _doubled(inputs: Inputs) -> Inputs:
    """The arrays in float64 on the CPU, where POT solves linear problems."""
    Ca, Cb, a, b = (
        x.to("cpu", torch.float64).contiguous() for x in (inputs.Ca, inputs.Cb, inputs.a, inputs.b)
    )
    M = None if inputs.M is None else inputs.M.to("cpu", torch.float64).contiguous()
    return Inputs(Ca, Cb, M, a, b, inputs.restore)


def _one(problem: QuadraticProblem, k: int) -> QuadraticProblem:
    return problem.take(torch.tensor([k]))


def _value(
    s: Solution, inputs: Inputs, loss: str, alpha: float, vertices: VertexSettings
) -> Tensor:
    """E of the plans, (B,), without cancellation where a plan has few entries."""
    Ca, Cb, M = inputs.Ca, inputs.Cb, inputs.M
    most, values = vertices.max_support * sum(s.plan.shape[1:]), s.energy.clone()
    for k, plan in enumerate(s.plan):
        if torch.count_nonzero(plan) <= most:
            cost = None if M is None else M[k]
            values[k] = support_energy(Ca[k], Cb[k], cost, plan, loss=loss, alpha=alpha)
    return values


def _stacked(ends: list[Descent], problem: QuadraticProblem) -> tuple[Solution, Tensor]:
    """The solution of a batch, and its row potentials (B, n)."""
    plan, gradient = (
        torch.stack(x) for x in zip(*((e.plan, e.gradient) for e in ends), strict=True)
    )
    row, column = (
        torch.stack([torch.from_numpy(x) for x in potentials])
        for potentials in zip(*((e.vertex.row, e.vertex.column) for e in ends), strict=True)
    )
    error = (plan.sum(2) - problem.a).abs().sum(1) + (plan.sum(1) - problem.b).abs().sum(1)
    status, n_iter = (
        torch.tensor(x) for x in zip(*((e.status, e.n_iter) for e in ends), strict=True)
    )
    value = plan.new_tensor([end.energy for end in ends])
    return Solution(plan, gradient, column, value, error, status, n_iter), row


def _package(
    s: Solution,
    row_potential: Tensor,
    inputs: Inputs,
    tol: float,
    alpha: float,
    report: StartsReport | None,
) -> GromovResult:
    """The result in the dtype and on the device of the input."""
    like = inputs.a
    s = s._replace(
        plan=flush_subnormals(s.plan.to(like)), cost=s.cost.to(like),
        potential=s.potential.to(like), energy=s.energy.to(like), error=s.error.to(like),
    )  # fmt: skip
    reg = torch.zeros_like(s.energy)
    return package_solution(
        s, inputs,
        plan=s.plan, value=s.energy, cost=s.energy, row_potential=row_potential.to(like),
        reg=reg, tol=torch.full_like(reg, tol), alpha=alpha, starts=report,
    )  # fmt: skip
