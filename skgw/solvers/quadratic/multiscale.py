"""Multiscale solves between spaces of low rank: samples of growing size, then all points.

With kernels of low rank, AA' and BB' for the relations of each space, the linearised cost at a plan
T is a function of its moment A'TB, an (r, s) matrix, and has low rank itself:

    E(T) = constant - 4 v'Tw - 8 |A'TB|^2,     cost = -4 vw' - 16 A (A'TB) B'.

(The factors in `problems.quadratic` are half of these, as its second kernel is twice BB'.) The
vectors v and w are one more column of the factors A and B. In a fused problem the cost between the
spaces is a squared distance of features, whose centred values are the last columns.

A sample of points gives estimates of the moment and, by the c-transform of its row potential, of
the potential of each point. Each level thus starts close to its solution, and few outer steps are
left for all points.
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


class CentredSpace(NamedTuple):
    """A space of low rank with weights, double-centred."""

    factors: Tensor  # (n, r + 1 + d), of the kernel, v, and d centred features
    weights: Tensor  # (n,)
    mean: float  # of the relations C
    mean_square: float
    variance: float = 0.0  # mean squared distance of the features from their mean


def center(
    factors: Tensor, residual: Tensor, weights: Tensor, features: Tensor | None = None
) -> CentredSpace:
    """From C_ik = |F_i - F_k|^2 + rho_i + rho_k to the factor of its double-centred kernel.

    `features` (n, d) become the last columns.
    """
    F = factors - weights @ factors
    u = F.square().sum(1) + residual  # (n,)
    half = float(weights @ u)
    covariance = (F.T * weights) @ F  # (r, r)
    square = 2 * float(weights @ u.square()) + 2 * half**2 + 4 * float(covariance.square().sum())
    columns, variance = [F, (u - half)[:, None]], 0.0
    if features is not None:
        columns.append(features - weights @ features)
        variance = float(weights @ columns[-1].square().sum(1))
    return CentredSpace(torch.cat(columns, 1), weights, 2 * half, square, variance)


class FactoredProblem(NamedTuple):
    """E(T) = constant - alpha (8 |A'TB|^2 + 4 v'Tw) - 2 (1 - alpha) tr X'TY on the couplings.

    X and Y are the centred features of a fused problem.
    """

    x: CentredSpace
    y: CentredSpace
    alpha: float = 1.0
    n_features: int = 0
    gap: float = 0.0  # squared distance of the means of the features

    @property
    def constant(self) -> float:
        """E of the product coupling."""
        quadratic = self.x.mean_square + self.y.mean_square - 2 * self.x.mean * self.y.mean
        return self.alpha * quadratic + self.linear_constant

    @property
    def linear_constant(self) -> float:
        """The linear part of E of the product coupling."""
        return (1 - self.alpha) * (self.x.variance + self.y.variance + self.gap)

    @property
    def scale(self) -> float:
        """Average of the mean squared relations, the unit of a relative `reg`."""
        return 0.5 * (self.x.mean_square + self.y.mean_square)

    def energy(self, moment: Tensor) -> float:
        """E of a plan with this moment (r + 1, s + 1); at least 0, but for rounding."""
        kernel, offset, features = self.parts(moment)
        quadratic = 8 * float(kernel.square().sum()) + 4 * float(offset)
        linear = 2 * (1 - self.alpha) * float(features.sum())
        return max(self.constant - self.alpha * quadratic - linear, 0.0)

    def linear_cost(self, moment: Tensor) -> float:
        """The linear part of E."""
        inner = float(self.parts(moment)[2].sum())
        return max(self.linear_constant - 2 * (1 - self.alpha) * inner, 0.0)

    def parts(self, moment: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Views of a moment: of the kernels (r, s), of v and w (0-d), of the features (d,)."""
        r, s = (size - 1 - self.n_features for size in moment.shape)
        return moment[:r, :s], moment[r, s], moment[r + 1 :, s + 1 :].diagonal()

    def slope(self, moment: Tensor) -> Tensor:
        """Minus the gradient of E in the moment; minus the cost is A~ slope B~'."""
        out = torch.zeros_like(moment)
        kernel, offset, features = self.parts(out)
        kernel.copy_(16 * self.alpha * self.parts(moment)[0])
        offset.fill_(4 * self.alpha)
        features.fill_(2 * (1 - self.alpha))
        return out

    def linearised(self, moment: Tensor, reg: float) -> StreamedProblem:
        """The linear problem at a plan with this moment."""
        left = self.x.factors @ (self.slope(moment) / reg).to(self.x.factors)
        return StreamedProblem(left, self.y.factors, self.x.weights, self.y.weights)

    def sample(self, size: int, noise: torch.Generator) -> FactoredProblem:
        """At most `size` points of each space, centred by the means of all points.

        A proper sample is drawn by weight, and its points have equal weights.
        """
        x, y = (_subsample(space, size, noise) for space in (self.x, self.y))
        return self._replace(x=x, y=y)

    def quadratic(self) -> LowRankProblem:
        """The same problem for `minimize`, which holds the plan as an array."""
        (A, a, *_), (B, b, *_) = self.x, self.y
        alpha, k = self.alpha, self.n_features + 1
        (A, left), (B, right) = ((F[:, :-k], F[:, -k:]) for F in (A, B))
        offset = -4 * alpha * left[:, :1] @ right[:, :1].T
        if k > 1:
            offset = offset - 2 * (1 - alpha) * left[:, 1:] @ right[:, 1:].T
        constant = a.new_full((1,), self.constant)
        A, B = A[None], B[None]
        return LowRankProblem(A, A, 2 * B, B, offset[None], constant, a[None], b[None], alpha)


def _subsample(space: CentredSpace, size: int, noise: torch.Generator) -> CentredSpace:
    n = len(space.weights)
    if n <= size:
        return space
    # Systematic resampling, which repeats no point if weights are equal.
    order = torch.randperm(n, generator=noise)
    ends = space.weights.cpu()[order].double().cumsum(0)
    offset = torch.rand(1, generator=noise, dtype=torch.float32)
    grid = (torch.arange(size) + offset) / size * ends[-1]
    index = order[torch.searchsorted(ends, grid.double()).clamp_max(n - 1)].to(space.weights.device)
    weights = torch.full_like(space.weights[:size], 1 / size)
    return space._replace(factors=space.factors[index], weights=weights)


class StreamedIterate(NamedTuple):
    """The plan T = a b exp(f + g + left right') of the last linear problem, by its potentials."""

    linear: StreamedProblem
    slope: Tensor  # shape of the moment, of E at the moment at which it was linearised
    moment: Tensor  # (r + 1 + d, s + 1 + d), of the plan
    f: Tensor  # (n,)
    g: Tensor  # (m,)
    columns: Tensor  # (m,), column sums
    error: float  # L1 error of the column sums

    def log_density(self, other: StreamedIterate, reg: float) -> float:
        """Mean of the log density of another plan, against ab', under this one."""
        a, columns = self.linear.a.double(), self.columns.double()
        cost = float((other.slope * self.moment).sum()) / reg
        return float(a @ other.f.double() + columns @ other.g.double()) + cost

    def entropy(self, reg: float) -> float:
        """H(T) = -sum T log T."""
        _, _, a, b = self.linear
        product = torch.special.entr(a.double()).sum() - torch.xlogy(self.columns, b).double().sum()
        return float(product) - self.log_density(self, reg)

    def value(self, energy: float, reg: float) -> float:
        """The objective, corrected to first order for the error of the column sums."""
        columns, g, b = (x.double()[None] for x in (self.columns, self.g, self.linear.b))
        correction = marginal_correction(columns, reg * g, b, b.new_full((1,), reg))
        return energy - reg * self.entropy(reg) + float(correction)

    def distance(self, other: StreamedIterate, reg: float) -> float:
        """An upper bound of the L1 distance between two plans, by Pinsker's inequality."""
        divergence = self.log_density(self, reg) - self.log_density(other, reg)
        return math.sqrt(max(2 * divergence, 0.0))

    def transform(self, factors: Tensor) -> Tensor:
        """Column potential of any points of the second space, by their factors (m, s + 1)."""
        return -log_sums(factors, self.linear.left, self.f + self.linear.a.log())


def solve_multiscale(
    problem: FactoredProblem,
    reg: float,
    *,
    tol: float,
    max_iter: int,
    n_draws: int,
    noise: torch.Generator,
    backend: str,
    settings: MultiscaleSettings = MULTISCALE,
) -> tuple[StreamedIterate, float, int]:
    """Solve on samples of growing size, then on all points; returns what `refine` returns."""
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
) -> StreamedIterate:
    """Solve on samples of growing size, up to less than half of all points."""
    at = solve_first_sample(problem, reg, n_draws, noise, backend, settings)
    tol, max_iter = settings.level_tolerance, settings.level_steps
    for size in sample_sizes(max(len(space.weights) for space in problem[:2]), settings):
        sample = problem.sample(size, noise)
        g = at.transform(sample.y.factors)
        at, *_ = refine(sample, reg, at.moment, g, tol=tol, max_iter=max_iter, settings=settings)
    return at


def sample_sizes(n: int, settings: MultiscaleSettings = MULTISCALE) -> list[int]:
    """Sizes of the samples after the first one, for spaces of `n` points."""
    sizes, size = [], settings.sample_size * settings.growth
    while 2 * size <= n:
        sizes.append(size)
        size *= settings.growth
    return sizes


def solve_first_sample(
    problem: FactoredProblem,
    reg: float,
    n_draws: int,
    noise: torch.Generator,
    backend: str,
    settings: MultiscaleSettings = MULTISCALE,
) -> StreamedIterate:
    """Annealed solves on `n_draws` samples; the one with the lowest objective."""
    if max(len(space.weights) for space in problem[:2]) <= settings.sample_size:
        n_draws = 1  # all samples would be equal
    draws = [problem.sample(settings.sample_size, noise) for _ in range(n_draws)]
    solved = [solve_sample(draw, reg, settings.level_tolerance, backend) for draw in draws]
    regs, b = problem.x.weights.new_full((1,), reg), draws[0].y.weights[None]
    objectives = [float(entropic_value(s.plan, s.potential, s.energy, b, regs)) for s in solved]
    best = min(range(n_draws), key=objectives.__getitem__)
    sample, solution = draws[best], solved[best]
    moment = sample.x.factors.T @ solution.plan[0] @ sample.y.factors
    g = solution.potential[0] / reg
    return outer_step(sample, reg, moment.double(), g, settings.level_tolerance, settings)


def solve_sample(sample: FactoredProblem, reg: float, tol: float, backend: str) -> Solution:
    """A coarse solution on a sample, annealed from the product coupling."""
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
) -> tuple[StreamedIterate, float, int]:
    """Outer steps from a moment and a column potential, until the plan changes by less than `tol`.

    Returns the last iterate, its L1 distance from the iterate before, and the number of steps.
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
) -> StreamedIterate:
    """Solve the linear problem at the moment `at`; return its plan and the moment of the plan."""
    linear = problem.linearised(at, reg)
    g, columns, error = solve_streamed(
        linear, g,
        tol=settings.inner_share * tol, max_sweeps=settings.max_sweeps, settings=settings.anderson,
    )  # fmt: skip
    f, moment = linear.moment(g, problem.x.factors, problem.y.factors)
    return StreamedIterate(linear, problem.slope(at), moment, f, g, columns, error)
