"""GWCoTrainedAutoencoders: two autoencoders whose codes agree in their distances."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import Tags, check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from skgw.autoencoders.base import automatic_updates
from skgw.autoencoders.mixture import normal_mixture
from skgw.autoencoders.objective import KINDS, AutoencodingOptions
from skgw.base.coupling import Coupling
from skgw.base.domains import Domains
from skgw.base.estimator import draw_seed, seeded, tensor_in_tensor_out, weighted_distortion
from skgw.base.parameters import (
    NON_NEGATIVE,
    POSITIVE,
    POSITIVE_INTEGER,
    one_of,
    param,
    part,
    with_parameters,
)
from skgw.base.sklearn_compat import HasMethods, Interval, gives_data_frames
from skgw.base.trained import TrainedEstimator, whole_fit
from skgw.base.training_run import TrainingRun
from skgw.base.two_domains import (
    fit_transformer,
    mean_score,
    of_domain,
    position,
    read_domains,
    read_rows,
    row_names,
    transformed,
)
from skgw.base.validation import read_codes
from skgw.matching.side_information import read_anchors
from skgw.nn.coded_domain import NormalMixture
from skgw.spaces.finite import Array
from skgw.translation.fitted_state import CoTrainedState
from skgw.translation.latent_matching import LatentMatcher
from skgw.translation.matches import nearest
from skgw.translation.objective import CoTrainingObjective, CoTrainingOptions
from skgw.translation.parameters import TranslationNetwork
from skgw.translation.result import CoTrained, conclude, diagnostics, warn_of_doubts
from skgw.translation.setup import DomainOptions, DomainSetup, image_shape_of, set_up_domain

N_MATCHINGS = 10  # during the second part of the training
MAX_COMPARED = 1000  # training rows that `score` measures distances to


@with_parameters
class GWCoTrainedAutoencoders(ClassNamePrefixFeaturesOutMixin, TransformerMixin, TrainedEstimator):
    """Two autoencoders, one for each of two unpaired data sets, whose codes can be exchanged.

    Each autoencoder compresses the rows of its domain. A Gromov-Wasserstein loss makes the
    distances between codes agree across the domains: the codes of the two domains then differ by a
    rotation. The estimator finds the rotation, matches rows by their rotated codes, and translates
    a row by decoding the mean code of its matched rows in the other domain.

    Parameters
    ----------
    n_components : int, or pair of int, default=8
        Dimension of the codes, of both domains or of each.
    autoencoder : {"ae", "vae", "wae-mmd", "wae-gan"}, default="ae"
        Penalty on the difference between the distribution of the codes and the standard normal
        distribution: none, the Kullback-Leibler divergence of a variational autoencoder, the
        maximum mean discrepancy, or an adversary.
    network : {"mlp", "conv"}, callable, or pair of these, default="mlp"
        Architecture of the autoencoders, of both domains or of each. A callable takes the numbers
        of inputs and outputs and returns a module.
    hidden_layer_sizes : tuple of int, default=(256, 128)
        Layers of the encoder, mirrored in the decoder: widths, or channels of "conv".
    image_shape : (channels, height, width), pair of these or None, default=None
        Shape of the images that rows hold, for "conv".
    prior_weight : float, default=1.0
        Weight of the penalty on the distribution of the codes.
    gw_weight : float, default=1.0
        Weight of the Gromov-Wasserstein loss relative to the reconstruction error. 0 trains the
        autoencoders separately and matches their codes at the end.
    epsilon : float, default=0.005
        Weight of the entropy in the Gromov-Wasserstein loss, relative to the mean squared distance.
    isometry_weight : float, default=0.0
        Weight of a penalty on the distortion of distances by each encoder. It makes codes of few
        dimensions comparable, and raises the reconstruction error.
    translator : {"rotation", "network"} or TranslationNetwork, default="rotation"
        Map between the codes of the domains: the rotation alone, or the rotation and a network
        that is trained after the autoencoders.
    n_reference : int, default=1000
        Number of rows of each domain that are matched at once.
    n_init : int, default=16
        Number of starts of each matching.
    alpha : float, default=0.5
        Weight of the distances relative to `pairs` and `labels`, from 0 to 1, which ignores them.
    unbalanced : float or None, default=None
        Penalty rho on the marginals of the matching, relative to the median cost, for domains whose
        clusters have different shares or are missing in the other domain. A smaller penalty
        gives such rows less mass in `plan_`; 0.05 is a good start. None: uniform marginals.
        `match` uses nearest rows in either case.
    warm_up : float, default=0.5
        Share of the updates before the domains are matched.
    transformer_x, transformer_y : transformer or None, default=None
        Transformers of the rows of each domain, cloned and fitted first. Translated rows are in the
        output space of the transformer, or in the input space if it has `inverse_transform`.
    max_iter : int or "auto", default="auto"
        Number of updates; "auto": 15 epochs of the larger domain, at least 1500 updates, at most
        20,000.
    {training_parameters}

    Attributes
    ----------
    embedding_, embedding_y_ : array of shape (n, kx) and (m, ky)
        Codes of the training rows.
    plan_ : Coupling of shape (n, m)
        Entropic plan between the training rows. `match` uses nearest rows instead.
    confidence_ : array of shape (n,)
        Confidence in the translation of each row of the first domain, between 0 and 1. It compares
        the distance to the nearest rows of the other domain with a distance that farther rows have.
        It ranks rows and cannot reveal that the matching as a whole is wrong: see `margin_`.
    matched_mass_ : array of shape (n,)
        Matched mass of each row, relative to the mean: near 0 for rows without a counterpart, above
        1 for rows of clusters that are rarer in the first domain, 1 with ``unbalanced=None``.
    margin_ : float
        Relative margin between the matching and the runner-up: the difference of their
        costs over the smaller cost, or over 15 % of the mean squared displacement between the two
        if this share is less. Infinite if all starts led to the same matching. Below 0.2 a warning
        says that the matching is ambiguous.
    diagnostics_ : dict
        "cost": mean squared distance between codes of matched rows, 0 to 1. "cost_ratio":
        split-half cost ratio at the first matching, the cost of matching halves of the two domains
        over the cost of matching halves of one domain; about 1 for a right matching, and `fit`
        warns above 1.3. "scale_x", "scale_y": RMS distance between codes over the RMS distance at
        the first matching; far from 1 if the latent space shrinks or drifts. "rank_x", "rank_y":
        effective number of dimensions of the codes.
    loss_curve_, gw_curve_ : list of float
        Loss of each update; Gromov-Wasserstein loss of each update after the warm-up.
    validation_curve_ : list of float
        Validation loss, every 50 updates; empty without early stopping.
    n_iter_ : int
        Number of updates.
    n_features_in_, n_features_y_in_ : int
        Numbers of columns of the two domains.
    feature_names_in_, feature_names_y_in_ : array of str
        Names of the columns, for a domain whose names are all strings.

    See Also
    --------
    GWMatcher : Matches without training.

    Notes
    -----
    Memory grows with ``(n + m) * (p + q)`` and ``n_reference ** 2``.

    References
    ----------
    :cite:t:`chevalley`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw import GWCoTrainedAutoencoders
    >>> X = np.random.default_rng(0).exponential(size=(120, 2)) * [3, 1]
    >>> Y = np.random.default_rng(1).exponential(size=(100, 2)) * [1, 3] @ np.eye(2, 5) + 1
    >>> model = GWCoTrainedAutoencoders(2, max_iter=200, random_state=0).fit(X, Y)
    >>> model.translate(X[:3]).shape, model.transform(Y[:3], domain="y").shape
    ((3, 5), (3, 2))
    """

    fitted_state: ClassVar[type] = CoTrainedState
    shares_training: ClassVar[bool] = False

    n_components: int | tuple[int, int] = param(
        POSITIVE_INTEGER, tuple, list, default=8, kw_only=False
    )
    autoencoder: str = param(one_of(*KINDS), default="ae")
    network: Any = param(one_of("mlp", "conv"), callable, tuple, list, default="mlp")
    hidden_layer_sizes: tuple[int, ...] = param("array-like", default=(256, 128))
    image_shape: Any = param(tuple, list, None, default=None)
    prior_weight: float = param(NON_NEGATIVE, default=1.0)
    gw_weight: float = param(NON_NEGATIVE, default=1.0)
    epsilon: float = param(POSITIVE, default=5e-3)
    isometry_weight: float = param(NON_NEGATIVE, default=0.0)
    translator: Any = part(TranslationNetwork, one_of("rotation", "network"), default="rotation")
    n_reference: int = param(Interval(Integral, 2, None, closed="left"), default=1000)
    n_init: int = param(POSITIVE_INTEGER, default=16)
    alpha: float = param(Interval(Real, 0, 1, closed="both"), default=0.5)
    unbalanced: float | None = param(POSITIVE, None, default=None)
    warm_up: float = param(Interval(Real, 0, 1, closed="left"), default=0.5)
    transformer_x: Any = param(HasMethods(["fit", "transform"]), None, default=None)
    transformer_y: Any = param(HasMethods(["fit", "transform"]), None, default=None)
    batch_size: int = param(default=100)
    learning_rate_init: float = param(default=4e-3)

    @whole_fit
    def fit(self, X: Any, y: Any = None, *, pairs: Any = None, labels: Any = None) -> Self:
        """Train both autoencoders, and match their codes.

        Parameters
        ----------
        X : array of shape (n, p), or Domains
            The first domain, or both domains.
        y : array of shape (m, q)
            The second domain, of any length and width. A one-dimensional array is one feature.
        pairs : tuple of two sequences, array or list of pairs, optional
            Anchor pairs: rows of `X` and of `y` that belong together, or are of one kind, in the
            forms that `GWMatcher.fit` takes. Anchor pairs decide between matchings; the rows of a
            pair need not be matched.
        labels : pair of arrays of int of shapes (n,) and (m,), optional
            Classes of rows, -1 where unknown. Rows of one class become anchor pairs.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that cannot be encoded; the message says what to do.
        FloatingPointError
            If training diverges.

        Warns
        -----
        AmbiguousMatchingWarning
            If `margin_` is below 0.2, or if the matching is poor: rows are much farther from their
            matched rows than from rows of their own domain.
        LabelsAsDomainWarning
            If `y` looks like labels of `X`.
        """
        names = row_names(X, y)
        X, Y, _ = read_domains(self, X, y)
        run = TrainingRun(self)
        noise = seeded(draw_seed(run.rng))
        if self.alpha == 1:  # of weight zero
            pairs, labels = None, None
        anchors = read_anchors(pairs, labels, (len(X), len(Y)), run.rng, names=names)
        self.transformer_x_ = fit_transformer(self.transformer_x, X, "transformer_x")
        self.transformer_y_ = fit_transformer(self.transformer_y, Y, "transformer_y")
        rows = transformed(self.transformer_x_, X), transformed(self.transformer_y_, Y)
        domains = (
            self._set_up(rows[0], 0, anchors[0], run),
            self._set_up(rows[1], 1, anchors[1], run),
        )
        n_updates = self._n_updates(max(len(X), len(Y)))
        matcher = LatentMatcher(len(anchors[0]), self.n_init, self.alpha, self.unbalanced, run.seed)
        pair = domains[0].domain, domains[1].domain
        objective = CoTrainingObjective(pair, self._schedule(n_updates), matcher).to(run.device)
        history = run.train(
            objective, Domains(X, Y), n_updates, noise, checkpoint_key=(rows, anchors)
        )
        self.gw_curve_ = history.losses.get("gw", [])
        found = conclude(
            objective, domains, noise, n_reference=self.n_reference,
            unbalanced=self.unbalanced is not None, network=self._translation_network(),
        )  # fmt: skip
        self._fitted, self.margin_ = found.translator, found.margin
        self._describe(rows, found, run.rng)
        warn_of_doubts(found)
        run.finish()
        return self

    def _set_up(self, rows: Array, index: int, anchors: Array, run: TrainingRun) -> DomainSetup:
        """Set up one domain, 0 or 1, for the training."""
        n_components = of_domain(self.n_components, index, "n_components")
        check_scalar(n_components, "n_components", Integral, min_val=1)
        options = DomainOptions(
            n_components=int(n_components),
            network=of_domain(self.network, index, "network"),
            hidden_layer_sizes=tuple(self.hidden_layer_sizes),
            image_shape=image_shape_of(self.image_shape, index),
            loss=AutoencodingOptions(self.autoencoder, self.prior_weight, self.isometry_weight),
            n_reference=self.n_reference,
            held_out_share=self._held_out_share,
        )
        return set_up_domain(
            rows, options, anchors, run.rng, dtype=(self._dtype, self._dtype_y)[index],
            axes_seed=run.seed, network_seed=run.seed + index,
        )  # fmt: skip

    def _schedule(self, n_updates: int) -> CoTrainingOptions:
        """Train the autoencoders alone at first, then match them at regular intervals."""
        n_alone = round(self.warm_up * n_updates)
        return CoTrainingOptions(
            gw_weight=self.gw_weight,
            epsilon=self.epsilon,
            batch_size=self.batch_size,
            n_alone=n_alone,
            match_every=max(1, -(-(n_updates - n_alone) // N_MATCHINGS)),
        )

    def _translation_network(self) -> TranslationNetwork | None:
        if self.translator == "rotation":
            return None
        return TranslationNetwork.read(self.translator)

    def _auto_updates(self, n_rows: int) -> int:
        return automatic_updates(n_rows, self.batch_size)

    @tensor_in_tensor_out
    def transform(self, X: Any, *, domain: str = "x") -> Any:
        """Codes of rows.

        Parameters
        ----------
        X : array of shape (b, p), or (b, q) for the second domain
            Numpy or torch.
        domain : {"x", "y"}, default="x"
            Domain that the rows belong to.

        Returns
        -------
        array of shape (b, n_components)
            Of the kind of `X`. Codes of the two domains differ by a rotation, which `translate` and
            `match` apply.

        Raises
        ------
        ValueError
            If `set_output` asks for a data frame and the codes of the second domain have another
            number of components: the column names belong to the first domain.
        """
        check_is_fitted(self)
        source = position(domain)
        k = self._fitted.domains[source].latent_dim
        if k != self._n_features_out and gives_data_frames(self):
            raise ValueError(
                f"set_output names the {self._n_features_out} components of the first domain, but "
                f"codes of domain {domain!r} have {k}: take set_output(transform='default')."
            )
        return self._fitted.domains[source].encode(self._read_rows(X, source), self._device())

    @tensor_in_tensor_out
    def inverse_transform(self, Z: Any, *, domain: str = "x") -> Any:
        """Decode codes of a domain.

        Parameters
        ----------
        Z : array of shape (b, n_components)
            Numpy or torch.
        domain : {"x", "y"}, default="x"
            Domain of the codes and of the rows.

        Returns
        -------
        array of shape (b, p), or (b, q) for the second domain
            Of the kind of `Z`.
        """
        check_is_fitted(self)
        source = position(domain)
        n_components = self._fitted.domains[source].latent_dim
        Z = read_codes(Z, n_components, f"codes of domain {domain!r}")
        return self._inverse(self._fitted.domains[source].decode(Z, self._device()), source)

    @tensor_in_tensor_out
    def translate(self, X: Any, *, domain: str = "x", method: str = "auto") -> Any:
        """Translate rows of one domain to rows of the other domain.

        Parameters
        ----------
        X : array of shape (b, p), or (b, q) for the second domain
            Numpy or torch.
        domain : {"x", "y"}, default="x"
            Domain that the rows belong to.
        method : {"auto", "decoded", "network", "barycentric", "greedy"}, default="auto"
            "barycentric" decodes the mean code of the matched rows among (up to 10,000) training
            rows of the other domain. "decoded" decodes the rotated code. "network" applies the
            translation network to the rotated code first. "greedy" returns the nearest row of the
            other domain, a training row. "auto" is "network" if it was trained, else
            "barycentric".

        Returns
        -------
        array of shape (b, q), or (b, p) for the second domain
            Of the kind of `X`.
        """
        check_is_fitted(self)
        source = position(domain)
        rows = self._fitted.translate(self._read_rows(X, source), source, method, self._device())
        return self._inverse(rows, 1 - source)

    @tensor_in_tensor_out
    def match(self, X: Any = None, y: Any = None, *, domain: str = "x") -> Any:
        """Match each row with a row of the other domain.

        Parameters
        ----------
        X : array, optional
            Rows of the domain `domain`. Default: its training rows.
        y : array, optional
            Candidates in the other domain. They are assigned jointly, by an entropic plan between
            `X` and `y`. Default: the (up to 10,000) training rows of the other domain, of which
            each row is matched with the nearest.
        domain : {"x", "y"}, default="x"
            Domain that the rows of `X` belong to.

        Returns
        -------
        array of int of shape (b,)
            Positions in `y`, or among the training rows of the other domain.
        """
        check_is_fitted(self)
        source = position(domain)
        target = 1 - source
        if X is None:
            if y is not None:
                raise ValueError("match needs X with y.")
            return self._matches[source]
        rows = self._read_rows(X, source)
        if y is not None:
            return self._fitted.assign_jointly(
                rows, self._read_rows(y, target), source, self._device()
            )
        return self._fitted.positions[target][self._fitted.match(rows, source, self._device())]

    def sample(self, n_samples: int = 1, *, domain: str = "x", random_state: Any = None) -> Array:
        """Draw new rows of a domain.

        Codes are drawn from the standard normal distribution; with ``autoencoder="ae"``, whose
        codes have no prior, from a Gaussian mixture fitted to the codes of the training rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        domain : {"x", "y"}, default="x"
            Domain of the rows.
        random_state : int, RandomState or None, default=None
            Seed of the draws.

        Returns
        -------
        array of shape (n_samples, p), or (n_samples, q) for the second domain
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        source, rng = position(domain), check_random_state(random_state)
        codes = self._code_distributions[source].draw(n_samples, rng)
        return self._inverse(self._fitted.domains[source].decode(codes, self._device()), source)

    @tensor_in_tensor_out
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Minus the relative distortion of distances by the translation.

        ``-||D - D'|| / ||D||``: D are the Euclidean distances from rows to (up to 1000) training
        rows of their domain, D' the distances between their translations, each over the RMS
        distance of its domain. The score is the mean over both directions. Higher is better, 0 is
        perfect; a translation to a single point has -1.

        Parameters
        ----------
        X : array of shape (b, p), or Domains
            Rows of the first domain, or of both domains.
        y : array of shape (b', q), optional
            Rows of the second domain. None: the score of the first direction only.
        sample_weight : array of shape (b,), optional
            Weights of the rows of `X`.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        return mean_score(X, y, sample_weight, self._distortion)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return self._fitted.domains[0].latent_dim

    def _describe(
        self, rows: tuple[Array, Array], found: CoTrained, rng: np.random.RandomState
    ) -> None:
        """Store codes, plan, confidence and diagnostics of the training rows."""
        device, fitted, matches = self._device(), self._fitted, self._fitted.matches
        self.embedding_, self.embedding_y_ = codes = (
            fitted.domains[0].encode(rows[0], device),
            fitted.domains[1].encode(rows[1], device),
        )
        self._code_distributions = tuple(self._code_distribution(z, rng) for z in codes)
        x, y = (fitted.in_common_space(X, domain, device) for domain, X in enumerate(rows))
        self.matched_mass_ = found.mass[0][nearest(x, matches.points[0])]
        mass = self.matched_mass_ if self.unbalanced else None
        self.plan_ = Coupling(matches.plan(x, y, 0, mass))
        self.confidence_ = matches.confidence(x, 0)
        self._matches = (
            fitted.positions[1][matches.nearest(x, 0)],
            fitted.positions[0][matches.nearest(y, 1)],
        )
        self.diagnostics_ = diagnostics(found, codes)

    def _code_distribution(self, codes: Array, rng: np.random.RandomState) -> NormalMixture:
        """The prior of the codes; for an "ae", which has none, a fitted mixture."""
        if self.autoencoder == "ae":
            return normal_mixture(codes, rng)
        return NormalMixture.standard(codes.shape[1])

    def _read_rows(self, X: Any, source: int) -> Array:
        """Validate and transform rows of a domain."""
        return read_rows(self, X, source)

    def _inverse(self, rows: Array, source: int) -> Array:
        """Undo the transformer of a domain, if it has an inverse."""
        transformer = (self.transformer_x_, self.transformer_y_)[source]
        inverse = getattr(transformer, "inverse_transform", None)
        rows = rows if inverse is None else np.asarray(inverse(rows))
        return rows.astype((self._dtype, self._dtype_y)[source], copy=False)

    def _distortion(self, X: Any, source: int, weight: Any) -> float:
        """Relative distortion of the distances from rows to training rows of their domain."""
        X = self._read_rows(X, source)
        fitted, device, target = self._fitted, self._device(), 1 - source
        reference = fitted.rows[source][:MAX_COMPARED]
        translated = (fitted.translate(Z, source, "auto", device) for Z in (X, reference))
        D = euclidean_distances(X, reference) / _rms_distance(reference)
        E = euclidean_distances(*translated) / _rms_distance(fitted.rows[target])
        return weighted_distortion(D, E, weight, X)


def _rms_distance(X: Array) -> float:
    """RMS distance of rows."""
    return float(np.sqrt(2 * X.var(0).sum())) or 1.0
