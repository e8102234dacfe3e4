"""Prior distributions of the noise that a generator maps to points."""

from __future__ import annotations

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


def _normal(n: int, dim: int, generator: torch.Generator | None) -> Tensor:
    """Draw standard normal noise (n, dim) in float32, whatever torch's default dtype is."""
    return torch.randn(n, dim, generator=generator, dtype=torch.float32)
