"""GWCoTrainedAutoencoders: two autoencoders whose codes agree in their distances."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.mixture import GaussianMixture
from sklearn.utils import Tags, check_random_state, check_scalar, gen_batches
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d
from torch import Tensor

from skgw._base import (
    PersistenceMixin,
    draw_seed,
    resolve_device,
    seeded,
    tensor_in_tensor_out,
)
from skgw._input import read_points
from skgw._run import TrainingRun
from skgw._sklearn import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
)
from skgw._two_domains import SecondDomain, split_domains
from skgw.alignment.codes import CodeMap, match_codes
from skgw.alignment.hints import read_pairs
from skgw.alignment.registration import REFINING, register, transport
from skgw.coupling import Coupling
from skgw.domains import Domains
from skgw.exceptions import AmbiguousMatchingWarning
from skgw.metrics import relative_distortion
from skgw.nn import AutoencoderSpec, FittedAutoencoder
from skgw.nn.coding import CodedDomain, NormalMixture, Unit
from skgw.training.autoencoding import KINDS, AutoencoderLoss, AutoencodingOptions
from skgw.training.cotraining import (
    CoTrainingObjective,
    CoTrainingOptions,
    Matcher,
    Matching,
    Side,
    size_of,
)
from skgw.training.loop import OPTIMIZERS

MIN_UPDATES, MAX_UPDATES = 1500, 20_000
EPOCHS = 15  # that "auto" makes, within these limits
N_MATCHINGS = 10  # during the second part of the training
MAX_COMPARED = 1000  # training rows that `score` measures distances to
MAX_OF_CLASS = 10  # pairs that are made of the rows of one class
REGULARITY = 1e-4  # of a mixture's covariances, over the variance of the codes
N_MIXTURE = 20  # components of the normal mixture that an "ae" draws codes from
METHODS = ("auto", "decoded", "barycentric", "greedy")
CLEAR = 0.02  # contrast below which a matching is called ambiguous
CHUNK = 2048  # rows that are compared at a time

Array = NDArray[Any]


class GWCoTrainedAutoencoders(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    CallbackSupportMixin,
    PersistenceMixin,
    BaseEstimator,
):
    """Two autoencoders, one for each of two unpaired data sets, whose codes can be exchanged.

    Each autoencoder compresses the rows of its domain. A Gromov-Wasserstein loss makes the
    distances between codes agree across the domains, so that the codes of one are those of the
    other up to a rotation, which is found as well: a row is translated by encoding it, turning the
    code, and decoding it in the other domain.

    Parameters
    ----------
    n_components : int, or pair of int
        Dimensions of the codes, of both domains or of each.
    autoencoder : {"ae", "vae", "wae-mmd", "wae-gan"}
        How the codes are held to a normal distribution: not at all, as in a variational
        autoencoder, by the maximum mean discrepancy, or by an adversary.
    network : {"mlp", "conv"}, callable, or pair of these
        Architecture of the autoencoders, of both or of each; a callable gets the numbers of inputs
        and outputs, and returns a module.
    hidden_layer_sizes : tuple of int
        Of the encoder, mirrored in the decoder: widths, or channels of "conv".
    image_shape : tuple of (channels, height, width), pair of these or None
        What the rows are images of, for "conv".
    prior_weight : float
        Weight of the codes' distribution; 1 is a good start.
    gw_weight : float
        Weight of the Gromov-Wasserstein loss against the reconstruction; 0 trains the autoencoders
        separately, and matches their codes at the end.
    epsilon : float
        Strength of the entropy in that loss, relative to the mean squared distance.
    isometry_weight : float
        Weight of a penalty on the distortion of distances by each encoder. It makes codes of few
        dimensions comparable, at the cost of the reconstruction.
    n_reference : int
        Rows of either domain that are matched at once.
    n_init : int
        Starts in the pool of each matching from nothing.
    alpha : float
        Weight of the distances against `pairs` and `labels`.
    warm_up : float
        Share of the training before the domains are matched.
    batch_size : int
    max_iter : int or "auto"
        Updates; "auto" makes 15 epochs of the larger domain, 1500 updates at least.
    learning_rate_init : float
    optimizer : str or callable
        "adam", "adamw", "sgd", or a callable from parameters and ``lr`` to a torch optimiser.
    early_stopping : bool
        Whether to hold rows out, stop when their reconstruction has ceased to improve, and keep
        the best weights.
    validation_fraction : float
    n_iter_no_change : int
        In validations, every 50 updates.
    tol : float
    transformer_x, transformer_y : transformer or None
        Cloned and fitted to either domain's rows first. Translated rows are in their output's
        space, taken back by `inverse_transform` where the transformer has it.
    checkpoint : str, Path or None
        Folder from which an interrupted fit resumes.
    device : str
        "auto" is CUDA where there is one, else the CPU.
    verbose : int
    random_state : int, RandomState or None
        Same seed, same result on a CPU.

    Attributes
    ----------
    embedding_, embedding_y_ : array of shape (n, kx) and (m, ky)
        Codes of the training rows.
    plan_ : Coupling of shape (n, m)
        Mass that goes from each row of the first domain to each of the second.
    confidence_ : array of shape (n,)
        How well each row of the first domain comes back from the mean of its partners, between 0
        and 1.
    contrast_ : float
        By how much the best *other* matching that was found fits worse, relative; infinite if all
        starts led to the same one. Where it is low, a warning says that the matching is ambiguous.
    diagnostics_ : dict
        "cost": mean squared distance of matched codes, 0 to 1. "size_x", "size_y": that of the
        codes now over that when they were first matched; far from 1 if the latent space shrinks or
        drifts. "rank_x", "rank_y": number of dimensions that the codes make use of.
    loss_curve_, gw_curve_ : list of float
        Loss of each update; the discrepancy of each update after the warm-up.
    validation_curve_ : list of float
    n_iter_ : int
    n_features_in_, n_features_y_in_ : int
    feature_names_in_ : array of str
        Of the first domain, only if all names are strings.

    See Also
    --------
    GWMatcher : Matches without training.

    Notes
    -----
    Memory grows with ``(n + m) * (p + q)`` and ``n_reference ** 2``.

    References
    ----------
    Chevalley (2021), Learning autoencoders across incomparable spaces with Gromov-Wasserstein.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw import GWCoTrainedAutoencoders
    >>> X = np.random.default_rng(0).exponential(size=(80, 2)) * [3, 1]
    >>> Y = np.random.default_rng(1).exponential(size=(70, 2)) * [1, 3] @ np.eye(2, 5) + 1
    >>> model = GWCoTrainedAutoencoders(2, max_iter=200, random_state=0).fit(X, Y)
    >>> model.translate(X[:3]).shape, model.transform(Y[:3], domain="y").shape
    ((3, 5), (3, 2))
    """

    _parameter_constraints: dict[str, Any] = {
        "n_components": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "autoencoder": [StrOptions(set(KINDS))],
        "network": [StrOptions({"mlp", "conv"}), callable, tuple, list],
        "hidden_layer_sizes": ["array-like"],
        "image_shape": [tuple, list, None],
        "prior_weight": [Interval(Real, 0, None, closed="left")],
        "gw_weight": [Interval(Real, 0, None, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "isometry_weight": [Interval(Real, 0, None, closed="left")],
        "n_reference": [Interval(Integral, 2, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, 1, closed="left")],
        "warm_up": [Interval(Real, 0, 1, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "transformer_x": [HasMethods(["fit", "transform"]), None],
        "transformer_y": [HasMethods(["fit", "transform"]), None],
        "checkpoint": [str, Path, None],
        "device": [str],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components: int | tuple[int, int] = 8,
        *,
        autoencoder: str = "ae",
        network: Any = "mlp",
        hidden_layer_sizes: tuple[int, ...] = (256, 128),
        image_shape: Any = None,
        prior_weight: float = 1.0,
        gw_weight: float = 1.0,
        epsilon: float = 5e-3,
        isometry_weight: float = 0.0,
        n_reference: int = 1000,
        n_init: int = 16,
        alpha: float = 0.5,
        warm_up: float = 0.5,
        batch_size: int = 100,
        max_iter: int | str = "auto",
        learning_rate_init: float = 4e-3,
        optimizer: str | Callable[..., torch.optim.Optimizer] = "adam",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        transformer_x: Any = None,
        transformer_y: Any = None,
        checkpoint: str | Path | None = None,
        device: str = "auto",
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.autoencoder = autoencoder
        self.network = network
        self.hidden_layer_sizes = hidden_layer_sizes
        self.image_shape = image_shape
        self.prior_weight = prior_weight
        self.gw_weight = gw_weight
        self.epsilon = epsilon
        self.isometry_weight = isometry_weight
        self.n_reference = n_reference
        self.n_init = n_init
        self.alpha = alpha
        self.warm_up = warm_up
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.learning_rate_init = learning_rate_init
        self.optimizer = optimizer
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.transformer_x = transformer_x
        self.transformer_y = transformer_y
        self.checkpoint = checkpoint
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    @fit_context
    @torch.inference_mode(False)  # gradients are needed, whatever the caller's mode
    @tensor_in_tensor_out
    def fit(self, X: Any, y: Any = None, *, pairs: Any = None, labels: Any = None) -> Self:
        """Train both autoencoders, and match their codes.

        Parameters
        ----------
        X : array of shape (n, p), or Domains
            The first domain, or both.
        y : array of shape (m, q)
            The second domain, of any length and width. One dimension is taken as one feature.
        pairs : pair of arrays of int of shape (k,), optional
            Rows of `X` and of `y` that are known to belong together.
        labels : pair of arrays of int of shapes (n,) and (m,), optional
            Classes of rows, -1 where not known: rows of one class are taken as pairs.

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
            If another matching is about as good as the one taken.
        LabelsAsDomainWarning
            If `y` looks like labels of `X`.
        """
        X, Y = split_domains(X, y, self)
        X = read_points(self, X, metric="euclidean", edge_length="hops", reset=True)
        second = SecondDomain()
        Y = second.read(Y, reset=True)
        self.n_features_y_in_ = second.n_features_in_
        rng = check_random_state(self.random_state)
        seed, noise = draw_seed(rng), seeded(draw_seed(rng))
        known = _known_pairs(pairs, labels, (len(X), len(Y)), rng)
        self.transformer_x_, self.transformer_y_ = (
            None if transformer is None else clone(transformer).fit(rows)
            for transformer, rows in ((self.transformer_x, X), (self.transformer_y, Y))
        )
        domains = self._transformed(X, 0), self._transformed(Y, 1)
        units = Unit.of(domains[0]), Unit.of(domains[1])
        specs = self._specs(domains)
        one, other = (
            self._side(units[k].forth(domains[k]), specs[k], known[k], seed + k, rng)
            for k in (0, 1)
        )
        n_updates = self._max_updates(max(len(X), len(Y)))
        matcher = self._matcher(len(known[0]), seed)
        objective = CoTrainingObjective((one, other), self._options(n_updates), matcher)
        objective.to(resolve_device(self.device))
        run = TrainingRun(self, Domains(X, Y), n_updates, further=(domains, known))
        history = run.train(objective, noise)

        # Nothing fitted before is touched until here, where training can no longer be interrupted.
        self.loss_curve_, self.validation_curve_ = history.losses["loss"], history.validation
        self.gw_curve_ = history.losses.get("gw", [])
        self.n_iter_ = history.n_iter
        self._domains = tuple(
            CodedDomain(unit, FittedAutoencoder.of(side.model.autoencoder, spec), x.dtype.name)
            for unit, side, spec, x in zip(units, (one, other), specs, domains, strict=True)
        )
        self._store_matching(objective, noise, domains)
        self._describe(domains, rng)
        run.finish()
        if self.contrast_ < CLEAR:
            warnings.warn(
                "The matching is ambiguous: another one, that differs in more than half of its "
                f"mass, fits the codes worse by only {100 * self.contrast_:.2g} %. A few known "
                "`pairs` or `labels` can decide.",
                AmbiguousMatchingWarning,
                stacklevel=5,
            )
        return self

    @tensor_in_tensor_out
    def transform(self, X: Any, *, domain: str = "x") -> Any:
        """Codes of rows.

        Parameters
        ----------
        X : array of shape (b, p), or (b, q) for the second domain
            Numpy or torch.
        domain : {"x", "y"}
            Which domain the rows are of.

        Returns
        -------
        array of shape (b, n_components)
            Of the kind of `X`. Codes of different domains differ by a rotation: `translate` and
            `match` know it.
        """
        check_is_fitted(self)
        here = _position(domain, "domain")
        return self._encode(self._read(X, here), here)

    @tensor_in_tensor_out
    def inverse_transform(self, Z: Any, *, domain: str = "x") -> Any:
        """Rows of codes.

        Parameters
        ----------
        Z : array of shape (b, n_components)
            Numpy or torch.
        domain : {"x", "y"}

        Returns
        -------
        array of shape (b, p), or (b, q) for the second domain
        """
        check_is_fitted(self)
        here = _position(domain, "domain")
        Z = check_array(Z, dtype=[np.float64, np.float32])
        k = self._domains[here].latent_dim
        if Z.shape[1] != k:
            raise ValueError(f"Z has {Z.shape[1]} columns, codes of domain {domain!r} have {k}.")
        return self._decode(Z, here)

    @tensor_in_tensor_out
    def translate(self, X: Any, *, source: str = "x", method: str = "auto") -> Any:
        """Rows of one domain as rows of the other.

        Parameters
        ----------
        X : array of shape (b, p), or (b, q) for the second domain
            Numpy or torch.
        source : {"x", "y"}
            Which domain the rows are of.
        method : {"auto", "decoded", "barycentric", "greedy"}
            "decoded" decodes the turned code; "barycentric" decodes the mean code of the partners
            among (up to `n_reference`) training rows of the other domain; "greedy" returns the
            partner with the most mass, a training row. "auto" is "decoded".

        Returns
        -------
        array of shape (b, q), or (b, p) for the second domain
            Of the kind of `X`.
        """
        check_is_fitted(self)
        if method not in METHODS:
            raise ValueError(f"method must be one of {METHODS}, got {method!r}.")
        here = _position(source, "source")
        return self._translate(self._read(X, here), here, method)

    @tensor_in_tensor_out
    def match(self, X: Any = None, y: Any = None, *, source: str = "x") -> Any:
        """Partners of rows: of each, the row of the other domain that most of its mass goes to.

        Parameters
        ----------
        X : array, optional
            Rows of the domain `source`; by default its training rows.
        y : array, optional
            Rows of the other domain to choose partners from, all at once: the plan between both
            sets is solved for. By default its training rows.
        source : {"x", "y"}

        Returns
        -------
        array of int of shape (b,)
            Positions in `y`, or among the training rows.
        """
        check_is_fitted(self)
        here = _position(source, "source")
        there = 1 - here
        if X is None:
            if y is not None:
                raise ValueError("match needs X with y.")
            return self.plan_.argmax(axis=1 - here)
        codes = self._map.shared(self._encode(self._read(X, here), here), here)
        if y is not None:
            others = self._map.shared(self._encode(self._read(y, there), there), there)
            found = transport(torch.as_tensor(codes), torch.as_tensor(others), REFINING[-1])
            return found.plan.argmax(1).numpy()
        others = (self.embedding_, self.embedding_y_)[there]
        return np.asarray(self._map.plan(codes, self._map.shared(others, there), here).argmax(1))

    def sample(self, n_samples: int = 1, *, domain: str = "x", random_state: Any = None) -> Array:
        """Draw new rows of a domain.

        Codes are drawn from the normal distribution that they were held to; those of an "ae" from a
        mixture of normal distributions that is fitted to the codes of the training rows.

        Parameters
        ----------
        n_samples : int
        domain : {"x", "y"}
        random_state : int, RandomState or None

        Returns
        -------
        array of shape (n_samples, p), or (n_samples, q) for the second domain
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        here, rng = _position(domain, "domain"), check_random_state(random_state)
        return self._decode(self._laws[here].draw(n_samples, rng), here)

    @tensor_in_tensor_out
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Minus the relative distortion of distances by the translation.

        ``-||D - D'|| / ||D||``, for the Euclidean distances D from rows to (up to 1000) training
        rows of their domain, and those of what both translate to, D', each over the root mean
        square distance of its domain; the mean over both directions. Higher is better, 0 is
        perfect; a translation to a single point has -1.

        Parameters
        ----------
        X : array of shape (b, p), or Domains
            Rows of the first domain, or of both.
        y : array of shape (b', q), optional
            Rows of the second domain. Without them only the first direction counts.
        sample_weight : array of shape (b,), optional
            For the rows of `X`.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        parts = X.parts if isinstance(X, Domains) else (X, y)
        weights: list[Any] = [sample_weight, None]
        if isinstance(X, Domains) and sample_weight is not None:
            weights = np.split(np.asarray(sample_weight), [X.X.shape[0]])
        scores = [
            -self._distortion(self._read(part, here), here, weight)
            for here, part, weight in zip((0, 1), parts, weights, strict=True)
            if part is not None
        ]
        return float(np.mean(scores))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return self._domains[0].latent_dim

    def _specs(self, domains: tuple[Array, Array]) -> tuple[AutoencoderSpec, AutoencoderSpec]:
        one, other = (
            AutoencoderSpec(
                n_features=x.shape[1],
                latent_dim=_dimension(_of(self.n_components, k, "n_components")),
                network=_of(self.network, k, "network"),
                hidden_layer_sizes=tuple(self.hidden_layer_sizes),
                stochastic=self.autoencoder == "vae",
                image_shape=_image_shape(self.image_shape, k),
            )
            for k, x in enumerate(domains)
        )
        return one, other

    def _side(
        self,
        rows: Array,
        spec: AutoencoderSpec,
        known: Array,
        seed: int,
        rng: np.random.RandomState,
    ) -> Side:
        """One domain in training; rows that are held out are none of the `known` ones."""
        options = AutoencodingOptions(self.autoencoder, self.prior_weight, self.isometry_weight)
        model = AutoencoderLoss(spec.build(seed), options, seed=seed)
        order = rng.permutation(len(rows))
        held_out = order[:0]
        if self.early_stopping:
            free = order[~np.isin(order, known)]
            held_out = free[: max(1, round(self.validation_fraction * len(rows)))]
            order = order[~np.isin(order, held_out)]
            if len(order) < 2:
                raise ValueError("Too few samples for early_stopping; switch it off.")
        return Side(
            rows, model, order=order, held_out=held_out, known=known, n_reference=self.n_reference
        )

    def _max_updates(self, n_rows: int) -> int:
        if self.max_iter == "auto":
            n_updates = EPOCHS * n_rows / self.batch_size
            return int(np.clip(n_updates, MIN_UPDATES, MAX_UPDATES))
        return int(self.max_iter)

    def _options(self, n_updates: int) -> CoTrainingOptions:
        n_alone = round(self.warm_up * n_updates)
        return CoTrainingOptions(
            gw_weight=self.gw_weight,
            epsilon=self.epsilon,
            batch_size=self.batch_size,
            n_reference=self.n_reference,
            n_alone=n_alone,
            match_every=max(1, -(-(n_updates - n_alone) // N_MATCHINGS)),
        )

    def _matcher(self, n_pairs: int, seed: int) -> Matcher:
        pool = functools.partial(
            match_codes, n_pairs=n_pairs, n_init=self.n_init, alpha=self.alpha, seed=seed
        )

        def matcher(codes: Any, rows: Any, rotation: Tensor | None) -> Matching:
            """From nothing, or improving on the map that is known."""
            if rotation is None:
                found, contrast = pool(codes, rows)
            else:
                found = register(*codes, rotation=rotation, n_pairs=n_pairs, temperatures=REFINING)
                contrast = np.nan
            return Matching(found.transport.plan, found.rotation, contrast)

        return matcher

    def _store_matching(
        self, objective: CoTrainingObjective, noise: torch.Generator, domains: tuple[Array, Array]
    ) -> None:
        """Match once more, codes as they are in the end, and keep the map and its reference."""
        codes, means = objective.match(noise)
        one, other = objective.pair
        found = register(
            *codes, rotation=objective.rotation, n_pairs=objective.n_pairs,
            temperatures=REFINING[-1:],
        )  # fmt: skip
        self._map = CodeMap.of(found, codes, means, (float(one.size), float(other.size)))
        self._reference = tuple(
            x[side.reference.cpu().numpy()] for x, side in zip(domains, objective.pair, strict=True)
        )
        self.contrast_, self._cost = float(objective.contrast), float(found.cost)

    def _describe(self, domains: tuple[Array, Array], rng: np.random.RandomState) -> None:
        """What is said of the training rows: their codes, plan, confidence, and diagnostics."""
        codes = [self._encode(x, k) for k, x in enumerate(domains)]
        self.embedding_, self.embedding_y_ = codes
        self._laws = tuple(self._law(z, rng) for z in codes)
        shared = [self._map.shared(z, k) for k, z in enumerate(codes)]
        self.plan_ = Coupling(self._map.plan(shared[0], shared[1], 0))
        self.confidence_ = self._confidence(shared[0])
        self.diagnostics_ = {"cost": self._cost}
        for k, name in enumerate("xy"):
            size = float(size_of(torch.as_tensor(codes[k])))
            self.diagnostics_[f"size_{name}"] = size / self._map.sizes[k]
            self.diagnostics_[f"rank_{name}"] = _effective_rank(codes[k])

    def _law(self, codes: Array, rng: np.random.RandomState) -> NormalMixture:
        """What codes are drawn from."""
        if self.autoencoder != "ae":
            return NormalMixture.standard(codes.shape[1])
        n_components = min(N_MIXTURE, max(1, len(codes) // (10 * codes.shape[1])))
        floor = REGULARITY * float(codes.var()) or 1.0  # all codes are the same
        mixture = GaussianMixture(n_components, reg_covar=floor, random_state=rng)
        # Any mixture that the search stops at will do; codes are numpy, whatever went in.
        with warnings.catch_warnings(), config_context(array_api_dispatch=False):
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(codes)
        return NormalMixture(
            mixture.weights_, mixture.means_, np.linalg.cholesky(mixture.covariances_)
        )

    def _confidence(self, shared: Array) -> Array:
        """How close points come back to where they were, by their partners, (n,)."""
        back = np.empty_like(shared)
        for chunk in gen_batches(len(shared), CHUNK):
            there = self._map.partners(shared[chunk], 0) @ self._map.reference[1]
            back[chunk] = self._map.partners(there, 1) @ self._map.reference[0]
        return np.asarray(np.exp(-np.square(shared - back).sum(1) / (self._cost or 1.0)))

    def _encode(self, X: Array, here: int) -> Array:
        return self._domains[here].encode(X, resolve_device(self.device, required=False))

    def _decode(self, Z: Array, here: int) -> Array:
        """Rows of codes, in the features that went in if the transformer can go back."""
        rows = self._domains[here].decode(Z, resolve_device(self.device, required=False))
        return self._inverse(rows, here)

    def _translate(self, X: Array, here: int, method: str) -> Array:
        """Validated and transformed rows to the other domain."""
        there = 1 - here
        shared = self._map.shared(self._encode(X, here), here)
        if method in ("auto", "decoded"):
            return self._decode(self._map.codes(shared, there), there)
        chunks = [self._map.partners(shared[i], here) for i in gen_batches(len(shared), CHUNK)]
        if method == "greedy":
            partners = np.concatenate([plan.argmax(1) for plan in chunks])
            return self._inverse(self._reference[there][partners], there)
        means = np.concatenate([plan @ self._map.reference[there] for plan in chunks])
        return self._decode(self._map.codes(means, there), there)

    def _read(self, X: Any, here: int) -> Array:
        """Validated rows of a domain, transformed."""
        if here == 0:
            X = read_points(self, X, metric="euclidean", edge_length="hops", reset=False)
            return self._transformed(X, 0)
        second = SecondDomain()
        second.n_features_in_ = self.n_features_y_in_
        return self._transformed(second.read(X, reset=False), 1)

    def _transformed(self, X: Array, here: int) -> Array:
        transformer = (self.transformer_x_, self.transformer_y_)[here]
        if transformer is None:
            return X
        return check_array(transformer.transform(X), dtype=[np.float64, np.float32])

    def _inverse(self, rows: Array, here: int) -> Array:
        transformer = (self.transformer_x_, self.transformer_y_)[here]
        back = getattr(transformer, "inverse_transform", None)
        return rows if back is None else np.asarray(back(rows))

    def _distortion(self, X: Array, here: int, weight: Any) -> float:
        """Relative distortion of the distances from rows to training rows of their domain."""
        reference = self._reference[here][:MAX_COMPARED]
        D = euclidean_distances(X, reference)
        one, other = (self._decoded(Z, here) for Z in (X, reference))
        E = euclidean_distances(one, other)
        units = [np.sqrt(2 * x.var(0).sum()) or 1.0 for x in (reference, self._reference[1 - here])]
        D, E = D / units[0], E / units[1]
        if weight is not None:
            root = np.sqrt(check_sample_weight(weight, X))[:, None]
            D, E = root * D, root * E
        return relative_distortion(D, E)

    def _decoded(self, X: Array, here: int) -> Array:
        """Rows in the transformed features of the other domain, where its distances are."""
        codes = self._map.across(self._encode(X, here), here)
        return self._domains[1 - here].decode(codes, resolve_device(self.device, required=False))


def _known_pairs(
    pairs: Any, labels: Any, shape: tuple[int, int], rng: np.random.RandomState
) -> tuple[Array, Array]:
    """Rows (k,) and (k,) that are known to belong together, those of one class among them.

    Raises
    ------
    ValueError
        If they do not fit the domains.
    """
    none = np.empty(0, dtype=np.intp)
    i, j = (none, none) if pairs is None else read_pairs(pairs, shape)
    if labels is None:
        return i, j
    one, other = (column_or_1d(x) for x in labels)
    if (len(one), len(other)) != shape:
        raise ValueError(
            f"labels must be two arrays of {shape[0]} and {shape[1]} labels, got {len(one)} and "
            f"{len(other)}."
        )
    for label in np.setdiff1d(np.intersect1d(one, other), [-1]):
        rows = [np.setdiff1d(np.flatnonzero(x == label), known)
                for x, known in ((one, i), (other, j))]  # fmt: skip
        n = min(MAX_OF_CLASS, *map(len, rows))
        i, j = (np.r_[known, rng.permutation(x)[:n]] for known, x in zip((i, j), rows, strict=True))
    return i, j


def _position(name: str, parameter: str) -> int:
    """0 for "x", 1 for "y"."""
    if name not in ("x", "y"):
        raise ValueError(f"{parameter} must be 'x' or 'y', got {name!r}.")
    return ("x", "y").index(name)


def _of(value: Any, here: int, name: str) -> Any:
    """What a parameter, given for both domains or as a pair, is for one of them."""
    if not isinstance(value, tuple | list):
        return value
    if len(value) != 2:
        raise ValueError(f"{name} must be one or a pair, got {value!r}.")
    return value[here]


def _dimension(k: Any) -> int:
    check_scalar(k, "n_components", Integral, min_val=1)
    return int(k)


def _image_shape(shape: Any, here: int) -> Any:
    """That of one domain, from one for both or a pair."""
    if shape is None:
        return None
    if len(shape) == 2:
        shape = shape[here]
    return None if shape is None else tuple(int(n) for n in shape)


def _effective_rank(codes: Array) -> float:
    """Number of dimensions that codes make use of: 1 on a line, k if all vary alike."""
    variances = np.linalg.eigvalsh(np.atleast_2d(np.cov(codes.T))).clip(0)
    return float(variances.sum() ** 2 / max(np.square(variances).sum(), np.finfo(float).tiny))
