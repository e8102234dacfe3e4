"""Autoencoders: a pair of networks, and how to build, apply and store them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skgw.nn.convolutions import (
    ImageShape,
    check_image_shape,
    conv_decoder,
    conv_encoder,
)
from skgw.nn.networks import (
    NetworkFactory,
    check_layer_sizes,
    custom_network,
    mlp,
    named_shape_errors,
    seeded_weights,
)
from skgw.storable import storable

CHUNK_SIZE = 2048  # rows that are encoded or decoded at a time
OUTPUT_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
}
CustomNetwork = nn.Module | NetworkFactory


class Autoencoder(nn.Module):
    """From rows to codes and back.

    Parameters
    ----------
    encoder : Module
        From rows (n, n_features) to codes (n, latent_dim); a stochastic one to
        (n, 2 * latent_dim), means and then logarithms of variances.
    decoder : Module
        From codes (n, latent_dim) to rows (n, n_features).
    n_features, latent_dim : int
    stochastic : bool
        Whether a row has a normal distribution of codes, or a single code.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        *,
        n_features: int,
        latent_dim: int,
        stochastic: bool,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.n_features, self.latent_dim, self.stochastic = n_features, latent_dim, stochastic

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Means (n, k) and log variances (n, k) of the codes of rows (n, p).

        The latter are None where the encoder is deterministic.

        Raises
        ------
        ValueError
            If the encoder takes rows, or returns codes, of another dimension.
        """
        n_outputs = self.latent_dim * (1 + self.stochastic)
        with named_shape_errors(x, "network of the encoder"):
            out = _checked(self.encoder(x), (len(x), n_outputs), "encoder")
        if not self.stochastic:
            return out, None
        mean, log_variance = out.chunk(2, dim=1)
        return mean, log_variance

    def encode(self, x: Tensor) -> Tensor:
        """Codes (n, k) of rows (n, p); means of codes where the encoder is stochastic."""
        return self.posterior(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        """Rows (n, p) of codes (n, k).

        Raises
        ------
        ValueError
            If the decoder takes codes, or returns rows, of another length.
        """
        with named_shape_errors(z, "network of the decoder"):
            return _checked(self.decoder(z), (len(z), self.n_features), "decoder")

    def forward(self, x: Tensor) -> Tensor:
        """Rows (n, p), encoded and decoded."""
        return self.decode(self.encode(x))


def _checked(out: Tensor, shape: tuple[int, int], name: str) -> Tensor:
    if out.shape != shape:
        raise ValueError(
            f"The {name} returns an array of shape {tuple(out.shape)}, expected {shape}."
        )
    return out


@storable
@dataclass(frozen=True)
class AutoencoderSpec:
    """How to build an autoencoder.

    Attributes
    ----------
    n_features, latent_dim : int
        Dimensions of rows and codes.
    network : "mlp", "conv", callable, or a pair of callables or modules
        A callable gets the numbers of inputs and outputs, and returns a module: for the encoder
        `n_features` and `latent_dim` (twice that if it is stochastic), for the decoder
        `latent_dim` and `n_features`. A pair is encoder and decoder; modules are copied.
    hidden_layer_sizes : tuple of int
        Of the encoder; the decoder is its mirror image. Of "mlp" the widths; of "conv" the
        channels, where each layer halves the image.
    stochastic : bool
        Whether the encoder returns means and log variances.
    image_shape : (int, int, int) or None
        Channels, height and width, which "conv" needs: their product is `n_features`.
    output_activation : {"identity", "logistic", "tanh"}
        Last layer of the decoder: rows of any number, in (0, 1), or in (-1, 1). Custom networks
        bring their own.

    Examples
    --------
    >>> import torch
    >>> spec = AutoencoderSpec(64, 2, "conv", (8, 16), image_shape=(1, 8, 8))
    >>> autoencoder = spec.build(seed=0)
    >>> x = torch.zeros(5, 64)
    >>> autoencoder.encode(x).shape, autoencoder(x).shape
    (torch.Size([5, 2]), torch.Size([5, 64]))
    """

    n_features: int
    latent_dim: int
    network: str | NetworkFactory | tuple[CustomNetwork, CustomNetwork] = "mlp"
    hidden_layer_sizes: tuple[int, ...] = (256, 128)
    stochastic: bool = False
    image_shape: ImageShape | None = None
    output_activation: str = "identity"

    def build(self, seed: int = 0) -> Autoencoder:
        """An autoencoder with fresh weights, in float32; the global random state stays as it was.

        Raises
        ------
        ValueError
            If hidden layers have no positive number of units, or do not fit the images, or if
            "conv" has no `image_shape` of `n_features` pixels.
        TypeError
            If a callable returns something else than a module.
        """
        with seeded_weights(seed):
            encoder, decoder = self._networks()
            return Autoencoder(
                encoder,
                decoder,
                n_features=self.n_features,
                latent_dim=self.latent_dim,
                stochastic=self.stochastic,
            ).float()

    def _networks(self) -> tuple[nn.Module, nn.Module]:
        n, k, n_codes = self.n_features, self.latent_dim, self.latent_dim * (1 + self.stochastic)
        if not isinstance(self.network, str):
            one, other = self.network if isinstance(self.network, tuple) else 2 * (self.network,)
            encoder = custom_network(one, n, n_codes, name="network")
            return encoder, custom_network(other, k, n, name="network")
        sizes = self.hidden_layer_sizes
        check_layer_sizes(sizes)
        if self.network == "mlp":
            encoder, decoder = mlp((n, *sizes, n_codes)), mlp((k, *sizes[::-1], n))
        else:
            shape = check_image_shape(self.image_shape, self.n_features, name="image_shape")
            encoder, decoder = conv_encoder(shape, sizes, n_codes), conv_decoder(k, sizes, shape)
        return encoder, decoder.append(OUTPUT_ACTIVATIONS[self.output_activation]())


def encode(
    autoencoder: Autoencoder, X: NDArray[Any], *, chunk_size: int = CHUNK_SIZE
) -> NDArray[np.float32]:
    """Codes (n, k) of rows X (n, p), in chunks and in evaluation mode.

    A stochastic encoder gives the means of the codes, so that the same row has always the same
    code.
    """
    return _in_chunks(autoencoder, autoencoder.encode, X, chunk_size)


def decode(
    autoencoder: Autoencoder, Z: NDArray[Any], *, chunk_size: int = CHUNK_SIZE
) -> NDArray[np.float32]:
    """Rows (n, p) of codes Z (n, k), in chunks and in evaluation mode."""
    return _in_chunks(autoencoder, autoencoder.decode, Z, chunk_size)


@torch.no_grad()
def _in_chunks(
    module: nn.Module, function: Callable[[Tensor], Tensor], rows: NDArray[Any], chunk_size: int
) -> NDArray[np.float32]:
    device, training = next(module.parameters()).device, module.training
    module.eval()
    try:
        chunks = torch.as_tensor(rows, dtype=torch.float32).split(chunk_size)
        return np.concatenate([function(x.to(device)).float().cpu().numpy() for x in chunks])
    finally:
        module.train(training)
