"""Shapes of the weights of named networks, without the networks.

A specification that was read from a file is compared with the weights before the network is built,
so that a network is never larger than its weights.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from skgw.nn.convolutions import CONVOLUTION, ImageShape, halved_shapes
from skgw.nn.networks import Shapes

KERNEL = 2 * (CONVOLUTION["kernel_size"],)


def mlp_shapes(sizes: Sequence[int]) -> Shapes:
    """Weights of `mlp`: a linear layer, then an activation, and so on."""
    for i, (n_inputs, n_outputs) in enumerate(itertools.pairwise(sizes)):
        yield from _layer(2 * i, (n_outputs, n_inputs), n_outputs)


def conv_encoder_shapes(image_shape: ImageShape, channels: Sequence[int], n_outputs: int) -> Shapes:
    """Weights of `conv_encoder`: the image, halving layers with activations, a linear layer."""
    shapes = halved_shapes(image_shape, channels)
    for i, (before, after) in enumerate(itertools.pairwise(shapes)):
        yield from _layer(2 * i + 1, (after[0], before[0], *KERNEL), after[0])
    yield from _layer(2 * len(shapes), (n_outputs, math.prod(shapes[-1])), n_outputs)


def conv_decoder_shapes(n_inputs: int, channels: Sequence[int], image_shape: ImageShape) -> Shapes:
    """Weights of `conv_decoder`: a linear layer, the smallest image, doubling layers."""
    shapes = halved_shapes(image_shape, channels)[::-1]
    size = math.prod(shapes[0])
    yield from _layer(0, (size, n_inputs), size)
    for i, (before, after) in enumerate(itertools.pairwise(shapes)):
        yield from _layer(2 * i + 3, (before[0], after[0], *KERNEL), after[0])


def prefixed(prefix: str, shapes: Shapes) -> Shapes:
    """Weights of a network that is the attribute `prefix` of a larger network."""
    return ((f"{prefix}.{name}", shape) for name, shape in shapes)


def _layer(index: int, weight: tuple[int, ...], n_outputs: int) -> Shapes:
    yield f"{index}.weight", weight
    yield f"{index}.bias", (n_outputs,)
