"""GWGenerativeEmbedding: an embedding with a generator of new points."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import Tags, check_scalar
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

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
from skgw.base.validation import (
    describe_input,
    estimate_scale,
    read_codes,
    read_points,
    read_weights,
    with_node_names,
)
from skgw.embedding.barycentric_projection import BarycentricProjection
from skgw.embedding.builders import Layout
from skgw.embedding.cloud_coupling import couple_with_cloud
from skgw.embedding.embedding_generator import EmbeddingGenerator
from skgw.embedding.feature_map import AdversaryNetworks, FeatureMap
from skgw.embedding.fitted_state import EmbeddingState
from skgw.embedding.objective import GenerativeObjective
from skgw.embedding.parameters import (
    NETWORKS,
    Adversary,
    Anchors,
    Generator,
    GWOptimizer,
    Penalties,
)
from skgw.embedding.placed_rows import ReferenceRows
from skgw.embedding.placement import Placement
from skgw.embedding.setup import Model, Setup, TrainingRows
from skgw.embedding.stress import normalized_stress
from skgw.exceptions import GWConvergenceWarning, warn_user
from skgw.nn import FittedNetwork
from skgw.solvers import cpu_by_default, full_precision
from skgw.spaces import Space, is_networkx, make_space
from skgw.spaces.build import SPARSE_METRICS
from skgw.spaces.finite import Array, Index, Metric
from skgw.threads import network_work, threads_for
from skgw.training.optimizers import OPTIMIZERS

MIN_GENERATED, MAX_GENERATED = 300, 1000  # points of the cloud of n_generated="auto"
MAX_RELATIVE_SCALE = 1e-3  # RMS distance over the largest number of the dtype of the output
CLOUD_SEED = 1  # offset from the seed of the fit


def _has_features(estimator: GWGenerativeEmbedding) -> bool:
    """Whether the estimator has `inverse_transform`."""
    if estimator._metric == "precomputed":
        raise AttributeError("inverse_transform needs features; distances and graphs have none.")
    return True


@with_parameters
class GWGenerativeEmbedding(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    TrainedEstimator,
):
    """Generative embedding of features, distances or graphs.

    A generator network maps noise to points in `n_components` dimensions. Training minimises the
    normalised entropic Gromov-Wasserstein discrepancy between mini-batches of rows and mini-batches
    of generated points. The discrepancy compares distances within each space only, so that the
    dimension of the embedding is free and the data need no coordinates.

    Rows are placed where their Euclidean distances fit the distances of the data best: by least
    stress, as in metric multidimensional scaling. New rows are placed by the same rule, each row
    alone. The generator starts at a mixture of normal distributions that is fitted to the placed
    rows, and `sample` draws new points of the embedding from it. Generators of images, adversaries
    and styles have longer trainings; rows are then placed near their barycentric projections under
    a coupling with a fixed cloud of generated points.

    Parameters
    ----------
    n_components : int, default=2
        Dimension of the embedding.
    metric : str or callable, default="euclidean"
        Distance between rows: "precomputed" (`X` holds distances or a graph), "geodesic" (shortest
        paths in the graph of nearest neighbours), or a metric of
        `sklearn.metrics.pairwise_distances`. "euclidean" stands for "precomputed" if `X` is a
        networkx graph.
    n_neighbors : int, default=15
        Number of neighbours of a row in the graph of ``metric="geodesic"``.
    edge_length : str, default="auto"
        Length of the edges of a graph. "auto": the stored entries of a sparse matrix, and 1 in a
        networkx graph. "hops": 1. "weight": the entries, or the edge attribute "weight". Other
        names are edge attributes of a networkx graph.
    epsilon : float, default=0.005
        Weight of the entropy of the coupling, relative to the mean squared distance of the rows. A
        smaller epsilon gives sharper couplings and slower training.
    generator : str, callable, Module or Generator, default="mlp"
        Network that maps noise to points: "mlp", or for images "conv", "infogan", "dcgan",
        "dcgan-no-norm" or "wae". A callable takes the dimensions of noise and points and
        returns a `torch.nn.Module`. A `Generator` also sets the prior and the initialisation.
    hidden_layer_sizes : tuple of int, default=(128, 128, 128)
        Hidden layers of all networks: widths of "mlp"; channels of "conv" from the image inwards,
        where each layer halves the image. Other networks have sizes of their own.
    output_shape : (int, int, int) or None, default=None
        Channels, height and width of generated points that are images in flat rows; the product is
        `n_components`. The embedding then has the coordinates of the generator, not principal axes.
    adversary : str, callable, Adversary or None, default=None
        Networks that learn the distances in the loss. An adversary needs features and
        ``metric="euclidean"``. None: the loss compares distances of `metric`.
    penalties : str, callable, Anchors, list, Penalties or None, default="mean"
        Penalties on generated points. A name ("mean", "l1" or "total_variation") stands for this
        penalty alone with weight 0.1, a callable for an own term of the loss with weight 1,
        `Anchors` for points that are known, and a list for several of them. `Penalties` sets
        weights and a style.
    n_generated : int or "auto", default="auto"
        Number of generated points in the cloud. "auto": the number of training rows, at least 300
        and at most 1000.
    warm_start : bool, default=False
        Start from the generator of the last fit.
    batch_size : int, default=256
        Rows, and generated points, per mini-batch: at most all training rows, and as many generated
        points or 128 if that is more.
    max_iter : int or "auto", default="auto"
        Number of updates of the generator. "auto": 100 to 150 if they refine a fitted mixture, one
        update per five training rows; with images, another network or prior, an adversary or
        penalties beside the mean, two updates per three training rows, at least 300 and at most
        1500.
    optimizer : {"adam", "adamw", "rmsprop", "sgd"}, callable or GWOptimizer, default="adam"
        A callable takes the network parameters and ``lr`` and returns a torch optimiser. A
        `GWOptimizer` also sets the schedule of the learning rate, the batches and the couplings.
    {training_parameters}

    Attributes
    ----------
    embedding_ : array of shape (n_samples, n_components)
        Placed training rows, in units of the distances. The mean of `generated_` is the origin and
        its principal axes are the axes; with `output_shape`, a style or own terms of the loss, the
        embedding keeps the coordinates of the generator.
    generated_ : array of shape (n_generated, n_components)
        Cloud of generated points, in the coordinates of `embedding_`.
    generator_ : Module
        Trained network that maps latents (n, latent_dim), such as `sample_latent` draws, to points
        (n, n_components) in the coordinates of `embedding_`. Each access returns a new copy, in
        evaluation mode.
    adversary_ : named tuple of Module
        Trained adversary: ``adversary_.rows`` maps rows (n, n_features), and ``adversary_.points``
        points of the embedding (n, n_components), to features in the unit of the distances, whose
        distances the loss compares. Each access returns new copies, in evaluation mode. Exists
        after a fit with an adversary.
    plan_ : Coupling of shape (n_samples, n_generated)
        Coupling between training rows and `generated_`, in float32. Its row sums are the weights of
        the rows, with sum 1.
    loss_curve_ : list of float
        Normalised discrepancy of the mini-batch of each update, relative to the mean squared
        distance. From the first update of an adversary on, the discrepancy between its features.
    adversary_curve_ : list of float
        Penalty on the adversary in each of its turns, the mean of the updates of a turn; empty
        without an adversary.
    validation_curve_ : list of float
        Normalised discrepancy between held-out rows and generated points, every 50 updates; empty
        without early stopping.
    gw_divergence_ : float
        Normalised discrepancy between (up to 1000) training rows and `generated_` after training.
    stress_ : float
        Normalised stress (stress-1) of `embedding_` as `sklearn.manifold.MDS` computes it, of all
        pairs of up to 2048 training rows, and for more rows of the pairs of 1000 of them. 0 is
        perfect.
    n_iter_ : int
        Number of updates of the generator.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : array of str
        Names of the columns of `X`, if all names are strings.
    node_names_ : list
        Names of the nodes of a networkx graph, in the order of the rows.

    See Also
    --------
    GWMatcher : Matching of two domains without an embedding.
    skgw.solvers.gw_divergence : The loss between two spaces.
    sklearn.manifold.MDS : Embedding of distances without a generator.

    Notes
    -----
    The memory of a fit is

    - ``n_samples * n_generated`` numbers for the plan;
    - ``n_samples * min(n_samples, 2048)`` numbers for the distances of graphs and of
      ``metric="geodesic"``;
    - ``n_samples ** 2`` numbers for the distances of up to 4096 rows; above 4096 rows, each
      mini-batch computes its distances.

    `transform` and `score` need the distances from new rows to up to 1000 training rows, for 2048
    new rows at a time. The class attributes `max_anchors`, `max_cached`, `max_reference` and
    `chunk_size` set these limits.

    Processes of torchrun share a fit: each process draws its own batches, and all processes step
    along the mean of their gradients. All processes end with the same estimator.

    References
    ----------
    :cite:t:`bunne2019`.

    :cite:t:`peyre2016`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw import GWGenerativeEmbedding
    >>> X = np.random.default_rng(0).normal(size=(60, 3)) * [3, 2, 0]
    >>> embedding = GWGenerativeEmbedding(max_iter=100, random_state=0).fit(X)
    >>> embedding.transform(X).shape, embedding.sample(5, random_state=0).shape
    ((60, 2), (5, 2))
    """

    fitted_state: ClassVar[type] = EmbeddingState
    max_anchors: ClassVar[int] = 2048  # rows of a graph to which all distances are kept
    max_cached: ClassVar[int] = 4096  # rows whose distances are all kept during training
    max_reference: ClassVar[int] = 1000  # training rows to which `transform` measures distances
    chunk_size: ClassVar[int] = 2048  # rows that are placed at a time
    max_coupling_iter: ClassVar[int] = 200  # outer steps of the coupling with the cloud

    n_components: int = param(POSITIVE_INTEGER, default=2, kw_only=False)
    metric: str | Callable[..., float] = param(str, callable, default="euclidean")
    n_neighbors: int = param(POSITIVE_INTEGER, default=15)
    edge_length: str = param(str, default="auto")
    epsilon: float = param(POSITIVE, default=5e-3)
    generator: Any = part(Generator, one_of(*NETWORKS), callable, default="mlp")
    hidden_layer_sizes: tuple[int, ...] = param("array-like", default=(128, 128, 128))
    output_shape: tuple[int, int, int] | None = param(tuple, list, None, default=None)
    adversary: Any = part(Adversary, one_of(*NETWORKS), callable, None, default=None)
    penalties: Any = part(
        Penalties,
        one_of(*Penalties.names),
        callable,
        Anchors,
        list,
        tuple,
        None,
        default="mean",
    )
    n_generated: int | str = param(
        Interval(Integral, 2, None, closed="left"), one_of("auto"), default="auto"
    )
    warm_start: bool = param("boolean", default=False)
    optimizer: Any = part(GWOptimizer, one_of(*OPTIMIZERS), callable, Optimizer, default="adam")

    @whole_fit
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the generator and embed the training rows.

        Parameters
        ----------
        X : array of shape (n_samples, n_features), or (n_samples, n_samples) for "precomputed"
            Features; for "precomputed" distances, or a graph as a sparse matrix; or a networkx
            graph.
        y : None
            Ignored.
        sample_weight : array of shape (n_samples,), optional
            Weights of the rows as points of the space, by default equal. A row of weight 2 counts
            as two rows. A row of weight 0 does not count: it is embedded, as `transform` embeds new
            rows; a node of a graph stays on the paths of others.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input without finite distances; the message says what to do.
        FloatingPointError
            If training diverges.

        Warns
        -----
        GWConvergenceWarning
            If the coupling with the cloud has not converged.
        IgnoredWeightsWarning
            If a networkx graph has edge weights that differ, and `edge_length` is "auto".
        """
        return self._run_fit(X, sample_weight=sample_weight)

    def _fit(self, X: Any, run: TrainingRun, sample_weight: Any = None) -> None:
        weights = None if sample_weight is None else read_weights(sample_weight, X)
        space = make_space(
            X,
            metric=self._metric,
            n_neighbors=self.n_neighbors,
            rng=run.rng,
            max_anchors=self.max_anchors,
            weights=weights,
        )
        anchor_weights = None if weights is None else weights[space.anchors]
        scale = estimate_scale(space, run.rng, weights=anchor_weights)
        if scale > MAX_RELATIVE_SCALE * float(np.finfo(self._dtype).max):
            raise ValueError(f"Distances leave the range of {self._dtype}; pass float64 rows.")
        n_rows = X.shape[0] if weights is None else int(np.count_nonzero(weights))
        n_updates, last, setup = self._n_updates(n_rows), self._last_generator(), self._setup
        n_init_updates = 0 if last is not None else setup.n_init_updates(n_updates)
        places = last is None and setup.starts_at_mixture
        run.begin(X, n_init_updates, n_updates, n_more_steps=1 + places)
        counted = np.arange(len(space.anchors))
        if anchor_weights is not None:
            counted = np.flatnonzero(anchor_weights)
        rows = TrainingRows(space, scale, anchor_weights, *self._split(counted, run.rng))
        model = setup.build(rows, n_updates, last, run)
        history = run.train(
            model.objective, X, n_updates, run.noise(), curve="gw", checkpoint_key=weights,
            initial_weights=None if last is None else last.weights,
        )  # fmt: skip
        self._scale = scale
        self._generator = FittedNetwork.of(model.objective.generator, model.spec)
        self._adversary = None
        if model.objective.adversary is not None and model.adversary_specs is not None:
            self._adversary = model.objective.adversary.fitted(model.adversary_specs)
        self.adversary_curve_ = history.losses.get("adversary.penalty", [])
        reference = self._choose_reference(model)
        n_points = self._n_generated(space.n_rows)
        run.say(f"coupling of {len(reference.rows)} rows with {n_points} generated points")
        self._couple_with_cloud(model.objective, reference, n_points, run.noise(CLOUD_SEED))
        run.step("coupling")
        self._embed_training_rows(space, reference, weights)

    @property
    def _setup(self) -> Setup:
        """The parameters of the model."""
        return Setup(
            Layout(self.n_components, tuple(self.hidden_layer_sizes), self.output_shape),
            Generator.read(self.generator),
            None if self.adversary is None else Adversary.read(self.adversary),
            Penalties.read(self.penalties),
            GWOptimizer.read(self.optimizer),
            self.epsilon,
            self.batch_size,
            self.max_cached,
        )

    def _auto_updates(self, n_rows: int) -> int:
        return self._setup.n_updates(n_rows)

    def _n_generated(self, n_rows: int) -> int:
        """Number of points in the cloud, by `n_generated`."""
        if self.n_generated != "auto":
            return int(self.n_generated)
        return int(np.clip(n_rows, MIN_GENERATED, MAX_GENERATED))

    def _split(self, anchors: Index, rng: np.random.RandomState) -> tuple[Index, Index]:
        """Positions of the training anchors, in order, and of the held-out anchors."""
        if not self._held_out_share:
            return anchors, anchors[:0]
        train, held_out = hold_out(rng.permutation(anchors), self._held_out_share, min_held_out=2)
        return np.sort(train), held_out

    @tensor_in_tensor_out
    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Fit and return `embedding_`.

        Parameters
        ----------
        X : array or graph
            As for `fit`.
        y : None
            Ignored.
        sample_weight : array of shape (n_samples,), optional
            As for `fit`.

        Returns
        -------
        array of shape (n_samples, n_components)
            An array or a tensor like `X`.
        """
        self.fit(X, y, sample_weight=sample_weight)
        return with_node_names(self, self.embedding_.copy(), X)

    @tensor_in_tensor_out
    def transform(self, X: Any) -> Any:
        """Place rows where their distances to the reference rows fit best.

        Training rows map to `embedding_`.

        Parameters
        ----------
        X : array of shape (n_rows, n_features), or (n_rows, n_samples) for "precomputed"
            Features, or for "precomputed" distances to the training rows; one row of distances has
            shape (1, n_samples). After a fit to a graph: this graph, or a sparse matrix of edges
            from new nodes to the training nodes. After a fit to a networkx graph, a networkx graph:
            nodes are matched by name; rows are its new nodes, embedded by their edges to the
            training nodes, or without new nodes all nodes, in the order of the graph. Numpy or
            torch.

        Returns
        -------
        array of shape (n_rows, n_components)
            An array or a tensor like `X`. With ``set_output(transform="pandas")`` the names of the
            nodes of a networkx graph are the index.
        """
        check_is_fitted(self)
        placement = self._placement
        distances = placement.distances(self._read(X, reset=False))
        return with_node_names(self, np.concatenate([placement.place(D) for D in distances]), X)

    @available_if(_has_features)
    @tensor_in_tensor_out
    def inverse_transform(self, Z: Any) -> Any:
        """Features of points of the embedding: weighted means of the features of training rows.

        Parameters
        ----------
        Z : array of shape (n_points, n_components)
            Numpy or torch.

        Returns
        -------
        array of shape (n_points, n_features)
            An array or a tensor like `Z`.

        Raises
        ------
        AttributeError
            For ``metric="precomputed"``.
        """
        check_is_fitted(self)
        Z = read_codes(Z, self._n_features_out, "points of the embedding")
        return self._projection.features(Z).astype(self._dtype)

    @property
    def generator_(self) -> EmbeddingGenerator:
        """The trained network: a new copy, in evaluation mode."""
        check_is_fitted(self)
        with cpu_by_default():
            network = EmbeddingGenerator(
                self._generator.build(), self._scale, self._axes, getattr(torch, self._dtype)
            )
        return network.to(self._device()).eval()

    @property
    def adversary_(self) -> AdversaryNetworks:
        """The trained adversary: new copies of its networks, in evaluation mode."""
        check_is_fitted(self)
        if self._adversary is None:
            raise AttributeError("adversary_ needs a fit with an adversary.")
        scale, dtype, device = self._scale, getattr(torch, self._dtype), self._device()
        space: Any = self._reference_space  # of features
        with cpu_by_default():
            rows, points = (network.build() for network in self._adversary)
            maps = (
                FeatureMap(rows, scale, dtype, origin=space.origin),
                FeatureMap(points, scale, dtype, axes=self._axes),
            )
        return AdversaryNetworks(*(x.to(device).eval() for x in maps))

    @tensor_in_tensor_out
    @full_precision()
    def sample(self, n_samples: int = 1, *, latent: Any = None, random_state: Any = None) -> Any:
        """Draw new points of the embedding.

        Parameters
        ----------
        n_samples : int, default=1
            Number of points; with `latent`, 1 stands for all latents.
        latent : array of shape (n_samples, latent_dim), optional
            Noise that the generator maps to the points, such as `sample_latent` draws. Numpy or
            torch.
        random_state : int, RandomState or None, default=None
            Seed of the noise; without effect if `latent` is given.

        Returns
        -------
        array of shape (n_samples, n_components)
            An array, or a tensor if `latent` is a tensor. `generator_` has gradients.

        Raises
        ------
        ValueError
            If `latent` has another shape, or is not finite.
        """
        check_is_fitted(self)
        if latent is None:
            latent = self.sample_latent(n_samples, random_state=random_state)
        else:
            latent = read_codes(latent, self._generator.shape[0], "latents", argument="latent")
            if n_samples not in (1, len(latent)):
                raise ValueError(f"n_samples={n_samples}, but there are {len(latent)} latents.")
        return self._generate(latent)

    @cpu_by_default()
    def sample_latent(self, n_samples: int = 1, *, random_state: Any = None) -> Array:
        """Draw latents: noise from the prior of the generator.

        ``sample(latent=sample_latent(n, random_state=0))`` is ``sample(n, random_state=0)``.

        Parameters
        ----------
        n_samples : int, default=1
            Number of latents.
        random_state : int, RandomState or None, default=None
            Seed of the noise.

        Returns
        -------
        array of shape (n_samples, latent_dim)
            In float32.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        prior, noise = self._generator.build().prior, seeded(draw_seed(random_state))
        with torch.no_grad():
            return prior(n_samples, noise).numpy()

    @tensor_in_tensor_out
    @full_precision()
    def interpolate(self, start: Any, end: Any, n_samples: int = 10) -> Any:
        """Points of the embedding along the straight line between two latents.

        Parameters
        ----------
        start, end : array of shape (latent_dim,)
            Latents. Numpy or torch.
        n_samples : int, default=10
            Number of points, those of `start` and `end` included.

        Returns
        -------
        array of shape (n_samples, n_components)
            An array, or a tensor if `start` is a tensor.

        Examples
        --------
        >>> import numpy as np
        >>> from skgw import GWGenerativeEmbedding
        >>> X = np.random.default_rng(0).normal(size=(60, 3))
        >>> embedding = GWGenerativeEmbedding(max_iter=10, random_state=0).fit(X)
        >>> start, end = embedding.sample_latent(2, random_state=0)
        >>> embedding.interpolate(start, end, n_samples=5).shape
        (5, 2)
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=2)
        ends = read_codes(
            np.stack([start, end]), self._generator.shape[0], "latents", argument="latent"
        )
        weight = np.linspace(0.0, 1.0, n_samples)[:, None]
        return self._generate((1 - weight) * ends[0] + weight * ends[1])

    def _generate(self, latent: Array) -> Array:
        """Map latents (n, latent_dim) to points (n, k)."""
        network = self.generator_
        with torch.no_grad(), threads_for(network_work(network, len(latent))):
            latents = torch.as_tensor(latent, dtype=torch.float32, device=self._device())
            return network(latents).cpu().numpy()

    @tensor_in_tensor_out
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Minus the relative distortion of the distances to the training rows.

        The score is ``-||D - Dz|| / ||D||``: D are the distances from `X` to (up to 1000) training
        rows, and Dz are the distances between the embeddings of the same rows. Higher is better, 0
        is perfect. Scores compare values of `n_components`; `metric`, `n_neighbors` and
        `edge_length` change D. The score sees the placed rows and not the samples, which
        `skgw.metrics.gw_scorer` compares with the data.

        Parameters
        ----------
        X : array, or graph
            As for `transform`.
        y : None
            Ignored.
        sample_weight : array of shape (n_rows,), optional
            Weights of the rows of `X`.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        X = self._read(X, reset=False)
        placement = self._placement
        D = np.concatenate(list(placement.distances(X)))  # (n_rows, n_reference)
        Dz = euclidean_distances(placement.place(D), placement.points)
        D *= self._scale
        if self._reference_weights is not None:
            root = np.sqrt(self._reference_weights)
            D, Dz = D * root, Dz * root
        return -weighted_distortion(D, Dz, sample_weight, X)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        describe_input(tags, self.metric, sparse_features=self.metric in SPARSE_METRICS)
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return int(self.generated_.shape[1])

    def _read(self, X: Any, *, reset: bool) -> Any:
        metric = self._metric
        if reset:
            graph = is_networkx(X) and self.metric == "euclidean"
            metric = "precomputed" if graph else self.metric
        return read_points(
            self, X, metric=metric, edge_length=self.edge_length, reset=reset,
            accept_sparse=metric in SPARSE_METRICS,
        )  # fmt: skip

    @property
    def _metric(self) -> Metric:
        """The metric of the fit: "precomputed" for a networkx graph."""
        return "precomputed" if hasattr(self, "node_names_") else self.metric

    def _check_state(self) -> None:
        if (self._metric == "precomputed") == hasattr(self._reference_space, "features"):
            raise ValueError(f"the fitted space is none of metric={self.metric!r}")

    def _last_generator(self) -> FittedNetwork[nn.Generator] | None:
        """The generator of the last fit for a warm start, else None."""
        return getattr(self, "_generator", None) if self.warm_start else None

    def _choose_reference(self, model: Model) -> ReferenceRows:
        """Rows to which `transform` measures distances: placed rows, if training kept them."""
        if model.placed is not None and self._setup.refines:
            return model.placed.reference(self.max_reference)
        rows, weights = model.objective.reference_rows(self.max_reference)
        own = None if weights is None else weights.cpu().numpy()
        return ReferenceRows(rows.cpu().numpy(), own, None)

    def _couple_with_cloud(
        self,
        objective: GenerativeObjective,
        reference: ReferenceRows,
        n_points: int,
        noise: torch.Generator,
    ) -> None:
        """Generate the cloud, couple it with the reference rows, and choose its coordinates."""
        coupling = couple_with_cloud(
            objective, reference.rows, n_points, noise, weights=reference.weights,
            placed=reference.points, max_iter=self.max_coupling_iter,
        )  # fmt: skip
        if not coupling.converged:
            warn_user(
                "The coupling between training rows and generated points has not converged; raise "
                "epsilon.",
                GWConvergenceWarning,
            )
        self._axes = None if self._setup.keeps_coordinates else canonical_axes(coupling.cloud)
        self.generated_ = self._to_embedding(coupling.cloud).astype(self._dtype)
        self._to_cloud, self._to_data = coupling.to_cloud, coupling.to_data
        self.gw_divergence_ = coupling.divergence

    def _to_embedding(self, points: Array) -> Array:
        """Convert points (n, k) of the generator to units of the distances and canonical axes."""
        if self._axes is None:
            return points * self._scale
        mean, axes = self._axes
        return (points - mean) @ (self._scale * axes)

    def _embed_training_rows(
        self, space: Space, reference: ReferenceRows, weights: Array | None
    ) -> None:
        """Place the training rows, as `transform` places new rows."""
        rows = reference.rows
        self._reference_space, self._reference_weights = space.restrict(rows), reference.weights
        projection = self._projection
        self.plan_ = Coupling(projection.plan_of_training_rows(space, rows, weights))
        if reference.points is None:
            start = projection.project(space.between(rows, rows) / self._scale)
        else:
            start = self._to_embedding(reference.points).astype(self._dtype)
        placement = Placement.near(
            start, self._reference_space, self._scale, reference.weights, self.chunk_size
        )
        self._reference_embedding = placement.points
        self.embedding_ = embedding = placement.place_training_rows(space, rows)
        anchors, anchor_weights = rows, reference.weights
        if space.n_rows <= self.max_anchors:
            anchors, anchor_weights = np.arange(space.n_rows), weights
        self.stress_ = normalized_stress(
            space, embedding, anchors, scale=self._scale, weights=anchor_weights,
            chunk_size=self.chunk_size,
        )  # fmt: skip

    @property
    def _placement(self) -> Placement:
        """Placement of rows near the reference rows."""
        return Placement(
            self._reference_space, self._scale, self._reference_embedding,
            self._reference_weights, self.chunk_size,
        )  # fmt: skip

    @property
    def _projection(self) -> BarycentricProjection:
        """Projection of rows onto `generated_`."""
        return BarycentricProjection(
            self._reference_space,
            self._scale,
            self.generated_,
            self._to_cloud,
            self._to_data,
            self.chunk_size,
        )
