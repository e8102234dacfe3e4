"""Generators of points: a prior, a network, and their specification."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from skgw.fields import OneOf, PositiveInteger
from skgw.nn.adversaries import NearIsometry
from skgw.nn.convolutions import ImageShape, check_image_shape, conv_decoder
from skgw.nn.image_networks import IMAGE_NETWORKS, image_generator, image_generator_shapes
from skgw.nn.networks import (
    NETWORKS,
    OUTPUT_ACTIVATIONS,
    NetworkFactory,
    Shapes,
    check_layer_sizes,
    check_name,
    custom_network,
    mlp,
    named_shape_errors,
    weight_source,
)
from skgw.nn.priors import GaussianPrior, MixturePrior, NormalMixturePrior, Prior
from skgw.nn.weight_shapes import conv_decoder_shapes, mlp_shapes, prefixed
from skgw.storable import storable

COMPONENT_STD = 0.5  # of a component of the prior, relative to the standard deviation of the means


class Generator(nn.Module):
    """A network that maps noise to points.

    Parameters
    ----------
    prior : Prior
        Distribution of the noise.
    network : Module
        Maps noise (n, prior.dim) to points (n, k).
    n_outputs : int
        Dimension k of the points.
    output_activation : {"identity", "logistic", "tanh"}, default="identity"
        What follows the network: its values are unbounded, in (0, 1), or in (-1, 1).
    """

    scale: Tensor  # (k,), not learned; the step size of the optimiser along each axis
    origin: Tensor  # (k,), not learned; the point at which the network returns zero

    def __init__(
        self,
        prior: Prior,
        network: nn.Module,
        n_outputs: int,
        output_activation: str = "identity",
    ) -> None:
        super().__init__()
        self.prior, self.network = prior, network
        self.activation = OUTPUT_ACTIVATIONS[output_activation]()
        self.register_buffer("scale", torch.ones(n_outputs, dtype=torch.float32))
        self.register_buffer("origin", torch.zeros(n_outputs, dtype=torch.float32))

    def forward(self, n: int, generator: torch.Generator, *, stratified: bool = False) -> Tensor:
        """Draw points (n, k); `stratified` noise lowers the variance of the batch."""
        return self.points(self.prior(n, generator, stratified=stratified))

    def points(self, noise: Tensor) -> Tensor:
        """Map noise (n, prior.dim) to points (n, k).

        Raises
        ------
        ValueError
            If the network takes noise of another dimension, or returns points of another dimension.
        """
        with named_shape_errors(noise, "generator"):
            points: Tensor = self.network(noise)
        if points.shape != (len(noise), len(self.scale)):
            raise ValueError(
                f"The generator returns an array of shape {tuple(points.shape)} for {len(noise)} "
                f"points, but n_components is {len(self.scale)}."
            )
        return torch.addcmul(self.origin, self.scale, self.activation(points))

    @property
    def midpoint(self) -> float | None:
        """Middle of the values of the network, in units of `scale`; None if they are unbounded."""
        if isinstance(self.activation, nn.Identity):
            return None
        return 0.5 if isinstance(self.activation, nn.Sigmoid) else 0.0


@storable
@dataclass(frozen=True)
class GeneratorSpec:
    """Specification of a generator.

    Attributes
    ----------
    n_outputs, latent_dim : int
        Dimensions of points and noise.
    network : {"mlp", "conv", "infogan", "dcgan", "dcgan-no-norm", "wae"}, Module or callable
        Architecture, see `skgw.nn.image_generator` for the last four. A module is copied; a
        callable takes (latent_dim, n_outputs) and returns a module.
    hidden_layer_sizes : tuple of int
        Widths of the hidden layers for "mlp"; channels for "conv", from the image inwards, where
        each layer halves the image. Other networks ignore it.
    n_prior_components : int
        Number of Gaussians of the prior; 1 is the standard normal distribution.
    output_shape : (int, int, int), default=None
        Channels, height and width in pixels, required by all names but "mlp". The product is
        `n_outputs`.
    output_activation : {"identity", "logistic", "tanh"}, default="identity"
        What follows the network, see `Generator`.
    residual : bool, default=False
        Whether the noise is a `NormalMixturePrior` in the space of the points, which an "mlp" moves
        by a residual, zero at first. Then `latent_dim` is `n_outputs`.

    Examples
    --------
    >>> import torch
    >>> spec = GeneratorSpec(2, 8, "mlp", (16,), n_prior_components=4)
    >>> spec.build(seed=0)(5, torch.Generator().manual_seed(0)).shape
    torch.Size([5, 2])
    """

    n_outputs: PositiveInteger
    latent_dim: PositiveInteger
    network: str | nn.Module | NetworkFactory
    hidden_layer_sizes: tuple[Any, ...]
    n_prior_components: PositiveInteger
    output_shape: ImageShape | None = None
    output_activation: Annotated[str, OneOf(*OUTPUT_ACTIVATIONS)] = "identity"
    residual: bool = False

    def _check(self) -> None:
        check_name(self.network, (*NETWORKS, *IMAGE_NETWORKS))
        if self.residual and (self.latent_dim != self.n_outputs or self.network != "mlp"):
            raise ValueError("A residual generator is an mlp with noise in the space of its points")

    @property
    def shape(self) -> tuple[int, int]:
        """Dimensions of noise and points."""
        return self.latent_dim, self.n_outputs

    def weight_shapes(self) -> Shapes | None:
        """Names and shapes of all weights; None for a module or a callable."""
        if not isinstance(self.network, str):
            return None
        own: list[tuple[str, tuple[int, ...]]] = [
            (name, (self.n_outputs,)) for name in ("scale", "origin")
        ]
        c, d = self.n_prior_components, self.latent_dim
        if self.residual:
            own += [("prior.weights", (c,)), ("network.gain", ())]
            own += [(f"prior.{name}", (c, d)) for name in ("means", "shifts")]
            own += [(f"prior.{name}", (c, d, d)) for name in ("factors", "stretches")]
            return itertools.chain(own, prefixed("network.network", self._network_shapes()))
        if c > 1:
            own.append(("prior.means", (c, d)))
        return itertools.chain(own, prefixed("network", self._network_shapes()))

    def _network_shapes(self) -> Shapes:
        if self.network in IMAGE_NETWORKS:
            return image_generator_shapes(str(self.network), self.latent_dim, self._image_shape())
        check_layer_sizes(self.hidden_layer_sizes)
        if self.network == "conv":
            sizes = self.hidden_layer_sizes
            return conv_decoder_shapes(self.latent_dim, sizes, self._image_shape())
        return mlp_shapes((self.latent_dim, *self.hidden_layer_sizes, self.n_outputs))

    def build(self, seed: int = 0) -> Generator:
        """Build a generator with fresh weights in float32.

        The global random state is left unchanged, also by threads that build at the same time.

        Parameters
        ----------
        seed : int, default=0
            Seed of the initial weights.

        Returns
        -------
        Generator

        Raises
        ------
        ValueError
            If a hidden layer has no positive number of units, if the hidden layers halve the image
            too often, if the image is too small for the network, or if a network of images has no
            `output_shape` of `n_outputs` values.
        TypeError
            If a callable returns anything but a module.
        """
        source = weight_source(seed)
        prior, network = self._prior(source), self._network(source)
        return Generator(prior, network, self.n_outputs, self.output_activation).float()

    def _prior(self, source: torch.Generator) -> Prior:
        if self.residual:
            return NormalMixturePrior(self.latent_dim, self.n_prior_components)
        if self.n_prior_components == 1:
            return GaussianPrior(self.latent_dim)
        return MixturePrior(self.latent_dim, self.n_prior_components, COMPONENT_STD, source)

    def _network(self, source: torch.Generator) -> nn.Module:
        if not isinstance(self.network, str):
            dims = self.latent_dim, self.n_outputs
            return custom_network(self.network, *dims, source, name="generator")
        if self.network in IMAGE_NETWORKS:
            return image_generator(self.network, self.latent_dim, self._image_shape(), source)
        check_layer_sizes(self.hidden_layer_sizes)
        if self.network == "conv":
            sizes = self.hidden_layer_sizes
            return conv_decoder(self.latent_dim, sizes, self._image_shape(), source)
        network = mlp((self.latent_dim, *self.hidden_layer_sizes, self.n_outputs), source)
        return NearIsometry(network, self.n_outputs) if self.residual else network

    def _image_shape(self) -> ImageShape:
        return check_image_shape(self.output_shape, self.n_outputs, name="output_shape")
