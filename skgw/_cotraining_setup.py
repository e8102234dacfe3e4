"""What the parameters of two autoencoders, given for both domains or as pairs, mean for each."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_scalar
from torch import nn

from skgw.nn import AutoencoderSpec

NETWORKS = "mlp", "conv"

Array = NDArray[Any]


def autoencoder_spec(
    n_features: int,
    here: int,
    *,
    n_components: Any,
    network: Any,
    hidden_layer_sizes: Any,
    image_shape: Any,
    stochastic: bool,
) -> AutoencoderSpec:
    """The autoencoder of one domain, 0 or 1; parameters may be pairs."""
    network = _of(network, here, "network")
    if isinstance(network, nn.Module) or not (callable(network) or network in NETWORKS):
        raise ValueError(
            f"network must be {' or '.join(map(repr, NETWORKS))}, or a callable that makes a new "
            f"module of the numbers of inputs and outputs, got {network!r}."
        )
    return AutoencoderSpec(
        n_features=n_features,
        latent_dim=_dimension(_of(n_components, here, "n_components")),
        network=network,
        hidden_layer_sizes=tuple(hidden_layer_sizes),
        stochastic=stochastic,
        image_shape=_image_shape(image_shape, here),
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


def _of(value: Any, here: int, name: str) -> Any:
    """What a parameter, given for both domains or as a pair, is for one of them."""
    if not isinstance(value, tuple | list):
        return value
    if len(value) != 2:
        raise ValueError(f"{name} must be one or a pair, got {value!r}.")
    return value[here]


def _dimension(k: Any) -> int:
    check_scalar(k, "n_components", Integral, min_val=1)
    return int(k)


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
