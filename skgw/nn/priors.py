"""Distributions of the noise that a generator turns into samples."""

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
        """Draw noise (n, dim) with a CPU generator; `stratified` lowers the batch's variance."""


class GaussianPrior(Prior):
    """The standard normal distribution."""

    origin: Tensor  # knows the device

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.register_buffer("origin", torch.zeros(dim), persistent=False)

    def forward(self, n: int, generator: torch.Generator, *, stratified: bool = False) -> Tensor:
        """Draw noise (n, dim); there are no strata."""
        return _normal(n, self.dim, generator).to(self.origin)


class MixturePrior(Prior):
    """Gaussians of equal weight with learned means.

    A network is continuous, so that a connected prior cannot reach separate clusters without a
    bridge of samples between them; the components of a mixture can part. Stratified draws give each
    component its share of the batch, up to rounding where the size of the batch is no multiple of
    `n_components`, so that the generated batch hardly fluctuates in how much mass it puts where.

    Parameters
    ----------
    dim : int
        Dimension of the noise.
    n_components : int
        Number of Gaussians.
    scale : float
        Their standard deviation; the means are drawn from the standard normal distribution.
    """

    def __init__(self, dim: int, n_components: int, scale: float) -> None:
        super().__init__(dim)
        self.scale = scale
        self.means = nn.Parameter(_normal(n_components, dim))

    def forward(self, n: int, generator: torch.Generator, *, stratified: bool = False) -> Tensor:
        """Draw noise (n, dim); strata are the components."""
        return self.place(*self.draw(n, generator, stratified=stratified))

    def draw(
        self, n: int, generator: torch.Generator, *, stratified: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Draw components (n,), and standard normal deviations (n, dim) from their means."""
        k = len(self.means)
        if stratified:
            offset = torch.rand(1, generator=generator, dtype=torch.float32)
            component = ((torch.arange(n) + offset) * (k / n)).long() % k
        else:
            component = torch.randint(k, (n,), generator=generator)
        deviation = _normal(n, self.dim, generator).to(self.means)
        return component.to(deviation.device), deviation

    def place(self, component: Tensor, deviation: Tensor) -> Tensor:
        """The noise (n, dim) at these deviations (n, dim) from the means of components (n,)."""
        return self.means[component] + self.scale * deviation


def _normal(n: int, dim: int, generator: torch.Generator | None = None) -> Tensor:
    """Standard normal noise (n, dim); the draw depends on the dtype, so that one is fixed."""
    return torch.randn(n, dim, generator=generator, dtype=torch.float32)
