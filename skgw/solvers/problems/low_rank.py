"""Kernels of low rank in place of the exact ones, for gradients that need not be exact.

The kernels of a problem whose points lie on something of few dimensions are close to matrices of
low rank (those of squared Euclidean distances in R^d are of rank d): the gradient then takes
products with thin matrices instead of two of full size.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.problems.quadratic import QuadraticProblem
from skgw.solvers.settings import LOW_RANK


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


def truncate(
    problem: QuadraticProblem, rank: int, oversampling: int = LOW_RANK.oversampling
) -> LowRankProblem:
    """Replace the kernels by projections on (about) their leading eigenspaces.

    Randomised range finder with one power iteration (Halko, Martinsson, Tropp 2011).
    """
    left_a, range_a = _factor(problem.kernel_a, rank + oversampling)
    left_b, range_b = _factor(problem.kernel_b, rank + oversampling)
    _, _, offset, constant, a, b, alpha = problem
    return LowRankProblem(left_a, range_a, left_b, range_b, offset, constant, a, b, alpha)


def _factor(K: Tensor, width: int) -> tuple[Tensor, Tensor]:
    basis = range_basis(K, width, n_products=2)
    image = torch.matmul(K, basis)
    return torch.bmm(basis, torch.bmm(basis.mT, image)), basis


def range_basis(K: Tensor, width: int, *, n_products: int) -> Tensor:
    """Orthonormal basis (B, n, width) of about the leading eigenvectors of K (B, n, n).

    Subspace iteration from a fixed random start: the randomised range finder of Halko, Martinsson
    and Tropp (2011) with `n_products` - 1 power iterations. The width is at most n.
    """
    n, noise = K.shape[-1], torch.Generator().manual_seed(0)
    basis = torch.randn(n, min(width, n), generator=noise, dtype=torch.float32).to(K)
    for _ in range(n_products):
        basis = torch.linalg.qr(torch.matmul(K, basis)).Q
    return basis
