"""Generators beside which those of skgw are measured: copies, mixtures, kernels, interpolation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity, NearestNeighbors

from skgw.generative.code_samplers import LocalDraws

Array = NDArray[Any]
Draw = Callable[[int, np.random.RandomState], Array]  # new rows (n, p)

N_BANDWIDTHS, N_SMOTE = 12, 5


def gaussian_mixture(X: Array, n_components: int, seed: int) -> Draw:
    """A mixture with full covariances; for the modes it knows their number."""
    model = GaussianMixture(n_components, reg_covar=1e-6 * X.var(), random_state=seed).fit(X)

    def draw(n: int, rng: np.random.RandomState) -> Array:
        model.set_params(random_state=rng)
        return np.asarray(model.sample(n)[0])

    return draw


def kernel_density(X: Array, seed: int) -> Draw:
    """Normal kernels, with the bandwidth of the largest likelihood in five folds."""
    distances = NearestNeighbors(n_neighbors=2).fit(X).kneighbors(X)[0][:, 1]
    widths = float(np.median(distances)) * np.geomspace(0.3, 10, N_BANDWIDTHS)
    search = GridSearchCV(KernelDensity(), {"bandwidth": widths}, cv=5).fit(
        X[np.random.RandomState(seed).permutation(len(X))]
    )
    return lambda n, rng: np.asarray(search.best_estimator_.sample(n, random_state=rng))


def smote(X: Array) -> Draw:
    """A uniform point between a row and one of its five nearest neighbours."""
    near = NearestNeighbors(n_neighbors=N_SMOTE + 1).fit(X).kneighbors(X, return_distance=False)

    def draw(n: int, rng: np.random.RandomState) -> Array:
        first = rng.randint(len(X), size=n)
        second = near[first, rng.randint(1, N_SMOTE + 1, size=n)]
        return np.asarray(X[first] + rng.random_sample((n, 1)) * (X[second] - X[first]))

    return draw


def local_step(X: Array, n_neighbors: int = 30, step: float = 0.7) -> Draw:
    """The default sampler of `OTAutoencoder` at rows drawn at random, without transport."""
    draws = LocalDraws.fit(X, np.full(len(X), 1 / len(X)), n_neighbors, step)
    return lambda n, rng: draws._codes(X, rng.randint(len(X), size=n), rng)
