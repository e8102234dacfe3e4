"""VariationalAutoencoder: an autoencoder that maximises the evidence lower bound."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar, cast

import numpy as np
import torch
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skgw.autoencoders.base import Array, AutoencoderEstimator, AutoencoderState
from skgw.autoencoders.bound import importance_weighted_bound, negative_bound
from skgw.autoencoders.moments import standardize_codes
from skgw.autoencoders.objective import RegularizedAutoencoder
from skgw.autoencoders.penalties import NormalDivergence
from skgw.base.estimator import seeded, tensor_in_tensor_out
from skgw.base.parameters import NON_NEGATIVE, POSITIVE, SHARE, one_of, param, with_parameters
from skgw.base.sklearn_compat import check_sample_weight
from skgw.fields import Positive
from skgw.nn import Autoencoder
from skgw.nn.coded_domain import Scaler


class VariationalState(AutoencoderState):
    """Fitted attributes of `VariationalAutoencoder`."""

    decoder_variance_: Positive


@with_parameters
class VariationalAutoencoder(AutoencoderEstimator):
    """Variational autoencoder.

    The encoder maps a row to a normal distribution of codes, the decoder maps a code to a normal
    distribution of rows. Training maximises the evidence lower bound: the expected log density of a
    row given its code, minus the Kullback-Leibler divergence of the distribution of the code from
    the standard normal distribution. New rows are decoded codes drawn from the standard normal
    distribution.

    Parameters
    ----------
    {autoencoder_parameters}
    beta : float, default=1.0
        Weight of the divergence. 1 is the evidence lower bound; a larger beta gives codes that
        follow the standard normal distribution more closely, and reconstruct less.
    decoder_variance : "calibrated" or float, default="calibrated"
        Variance of each feature given the code. "calibrated": the variance that maximises the
        bound, the mean squared error of each mini-batch, so that `beta` needs no search. A number
        is in squared units of the features; 0.5 gives the sum of squared errors as the
        reconstruction term.
    annealing : float, default=0.0
        Share of the updates in which the weight of the divergence rises linearly from 0 to `beta`.
    max_iter : int or "auto", default="auto"
        Number of updates. "auto": 15 epochs, at least 1500 and at most 20,000 updates.
    {training_parameters}

    Attributes
    ----------
    decoder_variance_ : float
        Variance of a feature given the code, calibrated on the training rows, in squared units of
        the features.
    diagnostics_ : dict
        Distance between draws of the codes of the training rows and the prior: "mmd", the unbiased
        squared maximum mean discrepancy; "mean", norm of the mean; "smallest_sd" and "largest_sd",
        standard deviations along the principal axes. 0, 0, 1 and 1 for the prior.
    loss_curve_ : list of float
        Loss of the mini-batch of each update: mean squared error of a feature, in units of the mean
        variance of a feature, plus the weighted divergence.
    validation_curve_ : list of float
        Minus the bound per feature of the held-out rows, every 50 updates; empty without early
        stopping.
    n_iter_ : int
        Number of updates.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : array of str
        Names of the columns of `X`, if all names are strings.

    See Also
    --------
    WassersteinAutoencoder : The codes as a whole follow the prior, not those of each row.
    GWCoTrainedAutoencoders : Two autoencoders with comparable codes.

    Notes
    -----
    Before training, rows are centred and divided by the root of the mean variance of a feature.
    After training, the codes are shifted and scaled so that draws of them have mean zero and
    variance one in each coordinate, the least divergence of all shifts and scales. The first layer
    of the decoder undoes the map, so that reconstructions stay the same. The codes of networks
    whose last encoder layer and first decoder layer are not linear are left as they are.

    The memory of a fit grows with ``n_samples * n_features``; `score` evaluates 2048 rows at a time
    (class attribute `chunk_size`).

    References
    ----------
    :cite:t:`kingma2014`.

    :cite:t:`higgins2017`.

    :cite:t:`rybkin2021`.

    :cite:t:`bowman2016`, annealing; :cite:t:`burda2016`, the importance-weighted bound.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skgw import VariationalAutoencoder
    >>> X = load_iris().data
    >>> model = VariationalAutoencoder(2, max_iter=300, random_state=0).fit(X)
    >>> model.transform(X).shape, model.sample(5, random_state=0).shape
    ((150, 2), (5, 4))
    """

    fitted_state: ClassVar[type] = VariationalState
    chunk_size: ClassVar[int] = 2048  # rows whose bound is evaluated at a time
    n_draws: ClassVar[int] = 8  # draws of the code of each row in `score`

    beta: float = param(NON_NEGATIVE, default=1.0)
    decoder_variance: float | str = param(POSITIVE, one_of("calibrated"), default="calibrated")
    annealing: float = param(SHARE, default=0.0)

    @tensor_in_tensor_out
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Mean evidence lower bound per feature, in nats, at ``beta=1``.

        The bound has the variance `decoder_variance_`, calibrated on the training rows, so that
        scores are comparable between values of `beta` and of `decoder_variance`. Higher is better.

        Parameters
        ----------
        X : array of shape (n_rows, n_features)
        y : None
            Ignored.
        sample_weight : array of shape (n_rows,), optional
            Weights of the rows of `X`.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        rows = self._domain.scaler.transform(self._read(X, reset=False))
        scale, p = self._domain.scaler.scale, rows.shape[1]
        variance = self.decoder_variance_ / scale**2
        autoencoder = self._domain.autoencoder.build(self._device())
        bounds = -self._negative_bounds(autoencoder, rows, variance).sum(0) / p - np.log(scale)
        weights = None if sample_weight is None else check_sample_weight(sample_weight, X)
        return float(np.average(bounds, weights=weights))

    @tensor_in_tensor_out
    @torch.no_grad()
    def score_samples(self, X: Any, *, n_draws: int = 100) -> Array:
        """Importance-weighted estimate of the log likelihood of each row, in nats.

        The estimate is a lower bound on average; it grows towards the log likelihood with
        `n_draws`, and a single draw gives the evidence lower bound. The variance of a feature given
        the code is `decoder_variance_`. The draws are the same for all rows and in every call, and
        are evaluated in float64, so that a row has the same value alone and among others.

        Parameters
        ----------
        X : array of shape (n_rows, n_features)
        n_draws : int, default=100
            Number of draws of the code of each row. Time grows with ``n_rows * n_draws``;
            `chunk_size` decoded rows are in memory at a time, or `n_draws` if that is more.

        Returns
        -------
        array of shape (n_rows,)
            For all features of a row, in the unit of the features, as
            `sklearn.decomposition.PCA.score_samples`. Low for rows that are unlike the training
            rows.
        """
        check_is_fitted(self)
        check_scalar(n_draws, "n_draws", Integral, min_val=1)
        X = self._read(X, reset=False)
        device, scaler = self._device(), self._domain.scaler
        autoencoder = self._domain.autoencoder.build(device).double()
        rows = torch.as_tensor(scaler.transform(X.astype(np.float64)))
        noise = self._noise(n_draws, seeded(0)).double().to(device)
        variance = self.decoder_variance_ / scaler.scale**2
        found = [
            importance_weighted_bound(autoencoder, x.to(device), noise, variance=variance).cpu()
            for x in rows.split(max(1, self.chunk_size // n_draws))
        ]
        return np.asarray(torch.cat(found).numpy() - X.shape[1] * np.log(scaler.scale))

    def _check_state(self) -> None:
        if not self._domain.autoencoder.spec.stochastic:  # type: ignore[attr-defined]
            raise ValueError("the encoder of a VariationalAutoencoder must be stochastic")

    def _regularized(
        self, autoencoder: Autoencoder, scaler: Scaler, *, n_updates: int, seed: int
    ) -> RegularizedAutoencoder:
        variance = self._fixed_variance(scaler)
        divergence = NormalDivergence(
            autoencoder.n_features, self.beta, variance=variance,
            n_annealed=round(self.annealing * n_updates),
        )  # fmt: skip
        return RegularizedAutoencoder(autoencoder, [divergence])

    @property
    def _stochastic(self) -> bool:
        return True

    def _fixed_variance(self, scaler: Scaler) -> float | None:
        """The variance of a scaled feature given the code; None if it is calibrated."""
        variance = self.decoder_variance
        return None if isinstance(variance, str) else variance / scaler.scale**2

    def _validation_loss(self, model: RegularizedAutoencoder, x: Tensor) -> Tensor:
        """Minus the bound per feature with weight `beta`, with the same noise in every call."""
        penalty = cast(NormalDivergence, model.penalties[0])
        reconstruction, divergence = negative_bound(
            model.autoencoder, x, self._noise(len(x), seeded(0)).to(x), variance=penalty.variance
        )
        return (reconstruction + self.beta * divergence).mean() / x.shape[1]

    def _noise(self, n: int, generator: torch.Generator) -> Tensor:
        """Standard normal noise (n, k) of codes."""
        k = int(self.n_components)
        return torch.randn(n, k, generator=generator, dtype=torch.float32)

    def _finish(self, model: RegularizedAutoencoder, rows: Array) -> None:
        if self.geometry is None:  # which factors of the coordinates would change
            standardize_codes(model.autoencoder, rows)

    def _describe(self, model: RegularizedAutoencoder, rows: Array) -> None:
        reconstruction, _ = self._negative_bounds(model.autoencoder, rows, 1.0)
        p = rows.shape[1]
        squared_error = 2 * reconstruction.mean() / p - np.log(2 * np.pi)
        smallest = float(np.finfo(np.float32).tiny)
        self.decoder_variance_ = max(float(squared_error), smallest) * self._domain.scaler.scale**2

    @torch.no_grad()
    def _negative_bounds(self, autoencoder: Autoencoder, rows: Array, variance: float) -> Array:
        """Reconstruction and divergence terms of each row, (2, n), means over draws of its code."""
        autoencoder.eval()
        source, device = seeded(0), next(autoencoder.parameters()).device
        terms = []
        for chunk in torch.as_tensor(rows, dtype=torch.float32).split(self.chunk_size):
            x: Tensor = chunk.to(device)
            draws = []
            for _ in range(self.n_draws):
                noise = self._noise(len(x), source).to(device)
                draws.append(torch.stack(negative_bound(autoencoder, x, noise, variance=variance)))
            terms.append(torch.stack(draws).mean(0).double().cpu().numpy())
        return np.concatenate(terms, axis=1)
