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
