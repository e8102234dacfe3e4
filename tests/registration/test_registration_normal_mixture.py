"""Mixtures of normal distributions, chosen by held-out points."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.mixture import GaussianMixture

from skgw.registration.normal_mixture import fit_normal_mixture


def rng():
    return np.random.RandomState(0)


def modes(n, k, n_modes=5):
    source = np.random.default_rng(0)
    means = 8 * source.normal(size=(n_modes, k))
    return means[source.integers(n_modes, size=n)] + source.normal(size=(n, k))


@pytest.mark.parametrize("k", [2, 16])
def test_modes_are_found(k):
    points = modes(1000, k)
    mixture = fit_normal_mixture(points, 64, rng())
    assert 5 <= len(mixture.weights) <= 16
    sample = mixture.draw(4000, rng())
    assert_allclose(np.cov(sample.T), np.cov(points.T), atol=0.1 * points.var())


def test_shrinkage_serves_few_points_in_many_dimensions():
    """Held-out points are more likely than under the mixture of greatest likelihood."""
    train, test = modes(150, 16)[:100], modes(1150, 16)[150:]
    mixture = fit_normal_mixture(train, 8, rng())
    plain = GaussianMixture(8, random_state=0).fit(train)
    fitted = GaussianMixture(len(mixture.weights))
    fitted.weights_, fitted.means_ = mixture.weights, mixture.means
    inverses = np.linalg.inv(mixture.factors)
    fitted.precisions_cholesky_ = inverses.transpose(0, 2, 1)
    assert fitted.score(test) > plain.score(test)


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.ones((2, 3)), np.eye(2)])
def test_few_or_equal_points(points):
    mixture = fit_normal_mixture(points, 64, rng())
    assert len(mixture.weights) == 1
    assert np.isfinite(mixture.draw(9, rng())).all()


def test_the_size_is_limited():
    assert len(fit_normal_mixture(modes(400, 2, n_modes=16), 4, rng()).weights) <= 4
