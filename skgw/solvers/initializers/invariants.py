"""Starts from invariants of isometries: eccentricities, distance profiles, spectra, pairs.

A start is a plan or a linearised cost (B, n, m). The costs are added to `offset`, the linearised
cost at the product coupling, which compares mean distances and holds the cost between the spaces of
a fused problem.

References
----------
.. [1] :cite:t:`memoli2011`.
.. [2] :cite:t:`mckay2014`.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.directed import (
    any_directed,
    is_directed,
    symmetric_kernels,
    symmetric_part,
)
from skgw.solvers.precision import full_precision
from skgw.solvers.problems.low_rank import range_basis
from skgw.solvers.problems.quadratic import QuadraticProblem, split_loss

N_QUANTILES = 32  # of a distance profile
SPARE_COLUMNS = 8  # of the range finder, beyond the number of eigenvectors
N_PRODUCTS = 4  # with the kernel, of the range finder


@full_precision()
def eccentricity_plan(problem: QuadraticProblem, Ca: Tensor, Cb: Tensor) -> Tensor:
    """Optimal coupling of eccentricities, (B, n, m): the first lower bound of Mémoli [1]_, p = 2.

    The eccentricity of a point is its root mean squared distance to the points of its space. The
    optimal coupling on the line is monotone.
    """
    rank_a, mass_a = _by_eccentricity(Ca, problem.a)
    rank_b, mass_b = (x[:, None, :] for x in _by_eccentricity(Cb, problem.b))
    rank_a, mass_a = rank_a[:, :, None], mass_a[:, :, None]
    ends = torch.minimum(rank_a, rank_b)  # (B, n, m)
    return (ends - torch.maximum(rank_a - mass_a, rank_b - mass_b)).clamp_min_(0.0)


def _by_eccentricity(C: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """Cumulative mass of the points in order of eccentricity, and their masses, both (B, n).

    Mean squared distances define the order.
    """
    squares = C * C
    if is_directed(C):
        squares = symmetric_part(squares)
    order = torch.bmm(squares, p[:, :, None])[:, :, 0].argsort(dim=1, stable=True)
    rank = p.gather(1, order).cumsum(1)
    return torch.empty_like(rank).scatter_(1, order, rank), p


@full_precision()
def profile_cost(problem: QuadraticProblem, Ca: Tensor, Cb: Tensor, *, loss: str) -> Tensor:
    """Cost between distance profiles, (B, n, m): the third lower bound of Mémoli [1]_.

    The profile of a point is the distribution of its distances, in the form of quantiles. Profiles
    are compared at equal quantiles, which is the optimal coupling of distributions on the line.
    """
    if any_directed(Ca, Cb):  # profiles of the distances from a point, and to it
        cost = _cost_of_rows(problem, Ca, Cb, loss)
        return 0.5 * (cost + _cost_of_rows(problem, Ca.mT, Cb.mT, loss))
    return _cost_of_rows(problem, Ca, Cb, loss)


def _cost_of_rows(problem: QuadraticProblem, Ca: Tensor, Cb: Tensor, loss: str) -> Tensor:
    """Cost between the profiles of the rows."""
    profiles = _quantiles(Ca, problem.a), _quantiles(Cb, problem.b)
    parts = split_loss(*profiles, loss)
    shape_a, shape_b = _shape(parts.h1, problem.a), _shape(parts.h2, problem.b)
    return torch.baddbmm(
        problem.offset, shape_a, shape_b.mT, alpha=-2 * problem.alpha / N_QUANTILES
    )


def _quantiles(C: Tensor, p: Tensor) -> Tensor:
    """Quantiles of each row of C under the weights p, (B, n, N_QUANTILES)."""
    ordered, index = C.sort(2)
    mass = p[:, None, :].expand_as(C).gather(2, index).cumsum(2)
    levels = (torch.arange(N_QUANTILES).to(C) + 0.5) / N_QUANTILES
    levels = levels.expand(*C.shape[:2], -1).contiguous()
    return ordered.gather(2, torch.searchsorted(mass, levels).clamp_max(C.shape[2] - 1))


def _shape(h: Tensor, p: Tensor) -> Tensor:
    """Profiles minus their own means, which `offset` compares, minus the mean profile."""
    return _centered(h - h.mean(2, keepdim=True), p)


class Spectra(NamedTuple):
    """Leading eigenvectors of both centred kernels, scaled by their eigenvalues."""

    a: Tensor  # (B, n, k)
    b: Tensor  # (B, m, k)

    def cost(self, problem: QuadraticProblem, signs: Tensor) -> Tensor:
        """Gradient at a plan that maps eigenvectors to eigenvectors, up to `signs` (k,)."""
        return torch.baddbmm(problem.offset, self.a * signs, self.b.mT, alpha=-8 * problem.alpha)


@full_precision()
def spectra(problem: QuadraticProblem, n_vectors: int) -> Spectra:
    """Eigenvectors of the largest eigenvalues in modulus, oriented by their third moments."""
    n_vectors = min(n_vectors, problem.a.shape[1], problem.b.shape[1])
    kernel_a, kernel_b = symmetric_kernels(problem.kernel_a, problem.kernel_b)
    return Spectra(
        _scaled_eigenvectors(kernel_a, problem.a, n_vectors),
        _scaled_eigenvectors(kernel_b, problem.b, n_vectors),
    )


def _scaled_eigenvectors(K: Tensor, p: Tensor, k: int) -> Tensor:
    """K v for the k leading eigenvectors v of K in the inner product weighted by p, (B, n, k).

    They are the Rayleigh-Ritz vectors of the subspace that `range_basis` finds.
    """
    root = p.sqrt()[:, :, None]  # (B, n, 1)
    S = root * K * root.mT
    basis = range_basis(S, k + SPARE_COLUMNS, n_products=N_PRODUCTS)
    values, vectors = torch.linalg.eigh(torch.bmm(basis.mT, torch.bmm(S, basis)))
    leading = values.abs().topk(k, dim=1).indices[:, None, :].expand(-1, basis.shape[2], -1)
    scaled = torch.bmm(K, root * torch.bmm(basis, vectors.gather(2, leading)))
    skewness = torch.bmm(p[:, None, :], scaled**3)  # (B, 1, k)
    return torch.where(skewness < 0, -scaled, scaled)


def sign_flips(k: int) -> list[tuple[int, ...]]:
    """All 2**k signs of k vectors; the last vectors are flipped first."""
    return list(itertools.product((1, -1), repeat=k))


@full_precision()
def pairs_cost(
    problem: QuadraticProblem,
    Ca: Tensor,
    Cb: Tensor,
    prior: Tensor,
    reg: Tensor,
    generator: torch.Generator,
    *,
    n_pairs: int,
    loss: str,
) -> Tensor:
    """Cost of agreement with `n_pairs` randomly drawn matched pairs of points, (B, n, m).

    Matched pairs break the symmetries of a space, as individualisation does in tests of graph
    isomorphism [2]_. Each pair (i, j) is drawn given the pairs before it: i by its weight, j by the
    softmax at `reg` (B,) of row i of the `prior` cost (B, n, m) plus the cost of the pairs so far.
    Pairs are thus consistent with each other. The cost of points k, l is the mean over the pairs of
    L(Ca_ik, Cb_jl), of directed spaces also with L(Ca_ki, Cb_lj).
    """
    batch = torch.arange(len(reg), device=reg.device)
    directions = [(Ca, Cb), (Ca.mT, Cb.mT)] if any_directed(Ca, Cb) else [(Ca, Cb)]
    share = 1 / len(directions)
    cost, pairs = prior, torch.zeros_like(prior)
    for count in range(1, n_pairs + 1):
        i = _draw(problem.a, generator)
        row = (-cost[batch, i] / reg[:, None]).softmax(1) * problem.b  # (B, m)
        j = _draw(row, generator)
        for from_a, from_b in directions:
            parts = split_loss(from_a[batch, i, :, None], from_b[batch, j, :, None], loss)
            near_a, near_b = _centered(parts.h1, problem.a), _centered(parts.h2, problem.b)
            pairs = torch.baddbmm(pairs, near_a, near_b.mT, alpha=-2 * problem.alpha * share)
        cost = prior + pairs / count
    return cost


def _centered(h: Tensor, p: Tensor) -> Tensor:
    return h - torch.bmm(p[:, None, :], h)


def _draw(weights: Tensor, generator: torch.Generator) -> Tensor:
    """One index for each row of `weights` (B, n), (B,), by one random number for all rows.

    A problem of a batch thus gets the same index as alone, on any device.
    """
    u = torch.rand((), generator=generator, dtype=torch.float64).to(weights)
    mass = weights.cumsum(1)
    index = torch.searchsorted(mass, u * mass[:, -1:], right=True)[:, 0]
    return index.clamp_max(weights.shape[1] - 1)
