"""Autoencoders with a standard normal prior, by the name of their penalty."""

from __future__ import annotations

from dataclasses import dataclass

from skgw.autoencoders.objective import RegularizedAutoencoder
from skgw.autoencoders.penalties import (
    Isometry,
    LatentAdversary,
    MeanDiscrepancy,
    NormalDivergence,
    Penalty,
)
from skgw.nn import Autoencoder

KINDS = ("ae", "vae", "wae-mmd", "wae-gan")
GENERATOR_LOSS_UNIT = 0.1  # squared error of a feature that weighs as much as a nat of this loss


@dataclass(frozen=True)
class AutoencodingOptions:
    """Regularisation of an autoencoder.

    Attributes
    ----------
    kind : {"ae", "vae", "wae-mmd", "wae-gan"}
        Penalty on the deviation of the distribution of the codes from the standard normal
        distribution. "ae": none. "vae": the Kullback-Leibler divergence of the distribution of each
        code; the encoder is stochastic. "wae-mmd": the maximum mean discrepancy. "wae-gan": the
        non-saturating generator loss of a critic.
    prior_weight : float
        Weight of the penalty. For a "vae", 1 gives the evidence lower bound, and another number is
        the beta of a beta-VAE. For other kinds the weight is relative to the squared error of a
        feature, and a nat of the generator loss counts as a squared error of 0.1.
    isometry_weight : float
        Weight of the `isometry_penalty` between distances of codes and distances of rows.
    isometry_scale : float or None
        Distance of codes per distance of rows; None: the best scale for each batch.

    Raises
    ------
    ValueError
        For an unknown kind.
    """

    kind: str = "ae"
    prior_weight: float = 1.0
    isometry_weight: float = 0.0
    isometry_scale: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(
                f"The kind of an autoencoder must be one of {KINDS}, got {self.kind!r}."
            )

    @property
    def stochastic(self) -> bool:
        """Whether the encoder is stochastic."""
        return self.kind == "vae"

    def penalties(self, autoencoder: Autoencoder, seed: int = 0) -> list[Penalty]:
        """The penalties; `seed` is the seed of the weights of a critic."""
        k, weight = autoencoder.latent_dim, self.prior_weight
        found: list[Penalty] = []
        if self.kind == "vae":
            found.append(NormalDivergence(autoencoder.n_features, weight))
        elif self.kind == "wae-mmd":
            found.append(MeanDiscrepancy(k, weight))
        elif self.kind == "wae-gan":
            found.append(LatentAdversary(k, weight * GENERATOR_LOSS_UNIT, seed=seed))
        if self.isometry_weight:
            found.append(Isometry(self.isometry_weight, self.isometry_scale))
        return found

    def build(self, autoencoder: Autoencoder, seed: int = 0) -> RegularizedAutoencoder:
        """The autoencoder with its penalties.

        Raises
        ------
        ValueError
            If the kind and the encoder do not fit together.
        """
        if autoencoder.stochastic != self.stochastic:
            raise ValueError(
                'A "vae" needs a stochastic encoder, other kinds a deterministic encoder.'
            )
        return RegularizedAutoencoder(autoencoder, self.penalties(autoencoder, seed))
