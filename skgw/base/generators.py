"""Methods of estimators that generate rows, and of those that encode and decode them."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from skgw.base.estimator import tensor_in_tensor_out
from skgw.base.validation import read_codes, read_points
from skgw.solvers import cpu_by_default

Array = NDArray[Any]


class GeneratorMixin:
    """Method `sample` of estimators of rows of features; a class implements `_sample`."""

    @cpu_by_default()
    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> Array:
        """Draw new rows.

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
        return self._sample(*self._checked_draws(n_samples, random_state))

    def _sample(self, n: int, rng: np.random.RandomState) -> Array:
        """Draw n rows (n, n_features)."""
        raise NotImplementedError

    def _checked_draws(
        self, n_samples: int, random_state: Any
    ) -> tuple[int, np.random.RandomState]:
        """Number of draws and their random state, validated, of a fitted estimator."""
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        return int(n_samples), check_random_state(random_state)

    def _read(self, X: Any, *, reset: bool) -> Array:
        """Validate rows of features."""
        rows: Array = read_points(self, X, metric="euclidean", reset=reset)
        return rows


class CodedGeneratorMixin(ClassNamePrefixFeaturesOutMixin, GeneratorMixin, TransformerMixin):
    """Methods of estimators of rows and codes; a class implements `_encode` and `_decode`."""

    @tensor_in_tensor_out
    def transform(self, X: Any) -> Any:
        """Encode rows; a stochastic encoder gives the mean codes.

        Parameters
        ----------
        X : array of shape (n_rows, n_features)
            Numpy or torch.

        Returns
        -------
        array of shape (n_rows, n_components)
            An array or a tensor like `X`.
        """
        check_is_fitted(self)
        return self._encode(self._read(X, reset=False))

    @tensor_in_tensor_out
    def inverse_transform(self, Z: Any) -> Any:
        """Decode codes.

        Parameters
        ----------
        Z : array of shape (n_codes, n_components)
            Numpy or torch.

        Returns
        -------
        array of shape (n_codes, n_features)
            An array or a tensor like `Z`.
        """
        check_is_fitted(self)
        return self._decode(read_codes(Z, self._n_features_out, "codes"))

    def _encode(self, X: Array) -> Array:
        """Codes (n, n_components) of validated rows."""
        raise NotImplementedError

    def _decode(self, Z: Array) -> Array:
        """Rows (n, n_features) of validated codes."""
        raise NotImplementedError

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
