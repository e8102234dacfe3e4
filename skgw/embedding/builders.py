"""Builders of the networks and penalties that the parameters of an embedding describe."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.validation import check_array, column_or_1d

from skgw import nn
from skgw.embedding.adversary import AdversarialDistances, AdversaryOptions
from skgw.embedding.anchors import AnchorPairs
from skgw.embedding.parameters import (
    LATENT_DIM,
    Adversary,
    Anchors,
    Generator,
    Penalties,
    Prior,
    StyleSet,
)
from skgw.embedding.style import style_penalty
from skgw.embedding.style_set import PatchStyle
from skgw.nn.convolutions import ImageShape, check_image_shape
from skgw.nn.networks import weight_source
from skgw.nn.regularizers import FrozenPenalty, Regularizer, TotalVariation
from skgw.registration.principal_axes import principal_axes
from skgw.spaces import FeatureSpace, GeodesicSpace, Space
from skgw.spaces.finite import Array

IMAGE_NETWORKS = "conv", *nn.IMAGE_NETWORKS  # names of architectures that read images


AdversarySpecs = tuple[nn.AdversarySpec, nn.AdversarySpec]  # of rows and of points


@dataclass(frozen=True)
class Layout:
    """Sizes that all networks of an embedding share.

    Attributes
    ----------
    n_components : int
        Dimension of generated points.
    hidden_layer_sizes : tuple of int
        Widths of "mlp"; channels of "conv"; ignored by other networks.
    output_shape : (int, int, int) or None
        Channels, height and width of generated points that are images.
    """

    n_components: int
    hidden_layer_sizes: tuple[int, ...]
    output_shape: ImageShape | None


def starts_at_mixture(generator: Generator, layout: Layout) -> bool:
    """Whether the noise is a mixture that is fitted to placed rows, which the network moves."""
    is_free = layout.output_shape is None and Prior.read(generator.prior).latent_dim is None
    form = generator.init, generator.network, generator.output_activation
    return is_free and form == ("mds", "mlp", "identity")


def generator_spec(
    generator: Generator, layout: Layout, n_fitted: int | None = None
) -> nn.GeneratorSpec:
    """The specification of the generator network.

    Parameters
    ----------
    generator : Generator
    layout : Layout
    n_fitted : int, optional
        Number of components of a fitted mixture.

    Raises
    ------
    ValueError
        If `output_shape` does not have `n_components` pixels.
    """
    shape, prior = layout.output_shape, Prior.read(generator.prior)
    if shape is not None:
        if len(shape) == 3 and math.prod(shape) != layout.n_components:
            raise ValueError(
                f"output_shape={tuple(shape)} has {math.prod(shape)} values, and n_components is "
                f"{layout.n_components}: set n_components={math.prod(shape)}."
            )
        shape = check_image_shape(shape, layout.n_components, name="output_shape")
    return nn.GeneratorSpec(
        n_outputs=layout.n_components,
        latent_dim=layout.n_components if n_fitted else prior.latent_dim or LATENT_DIM,
        network=generator.network,
        hidden_layer_sizes=layout.hidden_layer_sizes,
        n_prior_components=n_fitted or prior.n_components,
        residual=bool(n_fitted),
        output_shape=shape,
        output_activation=generator.output_activation,
    )


def build_generator(
    spec: nn.GeneratorSpec, last: nn.FittedNetwork[nn.Generator] | None, seed: int
) -> nn.Generator:
    """Build a new generator, or the generator of the last fit for a warm start.

    Parameters
    ----------
    spec : GeneratorSpec
    last : FittedNetwork or None
        Generator of the last fit for a warm start.
    seed : int
        Seed of the weights of a new generator.

    Raises
    ------
    ValueError
        If the last generator has another specification.
    """
    if last is None:
        return spec.build(seed)
    if last.spec != spec:
        raise ValueError(
            "warm_start continues the last fit's generator: n_components, generator, "
            "hidden_layer_sizes and output_shape must stay the same."
        )
    return last.build().train()


def build_adversary(
    adversary: Adversary,
    space: Space,
    scale: float,
    layout: Layout,
    *,
    weights: Array | None = None,
    n_updates: int,
    seed: int,
) -> tuple[AdversarialDistances, AdversarySpecs]:
    """Build the adversary of a fit.

    Parameters
    ----------
    adversary : Adversary
    space : Space
        Space of the training rows.
    scale : float
        RMS distance of the data.
    layout : Layout
    weights : array of shape (n_anchors,), optional
        Weights of the training rows; by default equal.
    n_updates : int
        Number of updates of the generator.
    seed : int
        Seed of the weights.

    Returns
    -------
    distances : AdversarialDistances
    specs : pair of AdversarySpec
        Specifications of its networks.

    Raises
    ------
    ValueError
        For a space without features or without Euclidean distances, for fewer features of the
        adversary than components, for convolutions without an image shape, and for one network of
        spaces that differ in dimension or in the shape of their images.
    """
    if not (isinstance(space, FeatureSpace) and space.metric in ("euclidean", "l2")):
        if isinstance(space, FeatureSpace):
            metric: Any = space.metric
        else:
            metric = "geodesic" if isinstance(space, GeodesicSpace) else "precomputed"
        raise ValueError(
            "An adversary learns distances between features: it needs metric='euclidean', "
            f"got {metric!r}. Set adversary=None for other distances and for graphs."
        )
    shapes = adversary.image_shape, layout.output_shape
    if adversary.network in IMAGE_NETWORKS and shapes == (None, None):
        name = adversary.network
        raise ValueError(
            f'adversary="{name}" needs output_shape, or Adversary("{name}", image_shape=...), or '
            "both."
        )
    points = space.points[space.anchors]
    rows = torch.as_tensor(points / scale, dtype=torch.float32)
    n_inputs, n_points = rows.shape[1], layout.n_components
    n_features = _n_features(adversary, n_inputs, n_points)
    axes = _leading_axes(points, n_features, weights) if n_features < n_inputs else None
    if adversary.shared:
        shared_shape = _shared_shape(shapes, n_inputs, n_points)
        spec = _adversary_spec(adversary, layout, shared_shape, n_inputs, n_features)
        network = spec.build(seed)
        networks, specs = (network, network), (spec, spec)
    else:
        specs = (
            _adversary_spec(adversary, layout, shapes[0], n_inputs, n_features),
            _adversary_spec(adversary, layout, shapes[1], n_points, n_features),
        )
        networks = specs[0].build(seed, axes=axes), specs[1].build(seed + 1)
    options = AdversaryOptions(
        orthogonality=adversary.orthogonality,
        weight=adversary.weight,
        start=round(adversary.start * n_updates),
        every=adversary.every,
        n_steps=adversary.n_steps,
    )
    return AdversarialDistances(rows, networks, options), specs


def build_anchors(anchors: Anchors, space: Space, scale: float, layout: Layout) -> AnchorPairs:
    """Measure the distances to the known rows.

    Parameters
    ----------
    anchors : Anchors
    space : Space
        Space of the training rows.
    scale : float
        RMS distance of the data.
    layout : Layout

    Raises
    ------
    ValueError
        If rows and points are missing, do not correspond, or are of another dimension.
    """
    if anchors.rows is None or anchors.points is None:
        raise ValueError("Anchors needs rows and points.")
    points = check_array(anchors.points, dtype=np.float64, input_name="points of the anchors")
    given = anchors.rows
    rows = given if sparse.issparse(given) else np.asarray(given)
    if len(points) != rows.shape[0] or points.shape[1] != layout.n_components:
        raise ValueError(
            f"Anchors needs one point with n_components={layout.n_components} coordinates for each "
            f"of its {rows.shape[0]} rows, got points of shape {points.shape}."
        )
    distances = _distances_to(rows, space) / scale
    return AnchorPairs(
        torch.as_tensor(distances, dtype=torch.float32),
        torch.as_tensor(points / scale, dtype=torch.float32),
        anchors.weight,
    )


def _distances_to(rows: Any, space: Space) -> Array:
    """Distances (N, K) from the anchors of a space to rows, given by positions or as new rows."""
    n = len(space.anchors)
    if rows.ndim == 1:
        positions = column_or_1d(rows)
        if (
            positions.dtype.kind not in "iu"
            or positions.min() < 0
            or positions.max() >= space.n_rows
        ):
            raise ValueError(
                f"rows of Anchors must be positions below {space.n_rows}, the number of training "
                f"rows, or rows of {space.n_columns} columns."
            )
        return np.ascontiguousarray(space.distances(positions.astype(np.intp), np.arange(n)).T)
    new = check_array(rows, accept_sparse="csr", dtype=np.float64, input_name="rows of the anchors")
    if new.shape[1] != space.n_columns:
        raise ValueError(
            f"rows of Anchors have {new.shape[1]} columns, and the data have {space.n_columns}."
        )
    return np.ascontiguousarray(space.from_new(new).T)


def build_style_set(style_set: StyleSet, scale: float, layout: Layout, seed: int) -> PatchStyle:
    """Build the critic of the patches of examples.

    Parameters
    ----------
    style_set : StyleSet
    scale : float
        RMS distance of the data.
    layout : Layout
    seed : int
        Seed of the weights.

    Raises
    ------
    ValueError
        Without an image shape, or if the examples are not images of this shape.
    """
    if layout.output_shape is None:
        raise ValueError("A style set is for images: it needs output_shape=(c, h, w).")
    if style_set.examples is None:
        raise ValueError("StyleSet needs examples.")
    examples = check_array(style_set.examples, dtype=np.float64, input_name="examples of the style")
    if examples.shape[1] != layout.n_components:
        raise ValueError(
            f"The examples of the style set have {examples.shape[1]} values, and n_components is "
            f"{layout.n_components}."
        )
    critic = nn.patch_critic(layout.output_shape, style_set.n_layers, weight_source(seed))
    scaled = torch.as_tensor(examples / scale, dtype=torch.float32)
    return PatchStyle(scaled, critic, style_set.every)


def build_penalties(penalties: Penalties, scale: float, layout: Layout) -> list[Regularizer]:
    """Build the penalties on generated points whose weights are positive.

    Parameters
    ----------
    penalties : Penalties
    scale : float
        RMS distance of the data.
    layout : Layout

    Raises
    ------
    ValueError
        If total variation is given without an image shape, or if a classifier does not fit the
        points.
    """
    regularizers = [
        Regularizer(name, weight, nn.PENALTIES[name])
        for name, weight in (("mean", penalties.mean), ("l1", penalties.l1))
        if weight
    ]
    if penalties.total_variation:
        if layout.output_shape is None:
            raise ValueError(
                "The penalty total_variation is for images: it needs output_shape=(c, h, w)."
            )
        variation = TotalVariation(layout.output_shape)
        regularizers.append(Regularizer("total_variation", penalties.total_variation, variation))
    if penalties.style is not None:
        style = penalties.style
        penalty = style_penalty(style.classifier, style.target, layout.n_components)
        regularizers.append(Regularizer("style", style.weight, penalty, scale=scale))
    for i, (term, weight) in enumerate(penalties.weighted_terms()):
        if weight:
            term = FrozenPenalty(term) if isinstance(term, torch.nn.Module) else term
            regularizers.append(Regularizer(f"term_{i}", weight, term, scale=scale))
    return regularizers


def _adversary_spec(
    adversary: Adversary,
    layout: Layout,
    shape: ImageShape | None,
    n_inputs: int,
    n_features: int,
) -> nn.AdversarySpec:
    """The network of one space; without an image shape a network of images becomes "mlp"."""
    network: Any = adversary.network
    if network not in IMAGE_NETWORKS:
        shape = None
    elif shape is None:
        network = "mlp"
    else:
        shape = check_image_shape(shape, n_inputs, name="image_shape")
    residual = adversary.orthogonality != "layerwise"
    return nn.AdversarySpec(
        n_inputs,
        n_features,
        network,
        layout.hidden_layer_sizes,
        image_shape=shape,
        residual=residual,
        has_axes=residual and n_features < n_inputs,
    )


def _shared_shape(
    shapes: tuple[ImageShape | None, ImageShape | None], n_inputs: int, n_components: int
) -> ImageShape | None:
    """Shape of the images of both spaces; None without images."""
    if n_inputs != n_components:
        raise ValueError(
            f"Adversary(shared=True) has one network for both spaces, and X has {n_inputs} "
            f"features: set n_components={n_inputs}, not {n_components}, or shared=False."
        )
    given = [shape for shape in shapes if shape is not None]
    if len({tuple(shape) for shape in given}) > 1:
        raise ValueError(
            "Adversary(shared=True) has one network for both spaces: image_shape and output_shape "
            f"must be equal, got {shapes[0]} and {shapes[1]}."
        )
    return given[0] if given else None


def _n_features(adversary: Adversary, n_inputs: int, n_components: int) -> int:
    """Dimension of the features of the adversary."""
    if adversary.n_features is None:
        return max(n_inputs, n_components)
    if adversary.n_features < n_components:
        raise ValueError(
            f"n_features={adversary.n_features} of the adversary is less than n_components="
            f"{n_components}: the adversary would not see all of the generated points."
        )
    return int(adversary.n_features)


def _leading_axes(points: Array, n_axes: int, weights: Array | None) -> torch.Tensor:
    """Principal axes (d, n_axes) of largest variance of points (n, d) with weights (n,)."""
    if weights is not None:  # points and their mirror images have the mean zero
        centred = np.sqrt(weights)[:, None] * (points - np.average(points, 0, weights))
        points = np.concatenate([centred, -centred])
    _, axes = principal_axes(points)
    return torch.as_tensor(axes[:n_axes].T.copy(), dtype=torch.float32)
