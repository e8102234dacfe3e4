"""WassersteinAutoencoder: an autoencoder whose codes as a whole follow a normal distribution."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any, ClassVar

from torch import Tensor

from skgw.autoencoders.base import Array, AutoencoderState
from skgw.autoencoders.codes import prior_discrepancy
from skgw.autoencoders.costs import COSTS, data_cost
from skgw.autoencoders.matched_prior import MatchedPriorAutoencoder
from skgw.autoencoders.moments import pretrain_moments
from skgw.autoencoders.objective import RegularizedAutoencoder
from skgw.autoencoders.parameters import PENALTIES, CodePenalty
from skgw.base.parameters import one_of, param, part, with_parameters
from skgw.base.sklearn_compat import Interval
from skgw.base.training_run import TrainingRun
from skgw.nn import Autoencoder
from skgw.nn.coded_domain import Scaler


class WassersteinState(AutoencoderState):
    """Fitted attributes of `WassersteinAutoencoder`."""


@with_parameters
class WassersteinAutoencoder(MatchedPriorAutoencoder):
    """Wasserstein autoencoder.

    The optimal transport cost between the data and decoded draws of the prior is the least
    reconstruction cost over all encoders whose codes, taken together, have the distribution of the
    prior (Tolstikhin et al. 2018, Theorem 1). Training lowers the reconstruction cost plus a
    penalty on the difference between the distribution of the codes and the prior, the standard
    normal distribution. New rows are decoded draws of the prior.

    Parameters
    ----------
    {autoencoder_parameters}
    penalty : {"mmd", "gan"}, MMDPenalty or GANPenalty, default="mmd"
        Penalty on the difference between the codes and the prior: the maximum mean discrepancy, or
        the loss of a critic. Its weight is ``penalty__weight``.
    encoder : {"deterministic", "random"}, default="deterministic"
        "random": the encoder maps a row to a normal distribution of codes, as that of a variational
        autoencoder. It helps if `n_components` exceeds the dimension of the data, where the codes
        of a deterministic encoder cannot fill the space.
    cost : {"squared", "absolute"} or callable, default="squared"
        Cost of a reconstruction: mean squared or absolute error of a feature, in units of the root
        of the mean variance of a feature. A callable maps rows and their reconstructions, tensors
        (n, n_features) in the unit of the data, to one number for each row or for all; the unit of
        the penalty's weight is then the unit of the cost.
    n_pretraining_updates : int, default=0
        Number of updates before the training that give the codes the mean and the covariance of the
        prior. The published code makes up to 200.
    max_iter : int or "auto", default="auto"
        Number of updates. "auto": 15 epochs, at least 1500 and at most 20,000 updates.
    {training_parameters}

    Attributes
    ----------
    diagnostics_ : dict
        Distance between the codes of the training rows and the prior: "mmd", the unbiased squared
        maximum mean discrepancy; "mean", norm of the mean; "smallest_sd" and "largest_sd",
        standard deviations along the principal axes. 0, 0, 1 and 1 for the prior.
    loss_curve_ : list of float
        Loss of the mini-batch of each update: reconstruction cost plus the weighted penalty.
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
    VariationalAutoencoder : The codes of each row are drawn to the prior.
    skgw.autoencoders.wae_settings : The algorithms as published.

    Notes
    -----
    Before training, rows are centred and divided by the root of the mean variance of a feature. The
    memory of a fit grows with ``n_samples * n_features``.

    References
    ----------
    :cite:t:`tolstikhin2018`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skgw import WassersteinAutoencoder
    >>> X = load_iris().data
    >>> model = WassersteinAutoencoder(2, max_iter=300, random_state=0).fit(X)
    >>> model.transform(X).shape, model.sample(5, random_state=0).shape
    ((150, 2), (5, 4))
    """

    fitted_state: ClassVar[type] = WassersteinState

    penalty: Any = part(CodePenalty, one_of(*PENALTIES), default="mmd")
    encoder: str = param(one_of("deterministic", "random"), default="deterministic")
    cost: str | Callable[[Tensor, Tensor], Tensor] = param(
        one_of(*COSTS), callable, default="squared"
    )
    n_pretraining_updates: int = param(Interval(Integral, 0, None, closed="left"), default=0)

    def _check_state(self) -> None:
        if self._domain.autoencoder.spec.stochastic != self._stochastic:  # type: ignore[attr-defined]
            raise ValueError(f"the encoder must be {self.encoder}")

    def _regularized(
        self, autoencoder: Autoencoder, scaler: Scaler, *, n_updates: int, seed: int
    ) -> RegularizedAutoencoder:
        penalty = CodePenalty.read(self.penalty).build(autoencoder.latent_dim, seed)
        return RegularizedAutoencoder(autoencoder, [penalty], cost=data_cost(self.cost, scaler))

    @property
    def _stochastic(self) -> bool:
        return self.encoder == "random"

    def _distance_to_prior(self, codes: Array, model: RegularizedAutoencoder | None) -> float:
        del model  # the prior is the same
        return prior_discrepancy(codes)

    def _initialize(self, model: RegularizedAutoencoder, rows: Array, run: TrainingRun) -> None:
        if self.n_pretraining_updates:
            pretrain_moments(
                model, rows, self.n_pretraining_updates, run.noise(2),
                batch_size=self.batch_size, learning_rate=self.learning_rate_init,
            )  # fmt: skip
