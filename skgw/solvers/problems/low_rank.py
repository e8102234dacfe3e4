"""The quadratic objective with kernels of low rank, for approximate gradients.

Kernels of points near a manifold of few dimensions are close to matrices of low rank; kernels of
squared Euclidean distances in R^d have rank d. A gradient then takes products with (n, r) factors
instead of two products of full size.

References
----------
.. [1] :cite:t:`halko2011`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.problems.quadratic import QuadraticProblem
from skgw.solvers.settings import LOW_RANK


class LowRankProblem(NamedTuple):
    """As `QuadraticProblem`, with kernels K = left range'; fields have a leading batch axis."""

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


def low_rank_problem(
    problem: QuadraticProblem, rank: int, oversampling: int = LOW_RANK.oversampling
) -> LowRankProblem:
    """Replace the kernels by projections on approximations of their leading eigenspaces."""
    left_a, range_a = _factor(problem.kernel_a, rank + oversampling)
    left_b, range_b = _factor(problem.kernel_b, rank + oversampling)
    _, _, offset, constant, a, b, alpha = problem
    return LowRankProblem(left_a, range_a, left_b, range_b, offset, constant, a, b, alpha)


def _factor(K: Tensor, width: int) -> tuple[Tensor, Tensor]:
    basis = range_basis(K, width, n_products=2)
    image = torch.matmul(K, basis)
    return torch.bmm(basis, torch.bmm(basis.mT, image)), basis


def range_basis(K: Tensor, width: int, *, n_products: int) -> Tensor:
    """Orthonormal basis (B, n, width) of an approximate leading eigenspace of K (B, n, n).

    Randomised range finder [1]_ with `n_products` - 1 power iterations, from a fixed random start.
    The width is at most n.
    """
    n, noise = K.shape[-1], torch.Generator().manual_seed(0)
    basis = torch.randn(n, min(width, n), generator=noise, dtype=torch.float32).to(K)
    for _ in range(n_products):
        basis = torch.linalg.qr(torch.matmul(K, basis)).Q
    return basis
