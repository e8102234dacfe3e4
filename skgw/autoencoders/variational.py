"""VariationalAutoencoder: an autoencoder whose codes follow a standard normal distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skgw.autoencoders.base import AutoencoderEstimator
from skgw.autoencoders.objective import AutoencoderLoss, AutoencodingOptions
from skgw.base.estimator import seeded, tensor_in_tensor_out
from skgw.base.parameters import NON_NEGATIVE, POSITIVE, one_of, param, with_parameters
from skgw.base.sklearn_compat import check_sample_weight
from skgw.nn.coded_domain import Scaler

CHUNK = 2048  # rows whose bound is evaluated at a time
N_DRAWS = 8  # of the code of each row, in the bound of `score`

Array = NDArray[Any]


@with_parameters
class VariationalAutoencoder(AutoencoderEstimator):
    """Variational autoencoder: codes of few dimensions, a likelihood bound, and new rows.

    The encoder maps a row to a normal distribution of codes, the decoder a code to a normal
    distribution of rows. Training maximises the evidence lower bound: the log density of rows given
    their codes, less the Kullback-Leibler divergence of the codes from the standard normal
    distribution.

    Parameters
    ----------
    {autoencoder_parameters}
    beta : float, default=1.0
        Weight of the divergence. 1 is the evidence lower bound; a larger beta gives codes that
        follow the standard normal distribution more closely, and reconstruct less.
    decoder_variance : "calibrated" or float, default="calibrated"
        Variance of each feature given the code. "calibrated" is the best one, the mean squared
        error of each mini-batch, so that `beta` needs no search. A number is in squared units of
        the features; ``decoder_variance=0.5`` trains with the plain sum of squared errors.
    max_iter : int or "auto", default="auto"
        Number of updates; "auto": 15 epochs, at least 1500 updates, at most 20,000.
    {training_parameters}

    Attributes
    ----------
    decoder_variance_ : float
        Calibrated variance of a feature given the code on the training rows, in squared units of
        the features.
    loss_curve_ : list of float
        Loss of each update: mean squared error of a feature, in units of the mean variance of a
        feature, plus the weighted divergence.
    validation_curve_ : list of float
        Minus the bound per feature of the held-out rows, every 50 updates; empty without early
        stopping.
    n_iter_ : int
        Number of updates made.
    n_features_in_ : int
    feature_names_in_ : array of str
        Only if all names of features are strings.

    See Also
    --------
    GWCoTrainedAutoencoders : Two autoencoders with comparable codes.

    Notes
    -----
    Rows are centred, and divided by one number, before training. Memory grows with
    ``n_samples * n_features``.

    References
    ----------
    D. P. Kingma, M. Welling (2014), Auto-encoding variational Bayes. ICLR.

    I. Higgins et al. (2017), beta-VAE: learning basic visual concepts with a constrained
    variational framework. ICLR.

    O. Rybkin, K. Daniilidis, S. Levine (2021), Simple and effective VAE training with calibrated
    decoders. ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skgw import VariationalAutoencoder
    >>> X = load_iris().data
    >>> model = VariationalAutoencoder(2, max_iter=300, random_state=0).fit(X)
    >>> model.transform(X).shape, model.sample(5, random_state=0).shape
    ((150, 2), (5, 4))
    """

    beta: float = param(NON_NEGATIVE, default=1.0)
    decoder_variance: float | str = param(POSITIVE, one_of("calibrated"), default="calibrated")

    @tensor_in_tensor_out
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Mean evidence lower bound per feature, in nats, at ``beta=1``.

        It takes the variance calibrated on the training rows, whatever `decoder_variance` was, so
        that scores compare between values of `beta` and of `decoder_variance`. Higher is better.

        Parameters
        ----------
        X : array of shape (n_rows, n_features)
        y : None
            Ignored.
        sample_weight : array of shape (n_rows,), optional

        Returns
        -------
        float
        """
        check_is_fitted(self)
        rows = self._domain.scaler.transform(self._read(X, reset=False))
        scale, p = self._domain.scaler.scale, rows.shape[1]
        variance = self.decoder_variance_ / scale**2
        bounds = -self._negative_bounds(self._model(), rows, variance).sum(0) / p - np.log(scale)
        weights = None if sample_weight is None else check_sample_weight(sample_weight, X)
        return float(np.average(bounds, weights=weights))

    def _options(self, scaler: Scaler) -> AutoencodingOptions:
        variance = self.decoder_variance
        return AutoencodingOptions(
            "vae",
            prior_weight=self.beta,
            decoder_variance=None if isinstance(variance, str) else variance / scaler.scale**2,
        )

    def _describe(self, model: AutoencoderLoss, rows: Array) -> None:
        reconstruction, _ = self._negative_bounds(model, rows, 1.0)
        p = rows.shape[1]
        squared_error = 2 * reconstruction.mean() / p - np.log(2 * np.pi)
        smallest = float(np.finfo(np.float32).tiny)
        self.decoder_variance_ = max(float(squared_error), smallest) * self._domain.scaler.scale**2

    def _model(self) -> AutoencoderLoss:
        autoencoder = self._domain.autoencoder.build(self._device())
        return AutoencoderLoss(autoencoder, self._options(self._domain.scaler))

    @staticmethod
    @torch.no_grad()
    def _negative_bounds(model: AutoencoderLoss, rows: Array, variance: float) -> Array:
        """Reconstruction and divergence of each row, (2, n), means over draws of its code."""
        model.eval()
        noise, device = seeded(0), next(model.parameters()).device
        found = []
        for chunk in torch.as_tensor(rows, dtype=torch.float32).split(CHUNK):
            x: Tensor = chunk.to(device)
            draws = [
                torch.stack(model.negative_bound(x, noise, variance=variance))
                for _ in range(N_DRAWS)
            ]
            found.append(torch.stack(draws).mean(0).double().cpu().numpy())
        return np.concatenate(found, axis=1)
