"""EmbeddingGenerator: the trained generator in the coordinates of the embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skgw.nn import Generator, Prior
from skgw.spaces.finite import Array


class EmbeddingGenerator(nn.Module):
    """Maps latents to points of an embedding.

    Parameters
    ----------
    network : Generator
        Maps latents to points in units of `scale`.
    scale : float
        RMS distance of the data.
    axes : pair of arrays of shape (k,) and (k, k), or None
        Origin and axes of the embedding among the points of the network; None: the same
        coordinates.
    dtype : torch.dtype
        Type of the points.
    """

    scale: Tensor  # ()
    origin: Tensor | None  # (k,)
    axes: Tensor | None  # (k, k)

    def __init__(
        self,
        network: Generator,
        scale: float,
        axes: tuple[Array, Array] | None,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.network = network
        origin, directions = axes or (None, None)
        for name, value in (("scale", scale), ("origin", origin), ("axes", directions)):
            buffer = None if value is None else torch.tensor(value, dtype=dtype)
            self.register_buffer(name, buffer)

    @property
    def prior(self) -> Prior:
        """Distribution of the latents: ``prior(n, torch.Generator())`` draws n latents."""
        return self.network.prior

    def forward(self, latent: Tensor) -> Tensor:
        """Map latents (n, latent_dim) to points (n, k)."""
        points = self.network.points(latent.to(self.network.scale)).to(self.scale)
        if self.origin is None or self.axes is None:
            return self.scale * points
        return (points - self.origin) @ (self.scale * self.axes)
