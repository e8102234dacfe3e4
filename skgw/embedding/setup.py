"""Set-up of a fit: what its parameters mean together, and the model that they build."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from skgw import nn
from skgw.base.training_run import TrainingRun
from skgw.embedding.anchor_distances import AnchorDistances
from skgw.embedding.builders import (
    AdversarySpecs,
    Layout,
    build_adversary,
    build_anchors,
    build_generator,
    build_penalties,
    build_style_set,
    generator_spec,
    starts_at_mixture,
)
from skgw.embedding.initialization import initialize_by_scaling
from skgw.embedding.objective import GenerationOptions, GenerativeObjective
from skgw.embedding.parameters import (
    Adversary,
    Generator,
    GWOptimizer,
    Penalties,
    Prior,
    StyleSet,
)
from skgw.embedding.placed_rows import PlacedRows, place_rows
from skgw.nn import FittedNetwork
from skgw.nn.regularizers import Regularizer
from skgw.spaces import Space
from skgw.spaces.finite import Array, Index
from skgw.training.batches import stratified_order

MIN_UPDATES, MAX_UPDATES = 300, 1500  # updates of max_iter="auto"
ROWS_PER_UPDATE = 1.5  # training rows per update of max_iter="auto", within these limits
MIN_REFINEMENTS, MAX_REFINEMENTS = 100, 150  # updates if training refines a fitted mixture,
ROWS_PER_REFINEMENT = 5  # training rows per such update, within these limits, and
REFINEMENT_RATE = 4.0  # the learning rate then, over `learning_rate_init`: its units are small
MAX_INIT_UPDATES = 300  # updates of the initialisation
MAX_INIT_RATIO = 2  # updates of the initialisation per update of the training
INITIALIZATION_SEED, ADVERSARY_SEED = 2, 3  # offsets from the seed of the fit, and
STYLE_SEED = 5  # the two networks of the adversary have two seeds


class TrainingRows(NamedTuple):
    """Rows of a fit.

    Attributes
    ----------
    space : Space
    scale : float
        RMS distance.
    weights : array of shape (n_anchors,) or None
        Weights of the anchors of the space; None: equal weights.
    train, held_out : array of int
        Positions of the training anchors, and of the anchors that validate.
    """

    space: Space
    scale: float
    weights: Array | None
    train: Index
    held_out: Index

    @property
    def uneven_weights(self) -> Array | None:
        """The weights, if the training anchors differ in weight."""
        if self.weights is None or np.ptp(self.weights[self.train]) == 0:
            return None
        return self.weights


class Model(NamedTuple):
    """What is trained.

    Attributes
    ----------
    objective : GenerativeObjective
        All networks, on the device of the fit.
    spec : GeneratorSpec
        Specification of the generator.
    adversary_specs : pair of AdversarySpec or None
        Specifications of the networks of the adversary.
    placed : PlacedRows or None
        Rows at which the generator starts.
    """

    objective: GenerativeObjective
    spec: nn.GeneratorSpec
    adversary_specs: AdversarySpecs | None
    placed: PlacedRows | None


@dataclass(frozen=True)
class Setup:
    """Parameters of an embedding that describe its model.

    Attributes
    ----------
    layout : Layout
    generator : Generator
    adversary : Adversary or None
    penalties : Penalties
    optimizer : GWOptimizer
    epsilon : float
    batch_size : int
    max_cached : int
        Rows whose distances are all kept during training.
    """

    layout: Layout
    generator: Generator
    adversary: Adversary | None
    penalties: Penalties
    optimizer: GWOptimizer
    epsilon: float
    batch_size: int
    max_cached: int

    @property
    def starts_at_mixture(self) -> bool:
        """Whether the generator starts at a mixture that is fitted to placed rows."""
        return starts_at_mixture(self.generator, self.layout)

    @property
    def refines(self) -> bool:
        """Whether training refines the start only: nothing else draws the points away from it."""
        penalties = self.penalties.get_params(deep=False)
        others = (value for name, value in penalties.items() if name not in ("mean", "anchors"))
        return self.starts_at_mixture and self.adversary is None and not any(others)

    @property
    def keeps_coordinates(self) -> bool:
        """Whether the embedding has the coordinates of the generator, which have a meaning."""
        penalties = self.penalties
        fixing = self.layout.output_shape, penalties.style, penalties.anchors, penalties.terms
        return any(x is not None for x in fixing)

    def n_updates(self, n_rows: int) -> int:
        """Number of updates of ``max_iter="auto"``."""
        limits, share = (MIN_UPDATES, MAX_UPDATES), ROWS_PER_UPDATE
        if self.refines:
            limits, share = (MIN_REFINEMENTS, MAX_REFINEMENTS), ROWS_PER_REFINEMENT
        return int(np.clip(n_rows / share, *limits))

    def n_init_updates(self, n_updates: int) -> int:
        """Number of updates of the regression on the classical scaling."""
        prior = Prior.read(self.generator.prior)
        if self.generator.init != "mds" or self.starts_at_mixture or prior.n_components == 1:
            return 0
        if self.generator.n_init_updates != "auto":
            return int(self.generator.n_init_updates)
        return min(MAX_INIT_UPDATES, MAX_INIT_RATIO * n_updates)

    def build(
        self,
        rows: TrainingRows,
        n_updates: int,
        last: FittedNetwork[nn.Generator] | None,
        run: TrainingRun,
    ) -> Model:
        """Build the model, and initialise its generator.

        Parameters
        ----------
        rows : TrainingRows
        n_updates : int
            Number of updates of the generator.
        last : FittedNetwork or None
            Generator of the last fit for a warm start.
        run : TrainingRun
            Seeds, device and progress.
        """
        space, scale, weights, train, held_out = rows
        anchors = None
        if self.penalties.anchors is not None:
            anchors = build_anchors(self.penalties.anchors, space, scale, self.layout)
        distances = AnchorDistances.of(space, self.max_cached)
        n_strata = min(self.batch_size, len(train))
        order = stratified_order(distances.between, train, n_strata, run.rng, rows.uneven_weights)
        placed, n_fitted = None, None
        if self.starts_at_mixture and last is not None:
            assert isinstance(last.spec, nn.GeneratorSpec)
            n_fitted = last.spec.n_prior_components
        elif self.starts_at_mixture:
            run.say(f"placement of {len(train)} rows")
            placed = place_rows(
                distances, scale, order, self.layout.n_components,
                Prior.read(self.generator.prior).n_components, run.rng,
                weights=weights, anchors=anchors,
            )  # fmt: skip
            n_fitted = placed.mixture.shape[0]
            run.step("placement")
        spec = generator_spec(self.generator, self.layout, n_fitted)
        generator = build_generator(spec, last, run.seed)
        if last is None and generator.midpoint is not None:
            generator.scale.fill_(1 / scale)
        elif last is None and anchors is not None:
            generator.origin.copy_(anchors.points.mean(0))
        adversary, adversary_specs = None, None
        if self.adversary is not None:
            adversary, adversary_specs = build_adversary(
                self.adversary, space, scale, self.layout,
                weights=weights, n_updates=n_updates, seed=run.seed + ADVERSARY_SEED,
            )  # fmt: skip
        regularizers, style_set = build_penalties(self.penalties, scale, self.layout), None
        if self.penalties.style_set is not None:
            style = StyleSet.read(self.penalties.style_set)
            style_set = build_style_set(style, scale, self.layout, run.seed + STYLE_SEED)
            regularizers.append(Regularizer("style_set", style.weight, style_set))
        objective = GenerativeObjective(
            distances, scale, generator, self._options(), order=order, held_out=held_out,
            regularizers=regularizers, adversary=adversary, anchors=anchors, style_set=style_set,
            weights=weights,
        )  # fmt: skip
        objective.to(run.device)
        if placed is not None:
            placed.start(objective)
        if last is None and (n_init_updates := self.n_init_updates(n_updates)):
            initialize_by_scaling(
                objective, run.noise(INITIALIZATION_SEED), image_shape=spec.output_shape,
                n_updates=n_init_updates, report=run.initializing,
            )  # fmt: skip
        return Model(objective, spec, adversary_specs, placed)

    def _options(self) -> GenerationOptions:
        optimizer = self.optimizer
        return GenerationOptions(
            self.epsilon, self.batch_size, optimizer.stratified, optimizer.warm_couplings,
            optimizer.independent_self_terms,
            rate_factor=REFINEMENT_RATE if self.refines else 1.0,
        )  # fmt: skip
