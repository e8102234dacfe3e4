"""From the parameters of co-training to what is trained: an autoencoder and a side for each domain.

Parameters may be given for both domains or as pairs.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_scalar
from torch import nn

from skgw.autoencoders.objective import AutoencoderLoss, AutoencodingOptions
from skgw.base.two_domains import of_domain
from skgw.nn import AutoencoderSpec, FittedNetwork
from skgw.nn.coded_domain import CodedDomain, Scaler
from skgw.registration.principal_axes import PrincipalCoordinates
from skgw.translation.autoencoded_domain import AutoencodedDomain
from skgw.translation.objective import CoTrainingOptions

MIN_UPDATES, MAX_UPDATES = 1500, 20_000
EPOCHS = 15  # that "auto" makes, within these limits
N_MATCHINGS = 10  # during the second part of the training
NETWORKS = "mlp", "conv"

Array = NDArray[Any]


class DomainSetup(NamedTuple):
    """A domain and the autoencoder that is trained on it.

    Attributes
    ----------
    rows : array of shape (n, p)
    unit : Scaler
        What the autoencoder sees them in.
    axes : PrincipalCoordinates
        Of the rows in this unit.
    spec : AutoencoderSpec
    side : AutoencodedDomain
        Holds the autoencoder.
    """

    rows: Array
    unit: Scaler
    axes: PrincipalCoordinates
    spec: AutoencoderSpec
    side: AutoencodedDomain

    def coded_domain(self) -> CodedDomain:
        """What is kept of it: the autoencoder as it is now, as plain data."""
        network = FittedNetwork.of(self.side.model.autoencoder, self.spec)
        return CodedDomain(self.unit, network, self.rows.dtype.name)


def set_up_domain(
    params: BaseEstimator,
    rows: Array,
    here: int,
    known: Array,
    seed: int,
    rng: np.random.RandomState,
) -> DomainSetup:
    """Make one domain, 0 or 1, ready to be trained on.

    Parameters
    ----------
    params : BaseEstimator
        A `GWCoTrainedAutoencoders`.
    rows : array of shape (n, p)
    here : int
    known : array of int
        Positions of rows whose partners are known; none of them is held out.
    seed : int
        Of the fit.
    rng : RandomState
        Chooses the rows that are held out.
    """
    unit = Scaler.of(rows)
    normal = unit.transform(rows)
    axes = PrincipalCoordinates.of(normal, seed)
    spec = autoencoder_spec(params, rows.shape[1], here)
    options = AutoencodingOptions(params.autoencoder, params.prior_weight, params.isometry_weight)
    model = AutoencoderLoss(spec.build(seed + here), options, seed=seed + here)
    fraction = params.validation_fraction if params.early_stopping else 0.0
    order, held_out = split_rows(len(rows), known, fraction, rng)
    side = AutoencodedDomain(
        normal, model, order=order, held_out=held_out, known=known, n_reference=params.n_reference,
        coordinates=axes.transform,
    )  # fmt: skip
    return DomainSetup(rows, unit, axes, spec, side)


def autoencoder_spec(params: BaseEstimator, n_features: int, here: int) -> AutoencoderSpec:
    """The autoencoder of one domain."""
    network = of_domain(params.network, here, "network")
    if isinstance(network, nn.Module) or not (callable(network) or network in NETWORKS):
        raise ValueError(
            f"network must be {' or '.join(map(repr, NETWORKS))}, or a callable that makes a new "
            f"module of the numbers of inputs and outputs, got {network!r}."
        )
    latent_dim = of_domain(params.n_components, here, "n_components")
    check_scalar(latent_dim, "n_components", Integral, min_val=1)
    return AutoencoderSpec(
        n_features=n_features,
        latent_dim=int(latent_dim),
        network=network,
        hidden_layer_sizes=tuple(params.hidden_layer_sizes),
        stochastic=params.autoencoder == "vae",
        image_shape=_image_shape(params.image_shape, here),
    )


def split_rows(
    n_rows: int, known: Array, fraction: float, rng: np.random.RandomState
) -> tuple[Array, Array]:
    """Rows to train on, in random order, and rows held out, which are none of the `known` ones.

    Raises
    ------
    ValueError
        If fewer than two rows are left to train on.
    """
    order = rng.permutation(n_rows)
    if not fraction:
        return order, order[:0]
    free = order[~np.isin(order, known)]
    held_out = free[: max(1, round(fraction * n_rows))]
    order = order[~np.isin(order, held_out)]
    if len(order) < 2:
        raise ValueError("Too few samples for early_stopping; switch it off.")
    return order, held_out


def count_updates(params: BaseEstimator, n_rows: int) -> int:
    """Updates that `max_iter` stands for, where the larger domain has so many rows."""
    if params.max_iter == "auto":
        return int(np.clip(EPOCHS * n_rows / params.batch_size, MIN_UPDATES, MAX_UPDATES))
    return int(params.max_iter)


def schedule(params: BaseEstimator, n_updates: int) -> CoTrainingOptions:
    """How both are trained together: apart at first, and matched every so often from then on."""
    n_alone = round(params.warm_up * n_updates)
    return CoTrainingOptions(
        gw_weight=params.gw_weight,
        epsilon=params.epsilon,
        batch_size=params.batch_size,
        n_alone=n_alone,
        match_every=max(1, -(-(n_updates - n_alone) // N_MATCHINGS)),
    )


def _image_shape(shape: Any, here: int) -> Any:
    """That of one domain, from one for both or a pair."""
    if shape is None:
        return None
    if len(shape) == 2:
        shape = shape[here]
    if not isinstance(shape, tuple | list | None):
        raise ValueError(
            "image_shape must be (channels, height, width) or a pair of these; grey images have "
            "one channel."
        )
    return None if shape is None else tuple(int(n) for n in shape)
