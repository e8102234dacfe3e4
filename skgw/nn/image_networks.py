"""Convolutional networks of the literature, by name, for images in flat rows of any size.

Each name stands for two networks: a generator, from vectors to images, and an encoder, from images
to vectors, which is the body of a critic, of an adversary, or of an autoencoder.

- "infogan": two convolutions and two dense layers; batch normalisation, and leaky ReLU in the
  encoder (Chen et al. 2016, Table 1);
- "dcgan": convolutions only, up to a map of 4 to 7 pixels; batch normalisation, and
  leaky ReLU in the encoder (Radford et al. 2016). "dcgan-no-norm" has no batch normalisation;
- "wae": convolutions of up to 1,024 channels, with batch normalisation and ReLU in both networks
  (Tolstikhin et al. 2018, appendix F), the largest of the networks.

The sources describe networks for images of one or two sizes. Here a convolution halves height and
width, rounding down, and a generator restores the exact size, odd or even. The number of
convolutions follows the size of the image. All filters are 4 x 4, and 3 x 3 where the size stays.
The last layer of a generator is linear. Initial weights are normal with standard deviation 0.02, as
in Radford et al.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from skgw.nn.convolutions import CONVOLUTION, ImageShape
from skgw.nn.networks import Shapes

IMAGE_NETWORKS = "infogan", "dcgan", "dcgan-no-norm", "wae"  # names of architectures
MIN_PIXELS = 4  # smallest height and width of images
WEIGHT_STD = 0.02  # of initial weights, and of initial factors of the normalisation around 1
PATCH_CHANNELS, MAX_PATCH_CHANNELS = 32, 256  # of the first layer of `patch_critic`, of any layer
PATCH_SLOPE = 0.2  # of the leaky ReLU of `patch_critic`
SAME_SIZE: dict[str, Any] = {"kernel_size": 3, "stride": 1, "padding": 1}


@dataclass(frozen=True)
class Architecture:
    """Sizes of the two networks of a name.

    Attributes
    ----------
    channels : tuple of int
        Channels of the maps of the hidden layers, from the image inwards. A small image has fewer
        maps, the outer ones, or the inner ones in a generator with `full_size`.
    smallest : (int, int)
        Least height and width of the innermost map of the generator and of the encoder, in pixels.
    dense : int or None
        Width of the dense hidden layer next to the vectors; None: no such layer.
    slope : float
        Slope of the leaky ReLU of the encoder for negative values; 0 is ReLU.
    normalized : bool
        Whether the hidden layers have batch normalisation.
    normalized_input : bool
        Whether the first layer of the encoder has batch normalisation too.
    full_size : bool
        Whether the last convolution of the generator keeps the size of the map.
    """

    channels: tuple[int, ...]
    smallest: tuple[int, int]
    dense: int | None = None
    slope: float = 0.2
    normalized: bool = True
    normalized_input: bool = False
    full_size: bool = False

    def generator_maps(self, image_shape: ImageShape) -> list[ImageShape]:
        """Shapes of the image and of the hidden maps, from the image inwards."""
        if not self.full_size:
            return _halved(image_shape, self.channels, self.smallest[0])
        halved = _halved(image_shape, self.channels[1:], self.smallest[0])
        sizes = [image_shape, *halved[1:]]
        channels = self.channels[-len(sizes) :]
        hidden = [(c, h, w) for c, (_, h, w) in zip(channels, sizes, strict=True)]
        return [image_shape, *hidden]

    def encoder_maps(self, image_shape: ImageShape) -> list[ImageShape]:
        """Shapes of the image and of the hidden maps, from the image inwards."""
        return _halved(image_shape, self.channels, self.smallest[1])


def _halved(image_shape: ImageShape, channels: tuple[int, ...], smallest: int) -> list[ImageShape]:
    """Shapes of the image and of maps with `channels`, as many as leave `smallest` pixels."""
    _, height, width = image_shape
    if min(height, width) < MIN_PIXELS:
        raise ValueError(
            f"Images of {height} x {width} pixels are too small: {IMAGE_NETWORKS} need "
            f'{MIN_PIXELS} pixels in both directions; "mlp" takes any size.'
        )
    n = max(1, int(math.log2(max(1, min(height, width) // smallest))))
    sizes = enumerate(channels[:n], start=1)
    return [image_shape, *((c, height >> i, width >> i) for i, c in sizes)]


DCGAN_CHANNELS = 128, 256, 512, 1024
ARCHITECTURES = {
    "infogan": Architecture((64, 128), (1, 1), dense=1024, slope=0.1),
    "dcgan": Architecture(DCGAN_CHANNELS, (4, 4)),
    "dcgan-no-norm": Architecture(DCGAN_CHANNELS, (4, 4), normalized=False),
    "wae": Architecture(
        (128, 256, 512, 1024), (7, 1), slope=0.0, normalized_input=True, full_size=True
    ),
}


@dataclass(frozen=True)
class Layer:
    """A linear map with what follows it.

    Attributes
    ----------
    kind : type
        `torch.nn.Linear`, `Conv2d` or `ConvTranspose2d`.
    n_inputs, n_outputs : int
        Widths, or channels.
    slope : float or None
        Slope of the leaky ReLU for negative values; None: no activation.
    normalized : bool
        Whether batch normalisation precedes the activation.
    options : dict
        Other arguments of the convolution.
    """

    kind: type[nn.Module]
    n_inputs: int
    n_outputs: int
    slope: float | None
    normalized: bool
    options: dict[str, Any]

    def build(self, generator: torch.Generator | None) -> Iterator[nn.Module]:
        """The modules, in float32."""
        linear: Any = nn.utils.skip_init(
            self.kind, self.n_inputs, self.n_outputs, dtype=torch.float32, **self.options
        )
        nn.init.normal_(linear.weight, 0.0, WEIGHT_STD, generator=generator)
        nn.init.zeros_(linear.bias)
        yield linear
        if self.normalized:
            kind = nn.BatchNorm1d if self.kind is nn.Linear else nn.BatchNorm2d
            norm = kind(self.n_outputs, dtype=torch.float32)
            nn.init.normal_(norm.weight, 1.0, WEIGHT_STD, generator=generator)
            yield norm
        if self.slope is not None:
            yield nn.LeakyReLU(self.slope) if self.slope else nn.ReLU()

    def weight_shapes(self, position: int) -> Shapes:
        """Names and shapes of the weights of the modules, of which the first is at `position`."""
        kernel = self.options.get("kernel_size")
        tail = () if kernel is None else (kernel, kernel)
        turned = self.kind is nn.ConvTranspose2d
        outer = (self.n_inputs, self.n_outputs) if turned else (self.n_outputs, self.n_inputs)
        yield f"{position}.weight", (*outer, *tail)
        yield f"{position}.bias", (self.n_outputs,)
        if self.normalized:
            for name in ("weight", "bias", "running_mean", "running_var"):
                yield f"{position + 1}.{name}", (self.n_outputs,)
            yield f"{position + 1}.num_batches_tracked", ()

    @property
    def n_modules(self) -> int:
        """Number of modules that `build` returns."""
        return 1 + self.normalized + (self.slope is not None)


Plan = list[Layer | nn.Module]  # layers, and changes of shape


def image_generator(
    name: str, n_inputs: int, image_shape: ImageShape, generator: torch.Generator | None = None
) -> nn.Sequential:
    """Build the generator of a name, in float32.

    Parameters
    ----------
    name : {"infogan", "dcgan", "dcgan-no-norm", "wae"}
    n_inputs : int
        Dimension of the vectors.
    image_shape : (int, int, int)
        Channels, height and width in pixels.
    generator : torch.Generator, optional
        Source of the weights; by default the global generator of torch.

    Returns
    -------
    Sequential
        Maps vectors (n, n_inputs) to flat images (n, c * h * w), n at least 2 in training mode with
        batch normalisation.

    Raises
    ------
    ValueError
        If the image has fewer than 4 pixels in a direction.

    References
    ----------
    :cite:t:`chen2016`, :cite:t:`radford2016`, :cite:t:`tolstikhin2018`.

    Examples
    --------
    >>> import torch
    >>> image_generator("infogan", 5, (1, 9, 8))(torch.randn(3, 5)).shape
    torch.Size([3, 72])
    """
    return _build(_generator_plan(name, n_inputs, image_shape), generator)


def image_encoder(
    name: str, image_shape: ImageShape, n_outputs: int, generator: torch.Generator | None = None
) -> nn.Sequential:
    """Build the encoder of a name, in float32.

    Parameters
    ----------
    name : {"infogan", "dcgan", "dcgan-no-norm", "wae"}
    image_shape : (int, int, int)
        Channels, height and width in pixels.
    n_outputs : int
        Dimension of the vectors; 1 for a critic.
    generator : torch.Generator, optional
        Source of the weights; by default the global generator of torch.

    Returns
    -------
    Sequential
        Maps flat images (n, c * h * w) to vectors (n, n_outputs).

    Raises
    ------
    ValueError
        As for `image_generator`.

    References
    ----------
    :cite:t:`chen2016`, :cite:t:`radford2016`, :cite:t:`tolstikhin2018`.

    Examples
    --------
    >>> import torch
    >>> image_encoder("dcgan", (1, 8, 8), 2)(torch.randn(3, 64)).shape
    torch.Size([3, 2])
    """
    return _build(_encoder_plan(name, image_shape, n_outputs), generator)


def patch_critic(
    image_shape: ImageShape, n_layers: int, generator: torch.Generator | None = None
) -> nn.Sequential:
    """Build a critic of the patches of an image, in float32.

    Parameters
    ----------
    image_shape : (int, int, int)
        Channels, height and width in pixels.
    n_layers : int
        Number of convolutions that halve the image: patches of 4, 10, 22, 46 pixels in both
        directions for 1, 2, 3, 4. A small image has fewer.
    generator : torch.Generator, optional
        Source of the weights; by default the global generator of torch.

    Returns
    -------
    Sequential
        Maps flat images (n, c * h * w) to one number for each patch, (n, p).

    Raises
    ------
    ValueError
        If the image has fewer than 4 pixels in a direction.

    References
    ----------
    :cite:t:`isola2017`.

    Examples
    --------
    >>> import torch
    >>> patch_critic((1, 8, 8), 2)(torch.randn(3, 64)).shape
    torch.Size([3, 4])
    """
    channels = tuple(min(PATCH_CHANNELS << i, MAX_PATCH_CHANNELS) for i in range(n_layers))
    maps = _halved(image_shape, channels, smallest=1)
    plan: Plan = [nn.Unflatten(1, image_shape)]
    for before, after in itertools.pairwise(maps):
        plan.append(Layer(nn.Conv2d, before[0], after[0], PATCH_SLOPE, False, CONVOLUTION))
    plan.append(Layer(nn.Conv2d, maps[-1][0], 1, None, False, {"kernel_size": 1}))
    return _build([*plan, nn.Flatten()], generator)


def image_generator_shapes(name: str, n_inputs: int, image_shape: ImageShape) -> Shapes:
    """Names and shapes of the weights of `image_generator`."""
    return _shapes(_generator_plan(name, n_inputs, image_shape))


def image_encoder_shapes(name: str, image_shape: ImageShape, n_outputs: int) -> Shapes:
    """Names and shapes of the weights of `image_encoder`."""
    return _shapes(_encoder_plan(name, image_shape, n_outputs))


def _generator_plan(name: str, n_inputs: int, image_shape: ImageShape) -> Plan:
    architecture = ARCHITECTURES[name]
    normalized = architecture.normalized
    maps = architecture.generator_maps(image_shape)[::-1]
    widths = [n_inputs, *([architecture.dense] if architecture.dense else []), math.prod(maps[0])]
    plan: Plan = [
        Layer(nn.Linear, n, m, 0.0, normalized, {}) for n, m in itertools.pairwise(widths)
    ]
    plan.append(nn.Unflatten(1, maps[0]))
    for before, after in itertools.pairwise(maps):
        last = after is image_shape
        kind: type[nn.Module] = nn.Conv2d
        options = SAME_SIZE
        if before[1:] != after[1:]:
            rest = after[1] % 2, after[2] % 2  # pixels lost by rounding down
            kind, options = nn.ConvTranspose2d, CONVOLUTION | {"output_padding": rest}
        slope = None if last else 0.0
        plan.append(Layer(kind, before[0], after[0], slope, normalized and not last, options))
    return [*plan, nn.Flatten()]


def _encoder_plan(name: str, image_shape: ImageShape, n_outputs: int) -> Plan:
    architecture = ARCHITECTURES[name]
    maps, slope = architecture.encoder_maps(image_shape), architecture.slope
    plan: Plan = [nn.Unflatten(1, image_shape)]
    for before, after in itertools.pairwise(maps):
        first = before is image_shape
        normalized = architecture.normalized and (architecture.normalized_input or not first)
        plan.append(Layer(nn.Conv2d, before[0], after[0], slope, normalized, CONVOLUTION))
    plan.append(nn.Flatten())
    width = math.prod(maps[-1])
    if architecture.dense is not None:
        plan.append(Layer(nn.Linear, width, architecture.dense, slope, architecture.normalized, {}))
        width = architecture.dense
    return [*plan, Layer(nn.Linear, width, n_outputs, None, False, {})]


def _build(plan: Plan, generator: torch.Generator | None) -> nn.Sequential:
    modules = (x.build(generator) if isinstance(x, Layer) else [x] for x in plan)
    return nn.Sequential(*itertools.chain.from_iterable(modules))


def _shapes(plan: Plan) -> Shapes:
    position = 0
    for x in plan:
        if isinstance(x, Layer):
            yield from x.weight_shapes(position)
        position += x.n_modules if isinstance(x, Layer) else 1
