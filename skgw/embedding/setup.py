"""From an estimator's parameters to the objective that a generator is trained with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skgw.embedding.adversary import Adversary
from skgw.embedding.objective import GenerationOptions, GenerativeObjective
from skgw.embedding.regularizers_setup import build_constraints
from skgw.nn import FittedNetwork, Generator, GeneratorSpec
from skgw.nn.convolutions import check_image_shape
from skgw.spaces import Space

MIN_UPDATES, MAX_UPDATES = 300, 1500  # of max_iter="auto"

Index = NDArray[np.intp]


def count_updates(params: BaseEstimator, n_rows: int) -> int:
    """Updates of the generator that `max_iter` stands for, for so many training rows."""
    if params.max_iter == "auto":
        return int(np.clip(2 * n_rows / 3, MIN_UPDATES, MAX_UPDATES))
    return int(params.max_iter)


def generator_spec(params: BaseEstimator) -> GeneratorSpec:
    """The generator that the parameters describe.

    Raises
    ------
    ValueError
        If `output_shape` is not that of `n_components` pixels.
    """
    shape = params.output_shape
    if shape is not None:
        shape = check_image_shape(shape, params.n_components, name="output_shape")
    return GeneratorSpec(
        n_outputs=params.n_components,
        latent_dim=params.latent_dim,
        network=params.generator,
        hidden_layer_sizes=tuple(params.hidden_layer_sizes),
        n_prior_components=params.n_prior_components,
        output_shape=shape,
    )


def build_generator(
    spec: GeneratorSpec, last: FittedNetwork[Generator] | None, seed: int
) -> Generator:
    """A new generator, or the `last` fit's to be trained further.

    Raises
    ------
    ValueError
        If the last one is not of this `spec`.
    """
    if last is None:
        return spec.build(seed)
    if last.spec != spec:
        raise ValueError(
            "warm_start continues the last fit's generator: n_components, latent_dim, generator, "
            "hidden_layer_sizes, n_prior_components and output_shape must stay the same."
        )
    return last.build().train()


def build_objective(
    params: BaseEstimator,
    space: Space,
    scale: float,
    generator: Generator,
    adversary: Adversary | None,
    rng: np.random.RandomState,
) -> GenerativeObjective:
    """The objective of a fit to `space`, whose unit is `scale`.

    Parameters
    ----------
    params : BaseEstimator
        Has the parameters `epsilon`, `batch_size`, `early_stopping` and `validation_fraction`, and
        those of `build_constraints`.
    space : Space
    scale : float
    generator : Generator
    adversary : Adversary or None
    rng : RandomState
        Chooses the rows that are held out, and the strata of the others.

    Raises
    ------
    ValueError
        If too few rows are left to train on, or a constraint does not fit the points.
    """
    fraction = params.validation_fraction if params.early_stopping else 0.0
    train, held_out = _split_anchors(len(space.anchors), fraction, rng)
    return GenerativeObjective(
        space,
        scale,
        generator,
        GenerationOptions(params.epsilon, params.batch_size),
        rng=rng,
        train=train,
        held_out=held_out,
        constraints=build_constraints(params, scale),
        adversary=adversary,
    )


def _split_anchors(n: int, fraction: float, rng: np.random.RandomState) -> tuple[Index, Index]:
    """Positions of the anchors to train on, in order, and of those that are held out."""
    anchors = np.arange(n)
    if not fraction:
        return anchors, anchors[:0]
    shuffled = rng.permutation(anchors)
    n_held_out = max(2, round(fraction * n))
    held_out, anchors = shuffled[:n_held_out], np.sort(shuffled[n_held_out:])
    if len(anchors) < 2:
        raise ValueError("Too few samples for early_stopping; switch it off.")
    return anchors, held_out
