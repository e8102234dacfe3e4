"""GeneratorMixin: the method `sample` of estimators that generate rows."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from skgw.base.validation import read_points
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
