"""Prior distributions of the noise that a generator maps to points."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Prior(nn.Module, ABC):
    """A distribution on R^dim.

    Parameters
    ----------
    dim : int
        Dimension of the noise.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    @abstractmethod
    def forward(self, n: int, generator: torch.Generator, *, stratified: bool = False) -> Tensor:
        """Draw noise (n, dim) with a CPU generator; `stratified` lowers the variance of a batch."""


class GaussianPrior(Prior):
    """The standard normal distribution."""

    origin: Tensor  # (dim,), zeros that carry the device and dtype

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.register_buffer("origin", torch.zeros(dim, dtype=torch.float32), persistent=False)

    def forward(self, n: int, generator: torch.Generator, *, stratified: bool = False) -> Tensor:
        """Draw noise (n, dim); the distribution has no strata, so `stratified` has no effect."""
        return _normal(n, self.dim, generator).to(self.origin)

    def log_density(self, z: Tensor) -> Tensor:
        """Log density (n,) at points z (n, dim), in nats."""
        return -0.5 * (z.square().sum(1) + self.dim * math.log(2 * math.pi))


class MixturePrior(Prior):
    """A mixture of Gaussians of equal weight with learned means.

    A network is continuous, so that it maps a connected prior to a connected set, with samples
    between separate clusters; the components of a mixture can be mapped to separate clusters.
    Stratified draws give each component the same share of the batch, up to one draw if the size of
    the batch is not a multiple of `n_components`.

    Parameters
    ----------
    dim : int
        Dimension of the noise.
    n_components : int
        Number of Gaussians. The means are drawn from the standard normal distribution.
    scale : float
        Standard deviation of each Gaussian.
    generator : torch.Generator, optional
        Source of the means; by default the global generator of torch.
    """

    def __init__(
        self,
        dim: int,
        n_components: int,
        scale: float,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(dim)
        self.scale = scale
        self.means = nn.Parameter(_normal(n_components, dim, generator))

    def forward(self, n: int, generator: torch.Generator, *, stratified: bool = False) -> Tensor:
        """Draw noise (n, dim); the strata are the components."""
        return self.place(*self.draw(n, generator, stratified=stratified))

    def draw(
        self, n: int, generator: torch.Generator, *, stratified: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Draw component numbers (n,) and standard normal deviations (n, dim)."""
        k = len(self.means)
        if stratified:
            offset = torch.rand(1, generator=generator, dtype=torch.float32)
            component = ((torch.arange(n) + offset) * (k / n)).long() % k
        else:
            component = torch.randint(k, (n,), generator=generator)
        deviation = _normal(n, self.dim, generator).to(self.means)
        return component.to(deviation.device), deviation

    def place(self, component: Tensor, deviation: Tensor) -> Tensor:
        """Noise (n, dim): the mean of each component (n,) plus the scaled deviation (n, dim)."""
        return self.means[component] + self.scale * deviation


class NormalMixturePrior(Prior):
    """A mixture of normal distributions that was fitted to points, with learned corrections.

    A component draws ``mean + factor (e + shift + stretch e)`` with standard normal e. Shift and
    stretch are learned, from zero: in units of the component, so that steps of the optimiser do
    not blur narrow components. Stratified draws give each component its share of the batch, up to
    one draw.

    Parameters
    ----------
    dim : int
        Dimension of the points.
    n_components : int
        Number of components. Until `fill` they are standard normal distributions.
    """

    weights: Tensor  # (c,)
    means: Tensor  # (c, dim)
    factors: Tensor  # (c, dim, dim)

    def __init__(self, dim: int, n_components: int) -> None:
        super().__init__(dim)
        c = n_components
        self.register_buffer("weights", torch.full((c,), 1 / c, dtype=torch.float32))
        self.register_buffer("means", torch.zeros(c, dim, dtype=torch.float32))
        identity = torch.eye(dim, dtype=torch.float32).repeat(c, 1, 1)
        self.register_buffer("factors", identity)
        self.shifts = nn.Parameter(torch.zeros_like(self.means))
        self.stretches = nn.Parameter(torch.zeros_like(identity))

    def fill(self, weights: Tensor, means: Tensor, factors: Tensor) -> None:
        """Take the parameters of a fitted mixture."""
        for own, fitted in zip(
            (self.weights, self.means, self.factors), (weights, means, factors), strict=True
        ):
            own.copy_(fitted)

    def forward(self, n: int, generator: torch.Generator, *, stratified: bool = False) -> Tensor:
        """Draw noise (n, dim); the strata are the components."""
        if stratified:
            offset = torch.rand(1, generator=generator, dtype=torch.float32)
            share = (torch.arange(n) + offset) / n
        else:
            share = torch.rand(n, generator=generator, dtype=torch.float32)
        deviation = _normal(n, self.dim, generator).to(self.means)
        borders = self.weights.cumsum(0)
        component = torch.searchsorted(borders, share.to(borders), right=True)
        component = component.clamp_max(len(borders) - 1)
        stretched = torch.einsum("nkl,nl->nk", self.stretches[component], deviation)
        local = deviation + self.shifts[component] + stretched
        return self.means[component] + torch.einsum("nkl,nl->nk", self.factors[component], local)


def _normal(n: int, dim: int, generator: torch.Generator | None) -> Tensor:
    """Draw standard normal noise (n, dim) in float32, whatever torch's default dtype is."""
    return torch.randn(n, dim, generator=generator, dtype=torch.float32)
