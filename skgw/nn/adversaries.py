"""Adversary networks: maps to features whose distances are compared (Bunne et al. 2019, Eq. 3).

An adversary far from an isometry contracts distances, so that the coupling becomes independent and
the gradient of the generator vanishes. Therefore an adversary is initialised as an isometry.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from skgw.nn.convolutions import ImageShape, check_image_shape, conv_encoder
from skgw.nn.image_networks import IMAGE_NETWORKS, image_encoder
from skgw.nn.networks import (
    NetworkFactory,
    check_layer_sizes,
    custom_network,
    mlp,
    named_shape_errors,
    weight_source,
)


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
    network: str | NetworkFactory,
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
