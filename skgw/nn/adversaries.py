"""Networks that an adversary measures distances through (Bunne et al. 2019, Eq. 3).

One that begins far from an isometry destroys what the generator has learned: distances contract,
the coupling falls back to the independent one, and the gradients vanish. So it begins as one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from skgw.nn.convolutions import ImageShape, check_image_shape, conv_encoder
from skgw.nn.networks import (
    NetworkFactory,
    check_layer_sizes,
    custom_network,
    mlp,
    named_shape_errors,
    seeded_weights,
)


class NearIsometry(nn.Module):
    """``x Q + g network(x)``: an isometry, and what is learned to differ from it.

    The number g begins at zero (as in ReZero, Bachlechner et al. 2021), so that any network will
    do. Q (d, s) has orthonormal columns, or rows where s > d.

    Parameters
    ----------
    network : Module
        From points (n, d) to features (n, s).
    n_features : int
        Dimension s of the features.
    axes : Tensor of shape (d, s), optional
        Q. By default that of the first s coordinates, followed by zeros if there are fewer.
    """

    axes: Tensor | None

    def __init__(self, network: nn.Module, n_features: int, axes: Tensor | None = None) -> None:
        super().__init__()
        self.network, self.n_features = network, n_features
        self.gain = nn.Parameter(torch.zeros((), dtype=torch.float32))
        self.register_buffer("axes", axes)

    def forward(self, x: Tensor) -> Tensor:
        """Features (n, s) of points (n, d).

        Raises
        ------
        ValueError
            If the network takes points, or returns features, of another dimension.
        """
        missing = self.n_features - x.shape[1]
        start = pad(x, (0, missing)) if self.axes is None else x @ self.axes
        with named_shape_errors(x, "adversary"):
            learned: Tensor = self.network(x)
        if learned.shape != start.shape:
            raise ValueError(
                f"The adversary returns an array of shape {tuple(learned.shape)} for {len(x)} "
                f"points, expected {tuple(start.shape)}."
            )
        return start + self.gain * learned


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
    """An adversary's network for one space, with fresh weights in float32.

    Parameters
    ----------
    network : "mlp", "conv" or callable
        A callable gets (n_inputs, n_features) and returns a module.
    n_inputs, n_features : int
        Dimensions of points and features.
    hidden_layer_sizes : tuple of int
        Of "mlp" the widths, of "conv" the channels.
    image_shape : (int, int, int), optional
        Channels, height and width of the points that "conv" takes for images.
    axes : Tensor of shape (n_inputs, n_features), optional
        See `NearIsometry`.
    residual : bool
        Whether it is a `NearIsometry`, or the network alone, with orthogonal matrices as its first
        weights (Saxe et al. 2014).
    seed : int

    Examples
    --------
    >>> import torch
    >>> x = torch.randn(4, 2)
    >>> adversary_network("mlp", 2, 3, hidden_layer_sizes=(8,))(x).norm(dim=1) == x.norm(dim=1)
    tensor([True, True, True, True])
    """
    with seeded_weights(seed):
        if isinstance(network, str):
            check_layer_sizes(hidden_layer_sizes)
            if network == "conv":
                shape = check_image_shape(image_shape, n_inputs, name="image_shape")
                made: nn.Module = conv_encoder(shape, hidden_layer_sizes, n_features)
            else:
                made = mlp((n_inputs, *hidden_layer_sizes, n_features))
        else:
            made = custom_network(network, n_inputs, n_features, name="adversary").float()
        if residual:
            return NearIsometry(made, n_features, axes)
        for name, weights in made.named_parameters():
            if weights.ndim > 1:
                nn.init.orthogonal_(weights)
            elif name.endswith("bias"):
                nn.init.zeros_(weights)
        return made
