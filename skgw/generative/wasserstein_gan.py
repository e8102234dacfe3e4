"""WassersteinGAN: a generator that is trained against a critic."""

from __future__ import annotations

from numbers import Integral
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import remove_parametrizations

from skgw.base.estimator import seeded, tensor_in_tensor_out
from skgw.base.generators import GeneratorMixin
from skgw.base.parameters import (
    NON_NEGATIVE,
    POSITIVE,
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
from skgw.base.validation import read_codes
from skgw.fields import Shape
from skgw.generative.adversarial import LIPSCHITZ, AdversarialObjective, AdversarialOptions
from skgw.nn import IMAGE_NETWORKS, AdversarySpec, FittedNetwork, Generator, GeneratorSpec
from skgw.nn.adversarial_losses import ADVERSARIAL_LOSSES, slope_penalty
from skgw.nn.coded_domain import Scaler
from skgw.nn.global_generator import lent
from skgw.nn.networks import NETWORKS

Array = NDArray[Any]

NAMES = (*NETWORKS, *IMAGE_NETWORKS)  # of architectures
UPDATES_PER_ROOT_ROW, MIN_UPDATES, MAX_UPDATES = 120, 4000, 40_000  # of max_iter="auto"
ADAM_BETAS = 0.0, 0.99  # no momentum: the critic changes at every update


class WassersteinGANState(TrainedState):
    """Fitted attributes for rows of p columns and noise of k columns."""

    _scaler: Annotated[Scaler, Shape("p")]
    _generator: Annotated[FittedNetwork[Generator], Shape("k", "p")]
    _critic: FittedNetwork[nn.Module]


@with_parameters
class WassersteinGAN(GeneratorMixin, TrainedEstimator):
    """Generative adversarial network with a Wasserstein critic, and with the critics before it.

    A generator network maps standard normal noise to rows. A critic network estimates a divergence
    between the data and the generated rows, and the generator lowers it. For a critic with slopes
    of at most one, the largest difference between its means is the 1-Wasserstein distance.

    Parameters
    ----------
    n_components : int, default=2
        Dimension of the noise.
    loss : {"wasserstein", "minimax", "non-saturating", "least-squares"}, default="wasserstein"
        "wasserstein": the difference of means. "minimax" and "non-saturating": the cross-entropy of
        a classifier, with its negative or with -log D as the loss of the generator.
        "least-squares": squared errors of the labels 0 and 1.
    lipschitz : {"zero-gp", "gp", "clip", "sn", "procrustes"} or None, default="zero-gp"
        Constraint of the critic. "zero-gp": penalty on squared slopes at rows and at generated
        rows. "gp": penalty on slopes other than 1 between rows and generated rows. "clip": weights
        are clipped after each update. "sn": weight matrices are divided by their largest singular
        value. "procrustes": weight matrices are replaced by the closest orthogonal ones after each
        update. None: no constraint.
    gp_weight : float, default=0.1
        Weight of the penalty of "zero-gp" and "gp", for rows of variance 1 in the mean.
    clip : float, default=0.01
        Bound of the weights of "clip".
    pack : int, default=1
        Number of rows that the critic sees together.
    network : str or callable, default="mlp"
        Architecture of generator and critic: "mlp", "conv", "infogan", "dcgan", "dcgan-no-norm"
        (without batch normalisation) or "wae". A callable takes the numbers of inputs and outputs
        and returns a `torch.nn.Module`. The critic of "dcgan" has no batch normalisation, but for
        "clip" and None: constraints of single rows contradict means over rows.
    hidden_layer_sizes : tuple of int, default=(128, 128, 128)
        Hidden layers of the generator: widths of "mlp", channels of "conv". Others ignore it.
    critic_layer_sizes : tuple of int, default=(128, 128, 128)
        The same of the critic.
    image_shape : (int, int, int) or None, default=None
        Channels, height and width of the images in the rows, for all networks but "mlp".
    n_critic : int, default=1
        Updates of the critic for each update of the generator.
    n_warmup : int, default=50
        Iterations at the start in which the critic alone is updated.
    max_iter : int or "auto", default="auto"
        Number of iterations, each of `n_critic` updates of the critic and one of the generator.
        "auto": 120 times the root of the number of rows, at least 4000 and at most 40,000.
    optimizer : {"adam", "adamw", "rmsprop", "sgd"}, callable or Optimizer, default="adam"
        As for all estimators; "adam" without `betas` has the decay rates (0, 0.99).
    {training_parameters}

    Attributes
    ----------
    loss_curve_ : list of float
        Divergence between rows and generated rows, estimated by the critic on its mini-batches, at
        each iteration; for "wasserstein" the difference of its means.
    validation_curve_ : list of float
        Maximum mean discrepancy between held-out rows and samples, every 50 iterations; empty
        without early stopping.
    n_iter_ : int
        Number of iterations.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : array of str
        Names of the columns of `X`, if all names are strings.

    See Also
    --------
    wgan_settings : The algorithm as published, and on the slides.

    Notes
    -----
    Before training, rows are centred and divided by the root of the mean variance of a feature. The
    memory of a fit grows with ``n_samples * n_features``. Generator and critic are stored; the
    constraint of "sn" is folded into the weights.

    References
    ----------
    :cite:t:`arjovsky2017`; :cite:t:`mescheder2018`, "zero-gp"; :cite:t:`gulrajani2017`, "gp";
    :cite:t:`miyato2018`, "sn".

    :cite:t:`goodfellow2014`; :cite:t:`mao2017`, "least-squares"; :cite:t:`lin2018`, packs.

    Examples
    --------
    >>> from skgw import WassersteinGAN
    >>> from skgw.datasets import make_modes
    >>> X, _ = make_modes(500, n_modes=8, random_state=0)
    >>> gan = WassersteinGAN(max_iter=20, random_state=0).fit(X)
    >>> gan.sample(5, random_state=0).shape
    (5, 2)
    """

    documented: ClassVar[dict[str, str]] = {"{training_parameters}": TRAINING_PARAMETERS}
    fitted_state: ClassVar[type] = WassersteinGANState
    chunk_size: ClassVar[int] = 2048  # rows that pass a network at a time outside of training

    n_components: int = param(POSITIVE_INTEGER, default=2, kw_only=False)
    loss: str = param(one_of(*ADVERSARIAL_LOSSES), default="wasserstein")
    lipschitz: str | None = param(one_of(*LIPSCHITZ), None, default="zero-gp")
    gp_weight: float = param(NON_NEGATIVE, default=0.1)
    clip: float = param(POSITIVE, default=0.01)
    pack: int = param(POSITIVE_INTEGER, default=1)
    network: Any = param(one_of(*NAMES), callable, default="mlp")
    hidden_layer_sizes: tuple[int, ...] = param("array-like", default=(128, 128, 128))
    critic_layer_sizes: tuple[int, ...] = param("array-like", default=(128, 128, 128))
    image_shape: tuple[int, int, int] | None = param(tuple, list, None, default=None)
    n_critic: int = param(POSITIVE_INTEGER, default=1)
    n_warmup: int = param(Interval(Integral, 0, None, closed="left"), default=50)
    learning_rate_init: float = param(default=3e-3)

    @tensor_in_tensor_out
    def inverse_transform(self, Z: Any) -> Any:
        """Map noise to rows.

        Parameters
        ----------
        Z : array of shape (n, n_components)
            Numpy or torch.

        Returns
        -------
        array of shape (n, n_features)
            An array or a tensor like `Z`.
        """
        check_is_fitted(self)
        return self._rows(read_codes(Z, self._generator.shape[0], "noise"))

    @tensor_in_tensor_out
    def score(self, X: Any, y: Any = None) -> float:
        """Minus the divergence between rows and new samples that the fitted critic estimates.

        For "wasserstein" it is a difference of means in the unit of the rows, divided by the root
        mean square of the slopes of the critic at rows and samples for "zero-gp", whose slopes have
        no fixed size. It is at most the 1-Wasserstein distance if no slope is above one, or above
        that root. "clip" does not ensure it, and "gp" allows slopes of about
        ``1 + W / (2 gp_weight)`` at the distance W, in units of the scaled rows. For "minimax" and
        "non-saturating" it is twice the Jensen-Shannon divergence in nats, or less. Scores of fits
        with different critics are not comparable.

        Parameters
        ----------
        X : array of shape (n_rows, n_features)
            At least `pack` rows, for instance held out.
        y : None
            Ignored.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        rows = self._scaler.transform(self._read(X, reset=False))
        rows = rows[: len(rows) - len(rows) % self.pack]
        if not len(rows):
            raise ValueError(f"The critic sees packs of {self.pack} rows, got fewer.")
        order = np.random.RandomState(0).permutation(len(rows))
        noise = seeded(0)
        k = self._generator.shape[0]
        Z = torch.randn(len(rows), k, generator=noise, dtype=torch.float32).numpy()
        samples = self._scaler.transform(self._rows(Z).astype(np.float64))
        real, fake = (self._outputs(x) for x in (rows[order], samples))
        loss = ADVERSARIAL_LOSSES[self.loss]
        estimate = loss.chance - float(loss.critic(real, fake))
        if self.loss != "wasserstein":
            return -estimate
        slope = 1.0
        if self.lipschitz == "zero-gp":
            slope = self._slope(np.concatenate([rows, samples])) or 1.0
        return -estimate / slope * self._scaler.scale

    def _sample(self, n: int, rng: np.random.RandomState) -> Array:
        return self._rows(rng.standard_normal((n, self._generator.shape[0])))

    def _fit(self, X: Array, run: TrainingRun) -> None:
        if self.batch_size < self.pack:
            raise ValueError(f"batch_size={self.batch_size} is less than pack={self.pack}.")
        scaler, p = Scaler.of(X), X.shape[1]
        generator_spec, critic_spec = self._specs(p)
        generator, critic = generator_spec.build(run.seed), critic_spec.build(run.seed + 1)
        if self.lipschitz == "sn":
            _normalize(critic, seeded(run.seed + 2))
        order, held_out = hold_out(
            run.rng.permutation(len(X)), self._held_out_share, min_held_out=2
        )
        objective = AdversarialObjective(
            scaler.transform(X), generator, critic, self._options(), order=order, held_out=held_out
        ).to(run.device)
        run.train(objective, X, self._n_updates(len(X)), run.noise(3), curve="distance")
        if self.lipschitz == "sn":
            _fold(critic)
        self._scaler = scaler
        self._generator = FittedNetwork.of(generator, generator_spec)
        self._critic = FittedNetwork.of(critic, critic_spec)

    def _options(self) -> AdversarialOptions:
        optimizer, betas = Optimizer.read(self.optimizer).of_phase(ADAM_BETAS)
        return AdversarialOptions(
            loss=self.loss,
            lipschitz=self.lipschitz,
            gp_weight=self.gp_weight,
            clip=self.clip,
            pack=self.pack,
            n_critic=self.n_critic,
            n_warmup=self.n_warmup,
            batch_size=self.batch_size - self.batch_size % self.pack,
            optimizer=optimizer,
            betas=betas,
        )

    def _specs(self, n_features: int) -> tuple[GeneratorSpec, AdversarySpec]:
        if isinstance(self.network, nn.Module):
            raise ValueError("network must be a name or a callable that makes new modules.")
        shape = None if self.image_shape is None else tuple(self.image_shape)
        generator = GeneratorSpec(
            n_outputs=n_features,
            latent_dim=int(self.n_components),
            network=self.network,
            hidden_layer_sizes=tuple(self.hidden_layer_sizes),
            n_prior_components=1,
            output_shape=shape,  # type: ignore[arg-type]
        )
        of_single_rows = self.lipschitz not in ("clip", None)
        network = self.network
        if network == "dcgan" and of_single_rows:
            network = "dcgan-no-norm"
        if shape is not None:
            shape = (int(self.pack) * shape[0], *shape[1:])  # a pack of images has all channels
        critic = AdversarySpec(
            n_inputs=int(self.pack) * n_features,
            n_features=1,
            network=network,
            hidden_layer_sizes=tuple(self.critic_layer_sizes),
            image_shape=shape,  # type: ignore[arg-type]
            residual=False,
        )
        return generator, critic

    @torch.no_grad()
    def _rows(self, Z: Array) -> Array:
        """Rows (n, p) of noise (n, k)."""
        generator = self._generator.build(self._device())
        chunks = torch.as_tensor(Z, dtype=torch.float32).split(self.chunk_size)
        points = [generator.points(z.to(generator.scale)).cpu().numpy() for z in chunks]
        rows = self._scaler.inverse_transform(np.concatenate(points))
        if rows.size and abs(rows).max() > np.finfo(self._dtype).max:
            raise ValueError(f"Generated rows leave the range of {self._dtype}; fit to float64.")
        return rows.astype(self._dtype, copy=False)

    @torch.no_grad()
    def _outputs(self, rows: Array) -> torch.Tensor:
        """Outputs (n / pack,) of the critic at scaled rows (n, p), in float64."""
        critic = self._critic.build(self._device())
        packs = torch.as_tensor(rows, dtype=torch.float32).reshape(len(rows) // self.pack, -1)
        found = [critic(x.to(self._device())) for x in packs.split(self.chunk_size)]
        return torch.cat(found)[:, 0].cpu().double()

    def _slope(self, rows: Array) -> float:
        """Root mean square slope of the critic at packs of scaled rows (n, p)."""
        critic, squares = self._critic.build(self._device()), 0.0
        packs = torch.as_tensor(rows, dtype=torch.float32).reshape(len(rows) // self.pack, -1)
        with torch.inference_mode(False), torch.enable_grad():
            for chunk in packs.split(self.chunk_size):
                points = chunk.to(self._device(), copy=True).requires_grad_()
                penalty = slope_penalty(critic(points)[:, 0], points)
                squares += float(penalty.detach()) * len(chunk)
        return float(np.sqrt(squares / len(packs)))

    def _check_state(self) -> None:
        specs = self._generator.spec, self._critic.spec
        if not isinstance(specs[0], GeneratorSpec) or not isinstance(specs[1], AdversarySpec):
            raise ValueError("a WassersteinGAN holds a generator and a critic")
        if self._critic.shape != (self.pack * self.n_features_in_, 1):
            raise ValueError("the critic must take packs of rows and return one number")

    def _auto_updates(self, n_rows: int) -> int:
        return int(np.clip(UPDATES_PER_ROOT_ROW * n_rows**0.5, MIN_UPDATES, MAX_UPDATES))


def _normalize(critic: nn.Module, generator: torch.Generator) -> None:
    """Divide the weight matrices of a critic by their largest singular values."""
    with lent(generator):  # the vectors of the power iterations
        for layer in list(critic.modules()):
            if isinstance(layer, nn.Linear | nn.Conv2d):
                spectral_norm(layer)


def _fold(critic: nn.Module) -> None:
    """Make normalised weight matrices plain weights again."""
    for layer in list(critic.modules()):
        if isinstance(layer, nn.Linear | nn.Conv2d):
            remove_parametrizations(layer, "weight", leave_parametrized=True)


def wgan_settings() -> dict[str, Any]:
    """Parameters with which `WassersteinGAN` is Algorithm 1 of Arjovsky et al. (2017).

    RMSprop at the constant rate 5e-5 for both networks, five updates of the critic for one of the
    generator, whose weights are clipped to 0.01 after each, batches of 64 rows, gradients as they
    are, and no warm-up of the critic.

    Returns
    -------
    dict
        Parameters by name.

    Notes
    -----
    Line 2 of the algorithm, as printed, makes six updates of the critic; five are meant. The
    published program clips before each update, and makes 100 updates of the critic in each of the
    first 25 iterations and in every 500th.

    References
    ----------
    :cite:t:`arjovsky2017`, Algorithm 1; :cite:t:`zhang2021`.

    Examples
    --------
    >>> from skgw import WassersteinGAN
    >>> from skgw.generative import wgan_settings
    >>> gan = WassersteinGAN(**wgan_settings(), max_iter=50_000)
    >>> gan.lipschitz, gan.optimizer.schedule
    ('clip', 'constant')
    """
    return {
        "loss": "wasserstein",
        "lipschitz": "clip",
        "clip": 0.01,
        "pack": 1,
        "n_critic": 5,
        "n_warmup": 0,
        "batch_size": 64,
        "learning_rate_init": 5e-5,
        "optimizer": Optimizer("rmsprop", schedule="constant", clip_norm=None),
    }
