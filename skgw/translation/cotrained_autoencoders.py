"""GWCoTrainedAutoencoders: two autoencoders whose codes agree in their distances."""

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
from sklearn.utils import Tags, check_random_state, check_scalar
from sklearn.utils.validation import check_array, check_is_fitted

from skgw.autoencoders.mixture import normal_mixture
from skgw.autoencoders.objective import KINDS
from skgw.base.coupling import Coupling
from skgw.base.domains import Domains
from skgw.base.estimator import (
    PersistenceMixin,
    all_or_nothing,
    draw_seed,
    resolve_device,
    seeded,
    tensor_in_tensor_out,
    weighted_distortion,
)
from skgw.base.sklearn_compat import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
    fit_context,
    gives_data_frames,
)
from skgw.base.training_run import TrainingRun
from skgw.base.two_domains import (
    fit_transformer,
    mean_score,
    position,
    read_domains,
    read_rows,
    transformed,
)
from skgw.matching.side_information import read_anchors
from skgw.nn.coded_domain import NormalMixture
from skgw.training.optimizers import OPTIMIZERS
from skgw.translation.latent_matching import LatentMatcher
from skgw.translation.matches import nearest
from skgw.translation.objective import CoTrainingObjective
from skgw.translation.result import CoTrained, conclude, diagnostics, warn_of_doubts
from skgw.translation.setup import count_updates, schedule, set_up_domain

MAX_COMPARED = 1000  # training rows that `score` measures distances to

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
    translator : {"rotation", "network"}
        What takes codes across: the rotation alone, or a network after it, which is trained on the
        means of partners and to come back to where it started.
    cycle_weight : float
        Weight of coming back, for "network".
    n_reference : int
        Rows of either domain that are matched at once.
    n_init : int
        Starts in the pool of each matching from nothing.
    alpha : float
        Weight of the distances against `pairs` and `labels`.
    unbalanced : float or None
        For domains that hold kinds of rows in different shares, or kinds that the other one lacks:
        strength of the penalty on the marginals of the matching, relative to the median cost. The
        smaller, the less mass such rows have in `plan_`; 0.05 is a good start. None gives all rows
        the same mass, and finds partners as well, as they are the nearest rows.
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
        Mass that goes from each row of the first domain to each of the second: an entropic plan
        between both, which gives all rows their share; `match` names the nearest rows instead.
    confidence_ : array of shape (n,)
        How sure the translation of each row of the first domain is, between 0 and 1: how much
        nearer its nearest possible partners are than the next ones. It cannot see that a whole
        matching is wrong; that is what `margin_` is for.
    matched_mass_ : array of shape (n,)
        Mass of each row that is matched, relative to the mean: little for rows without partners,
        more than 1 for kinds of rows that are rarer in the first domain than in the second, and 1
        where the domains were matched as a whole.
    margin_ : float
        By how much *other* matchings that were found, of codes or of rows, at least cost more than
        the one taken, over its cost, or over 15 % of the mean squared distance by which they move
        the points elsewhere if that is less; infinite if all starts led to the same one. Below
        0.2 a warning says that the matching is ambiguous.
    diagnostics_ : dict
        "cost": mean squared distance of matched codes, 0 to 1. "excess": cost of matching halves of
        the domains when they were first matched, over that of both halves of the same domain; about
        1 for a good matching, and a warning tells if it is above 1.3. "size_x", "size_y": size of
        the codes now over that when they were first matched; far from 1 if the latent space shrinks
        or drifts. "rank_x", "rank_y": number of dimensions that the codes make use of.
    loss_curve_, gw_curve_ : list of float
        Loss of each update; the discrepancy of each update after the warm-up.
    validation_curve_ : list of float
    n_iter_ : int
    n_features_in_, n_features_y_in_ : int
    feature_names_in_, feature_names_y_in_ : array of str
        Only if all names of a domain's features are strings.

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
    >>> X = np.random.default_rng(0).exponential(size=(120, 2)) * [3, 1]
    >>> Y = np.random.default_rng(1).exponential(size=(100, 2)) * [1, 3] @ np.eye(2, 5) + 1
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
        "translator": [StrOptions({"rotation", "network"})],
        "cycle_weight": [Interval(Real, 0, None, closed="left")],
        "n_reference": [Interval(Integral, 2, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, 1, closed="left")],
        "unbalanced": [Interval(Real, 0, None, closed="neither"), None],
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
        translator: str = "rotation",
        cycle_weight: float = 1.0,
        n_reference: int = 1000,
        n_init: int = 16,
        alpha: float = 0.5,
        unbalanced: float | None = None,
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
        self.translator = translator
        self.cycle_weight = cycle_weight
        self.n_reference = n_reference
        self.n_init = n_init
        self.alpha = alpha
        self.unbalanced = unbalanced
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

    @all_or_nothing
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
            Rows of `X` and of `y` that are known to belong together, or to be of one kind. They
            decide between matchings, and are not forced to be partners.
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
            If another matching is about as good as the one taken, or if that one is poor: rows are
            much farther from their partners than from rows of their own domain.
        LabelsAsDomainWarning
            If `y` looks like labels of `X`.
        """
        X, Y, _ = read_domains(self, X, y)
        rng = check_random_state(self.random_state)
        seed, noise = draw_seed(rng), seeded(draw_seed(rng))
        known = read_anchors(pairs, labels, (len(X), len(Y)), rng)
        self.transformer_x_ = fit_transformer(self.transformer_x, X, "transformer_x")
        self.transformer_y_ = fit_transformer(self.transformer_y, Y, "transformer_y")
        rows = transformed(self.transformer_x_, X), transformed(self.transformer_y_, Y)
        one = set_up_domain(self, rows[0], 0, known[0], seed, rng)
        other = set_up_domain(self, rows[1], 1, known[1], seed, rng)
        n_updates = count_updates(self, max(len(X), len(Y)))
        matcher = LatentMatcher(len(known[0]), self.n_init, self.alpha, self.unbalanced, seed)
        objective = CoTrainingObjective((one.side, other.side), schedule(self, n_updates), matcher)
        objective.to(resolve_device(self.device))
        run = TrainingRun(self, Domains(X, Y), n_updates, further=(rows, known))
        history = run.train(objective, noise)
        self.loss_curve_, self.validation_curve_ = history.losses["loss"], history.validation
        self.gw_curve_ = history.losses.get("gw", [])
        self.n_iter_ = history.n_iter
        found = conclude(self, objective, (one, other), noise)
        self._fitted, self.margin_ = found.translator, found.margin
        self._describe(rows, found, rng)
        warn_of_doubts(found)
        run.finish()
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

        Raises
        ------
        ValueError
            If `set_output` asks for a data frame, whose columns have names of the first domain, and
            codes of the second have another number of components.
        """
        check_is_fitted(self)
        here = position(domain)
        k = self._fitted.domains[here].latent_dim
        if k != self._n_features_out and gives_data_frames(self):
            raise ValueError(
                f"set_output names the {self._n_features_out} components of the first domain, but "
                f"codes of domain {domain!r} have {k}: take set_output(transform='default')."
            )
        return self._fitted.domains[here].encode(self._read(X, here), self._device())

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
        here = position(domain)
        Z = check_array(Z, dtype=[np.float64, np.float32])
        k = self._fitted.domains[here].latent_dim
        if Z.shape[1] != k:
            raise ValueError(f"Z has {Z.shape[1]} columns, codes of domain {domain!r} have {k}.")
        return self._inverse(self._fitted.domains[here].decode(Z, self._device()), here)

    @tensor_in_tensor_out
    def translate(self, X: Any, *, domain: str = "x", method: str = "auto") -> Any:
        """Rows of one domain as rows of the other.

        Parameters
        ----------
        X : array of shape (b, p), or (b, q) for the second domain
            Numpy or torch.
        domain : {"x", "y"}
            Which domain the rows are of.
        method : {"auto", "decoded", "network", "barycentric", "greedy"}
            "barycentric" decodes the mean code of the nearest partners among (up to 10,000)
            training rows of the other domain; "decoded" decodes the turned code itself; "network"
            moves it by the translation network first; "greedy" returns the nearest partner, a
            training row. "auto" is "network" if there is one, else "barycentric".

        Returns
        -------
        array of shape (b, q), or (b, p) for the second domain
            Of the kind of `X`.
        """
        check_is_fitted(self)
        here = position(domain)
        rows = self._fitted.translate(self._read(X, here), here, method, self._device())
        return self._inverse(rows, 1 - here)

    @tensor_in_tensor_out
    def match(self, X: Any = None, y: Any = None, *, domain: str = "x") -> Any:
        """Partners of rows: of each, the nearest row of the other domain.

        Parameters
        ----------
        X : array, optional
            Rows of the domain `domain`; by default its training rows.
        y : array, optional
            Rows of the other domain to choose partners from, all at once: those that a plan between
            both sets, which gives all of them their share, names. By default its (up to 10,000)
            training rows.
        domain : {"x", "y"}

        Returns
        -------
        array of int of shape (b,)
            Positions in `y`, or among the training rows.
        """
        check_is_fitted(self)
        here = position(domain)
        there = 1 - here
        if X is None:
            if y is not None:
                raise ValueError("match needs X with y.")
            return self._matches[here]
        rows = self._read(X, here)
        if y is not None:
            return self._fitted.assign_jointly(rows, self._read(y, there), here, self._device())
        return self._fitted.positions[there][self._fitted.match(rows, here, self._device())]

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
        here, rng = position(domain), check_random_state(random_state)
        codes = self._laws[here].draw(n_samples, rng)
        return self._inverse(self._fitted.domains[here].decode(codes, self._device()), here)

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
        """What is said of the training rows: their codes, plan, confidence, and diagnostics."""
        device, fitted, partners = self._device(), self._fitted, self._fitted.matches
        self.embedding_, self.embedding_y_ = codes = (
            fitted.domains[0].encode(rows[0], device),
            fitted.domains[1].encode(rows[1], device),
        )
        self._laws = tuple(self._law(z, rng) for z in codes)
        one, other = (fitted.in_common_space(X, here, device) for here, X in enumerate(rows))
        self.matched_mass_ = found.mass[0][nearest(one, partners.points[0])]
        mass = self.matched_mass_ if self.unbalanced else None
        self.plan_ = Coupling(partners.plan(one, other, 0, mass))
        self.confidence_ = partners.confidence(one, 0)
        self._matches = (
            fitted.positions[1][partners.nearest(one, 0)],
            fitted.positions[0][partners.nearest(other, 1)],
        )
        self.diagnostics_ = diagnostics(found, codes)

    def _law(self, codes: Array, rng: np.random.RandomState) -> NormalMixture:
        """The distribution of codes: the one that they were held to, if there is one."""
        if self.autoencoder == "ae":
            return normal_mixture(codes, rng)
        return NormalMixture.standard(codes.shape[1])

    def _device(self) -> torch.device:
        """Where a fitted model works: the device of the fit, if it is here."""
        return resolve_device(self.device, required=False)

    def _read(self, X: Any, here: int) -> Array:
        """Validated rows of a domain, transformed."""
        return read_rows(self, X, here)

    def _inverse(self, rows: Array, here: int) -> Array:
        """Rows in the features that went in, if the transformer can go back."""
        transformer = (self.transformer_x_, self.transformer_y_)[here]
        back = getattr(transformer, "inverse_transform", None)
        return rows if back is None else np.asarray(back(rows))

    def _distortion(self, X: Any, here: int, weight: Any) -> float:
        """Relative distortion of the distances from rows to training rows of their domain."""
        X = self._read(X, here)
        fitted, device, there = self._fitted, self._device(), 1 - here
        reference = fitted.rows[here][:MAX_COMPARED]
        ends = (fitted.translate(Z, here, "auto", device) for Z in (X, reference))
        D = euclidean_distances(X, reference) / _spread(reference)
        E = euclidean_distances(*ends) / _spread(fitted.rows[there])
        return weighted_distortion(D, E, weight, X)


def _spread(X: Array) -> float:
    """Root mean square distance of rows."""
    return float(np.sqrt(2 * X.var(0).sum())) or 1.0
