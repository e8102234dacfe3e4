"""Dense and lazy plans have the same methods, with the same answers."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax

from skgw.solvers import DensePlan, LazyPlan, Plan, as_plan

N, M = 30, 20


@pytest.fixture(scope="module")
def lazy():
    rng = np.random.default_rng(0)
    return LazyPlan(
        rng.normal(size=(N, 2)), rng.normal(size=(M, 2)), np.zeros(M), rng.dirichlet(np.ones(N))
    )


@pytest.fixture(scope="module")
def array(lazy):
    return lazy.a[:, None] * softmax(lazy.left @ lazy.right.T, axis=1)


@pytest.fixture(params=["lazy", "numpy", "torch"])
def plan(request, lazy, array):
    if request.param == "lazy":
        return lazy
    return DensePlan(array if request.param == "numpy" else torch.tensor(array))


def test_methods_of_the_interface(plan, array):
    assert isinstance(plan, Plan)
    assert tuple(plan.shape) == (N, M)
    x, y = (np.random.default_rng(1).random((k, 3)) for k in (N, M))
    assert_allclose(plan.apply(x), array.T @ x)
    assert_allclose(plan.apply(y[:, 0], axis=1), array @ y[:, 0])
    assert_allclose(plan.barycenter(y), array @ y / array.sum(1, keepdims=True))
    assert_array_equal(plan.argmax(), array.argmax(1))
    assert_array_equal(plan.argmax(axis=0), array.argmax(0))
    order = np.argsort(-array, axis=1)[:, :4]
    columns, masses = plan.topk(4)
    assert_array_equal(columns, order)
    assert_allclose(masses, np.take_along_axis(array, order, 1))
    kept = np.zeros_like(array)
    np.put_along_axis(kept, order, np.take_along_axis(array, order, 1), 1)
    assert_allclose(plan.to_sparse(4).toarray(), kept)
    assert_allclose(plan.toarray(), array)
    assert_allclose(np.asarray(plan), array)


def test_arrays_are_new(plan, array):
    plan.toarray()[:] = 0
    assert_allclose(np.asarray(plan), array)


@pytest.mark.parametrize("k", [0, M + 1])
def test_numbers_of_matches_that_make_no_sense(plan, k):
    with pytest.raises(ValueError, match=f"k must be between 1 and {M}, got {k}"):
        plan.topk(k)


def test_numbers_of_matches_are_integers(plan):
    with pytest.raises(TypeError, match=r"k must be an integer, got 1\.5"):
        plan.topk(1.5)


def test_a_batch_is_no_sparse_array(array):
    with pytest.raises(ValueError, match=r"batch of shape \(2, 30, 20\).*take each of them"):
        DensePlan(np.stack([array, array])).to_sparse(2)


def test_axes_and_shapes_that_make_no_sense(plan):
    with pytest.raises(ValueError, match="axis must be 0 or 1, got 2"):
        plan.argmax(2)
    with pytest.raises(ValueError, match=rf"axis 1 of the plan takes \({M},\)"):
        plan.apply(np.ones(N), axis=1)


def test_given_row_sums_are_used(array):
    plan = DensePlan(array, 2 * array.sum(1))
    assert_allclose(plan.barycenter(np.ones(M)), np.full(N, 0.5))


def test_as_plan(lazy, array):
    assert as_plan(lazy) is lazy
    assert as_plan(array).plan is array


@pytest.fixture(scope="module")
def with_gaps():
    """A plan whose rows 0 and 2, and whose column 1, have no mass, up to rounding."""
    return np.array([[0, 0, 0], [0.3, 0, 0.2], [1e-20, 1e-30, 0], [0.1, 0, 0.4]])


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_without_mass_have_no_match(with_gaps, kind, dtype):
    plan = DensePlan(kind(with_gaps.astype(dtype)))
    for Y in (np.arange(3.0), np.arange(6.0).reshape(3, 2) + 50):
        moved = np.asarray(plan.barycenter(Y))
        assert moved.dtype == dtype
        assert np.isnan(moved[[0, 2]]).all()
        expected = with_gaps[[1, 3]] @ Y / 0.5
        assert_allclose(moved[[1, 3]], expected, rtol=1e-6)
    assert_array_equal(plan.argmax(), [-1, 0, -1, 2])
    assert_array_equal(plan.argmax(0), [1, -1, 3])
    columns, masses = plan.topk(2)
    assert_array_equal(columns, [[-1, -1], [0, 2], [-1, -1], [2, 0]])
    assert_allclose(masses, [[0, 0], [0.3, 0.2], [0, 0], [0.4, 0.1]], rtol=1e-6)
    assert_allclose(plan.to_sparse(2).toarray(), np.where(with_gaps < 1e-3, 0, with_gaps))
    batch = DensePlan(kind(np.stack([with_gaps, with_gaps + 1])))
    assert_array_equal(batch.argmax()[0], [-1, 0, -1, 2])
    assert (np.asarray(batch.argmax()[1]) >= 0).all()
    assert np.isnan(np.asarray(batch.barycenter(np.ones((3, 2))))).any((1, 2)).tolist() == [1, 0]


def test_lazy_rows_without_mass_have_no_match(lazy, array):
    a = np.where(np.arange(N) % 3 == 0, 0, lazy.a)
    scores = np.where(np.arange(M) == 4, -np.inf, 0)
    plan = LazyPlan(lazy.left, lazy.right, scores, a)
    dense = DensePlan(plan.toarray())
    Y = np.random.default_rng(0).normal(size=(M, 2))
    assert np.isnan(plan.barycenter(Y)).all(1).tolist() == (a == 0).tolist()
    assert_allclose(plan.barycenter(Y), dense.barycenter(Y))
    assert_allclose(plan.barycenter(Y[:, 0]), dense.barycenter(Y[:, 0]))
    for axis in (0, 1):
        assert_array_equal(plan.argmax(axis), dense.argmax(axis))
    assert plan.argmax(0)[4] == -1
    for found, expected in zip(plan.topk(3), dense.topk(3), strict=True):
        assert_allclose(found, expected)
    assert_allclose(plan.to_sparse(3).toarray(), dense.to_sparse(3).toarray())


def test_very_small_weights_have_matches():
    """A weight is small against the mean, and not against its rounding error."""
    plan = np.eye(3) * [[1e-12], [0.5], [0.5]]
    assert_array_equal(DensePlan(plan).argmax(), [0, 1, 2])
    assert_allclose(DensePlan(plan).barycenter(np.arange(3.0)), np.arange(3.0))


def test_plans_are_shown_by_their_shapes(plan):
    assert len(repr(plan)) < 60
    assert "30, 20" in repr(plan)


def test_copies_that_numpy_asks_for(plan, array):
    assert np.asarray(plan, dtype=np.float32).dtype == np.float32
    copied = np.array(plan, copy=True)
    copied[:] = 0
    assert_allclose(np.asarray(plan), array)
    if isinstance(plan, LazyPlan):
        with pytest.raises(ValueError, match="is a copy"):
            np.array(plan, copy=False)
    elif isinstance(plan.plan, np.ndarray):
        assert np.array(plan, copy=False) is not None
        assert np.shares_memory(np.array(plan, copy=False), plan.plan)
