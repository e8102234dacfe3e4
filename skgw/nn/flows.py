"""Normalizing flows of affine couplings: bijections with an exact log determinant.

A flow maps rows to codes by blocks of an `ActNorm` and an `AffineCoupling`. Every block has an
inverse and a triangular Jacobian, so that the flow gives the exact density of a row under a
standard normal distribution of the codes.

References
----------
:cite:t:`dinh2017`, affine couplings; :cite:t:`kingma2018`, `ActNorm`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from skgw.fields import OneOf, PositiveInteger
from skgw.nn.convolutions import check_image_shape
from skgw.nn.image_networks import SAME_SIZE
from skgw.nn.networks import (
    NETWORKS,
    Shapes,
    check_layer_sizes,
    mlp,
    new_layer,
    weight_source,
)
from skgw.nn.weight_shapes import mlp_shapes, prefixed
from skgw.storable import storable

MAX_LOG_FACTOR = 2.0  # of a coordinate in one coupling
MIN_STD = 1e-3  # of a coordinate of the rows that an ActNorm starts from
LOG_TWO_PI = math.log(2 * math.pi)


class ActNorm(nn.Module):
    """The map ``(x - shift) * exp(log_factor)``, which standardises the rows it starts from.

    Parameters
    ----------
    dim : int
        Number of coordinates d.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(dim, dtype=torch.float32))
        self.log_factor = nn.Parameter(torch.zeros(dim, dtype=torch.float32))

    @torch.no_grad()
    def start_at(self, x: Tensor) -> None:
        """Standardise each coordinate of rows (n, d)."""
        self.shift.copy_(x.mean(0))
        self.log_factor.copy_(-x.std(0, correction=0).clamp_min(MIN_STD).log())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images (n, d) of rows (n, d), and the log determinant of each row, (n,)."""
        return (x - self.shift) * self.log_factor.exp(), self.log_factor.sum().expand(len(x))

    def inverse(self, z: Tensor) -> Tensor:
        """Rows (n, d) of images (n, d)."""
        return z * (-self.log_factor).exp() + self.shift


class AffineCoupling(nn.Module):
    """Half of the coordinates give factors and shifts of the other half.

    The map is ``x exp(s) + t`` in the moved coordinates, where s and t are functions of the kept
    coordinates, and the identity in the kept ones.

    Parameters
    ----------
    network : Module
        Maps the kept coordinates (n, d), with zeros in place of the moved ones, to (n, 2 d). Its
        last layer starts at zero, so that the coupling starts as the identity.
    kept : Tensor of shape (d,)
        1 for the kept coordinates, 0 for the moved ones.
    """

    kept: Tensor

    def __init__(self, network: nn.Module, kept: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("kept", kept, persistent=False)

    def _factors_and_shifts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept = self.kept.to(x.dtype)
        raw, shift = self.network(x * kept).chunk(2, dim=1)
        log_factor = MAX_LOG_FACTOR * torch.tanh(raw / MAX_LOG_FACTOR)
        return log_factor * (1 - kept), shift * (1 - kept)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images (n, d) of rows (n, d), and the log determinant of each row, (n,)."""
        log_factor, shift = self._factors_and_shifts(x)
        return x * log_factor.exp() + shift, log_factor.sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        """Rows (n, d) of images (n, d)."""
        log_factor, shift = self._factors_and_shifts(z)
        return (z - shift) * (-log_factor).exp()


class FlowBlock(nn.Module):
    """An `ActNorm`, then an `AffineCoupling`."""

    def __init__(self, norm: ActNorm, coupling: AffineCoupling) -> None:
        super().__init__()
        self.norm, self.coupling = norm, coupling

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images (n, d) of rows (n, d), and the log determinant of each row, (n,)."""
        x, first = self.norm(x)
        x, second = self.coupling(x)
        return x, first + second

    def inverse(self, z: Tensor) -> Tensor:
        """Rows (n, d) of images (n, d)."""
        return self.norm.inverse(self.coupling.inverse(z))


class Flow(nn.Module):
    """A bijection between rows and codes of the same dimension, by blocks.

    Parameters
    ----------
    blocks : sequence of FlowBlock
        From the rows to the codes.
    """

    def __init__(self, blocks: list[FlowBlock]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Codes (n, d) of rows (n, d), and the log determinant of each row, (n,)."""
        log_determinant = x.new_zeros(len(x))
        for block in self.blocks:
            x, own = block(x)
            log_determinant = log_determinant + own
        return x, log_determinant

    def encode(self, x: Tensor) -> Tensor:
        """Codes (n, d) of rows (n, d)."""
        codes: Tensor = self(x)[0]
        return codes

    def decode(self, z: Tensor) -> Tensor:
        """Rows (n, d) of codes (n, d): the exact inverse of `encode`."""
        for block in reversed(self.blocks):
            z = block.inverse(z)  # type: ignore[operator]
        return z

    def log_density(self, x: Tensor) -> Tensor:
        """Log density (n,) of rows (n, d), in nats, for standard normal codes."""
        z, log_determinant = self(x)
        return log_determinant - 0.5 * (z.square() + LOG_TWO_PI).sum(1)


@storable
@dataclass(frozen=True)
class FlowSpec:
    """Specification of a flow.

    Attributes
    ----------
    n_features : int
        Dimension d of rows and codes.
    n_blocks : int, default=8
        Number of blocks. The blocks 2 i and 2 i + 1 keep complementary halves of the coordinates:
        random halves for "mlp", the squares of a chessboard for "conv".
    network : {"mlp", "conv"}, default="mlp"
        Network of the couplings; "conv" has 3 x 3 filters and keeps the size of the image.
    hidden_layer_sizes : tuple of int, default=(128, 128)
        Hidden layers of a coupling: widths of "mlp", channels of "conv".
    image_shape : (int, int, int), default=None
        Channels, height and width in pixels, for "conv".

    Examples
    --------
    >>> import torch
    >>> flow = FlowSpec(4, n_blocks=2, hidden_layer_sizes=(8,)).build(seed=0)
    >>> x = torch.randn(5, 4)
    >>> torch.allclose(flow.decode(flow.encode(x)), x, atol=1e-5)
    True
    """

    n_features: PositiveInteger
    n_blocks: PositiveInteger = 8
    network: Annotated[str, OneOf(*NETWORKS)] = "mlp"
    hidden_layer_sizes: tuple[Any, ...] = (128, 128)
    image_shape: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Dimension of the rows, twice."""
        return self.n_features, self.n_features

    def weight_shapes(self) -> Shapes:
        """Names and shapes of all weights."""
        return itertools.chain.from_iterable(map(self._block_shapes, range(self.n_blocks)))

    def build(self, seed: int = 0) -> Flow:
        """Build the flow with fresh weights in float32; the masks do not depend on the seed.

        Raises
        ------
        ValueError
            If a hidden layer has no positive number of units, or if "conv" has no `image_shape` of
            `n_features` values.
        """
        source = weight_source(seed)
        check_layer_sizes(self.hidden_layer_sizes)
        return Flow([self._block(i, source) for i in range(self.n_blocks)])

    def _block(self, i: int, source: torch.Generator) -> FlowBlock:
        kept = self._chessboard() if self.network == "conv" else self._random_half(i // 2)
        coupling = AffineCoupling(self._coupling_network(source), 1 - kept if i % 2 else kept)
        return FlowBlock(ActNorm(self.n_features), coupling)

    def _coupling_network(self, source: torch.Generator) -> nn.Sequential:
        if self.network == "mlp":
            sizes = (self.n_features, *self.hidden_layer_sizes, 2 * self.n_features)
            network = mlp(sizes, source)
            last = network[-1]
        else:
            shape = check_image_shape(self.image_shape, self.n_features, name="image_shape")
            widths = (shape[0], *self.hidden_layer_sizes, 2 * shape[0])
            layers: list[nn.Module] = [nn.Unflatten(1, shape)]
            for width_in, width_out in itertools.pairwise(widths):
                last = new_layer(nn.Conv2d, width_in, width_out, generator=source, **SAME_SIZE)
                layers += [last, nn.ReLU()]
            network = nn.Sequential(*layers[:-1], nn.Flatten())
        for weights in last.parameters():
            nn.init.zeros_(weights)
        return network

    def _block_shapes(self, i: int) -> Shapes:
        d, sizes = self.n_features, self.hidden_layer_sizes
        check_layer_sizes(sizes)
        yield f"blocks.{i}.norm.shift", (d,)
        yield f"blocks.{i}.norm.log_factor", (d,)
        prefix = f"blocks.{i}.coupling.network"
        if self.network == "mlp":
            yield from prefixed(prefix, mlp_shapes((d, *sizes, 2 * d)))
            return
        c, _, _ = check_image_shape(self.image_shape, d, name="image_shape")
        kernel = 2 * (SAME_SIZE["kernel_size"],)
        for j, (n_in, n_out) in enumerate(itertools.pairwise((c, *sizes, 2 * c))):
            yield f"{prefix}.{2 * j + 1}.weight", (n_out, n_in, *kernel)
            yield f"{prefix}.{2 * j + 1}.bias", (n_out,)

    def _random_half(self, i: int) -> Tensor:
        order = torch.randperm(self.n_features, generator=weight_source(i), device="cpu")
        return (order < self.n_features // 2).to(torch.float32)

    def _chessboard(self) -> Tensor:
        c, h, w = check_image_shape(self.image_shape, self.n_features, name="image_shape")
        rows, columns = torch.arange(h, device="cpu")[:, None], torch.arange(w, device="cpu")
        board = ((rows + columns) % 2).to(torch.float32)
        return board.expand(c, h, w).flatten()
