"""Continuous source distributions of semi-discrete transport."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

N_DRAWS = 2**14  # of a sampler, for its mean and variance
N_SORTED = 2**20  # of a sampler in one dimension, for its quantiles


class Source(ABC):
    """A continuous distribution on R^dim.

    Attributes
    ----------
    dim : int
    mean : Tensor of shape (dim,)
        Mean, in float64.
    scale : float
        Root of the mean variance of a coordinate.
    """

    dim: int
    mean: Tensor
    scale: float

    @abstractmethod
    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw points (n, dim) in float64 with a CPU generator."""

    @abstractmethod
    def quantile(self, levels: Tensor, generator: torch.Generator) -> Tensor:
        """Quantiles (m,) of the first coordinate at levels (m,) in (0, 1)."""


class UniformSource(Source):
    """The uniform distribution on the cube [-1/2, 1/2]^dim.

    Parameters
    ----------
    dim : int
    """

    def __init__(self, dim: int) -> None:
        self.dim, self.scale = dim, 12**-0.5
        self.mean = torch.zeros(dim, dtype=torch.float64)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw points (n, dim)."""
        return torch.rand(n, self.dim, generator=generator, dtype=torch.float64) - 0.5

    def quantile(self, levels: Tensor, generator: torch.Generator) -> Tensor:
        """Quantiles, exactly."""
        return levels - 0.5


class NormalSource(Source):
    """The standard normal distribution.

    Parameters
    ----------
    dim : int
    """

    def __init__(self, dim: int) -> None:
        self.dim, self.scale = dim, 1.0
        self.mean = torch.zeros(dim, dtype=torch.float64)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw points (n, dim)."""
        return torch.randn(n, self.dim, generator=generator, dtype=torch.float64)

    def quantile(self, levels: Tensor, generator: torch.Generator) -> Tensor:
        """Quantiles, exactly."""
        return torch.special.ndtri(levels)


class SampledSource(Source):
    """A distribution that a function draws from.

    Mean and scale are those of 2**14 draws, quantiles those of 2**20.

    Parameters
    ----------
    dim : int
    function : callable
        Takes a number of points and a `torch.Generator` on the CPU, and returns an array or tensor
        (n, dim).
    generator : torch.Generator
        Source of the draws of mean and scale.

    Raises
    ------
    ValueError
        If the function returns points that are not finite, or of another shape.
    """

    def __init__(
        self, dim: int, function: Callable[[int, torch.Generator], Any], generator: torch.Generator
    ) -> None:
        self.dim, self.function = dim, function
        points = self.draw(N_DRAWS, generator)
        self.mean = points.mean(0)
        self.scale = float((points - self.mean).square().mean().sqrt()) or 1.0

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw points (n, dim)."""
        points = torch.as_tensor(self.function(n, generator), dtype=torch.float64, device="cpu")
        if points.shape != (n, self.dim) or not bool(points.isfinite().all()):
            raise ValueError(
                f"The source must return finite points of shape {(n, self.dim)}, got shape "
                f"{tuple(points.shape)}."
            )
        return points

    def quantile(self, levels: Tensor, generator: torch.Generator) -> Tensor:
        """Quantiles of a large sample."""
        points = self.draw(N_SORTED, generator)[:, 0].sort().values
        return points[(levels * N_SORTED).long().clamp(0, N_SORTED - 1)]
