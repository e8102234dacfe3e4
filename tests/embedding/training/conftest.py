import numpy as np
import pytest
from _objectives import N
from scipy.spatial.distance import cdist


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return np.c_[rng.exponential(size=(N, 1)), rng.normal(size=(N, 1))] * [2, 1]


@pytest.fixture
def scale(X):
    return float(np.sqrt(np.mean(cdist(X, X) ** 2)))
