"""Contract of every fit, on inputs of all kinds."""

import random

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.manifold import smacof

from skgw import GWGenerativeEmbedding
from skgw.base.coupling import Coupling
from skgw.exceptions import GWConvergenceWarning
from skgw.metrics import relative_distortion
from skgw.solvers import gw_divergence
from skgw.spaces import graph_distances


def global_random_state():
    numpy_state = np.random.get_state()[1].tobytes()  # noqa: NPY002
    return hash((random.getstate(), numpy_state, torch.get_rng_state().numpy().tobytes()))


def rotated(X):
    axes = np.linalg.qr(np.random.default_rng(1).normal(size=(X.shape[1], X.shape[1])))[0]
    return X @ axes + 7


# ------------------------------------------------------------------------ fitted attributes


def test_shapes_and_lengths(fitted):
    n = len(fitted.X) if not sparse.issparse(fitted.X) else fitted.X.shape[0]
    estimator = fitted.estimator
    assert estimator.embedding_.shape == (n, 2)
    assert estimator.generated_.shape == (40, 2)
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 3
    assert estimator.validation_curve_ == []
    assert np.isfinite(estimator.loss_curve_).all()


def test_plan_has_uniform_rows_and_columns(fitted):
    plan = fitted.estimator.plan_
    n = plan.shape[0]
    assert isinstance(plan, Coupling)
    assert (plan.toarray() >= 0).all()
    assert_allclose(plan.toarray().sum(1), 1 / n, rtol=1e-5)
    assert_allclose(plan.toarray().sum(0), 1 / 40, rtol=5e-2)


def test_generated_points_are_centred_along_principal_axes(fitted):
    points = fitted.estimator.generated_
    size = np.abs(points).max()
    assert_allclose(points.mean(0), 0, atol=1e-10 * size)
    covariance = points.T @ points
    assert covariance[0, 0] >= covariance[1, 1]
    assert abs(covariance[0, 1]) < 1e-10 * covariance[0, 0]
    assert ((points**3).sum(0) >= 0).all()


def test_divergence_between_the_data_and_the_cloud(quick, X, D):
    estimator = quick().fit(X)
    scale = np.sqrt(np.mean(D**2))
    E = cdist(estimator.generated_, estimator.generated_)
    expected = gw_divergence(D / scale, E / scale, reg=estimator.epsilon, reg_scale=None, tol=1e-4)
    assert 0 < estimator.gw_divergence_ < 1.02 * float(expected)


def stress_1(D, E):
    return np.sqrt(((D - E) ** 2).sum() / (E**2).sum())


def test_the_stress_is_that_of_multidimensional_scaling(quick, D):
    start = np.random.default_rng(0).normal(size=(40, 2))
    Z, stress = smacof(D, init=start, n_init=1, max_iter=3, normalized_stress=True)
    assert stress_1(D, cdist(Z, Z)) == pytest.approx(stress)
    estimator = quick(metric="precomputed").fit(D)
    Z = estimator.embedding_
    assert estimator.stress_ == pytest.approx(stress_1(D, cdist(Z, Z)))


@pytest.mark.parametrize("kind", ["features", "geodesic", "graph"])
def test_the_stress_of_many_rows_is_that_of_the_reference_rows(quick, inputs, kind):
    params, X, _ = inputs[kind]
    estimator = quick(**params)
    estimator.max_anchors, estimator.max_reference, estimator.chunk_size = 30, 20, 7
    estimator.fit(X)
    space, Z, all_of_them = (
        estimator._reference_space,
        estimator._reference_embedding,
        np.arange(20),
    )
    expected = stress_1(space.between(all_of_them, all_of_them), cdist(Z, Z))
    assert estimator.stress_ == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_a_coupling_that_has_not_converged_is_named_at_the_callers_line(quick, X, method):
    estimator = quick()
    estimator.max_coupling_iter = 1
    with pytest.warns(GWConvergenceWarning, match="raise epsilon") as caught:
        getattr(estimator, method)(X)
    assert [warning.filename for warning in caught] == [__file__]


# ------------------------------------------------------------------------------- transform


def test_fit_transform_is_fit_then_transform(fitted):
    Z = clone(fitted.estimator).fit_transform(fitted.X)
    assert_array_equal(Z, fitted.estimator.embedding_)
    assert_allclose(fitted.estimator.transform(fitted.X), Z, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("fitted", ["features", "geodesic", "precomputed"], indirect=True)
def test_the_embedding_of_a_row_does_not_depend_on_the_other_rows(fitted):
    rows = [5, 3, 3, 38]
    Z = fitted.estimator.transform(fitted.X[rows])
    assert_allclose(Z, fitted.estimator.embedding_[rows], rtol=1e-9, atol=1e-9)


def test_new_rows_land_among_the_generated_points(fitted):
    Z = fitted.estimator.transform(fitted.new)
    generated = fitted.estimator.generated_
    assert Z.shape == (2, 2)
    assert (np.abs(Z) < 2 * np.abs(generated).max(0)).all()


@pytest.mark.parametrize(("limit", "value"), [("chunk_size", 7), ("max_reference", 25)])
def test_large_inputs_are_treated_alike(fitted, limit, value):
    """In chunks of 7 rows; by distances to 25 of the training rows."""
    whole = fitted.estimator.embedding_
    estimator = clone(fitted.estimator)
    setattr(estimator, limit, value)
    estimator.fit(fitted.X)
    Z = estimator.transform(fitted.X)
    assert_allclose(Z, estimator.embedding_, rtol=1e-9, atol=1e-9)
    assert np.isfinite(estimator.score(fitted.X))
    assert_allclose(estimator.plan_.toarray().sum(1), 1 / len(Z), rtol=1e-5)
    if limit == "chunk_size":
        assert_allclose(Z, whole, rtol=1e-9, atol=1e-9)


def test_large_graphs_are_seen_from_some_of_their_nodes(fitted):
    estimator = clone(fitted.estimator)
    estimator.max_anchors = 20
    estimator.fit(fitted.X)
    Z = estimator.transform(fitted.X)
    assert_allclose(Z, estimator.embedding_, rtol=1e-9, atol=1e-9)
    assert len(Z) == estimator.plan_.shape[0]
    if fitted.kind == "graph":
        D, seen = graph_distances(fitted.X), estimator._reference_space.anchors
        expected = -relative_distortion(D[:, seen], cdist(Z, Z[seen]))
        assert len(seen) == 20
        assert estimator.score(fitted.X) == pytest.approx(expected, rel=1e-3)


def test_distances_need_not_fit_on_the_device(quick, X):
    whole, estimator = quick().fit(X).embedding_, quick()
    estimator.max_cached = 0
    assert_allclose(estimator.fit(X).embedding_, whole, atol=1e-2 * np.abs(whole).max())


@pytest.mark.parametrize("kind", ["features", "geodesic", "precomputed"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_in_is_dtype_out(quick, inputs, kind, dtype):
    params, X, new = inputs[kind]
    X, new = X.astype(dtype), new.astype(dtype)
    estimator = quick(**params).fit(X)
    assert estimator.embedding_.dtype == estimator.generated_.dtype == dtype
    assert estimator.transform(new).dtype == estimator.sample(3).dtype == dtype
    assert_allclose(estimator.transform(X), estimator.embedding_, atol=1e-3)
    if kind != "precomputed":
        assert estimator.inverse_transform(estimator.embedding_).dtype == dtype


# ------------------------------------------------------------------------------ randomness


def test_same_seed_same_result(quick, X):
    one, two, other = (quick(random_state=seed).fit(X) for seed in (3, 3, 4))
    assert_array_equal(one.embedding_, two.embedding_)
    assert_array_equal(one.sample(9, random_state=0), two.sample(9, random_state=0))
    assert not np.allclose(one.embedding_, other.embedding_)


def test_global_random_states_are_left_alone(fitted):
    before = global_random_state()
    estimator = clone(fitted.estimator).fit(fitted.X)
    estimator.sample(3, random_state=0)
    estimator.transform(fitted.X)
    assert global_random_state() == before


def test_a_random_state_object_moves_on(quick, X):
    rng = np.random.RandomState(0)
    one, two = (quick(random_state=rng).fit(X).embedding_ for _ in range(2))
    assert not np.allclose(one, two)


def test_the_embedding_is_invariant_under_rigid_transformations_and_follows_units(quick, X):
    Z = quick().fit(X).embedding_
    assert_allclose(quick().fit(rotated(X)).embedding_, Z, atol=1e-3 * np.abs(Z).max())
    assert_allclose(quick().fit(1e3 * X).embedding_, 1e3 * Z, atol=np.abs(Z).max())


# ---------------------------------------------------------------------------------- sample


def test_sample_is_seeded(fitted):
    estimator = fitted.estimator
    one, two, other = (estimator.sample(20, random_state=seed) for seed in (0, 0, 1))
    assert one.shape == (20, 2)
    assert estimator.sample().shape == (1, 2)
    assert_array_equal(one, two)
    assert not np.allclose(one, other)


def test_samples_are_distributed_like_the_cloud(fitted):
    sample, cloud = fitted.estimator.sample(4000, random_state=0), fitted.estimator.generated_
    assert_allclose(sample.mean(0), cloud.mean(0), atol=0.3 * cloud.std())
    assert_allclose(sample.std(0), cloud.std(0), rtol=0.6)  # a cloud of 40 points
    assert_allclose(sample.std(0), fitted.estimator.embedding_.std(0), rtol=0.2)


@pytest.mark.parametrize("n_samples", [0, -1, 2.5, "3", None])
def test_sample_needs_a_positive_number(fitted, n_samples):
    with pytest.raises((TypeError, ValueError), match=r"n_samples.*must be"):
        fitted.estimator.sample(n_samples)


def test_arrays_by_name(quick, X):
    estimator = quick().fit(X=X)
    assert_array_equal(quick().fit_transform(X=X), estimator.transform(X=X))
    back = estimator.inverse_transform(Z=estimator.embedding_)
    assert_array_equal(back, estimator.inverse_transform(estimator.embedding_))
    assert estimator.score(X=X, y=None) == estimator.score(X)


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "score", "save"])
def test_methods_wait_for_a_fit(method, X):
    with pytest.raises(NotFittedError):
        getattr(GWGenerativeEmbedding(), method)(X)
    with pytest.raises(NotFittedError):
        GWGenerativeEmbedding().sample()


# ----------------------------------------------------------------------- inverse_transform


def test_inverse_transform_gives_means_of_training_rows(fitted):
    if fitted.kind not in ("features", "geodesic"):
        assert not hasattr(fitted.estimator, "inverse_transform")
        with pytest.raises(AttributeError, match="has no attribute 'inverse_transform'"):
            fitted.estimator.inverse_transform(fitted.estimator.embedding_)
        return
    X = fitted.estimator.inverse_transform(fitted.estimator.sample(10, random_state=0))
    assert X.shape == (10, 3)
    assert ((fitted.X.min(0) <= X) & (fitted.X.max(0) >= X)).all()


def test_inverse_transform_wants_points_of_the_embedding(quick, X):
    with pytest.raises(ValueError, match="Z has 3 columns, points of the embedding have 2"):
        quick().fit(X).inverse_transform(X)


# ----------------------------------------------------------------------------------- score


def test_score_is_minus_the_relative_distortion(quick, X, inputs):
    new = inputs["features"][2]
    estimator = quick().fit(X)
    Dz = cdist(estimator.transform(new), estimator.embedding_)
    assert estimator.score(new) == pytest.approx(-relative_distortion(cdist(new, X), Dz), rel=1e-4)


def test_shuffled_distances_lower_the_score(quick, D):
    """Distances that belong to other training rows."""
    estimator = quick(metric="precomputed").fit(D)
    shuffled = np.random.default_rng(0).permutation(len(D))
    assert estimator.score(D[:5]) > estimator.score(D[:5, shuffled])


def test_weights_of_the_score_count_rows(quick, X):
    estimator = quick().fit(X)
    weighted = estimator.score(X[:3], sample_weight=[2, 0, 1])
    assert weighted == pytest.approx(estimator.score(X[[0, 0, 2]]))
    assert weighted != pytest.approx(estimator.score(X[:3]))


@pytest.mark.parametrize(
    ("weight", "message"), [([1, 2], "shape"), ([1, -1, 1], "Negative"), ([0, 0, 0], "zero")]
)
def test_weights_of_the_score_are_checked(quick, X, weight, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(X).score(X[:3], sample_weight=weight)
