"""Convolutional encoders and decoders of images in flat rows.

Each hidden layer halves height and width, rounding down, with 4 x 4 filters of stride 2. The
decoder mirrors the encoder and restores the exact height and width, odd or even.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from skgw.nn.networks import new_layer

# Settings of a convolution that halves height and width, rounding down.
CONVOLUTION: dict[str, Any] = {"kernel_size": 4, "stride": 2, "padding": 1}
ImageShape = tuple[int, int, int]  # channels, height, width


def conv_encoder(
    image_shape: ImageShape,
    channels: Sequence[int],
    n_outputs: int,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """Build a convolutional network from images to vectors, in float32.

    Parameters
    ----------
    image_shape : (int, int, int)
        Channels, height and width in pixels.
    channels : sequence of int
        Channels of the hidden layers.
    n_outputs : int
        Dimension of the vectors.
    generator : torch.Generator, optional
        Source of the weights; by default the global generator of torch.

    Returns
    -------
    Sequential
        Maps flat images (n, c * h * w) to vectors (n, n_outputs).

    Raises
    ------
    ValueError
        If there is no hidden layer, or if the hidden layers halve the image below one pixel.
    """
    shapes = halved_shapes(image_shape, channels)
    layers: list[nn.Module] = [nn.Unflatten(1, image_shape)]
    for before, after in itertools.pairwise(shapes):
        sizes = before[0], after[0]
        layers += [new_layer(nn.Conv2d, *sizes, generator=generator, **CONVOLUTION), nn.ReLU()]
    last = new_layer(nn.Linear, math.prod(shapes[-1]), n_outputs, generator=generator)
    return nn.Sequential(*layers, nn.Flatten(), last)


def conv_decoder(
    n_inputs: int,
    channels: Sequence[int],
    image_shape: ImageShape,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """Build a convolutional network from vectors to images, in float32.

    Parameters
    ----------
    n_inputs : int
        Dimension of the vectors.
    channels : sequence of int
        Channels of the hidden layers of the mirrored encoder, in the encoder's order.
    image_shape : (int, int, int)
        Channels, height and width in pixels.
    generator : torch.Generator, optional
        Source of the weights; by default the global generator of torch.

    Returns
    -------
    Sequential
        Maps vectors (n, n_inputs) to flat images (n, c * h * w).

    Raises
    ------
    ValueError
        If there is no hidden layer, or if the hidden layers halve the image below one pixel.
    """
    shapes = halved_shapes(image_shape, channels)[::-1]
    first = new_layer(nn.Linear, n_inputs, math.prod(shapes[0]), generator=generator)
    layers: list[nn.Module] = [first, nn.ReLU(), nn.Unflatten(1, shapes[0])]
    for before, after in itertools.pairwise(shapes):
        rest = after[1] % 2, after[2] % 2  # pixels lost by rounding down in the encoder
        doubling = new_layer(
            nn.ConvTranspose2d, before[0], after[0], generator=generator,
            output_padding=rest, **CONVOLUTION,
        )  # fmt: skip
        layers += [doubling, nn.ReLU()]
    return nn.Sequential(*layers[:-1], nn.Flatten())


def check_image_shape(shape: Sequence[int] | None, n_values: int, *, name: str) -> ImageShape:
    """Check that images of `shape` have `n_values` values.

    Parameters
    ----------
    shape : sequence of int or None
        Channels, height and width in pixels.
    n_values : int
        Number of values of a flat image.
    name : str
        Name of the user's parameter, for the error message.

    Returns
    -------
    (int, int, int)

    Raises
    ------
    ValueError
        If `shape` does not have three entries with product `n_values`.
    """
    if shape is None or len(shape) != 3 or math.prod(shape) != n_values:
        raise ValueError(
            f"Images need {name}=(channels, height, width) of {n_values} values in all, the number "
            f"of features; got {shape}."
        )
    channels, height, width = map(int, shape)
    return channels, height, width


def halved_shapes(image_shape: ImageShape, channels: Sequence[int]) -> list[ImageShape]:
    """Shapes of the input and of each hidden layer of the encoder."""
    _, height, width = image_shape
    if not channels or min(height, width) < 2 ** len(channels):
        raise ValueError(
            f"Images of {height} x {width} pixels cannot be halved {len(channels)} times: "
            "hidden_layer_sizes needs at least one layer, and here at most "
            f"{int(math.log2(min(height, width)))}."
        )
    halved = [(c, height >> i, width >> i) for i, c in enumerate(channels, start=1)]
    return [image_shape, *halved]
