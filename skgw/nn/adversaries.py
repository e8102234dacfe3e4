"""Adversary networks: maps to features whose distances are compared (Bunne et al. 2019, Eq. 3).

An adversary far from an isometry contracts distances, so that the coupling becomes independent and
the gradient of the generator vanishes. Therefore an adversary is initialised as an isometry.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from skgw.fields import PositiveInteger
from skgw.nn.convolutions import ImageShape, check_image_shape, conv_encoder
from skgw.nn.image_networks import IMAGE_NETWORKS, image_encoder, image_encoder_shapes
from skgw.nn.networks import (
    NETWORKS,
    NetworkFactory,
    Shapes,
    check_layer_sizes,
    check_name,
    custom_network,
    mlp,
    named_shape_errors,
    weight_source,
)
from skgw.nn.weight_shapes import conv_encoder_shapes, mlp_shapes, prefixed
from skgw.storable import storable


class NearIsometry(nn.Module):
    """Sum of a fixed isometry and a learned network: ``x Q + g network(x)``.

    The learned number g starts at zero, so that the module starts as the isometry for any network.
    Q (d, s) has orthonormal columns if s <= d, and orthonormal rows otherwise.

    Parameters
    ----------
    network : Module
        Maps points (n, d) to features (n, s).
    n_features : int
        Dimension s of the features.
    axes : Tensor of shape (d, s), default=None
        The matrix Q. None takes the first s coordinates, padded with zeros if s > d.

    References
    ----------
    :cite:t:`bachlechner2021`.
    """

    axes: Tensor | None

    def __init__(self, network: nn.Module, n_features: int, axes: Tensor | None = None) -> None:
        super().__init__()
        self.network, self.n_features = network, n_features
        self.gain = nn.Parameter(torch.zeros((), dtype=torch.float32))
        self.register_buffer("axes", axes)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the features (n, s) of points (n, d).

        Raises
        ------
        ValueError
            If the network takes points of another dimension than d, or returns features of another
            dimension than s.
        """
        missing = self.n_features - x.shape[1]
        isometry = pad(x, (0, missing)) if self.axes is None else x @ self.axes
        with named_shape_errors(x, "adversary"):
            learned: Tensor = self.network(x)
        if learned.shape != isometry.shape:
            raise ValueError(
                f"The adversary returns an array of shape {tuple(learned.shape)} for {len(x)} "
                f"points, expected {tuple(isometry.shape)}."
            )
        return isometry + self.gain * learned


def adversary_network(
    network: str | nn.Module | NetworkFactory,
    n_inputs: int,
    n_features: int,
    *,
    hidden_layer_sizes: tuple[int, ...],
    image_shape: ImageShape | None = None,
    axes: Tensor | None = None,
    residual: bool = True,
    seed: int = 0,
) -> nn.Module:
    """Build the adversary network of one space, with fresh weights in float32.

    Parameters
    ----------
    network : {"mlp", "conv", "infogan", "dcgan", "dcgan-no-norm", "wae"} or callable
        Architecture, see `skgw.nn.image_encoder` for the last four. A callable takes
        (n_inputs, n_features) and returns a module.
    n_inputs, n_features : int
        Dimensions of points and features.
    hidden_layer_sizes : tuple of int
        Widths of the hidden layers of "mlp", or channels of the hidden layers of "conv".
    image_shape : (int, int, int), default=None
        Channels, height and width in pixels. All named networks but "mlp" read the points as such
        images.
    axes : Tensor of shape (n_inputs, n_features), default=None
        Matrix Q of `NearIsometry`.
    residual : bool, default=True
        If True, the network is the learned part of a `NearIsometry`. If False, the network is
        returned alone, and its weight matrices are initialised as orthogonal matrices.
    seed : int, default=0
        Seed of the initial weights.

    Returns
    -------
    Module
        Maps points (n, n_inputs) to features (n, n_features).

    Raises
    ------
    ValueError
        If a hidden layer has no positive number of units, or the network does not fit
        `image_shape`.
    TypeError
        If a callable returns anything but a module.

    References
    ----------
    :cite:t:`saxe2014`.

    Examples
    --------
    >>> import torch
    >>> x = torch.randn(4, 2)
    >>> adversary_network("mlp", 2, 3, hidden_layer_sizes=(8,))(x).norm(dim=1) == x.norm(dim=1)
    tensor([True, True, True, True])
    """
    source = weight_source(seed)
    if isinstance(network, str) and network in IMAGE_NETWORKS:
        shape = check_image_shape(image_shape, n_inputs, name="image_shape")
        made: nn.Module = image_encoder(network, shape, n_features, source)
    elif isinstance(network, str):
        check_layer_sizes(hidden_layer_sizes)
        if network == "conv":
            shape = check_image_shape(image_shape, n_inputs, name="image_shape")
            made = conv_encoder(shape, hidden_layer_sizes, n_features, source)
        else:
            made = mlp((n_inputs, *hidden_layer_sizes, n_features), source)
    else:
        made = custom_network(network, n_inputs, n_features, source, name="adversary").float()
    if residual:
        return NearIsometry(made, n_features, axes)
    for name, weights in made.named_parameters():
        if weights.ndim > 1:
            nn.init.orthogonal_(weights, generator=source)
        elif name.endswith("bias"):
            nn.init.zeros_(weights)
    return made


@storable
@dataclass(frozen=True)
class AdversarySpec:
    """Specification of the adversary network of one space.

    Attributes
    ----------
    n_inputs, n_features : int
        Dimensions of points and features.
    network, hidden_layer_sizes, image_shape, residual
        As for `adversary_network`.
    has_axes : bool
        Whether the isometry of `NearIsometry` is given by a matrix.

    Examples
    --------
    >>> import torch
    >>> spec = AdversarySpec(2, 3, "mlp", (8,))
    >>> spec.build(seed=0)(torch.ones(1, 2))
    tensor([[1., 1., 0.]], grad_fn=<AddBackward0>)
    """

    n_inputs: PositiveInteger
    n_features: PositiveInteger
    network: str | nn.Module | NetworkFactory
    hidden_layer_sizes: tuple[Any, ...]
    image_shape: ImageShape | None = None
    residual: bool = True
    has_axes: bool = False

    def _check(self) -> None:
        check_name(self.network, (*NETWORKS, *IMAGE_NETWORKS))

    @property
    def shape(self) -> tuple[int, int]:
        """Dimensions of points and features."""
        return self.n_inputs, self.n_features

    def weight_shapes(self) -> Shapes | None:
        """Names and shapes of all weights; None for a module or a callable."""
        if not isinstance(self.network, str):
            return None
        if not self.residual:
            return self._network_shapes()
        own: list[tuple[str, tuple[int, ...]]] = [("gain", ())]
        if self.has_axes:
            own.append(("axes", self.shape))
        return itertools.chain(own, prefixed("network", self._network_shapes()))

    def _network_shapes(self) -> Shapes:
        sizes = self.hidden_layer_sizes
        if self.network == "mlp":
            check_layer_sizes(sizes)
            return mlp_shapes((self.n_inputs, *sizes, self.n_features))
        shape = check_image_shape(self.image_shape, self.n_inputs, name="image_shape")
        if self.network in IMAGE_NETWORKS:
            return image_encoder_shapes(str(self.network), shape, self.n_features)
        check_layer_sizes(sizes)
        return conv_encoder_shapes(shape, sizes, self.n_features)

    def build(self, seed: int = 0, *, axes: Tensor | None = None) -> nn.Module:
        """Build the network with fresh weights; `axes` (n_inputs, n_features) if it has axes."""
        if self.has_axes and axes is None:
            axes = torch.zeros(self.shape, dtype=torch.float32)
        return adversary_network(
            self.network,
            *self.shape,
            hidden_layer_sizes=self.hidden_layer_sizes,
            image_shape=self.image_shape,
            axes=axes,
            residual=self.residual,
            seed=seed,
        )
