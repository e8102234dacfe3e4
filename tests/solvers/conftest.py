"""Point clouds whose matching is known, for the solvers' tests."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import ortho_group

CENTERS = np.array([[0, 0, 0], [3, 0, 1], [0, 5, 0], [4, 4.5, 2]])  # no symmetry to confuse
SHARES = np.array([0.4, 0.3, 0.2, 0.1])


@pytest.fixture(scope="session")
def mixture() -> Callable[..., np.ndarray]:
    """``mixture(n, seed, n_dims=2)``: points of a mixture of four Gaussians without symmetries."""

    def sample(n: int, seed: int, n_dims: int = 2) -> np.ndarray:
        rng = np.random.default_rng(seed)
        labels = np.repeat(
            np.arange(4), np.diff(np.round(np.r_[0, SHARES.cumsum()] * n)).astype(int)
        )
        return CENTERS[labels, :n_dims] + 0.35 * rng.normal(size=(n, n_dims))

    return sample


@pytest.fixture(scope="session")
def noisy_copies(mixture) -> Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """``noisy_copies(n, m, seed, noise)``: distances of n points and of m of them, and which.

    The second space is turned in three dimensions, noisy and in an order of its own, so that row
    ``order[j]`` of the first belongs to row ``j`` of the second.
    """

    def build(n: int, m: int | None = None, seed: int = 0, noise: float = 0.0):
        rng = np.random.default_rng(seed)
        x = mixture(n, seed, n_dims=3)
        x[:, 2] = 0
        order = rng.permutation(n)[:m]
        y = x[order] @ ortho_group.rvs(3, random_state=seed)
        y = y + noise * rng.normal(size=y.shape)
        return cdist(x, x), cdist(y, y), order

    return build
