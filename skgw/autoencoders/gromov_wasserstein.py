"""GWAutoencoder: an autoencoder with a trainable prior, whose distances are those of the data."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from scipy.special import softmax
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skgw.autoencoders.base import Array, AutoencoderState
from skgw.autoencoders.geodesic_coordinates import GeodesicCoordinates
from skgw.autoencoders.gromov_penalties import (
    CodeEntropy,
    GenerativeDiscrepancy,
    GenerativeProcess,
    JointCritic,
    JointDiscrepancy,
    MongeGap,
    SolvedDiscrepancy,
)
from skgw.autoencoders.matched_prior import MatchedPriorAutoencoder
from skgw.autoencoders.mixture_start import place_components
from skgw.autoencoders.objective import RegularizedAutoencoder
from skgw.autoencoders.parameters import CodePrior
from skgw.autoencoders.penalties import Penalty
from skgw.base.estimator import seeded, tensor_in_tensor_out
from skgw.base.parameters import (
    NON_NEGATIVE,
    POSITIVE,
    POSITIVE_INTEGER,
    one_of,
    param,
    part,
    with_parameters,
)
from skgw.base.training_run import TrainingRun
from skgw.fields import Positive, Shape
from skgw.nn import Autoencoder, FittedNetwork, decode, draw, mmd
from skgw.nn.coded_domain import NormalMixture, Scaler
from skgw.nn.trainable_priors import PRIORS, GaussianMixturePrior, TrainablePrior
from skgw.registration.normal_mixture import (
    fit_normal_mixture,
    log_density,
    log_joint_density,
)
from skgw.solvers import cpu_by_default

N_DENSITY_DRAWS = 10_000  # draws of the prior that its density is fitted to
MAX_DENSITY = 20  # components of this density, at most
CHUNK_SIZE = 2048  # rows that are encoded at a time
MAX_COMPARED = 2000  # codes and draws of the prior in `score`


class GromovWassersteinState(AutoencoderState):
    """Fitted attributes of `GWAutoencoder`."""

    prior_: Annotated[FittedNetwork[TrainablePrior], Shape("k", "k")]
    decoder_variance_: Positive
    _density: Annotated[NormalMixture, Shape(None, "k")]


def has_mixture(model: GWAutoencoder) -> bool:
    """Whether the prior has components; an AttributeError says so otherwise."""
    if CodePrior.read(model.prior).family != "gaussian-mixture":
        raise AttributeError('Only the prior "gaussian-mixture" has components to predict.')
    return True


@with_parameters
class GWAutoencoder(MatchedPriorAutoencoder):
    """Gromov-Wasserstein autoencoder.

    The prior of the codes is trained: its distances are to be those of the data (Nakagawa et al.
    2023). Training lowers the reconstruction error, the entropic Gromov-Wasserstein discrepancy
    between draws of the prior and rows, and the difference between two joint distributions: rows
    and their codes, decoded draws and the draws. What codes should be like is stated by the family
    of the prior alone: independent coordinates for disentangled codes, a mixture for clusters.

    Parameters
    ----------
    {autoencoder_parameters}
    prior : {"neural", "factorized", "gaussian-mixture", "normal", "uniform"} or CodePrior, \
default="neural"
        Family of the prior. "neural": normal noise through a network. "factorized": a network for
        each coordinate. "gaussian-mixture": ten normal distributions with trained shares, means and
        covariances, which start from the codes of a variational autoencoder: `max_iter` updates of
        the encoder and the decoder come first. "normal" and "uniform" are not trained. All have
        mean zero and variance one.
    gw_term : {"solved", "generative"}, default="solved"
        "solved": the discrepancy between prior and rows, by the best coupling of each mini-batch;
        its gradient trains the prior. "generative": the published upper bound, the mean absolute
        distortion of distances by the decoder, with a trained factor.
    gw_weight : float, default=1.0
        Weight of the discrepancy of relative distances, relative to the squared error of a feature.
    epsilon : float, default=0.005
        Entropic regularisation of the discrepancy, relative to the mean squared distance.
    joint : {"mmd", "critic"}, default="mmd"
        Difference between the joint distributions: the maximum mean discrepancy, or, as published,
        a critic with spectral normalisation and a penalty on its gradient.
    joint_weight : float, default=1.0
        Weight of the difference between the joint distributions.
    n_critic_updates : int, default=1
        Updates of the critic for each update of the autoencoder. Published: 5.
    entropy_weight : "calibrated" or float, default="calibrated"
        Weight of the entropy of the codes of a row. "calibrated": the weight in the evidence
        lower bound at the present reconstruction error. A number is in units of half the squared
        error of a scaled row; `gwae_settings` converts the weight of the paper. 0: a deterministic
        encoder.
    gap_weight : float, default=0.0
        Weight of the Gromov-Monge gap of the decoder: its distortion minus the least one between
        the same distributions.
    features : "geodesic", callable or None, default=None
        What distances of the data are compared. None: Euclidean distances of the rows. "geodesic":
        lengths of paths between 15 nearest neighbours, as Euclidean distances of coordinates. A
        callable maps rows (n, n_features), a tensor of scaled rows, to features with Euclidean
        distances.
    max_iter : int or "auto", default="auto"
        Number of updates. "auto": 15 epochs, at least 1500 and at most 20,000 updates.
    {training_parameters}

    Attributes
    ----------
    prior_ : FittedNetwork
        The fitted prior: ``prior_.build()`` returns a module, and ``module(n, generator)`` draws n
        codes.
    decoder_variance_ : float
        Mean squared error of a feature of the training rows, in squared units of the features.
    diagnostics_ : dict
        Distance between the codes of the training rows and a standard normal distribution, as for
        `WassersteinAutoencoder`, and "prior_mmd", the unbiased squared maximum mean discrepancy
        between the codes and the fitted prior, which is 0 where both agree.
    loss_curve_ : list of float
        Loss of the mini-batch of each update: reconstruction error plus the weighted terms.
    validation_curve_ : list of float
        Minus the score of the held-out rows, every 50 updates; empty without early stopping.
    n_iter_ : int
        Number of updates.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : array of str
        Names of the columns of `X`, if all names are strings.

    See Also
    --------
    WassersteinAutoencoder : The prior is a fixed normal distribution.
    skgw.autoencoders.gwae_settings : The published algorithm.
    GWGenerativeEmbedding : An embedding of distances without an autoencoder.

    Notes
    -----
    Before training, rows are centred and divided by the root of the mean variance of a feature.

    `skgw.autoencoders.gwae_settings` returns the published objective and training. A critic needs
    a smaller `joint_weight` than the discrepancy: with 1 it outweighs the reconstruction error of
    images, which is that of a feature. The published mixture has diagonal covariances, and shares
    without gradient; here both are trained.

    References
    ----------
    :cite:t:`nakagawa2023`.

    :cite:t:`uscidda2025`, the Gromov-Monge gap.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skgw import GWAutoencoder
    >>> X = load_iris().data
    >>> model = GWAutoencoder(2, max_iter=100, random_state=0).fit(X)
    >>> model.transform(X).shape, model.sample(5, random_state=0).shape
    ((150, 2), (5, 4))
    """

    fitted_state: ClassVar[type] = GromovWassersteinState

    prior: Any = part(CodePrior, one_of(*PRIORS), default="neural")
    gw_term: str = param(one_of("solved", "generative"), default="solved")
    gw_weight: float = param(NON_NEGATIVE, default=1.0)
    epsilon: float = param(POSITIVE, default=0.005)
    joint: str = param(one_of("mmd", "critic"), default="mmd")
    joint_weight: float = param(NON_NEGATIVE, default=1.0)
    n_critic_updates: int = param(POSITIVE_INTEGER, default=1)
    entropy_weight: float | str = param(NON_NEGATIVE, one_of("calibrated"), default="calibrated")
    gap_weight: float = param(NON_NEGATIVE, default=0.0)
    features: str | Callable[[Tensor], Tensor] | None = param(
        one_of("geodesic"), callable, None, default=None
    )

    @cpu_by_default()
    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> Array:
        """Draw new rows: decoded draws of the fitted prior, or of the distribution of the codes.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState or None, default=None
            Seed of the draws.

        Returns
        -------
        array of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        if self.sampler != "prior":
            return super().sample(n_samples, random_state=random_state)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        seed = int(check_random_state(random_state).randint(2**31 - 1))
        return self._domain.decode(self._draw_prior(n_samples, seeded(seed)), self._device())

    @tensor_in_tensor_out
    def score_samples(self, X: Any) -> Array:
        """Log density of each row at its code: low for outliers.

        The log density of the row given its mean code, normal with variance `decoder_variance_`,
        plus the log density of the code under the prior. The density of a neural prior is that of a
        normal mixture which is fitted to its draws.

        Parameters
        ----------
        X : array of shape (n_rows, n_features)

        Returns
        -------
        array of shape (n_rows,)
            In nats, up to a constant of the dimensions.
        """
        codes, errors = self._codes_and_errors(X)
        p, variance = self.n_features_in_, self.decoder_variance_
        likelihood = -0.5 * (errors / variance + p * np.log(2 * np.pi * variance))
        return np.asarray(likelihood + log_density(codes, self._density))

    @available_if(has_mixture)
    @tensor_in_tensor_out
    def predict_proba(self, X: Any) -> Array:
        """Probabilities of the components of a mixture prior, given the mean code of each row.

        Parameters
        ----------
        X : array of shape (n_rows, n_features)

        Returns
        -------
        array of shape (n_rows, n_prior_components)
        """
        codes, _ = self._codes_and_errors(X)
        return np.asarray(softmax(log_joint_density(codes, self._density), axis=1))

    @available_if(has_mixture)
    @tensor_in_tensor_out
    def predict(self, X: Any) -> Array:
        """The most probable component of a mixture prior for each row.

        Parameters
        ----------
        X : array of shape (n_rows, n_features)

        Returns
        -------
        array of int of shape (n_rows,)
        """
        codes, _ = self._codes_and_errors(X)
        return np.asarray(log_joint_density(codes, self._density).argmax(1))

    @torch.no_grad()
    def _codes_and_errors(self, X: Any) -> tuple[Array, Array]:
        """Mean codes (n, k), and squared reconstruction errors (n,), in float64."""
        check_is_fitted(self)
        device, scaler = self._device(), self._domain.scaler
        rows = scaler.transform(self._read(X, reset=False).astype(np.float64))
        autoencoder = self._domain.autoencoder.build(device).double()
        codes, errors = [], []
        for chunk in torch.as_tensor(rows).split(CHUNK_SIZE):
            x = chunk.to(device)
            z = autoencoder.encode(x)
            codes.append(z.cpu())
            errors.append((autoencoder.decode(z) - x).square().sum(1).cpu())
        return torch.cat(codes).numpy(), torch.cat(errors).numpy() * scaler.scale**2

    def _check_state(self) -> None:
        if self._domain.autoencoder.spec.stochastic != self._stochastic:  # type: ignore[attr-defined]
            raise ValueError("the encoder does not fit entropy_weight")
        if self.prior_.spec != CodePrior.read(self.prior).spec(self._domain.latent_dim):
            raise ValueError("the fitted prior does not fit the parameter prior")

    @property
    def _stochastic(self) -> bool:
        return self.entropy_weight != 0

    def _regularized(
        self, autoencoder: Autoencoder, scaler: Scaler, *, n_updates: int, seed: int
    ) -> RegularizedAutoencoder:
        spec = CodePrior.read(self.prior).spec(autoencoder.latent_dim)
        process = GenerativeProcess(spec.build(seed))
        features = _features(self.features)
        penalties: list[Penalty] = [
            SolvedDiscrepancy(process, self.gw_weight, epsilon=self.epsilon, features=features)
            if self.gw_term == "solved"
            else GenerativeDiscrepancy(process, self.gw_weight, features=features),
            JointDiscrepancy(process, self.joint_weight)
            if self.joint == "mmd"
            else JointCritic(
                process, self.joint_weight, n_features=autoencoder.n_features,
                n_steps=self.n_critic_updates, seed=seed,
            ),
        ]  # fmt: skip
        if self._stochastic:
            weight = None if isinstance(self.entropy_weight, str) else self.entropy_weight
            penalties.append(CodeEntropy(autoencoder.n_features, weight))
        if self.gap_weight:
            gap = MongeGap(process, self.gap_weight, epsilon=self.epsilon, features=features)
            penalties.append(gap)
        return RegularizedAutoencoder(autoencoder, penalties)

    def _initialize(self, model: RegularizedAutoencoder, rows: Array, run: TrainingRun) -> None:
        features = model.terms[0].features
        if isinstance(features, GeodesicCoordinates):
            features.fit(rows, run.seed)
        prior = _process(model).prior
        if isinstance(prior, GaussianMixturePrior):
            place_components(
                prior, model, rows, self._n_updates(len(rows)), run.noise(2), run.rng,
                batch_size=self.batch_size, learning_rate=self.learning_rate_init,
            )  # fmt: skip

    def _distance_to_prior(self, codes: Array, model: RegularizedAutoencoder | None) -> float:
        return _discrepancy(codes, self.prior_.build() if model is None else _process(model).prior)

    def _describe(self, model: RegularizedAutoencoder, rows: Array) -> None:
        process = _process(model)
        process.forget()
        prior = process.prior.eval()
        spec = CodePrior.read(self.prior).spec(self._domain.latent_dim)
        self.prior_ = FittedNetwork.of(prior, spec)
        codes = draw(model.autoencoder, rows, seeded(0))
        self.diagnostics_["prior_mmd"] = _discrepancy(codes, prior)
        error = np.square(decode(model.autoencoder, codes) - rows, dtype=np.float64).mean()
        smallest = float(np.finfo(np.float32).tiny)
        self.decoder_variance_ = max(float(error), smallest) * self._domain.scaler.scale**2
        self._density = density_of(prior)

    def _draw_prior(self, n: int, generator: torch.Generator) -> Array:
        with torch.no_grad():
            codes = self.prior_.build()(n, generator)
        return codes.numpy().astype(self._dtype)


def _features(features: str | Callable[[Tensor], Tensor] | None) -> Callable[[Tensor], Tensor]:
    """The map from scaled rows to features with Euclidean distances."""
    if features is None:
        return torch.nn.Identity()
    return GeodesicCoordinates() if isinstance(features, str) else features


def density_of(prior: TrainablePrior) -> NormalMixture:
    """A prior as a normal mixture: exact for a mixture, and otherwise fitted to draws."""
    if isinstance(prior, GaussianMixturePrior):
        with torch.no_grad():
            shares, means, factors = prior.parameters_of_codes()
            covariances = factors @ factors.mT
            lower = torch.linalg.cholesky(covariances.double())
        weights = shares.double().numpy()
        return NormalMixture(weights / weights.sum(), means.double().numpy(), lower.numpy())
    with torch.no_grad():
        codes = prior(N_DENSITY_DRAWS, seeded(0)).double().cpu().numpy()
    return fit_normal_mixture(codes, MAX_DENSITY, np.random.RandomState(0))


@torch.no_grad()
def _discrepancy(codes: Array, prior: TrainablePrior) -> float:
    """Unbiased squared MMD between codes (n, k) and draws of the prior, the same in every call."""
    if len(codes) > MAX_COMPARED:
        codes = codes[np.linspace(0, len(codes) - 1, MAX_COMPARED).astype(int)]
    training = prior.training
    drawn = prior.eval()(MAX_COMPARED, seeded(0)).cpu()
    prior.train(training)
    return float(mmd(torch.as_tensor(codes, dtype=torch.float32), drawn))


def _process(model: RegularizedAutoencoder) -> GenerativeProcess:
    """The generative process, which all penalties share."""
    process = model.terms[0].process
    assert isinstance(process, GenerativeProcess)
    return process
