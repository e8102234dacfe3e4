"""Mixture of normal distributions of a cloud, chosen by the likelihood of held-out points."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning

from skgw.exceptions import without_foreign_warnings
from skgw.nn.coded_domain import NormalMixture

Array = NDArray[Any]

MIN_POINTS = 4  # points per component, and
MIN_POINTS_PER_DIMENSION = 0.25  # points per component and dimension in which the cloud is wide
SHRINKAGES = (0.0, 0.1, 0.3, 1.0)  # shares of the common shape in each covariance
N_STARTS = 3  # of a mixture with a given number of components
HELD_OUT = 0.2  # share of the points whose likelihood chooses the mixture
RELATIVE_RIDGE = 1e-6  # added to the diagonals of covariances, over the mean variance of the cloud
MAX_EM_ITER, EM_TOLERANCE = 50, 1e-2  # iterations, and gain in nats per point at which they stop


def fit_normal_mixture(
    points: Array, max_components: int, rng: np.random.RandomState
) -> NormalMixture:
    """Fit a mixture whose size and covariances are chosen by the likelihood of held-out points.

    The candidates have 1, 2, 4, ... components, with at least four points for each and one point
    per four dimensions in which the cloud is wide, and covariances that are shrunk towards the mean
    shape of all components by several shares. With few points per dimension the shrinkage keeps a
    component from being flat in directions that its points happen not to show.

    Parameters
    ----------
    points : array of shape (n, k)
        At least two.
    max_components : int
        Largest number of components.
    rng : RandomState
        Source of the split, and of the starts of the fits.

    Returns
    -------
    NormalMixture

    References
    ----------
    :cite:t:`friedman1989`.
    """
    n, variances = len(points), points.var(axis=0)
    squares = np.square(variances).sum()
    n_wide = np.square(variances.sum()) / squares if squares else 1.0  # participation ratio
    limit = min(max_components, n // max(MIN_POINTS, round(MIN_POINTS_PER_DIMENSION * n_wide)))
    order = rng.permutation(n)
    held_out, train = points[order[: round(HELD_OUT * n)]], points[order[round(HELD_OUT * n) :]]
    ridge = RELATIVE_RIDGE * float(variances.mean()) or 1.0
    candidates = []
    n_components = 1
    while n_components <= limit and len(held_out):
        fitted = _expectation_maximisation(train, n_components, ridge, rng)
        for share in SHRINKAGES:
            likelihood = float(log_density(held_out, _shrunk(*fitted, share)).mean())
            candidates.append((likelihood, share, fitted))
        n_components *= 2
    if not candidates:
        return _shrunk(*_expectation_maximisation(points, 1, ridge, rng), share=1.0)
    _, share, start = max(candidates, key=lambda candidate: candidate[0])
    # From the chosen mixture: another start might end at a worse maximum.
    fitted = _expectation_maximisation(points, len(start.weights), ridge, rng, start)
    return _shrunk(*fitted, share)


def fit_components(points: Array, n_components: int, rng: np.random.RandomState) -> NormalMixture:
    """Fit a mixture with full covariances: the most likely one of three starts.

    Parameters
    ----------
    points : array of shape (n, k)
        At least `n_components`.
    n_components : int
    rng : RandomState
        Source of the starts.

    Returns
    -------
    NormalMixture
    """
    ridge = RELATIVE_RIDGE * float(points.var(axis=0).mean()) or 1.0
    found = [
        _shrunk(*_expectation_maximisation(points, n_components, ridge, rng), share=0.0)
        for _ in range(N_STARTS)
    ]
    return max(found, key=lambda mixture: float(log_density(points, mixture).mean()))


class _Fitted(NamedTuple):
    weights: Array  # (c,)
    means: Array  # (c, k)
    covariances: Array  # (c, k, k)


def _expectation_maximisation(
    points: Array,
    n_components: int,
    ridge: float,
    rng: np.random.RandomState,
    start: _Fitted | None = None,
) -> _Fitted:
    """A mixture at a maximum of the likelihood, from a start or from k-means."""
    from sklearn.mixture import GaussianMixture  # slow to import

    mixture = GaussianMixture(
        min(n_components, len(points)), reg_covar=ridge, max_iter=MAX_EM_ITER, tol=EM_TOLERANCE,
        random_state=rng,
    )  # fmt: skip
    if start is not None:
        whitening = np.linalg.inv(np.linalg.cholesky(start.covariances))
        mixture.set_params(
            weights_init=start.weights / start.weights.sum(),
            means_init=start.means,
            precisions_init=whitening.transpose(0, 2, 1) @ whitening,
        )
    # A mixture before convergence is a candidate like any other.
    quiet = without_foreign_warnings(ConvergenceWarning, "sklearn")
    with quiet, config_context(array_api_dispatch=False):
        mixture.fit(points)
    return _Fitted(mixture.weights_, mixture.means_, mixture.covariances_)


def _shrunk(weights: Array, means: Array, covariances: Array, share: float) -> NormalMixture:
    """Mixture whose covariances have a share of the mean shape, each at its own mean variance."""
    pooled = np.einsum("c,cij->ij", weights, covariances)
    sizes = np.trace(covariances, axis1=1, axis2=2) / np.trace(pooled)
    shrunk = (1 - share) * covariances + share * sizes[:, None, None] * pooled
    return NormalMixture(weights / weights.sum(), means, np.linalg.cholesky(shrunk))


def log_joint_density(points: Array, mixture: NormalMixture) -> Array:
    """Log density (n, c) of points and the components that they are from."""
    k = points.shape[1]
    terms = []
    for weight, mean, factor in zip(*mixture, strict=True):
        white = np.linalg.solve(factor, (points - mean).T)  # (k, n)
        log_volume = np.log(np.diag(factor)).sum() + 0.5 * k * np.log(2 * np.pi)
        terms.append(np.log(weight) - log_volume - 0.5 * np.square(white).sum(axis=0))
    return np.stack(terms, axis=1)


def log_density(points: Array, mixture: NormalMixture) -> Array:
    """Log density (n,) of points."""
    return np.asarray(logsumexp(log_joint_density(points, mixture), axis=1))
