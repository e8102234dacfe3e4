"""Maps of a space to itself that begin as the identity."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from skgw.nn.networks import mlp, seeded_weights
from skgw.storable import storable


class ResidualMap(nn.Module):
    """``x + network(x)``, whose last layer begins at zero."""

    def __init__(self, network: nn.Sequential) -> None:
        super().__init__()
        self.network = network
        last = network[-1]
        for weights in last.parameters():
            nn.init.zeros_(weights)

    def forward(self, x: Tensor) -> Tensor:
        """Points (n, d), moved."""
        return x + torch.as_tensor(self.network(x))


@storable
@dataclass(frozen=True)
class ResidualSpec:
    """How to build a residual map of points (n, dim).

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
        """The map with fresh weights, in float32."""
        with seeded_weights(seed):
            return ResidualMap(mlp((self.dim, *self.hidden_layer_sizes, self.dim)))
