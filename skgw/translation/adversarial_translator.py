"""AdversarialTranslator: base class of translations that are trained against critics of rows."""

from __future__ import annotations

from numbers import Integral
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from skgw.autoencoders.base import automatic_updates
from skgw.base.domains import Domains
from skgw.base.estimator import tensor_in_tensor_out, weighted_distortion
from skgw.base.parameters import NON_NEGATIVE, one_of, param, part, with_parameters
from skgw.base.row_names import with_names
from skgw.base.sklearn_compat import HasMethods, gives_data_frames
from skgw.base.trained import (
    TRAINING_PARAMETERS,
    Optimizer,
    TrainedEstimator,
    TrainedState,
    hold_out,
    whole_fit,
)
from skgw.base.training_run import TrainingRun
from skgw.base.two_domains import (
    TwoDomainState,
    fit_transformer,
    mean_score,
    position,
    read_domains,
    read_rows,
    row_names,
    transformed,
    untransformed,
)
from skgw.base.validation import describe_input, read_codes
from skgw.fields import Numbers, Shape
from skgw.matching.side_information import read_anchors
from skgw.nn import FittedNetwork, mmd
from skgw.nn.coded_domain import Scaler
from skgw.nn.networks import evaluate
from skgw.solvers import cpu_by_default
from skgw.spaces.finite import Array, centred_distances
from skgw.translation.adversarial_objective import (
    AdversarialSettings,
    AdversarialTranslation,
    TrainingRows,
    TwoWayModel,
)
from skgw.translation.domain_rows import FeatureRows, rms_distance_of_rows
from skgw.translation.parameters import CRITIC_LOSSES, DomainCritic

MAX_KEPT = 1000  # training rows of a domain that are kept, for `score` and diagnostics
ADAM_BETAS = 0.5, 0.999  # of Zhu et al.: a short momentum, because the critic changes all the time

ArrayPair = tuple[Array, Array]

TRANSLATION_PARAMETERS = """
critic : {"non-saturating", "least-squares"} or DomainCritic, default={critic}
    Critics of the rows of both domains: the loss, or all settings.
pair_weight : float, default={pair_weight}
    Weight of the mean absolute difference between the translations of the rows of `pairs` and the
    rows they are paired with, in units of the root of the mean variance of a feature.
transformer_x, transformer_y : transformer or None, default=None
    Transformers of the rows of each domain, cloned and fitted first. Translated rows are in the
    output space of the transformer, or in the input space if it has `inverse_transform`.
optimizer : {"adam", "adamw", "rmsprop", "sgd"}, callable or Optimizer, default={optimizer}
    As for all estimators; "adam" without `betas` has the decay rates (0.5, 0.999).
"""
DOCUMENTED = {
    "{translation_parameters}": TRANSLATION_PARAMETERS,
    "{training_parameters}": TRAINING_PARAMETERS,
}


class AdversarialState(TrainedState, TwoDomainState):
    """Fitted attributes for rows of p and q columns, of which r and s are kept."""

    diagnostics_: dict[str, float]
    _scalers: tuple[Annotated[Scaler, Shape("p")], Annotated[Scaler, Shape("q")]]
    _kept: tuple[Annotated[Array, Numbers("r", "p")], Annotated[Array, Numbers("s", "q")]]


@with_parameters
class AdversarialTranslator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, TrainedEstimator):
    """Base class of estimators of two translations, there and back, against critics of rows.

    A subclass, decorated with `with_parameters`, implements

    - `_spec`, the network of a domain, and `_model`, both networks with their losses;
    - `_encode` and `_decode`, of scaled rows, and `_width`, the number of columns of codes;
    - `_translate` and `_draw`, unless rows are translated and drawn by their codes.

    It declares `_networks`, the pair of trained networks, in its fitted state.

    In its docstring the lines ``{translation_parameters}`` and ``{training_parameters}`` stand for
    the entries of the inherited parameters.
    """

    documented: ClassVar[dict[str, str]] = DOCUMENTED
    fitted_state: ClassVar[type] = AdversarialState

    critic: Any = part(DomainCritic, one_of(*CRITIC_LOSSES), default="non-saturating")
    pair_weight: float = param(NON_NEGATIVE, default=10.0)
    transformer_x: Any = param(HasMethods(["fit", "transform"]), None, default=None)
    transformer_y: Any = param(HasMethods(["fit", "transform"]), None, default=None)
    batch_size: int = param(default=100)

    @whole_fit
    def fit(self, X: Any, y: Any = None, *, pairs: Any = None) -> Self:
        """Train both translations.

        Parameters
        ----------
        X : array of shape (n, p), or Domains
            Rows of the first domain. `Domains` holds both domains.
        y : array of shape (m, q)
            Rows of the second domain, unpaired. A one-dimensional array is one feature.
        pairs : tuple of two sequences, array or list of pairs, optional
            Rows of `X` and of `y` that are translations of each other, in the forms that
            `GWMatcher.fit` takes. The translation of either row is drawn to the other row. Rows
            that only share a class are no such pairs.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For rows that are not finite numbers, and for domains of different widths where the
            method needs equal widths; the message says what to do.
        FloatingPointError
            If training diverges.

        Warns
        -----
        LabelsAsDomainWarning
            If `y` looks like labels of `X`.
        """
        names = row_names(X, y)
        X, Y, _ = read_domains(self, X, y)
        run = TrainingRun(self)
        anchors = read_anchors(pairs, None, (X.shape[0], Y.shape[0]), run.rng, names=names)
        self.transformer_x_ = fit_transformer(self.transformer_x, X, "transformer_x")
        self.transformer_y_ = fit_transformer(self.transformer_y, Y, "transformer_y")
        rows = transformed(self.transformer_x_, X), transformed(self.transformer_y_, Y)
        self._scalers = self._fitted_scalers(rows)
        domains = (
            self._training_rows(rows[0], 0, anchors[0], run),
            self._training_rows(rows[1], 1, anchors[1], run),
        )
        widths = rows[0].shape[1], rows[1].shape[1]
        specs = self._spec(widths, 0), self._spec(widths, 1)
        networks = specs[0].build(run.seed), specs[1].build(run.seed + 1)
        model = self._model(networks, (domains[0].values, domains[1].values), run)
        objective = AdversarialTranslation(
            model, domains, self._critics(rows, run.seed), self._settings()
        ).to(run.device)
        n_updates = self._n_updates(max(map(len, rows)))
        run.train(objective, Domains(X, Y), n_updates, run.noise(4), checkpoint_key=anchors)
        trained = zip(model.networks, specs, strict=True)
        self._networks = tuple(FittedNetwork.of(network, spec) for network, spec in trained)
        kept = [np.sort(run.rng.permutation(len(x))[:MAX_KEPT]) for x in rows]
        self._kept = rows[0][kept[0]], rows[1][kept[1]]
        self.diagnostics_ = self._diagnostics()
        run.finish()
        return self

    @tensor_in_tensor_out
    def transform(self, X: Any, *, domain: str = "x") -> Any:
        """Codes of rows; for a method without codes, translations.

        Parameters
        ----------
        X : array of shape (b, p), or (b, q) for the second domain
            Numpy or torch.
        domain : {"x", "y"}, default="x"
            Domain that the rows belong to.

        Returns
        -------
        array of shape (b, n_components)
            Of the kind of `X`. Both domains share one space of codes. Translations have the columns
            of the other domain.

        Raises
        ------
        ValueError
            If `set_output` asks for a data frame and the output for the second domain has another
            number of columns: the column names belong to the first domain.
        """
        check_is_fitted(self)
        source = position(domain)
        k = self._width(source)
        if k != self._n_features_out and gives_data_frames(self):
            raise ValueError(
                f"set_output names the {self._n_features_out} columns for the first domain, but "
                f"rows of domain {domain!r} have {k}: take set_output(transform='default')."
            )
        codes = self._encode(self._read_scaled(X, source), source)
        return codes.astype((self._dtype, self._dtype_y)[source], copy=False)

    @tensor_in_tensor_out
    def inverse_transform(self, Z: Any, *, domain: str = "x") -> Any:
        """Decode codes to rows of a domain; without codes, translate back to the domain.

        Parameters
        ----------
        Z : array of shape (b, n_components)
            Numpy or torch, as `transform` returns it for the domain.
        domain : {"x", "y"}, default="x"
            Domain of the decoded rows.

        Returns
        -------
        array of shape (b, p), or (b, q) for the second domain
            Of the kind of `Z`.
        """
        check_is_fitted(self)
        source = position(domain)
        Z = read_codes(Z, self._width(source), f"codes of domain {domain!r}")
        return self._in_own_unit(self._decode(Z, source), source)

    @tensor_in_tensor_out
    def translate(self, X: Any, *, domain: str = "x") -> Any:
        """Translate rows of one domain to rows of the other domain.

        Parameters
        ----------
        X : array of shape (b, p), or (b, q) for the second domain
            Numpy or torch.
        domain : {"x", "y"}, default="x"
            Domain that the rows belong to.

        Returns
        -------
        array of shape (b, q), or (b, p) for the second domain
            Of the kind of `X`, or a data frame if `set_output` asks for one, with the index of `X`
            and the columns of the other domain.
        """
        check_is_fitted(self)
        source = position(domain)
        translated = self._translate(self._read_scaled(X, source), source)
        return with_names(self, self._in_own_unit(translated, 1 - source), X, source)

    @cpu_by_default()
    def sample(self, n_samples: int = 1, *, domain: str = "x", random_state: Any = None) -> Array:
        """Draw new rows of a domain.

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
        return self._in_own_unit(self._draw(int(n_samples), source, rng), source)

    @tensor_in_tensor_out
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Minus the relative distortion of distances by the translation.

        ``-||D - D'|| / ||D||``: D are the Euclidean distances from rows to (up to 1000) training
        rows of their domain, D' the distances between the translations; each is divided by the RMS
        distance of its domain. The score is the mean over both directions. Higher is better, 0 is
        perfect; a translation to a single point has -1. It is the score of
        `GWCoTrainedAutoencoders`, and nothing that the training of this method looks at.

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
        describe_input(tags, "euclidean", sparse_features=False)
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return self._width(0)

    def _spec(self, widths: tuple[int, int], index: int) -> Any:
        """Specification of the network of a domain, 0 or 1, for domains of these widths."""
        raise NotImplementedError

    def _model(self, networks: Any, rows: ArrayPair, run: TrainingRun) -> TwoWayModel:
        """The networks with their losses, for scaled rows (n, p) and (m, q)."""
        raise NotImplementedError

    def _width(self, source: int) -> int:
        """Number of columns of the output of `transform` for a domain."""
        raise NotImplementedError

    def _encode(self, rows: Array, source: int) -> Array:
        """Output of `transform` for scaled rows of a domain."""
        raise NotImplementedError

    def _decode(self, codes: Array, source: int) -> Array:
        """Scaled rows of a domain for an output of `transform`."""
        raise NotImplementedError

    def _translate(self, rows: Array, source: int) -> Array:
        """Scaled rows of the other domain, for scaled rows of the domain `source`."""
        return self._decode(self._encode(rows, source), 1 - source)

    def _draw(self, n: int, source: int, rng: np.random.RandomState) -> Array:
        """Draw scaled rows of a domain: by default of codes with a standard normal distribution."""
        return self._decode(rng.standard_normal((n, self._width(source))), source)

    def _fitted_scalers(self, rows: ArrayPair) -> tuple[Scaler, Scaler]:
        """Scalers of the rows of both domains."""
        return Scaler.of(rows[0]), Scaler.of(rows[1])

    def _training_rows(
        self, rows: Array, index: int, anchors: Array, run: TrainingRun
    ) -> TrainingRows:
        """Scaled rows of a domain, split for early stopping."""
        order, held_out = hold_out(
            run.rng.permutation(len(rows)), self._held_out_share, min_held_out=2,
            always_train=anchors,
        )  # fmt: skip
        return TrainingRows(self._scalers[index].transform(rows), order, held_out, anchors)

    def _critics(self, rows: ArrayPair, seed: int) -> tuple[torch.nn.Module, torch.nn.Module]:
        """Critics of the rows of both domains."""
        critic = DomainCritic.read(self.critic)
        own = [critic.spec(self, x.shape[1], k).build(seed + 2 + k) for k, x in enumerate(rows)]
        return own[0], own[1]

    def _settings(self) -> AdversarialSettings:
        critic = DomainCritic.read(self.critic)
        optimizer, betas = Optimizer.read(self.optimizer).of_phase(ADAM_BETAS)
        return AdversarialSettings(
            loss=critic.loss,
            weight=critic.weight,
            gradient_weight=critic.gradient_weight,
            n_steps=critic.n_steps,
            learning_rate_factor=critic.learning_rate_factor,
            pair_weight=self.pair_weight,
            batch_size=self.batch_size,
            optimizer=optimizer,
            betas=betas,
        )

    def _diagnostics(self) -> dict[str, float]:
        """`diagnostics_`, from the kept training rows."""
        rows = [scaler.transform(x) for scaler, x in zip(self._scalers, self._kept, strict=True)]
        translated = self._translate(rows[0], 0), self._translate(rows[1], 1)
        found = {}
        for source, name in enumerate("xy"):
            target = 1 - source
            cycle = self._translate(translated[source], target) - rows[source]
            found[f"cycle_{name}"] = float(np.sqrt(np.mean(np.square(cycle))))
            found[f"discrepancy_{'xy'[target]}"] = _discrepancy(rows[target], translated[source])
            if rows[0].shape[1] == rows[1].shape[1]:
                moved = self._scalers[target].inverse_transform(translated[source])
                moved = (moved - self._kept[source]) / self._scalers[source].scale
                found[f"transport_{name}"] = float(np.mean(np.square(moved)))
        return found

    def _evaluate(self, index: int, function: Any, rows: Array) -> Array:
        """A function of the trained network of a domain, 0 or 1, and rows, in chunks."""
        return evaluate(self._networks[index], function, rows, self._device())

    def _read_scaled(self, X: Any, source: int) -> Array:
        """Validate, transform and scale rows of a domain."""
        return self._scalers[source].transform(read_rows(self, X, source))

    def _in_own_unit(self, rows: Array, source: int) -> Array:
        """Rows of a domain as the user gives them, for scaled rows."""
        transformer = (self.transformer_x_, self.transformer_y_)[source]
        rows = untransformed(transformer, self._scalers[source].inverse_transform(rows))
        dtype = (self._dtype, self._dtype_y)[source]
        if rows.size and abs(rows).max() > np.finfo(dtype).max:
            raise ValueError(f"Translated rows leave the range of {dtype}; fit to float64 rows.")
        return rows.astype(dtype, copy=False)

    def _distortion(self, X: Any, source: int, weight: Any) -> float:
        """Relative distortion of the distances from rows to kept training rows of their domain."""
        rows, kept = read_rows(self, X, source), self._kept
        D, _ = FeatureRows(rows.shape[1]).to_reference(rows, kept[source])
        ours, target = self._scalers[source], self._scalers[1 - source]
        there = [
            target.inverse_transform(self._translate(ours.transform(x), source))
            for x in (rows, kept[source])
        ]
        E = centred_distances(*there) / rms_distance_of_rows(kept[1 - source])
        return weighted_distortion(D, E, weight, X)

    def _auto_updates(self, n_rows: int) -> int:
        return automatic_updates(n_rows, self.batch_size)


def _discrepancy(x: Array, y: Array) -> float:
    """Unbiased squared maximum mean discrepancy of rows; NaN for a single row."""
    if min(len(x), len(y)) < 2:
        return float("nan")
    return float(mmd(torch.as_tensor(x), torch.as_tensor(y)))
