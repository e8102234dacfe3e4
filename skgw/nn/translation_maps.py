"""Networks from the rows of one domain to the rows of another domain."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from skgw.fields import PositiveInteger
from skgw.nn.convolutions import CONVOLUTION, ImageShape, check_image_shape, halved_shapes
from skgw.nn.networks import (
    NETWORKS,
    NetworkFactory,
    Shapes,
    check_layer_sizes,
    check_name,
    custom_network,
    mlp,
    named_shape_errors,
    new_layer,
    weight_source,
)
from skgw.nn.weight_shapes import KERNEL, mlp_shapes, prefixed
from skgw.storable import storable


def conv_map(
    image_shape: ImageShape,
    channels: Sequence[int],
    n_output_channels: int,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """Build a convolutional network from images to images of the same size, in float32.

    Each hidden layer halves the image, then each mirrored layer doubles it. No layer is dense, so
    that an output pixel depends on the pixels around it.

    Parameters
    ----------
    image_shape : (int, int, int)
        Channels, height and width in pixels.
    channels : sequence of int
        Channels of the hidden layers that halve the image.
    n_output_channels : int
    generator : torch.Generator, optional
        Source of the weights; by default the global generator of torch.

    Returns
    -------
    Sequential
        Maps flat images (n, c * h * w) to flat images (n, n_output_channels * h * w).

    Raises
    ------
    ValueError
        If there is no hidden layer, or if the hidden layers halve the image below one pixel.
    """
    shapes = halved_shapes(image_shape, channels)
    mirrored = [*shapes[:0:-1], (n_output_channels, *image_shape[1:])]
    layers: list[nn.Module] = [nn.Unflatten(1, image_shape)]
    for before, after in itertools.pairwise(shapes):
        sizes = before[0], after[0]
        layers += [new_layer(nn.Conv2d, *sizes, generator=generator, **CONVOLUTION), nn.ReLU()]
    for before, after in itertools.pairwise(mirrored):
        rest = after[1] % 2, after[2] % 2  # pixels lost by rounding down
        doubling = new_layer(
            nn.ConvTranspose2d, before[0], after[0], generator=generator,
            output_padding=rest, **CONVOLUTION,
        )  # fmt: skip
        layers += [doubling, nn.ReLU()]
    return nn.Sequential(*layers[:-1], nn.Flatten())


class TranslationMap(nn.Module):
    """A network from rows (n, p) to rows (n, q).

    Parameters
    ----------
    network : Module
    n_outputs : int
        Number q of columns of the outputs.
    residual : bool
        Whether the network gives the difference between output and input, for p = q.
    """

    def __init__(self, network: nn.Module, n_outputs: int, *, residual: bool) -> None:
        super().__init__()
        self.network, self.n_outputs, self.residual = network, n_outputs, residual

    def forward(self, x: Tensor) -> Tensor:
        """Map rows (n, p) to rows (n, q).

        Raises
        ------
        ValueError
            If the network takes or returns rows of another dimension.
        """
        with named_shape_errors(x, "network of the map"):
            mapped: Tensor = self.network(x)
        if mapped.shape != (len(x), self.n_outputs):
            raise ValueError(
                f"The network of the map returns an array of shape {tuple(mapped.shape)}, expected "
                f"{(len(x), self.n_outputs)}."
            )
        return x + mapped if self.residual else mapped


@storable
@dataclass(frozen=True)
class MapSpec:
    """Specification of a map between two domains.

    Attributes
    ----------
    n_inputs, n_outputs : int
        Numbers of columns of the two domains.
    network : {"mlp", "conv"} or callable, default="mlp"
        A callable takes (n_inputs, n_outputs) and returns a module.
    hidden_layer_sizes : tuple of int, default=(256, 256)
        Widths of the hidden layers of "mlp"; channels of the layers of "conv" that halve the image,
        see `conv_map`.
    image_shape, output_shape : (int, int, int), default=None
        Channels, height and width of the images of the two domains, for "conv": of equal height
        and width.
    residual : bool, default=False
        Whether the map is ``x + network(x)``, for domains of equal width.

    Examples
    --------
    >>> import torch
    >>> spec = MapSpec(64, 128, "conv", (8,), (1, 8, 8), (2, 8, 8))
    >>> spec.build(seed=0)(torch.zeros(5, 64)).shape
    torch.Size([5, 128])
    """

    n_inputs: PositiveInteger
    n_outputs: PositiveInteger
    network: str | NetworkFactory = "mlp"
    hidden_layer_sizes: tuple[Any, ...] = (256, 256)
    image_shape: tuple[int, ...] | None = None
    output_shape: tuple[int, ...] | None = None
    residual: bool = False

    def _check(self) -> None:
        check_name(self.network, NETWORKS)
        if self.residual and self.n_inputs != self.n_outputs:
            raise ValueError(
                f"A residual map adds a network to the row, and the rows of the domains have "
                f"{self.n_inputs} and {self.n_outputs} columns."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of columns of the two domains."""
        return self.n_inputs, self.n_outputs

    def weight_shapes(self) -> Shapes | None:
        """Names and shapes of all weights; None for a callable."""
        if not isinstance(self.network, str):
            return None
        sizes = self.hidden_layer_sizes
        check_layer_sizes(sizes)
        if self.network == "mlp":
            return prefixed("network", mlp_shapes((self.n_inputs, *sizes, self.n_outputs)))
        return prefixed("network", self._conv_shapes())

    def build(self, seed: int = 0) -> TranslationMap:
        """Build the map with fresh weights in float32.

        Raises
        ------
        ValueError
            If a hidden layer has no positive number of units, or if "conv" has no shapes of images
            that fit the columns and have one height and width.
        TypeError
            If a callable returns anything but a module.
        """
        source = weight_source(seed)
        if not isinstance(self.network, str):
            made = custom_network(self.network, *self.shape, source, name="network").float()
        else:
            check_layer_sizes(self.hidden_layer_sizes)
            if self.network == "mlp":
                made = mlp((self.n_inputs, *self.hidden_layer_sizes, self.n_outputs), source)
            else:
                given, output = self._image_shapes()
                made = conv_map(given, self.hidden_layer_sizes, output[0], source)
        return TranslationMap(made, self.n_outputs, residual=self.residual)

    def _image_shapes(self) -> tuple[ImageShape, ImageShape]:
        given = check_image_shape(self.image_shape, self.n_inputs, name="image_shape")
        output = check_image_shape(self.output_shape, self.n_outputs, name="image_shape")
        if given[1:] != output[1:]:
            raise ValueError(
                f'network="conv" maps images to images of the same height and width, got {given} '
                f'and {output}: resize the images, or use network="mlp".'
            )
        return given, output

    def _conv_shapes(self) -> Shapes:
        given, output = self._image_shapes()
        widths = [c for c, _, _ in halved_shapes(given, self.hidden_layer_sizes)]
        layers = [(n_out, (n_out, n_in)) for n_in, n_out in itertools.pairwise(widths)]
        back = [*widths[:0:-1], output[0]]
        layers += [(n_out, (n_in, n_out)) for n_in, n_out in itertools.pairwise(back)]
        for i, (n_outputs, sizes) in enumerate(layers):
            yield f"{2 * i + 1}.weight", (*sizes, *KERNEL)
            yield f"{2 * i + 1}.bias", (n_outputs,)
