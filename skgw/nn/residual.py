"""Residual maps of a space to itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from skgw.fields import PositiveInteger
from skgw.nn.networks import Shapes, check_layer_sizes, mlp, weight_source
from skgw.nn.weight_shapes import mlp_shapes, prefixed
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

    dim: PositiveInteger
    hidden_layer_sizes: tuple[int, ...] = (128, 128)

    def _check(self) -> None:
        check_layer_sizes(self.hidden_layer_sizes)

    @property
    def shape(self) -> tuple[int, int]:
        """The dimension of the points, twice."""
        return self.dim, self.dim

    def weight_shapes(self) -> Shapes:
        """Names and shapes of all weights."""
        return prefixed("network", mlp_shapes((self.dim, *self.hidden_layer_sizes, self.dim)))

    def build(self, seed: int = 0) -> ResidualMap:
        """Build the map with fresh weights in float32."""
        sizes = self.dim, *self.hidden_layer_sizes, self.dim
        return ResidualMap(mlp(sizes, weight_source(seed)))
