"""Most of a solve with kernels of low rank, its end with the exact ones.

The kernels of a problem whose points lie on something of few dimensions are close to matrices of
low rank (those of squared Euclidean distances in R^d are of rank d): the gradient then takes
products with thin matrices instead of two of full size, which dominate large problems. What the
truncation misses is the same for plans that are close to each other, so it is taken from the exact
gradient now and then, and held; plan and gradient that are returned are exact.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.descent import NON_FINITE, Solution, is_compiled, minimize
from skgw.solvers.quadratic import QuadraticProblem, energy
from skgw.solvers.result import State

MIN_SIZE = 300  # points a side; below it products of full matrices are cheap
RANK = 64
ROUGH_TOLERANCE = 1e-2  # of the first solve with truncated kernels
CLOSER = 1e-2  # tolerance of a corrected solve, in terms of what the last one moved
MAX_CORRECTIONS = 6
RESERVE = 4  # one step in so many is kept for the exact kernels, should the corrections not settle
OVERHANG = 8  # columns that the range finder is given above the rank


def pays(problem: QuadraticProblem, backend: str) -> bool:
    """Whether truncated kernels save time: in compiled code full ones are quicker."""
    size = min(problem.offset.shape[1:])
    return size >= MIN_SIZE and not is_compiled(problem.offset, backend)


class LowRankProblem(NamedTuple):
    """As `QuadraticProblem`, with kernels K = left range'.

    Every field has a leading batch axis.
    """

    left_a: Tensor  # (B, n, r)
    range_a: Tensor  # (B, n, r), orthonormal columns
    left_b: Tensor  # (B, m, r)
    range_b: Tensor  # (B, m, r)
    offset: Tensor  # (B, n, m)
    constant: Tensor  # (B,)
    a: Tensor  # (B, n)
    b: Tensor  # (B, m)
    alpha: float

    def gradient(self, plan: Tensor) -> Tensor:
        """Linearised cost at `plan`, (B, n, m)."""
        core = torch.bmm(self.range_a.mT, torch.bmm(plan, self.range_b))  # (B, r, r)
        half = torch.bmm(self.left_a, core)  # (B, n, r)
        return torch.baddbmm(self.offset, half, self.left_b.mT, alpha=-8 * self.alpha)

    def take(self, index: Tensor) -> LowRankProblem:
        """The problems of the batch at `index`, a boolean or integer (B,)."""
        la, ra, lb, rb, offset, constant, a, b = (field[index] for field in self[:-1])
        return LowRankProblem(la, ra, lb, rb, offset, constant, a, b, self.alpha)

    def corrected(self, plan: Tensor, gradient: Tensor) -> LowRankProblem:
        """The problem whose gradient at `plan` is the given one."""
        return self._replace(offset=self.offset + gradient - self.gradient(plan))


def truncate(problem: QuadraticProblem, rank: int) -> LowRankProblem:
    """Replace the kernels by projections on (about) their leading eigenspaces.

    Randomised range finder with one power iteration (Halko, Martinsson, Tropp 2011).
    """
    left_a, range_a = _factor(problem.kernel_a, rank)
    left_b, range_b = _factor(problem.kernel_b, rank)
    _, _, offset, constant, a, b, alpha = problem
    return LowRankProblem(left_a, range_a, left_b, range_b, offset, constant, a, b, alpha)


def _factor(K: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    noise = torch.Generator().manual_seed(0)
    width = min(rank + OVERHANG, K.shape[-1])
    probe = torch.randn(K.shape[-1], width, generator=noise, dtype=torch.float32).to(K)
    basis = torch.linalg.qr(torch.matmul(K, probe)).Q
    basis = torch.linalg.qr(torch.matmul(K, basis)).Q
    image = torch.matmul(K, basis)
    return torch.bmm(basis, torch.bmm(basis.mT, image)), basis


def minimize_from_truncated(
    problem: QuadraticProblem,
    reg: Tensor,
    start: State,
    *,
    level: Tensor,
    tol: Tensor,
    max_iter: int,
    backend: str = "auto",
) -> Solution:
    """As `minimize`, with a handful of products of full matrices."""
    solve = functools.partial(minimize, reg=reg, backend=backend)
    if max_iter == 1:
        return solve(problem, start=start, level=level, tol=tol, max_iter=1)
    rough, allowed = truncate(problem, RANK), max_iter - max(1, max_iter // RESERVE)
    wanted = tol.clamp_min(ROUGH_TOLERANCE)
    solution = solve(rough, start=start, level=level, tol=wanted, max_iter=allowed)
    if (solution.status == NON_FINITE).any():
        return solve(problem, start=start, level=level, tol=tol, max_iter=max_iter)
    solution, settled = _corrected(problem, rough, solution, solve, tol, allowed)
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
) -> tuple[Solution, bool]:
    """Solve `rough` with the exact gradient at the last plan, again and again.

    Returns the solution, whose `n_iter` counts all steps, and whether nothing moves any more.
    """
    wanted, n_iter = torch.full_like(tol, ROUGH_TOLERANCE), solution.n_iter
    for _ in range(MAX_CORRECTIONS):
        if int(n_iter.max()) >= max_iter:
            break
        plan, gradient = solution.plan, problem.gradient(solution.plan)
        state = State(gradient, solution.potential)
        # The next correction moves the plan, too, by a share of what this one does.
        wanted, left = torch.maximum(tol, CLOSER * wanted), max_iter - int(n_iter.max())
        solution = solve(
            rough.corrected(plan, gradient), start=state, plan=plan, tol=wanted, max_iter=left
        )
        n_iter = n_iter + solution.n_iter
        wanted = (solution.plan - plan).abs().sum((1, 2)).clamp_max(ROUGH_TOLERANCE)
        # The first step is from the exact gradient: if it moved nothing, it was the last.
        at_rest = (solution.n_iter == 1) & (wanted < tol) & (solution.error < tol)
        if at_rest.all():
            return solution._replace(n_iter=n_iter), True
    return solution._replace(n_iter=n_iter), False
