"""Autoencoders: encoder and decoder networks, their specification, and their application."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skgw.fields import OneOf, PositiveInteger
from skgw.nn.convolutions import (
    check_image_shape,
    conv_decoder,
    conv_encoder,
)
from skgw.nn.image_networks import (
    IMAGE_NETWORKS,
    image_encoder,
    image_encoder_shapes,
    image_generator,
    image_generator_shapes,
)
from skgw.nn.networks import (
    CHUNK_SIZE,
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
from skgw.nn.weight_shapes import conv_decoder_shapes, conv_encoder_shapes, mlp_shapes, prefixed
from skgw.storable import storable
from skgw.threads import network_work, threads_for

CustomNetwork = nn.Module | NetworkFactory
AUTOENCODER_NETWORKS = *NETWORKS, *IMAGE_NETWORKS  # names of architectures


class Autoencoder(nn.Module):
    """An encoder and a decoder.

    Parameters
    ----------
    encoder : Module
        Maps rows (n, n_features) to codes (n, latent_dim). A stochastic encoder maps rows to
        (n, 2 * latent_dim): the means of the codes, then the logarithms of their variances.
    decoder : Module
        Maps codes (n, latent_dim) to rows (n, n_features).
    n_features, latent_dim : int
        Dimensions of rows and codes.
    stochastic : bool
        Whether the encoder maps a row to a normal distribution of codes, or to a single code.
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
        """Compute the distribution of the codes of each row.

        Parameters
        ----------
        x : Tensor of shape (n, p)

        Returns
        -------
        mean : Tensor of shape (n, k)
        log_variance : Tensor of shape (n, k) or None
            None for a deterministic encoder.

        Raises
        ------
        ValueError
            If the encoder takes rows of another dimension, or returns codes of another dimension.
        """
        n_outputs = self.latent_dim * (1 + self.stochastic)
        with named_shape_errors(x, "network of the encoder"):
            out = _checked(self.encoder(x), (len(x), n_outputs), "encoder")
        if not self.stochastic:
            return out, None
        mean, log_variance = out.chunk(2, dim=1)
        return mean, log_variance

    def encode(self, x: Tensor) -> Tensor:
        """Encode rows (n, p) to codes (n, k), or to the means of the codes if stochastic."""
        return self.posterior(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        """Decode codes (n, k) to rows (n, p).

        Raises
        ------
        ValueError
            If the decoder takes codes of another dimension, or returns rows of another dimension.
        """
        with named_shape_errors(z, "network of the decoder"):
            return _checked(self.decoder(z), (len(z), self.n_features), "decoder")

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct rows (n, p)."""
        return self.decode(self.encode(x))

    @torch.no_grad()
    def shift_codes(self, shift: Tensor, scale: Tensor) -> bool:
        """Replace codes z by (z - shift) / scale, and leave all reconstructions as they are.

        The last layer of the encoder and the first layer of the decoder absorb the map, if both are
        linear.

        Parameters
        ----------
        shift, scale : Tensor of shape (k,)

        Returns
        -------
        bool
            Whether the layers are linear; otherwise nothing is changed.
        """
        if not all(isinstance(part, nn.Sequential) for part in (self.encoder, self.decoder)):
            return False
        last, first = self.encoder[-1], self.decoder[0]  # type: ignore[index]
        k = self.latent_dim
        if not (_has_bias(last) and _has_bias(first)):
            return False
        first.bias += first.weight @ shift
        first.weight *= scale
        last.weight[:k] /= scale[:, None]
        last.bias[:k] = (last.bias[:k] - shift) / scale
        if self.stochastic:
            last.bias[k:] -= 2 * scale.log()
        return True


def _has_bias(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Linear) and layer.bias is not None


def _checked(out: Tensor, shape: tuple[int, int], name: str) -> Tensor:
    if out.shape != shape:
        raise ValueError(
            f"The {name} returns an array of shape {tuple(out.shape)}, expected {shape}."
        )
    return out


@storable
@dataclass(frozen=True)
class AutoencoderSpec:
    """Specification of an autoencoder.

    Attributes
    ----------
    n_features, latent_dim : int
        Dimensions of rows and codes.
    network : str, callable, or pair of callables or modules, default="mlp"
        Architecture: "mlp", "conv", or one of "infogan", "dcgan", "dcgan-no-norm", "wae", see
        `skgw.nn.image_encoder`. A callable takes the numbers of inputs and outputs and returns a
        module. It is called once for the encoder, with `n_features` and `latent_dim` (or twice
        `latent_dim` for a stochastic encoder), and once for the decoder, with `latent_dim` and
        `n_features`. A pair holds the encoder and the decoder; modules are copied.
    hidden_layer_sizes : tuple of int, default=(256, 128)
        Widths of the encoder's hidden layers for "mlp"; channels for "conv", where each layer
        halves the image.
    decoder_layer_sizes : tuple of int or None, default=None
        Hidden layers of the decoder of "mlp" and "conv", from the code to the row. None: those of
        the encoder in reverse.
    stochastic : bool, default=False
        Whether the encoder returns means and log variances.
    image_shape : (int, int, int), default=None
        Channels, height and width in pixels, required by all names but "mlp". The product is
        `n_features`.
    output_activation : {"identity", "logistic", "tanh"}, default="identity"
        Last layer of the decoder. Rows are unbounded, in (0, 1), or in (-1, 1). Custom networks
        ignore it.

    Examples
    --------
    >>> import torch
    >>> spec = AutoencoderSpec(64, 2, "conv", (8, 16), image_shape=(1, 8, 8))
    >>> autoencoder = spec.build(seed=0)
    >>> x = torch.zeros(5, 64)
    >>> autoencoder.encode(x).shape, autoencoder(x).shape
    (torch.Size([5, 2]), torch.Size([5, 64]))
    """

    n_features: PositiveInteger
    latent_dim: PositiveInteger
    network: str | NetworkFactory | tuple[CustomNetwork, CustomNetwork] = "mlp"
    hidden_layer_sizes: tuple[Any, ...] = (256, 128)
    stochastic: bool = False
    image_shape: tuple[int, ...] | None = None
    output_activation: Annotated[str, OneOf(*OUTPUT_ACTIVATIONS)] = "identity"
    decoder_layer_sizes: tuple[Any, ...] | None = None

    def _check(self) -> None:
        check_name(self.network, AUTOENCODER_NETWORKS)
        if self.decoder_layer_sizes is not None and self.network not in NETWORKS:
            raise ValueError(
                f"decoder_layer_sizes are hidden layers of {' and '.join(map(repr, NETWORKS))}; "
                f"the network is {self.network!r}: leave decoder_layer_sizes at None."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Dimensions of rows and codes."""
        return self.n_features, self.latent_dim

    def weight_shapes(self) -> Shapes | None:
        """Names and shapes of all weights; None for modules and callables."""
        if not isinstance(self.network, str):
            return None
        n, k = self.n_features, self.latent_dim
        n_codes = k * (1 + self.stochastic)
        if self.network in IMAGE_NETWORKS:
            shape = check_image_shape(self.image_shape, n, name="image_shape")
            encoder = image_encoder_shapes(self.network, shape, n_codes)
            decoder = image_generator_shapes(self.network, k, shape)
            return itertools.chain(prefixed("encoder", encoder), prefixed("decoder", decoder))
        sizes, mirrored = self._layer_sizes()
        if self.network == "mlp":
            encoder, decoder = mlp_shapes((n, *sizes, n_codes)), mlp_shapes((k, *mirrored[::-1], n))
        else:
            shape = check_image_shape(self.image_shape, n, name="image_shape")
            encoder = conv_encoder_shapes(shape, sizes, n_codes)
            decoder = conv_decoder_shapes(k, mirrored, shape)
        return itertools.chain(prefixed("encoder", encoder), prefixed("decoder", decoder))

    def build(self, seed: int = 0) -> Autoencoder:
        """Build an autoencoder with fresh weights in float32.

        The global random state is left unchanged, also by threads that build at the same time.

        Parameters
        ----------
        seed : int, default=0
            Seed of the initial weights.

        Returns
        -------
        Autoencoder

        Raises
        ------
        ValueError
            If a hidden layer has no positive number of units, if the hidden layers halve the image
            too often, or if "conv" has no `image_shape` of `n_features` values.
        TypeError
            If a callable returns anything but a module.
        """
        encoder, decoder = self._networks(weight_source(seed))
        return Autoencoder(
            encoder,
            decoder,
            n_features=self.n_features,
            latent_dim=self.latent_dim,
            stochastic=self.stochastic,
        ).float()

    def _networks(self, source: torch.Generator) -> tuple[nn.Module, nn.Module]:
        n, k, n_codes = self.n_features, self.latent_dim, self.latent_dim * (1 + self.stochastic)
        if not isinstance(self.network, str):
            pair = self.network if isinstance(self.network, tuple) else 2 * (self.network,)
            encoder = custom_network(pair[0], n, n_codes, source, name="network")
            return encoder, custom_network(pair[1], k, n, source, name="network")
        if self.network in IMAGE_NETWORKS:
            shape = check_image_shape(self.image_shape, n, name="image_shape")
            encoder = image_encoder(self.network, shape, n_codes, source)
            decoder = image_generator(self.network, k, shape, source)
            return encoder, decoder.append(OUTPUT_ACTIVATIONS[self.output_activation]())
        sizes, mirrored = self._layer_sizes()
        if self.network == "mlp":
            encoder = mlp((n, *sizes, n_codes), source)
            decoder = mlp((k, *mirrored[::-1], n), source)
        else:
            shape = check_image_shape(self.image_shape, n, name="image_shape")
            encoder = conv_encoder(shape, sizes, n_codes, source)
            decoder = conv_decoder(k, mirrored, shape, source)
        return encoder, decoder.append(OUTPUT_ACTIVATIONS[self.output_activation]())

    def _layer_sizes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Hidden layers of encoder and decoder, both from the row to the code."""
        own = self.decoder_layer_sizes
        sizes = self.hidden_layer_sizes, self.hidden_layer_sizes if own is None else own[::-1]
        check_layer_sizes(sizes[0])
        check_layer_sizes(sizes[1], name="decoder_layer_sizes")
        return sizes


def encode(
    autoencoder: Autoencoder, X: NDArray[Any], *, chunk_size: int = CHUNK_SIZE
) -> NDArray[np.float32]:
    """Encode rows in evaluation mode, `chunk_size` rows at a time.

    A stochastic encoder returns the means of the codes, so that the result is deterministic.

    Parameters
    ----------
    autoencoder : Autoencoder
    X : array of shape (n, p)
    chunk_size : int, default=2048
        Rows per forward pass.

    Returns
    -------
    array of shape (n, k), dtype float32
    """
    return _in_chunks(autoencoder, autoencoder.encode, X, chunk_size)


def decode(
    autoencoder: Autoencoder, Z: NDArray[Any], *, chunk_size: int = CHUNK_SIZE
) -> NDArray[np.float32]:
    """Decode codes in evaluation mode, `chunk_size` codes at a time.

    Parameters
    ----------
    autoencoder : Autoencoder
    Z : array of shape (n, k)
    chunk_size : int, default=2048
        Codes per forward pass.

    Returns
    -------
    array of shape (n, p), dtype float32
    """
    return _in_chunks(autoencoder, autoencoder.decode, Z, chunk_size)


def draw(
    autoencoder: Autoencoder,
    X: NDArray[Any],
    generator: torch.Generator,
    *,
    chunk_size: int = CHUNK_SIZE,
) -> NDArray[np.float32]:
    """Draw a code of each row in evaluation mode, `chunk_size` rows at a time.

    Parameters
    ----------
    autoencoder : Autoencoder
        With a deterministic encoder the draws are the codes.
    X : array of shape (n, p)
    generator : torch.Generator
        Source of the noise, on the CPU.
    chunk_size : int, default=2048
        Rows per forward pass.

    Returns
    -------
    array of shape (n, k), dtype float32
    """

    def drawn(x: Tensor) -> Tensor:
        means, log_variances = autoencoder.posterior(x)
        return means if log_variances is None else draw_codes(means, log_variances, generator)

    return _in_chunks(autoencoder, drawn, X, chunk_size)


def draw_codes(means: Tensor, log_variances: Tensor, generator: torch.Generator) -> Tensor:
    """Draw codes (n, k) from normal distributions, with noise of a CPU generator."""
    noise = torch.randn(means.shape, generator=generator, dtype=torch.float32).to(means)
    return means + (0.5 * log_variances).exp() * noise


@torch.no_grad()
def _in_chunks(
    module: nn.Module, function: Callable[[Tensor], Tensor], rows: NDArray[Any], chunk_size: int
) -> NDArray[np.float32]:
    parameter, training = next(module.parameters()), module.training
    device, dtype = parameter.device, parameter.dtype
    module.eval()
    try:
        own = np.array(rows, dtype=np.float32)  # rows may be read-only, which tensors cannot be
        chunks = torch.from_numpy(own).split(chunk_size)
        with threads_for(network_work(module, min(len(own), chunk_size))):
            outputs = [function(x.to(device, dtype)).float().cpu().numpy() for x in chunks]
        return np.concatenate(outputs)
    finally:
        module.train(training)
