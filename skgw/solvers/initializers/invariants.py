"""Guesses of a matching from what isometries keep: eccentricities, profiles, spectra, pairs.

A guess is a plan or a linearised cost (B, n, m), what a solve starts from. The costs add to the one
``offset`` at the product coupling, which knows the mean distances of the points (it is the first
lower bound of Memoli 2011) and holds the cost across the spaces of a fused problem.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.precision import full_precision
from skgw.solvers.problems.low_rank import range_basis
from skgw.solvers.problems.quadratic import QuadraticProblem, split_loss

N_QUANTILES = 32
SPARE_COLUMNS = 8  # of the range finder, beyond the number of eigenvectors
N_PRODUCTS = 4  # with the kernel, of the range finder


@full_precision()
def eccentricity_plan(problem: QuadraticProblem, Ca: Tensor, Cb: Tensor) -> Tensor:
    """Best coupling of the points' eccentricities, (B, n, m): the first lower bound (Memoli 2011).

    The eccentricity of a point is its root mean squared distance to the others, one number. On the
    line the best coupling is the monotone one: the k-th share of mass goes to the k-th share.
    """
    rank_a, mass_a = _by_eccentricity(Ca, problem.a)
    rank_b, mass_b = (x[:, None, :] for x in _by_eccentricity(Cb, problem.b))
    rank_a, mass_a = rank_a[:, :, None], mass_a[:, :, None]
    ends = torch.minimum(rank_a, rank_b)  # (B, n, m)
    return (ends - torch.maximum(rank_a - mass_a, rank_b - mass_b)).clamp_min_(0.0)


def _by_eccentricity(C: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """For each point the mass of those up to it, from the least eccentric on, and its own, (B, n).

    Roots keep the order, so that mean squares will do.
    """
    order = torch.bmm(C * C, p[:, :, None])[:, :, 0].argsort(dim=1, stable=True)
    rank = p.gather(1, order).cumsum(1)
    return torch.empty_like(rank).scatter_(1, order, rank), p


@full_precision()
def profile_cost(problem: QuadraticProblem, Ca: Tensor, Cb: Tensor, *, loss: str) -> Tensor:
    """Cost of comparing distance profiles, (B, n, m): the third lower bound (Memoli 2011).

    The profile of a point is the distribution of its distances to the others, here as quantiles;
    two profiles are compared at equal quantiles, the best coupling of distributions on the line.
    """
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
    """Profiles without their means, which `offset` knows, and without what all points share."""
    return _centered(h - h.mean(2, keepdim=True), p)


class Spectra(NamedTuple):
    """Leading eigenvectors of both centred kernels, scaled by their eigenvalues."""

    a: Tensor  # (B, n, k)
    b: Tensor  # (B, m, k)

    def cost(self, problem: QuadraticProblem, signs: Tensor) -> Tensor:
        """Gradient at a plan that maps eigenvectors to each other, up to `signs` (k,)."""
        return torch.baddbmm(problem.offset, self.a * signs, self.b.mT, alpha=-8 * problem.alpha)


@full_precision()
def spectra(problem: QuadraticProblem, n_vectors: int) -> Spectra:
    """Eigenvectors of the largest eigenvalues in modulus, oriented by their third moments."""
    n_vectors = min(n_vectors, problem.a.shape[1], problem.b.shape[1])
    return Spectra(
        _scaled_eigenvectors(problem.kernel_a, problem.a, n_vectors),
        _scaled_eigenvectors(problem.kernel_b, problem.b, n_vectors),
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
    """All 2**k signs of k vectors, those first that flip the last ones."""
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
    """Cost of agreeing with a few matched pairs of points that are drawn at random, (B, n, m).

    To pin points to each other breaks the symmetries of a space, as individualisation does in tests
    of graph isomorphism (McKay, Piperno 2014). Each pair (i, j) is drawn given those before it: i
    by its weight, j by the plan's row of i, the softmax at the temperature `reg` (B,) of what the
    `prior` (B, n, m) and the pairs so far say. Pairs are thus consistent with each other. A point k
    is then matched with an l at the same distances from the pinned ones, by L(Ca_ik, Cb_jl).
    """
    batch = torch.arange(len(reg), device=reg.device)
    cost, pairs = prior, torch.zeros_like(prior)
    for count in range(1, n_pairs + 1):
        i = _draw(problem.a, generator)
        row = (-cost[batch, i] / reg[:, None]).softmax(1) * problem.b  # (B, m)
        j = _draw(row, generator)
        parts = split_loss(Ca[batch, i, :, None], Cb[batch, j, :, None], loss)
        near_a, near_b = _centered(parts.h1, problem.a), _centered(parts.h2, problem.b)
        pairs = torch.baddbmm(pairs, near_a, near_b.mT, alpha=-2 * problem.alpha)
        cost = prior + pairs / count
    return cost


def _centered(h: Tensor, p: Tensor) -> Tensor:
    return h - torch.bmm(p[:, None, :], h)


def _draw(weights: Tensor, generator: torch.Generator) -> Tensor:
    """One index per row of `weights` (B, n), (B,), by the same number in (0, 1) for all of them.

    A problem of a batch is thus given what it would be given alone, on any device.
    """
    u = torch.rand((), generator=generator, dtype=torch.float64).to(weights)
    mass = weights.cumsum(1)
    index = torch.searchsorted(mass, u * mass[:, -1:], right=True)[:, 0]
    return index.clamp_max(weights.shape[1] - 1)
