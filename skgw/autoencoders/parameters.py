"""Parts of autoencoders: penalties on the distribution of the codes, and trainable priors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch

from skgw.autoencoders.penalties import (
    Isometry,
    LatentAdversary,
    MeanDiscrepancy,
    Penalty,
    ProcrustesDistance,
)
from skgw.base.parameters import (
    NON_NEGATIVE,
    POSITIVE,
    POSITIVE_INTEGER,
    NamedPart,
    Part,
    one_of,
    param,
    with_parameters,
)
from skgw.base.trained import Optimizer
from skgw.nn.divergences import KERNEL_SCALES, KERNELS
from skgw.nn.networks import check_layer_sizes
from skgw.nn.trainable_priors import PRIORS, PriorSpec
from skgw.storable import storable
from skgw.training.optimizers import OPTIMIZERS

PAPER_UNIT = 0.05  # factor of the sum of squared errors of a row in the code of Tolstikhin et al.


class CodePenalty(NamedPart):
    """Base class of penalties on the difference between the distribution of codes and the prior."""

    @abstractmethod
    def build(self, latent_dim: int, seed: int) -> Penalty:
        """The term of the loss; `seed` is the seed of the weights of an adversary."""

    @classmethod
    def kinds(cls) -> Mapping[str, type[Self]]:
        """Classes of the alternatives by name."""
        return PENALTIES


@storable
@with_parameters
class MMDPenalty(CodePenalty):
    """Maximum mean discrepancy between the codes of a batch and draws of the prior.

    The unbiased estimate of the squared discrepancy; it can be negative.

    Parameters
    ----------
    weight : float, default=1.0
        Weight of the discrepancy, relative to the squared error of a feature in units of the mean
        variance of a feature. `wae_settings` converts the weight of the paper.
    kernel : {"imq", "rbf"}, default="imq"
        Inverse multiquadratics C / (C + d^2), or Gaussians exp(-d^2 / C), at distances d.
    scales : tuple of float, default=(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
        The kernel is the sum over the scales s of kernels with C = 2 s n_components. At s = 1, C is
        the mean squared distance between two draws of the prior.

    Examples
    --------
    >>> from skgw import WassersteinAutoencoder
    >>> from skgw.autoencoders import MMDPenalty
    >>> model = WassersteinAutoencoder(penalty=MMDPenalty(kernel="rbf"))
    >>> model.set_params(penalty__weight=3.0).penalty
    MMDPenalty(kernel='rbf', weight=3.0)
    """

    weight: float = param(NON_NEGATIVE, default=1.0, kw_only=False)
    kernel: str = param(one_of(*KERNELS), default="imq")
    scales: tuple[float, ...] = param("array-like", default=KERNEL_SCALES)

    def build(self, latent_dim: int, seed: int) -> Penalty:
        """The discrepancy.

        Raises
        ------
        ValueError
            If the scales are no positive numbers.
        """
        scales = np.ravel(np.asarray(self.scales, dtype=np.float64))
        if not len(scales) or not (np.isfinite(scales) & (scales > 0)).all():
            raise ValueError(f"scales must be positive numbers, got {self.scales!r}.")
        return MeanDiscrepancy(latent_dim, self.weight, kernel=self.kernel, scales=scales.tolist())


@storable
@with_parameters
class GANPenalty(CodePenalty):
    """A critic of codes, which learns to tell draws of the prior from codes.

    The encoder lowers the mean of -log D(z) at codes z, where D is the probability of the critic
    that z is a draw of the prior.

    Parameters
    ----------
    weight : float, default=0.1
        Weight of a nat of the encoder's loss, relative to the squared error of a feature in units
        of the mean variance of a feature. `wae_settings` converts the weight of the paper.
    hidden_layer_sizes : tuple of int, default=(128, 128)
        Hidden layers of the critic, with ReLU.
    regularizer : {"r1", "spectral"} or None, default="r1"
        "r1": half the mean squared gradient of the critic at draws of the prior is added to its
        loss. "spectral": each weight matrix is divided by its largest singular value.
    prior_trick : bool, default=False
        Add the log density of the prior to the output of the network, which then represents minus
        the log density of the codes.
    learning_rate_factor : float, default=1.0
        Learning rate of the critic over `learning_rate_init`.
    n_steps : int, default=1
        Updates of the critic for each update of the autoencoder, each with its own batch.
    optimizer : {"adam", "adamw", "rmsprop", "sgd"}, callable or None, default=None
        Optimiser of the critic; None: the optimiser of the autoencoder.

    Examples
    --------
    >>> from skgw import WassersteinAutoencoder
    >>> from skgw.autoencoders import GANPenalty
    >>> model = WassersteinAutoencoder(penalty=GANPenalty(regularizer="spectral"))
    >>> model.set_params(penalty__prior_trick=True).penalty
    GANPenalty(prior_trick=True, regularizer='spectral')
    """

    weight: float = param(NON_NEGATIVE, default=0.1, kw_only=False)
    hidden_layer_sizes: tuple[int, ...] = param("array-like", default=(128, 128))
    regularizer: str | None = param(one_of("r1", "spectral"), None, default="r1")
    prior_trick: bool = param("boolean", default=False)
    learning_rate_factor: float = param(POSITIVE, default=1.0)
    n_steps: int = param(POSITIVE_INTEGER, default=1)
    optimizer: str | Callable[..., torch.optim.Optimizer] | None = param(
        one_of(*OPTIMIZERS), callable, None, default=None
    )

    def build(self, latent_dim: int, seed: int) -> Penalty:
        """The critic.

        Raises
        ------
        ValueError
            If a hidden layer has no positive number of units.
        """
        sizes = tuple(self.hidden_layer_sizes)
        check_layer_sizes(sizes)
        return LatentAdversary(
            latent_dim,
            self.weight,
            hidden_layer_sizes=sizes,
            regularizer=self.regularizer,
            prior_trick=self.prior_trick,
            learning_rate_factor=self.learning_rate_factor,
            n_steps=self.n_steps,
            optimizer=self.optimizer,
            seed=seed,
        )


PENALTIES: dict[str, type[CodePenalty]] = {"mmd": MMDPenalty, "gan": GANPenalty}


class CodeGeometry(NamedPart):
    """Base class of penalties on the difference in geometry between codes and rows."""

    @abstractmethod
    def build(self) -> Penalty:
        """The term of the loss."""

    @classmethod
    def kinds(cls) -> Mapping[str, type[Self]]:
        """Classes of the alternatives by name."""
        return GEOMETRIES


@storable
@with_parameters
class IsometryPenalty(CodeGeometry):
    """Relative distortion of the distances between rows of a batch, by the encoder.

    Parameters
    ----------
    weight : float, default=1.0
        Weight of one minus the squared cosine between the matrices of distances, relative to the
        squared error of a feature in units of the mean variance of a feature.
    scale : float or None, default=None
        Distance of codes per distance of scaled rows; None: the best scale for each batch. With a
        scale the distortion is relative to the scaled distances of the rows.

    Examples
    --------
    >>> from skgw import VariationalAutoencoder
    >>> from skgw.autoencoders import IsometryPenalty
    >>> model = VariationalAutoencoder(geometry=IsometryPenalty(0.5))
    >>> model.set_params(geometry__scale=1.0).geometry
    IsometryPenalty(scale=1.0, weight=0.5)
    """

    weight: float = param(NON_NEGATIVE, default=1.0, kw_only=False)
    scale: float | None = param(POSITIVE, None, default=None)

    def build(self) -> Penalty:
        """The distortion."""
        return Isometry(self.weight, self.scale)


@storable
@with_parameters
class ProcrustesPenalty(CodeGeometry):
    """Squared distance of the codes of a batch from the closest projection of the rows.

    The projection is orthogonal, up to a scale. The penalty pulls the encoder towards a linear map,
    like that of principal components; `IsometryPenalty` allows any map.

    Parameters
    ----------
    weight : float, default=1.0
        Weight of the distance over the variance of the codes, relative to the squared error of a
        feature in units of the mean variance of a feature.

    References
    ----------
    :cite:t:`bunne_short`, Equation 5, there of the adversary of a generator.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skgw import VariationalAutoencoder
    >>> from skgw.autoencoders import ProcrustesPenalty
    >>> geometry = ProcrustesPenalty(3.0)
    >>> model = VariationalAutoencoder(geometry=geometry, max_iter=100, random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 2)
    """

    weight: float = param(NON_NEGATIVE, default=1.0, kw_only=False)

    def build(self) -> Penalty:
        """The distance."""
        return ProcrustesDistance(self.weight)


GEOMETRIES: dict[str, type[CodeGeometry]] = {
    "isometry": IsometryPenalty,
    "procrustes": ProcrustesPenalty,
}


def wae_settings(X: Any, penalty: str = "mmd", *, coefficient: float = 10.0) -> dict[str, Any]:
    """Parameters with which `WassersteinAutoencoder` is the published algorithm.

    The critic has four hidden layers of 512 units and neither a gradient penalty nor spectral
    normalisation. Its learning rate is half the rate of the autoencoder, 0.001. The rates are
    constant, gradients are not clipped, and Adam has the decay rates 0.5 and 0.999.

    Parameters
    ----------
    X : array of shape (n_rows, n_features)
        Training rows in the unit of the paper, for which `coefficient` is meant: pixels from 0 to 1
        for MNIST and from -1 to 1 for CelebA.
    penalty : {"mmd", "gan"}, default="mmd"
        Algorithm 2 or Algorithm 1.
    coefficient : float, default=10.0
        The lambda of the paper: 10 for MNIST, 100 for CelebA. The published code weighs it against
        0.05 times the sum of squared errors of a row. The weight of `MMDPenalty` and `GANPenalty`
        is relative to the mean squared error of a feature in units of the mean variance; it is
        lambda over 0.05 times the sum of the variances of all features.

    Returns
    -------
    dict
        Parameters by name.

    Raises
    ------
    ValueError
        For an unknown penalty, or if all rows are equal.

    References
    ----------
    :cite:t:`tolstikhin2018`, Algorithms 1 and 2, and their implementation.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skgw import WassersteinAutoencoder
    >>> from skgw.autoencoders import wae_settings
    >>> X = load_digits().data / 16
    >>> settings = wae_settings(X, "gan", coefficient=1.0)
    >>> model = WassersteinAutoencoder(8, **settings, max_iter=20, random_state=0).fit(X)
    >>> model.penalty.hidden_layer_sizes, model.optimizer.schedule
    ((512, 512, 512, 512), 'constant')
    >>> round(model.penalty.weight, 2)
    4.25
    """
    if penalty not in PENALTIES:
        raise ValueError(f"penalty must be one of {(*PENALTIES,)}, got {penalty!r}.")
    variance = _total_variance(X)
    weight = coefficient / (PAPER_UNIT * variance)
    adversary = GANPenalty(
        weight,
        hidden_layer_sizes=(512, 512, 512, 512),
        regularizer=None,
        learning_rate_factor=0.5,
    )
    return {
        "penalty": MMDPenalty(weight) if penalty == "mmd" else adversary,
        "optimizer": Optimizer("adam", schedule="constant", betas=(0.5, 0.999), clip_norm=None),
        "learning_rate_init": 1e-3,
        "batch_size": 100,
    }


def gwae_settings(X: Any) -> dict[str, Any]:
    """Parameters with which `GWAutoencoder` has the published objective and training.

    The published code weighs its terms against half the sum of squared errors of a row: distances
    of rows in their own unit with 1, a critic with 1, and the sum of the log variances of a code
    with 0.03. The critic has five updates for each update of the autoencoder. RMSprop has a
    constant rate of 0.0001, and batches have 64 rows. Here the critic reads scaled rows.

    Parameters
    ----------
    X : array of shape (n_rows, n_features)
        Training rows in the unit of the paper: pixels from 0 to 1.

    Returns
    -------
    dict
        Parameters by name.

    Raises
    ------
    ValueError
        If all rows are equal.

    References
    ----------
    :cite:t:`nakagawa2023`, and their implementation.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skgw import GWAutoencoder
    >>> from skgw.autoencoders import gwae_settings
    >>> X = load_digits().data / 16
    >>> settings = gwae_settings(X)
    >>> model = GWAutoencoder(8, **settings, max_iter=2, random_state=0).fit(X)
    >>> model.gw_term, round(model.joint_weight, 2), round(model.gw_weight, 2)
    ('generative', 0.43, 1.3)
    """
    variance = _total_variance(X)
    return {
        "gw_term": "generative",
        "gw_weight": 2 * (2 / variance) ** 0.5,  # the distances have a mean square of 2 variance
        "joint": "critic",
        "joint_weight": 2 / variance,
        "n_critic_updates": 5,
        "entropy_weight": 0.06 * np.shape(X)[1] / variance,  # in units of half the squared error
        "optimizer": Optimizer("rmsprop", schedule="constant", clip_norm=None),
        "learning_rate_init": 1e-4,
        "batch_size": 64,
    }


def _total_variance(X: Any) -> float:
    variance = float(np.var(np.asarray(X, dtype=np.float64), axis=0).sum())
    if not variance > 0:
        raise ValueError("All rows are equal: the weight of the penalty has no unit.")
    return variance


@storable
@with_parameters
class CodePrior(Part):
    """Prior of the codes of a `GWAutoencoder`.

    Parameters
    ----------
    family : {"neural", "factorized", "gaussian-mixture", "normal", "uniform"}, default="neural"
        Distribution of the codes; all have mean zero and variance one in each coordinate.
    n_units : int or None, default=None
        Width of the three hidden layers of a neural prior, by default four times the number of
        coordinates, and, for each coordinate, of a factorised prior, by default 8.
    n_components : int, default=10
        Number of components of a mixture.

    Examples
    --------
    >>> from skgw import GWAutoencoder
    >>> from skgw.autoencoders import CodePrior
    >>> model = GWAutoencoder(prior=CodePrior("gaussian-mixture", n_components=3))
    >>> model.set_params(prior__n_components=5).prior
    CodePrior(family='gaussian-mixture', n_components=5)
    """

    short_form: ClassVar[str] = "family"

    family: str = param(one_of(*PRIORS), default="neural", kw_only=False)
    n_units: int | None = param(POSITIVE_INTEGER, None, default=None)
    n_components: int = param(POSITIVE_INTEGER, default=10)

    def spec(self, latent_dim: int) -> PriorSpec:
        """Specification of the prior of codes with `latent_dim` coordinates."""
        width = {"neural": 4 * latent_dim, "factorized": 8}.get(self.family, 1)
        size = width if self.n_units is None else self.n_units
        if self.family == "gaussian-mixture":
            size = self.n_components
        return PriorSpec(self.family, latent_dim, int(size))
