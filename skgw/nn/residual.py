"""Residual maps of a space to itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from skgw.nn.networks import mlp, seeded_weights
from skgw.storable import storable


class ResidualMap(nn.Module):
    """The map ``x + network(x)``, initialised as the identity: the last layer starts at zero."""

    def __init__(self, network: nn.Sequential) -> None:
        super().__init__()
        self.network = network
        last = network[-1]
        for weights in last.parameters():
            nn.init.zeros_(weights)

    def forward(self, x: Tensor) -> Tensor:
        """Map points (n, d) to points (n, d)."""
        return x + torch.as_tensor(self.network(x))


@storable
@dataclass(frozen=True)
class ResidualSpec:
    """Specification of a residual map.

    Attributes
    ----------
    dim : int
        Dimension of the points.
    hidden_layer_sizes : tuple of int, default=(128, 128)
        Widths of the hidden layers.

    Examples
    --------
    >>> import torch
    >>> points = torch.randn(4, 3)
    >>> bool((ResidualSpec(3).build()(points) == points).all())
    True
    """

    dim: int
    hidden_layer_sizes: tuple[int, ...] = (128, 128)

    def build(self, seed: int = 0) -> ResidualMap:
        """Build the map with fresh weights in float32."""
        with seeded_weights(seed):
            return ResidualMap(mlp((self.dim, *self.hidden_layer_sizes, self.dim)))
