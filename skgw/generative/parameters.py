"""Samplers of codes as parameters of `OTAutoencoder`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from numbers import Real
from typing import Self

import numpy as np
import torch

from skgw.base.estimator import draw_seed, seeded
from skgw.base.parameters import (
    POSITIVE,
    POSITIVE_INTEGER,
    NamedPart,
    one_of,
    param,
    with_parameters,
)
from skgw.base.sklearn_compat import Interval
from skgw.generative.code_flow import FlowObjective
from skgw.generative.code_samplers import (
    FACET_NEIGHBORS,
    AngleDraws,
    CodeDraws,
    FlowDraws,
    LocalDraws,
    PairDraws,
    automatic_threshold,
    mass_centers,
)
from skgw.generative.semi_discrete_ot import SemiDiscreteOT
from skgw.nn import AdversarySpec, FittedNetwork
from skgw.storable import storable
from skgw.training import TrainingOptions, train

ANGLE = Interval(Real, 0, None, closed="neither")


class CodeSampler(NamedPart):
    """Base class of the rules that make new codes of transported source points."""

    @abstractmethod
    def fit(
        self, transport: SemiDiscreteOT, rng: np.random.RandomState, device: torch.device
    ) -> CodeDraws:
        """The fitted sampler of a fitted map from normal noise to codes."""

    @classmethod
    def kinds(cls) -> Mapping[str, type[Self]]:
        """Classes of the alternatives by name."""
        return SAMPLERS


@storable
@with_parameters
class LocalSampler(CodeSampler):
    """A random step around the transported code, in the shape of its neighbourhood.

    With mean m and covariance S of the nearest codes of a code y, a new code is normal with mean
    ``m + sqrt(1 - step ** 2) (y - m)`` and covariance ``a ** 2 S``: a step of an Ornstein-Uhlenbeck
    process. The number a, about `step`, is such that new codes have the variance of the codes
    within modes, which are the connected components of the graph of neighbours. Where the
    neighbours are a whole normal mode, it is `step`, and new codes have the distribution of the
    codes.

    Parameters
    ----------
    n_neighbors : int, default=30
        Number of nearest codes, itself included. A neighbourhood is smaller where the next code is
        three times as far as the last one.
    step : float, default=0.7
        From 0, copies of codes, to 1, draws of the neighbourhood alone.

    Examples
    --------
    >>> from skgw import OTAutoencoder
    >>> OTAutoencoder().set_params(sampler__step=0.5).sampler
    LocalSampler(step=0.5)
    """

    n_neighbors: int = param(POSITIVE_INTEGER, default=30)
    step: float = param(Interval(Real, 0, 1, closed="right"), default=0.7)

    def fit(
        self, transport: SemiDiscreteOT, rng: np.random.RandomState, device: torch.device
    ) -> CodeDraws:
        """The neighbourhoods of the codes."""
        del rng, device
        atoms, weights = transport.atoms_, transport.weights_
        return LocalDraws.fit(atoms, weights, int(self.n_neighbors), float(self.step))


@storable
@with_parameters
class AngleSampler(CodeSampler):
    """Algorithm 2 of An et al. (2020): means of the codes around a source point, within modes.

    The codes of the nearest mass centres of a source point are averaged, with weights inverse to
    the distances of the centres. A code is left out if the angle between its facet of the Brenier
    potential and that of the nearest centre is above a threshold. If all are left out, the source
    point is rejected. Means of several codes have a smaller variance than the codes.

    Parameters
    ----------
    threshold : float or "auto", default="auto"
        Largest angle in radians, of codes that are centred and divided by the root of their mean
        variance. "auto": the gap between angles within and between modes; without a gap the 90 %
        quantile of the angles of adjacent facets.
    n_vertices : int or None, default=None
        Number of codes around a source point. None: one more than their dimension.
    neighbors : {"centers", "hyperplanes"}, default="centers"
        The codes around a point: those of the nearest mass centres, or of the highest hyperplanes.
    n_center_samples : int, default=50
        Number of source points per code from which mass centres are estimated.

    References
    ----------
    :cite:t:`an2020`, Algorithm 2.

    Examples
    --------
    >>> from skgw import OTAutoencoder
    >>> OTAutoencoder(sampler="angle").set_params(sampler__threshold=0.2).sampler
    AngleSampler(threshold=0.2)
    """

    threshold: float | str = param(ANGLE, one_of("auto"), default="auto")
    n_vertices: int | None = param(POSITIVE_INTEGER, None, default=None)
    neighbors: str = param(one_of(*FACET_NEIGHBORS), default="centers")
    n_center_samples: int = param(POSITIVE_INTEGER, default=50)

    def fit(
        self, transport: SemiDiscreteOT, rng: np.random.RandomState, device: torch.device
    ) -> CodeDraws:
        """Threshold and mass centres."""
        del device
        k = transport.n_features_in_ + 1 if self.n_vertices is None else int(self.n_vertices)
        threshold = _threshold(self.threshold, transport, rng)
        centers = mass_centers(transport, self.n_center_samples, rng)
        return AngleDraws(centers, threshold, k, self.neighbors == "centers")


@storable
@with_parameters
class PairSampler(CodeSampler):
    """The rule of the published program: a point between two codes of neighbouring facets.

    The second code is drawn among those of the highest hyperplanes at the source point whose facets
    form an angle with the first one that is at most a threshold. Without one the source point is
    rejected. The published program draws at most one such point for each first code.

    Parameters
    ----------
    threshold : float or "auto", default="auto"
        Largest angle in radians, as for `AngleSampler`; 0.7 in the published program, for codes as
        they are.
    n_vertices : int, default=20
        Number of hyperplanes, the first one included.
    weight : float or None, default=0.75
        Share of the second code. None: uniform on [0, 1], as for the planar examples of the
        published program, with ``n_vertices=2``.

    References
    ----------
    :cite:t:`an2020`, and its program.

    Examples
    --------
    >>> from skgw import OTAutoencoder
    >>> from skgw.generative import PairSampler
    >>> OTAutoencoder(sampler=PairSampler(n_vertices=2, weight=None)).sampler
    PairSampler(n_vertices=2, weight=None)
    """

    threshold: float | str = param(ANGLE, one_of("auto"), default="auto")
    n_vertices: int = param(POSITIVE_INTEGER, default=20)
    weight: float | None = param(Interval(Real, 0, 1, closed="both"), None, default=0.75)

    def fit(
        self, transport: SemiDiscreteOT, rng: np.random.RandomState, device: torch.device
    ) -> CodeDraws:
        """The threshold."""
        del device
        weight = None if self.weight is None else float(self.weight)
        return PairDraws(_threshold(self.threshold, transport, rng), int(self.n_vertices), weight)


@storable
@with_parameters
class FlowSampler(CodeSampler):
    """A velocity field from noise to codes, trained on the semi-discrete coupling.

    Source points are joined to the codes that they are transported to by straight lines, and a
    network learns the mean velocity at each point and time. New codes are source points, moved
    along the velocity.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(256, 256, 256)
        Hidden layers of the network, with ReLU.
    max_iter : int, default=5000
        Number of updates.
    batch_size : int, default=256
        Source points of an update.
    learning_rate_init : float, default=0.002
        Largest learning rate of Adam; it falls along a cosine.
    n_steps : int, default=20
        Number of midpoint steps of a draw, with two evaluations of the network each.

    References
    ----------
    :cite:t:`mousavihosseini2026`.

    Examples
    --------
    >>> from skgw import OTAutoencoder
    >>> OTAutoencoder(sampler="flow").set_params(sampler__max_iter=100).sampler
    FlowSampler(max_iter=100)
    """

    hidden_layer_sizes: tuple[int, ...] = param("array-like", default=(256, 256, 256))
    max_iter: int = param(POSITIVE_INTEGER, default=5000)
    batch_size: int = param(POSITIVE_INTEGER, default=256)
    learning_rate_init: float = param(POSITIVE, default=2e-3)
    n_steps: int = param(POSITIVE_INTEGER, default=20)

    def fit(
        self, transport: SemiDiscreteOT, rng: np.random.RandomState, device: torch.device
    ) -> CodeDraws:
        """Train the network."""
        d, seed = transport.n_features_in_, draw_seed(rng)
        spec = AdversarySpec(d + 1, d, "mlp", tuple(self.hidden_layer_sizes), residual=False)
        network = spec.build(seed)
        objective = FlowObjective(
            network, transport.atoms_, transport.heights_, batch_size=int(self.batch_size)
        ).to(device)
        options = TrainingOptions(int(self.max_iter), float(self.learning_rate_init))
        train(objective, options, seeded(seed + 1))
        return FlowDraws(FittedNetwork.of(network, spec), int(self.n_steps))


SAMPLERS: dict[str, type[CodeSampler]] = {
    "local": LocalSampler,
    "angle": AngleSampler,
    "pair": PairSampler,
    "flow": FlowSampler,
}


def _threshold(value: float | str, transport: SemiDiscreteOT, rng: np.random.RandomState) -> float:
    return automatic_threshold(transport, rng) if value == "auto" else float(value)
