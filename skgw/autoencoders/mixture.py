"""A mixture of normal distributions, fitted to codes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning

from skgw.nn.coded_domain import NormalMixture

MAX_COMPONENTS = 20
ROWS_PER_NUMBER = 10  # rows that a component has for each of its dimensions
REGULARITY = 1e-4  # of the covariances, over the variance of the codes


def normal_mixture(codes: NDArray[Any], rng: np.random.RandomState) -> NormalMixture:
    """The law of codes (n, k), to draw more from."""
    from sklearn.mixture import GaussianMixture  # takes a while to import

    n, k = codes.shape
    n_components = min(MAX_COMPONENTS, max(1, n // (ROWS_PER_NUMBER * k)))
    floor = REGULARITY * float(codes.var()) or 1.0  # all codes are the same
    mixture = GaussianMixture(n_components, reg_covar=floor, random_state=rng)
    # Any mixture that the search stops at will do; codes are numpy, whatever went in.
    with warnings.catch_warnings(), config_context(array_api_dispatch=False):
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(codes)
    factors = np.linalg.cholesky(mixture.covariances_)
    return NormalMixture(mixture.weights_, mixture.means_, factors)
