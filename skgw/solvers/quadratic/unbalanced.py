"""Unbalanced Gromov-Wasserstein: deviations of the marginals are penalised.

In the problem of Séjourné, Vialard and Peyré [1]_ every term is quadratic in the plan T,

    F(T) = E(T) + rho_a/2 KL2(T1 | a) + rho_b/2 KL2(T'1 | b) + reg/2 KL2(T | ab'),

with KL2(x | y) = KL(x (x) x | y (x) y), KL(x | y) = sum x log(x / y) - x + y. For T = m P with a
plan P of mass one, F is a function of m and of

    G(P) = E(P) + rho_a KL(P1 | a) + rho_b KL(P'1 | b) + reg KL(P | ab'),

and the best mass for P has a closed form: with S = rho_a + rho_b + reg,

    m = exp(-G(P) / S),    F(m P) = S/2 (1 - exp(-2 G(P) / S)).

F increases in G. It is enough to minimise G over plans of mass one, by successive linearisation
as in `descent.py`: the mass does not change during the iteration, and penalties may be infinite.

References
----------
.. [1] :cite:t:`sejourne2021`.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skgw.solvers.inputs import Inputs
from skgw.solvers.linear.annealing import AnnealingBudget
from skgw.solvers.linear.balanced import newton_steps
from skgw.solvers.linear.newton_cg import LinearSolution
from skgw.solvers.linear.unbalanced import row_potential, solve_unbalanced_linear
from skgw.solvers.problems.unbalanced import UnbalancedProblem, unbalanced_problem
from skgw.solvers.quadratic.descent import CONVERGED, NON_FINITE, Solution, minimize
from skgw.solvers.quadratic.outer_step import EMPTY
from skgw.solvers.quadratic.package import package_unbalanced
from skgw.solvers.quadratic.unbalanced_multistart import best_of, first_states
from skgw.solvers.resolution import attainable
from skgw.solvers.result import Array, GromovResult, State
from skgw.solvers.scales import fused_scale, lowest_cost
from skgw.solvers.settings import UNBALANCED, UnbalancedSettings


def absolute_penalties(unbalanced: Any, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Penalties rho_a and rho_b, (B,), from one number or two in units of `scale` (B,)."""
    rho = np.asarray(unbalanced)
    if rho.dtype.kind not in "iuf" or rho.shape not in ((), (2,)) or not (rho >= 0).all():
        raise ValueError(
            "unbalanced must be a non-negative number or a pair of them, where infinity fixes a "
            f"marginal, got {unbalanced!r}."
        )
    rho_a, rho_b = np.broadcast_to(rho, 2)
    return float(rho_a) * scale, float(rho_b) * scale


def solve_unbalanced(
    inputs: Inputs,
    reg: Tensor,
    scale: Tensor,
    rho: tuple[Tensor, Tensor],
    *,
    loss: str,
    alpha: float,
    init: str | Array | State,
    tol: float | None,
    max_iter: int,
    backend: str,
    settings: UnbalancedSettings = UNBALANCED,
) -> GromovResult:
    """`solve_gromov` with `unbalanced`, on validated tensors, at absolute `reg` and `rho` (B,)."""
    newton_steps(backend, reg.device.type)  # raises for unknown names
    accuracy = attainable(tol, reg, fused_scale(scale, inputs, alpha))
    reg = accuracy.reg
    with torch.no_grad():
        problem = unbalanced_problem(inputs, *rho, loss=loss, alpha=alpha)
        starts = first_states(
            init, problem, inputs, reg, scale,
            loss=loss, max_iter=max_iter, backend=backend, settings=settings.descent,
        )  # fmt: skip
        objective = functools.partial(_objective, problem, reg=reg)
        linear = functools.partial(_solve_linear, settings=settings)
        run = functools.partial(minimize, reg=reg, linear=linear, settings=settings.descent)
        stages = [
            problem._replace(rho_a=k * rho[0], rho_b=k * rho[1]) for k in settings.penalty_stages
        ]
        solution = best_of(
            stages, starts, run, objective,
            tol=accuracy.tol, max_iter=max_iter, settings=settings,
        ).judged(accuracy, lowest_cost(inputs, alpha))  # fmt: skip
        g = objective(solution)
        total = rho[0] + rho[1] + reg
        mass = torch.exp(-g / total)
        value = torch.where(total.isinf(), g, -0.5 * total * torch.expm1(-2 * g / total))
        f = row_potential(solution.cost, problem.a, problem.b, reg, rho[0], solution.potential)
        f = f + (reg * mass.log())[:, None]
        penalty = value - mass**2 * solution.energy
        empty = (solution.status == CONVERGED) & (mass < settings.min_mass)
        status = torch.where(empty, EMPTY, solution.status)
        status = torch.where(mass.isfinite() & value.isfinite(), status, NON_FINITE)
        solution = solution._replace(status=status)
    return package_unbalanced(
        solution, inputs,
        mass=mass, penalty=penalty, row_potential=f, reg=reg, tol=accuracy.tol, alpha=alpha,
    )  # fmt: skip


def _solve_linear(
    problem: UnbalancedProblem,
    cost: Tensor,
    reg: Tensor,
    *,
    potential: Tensor,
    tol: Tensor,
    settings: UnbalancedSettings,
    budget: AnnealingBudget,
) -> LinearSolution:
    return solve_unbalanced_linear(
        cost, problem.a, problem.b, reg, problem.rho_a, problem.rho_b,
        potential=potential, tol=tol, max_iter=settings.max_newton_steps,
        settings=settings.descent.newton, budget=budget,
    )  # fmt: skip


def _objective(problem: UnbalancedProblem, s: Solution, *, reg: Tensor) -> Tensor:
    """G at a plan of mass one, (B,)."""
    rows, columns = s.plan.sum(2), s.plan.sum(1)
    kl_a, kl_b = _kl(rows, problem.a), _kl(columns, problem.b)
    # KL(P | ab') = KL(p | a) + KL(q | b) + KL(P | pq'), the last one without reference to a and b.
    entropy = torch.special.entr(rows).sum(1) + torch.special.entr(columns).sum(1)
    mutual = entropy - torch.special.entr(s.plan).sum((1, 2))
    penalties = _weighted(problem.rho_a, kl_a) + _weighted(problem.rho_b, kl_b)
    return s.energy + penalties + reg * (kl_a + kl_b + mutual)


def _kl(p: Tensor, a: Tensor) -> Tensor:
    """KL(p | a), (B,), without cancellation where p is close to a."""
    ratio = (p - a) / a.clamp_min(torch.finfo(a.dtype).tiny)
    return (a * (torch.special.xlog1py(1 + ratio, ratio) - ratio)).sum(1)


def _weighted(rho: Tensor, kl: Tensor) -> Tensor:
    return torch.where(rho.isinf(), 0.0, rho * kl)  # at an infinite penalty KL is zero
