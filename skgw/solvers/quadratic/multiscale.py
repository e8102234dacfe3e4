"""Spaces too large for matrices: from samples of them to all points, in a few sweeps.

With kernels of low rank, AA' and BB' for the relations of either side, the linearised cost of a
plan T is known by its moment A'TB, a small matrix, and is itself a product of thin ones:

    E(T) = constant - 4 v'Tw - 8 |A'TB|^2,     cost = -4 vw' - 16 A (A'TB) B'.

(`quadratic` has half of these factors, as its second kernel is twice BB'.) The vectors v and w are
made a further column of the factors each. A moment is estimated well by a sample of
points, and so is the potential of every point: by the transform of the sample's. Each level thus
starts close to its solution, and only a few outer steps are left for all points.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.initializers.basic import ANNEALING_START
from skgw.solvers.linear.streamed import StreamedProblem, log_sums, solve_streamed
from skgw.solvers.problems.low_rank import LowRankProblem
from skgw.solvers.quadratic.descent import (
    Solution,
    entropic_value,
    marginal_correction,
    minimize,
)
from skgw.solvers.result import State
from skgw.solvers.settings import MULTISCALE, MultiscaleSettings


class Side(NamedTuple):
    """A space of low rank, centred, under weights."""

    factors: Tensor  # (n, r + 1), of the kernel, and v
    weights: Tensor  # (n,)
    mean: float  # of the relations C
    mean_square: float


def center(factors: Tensor, residual: Tensor, weights: Tensor) -> Side:
    """From C_ik = |F_i - F_k|^2 + rho_i + rho_k to the factor of its double-centred kernel."""
    F = factors - weights @ factors
    u = F.square().sum(1) + residual  # (n,)
    half = float(weights @ u)
    spread = (F.T * weights) @ F  # (r, r)
    square = 2 * float(weights @ u.square()) + 2 * half**2 + 4 * float(spread.square().sum())
    return Side(torch.cat([F, (u - half)[:, None]], 1), weights, 2 * half, square)


class FactoredProblem(NamedTuple):
    """E(T) = constant - 8 |A'TB|^2 - 4 v'Tw over the couplings of two sides."""

    x: Side
    y: Side

    @property
    def constant(self) -> float:
        """E of the product coupling."""
        return self.x.mean_square + self.y.mean_square - 2 * self.x.mean * self.y.mean

    @property
    def scale(self) -> float:
        """Average of the mean squared relations, which `reg` is relative to."""
        return 0.5 * (self.x.mean_square + self.y.mean_square)

    def energy(self, moment: Tensor) -> float:
        """E of a plan with this moment (r + 1, s + 1)."""
        kernel, offset = moment[:-1, :-1].square().sum(), moment[-1, -1]
        return self.constant - 8 * float(kernel) - 4 * float(offset)

    def linearised(self, moment: Tensor, reg: float) -> StreamedProblem:
        """The linear problem at a plan with this moment."""
        left = self.x.factors @ (slope(moment) / reg).to(self.x.factors)
        return StreamedProblem(left, self.y.factors, self.x.weights, self.y.weights)

    def sample(self, size: int, noise: torch.Generator) -> FactoredProblem:
        """Up to `size` points of either side, with equal weights where that is fewer than all.

        The centring stays that of all points.
        """
        return FactoredProblem(*(_sampled(side, size, noise) for side in self))

    def quadratic(self) -> LowRankProblem:
        """The same problem for `minimize`, which holds a plan of full size."""
        (A, a, *_), (B, b, *_) = self
        offset = -4 * A[:, -1:] @ B[:, -1:].T
        constant = a.new_full((1,), self.constant)
        A, B = A[None, :, :-1], B[None, :, :-1]
        return LowRankProblem(A, A, 2 * B, B, offset[None], constant, a[None], b[None], 1.0)


def slope(moment: Tensor) -> Tensor:
    """Minus the gradient of E in the moment, (r + 1, s + 1): minus the cost is A~ slope B~'."""
    out = torch.zeros_like(moment)
    out[:-1, :-1] = 16 * moment[:-1, :-1]
    out[-1, -1] = 4.0
    return out


def _sampled(side: Side, size: int, noise: torch.Generator) -> Side:
    n = len(side.weights)
    if n <= size:
        return side
    # Systematic resampling: without repetition where weights are equal.
    order = torch.randperm(n, generator=noise)
    ends = side.weights.cpu()[order].double().cumsum(0)
    grid = (torch.arange(size) + torch.rand(1, generator=noise)) / size * ends[-1]
    index = order[torch.searchsorted(ends, grid.double()).clamp_max(n - 1)].to(side.weights.device)
    weights = torch.full_like(side.weights[:size], 1 / size)
    return side._replace(factors=side.factors[index], weights=weights)


class Position(NamedTuple):
    """Where a solve stands: at the plan T = a b exp(f + g + left right')."""

    linear: StreamedProblem
    at: Tensor  # (r + 1, s + 1), the moment at which E was linearised
    moment: Tensor  # (r + 1, s + 1), of the plan
    f: Tensor  # (n,)
    g: Tensor  # (m,)
    columns: Tensor  # (m,), column sums
    error: float  # L1, of them

    def log_density(self, other: Position, reg: float) -> float:
        """Mean of the log density of another plan, against ab', under this one."""
        a, columns = self.linear.a.double(), self.columns.double()
        cost = float((slope(other.at) * self.moment).sum()) / reg
        return float(a @ other.f.double() + columns @ other.g.double()) + cost

    def entropy(self, reg: float) -> float:
        """H(T) = -sum T log T."""
        _, _, a, b = self.linear
        product = torch.special.entr(a.double()).sum() - torch.xlogy(self.columns, b).double().sum()
        return float(product) - self.log_density(self, reg)

    def value(self, energy: float, reg: float) -> float:
        """The objective, corrected to first order for what the column sums are off."""
        columns, g, b = (x.double()[None] for x in (self.columns, self.g, self.linear.b))
        correction = marginal_correction(columns, reg * g, b, b.new_full((1,), reg))
        return energy - reg * self.entropy(reg) + float(correction)

    def distance(self, other: Position, reg: float) -> float:
        """An upper bound of the L1 distance between two plans, by Pinsker's inequality."""
        divergence = self.log_density(self, reg) - self.log_density(other, reg)
        return math.sqrt(max(2 * divergence, 0.0))

    def transform(self, factors: Tensor) -> Tensor:
        """The g of any points of the second space, by their factors (m, s + 1)."""
        return -log_sums(factors, self.linear.left, self.f + self.linear.a.log())


def solve_levels(
    problem: FactoredProblem,
    reg: float,
    *,
    tol: float,
    max_iter: int,
    n_draws: int,
    noise: torch.Generator,
    backend: str,
    settings: MultiscaleSettings = MULTISCALE,
) -> tuple[Position, float, int]:
    """From annealed samples by growing ones to all points; what comes out is that of `refine`."""
    at = solve_samples(problem, reg, n_draws, noise, backend, settings)
    g = at.transform(problem.y.factors)
    return refine(problem, reg, at.moment, g, tol=tol, max_iter=max_iter, settings=settings)


def solve_samples(
    problem: FactoredProblem,
    reg: float,
    n_draws: int,
    noise: torch.Generator,
    backend: str,
    settings: MultiscaleSettings = MULTISCALE,
) -> Position:
    """Solve for samples of growing size, up to less than half of all points."""
    at = first_level(problem, reg, n_draws, noise, backend, settings)
    tol, max_iter = settings.level_tolerance, settings.level_steps
    for size in sample_sizes(max(len(side.weights) for side in problem), settings):
        sample = problem.sample(size, noise)
        g = at.transform(sample.y.factors)
        at, *_ = refine(sample, reg, at.moment, g, tol=tol, max_iter=max_iter, settings=settings)
    return at


def sample_sizes(n: int, settings: MultiscaleSettings = MULTISCALE) -> list[int]:
    """Sizes of the samples between the first one and all `n` points."""
    sizes, size = [], settings.sample_size * settings.growth
    while 2 * size <= n:
        sizes.append(size)
        size *= settings.growth
    return sizes


def first_level(
    problem: FactoredProblem,
    reg: float,
    n_draws: int,
    noise: torch.Generator,
    backend: str,
    settings: MultiscaleSettings = MULTISCALE,
) -> Position:
    """Anneal on samples, and take the one with the lowest objective."""
    if max(len(side.weights) for side in problem) <= settings.sample_size:
        n_draws = 1  # they would all be the same
    draws = [problem.sample(settings.sample_size, noise) for _ in range(n_draws)]
    solved = [annealed(draw, reg, settings.level_tolerance, backend) for draw in draws]
    regs, b = problem.x.weights.new_full((1,), reg), draws[0].y.weights[None]
    objectives = [float(entropic_value(s.plan, s.potential, s.energy, b, regs)) for s in solved]
    best = min(range(n_draws), key=objectives.__getitem__)
    sample, solution = draws[best], solved[best]
    moment = sample.x.factors.T @ solution.plan[0] @ sample.y.factors
    g = solution.potential[0] / reg
    return outer_step(sample, reg, moment.double(), g, settings.level_tolerance, settings)


def annealed(sample: FactoredProblem, reg: float, tol: float, backend: str) -> Solution:
    """A rough solution, from the product coupling at a high temperature."""
    quadratic = sample.quadratic()
    regs = torch.full_like(quadratic.constant, reg)
    return minimize(
        quadratic,
        regs,
        State(quadratic.offset),
        first_reg=torch.full_like(regs, ANNEALING_START * sample.scale),
        tol=torch.full_like(regs, tol),
        backend=backend,
    )


def refine(
    problem: FactoredProblem,
    reg: float,
    moment: Tensor,
    g: Tensor,
    *,
    tol: float,
    max_iter: int,
    settings: MultiscaleSettings = MULTISCALE,
) -> tuple[Position, float, int]:
    """Outer steps from a moment and a column potential, until the plan moves by less than `tol`.

    Returns the last position, how far it is from the one before, and the number of steps.
    """
    last, change = outer_step(problem, reg, moment, g, tol, settings), 1.0
    for step in range(2, max_iter + 1):
        new = outer_step(problem, reg, last.moment, last.g, tol, settings)
        change, last = new.distance(last, reg), new
        if change < tol and last.error < tol:
            return last, change, step
    return last, change, max_iter


def outer_step(
    problem: FactoredProblem,
    reg: float,
    at: Tensor,
    g: Tensor,
    tol: float,
    settings: MultiscaleSettings,
) -> Position:
    """Solve the linear problem at the moment `at`, and take the moment of its plan."""
    linear = problem.linearised(at, reg)
    g, columns, error = solve_streamed(
        linear, g,
        tol=settings.inner_share * tol, max_sweeps=settings.max_sweeps, settings=settings.anderson,
    )  # fmt: skip
    f, moment = linear.moment(g, problem.x.factors, problem.y.factors)
    return Position(linear, at, moment, f, g, columns, error)
