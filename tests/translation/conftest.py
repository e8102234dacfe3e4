"""A cloud of points without symmetries, a similar copy of it, and estimators for both."""

from types import SimpleNamespace

import numpy as np
import pytest

from skgw import GWCoTrainedAutoencoders
from skgw.registration.basin_hopping import SearchSettings
from skgw.translation.latent_matching import LatentMatchingSettings

N = 160
TRAINED = {"n_components": 3, "hidden_layer_sizes": (32,), "max_iter": 500, "n_init": 4}
SHORT_SEARCH = LatentMatchingSettings(n_searches=1, search=SearchSettings(n_perturbations=1))
QUICK = {"n_components": 2, "hidden_layer_sizes": (8,), "max_iter": 8, "n_init": 1}


def cloud(n, rng):
    """Points whose distances determine their order."""
    skewed = rng.exponential(size=(n, 1)) * [3, 2, 0] + rng.exponential(size=(n, 3)) * [0, 0, 1.5]
    return rng.normal(size=(n, 3)) * [3, 2, 1] + skewed


@pytest.fixture(scope="session")
def copies():
    """Rows, and a rotated, shifted, twice as large and reordered copy in 6 dimensions."""
    rng = np.random.default_rng(0)
    X, new, order = cloud(N, rng), cloud(40, rng), rng.permutation(N)
    frame = 2 * np.linalg.qr(rng.normal(size=(6, 3)))[0]
    shift = rng.normal(size=6)
    return SimpleNamespace(
        X=X,
        Y=(X @ frame.T + shift)[order],
        new=new,
        order=order,
        match=np.argsort(order),
        move=lambda Z: Z @ frame.T + shift,
    )


@pytest.fixture(scope="session")
def trained(copies):
    """Fully trained estimators, one for each set of parameters."""
    fitted = {}

    def fit(**params):
        key = repr(sorted(params.items()))
        if key not in fitted:
            estimator = GWCoTrainedAutoencoders(**{**TRAINED, "random_state": 0, **params})
            fitted[key] = estimator.fit(copies.X, copies.Y)
        return fitted[key]

    return fit


@pytest.fixture
def quick(monkeypatch):
    """An estimator that fits in a moment."""
    monkeypatch.setattr("skgw.translation.latent_matching.SETTINGS", SHORT_SEARCH)
    return lambda **params: GWCoTrainedAutoencoders(**{**QUICK, "random_state": 0, **params})


@pytest.fixture
def X(copies):
    return copies.X[:40]


@pytest.fixture
def Y(copies):
    return copies.Y[:30]
