"""GWGenerativeEmbedding: an embedding that can be sampled from."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import Tags, check_scalar
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted

from skgw import nn
from skgw.base.coupling import Coupling
from skgw.base.estimator import (
    canonical_axes,
    draw_seed,
    seeded,
    tensor_in_tensor_out,
    weighted_distortion,
)
from skgw.base.parameters import POSITIVE, POSITIVE_INTEGER, one_of, param, part, with_parameters
from skgw.base.sklearn_compat import Interval
from skgw.base.trained import Optimizer, TrainedEstimator, hold_out, whole_fit
from skgw.base.training_run import TrainingRun
from skgw.base.validation import estimate_scale, make_space, read_points
from skgw.embedding.barycentric_projection import Placement
from skgw.embedding.builders import (
    Layout,
    build_adversary,
    build_generator,
    build_penalties,
    generator_spec,
)
from skgw.embedding.cloud_coupling import project
from skgw.embedding.initialization import initialize_by_scaling
from skgw.embedding.objective import GenerationOptions, GenerativeObjective
from skgw.embedding.parameters import Adversary, Generator, GWOptimizer, Penalties
from skgw.exceptions import GWConvergenceWarning, warn_user
from skgw.nn import FittedNetwork
from skgw.solvers import full_precision
from skgw.spaces import Space
from skgw.training.batches import evenly_spaced
from skgw.training.optimizers import OPTIMIZERS

MIN_UPDATES, MAX_UPDATES = 300, 1500  # of max_iter="auto"
MAX_REFERENCE = 1000  # training rows that new ones are compared with

Array = NDArray[Any]


def _has_features(estimator: GWGenerativeEmbedding) -> bool:
    if estimator.metric == "precomputed":
        raise AttributeError(
            "inverse_transform needs features; metric='precomputed' has distances only."
        )
    return True


@with_parameters
class GWGenerativeEmbedding(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    TrainedEstimator,
):
    """Embedding of features, distances or graphs that new points can be sampled from.

    A generator network learns to produce points whose distances are distributed, and related, like
    those of the data: it minimises the normalised entropic Gromov-Wasserstein discrepancy between
    mini-batches of data and of generated points. Only distances inside each space enter, so that
    the dimension of the embedding is free, and the data need no coordinates.

    Training rows and new ones get their place by barycentric projection: the mean of a fixed
    cloud of generated points, weighted by the coupling between data and cloud.

    Parameters
    ----------
    n_components : int, default=2
        Dimension of the embedding.
    metric : str or callable, default="euclidean"
        "precomputed" (distances, or a graph), "geodesic" (shortest paths in the graph of nearest
        neighbours), or any metric of `sklearn.metrics.pairwise_distances`.
    n_neighbors : int, default=15
        Number of neighbours in the graph of ``metric="geodesic"``.
    edge_length : str, default="hops"
        Length of a graph's edges: "hops" (1 each), "weight", or the name of an edge attribute.
    epsilon : float, default=0.005
        Weight of the entropy of the coupling, relative to the mean squared distance. A smaller
        epsilon gives sharper couplings and slower training.
    generator : {"mlp", "conv"}, callable, Module or Generator, default="mlp"
        Network that maps noise to points. A callable takes the dimensions of noise and points and
        returns a `torch.nn.Module`. A `Generator` also sets the prior and the start.
    hidden_layer_sizes : tuple of int, default=(128, 128, 128)
        Layers of all networks: widths of "mlp"; channels of "conv", from the image inwards, where
        each layer halves the image.
    output_shape : (int, int, int) or None, default=None
        Channels, height and width of generated points that are images, as flat rows: their product
        is `n_components`. The embedding then keeps the generator's own coordinates.
    adversary : {"mlp", "conv"}, callable, Adversary or None, default=None
        Networks that learn the distances which the loss compares. It needs features and
        ``metric="euclidean"``. None: the distances of `metric`.
    penalties : {"mean", "l1", "total_variation"}, Penalties or None, default="mean"
        Penalties on generated points. A string is the penalty of that name with weight 0.1;
        `Penalties` holds several weights, and a style.
    n_generated : int, default=1000
        Number of generated points in the cloud that rows are projected onto.
    warm_start : bool, default=False
        Start from the generator of the last fit.
    batch_size : int, default=256
        Points per mini-batch, of the data and of the generator: of the data at most all, of the
        generator at most four per training row, or 256 if that is more.
    max_iter : int or "auto", default="auto"
        Number of updates of the generator. "auto": two for three training rows, at least 300, at
        most 1500.
    optimizer : {"adam", "adamw", "rmsprop", "sgd"}, callable or GWOptimizer, default="adam"
        A callable takes the network parameters and ``lr`` and returns a torch optimiser. A
        `GWOptimizer` also sets the schedule of the learning rate, the batches and the couplings.
    {training_parameters}

    Attributes
    ----------
    embedding_ : array of shape (n_samples, n_components)
        The training rows, around the origin, along principal axes, in units of the distances; in
        the generator's own coordinates with `output_shape` or a style.
    generated_ : array of shape (n_generated, n_components)
        The cloud of generated points.
    plan_ : Coupling of shape (n_samples, n_generated)
        Which generated points each training row is matched with; float32.
    loss_curve_ : list of float
        Normalised discrepancy of the mini-batch of each update, relative to the mean squared
        distance; of the adversary's features, once it has begun.
    adversary_curve_ : list of float
        Penalty on the adversary at each of its updates; empty without one.
    validation_curve_ : list of float
        The same on held-out rows, every 50 updates; empty without early stopping.
    gw_divergence_ : float
        The same between (up to 1000) training rows and `generated_`, at the end.
    n_iter_ : int
        Updates that were made.
    n_features_in_ : int
    feature_names_in_ : array of str
        Only if all names of features are strings.

    See Also
    --------
    skgw.solvers.gw_divergence : The loss.
    sklearn.manifold.MDS : Embedding by distances, without a generator.

    Notes
    -----
    Memory grows with ``n_samples * n_generated`` (the plan), and for graphs and geodesic distances
    with ``n_samples * min(n_samples, 2048)``; all distances between training rows are kept in
    memory up to 4096 rows, and never computed above.

    Processes that torchrun has started share a fit: each draws batches of its own, and all step
    along the mean of their gradients. They end with the same estimator.

    References
    ----------
    Bunne, Alvarez-Melis, Krause, Jegelka (2019), Learning generative models across incomparable
    spaces. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw import GWGenerativeEmbedding
    >>> X = np.random.default_rng(0).normal(size=(60, 3)) * [3, 2, 0]
    >>> embedding = GWGenerativeEmbedding(max_iter=100, random_state=0).fit(X)
    >>> embedding.transform(X).shape, embedding.sample(5, random_state=0).shape
    ((60, 2), (5, 2))
    """

    n_components: int = param(POSITIVE_INTEGER, default=2, kw_only=False)
    metric: str | Callable[..., float] = param(str, callable, default="euclidean")
    n_neighbors: int = param(POSITIVE_INTEGER, default=15)
    edge_length: str = param(str, default="hops")
    epsilon: float = param(POSITIVE, default=5e-3)
    generator: Any = part(Generator, one_of("mlp", "conv"), callable, default="mlp")
    hidden_layer_sizes: tuple[int, ...] = param("array-like", default=(128, 128, 128))
    output_shape: tuple[int, int, int] | None = param(tuple, list, None, default=None)
    adversary: Any = part(Adversary, one_of("mlp", "conv"), callable, None, default=None)
    penalties: Any = part(Penalties, one_of("mean", "l1", "total_variation"), None, default="mean")
    n_generated: int = param(Interval(Integral, 2, None, closed="left"), default=1000)
    warm_start: bool = param("boolean", default=False)
    optimizer: Any = part(GWOptimizer, one_of(*OPTIMIZERS), callable, Optimizer, default="adam")

    @whole_fit
    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the generator and embed the training rows.

        Parameters
        ----------
        X : array of shape (n_samples, n_features), or (n_samples, n_samples) for "precomputed"
            Features; or distances; or, for "precomputed", a graph: sparse (n, n) or networkx.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that is not a space with finite distances; the message says what to do.
        FloatingPointError
            If training diverges.

        Warns
        -----
        GWConvergenceWarning
            If the coupling behind the embedding has not converged.
        """
        return super().fit(X)

    def _fit(self, X: Any, run: TrainingRun) -> None:
        space = make_space(X, metric=self.metric, n_neighbors=self.n_neighbors, rng=run.rng)
        scale = estimate_scale(space, run.rng)
        n_updates, last = self._n_updates(X.shape[0]), self._last_generator()
        objective, spec = self._build(space, scale, n_updates, last, run)
        if last is None:
            self._initialize(objective, spec, run)
        weights = None if last is None else last.weights
        history = run.train(
            objective, X, n_updates, run.noise(), curve="gw", initial_weights=weights
        )
        self._scale, self._dtype = scale, X.dtype.name
        self._generator = FittedNetwork.of(objective.generator, spec)
        self.adversary_curve_ = history.losses.get("adversary.penalty", [])
        reference = np.sort(evenly_spaced(objective.order, MAX_REFERENCE).cpu().numpy())
        self._project(objective, reference, run.noise(1))
        self._embed_training_rows(space, reference)

    def _build(
        self,
        space: Space,
        scale: float,
        n_updates: int,
        last: FittedNetwork[nn.Generator] | None,
        run: TrainingRun,
    ) -> tuple[GenerativeObjective, nn.GeneratorSpec]:
        """The objective on the device of the fit, and the specification of its generator."""
        layout = Layout(self.n_components, tuple(self.hidden_layer_sizes), self.output_shape)
        spec = generator_spec(Generator.read(self.generator), layout)
        generator = build_generator(spec, last, run.seed)
        adversary = None
        if self.adversary is not None:
            adversary = build_adversary(
                Adversary.read(self.adversary), space, scale, layout,
                n_updates=n_updates, seed=run.seed + 3,
            )  # fmt: skip
        optimizer = GWOptimizer.read(self.optimizer)
        train, held_out = self._split(len(space.anchors), run.rng)
        objective = GenerativeObjective(
            space, scale, generator,
            GenerationOptions(
                self.epsilon, self.batch_size, optimizer.stratified, optimizer.warm_couplings
            ),
            rng=run.rng, train=train, held_out=held_out,
            regularizers=build_penalties(Penalties.read(self.penalties), scale, layout),
            adversary=adversary,
        )  # fmt: skip
        return objective.to(run.device), spec

    def _initialize(
        self, objective: GenerativeObjective, spec: nn.GeneratorSpec, run: TrainingRun
    ) -> None:
        """Start the generator at the classical scaling, if the parameters ask for it."""
        generator = Generator.read(self.generator)
        if generator.init == "mds":
            shape, n_updates = spec.output_shape, generator.n_init_updates
            initialize_by_scaling(objective, run.noise(2), image_shape=shape, n_updates=n_updates)

    def _auto_updates(self, n_rows: int) -> int:
        return int(np.clip(2 * n_rows / 3, MIN_UPDATES, MAX_UPDATES))

    def _split(self, n: int, rng: np.random.RandomState) -> tuple[Array, Array]:
        """Positions of the anchors to train on, in order, and of those held out."""
        if not self._held_out_share:
            return np.arange(n), np.arange(0)
        train, held_out = hold_out(rng.permutation(n), self._held_out_share, min_held_out=2)
        return np.sort(train), held_out

    @tensor_in_tensor_out
    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit, and return `embedding_`.

        Parameters
        ----------
        X : array, or graph for "precomputed"
            As for `fit`.
        y : None
            Ignored.

        Returns
        -------
        array of shape (n_samples, n_components)
            Of the kind of `X`.
        """
        return self.fit(X, y).embedding_

    @tensor_in_tensor_out
    def transform(self, X: Any) -> Any:
        """Embed rows: training rows get the place that they have in `embedding_`.

        Parameters
        ----------
        X : array of shape (n_rows, n_features), or (n_rows, n_samples) for "precomputed"
            Features; or distances to the training rows; or, after a fit to a graph, the graph, or
            a sparse matrix of edges from new nodes to the training nodes. Numpy or torch.

        Returns
        -------
        array of shape (n_rows, n_components)
            Of the kind of `X`.
        """
        check_is_fitted(self)
        X = self._read(X, reset=False)
        placement = self._placement
        return np.concatenate([placement.place(D) for D in placement.distances(X)])

    @available_if(_has_features)
    @tensor_in_tensor_out
    def inverse_transform(self, Z: Any) -> Any:
        """Features of points of the embedding: weighted means of training rows.

        Parameters
        ----------
        Z : array of shape (n_points, n_components)
            Numpy or torch.

        Returns
        -------
        array of shape (n_points, n_features)
            Of the kind of `Z`.

        Raises
        ------
        AttributeError
            For ``metric="precomputed"``: distances and graphs have no features.
        """
        check_is_fitted(self)
        Z = check_array(Z, dtype=[np.float64, np.float32])
        if Z.shape[1] != self._n_features_out:
            raise ValueError(f"Z has {Z.shape[1]} columns, the embedding {self._n_features_out}.")
        return self._placement.features(Z).astype(self._dtype)

    @full_precision()
    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> Array:
        """Draw new points of the embedding.

        Parameters
        ----------
        n_samples : int
        random_state : int, RandomState or None

        Returns
        -------
        array of shape (n_samples, n_components)
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        generator = self._generator.build(self._device())
        noise = seeded(draw_seed(random_state))
        with torch.no_grad():
            points = generator(n_samples, noise).double().cpu().numpy()
        return self._in_place(points).astype(self._dtype)

    @tensor_in_tensor_out
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Minus the relative distortion of the distances to the training rows.

        ``-||D - Dz|| / ||D||``, for the distances D from `X` to (up to 1000) training rows, and
        those of their embeddings, Dz. Higher is better, 0 is perfect; values compare between all
        parameters that leave the distances alone, `epsilon` and `n_components` included, but not
        between values of `metric`, `n_neighbors` or `edge_length`.

        Parameters
        ----------
        X : array, or graph
            As for `transform`.
        y : None
            Ignored.
        sample_weight : array of shape (n_rows,), optional

        Returns
        -------
        float
        """
        check_is_fitted(self)
        X = self._read(X, reset=False)
        placement = self._placement
        D = np.concatenate(list(placement.distances(X)))  # (n_rows, n_reference)
        Dz = euclidean_distances(placement.place(D), self._reference_embedding)
        D *= self._scale
        return -weighted_distortion(D, Dz, sample_weight, X)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        precomputed = self.metric == "precomputed"
        tags.input_tags.pairwise = precomputed
        tags.input_tags.positive_only = precomputed
        tags.input_tags.sparse = precomputed
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return int(self.generated_.shape[1])

    def _read(self, X: Any, *, reset: bool) -> Any:
        return read_points(self, X, metric=self.metric, edge_length=self.edge_length, reset=reset)

    def _last_generator(self) -> FittedNetwork[nn.Generator] | None:
        """The generator of the last fit, if this fit starts from it."""
        return getattr(self, "_generator", None) if self.warm_start else None

    def _project(
        self, objective: GenerativeObjective, reference: Array, noise: torch.Generator
    ) -> None:
        """Couple reference rows with a cloud of generated points, turned canonically."""
        projection = project(objective, reference, self.n_generated, noise)
        if not projection.converged:
            warn_user(
                "The coupling behind the embedding has not converged; raise epsilon.",
                GWConvergenceWarning,
            )
        self._frame = None if self._keeps_frame() else canonical_axes(projection.cloud)
        self.generated_ = self._in_place(projection.cloud).astype(self._dtype)
        self._to_cloud, self._to_data = projection.to_cloud, projection.to_data
        self.gw_divergence_ = projection.divergence

    def _keeps_frame(self) -> bool:
        """Whether the generator's own coordinates have a meaning."""
        return self.output_shape is not None or Penalties.read(self.penalties).style is not None

    def _in_place(self, points: Array) -> Array:
        """Points as the generator makes them, in units of the distances and turned canonically."""
        if self._frame is None:
            return points * self._scale
        center, axes = self._frame
        return (points - center) @ (self._scale * axes)

    def _embed_training_rows(self, space: Space, reference: Array) -> None:
        """Project the training rows, in the way that `transform` projects new ones."""
        self._space_ = space.restrict(reference)
        plan, embedding = self._placement.training_rows(space, reference)
        self.plan_, self.embedding_ = Coupling(plan), embedding
        self._reference_embedding = embedding[space.anchors[reference]]

    @property
    def _placement(self) -> Placement:
        """The rule that puts rows into the embedding."""
        return Placement(self._space_, self._scale, self.generated_, self._to_cloud, self._to_data)
