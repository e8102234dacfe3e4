"""Mixture of normal distributions, fitted to codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning

from skgw.exceptions import without_foreign_warnings
from skgw.nn.coded_domain import NormalMixture

MAX_COMPONENTS = 20  # components of the mixture
MIN_ROWS_PER_DIMENSION = 10  # rows per component and dimension of the codes
RELATIVE_RIDGE = 1e-4  # added to the diagonal of the covariances, over the variance of the codes


def normal_mixture(codes: NDArray[Any], rng: np.random.RandomState) -> NormalMixture:
    """Fit the distribution of codes (n, k)."""
    from sklearn.mixture import GaussianMixture  # slow to import

    n, k = codes.shape
    n_components = min(MAX_COMPONENTS, max(1, n // (MIN_ROWS_PER_DIMENSION * k)))
    ridge = RELATIVE_RIDGE * float(codes.var()) or 1.0  # 1 if all codes are equal
    mixture = GaussianMixture(n_components, reg_covar=ridge, random_state=rng)
    # A mixture before convergence is accepted. Codes are numpy arrays, also for tensors as input.
    quiet = without_foreign_warnings(ConvergenceWarning, "sklearn")
    with quiet, config_context(array_api_dispatch=False):
        mixture.fit(codes)
    factors = np.linalg.cholesky(mixture.covariances_)
    return NormalMixture(mixture.weights_, mixture.means_, factors)


def code_distribution(kind: str, codes: NDArray[Any], rng: np.random.RandomState) -> NormalMixture:
    """The prior of codes (n, k) of a kind of autoencoder; for "ae", without prior, a mixture."""
    return normal_mixture(codes, rng) if kind == "ae" else NormalMixture.standard(codes.shape[1])
