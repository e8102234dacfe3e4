"""MatchedPriorAutoencoder: base class of the autoencoders whose codes as a whole match a prior."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skgw.autoencoders.base import Array, AutoencoderEstimator
from skgw.autoencoders.objective import RegularizedAutoencoder
from skgw.base.estimator import seeded, tensor_in_tensor_out
from skgw.nn import Autoencoder, decode, draw


class MatchedPriorAutoencoder(AutoencoderEstimator):
    """Base class of estimators that are scored by reconstruction and by the law of the codes.

    A subclass implements `_distance_to_prior`.
    """

    min_held_out: ClassVar[int] = 2
    score_weight: ClassVar[float] = 1.0  # weight of the discrepancy to the prior in `score`

    @tensor_in_tensor_out
    def score(self, X: Any, y: Any = None) -> float:
        """Minus the reconstruction error and the distance of the codes to the prior.

        The mean squared error of a feature, in units of the mean variance of a feature of the
        training rows, plus the unbiased squared maximum mean discrepancy between the codes and the
        prior (`skgw.nn.mmd`) with weight 1 (class attribute `score_weight`). The weight does not
        depend on the parameters, so that scores are comparable between penalties and their weights.
        Higher is better. With a random encoder both are evaluated at a draw of the code of each
        row, with a fixed seed.

        Parameters
        ----------
        X : array of shape (n_rows, n_features)
            At least two rows.
        y : None
            Ignored.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            For a single row, which has no discrepancy to a distribution.
        """
        check_is_fitted(self)
        X = self._read(X, reset=False)
        if len(X) < 2:
            raise ValueError("The score compares the distribution of codes: it needs two rows.")
        autoencoder = self._domain.autoencoder.build(self._device())
        return -self._loss_of_rows(autoencoder, self._domain.scaler.transform(X), None)

    @abstractmethod
    def _distance_to_prior(self, codes: Array, model: RegularizedAutoencoder | None) -> float:
        """Discrepancy between codes (n, k) and the prior of a model; None: the fitted prior."""

    def _validation_loss(self, model: RegularizedAutoencoder, x: Tensor) -> Tensor:
        """Minus the score of held-out rows."""
        loss = self._loss_of_rows(model.autoencoder, x.cpu().numpy(), model)
        return torch.tensor(loss, dtype=torch.float64)

    def _loss_of_rows(
        self, autoencoder: Autoencoder, rows: Array, model: RegularizedAutoencoder | None
    ) -> float:
        """Minus the score of scaled rows."""
        codes = draw(autoencoder, rows, seeded(0))
        error = np.mean(np.square(decode(autoencoder, codes) - rows, dtype=np.float64))
        return float(error) + self.score_weight * self._distance_to_prior(codes, model)
