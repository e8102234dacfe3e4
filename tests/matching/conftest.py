"""A cloud of points without symmetries, and a rotated, reordered copy of it in more dimensions."""

from types import SimpleNamespace

import numpy as np
import pytest

from skgw import GWMatcher
from skgw.matching.alignment import MatchingSettings

N = 60


@pytest.fixture
def quick():
    """A matcher that fits in a moment."""
    return lambda **params: GWMatcher(
        **{"metric": "euclidean", "n_init": 4, "random_state": 0, **params}
    )


@pytest.fixture
def few_rows(monkeypatch):
    """Function that limits the reference rows and the rows of a subsample."""

    def limit(n_rows):
        settings = MatchingSettings(max_reference=n_rows, pool_rows=n_rows)
        monkeypatch.setattr("skgw.matching.matcher.SETTINGS", settings)

    return limit


@pytest.fixture(scope="session")
def copies():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 3)) * [3, 2, 1] + rng.exponential(size=(N, 1)) * [2, 1, 0]
    frame = np.linalg.qr(rng.normal(size=(5, 3)))[0]  # orthonormal columns
    order = rng.permutation(N)
    shift = rng.normal(size=5)

    def move(Z):
        return Z @ frame.T + shift

    return SimpleNamespace(X=X, Y=move(X)[order], match=np.argsort(order), order=order, move=move)
