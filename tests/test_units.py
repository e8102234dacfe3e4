"""Any unit of the data gives the same result up to the unit, or is refused."""

import numpy as np
import pytest
from common_estimators import ESTIMATORS
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import pairwise_distances

from skgw import GWCoTrainedAutoencoders, GWMatcher
from skgw.metrics import relative_distortion
from skgw.nn.coded_domain import Scaler

pytestmark = pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning")
NAMES = (
    "features", "geodesic", "precomputed", "matcher", "variational", "wasserstein",
    "wasserstein, critic", "gromov-wasserstein", "co-trained", "co-trained, geodesic",
)  # fmt: skip


def fitted(name, X, Y, unit, **params):
    """An estimator of rows in a unit, and its training rows."""
    estimator = clone(ESTIMATORS[name]).set_params(random_state=0, **params)
    if getattr(estimator, "metric", "") == "precomputed":
        X = pairwise_distances(X)
    second = [Y] if estimator.__sklearn_tags__().target_tags.required else []
    return estimator.fit(unit * X, *second), unit * X


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X, Y = (rng.gamma(2.0, size=(n, d)) * np.arange(d, 0, -1) for n, d in ((30, 4), (24, 3)))
    return X, Y


def outputs(estimator, X, Y, unit):
    """Outputs in the unit of the first domain, divided by it."""
    out = {"score": estimator.score(X)}
    if hasattr(estimator, "translate"):
        out["translated"] = estimator.translate(X)
        out["to the unit"] = estimator.translate(Y, domain="y") / unit
        out["match"] = estimator.match(X)
    if hasattr(estimator, "inverse_transform"):
        Z = np.ones((3, estimator.n_components))
        if hasattr(estimator, "generated_"):
            Z = Z * unit
        out["inverse"] = estimator.inverse_transform(Z) / unit
    if hasattr(estimator, "generated_"):
        out["embedding"] = estimator.transform(X) / unit
        out["samples"] = estimator.sample(5, random_state=0) / unit
    return out


@pytest.mark.parametrize("exponent", [-320, -130, 130, 320])
@pytest.mark.parametrize("name", NAMES)
def test_powers_of_two_do_not_matter(name, exponent, data):
    X, Y = data
    expected = outputs(*fitted(name, X, Y, 1.0), Y, 1.0)
    found = outputs(*fitted(name, X, Y, 2.0**exponent), Y, 2.0**exponent)
    if name == "variational":  # the density of a row has a unit
        found["score"] += exponent * np.log(2)
    for part, values in expected.items():
        scale = np.abs(values).max()
        assert_allclose(found[part], values, rtol=1e-6, atol=1e-6 * scale, err_msg=part)


@pytest.mark.parametrize("unit", [1e-307, 1e-170, 1e-120, 1e120, 1e170, 1e300])
@pytest.mark.parametrize("name", NAMES)
def test_extreme_units_are_refused(name, unit, data):
    """Without a warning of numpy before."""
    with pytest.raises(ValueError, match=r"largest magnitude in X is .* Rescale X"):
        fitted(name, *data, unit)


def test_an_extreme_unit_of_the_second_domain(data):
    X, Y = data
    for estimator in (GWMatcher(metric="euclidean"), GWCoTrainedAutoencoders(1)):
        with pytest.raises(ValueError, match=r"In the second domain, y: The largest magnitude"):
            estimator.fit(X, 1e200 * Y)


def test_new_rows_may_be_small_and_not_huge(data):
    estimator, X = fitted("features", *data, 1.0)
    assert np.isfinite(estimator.transform(1e-200 * X[:3])).all()
    with pytest.raises(ValueError, match="largest magnitude"):
        estimator.transform(1e200 * X[:3])


def test_squares_of_float32_rows(data):
    X, Y = (1e25 * x.astype(np.float32) for x in data)
    with pytest.raises(ValueError, match="leave the range of float32"):
        fitted("features", X, Y, np.float32(1), metric="sqeuclidean")


@pytest.mark.parametrize("name", NAMES)
def test_rows_that_coincide_have_a_finite_score(name, data):
    same = np.full((20, 3), 0.1)
    estimator, X = fitted(name, same, data[1], 1.0)
    assert np.isfinite(estimator.score(X))
    jitter = np.random.default_rng(0).choice([0, 1e-17], size=X.shape)
    if name != "precomputed":
        assert np.isfinite(estimator.score(X + jitter))


def test_distortion_without_a_unit():
    zero, one = np.zeros((2, 3)), np.ones((2, 3))
    assert relative_distortion(zero, zero) == 0
    assert relative_distortion(zero, one) == relative_distortion(one, zero) == 1
    assert relative_distortion(zero, 1e-300 * one) == 1


@pytest.mark.parametrize("unit", [1e-300, 1.0, 1e300])
def test_distortion_in_any_unit(unit):
    D = unit * np.array([[3.0, 4.0]])
    assert relative_distortion(D, 1.1 * D) == pytest.approx(0.1)
    assert np.isfinite(relative_distortion(D / unit * 1e-300, D / unit * 1e300))


def test_the_scaler_in_any_unit(data):
    X, _ = data
    one, tiny = Scaler.of(X), Scaler.of(2.0**-700 * X)
    assert_allclose(tiny.transform(2.0**-700 * X), one.transform(X), rtol=1e-12)
    rows = one.transform(X).astype(np.float32)
    assert_allclose(Scaler.of(2.0**900 * X).inverse_transform(rows), 2.0**900 * X, rtol=1e-5)


@pytest.mark.parametrize("shift", [2.0**20, 2.0**30])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "precomputed"])
def test_shifts_do_not_matter(name, shift, data):
    """Distances of features do not depend on the origin, and small ones are not lost far away."""
    X, Y = (np.round(x * 1024) / 1024 for x in data)  # so that the shift rounds nothing
    expected, _ = fitted(name, X, Y, 1.0)
    found, _ = fitted(name, X + shift, Y - shift, 1.0)
    rtol = 1e-4 if name == "gromov-wasserstein" else 1e-5  # rounding changes a coupling
    assert_allclose(found.score(X + shift), expected.score(X), rtol=rtol, atol=1e-9)
    if hasattr(expected, "translate"):
        assert_allclose(found.translate(X + shift) + shift, expected.translate(X), atol=1e-4)
        assert_array_equal(found.match(X + shift), expected.match(X))
    if hasattr(expected, "transform"):
        z = expected.transform(X)
        assert_allclose(found.transform(X + shift), z, atol=1e-4 * abs(z).max())


def test_shared_features_far_from_zero(data):
    """Shared features alone decide, here whole numbers at 1e9."""
    X, _ = data
    order = np.random.default_rng(1).permutation(len(X))
    F = 1e9 + np.arange(len(X))[:, None]
    matcher = GWMatcher(metric="euclidean", alpha=0.0, epsilon=1e-4, n_init=1, random_state=0)
    matcher.fit(X, X[:, :2], shared=(F, F[order]))
    assert_array_equal(order[matcher.match()], np.arange(len(X)))
