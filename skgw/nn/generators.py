"""Generators: a prior and a network, and how to build and store them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from skgw.nn.convolutions import ImageShape, check_image_shape, conv_decoder
from skgw.nn.networks import (
    NetworkFactory,
    check_layer_sizes,
    custom_network,
    mlp,
    named_shape_errors,
    seeded_weights,
)
from skgw.nn.priors import GaussianPrior, MixturePrior, Prior
from skgw.storable import storable

COMPONENT_STD = 0.5  # standard deviation of a component, against 1 for the means


class Generator(nn.Module):
    """Points from noise.

    Parameters
    ----------
    prior : Prior
    network : Module
        From noise (n, prior.dim) to points (n, k).
    n_outputs : int
        Dimension k of the points.
    """

    scale: Tensor  # (k,), not learned: what a step of the optimiser means along each axis

    def __init__(self, prior: Prior, network: nn.Module, n_outputs: int) -> None:
        super().__init__()
        self.prior, self.network = prior, network
        self.register_buffer("scale", torch.ones(n_outputs))

    def forward(self, n: int, generator: torch.Generator, *, stratified: bool = False) -> Tensor:
        """Draw points (n, k); `stratified` lowers the variance of the batch."""
        return self.points(self.prior(n, generator, stratified=stratified))

    def points(self, noise: Tensor) -> Tensor:
        """Points (n, k) of noise (n, prior.dim).

        Raises
        ------
        ValueError
            If the network takes noise, or returns points, of another dimension.
        """
        with named_shape_errors(noise, "generator"):
            points: Tensor = self.network(noise)
        if points.shape != (len(noise), len(self.scale)):
            raise ValueError(
                f"The generator returns an array of shape {tuple(points.shape)} for {len(noise)} "
                f"points, but n_components is {len(self.scale)}."
            )
        return self.scale * points


@storable
@dataclass(frozen=True)
class GeneratorSpec:
    """How to build a generator.

    Attributes
    ----------
    n_outputs, latent_dim : int
        Dimensions of points and noise.
    network : "mlp", "conv", Module or callable
        A module is copied; a callable gets (latent_dim, n_outputs) and returns a module.
    hidden_layer_sizes : tuple of int
        Of "mlp" the widths; of "conv" the channels, from the image inwards, where each layer halves
        the image.
    n_prior_components : int
        Gaussians of the prior; 1 is the standard normal distribution.
    output_shape : (int, int, int) or None
        Channels, height and width, which "conv" needs: their product is `n_outputs`.
    """

    n_outputs: int
    latent_dim: int
    network: str | nn.Module | NetworkFactory
    hidden_layer_sizes: tuple[int, ...]
    n_prior_components: int
    output_shape: ImageShape | None = None

    def build(self, seed: int = 0) -> Generator:
        """A generator with fresh weights, in float32; the global random state stays as it was.

        Raises
        ------
        ValueError
            If a hidden layer has no positive number of units, or does not fit the images, or if
            "conv" has no `output_shape` of `n_outputs` pixels.
        TypeError
            If a callable returns something else than a module.
        """
        with seeded_weights(seed):
            return Generator(self._prior(), self._network(), self.n_outputs).float()

    def _prior(self) -> Prior:
        if self.n_prior_components == 1:
            return GaussianPrior(self.latent_dim)
        return MixturePrior(self.latent_dim, self.n_prior_components, COMPONENT_STD)

    def _network(self) -> nn.Module:
        if not isinstance(self.network, str):
            dims = self.latent_dim, self.n_outputs
            return custom_network(self.network, *dims, name="generator")
        check_layer_sizes(self.hidden_layer_sizes)
        if self.network == "conv":
            shape = check_image_shape(self.output_shape, self.n_outputs, name="output_shape")
            return conv_decoder(self.latent_dim, self.hidden_layer_sizes, shape)
        return mlp((self.latent_dim, *self.hidden_layer_sizes, self.n_outputs))
