"""Most of a solve with kernels of low rank, its end with the exact ones.

The kernels of a problem whose points lie on something of few dimensions are close to matrices of
low rank (those of squared Euclidean distances in R^d are of rank d): the gradient then takes
products with thin matrices instead of two of full size, which dominate large problems. What the
truncation misses is the same for plans that are close to each other, so it is taken from the exact
gradient now and then, and held; plan and gradient that are returned are exact.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.descent import CONVERGED, NON_FINITE, Solution, minimize
from skgw.solvers.quadratic import QuadraticProblem, energy
from skgw.solvers.result import State

MIN_SIZE = 300  # below it products of full matrices are cheap
RANK = 64
ROUGH_TOLERANCE = 1e-2  # of the first solve with truncated kernels
MAX_CORRECTIONS = 6
OVERHANG = 8  # columns that the range finder is given above the rank


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
    rough = truncate(problem, RANK)
    solution = solve(
        rough, start=start, level=level, tol=tol.clamp_min(ROUGH_TOLERANCE), max_iter=max_iter
    )
    if (solution.status == NON_FINITE).any():
        return solve(problem, start=start, level=level, tol=tol, max_iter=max_iter)
    settled, n_iter = False, solution.n_iter
    for _ in range(MAX_CORRECTIONS):
        left = max_iter - int(n_iter.max())
        if settled or left < 1:
            break
        plan, gradient = solution.plan, problem.gradient(solution.plan)
        state = State(gradient, solution.potential)
        corrected = rough.corrected(plan, gradient)
        solution = solve(corrected, start=state, plan=plan, tol=tol, max_iter=left)
        n_iter = n_iter + solution.n_iter
        # The first step is from the exact gradient: if it moved nothing, it was the last.
        settled = bool(((solution.n_iter == 1) & (solution.status == CONVERGED)).all())
    plan, gradient = solution.plan, problem.gradient(solution.plan)
    if settled:
        value = energy(problem, plan, gradient)
        return solution._replace(cost=gradient, energy=value, n_iter=n_iter)
    state, left = State(gradient, solution.potential), max(1, max_iter - int(n_iter.max()))
    exact = solve(problem, start=state, plan=plan, tol=tol, max_iter=left)
    return exact._replace(n_iter=n_iter + exact.n_iter)
