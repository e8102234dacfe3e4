"""OTAutoencoderGAN: a decoder of transported codes, trained further against a critic."""

from __future__ import annotations

from numbers import Integral
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from torch import nn

from skgw.base.generators import CodedGeneratorMixin
from skgw.base.parameters import (
    NON_NEGATIVE,
    POSITIVE_INTEGER,
    one_of,
    param,
    with_parameters,
)
from skgw.base.sklearn_compat import Interval
from skgw.base.trained import (
    TRAINING_PARAMETERS,
    Optimizer,
    TrainedEstimator,
    TrainedState,
    hold_out,
)
from skgw.base.training_run import TrainingRun
from skgw.fields import Shape
from skgw.generative.decoder_training import DecoderObjective, DecoderOptions, FeatureCritic
from skgw.generative.ot_autoencoder import OTAutoencoder
from skgw.nn import IMAGE_NETWORKS, Autoencoder, FittedNetwork, adversary_network
from skgw.nn.adversarial_losses import ADVERSARIAL_LOSSES
from skgw.nn.coded_domain import CodedDomain
from skgw.nn.networks import NETWORKS

Array = NDArray[Any]

LATENT = "transport", "normal"
CODES_PER_ROW, MAX_NEW_CODES = 10, 100_000  # new codes that a fit draws
N_EPOCHS, MIN_UPDATES, MAX_UPDATES = 20, 1000, 20_000  # of max_iter="auto"
ADAM_BETAS = 0.5, 0.9
RIDGE = 1e-9  # added to the covariance of codes of mean variance one


class OTAutoencoderGANState(TrainedState):
    """Fitted attributes for rows of p columns and codes of k columns."""

    start_: OTAutoencoder
    _domain: Annotated[CodedDomain, Shape("p", "k")]


@with_parameters
class OTAutoencoderGAN(CodedGeneratorMixin, TrainedEstimator):
    """Generator of transported codes that starts as the decoder of an autoencoder (AE-OT-GAN).

    An `OTAutoencoder` is fitted. Its decoder is then the generator of a generative adversarial
    network: a critic compares rows with decoded new codes, and the decoder lowers the loss of a
    generator. Each training row has a code, and its decoded code is drawn to the row: in the
    features of the critic, and in the rows. The encoder and the distribution of the codes are kept.

    Parameters
    ----------
    start : OTAutoencoder or None, default=None
        Model that training starts from, with an autoencoder of skgw. It is cloned and fitted. None:
        the defaults.
    latent : {"transport", "normal"}, default="transport"
        Codes of new rows: those of the sampler of `start`, or a normal distribution with the mean
        and the covariance of the codes.
    loss : {"wasserstein", "minimax", "non-saturating", "least-squares"}, default="wasserstein"
        Losses of critic and decoder, as for `WassersteinGAN`.
    adversarial_weight : float, default=1.0
        Weight of the loss of a generator.
    feature_weight : float, default=1.0
        Weight of the mean distance between the features of the critic at rows and at their decoded
        codes.
    reconstruction_weight : float, default=1.0
        Weight of the mean squared distance between rows and their decoded codes, over the root of
        the number of features, in units of the root of the mean variance of a feature.
    gp_weight : float, default=10.0
        Weight of the penalty on slopes of the critic other than 1.
    network : str or callable, default="mlp"
        Architecture of the critic, as for `WassersteinGAN`; "dcgan" has no batch normalisation.
    critic_layer_sizes : tuple of int, default=(256, 128)
        Hidden layers of the critic: widths of "mlp", channels of "conv". Others ignore it.
    n_critic_features : int, default=64
        Number of features of the critic.
    image_shape : (int, int, int) or None, default=None
        Channels, height and width of the images in the rows, for all networks but "mlp".
    n_critic : int, default=2
        Updates of the critic for each update of the decoder.
    n_warmup : int, default=100
        Iterations at the start in which the critic alone is updated.
    max_iter : int or "auto", default="auto"
        Number of iterations. "auto": 20 epochs, at least 1000 and at most 20,000 iterations.
    optimizer : {"adam", "adamw", "rmsprop", "sgd"}, callable or Optimizer, default="adam"
        As for all estimators; "adam" without `betas` has the decay rates (0.5, 0.9).
    {training_parameters}

    Attributes
    ----------
    start_ : OTAutoencoder
        Fitted model that training started from.
    loss_curve_ : list of float
        Divergence between rows and decoded new codes, estimated by the critic on its mini-batches.
    validation_curve_ : list of float
        Maximum mean discrepancy between held-out rows and decoded new codes, every 50 iterations;
        empty without early stopping.
    n_iter_ : int
        Number of iterations.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : array of str
        Names of the columns of `X`, if all names are strings.

    See Also
    --------
    OTAutoencoder : The model without a critic.

    Notes
    -----
    The weights of the terms, and which critic is trained, are choices of this implementation: the
    slides show results only.

    References
    ----------
    :cite:t:`an2020gan`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skgw import OTAutoencoder, OTAutoencoderGAN, WassersteinAutoencoder
    >>> X = load_iris().data
    >>> start = OTAutoencoder(WassersteinAutoencoder(2, max_iter=300))
    >>> model = OTAutoencoderGAN(start, max_iter=20, random_state=0).fit(X)
    >>> model.transform(X).shape, model.sample(5, random_state=0).shape
    ((150, 2), (5, 4))
    """

    documented: ClassVar[dict[str, str]] = {"{training_parameters}": TRAINING_PARAMETERS}
    fitted_state: ClassVar[type] = OTAutoencoderGANState
    shares_training: ClassVar[bool] = False

    start: Any = param(OTAutoencoder, None, default=None, kw_only=False)
    latent: str = param(one_of(*LATENT), default="transport")
    loss: str = param(one_of(*ADVERSARIAL_LOSSES), default="wasserstein")
    adversarial_weight: float = param(NON_NEGATIVE, default=1.0)
    feature_weight: float = param(NON_NEGATIVE, default=1.0)
    reconstruction_weight: float = param(NON_NEGATIVE, default=1.0)
    gp_weight: float = param(NON_NEGATIVE, default=10.0)
    network: Any = param(one_of(*NETWORKS, *IMAGE_NETWORKS), callable, default="mlp")
    critic_layer_sizes: tuple[int, ...] = param("array-like", default=(256, 128))
    n_critic_features: int = param(POSITIVE_INTEGER, default=64)
    image_shape: tuple[int, int, int] | None = param(tuple, list, None, default=None)
    n_critic: int = param(POSITIVE_INTEGER, default=2)
    n_warmup: int = param(Interval(Integral, 0, None, closed="left"), default=100)
    batch_size: int = param(default=100)
    learning_rate_init: float = param(default=5e-4)

    def _encode(self, X: Array) -> Array:
        return self._domain.encode(X, self._device())

    def _decode(self, Z: Array) -> Array:
        return self._domain.decode(Z, self._device())

    def _sample(self, n: int, rng: np.random.RandomState) -> Array:
        return self._decode(self._new_codes(n, rng))

    def _new_codes(self, n: int, rng: np.random.RandomState) -> Array:
        if self.latent == "transport":
            return np.asarray(self.start_.sample_codes(n, random_state=rng))
        atoms, weights = self.start_.transport_.atoms_, self.start_.transport_.weights_
        factor = np.linalg.cholesky(
            np.atleast_2d(np.cov(atoms.T, aweights=weights)) + RIDGE * np.eye(atoms.shape[1])
        )
        codes = weights @ atoms + rng.standard_normal((n, atoms.shape[1])) @ factor.T
        return self.start_._scaler.inverse_transform(codes)

    def _fit(self, X: Array, run: TrainingRun) -> None:
        start = OTAutoencoder(device=self.device) if self.start is None else clone(self.start)
        if start.random_state is None:
            start.set_params(random_state=run.seed)
        self.start_ = start.fit(X)
        domain = getattr(self.start_.autoencoder_, "_domain", None)
        if not isinstance(domain, CodedDomain):
            kind = type(self.start_.autoencoder_).__name__
            raise ValueError(f"start must have an autoencoder of skgw, got a {kind}.")
        n_new = min(CODES_PER_ROW * len(X), MAX_NEW_CODES)
        new_codes = self._new_codes(n_new, np.random.RandomState(run.seed))
        order, held_out = hold_out(
            run.rng.permutation(len(X)), self._held_out_share, min_held_out=2
        )
        autoencoder: Autoencoder = domain.autoencoder.build(run.device)
        objective = DecoderObjective(
            domain.scaler.transform(X),
            domain.encode(X, run.device),
            new_codes,
            autoencoder,
            self._critic(X.shape[1], run.seed),
            self._options(),
            order=order,
            held_out=held_out,
        ).to(run.device)
        run.train(objective, X, self._n_updates(len(X)), run.noise(2), curve="distance")
        network = FittedNetwork.of(autoencoder, domain.autoencoder.spec)
        self._domain = CodedDomain(domain.scaler, network, self._dtype)

    def _critic(self, n_features: int, seed: int) -> FeatureCritic:
        network = "dcgan-no-norm" if self.network == "dcgan" else self.network
        shape = None if self.image_shape is None else tuple(self.image_shape)
        if isinstance(network, nn.Module):
            raise ValueError("network must be a name or a callable that makes new modules.")
        sizes, n = tuple(self.critic_layer_sizes), int(self.n_critic_features)
        features = adversary_network(
            network, n_features, n, hidden_layer_sizes=sizes, image_shape=shape,  # type: ignore[arg-type]
            residual=False, seed=seed,
        )  # fmt: skip
        output = adversary_network(
            "mlp", n, 1, hidden_layer_sizes=(), residual=False, seed=seed + 1
        )
        return FeatureCritic(features, output)

    def _options(self) -> DecoderOptions:
        optimizer, betas = Optimizer.read(self.optimizer).of_phase(ADAM_BETAS)
        return DecoderOptions(
            loss=self.loss,
            gp_weight=self.gp_weight,
            adversarial_weight=self.adversarial_weight,
            feature_weight=self.feature_weight,
            reconstruction_weight=self.reconstruction_weight,
            n_critic=self.n_critic,
            n_warmup=self.n_warmup,
            batch_size=self.batch_size,
            optimizer=optimizer,
            betas=betas,
        )

    def _auto_updates(self, n_rows: int) -> int:
        return int(np.clip(N_EPOCHS * n_rows / self.batch_size, MIN_UPDATES, MAX_UPDATES))

    def _check_state(self) -> None:
        if self._domain.latent_dim != self.start_._n_features_out:
            raise ValueError("the decoder must decode the codes of start_")

    @property
    def _n_features_out(self) -> int:
        return self._domain.latent_dim
