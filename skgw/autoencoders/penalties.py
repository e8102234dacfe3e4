"""Terms of the loss of an autoencoder beside the reconstruction error.

A `Penalty` is a module with the name of its loss and a weight. It sees a batch of rows, their codes
and the autoencoder. A penalty that has an adversary, a network that raises what the autoencoder
lowers, is an `AdversarialPenalty` and trains the adversary in a phase of its own. Other weights of
a penalty, such as those of a trainable prior, are trained together with the autoencoder.

The unit of all losses is the squared error of a feature of rows whose mean variance is one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from skgw.nn import (
    Autoencoder,
    GaussianPrior,
    critic_loss,
    gaussian_kl,
    gradient_penalty,
    isometry_penalty,
    mlp,
    mmd,
    non_saturating_loss,
    pairwise_distances,
    procrustes_penalty,
)
from skgw.nn.divergences import KERNEL_SCALES
from skgw.nn.global_generator import lent
from skgw.nn.networks import weight_source
from skgw.training.objective import Phase

CRITIC_WIDTHS = (128, 128)  # hidden layers of the critic of codes
R1_WEIGHT = 0.5  # of the R1 gradient penalty: gamma / 2 with gamma = 1


@dataclass(frozen=True)
class CodedBatch:
    """A batch of rows and their codes.

    Attributes
    ----------
    autoencoder : Autoencoder
        The networks, for instance to decode draws of a prior.
    rows : Tensor of shape (n, p)
    means : Tensor of shape (n, k)
        Codes of a deterministic encoder, or means of the codes.
    log_variances : Tensor of shape (n, k) or None
        Logarithms of the variances of the codes; None for a deterministic encoder.
    codes : Tensor of shape (n, k)
        A draw of the code of each row; `means` for a deterministic encoder.
    error : Tensor of shape () or None
        Reconstruction error; None if the batch was not decoded.
    """

    autoencoder: Autoencoder
    rows: Tensor
    means: Tensor
    log_variances: Tensor | None
    codes: Tensor
    error: Tensor | None = None


class Penalty(nn.Module, ABC):
    """A weighted term of the loss of an autoencoder.

    Parameters
    ----------
    name : str
        Name of the loss that training reports.
    weight : float
        Factor of the penalty in the loss.
    """

    def __init__(self, name: str, weight: float) -> None:
        super().__init__()
        self.name, self.weight = name, weight

    @abstractmethod
    def forward(self, batch: CodedBatch, generator: torch.Generator) -> Tensor:
        """Evaluate the penalty, 0-d and without its weight; noise is drawn from `generator`."""

    def factor(self, batch: CodedBatch) -> Tensor | float:
        """Factor of the penalty of a batch in the loss: the weight."""
        del batch
        return self.weight


class AdversarialPenalty(Penalty):
    """A penalty with an adversary: the submodule `adversary`, which `adversary_loss` trains.

    Penalties of one autoencoder have different `phase_name`.
    """

    adversary: nn.Module
    phase_name: ClassVar[str] = "critic"

    @abstractmethod
    def adversary_loss(self, batch: CodedBatch, generator: torch.Generator) -> Tensor:
        """Loss of the adversary on a batch that was encoded without gradients and not decoded."""

    def phase(self) -> Phase:
        """The phase that trains the adversary."""
        return Phase(self.phase_name, list(self.adversary.parameters()))


class NormalDivergence(Penalty):
    """Kullback-Leibler divergence of the codes of each row from the standard normal distribution.

    With the factor 2 s^2 / p, for p features and the variance s^2 of a feature given the code, mean
    squared error plus divergence is minus the evidence lower bound times 2 s^2 / p, up to a
    constant. Its gradient is proportional to the gradient of the bound, and reconstruction has the
    same unit as in all autoencoders.

    Parameters
    ----------
    n_features : int
        Number of features p.
    beta : float, default=1.0
        Weight of the divergence. 1 gives the evidence lower bound, another number the objective of
        a beta-VAE.
    variance : float or None, default=None
        Variance s^2. None: calibrated, the mean squared error of the batch, which maximises the
        bound of the batch.
    n_annealed : int, default=0
        Number of updates in which the weight rises linearly from 0 to `beta`.

    References
    ----------
    :cite:t:`kingma2014`, :cite:t:`higgins2017`.

    :cite:t:`rybkin2021`, calibrated variance.

    :cite:t:`bowman2016`, section 3.1, annealing.
    """

    n_updates: Tensor  # ()

    def __init__(
        self,
        n_features: int,
        beta: float = 1.0,
        *,
        variance: float | None = None,
        n_annealed: int = 0,
    ) -> None:
        super().__init__("prior", beta)
        self.n_features, self.variance, self.n_annealed = n_features, variance, n_annealed
        if n_annealed:
            self.register_buffer("n_updates", torch.tensor(0))

    def forward(self, batch: CodedBatch, generator: torch.Generator) -> Tensor:
        """Mean divergence of the rows, in nats."""
        del generator
        if batch.log_variances is None:
            raise ValueError("A divergence of each code needs a stochastic encoder.")
        return gaussian_kl(batch.means, batch.log_variances)

    def factor(self, batch: CodedBatch) -> Tensor | float:
        """Weight of the divergence relative to the mean squared error; counts the updates."""
        assert batch.error is not None
        s2 = batch.error.detach() if self.variance is None else self.variance
        return self._beta() * 2 * s2 / self.n_features

    def _beta(self) -> float:
        if not self.n_annealed:
            return self.weight
        share = min(1.0, int(self.n_updates) / self.n_annealed)
        self.n_updates += 1
        return self.weight * share


class MeanDiscrepancy(Penalty):
    """Maximum mean discrepancy between the codes of a batch and draws of the prior.

    Parameters
    ----------
    latent_dim : int
        Dimension of the codes.
    weight : float, default=1.0
    kernel, scales
        As for `skgw.nn.mmd`.

    References
    ----------
    :cite:t:`tolstikhin2018`, Algorithm 2.
    """

    def __init__(
        self,
        latent_dim: int,
        weight: float = 1.0,
        *,
        kernel: str = "imq",
        scales: Sequence[float] = KERNEL_SCALES,
    ) -> None:
        super().__init__("prior", weight)
        self.kernel, self.scales = kernel, tuple(scales)
        self.prior = GaussianPrior(latent_dim).float()

    def forward(self, batch: CodedBatch, generator: torch.Generator) -> Tensor:
        """Unbiased estimate, which can be negative."""
        drawn = self.prior(len(batch.codes), generator)
        return mmd(batch.codes, drawn, kernel=self.kernel, scales=self.scales)


class LatentAdversary(AdversarialPenalty):
    """Non-saturating loss of a critic that separates draws of the prior from codes.

    Parameters
    ----------
    latent_dim : int
        Dimension of the codes.
    weight : float, default=0.1
        Squared error of a feature that weighs as much as a nat of the loss.
    hidden_layer_sizes : tuple of int, default=(128, 128)
        Hidden layers of the critic, with ReLU.
    regularizer : {"r1", "spectral"} or None, default="r1"
        "r1": half the mean squared gradient of the critic at draws of the prior is added to its
        loss. "spectral": each weight matrix is divided by its largest singular value.
    prior_trick : bool, default=False
        Add the log density of the prior to the output of the network, so that the network
        represents minus the log density of the codes.
    learning_rate_factor : float, default=1.0
        Learning rate of the critic over the rate of the autoencoder.
    n_steps : int, default=1
        Updates of the critic for each update of the autoencoder.
    optimizer : str, callable or None, default=None
        Optimiser of the critic; None: the optimiser of the autoencoder.
    seed : int, default=0
        Seed of the weights of the critic.

    References
    ----------
    :cite:t:`tolstikhin2018`, Algorithm 1.

    :cite:t:`mescheder2018`, R1; :cite:t:`miyato2018`, spectral normalisation.

    :cite:t:`mescheder2017`, section 3.2, the prior trick.
    """

    def __init__(
        self,
        latent_dim: int,
        weight: float = 0.1,
        *,
        hidden_layer_sizes: Sequence[int] = CRITIC_WIDTHS,
        regularizer: str | None = "r1",
        prior_trick: bool = False,
        learning_rate_factor: float = 1.0,
        n_steps: int = 1,
        optimizer: str | Callable[..., torch.optim.Optimizer] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__("prior", weight)
        self.regularizer, self.prior_trick = regularizer, prior_trick
        self.learning_rate_factor, self.n_steps = learning_rate_factor, n_steps
        self.optimizer = optimizer
        self.prior = GaussianPrior(latent_dim).float()
        source = weight_source(seed)
        self.adversary = mlp((latent_dim, *hidden_layer_sizes, 1), source)
        if regularizer == "spectral":
            with lent(source):  # the vectors of the power iterations
                for layer in self.adversary:
                    if isinstance(layer, nn.Linear):
                        spectral_norm(layer)

    def log_odds(self, codes: Tensor) -> Tensor:
        """Log odds (n, 1) that codes (n, k) are draws of the prior."""
        odds: Tensor = self.adversary(codes)
        return odds + self.prior.log_density(codes)[:, None] if self.prior_trick else odds

    def forward(self, batch: CodedBatch, generator: torch.Generator) -> Tensor:
        """Mean of -log D(codes), in nats."""
        del generator
        return non_saturating_loss(self.log_odds(batch.codes))

    def adversary_loss(self, batch: CodedBatch, generator: torch.Generator) -> Tensor:
        """Twice the cross-entropy of the critic, in nats, with its gradient penalty."""
        drawn = self.prior(len(batch.codes), generator)
        loss = critic_loss(self.log_odds(drawn), self.log_odds(batch.codes))
        if self.regularizer == "r1":
            loss = loss + R1_WEIGHT * gradient_penalty(self.log_odds, drawn)
        return loss

    def phase(self) -> Phase:
        """The phase that trains the critic."""
        return Phase(
            self.phase_name,
            list(self.adversary.parameters()),
            n_steps=self.n_steps,
            learning_rate_factor=self.learning_rate_factor,
            optimizer=self.optimizer,
        )


class Isometry(Penalty):
    """`isometry_penalty` between distances of mean codes and distances of rows.

    Parameters
    ----------
    weight : float
    scale : float or None, default=None
        Distance of codes per distance of rows; None: the best scale for each batch.
    """

    def __init__(self, weight: float, scale: float | None = None) -> None:
        super().__init__("isometry", weight)
        self.scale = scale

    def forward(self, batch: CodedBatch, generator: torch.Generator) -> Tensor:
        """Squared relative distortion of the distances."""
        del generator
        distances = pairwise_distances(batch.means), pairwise_distances(batch.rows)
        return isometry_penalty(*distances, scale=self.scale)


class ProcrustesDistance(Penalty):
    """`procrustes_penalty` between mean codes and rows, relative to the variance of the codes.

    The rows are scaled so that their leading principal coordinates, as many as a code has, have the
    total variance of the codes. 0 for codes that are such coordinates, up to scale and rotation.

    Parameters
    ----------
    weight : float
    """

    def __init__(self, weight: float) -> None:
        super().__init__("procrustes", weight)

    def forward(self, batch: CodedBatch, generator: torch.Generator) -> Tensor:
        """Squared distance of the codes from the closest projection of the scaled rows."""
        del generator
        codes, rows = batch.means, batch.rows
        with torch.no_grad():
            variance = codes.var(0, correction=0).sum()
            spectrum = torch.linalg.svdvals(rows - rows.mean(0)).square() / len(rows)
            total = spectrum[: codes.shape[1]].sum()
            scale = torch.where(total > 0, (variance / total).sqrt(), 1.0)
        unit = torch.where(variance > 0, variance, 1.0)
        return procrustes_penalty(codes, scale * rows) / unit
