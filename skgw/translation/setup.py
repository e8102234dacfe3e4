"""Set-up of one domain of co-training: its scaler, its axes, and its autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_scalar

from skgw.autoencoders.base import check_network
from skgw.autoencoders.kinds import AutoencodingOptions
from skgw.base.trained import hold_out
from skgw.base.two_domains import of_domain
from skgw.nn import AutoencoderSpec, FittedNetwork
from skgw.nn.coded_domain import CodedDomain, Scaler
from skgw.registration.principal_axes import PrincipalCoordinates
from skgw.spaces.finite import Array, Metric
from skgw.translation.autoencoded_domain import AutoencodedDomain


@dataclass(frozen=True)
class DomainOptions:
    """Options of the encoding and matching of one domain.

    Attributes
    ----------
    n_components : int
        Dimension of the codes.
    network : {"mlp", "conv"} or callable
    hidden_layer_sizes : tuple of int
    image_shape : (int, int, int) or None
    loss : AutoencodingOptions
    n_reference : int
        Number of rows that are matched at once.
    held_out_share : float
        Share of the rows that are held out.
    """

    n_components: int
    network: Any
    hidden_layer_sizes: tuple[int, ...]
    image_shape: tuple[int, int, int] | None
    loss: AutoencodingOptions
    n_reference: int
    held_out_share: float

    @classmethod
    def of(cls, params: Any, index: int, *, held_out_share: float) -> DomainOptions:
        """The parameters of a `GWCoTrainedAutoencoders` for one domain, 0 or 1.

        Raises
        ------
        ValueError, TypeError
            If `n_components` or `image_shape` has no valid value for the domain.
        """
        n_components = of_domain(params.n_components, index, "n_components")
        check_scalar(n_components, "n_components", Integral, min_val=1)
        return cls(
            n_components=int(n_components),
            network=of_domain(params.network, index, "network"),
            hidden_layer_sizes=tuple(params.hidden_layer_sizes),
            image_shape=image_shape_of(params.image_shape, index),
            loss=AutoencodingOptions(
                params.autoencoder, params.prior_weight, params.isometry_weight
            ),
            n_reference=params.n_reference,
            held_out_share=held_out_share,
        )

    def spec(self, n_features: int) -> AutoencoderSpec:
        """The autoencoder of rows with this number of features.

        Raises
        ------
        ValueError
            If `network` is neither the name of an architecture nor a callable.
        """
        check_network(self.network)
        return AutoencoderSpec(
            n_features=n_features,
            latent_dim=self.n_components,
            network=self.network,
            hidden_layer_sizes=self.hidden_layer_sizes,
            stochastic=self.loss.stochastic,
            image_shape=self.image_shape,
        )


class DomainSetup(NamedTuple):
    """A domain and the autoencoder that is trained on it.

    Attributes
    ----------
    rows : array of shape (n, p)
    scaler : Scaler
        Scaler of the rows.
    axes : PrincipalCoordinates
        Principal axes of the scaled rows.
    spec : AutoencoderSpec
    domain : AutoencodedDomain
        Holds the autoencoder.
    dtype : str
        Name of the dtype of codes and rows that the domain returns.
    """

    rows: Array
    scaler: Scaler
    axes: PrincipalCoordinates
    spec: AutoencoderSpec
    domain: AutoencodedDomain
    dtype: str

    def coded_domain(self) -> CodedDomain:
        """The fitted domain: the current autoencoder as plain data."""
        network = FittedNetwork.of(self.domain.model.autoencoder, self.spec)
        return CodedDomain(self.scaler, network, self.dtype)


def set_up_domain(
    rows: Array,
    options: DomainOptions,
    anchors: Array,
    rng: np.random.RandomState,
    *,
    dtype: str,
    axes_seed: int,
    network_seed: int,
) -> DomainSetup:
    """Set up one domain for the training.

    Parameters
    ----------
    rows : array of shape (n, p)
    options : DomainOptions
    anchors : array of int
        Positions of anchor rows; no anchor row is held out.
    rng : RandomState
        Source of the rows that are held out.
    dtype : str
        Name of the dtype of the rows that were given.
    axes_seed, network_seed : int
        Seeds of the principal axes and of the weights.
    """
    scaler = Scaler.of(rows)
    normal = scaler.transform(rows)
    axes = PrincipalCoordinates.of(normal, axes_seed)
    spec = options.spec(rows.shape[1])
    model = options.loss.build(spec.build(network_seed), seed=network_seed)
    order, held_out = hold_out(
        rng.permutation(len(rows)),
        options.held_out_share,
        min_held_out=1,
        always_train=anchors,
    )
    domain = AutoencodedDomain(
        normal, model, order=order, held_out=held_out, anchors=anchors,
        n_reference=options.n_reference, coordinates=axes.transform,
    )  # fmt: skip
    return DomainSetup(rows, scaler, axes, spec, domain, dtype)


def check_reads_images(network: Any, metric: Metric) -> None:
    """Raise a ValueError if a network for images would read coordinates that are no image."""
    if isinstance(network, str) and network != "mlp" and metric != "euclidean":
        raise ValueError(
            f'network="{network}" reads images. With metric={metric!r} the encoder reads '
            'coordinates that distances give: use network="mlp" for this domain.'
        )


def image_shape_of(shape: Any, domain: int) -> tuple[int, int, int] | None:
    """The image shape of one domain, from one shape for both domains or a pair.

    Raises
    ------
    ValueError
        For a value of another form.
    """
    if shape is None:
        return None
    if len(shape) == 2:
        shape = shape[domain]
    if shape is None:
        return None
    if not isinstance(shape, tuple | list) or len(shape) != 3:
        raise ValueError(
            "image_shape must be (channels, height, width) or a pair of these; grey images have "
            "one channel."
        )
    c, h, w = (int(n) for n in shape)
    return c, h, w
