"""A domain under a trained autoencoder: scaled rows, and codes."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from skgw.fields import FloatType, Numbers, Positive, Shape
from skgw.nn.autoencoders import Autoencoder, AutoencoderSpec, decode, draw, encode
from skgw.nn.networks import FittedNetwork
from skgw.storable import storable

Array = NDArray[Any]

WEIGHT_TOLERANCE = 1e-4  # of the sum of weights; covers float32 rounding


@storable
class Scaler(NamedTuple):
    """Centring of rows, and their division by one number.

    Attributes
    ----------
    mean : array of shape (p,)
    scale : float
        Root of the mean variance of a feature; 1 if all rows are equal.
    """

    mean: Annotated[Array, Numbers("p")]
    scale: Positive

    @property
    def shape(self) -> tuple[int]:
        """Number of features."""
        return (len(self.mean),)

    @classmethod
    def of(cls, X: Array) -> Scaler:
        """Fit the scaler to training rows (n, p)."""
        unit = float(abs(X).max(initial=0.0)) or 1.0
        Z = np.asarray(X / unit, dtype=np.float64)
        mean = Z.mean(0)
        centre = (unit * mean).astype(X.dtype)
        return cls(centre, unit * float(np.sqrt(np.mean(np.square(Z - mean)))) or 1.0)

    def transform(self, X: Array) -> Array:
        """Scaled rows (n, p)."""
        return np.asarray((X - self.mean) / self.scale)

    def inverse_transform(self, rows: Array) -> Array:
        """Rows (n, p) from scaled rows."""
        return np.asarray(rows.astype(np.float64) * self.scale + self.mean)


@storable
class CodedDomain(NamedTuple):
    """A trained autoencoder, with the scaler and the dtype of its rows."""

    scaler: Annotated[Scaler, Shape("p")]
    autoencoder: Annotated[FittedNetwork[Autoencoder], Shape("p", "k")]
    dtype: FloatType

    def _check(self) -> None:
        if not isinstance(self.autoencoder.spec, AutoencoderSpec):
            raise ValueError("the network of a CodedDomain must be an autoencoder")

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of columns of rows and of codes."""
        return self.autoencoder.shape

    @property
    def latent_dim(self) -> int:
        """Number of columns of codes."""
        return self.shape[1]

    def encode(self, X: Array, device: torch.device) -> Array:
        """Codes (n, k) of rows (n, p)."""
        network = self.autoencoder.build(device)
        is_named = self.autoencoder.spec.weight_shapes() is not None
        if is_named and device.type == "cpu":  # float32 codes would depend on the other rows
            network = network.double()
        codes = encode(network, self.scaler.transform(X))
        return codes.astype(self.dtype, copy=False)

    def draw(self, X: Array, device: torch.device, generator: torch.Generator) -> Array:
        """Draws of the codes (n, k) of rows (n, p); the codes of a deterministic encoder."""
        codes = draw(self.autoencoder.build(device), self.scaler.transform(X), generator)
        return codes.astype(self.dtype, copy=False)

    def decode(self, Z: Array, device: torch.device) -> Array:
        """Rows (n, p) of codes (n, k)."""
        rows = self.scaler.inverse_transform(decode(self.autoencoder.build(device), Z))
        if rows.size and abs(rows).max() > np.finfo(self.dtype).max:
            raise ValueError(f"Decoded rows leave the range of {self.dtype}; fit to float64 rows.")
        return rows.astype(self.dtype, copy=False)


@storable
class NormalMixture(NamedTuple):
    """A mixture of normal distributions of codes.

    Attributes
    ----------
    weights : array of shape (c,)
    means : array of shape (c, k)
    factors : array of shape (c, k, k)
        Cholesky factors L of the covariances L L^T.
    """

    weights: Annotated[Array, Numbers("c")]
    means: Annotated[Array, Numbers("c", "k")]
    factors: Annotated[Array, Numbers("c", "k", "k")]

    def _check(self) -> None:
        if self.weights.min() < 0 or abs(self.weights.sum() - 1) > WEIGHT_TOLERANCE:
            raise ValueError("the weights of a NormalMixture must be shares of 1")

    @property
    def shape(self) -> tuple[int, int]:
        """Number of components, and number of columns of codes."""
        n_components, k = self.means.shape
        return n_components, k

    @classmethod
    def standard(cls, latent_dim: int) -> NormalMixture:
        """The standard normal distribution."""
        return cls(np.ones(1), np.zeros((1, latent_dim)), np.eye(latent_dim)[None])

    def draw(self, n: int, rng: np.random.RandomState) -> Array:
        """Draw codes (n, k)."""
        component = rng.choice(len(self.weights), n, p=self.weights)
        noise = rng.standard_normal((n, self.means.shape[1]))
        return self.means[component] + np.einsum("nij,nj->ni", self.factors[component], noise)
