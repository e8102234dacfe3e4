"""GWGenerativeEmbedding: an embedding that can be sampled from."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import Tags, check_scalar
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted

from skgw.base.coupling import Coupling
from skgw.base.estimator import (
    PersistenceMixin,
    all_or_nothing,
    canonical_axes,
    draw_seed,
    resolve_device,
    seeded,
    shared_random_state,
    tensor_in_tensor_out,
    weighted_distortion,
)
from skgw.base.sklearn_compat import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
    fit_context,
)
from skgw.base.training_run import TrainingRun
from skgw.base.validation import estimate_scale, make_space, read_points
from skgw.embedding.adversary_setup import build_adversary
from skgw.embedding.initialization import initialize_by_scaling
from skgw.embedding.objective import GenerativeObjective
from skgw.embedding.placement import Placement
from skgw.embedding.projection import project
from skgw.embedding.regularizers_setup import keeps_frame
from skgw.embedding.setup import build_generator, build_objective, count_updates, generator_spec
from skgw.exceptions import GWConvergenceWarning, warn_user
from skgw.nn import PENALTIES, FittedNetwork, Generator
from skgw.solvers import full_precision
from skgw.spaces import Space
from skgw.training.batches import spread
from skgw.training.optimizers import OPTIMIZERS
from skgw.training.process_group import join_world

MAX_REFERENCE = 1000  # training rows that new ones are compared with

Array = NDArray[Any]


def _has_features(estimator: GWGenerativeEmbedding) -> bool:
    if estimator.metric == "precomputed":
        raise AttributeError(
            "inverse_transform needs features; metric='precomputed' has distances only."
        )
    return True


class GWGenerativeEmbedding(
    PersistenceMixin,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
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
    n_components : int
        Dimension of the embedding.
    metric : str or callable
        "precomputed" (distances, or a graph), "geodesic" (shortest paths in the graph of nearest
        neighbours), or any metric of `sklearn.metrics.pairwise_distances`.
    n_neighbors : int
        Neighbours in the graph of ``metric="geodesic"``.
    edge_length : str
        Length of a graph's edges: "hops" (1 each), "weight", or the name of an edge attribute.
    epsilon : float
        Strength of the entropy, relative to the mean squared distance. Smaller is sharper and
        slower.
    generator : "mlp", "conv", callable or Module
        A callable gets (latent_dim, n_components) and returns a `torch.nn.Module`.
    hidden_layer_sizes : tuple of int
        Of all networks: of "mlp" the widths; of "conv" the channels, from the image inwards, where
        each layer halves the image.
    output_shape : (int, int, int) or None
        Channels, height and width of generated points that are images, as flat rows: their product
        is `n_components`. The generator's own coordinates are then kept.
    image_shape : (int, int, int) or None
        The same of the data, for an adversary that is "conv".
    latent_dim : int
        Dimension of the generator's noise.
    n_prior_components : int
        Gaussians in the mixture that the noise is drawn from, with learned means: lets the samples
        fall into separate clusters. 1 is the standard normal distribution.
    init : {"mds", "random"}
        "mds" teaches the generator the classical scaling of up to 512 rows first, which saves
        updates and avoids bad minima; it has no effect on a normal prior. "random" does not.
    adversary : {"mlp", "conv"}, callable or None
        Networks that map data and generated points to features, one for each, between which
        distances are then measured: they learn to tell the two apart while the generator learns to
        make them alike. A callable gets the numbers of inputs and features and returns a
        `torch.nn.Module`. None: plain distances. Needs features, and ``metric="euclidean"``.
    adversary_dim : int or None
        Dimension of these features, at least `n_components`. None: the larger one of the dimensions
        of data and embedding.
    orthogonality : {"procrustes", "layerwise"} or None
        What keeps the adversary from distorting distances at will. "procrustes" holds each network
        as a whole to the closest isometry, on data and on generated points; "layerwise" each weight
        matrix to an orthogonal one; None nothing.
    orthogonality_weight : float
        Of that penalty, against the discrepancy. With "procrustes" it has to be above 8: with less,
        the adversary gains from distances that grow without bound.
    adversary_start : float
        Share of the updates that the generator makes before the adversary begins.
    adversary_every : int
        Updates of the generator for one of the adversary.
    penalty : {"mean", "l1", "tv"} or None
        Keeps the samples around the origin: squared norm of their mean, or mean l1 norm. "tv", for
        images, keeps neighbouring pixels alike: total variation, mean over the pixels.
    penalty_weight : float
    style : callable, Module, fitted classifier or None
        What samples are to look like, besides having the structure of the data. A callable gets
        points (n, n_components) as a tensor and returns a penalty for each, differentiable. A
        module returns logits. Of fitted scikit-learn classifiers, linear ones and `MLPClassifier`
        have a gradient, also in a pipeline behind affine steps; in a search, wrap it in
        `sklearn.frozen.FrozenEstimator`. Points are in the generator's own coordinates, which are
        then kept.
    style_class : label or None
        The class that samples are wanted in: a label of a scikit-learn classifier, or the position
        of a module's logit.
    style_weight : float
        Of the style's cross-entropy, in nats, or of the callable's penalty.
    batch_size : int
        Points per mini-batch, of the data and of the generator: of the data at most all, of the
        generator at most four for each row to train on, or 256 if that is more.
    max_iter : int or "auto"
        Updates of the generator. "auto": two for three training rows, at least 300, at most 1500.
    learning_rate_init : float
        Highest learning rate; it falls to zero along a cosine.
    optimizer : {"adam", "adamw", "sgd"} or callable
        A callable gets the parameters and ``lr`` and returns a torch optimiser.
    early_stopping : bool
        Hold out part of the data, keep the weights that do best on it, and stop when they have not
        improved.
    validation_fraction : float
        Share of the rows held out.
    n_iter_no_change : int
        Evaluations (one every 50 updates) without improvement before an early stop.
    tol : float
        Relative improvement that counts.
    n_generated : int
        Size of the cloud that the embedding is a projection on.
    warm_start : bool
        Start from the generator of the last fit.
    checkpoint : str, Path or None
        Folder for checkpoints, written every 50 updates. A fit that was interrupted resumes when
        it is repeated with the same parameters and data, and ends with the same result if
        `random_state` is an integer; the file is deleted when the fit is complete.
    device : str
        "auto" is CUDA where there is one, else the CPU.
    verbose : int
        Print progress every 50 updates. Progress bars: `set_callbacks` of scikit-learn.
    random_state : int, RandomState or None
        Same seed, same result on a CPU.

    Attributes
    ----------
    embedding_ : array of shape (n_samples, n_components)
        The training rows, around the origin, along principal axes, in units of the distances; in
        the generator's own coordinates with `output_shape` or `style`.
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

    _parameter_constraints: dict[str, Any] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "metric": [str, callable],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "edge_length": [str],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "generator": [StrOptions({"mlp", "conv"}), callable],
        "hidden_layer_sizes": ["array-like"],
        "output_shape": [tuple, list, None],
        "image_shape": [tuple, list, None],
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "n_prior_components": [Interval(Integral, 1, None, closed="left")],
        "init": [StrOptions({"mds", "random"})],
        "adversary": [StrOptions({"mlp", "conv"}), callable, None],
        "adversary_dim": [Interval(Integral, 1, None, closed="left"), None],
        "orthogonality": [StrOptions({"procrustes", "layerwise"}), None],
        "orthogonality_weight": [Interval(Real, 0, None, closed="left")],
        "adversary_start": [Interval(Real, 0, 1, closed="both")],
        "adversary_every": [Interval(Integral, 1, None, closed="left")],
        "penalty": [StrOptions({*PENALTIES, "tv"}), None],
        "penalty_weight": [Interval(Real, 0, None, closed="left")],
        "style": [callable, HasMethods("predict"), None],
        "style_class": "no_validation",
        "style_weight": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_generated": [Interval(Integral, 2, None, closed="left")],
        "warm_start": ["boolean"],
        "checkpoint": [str, Path, None],
        "device": [str],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        metric: str | Callable[..., float] = "euclidean",
        n_neighbors: int = 15,
        edge_length: str = "hops",
        epsilon: float = 5e-3,
        generator: str | torch.nn.Module | Callable[[int, int], torch.nn.Module] = "mlp",
        hidden_layer_sizes: tuple[int, ...] = (128, 128, 128),
        output_shape: tuple[int, int, int] | None = None,
        image_shape: tuple[int, int, int] | None = None,
        latent_dim: int = 16,
        n_prior_components: int = 64,
        init: str = "mds",
        adversary: str | Callable[[int, int], torch.nn.Module] | None = None,
        adversary_dim: int | None = None,
        orthogonality: str | None = "procrustes",
        orthogonality_weight: float = 10.0,
        adversary_start: float = 0.3,
        adversary_every: int = 2,
        penalty: str | None = "mean",
        penalty_weight: float = 0.1,
        style: Any = None,
        style_class: Any = None,
        style_weight: float = 0.1,
        batch_size: int = 256,
        max_iter: int | str = "auto",
        learning_rate_init: float = 2e-3,
        optimizer: str | Callable[..., torch.optim.Optimizer] = "adam",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        n_generated: int = 1000,
        warm_start: bool = False,
        checkpoint: str | Path | None = None,
        device: str = "auto",
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.metric = metric
        self.n_neighbors = n_neighbors
        self.edge_length = edge_length
        self.epsilon = epsilon
        self.generator = generator
        self.hidden_layer_sizes = hidden_layer_sizes
        self.output_shape = output_shape
        self.image_shape = image_shape
        self.latent_dim = latent_dim
        self.n_prior_components = n_prior_components
        self.init = init
        self.adversary = adversary
        self.adversary_dim = adversary_dim
        self.orthogonality = orthogonality
        self.orthogonality_weight = orthogonality_weight
        self.adversary_start = adversary_start
        self.adversary_every = adversary_every
        self.penalty = penalty
        self.penalty_weight = penalty_weight
        self.style = style
        self.style_class = style_class
        self.style_weight = style_weight
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.learning_rate_init = learning_rate_init
        self.optimizer = optimizer
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.n_generated = n_generated
        self.warm_start = warm_start
        self.checkpoint = checkpoint
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    @all_or_nothing
    @fit_context
    @torch.inference_mode(False)  # gradients are needed, whatever the caller's mode
    @tensor_in_tensor_out
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
        X = self._read(X, reset=True)
        world = join_world(resolve_device(self.device))
        rng = shared_random_state(self.random_state, world)
        seed = draw_seed(rng)
        space = make_space(X, metric=self.metric, n_neighbors=self.n_neighbors, rng=rng)
        scale = estimate_scale(space, rng)
        spec, last = generator_spec(self), self._continued()
        generator = build_generator(spec, last, seed)
        n_updates = count_updates(self, X.shape[0])
        adversary = build_adversary(self, space, scale, n_updates=n_updates, seed=seed + 3)
        objective = build_objective(self, space, scale, generator, adversary, rng)
        objective.to(resolve_device(self.device))
        if self.init == "mds" and last is None:
            initialize_by_scaling(objective, seeded(seed + 2), image_shape=spec.output_shape)
        run = TrainingRun(self, X, n_updates)
        history = run.train(objective, seeded(seed))
        self._scale, self._dtype = scale, X.dtype.name
        self._generator = FittedNetwork.of(generator, spec)
        self.loss_curve_ = history.losses["gw"]
        self.adversary_curve_ = history.losses.get("adversary.penalty", [])
        self.validation_curve_ = history.validation
        self.n_iter_ = history.n_iter
        reference = np.sort(spread(objective.order, MAX_REFERENCE).cpu().numpy())
        self._project(objective, reference, seeded(seed + 1))
        self._embed_training_rows(space, reference)
        run.finish()
        return self

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
        generator = self._generator.build(resolve_device(self.device, required=False))
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

    def _continued(self) -> FittedNetwork[Generator] | None:
        """The last fit's generator, if this one is to start from it."""
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
        self._frame = None if keeps_frame(self) else canonical_axes(projection.cloud)
        self.generated_ = self._in_place(projection.cloud).astype(self._dtype)
        self._to_cloud, self._to_data = projection.to_cloud, projection.to_data
        self.gw_divergence_ = projection.divergence

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
