"""FeatureMap: a trained network of the adversary in the coordinates of the user."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from skgw.spaces.finite import Array


class FeatureMap(nn.Module):
    """Maps rows, or points of an embedding, to the features whose distances the loss compares.

    Parameters
    ----------
    network : Module
        Maps points in units of `scale` to features (n, s).
    scale : float
        RMS distance of the data, the unit of the features.
    dtype : torch.dtype
        Type of the features.
    origin : array of shape (d,), optional
        Origin of the points of the network among the inputs.
    axes : pair of arrays of shape (k,) and (k, k), optional
        Origin and axes of the inputs among the points of the network.
    """

    scale: Tensor  # ()
    origin: Tensor | None  # (d,)
    mean: Tensor | None  # (k,)
    axes: Tensor | None  # (k, k)

    def __init__(
        self,
        network: nn.Module,
        scale: float,
        dtype: torch.dtype,
        *,
        origin: Array | None = None,
        axes: tuple[Array, Array] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        mean, directions = axes or (None, None)
        values = {"scale": scale, "origin": origin, "mean": mean, "axes": directions}
        for name, value in values.items():
            buffer = None if value is None else torch.tensor(value, dtype=dtype)
            self.register_buffer(name, buffer)

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs (n, d) to features (n, s), in units of the distances of the data."""
        x = x.to(self.scale)
        x = (x if self.origin is None else x - self.origin) / self.scale
        if self.mean is not None and self.axes is not None:
            x = x @ self.axes.T + self.mean
        weights = next(self.network.parameters())
        features: Tensor = self.network(x.to(weights)).to(self.scale)
        return self.scale * features


class AdversaryNetworks(NamedTuple):
    """The trained adversary.

    Attributes
    ----------
    rows : FeatureMap
        Maps rows of the data to features.
    points : FeatureMap
        Maps points of the embedding to features.
    """

    rows: FeatureMap
    points: FeatureMap
