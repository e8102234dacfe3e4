"""From an estimator's parameters to the adversary of its training."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator

from skgw.embedding.adversary import Adversary, AdversaryOptions
from skgw.nn import adversary_network
from skgw.nn.convolutions import ImageShape
from skgw.spaces import FeatureSpace, Space


def build_adversary(
    estimator: BaseEstimator, space: Space, scale: float, *, n_updates: int, seed: int
) -> Adversary | None:
    """The adversary of a fit to `space`, whose unit is `scale`; None if there is to be none.

    Parameters
    ----------
    estimator : BaseEstimator
        Has the parameters `adversary`, `adversary_dim`, `orthogonality`, `orthogonality_weight`,
        `adversary_start`, `adversary_every`, `hidden_layer_sizes`, `n_components`, `image_shape`
        and `output_shape`.
    space : Space
    scale : float
    n_updates : int
        Of the generator.
    seed : int

    Raises
    ------
    ValueError
        For a space without features or with other distances than Euclidean ones, and where the
        features have too few dimensions.
    """
    params = estimator
    if params.adversary is None:
        return None
    if not (isinstance(space, FeatureSpace) and space.metric in ("euclidean", "l2")):
        raise ValueError(
            "An adversary learns distances of its own from features: it needs metric='euclidean', "
            f"got {params.metric!r}. Set adversary=None for other distances and for graphs."
        )
    if params.adversary == "conv" and params.image_shape is None and params.output_shape is None:
        raise ValueError('adversary="conv" needs image_shape, output_shape, or both.')
    points = space.points[space.anchors]
    rows = torch.as_tensor(points / scale, dtype=torch.float32)
    n_features = _n_features(params, rows.shape[1])
    options = AdversaryOptions(
        orthogonality=params.orthogonality,
        weight=params.orthogonality_weight,
        start=round(params.adversary_start * n_updates),
        every=params.adversary_every,
    )
    axes = _principal_axes(points, n_features) if n_features < rows.shape[1] else None
    networks = (
        _network(params, params.image_shape, rows.shape[1], n_features, axes=axes, seed=seed),
        _network(params, params.output_shape, params.n_components, n_features, seed=seed + 1),
    )
    return Adversary(rows, networks, options)


def _network(
    params: BaseEstimator,
    shape: ImageShape | None,
    n_inputs: int,
    n_features: int,
    *,
    seed: int,
    axes: torch.Tensor | None = None,
) -> torch.nn.Module:
    """The network of one space: of "conv", an "mlp" for points that are no images."""
    network = "mlp" if params.adversary == "conv" and shape is None else params.adversary
    return adversary_network(
        network,
        n_inputs,
        n_features,
        hidden_layer_sizes=tuple(params.hidden_layer_sizes),
        image_shape=shape,
        axes=axes,
        residual=params.orthogonality != "layerwise",
        seed=seed,
    )


def _n_features(params: BaseEstimator, n_inputs: int) -> int:
    if params.adversary_dim is None:
        return max(n_inputs, params.n_components)
    if params.adversary_dim < params.n_components:
        raise ValueError(
            f"adversary_dim={params.adversary_dim} is less than n_components="
            f"{params.n_components}: the adversary would not see all of the generated points."
        )
    return int(params.adversary_dim)


def _principal_axes(points: np.ndarray, n_axes: int) -> torch.Tensor:
    """Axes (d, n_axes) of largest variance."""
    centred = points - points.mean(0)
    _, _, axes = np.linalg.svd(np.linalg.qr(centred, mode="r"), full_matrices=False)
    if len(axes) < n_axes:
        axes = np.linalg.svd(axes, full_matrices=True)[2]
    return torch.as_tensor(axes[:n_axes].T.copy(), dtype=torch.float32)
