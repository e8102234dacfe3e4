"""A plan kept by its potentials does what the array does."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax

from skgw.base.coupling import Coupling
from skgw.solvers import LazyPlan, lazy_plan

N, M = 50, 40


@pytest.fixture
def plan():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(N, 3)), 3 * rng.normal(size=(M, 3))
    return LazyPlan(left, right, rng.normal(size=M), rng.dirichlet(np.ones(N)))


@pytest.fixture
def dense(plan):
    return plan.a[:, None] * softmax(plan.left @ plan.right.T + plan.scores, axis=1)


@pytest.fixture(params=[1, 7, 1000], ids="{} rows".format)
def block_size(request, monkeypatch):
    monkeypatch.setitem(lazy_plan.BLOCK_BYTES, "cpu", request.param * M * 8)


@pytest.mark.usefixtures("block_size")
def test_it_does_what_the_array_does(plan, dense):
    rng = np.random.default_rng(1)
    assert plan.shape == (N, M)
    assert_allclose(plan.toarray(), dense)
    for index in ([3, 1], np.arange(5)[::-1], slice(4, 9), dense[:, 0] > 0.001):
        assert_allclose(plan.rows(index), dense[index])
    for shape in ((), (2,)):
        x, y = rng.normal(size=(N, *shape))[::-1], rng.normal(size=(M, *shape))
        assert_allclose(plan.apply(x), dense.T @ x)
        assert_allclose(plan.apply(y, axis=1), dense @ y)
        mass = dense.sum(1).reshape(N, *(1 for _ in shape))
        assert_allclose(plan.barycenter(y), dense @ y / mass)
    for axis in (0, 1):
        assert_array_equal(plan.argmax(axis), dense.argmax(axis))
        assert_allclose(plan.marginals()[1 - axis], dense.sum(axis))


@pytest.mark.usefixtures("block_size")
def test_coupling_of_a_lazy_plan(plan, dense):
    there, here = Coupling(dense), Coupling(plan)
    assert here.shape == there.shape
    assert_allclose(np.asarray(here), dense)
    assert_allclose(here.toarray(), dense)
    assert_allclose(here.apply(np.ones(N)), there.apply(np.ones(N)))
    assert_array_equal(here.argmax(), there.argmax())
    for lazily, directly in zip(here.topk(4), there.topk(4), strict=True):
        assert_allclose(lazily, directly)
    assert_allclose(here.to_sparse(4).toarray(), there.to_sparse(4).toarray())


def test_weights_of_zero(plan):
    a, scores = plan.a.copy(), plan.scores.copy()
    a[0], scores[5] = 0, -np.inf
    plan = LazyPlan(plan.left, plan.right, scores, a)
    assert (plan.toarray()[0] == 0).all()
    assert (plan.toarray()[:, 5] == 0).all()
    assert_array_equal(np.isfinite(plan.barycenter(np.ones(M))), a > 0)


def test_kinds_and_pickles(plan, dense):
    tensors = LazyPlan(*(torch.tensor(x) for x in (plan.left, plan.right, plan.scores, plan.a)))
    assert isinstance(tensors.apply(torch.ones(N)), torch.Tensor)
    assert isinstance(tensors.numpy().left, np.ndarray)
    assert_allclose(np.asarray(tensors), dense)
    assert_allclose(pickle.loads(pickle.dumps(plan)).toarray(), dense)
    for x in (plan.left, plan.a):
        x.flags.writeable = False  # as joblib's memory maps are
    assert_allclose(plan.toarray(), dense)
    single = LazyPlan(*(x.astype(np.float32) for x in (plan.left, plan.right, plan.scores, plan.a)))
    assert single.apply(np.ones(N)).dtype == np.float32


def test_no_array_beyond_the_limit():
    n, m = 100_000, 1_001
    plan = LazyPlan(np.zeros((n, 1)), np.zeros((m, 1)), np.zeros(m), np.full(n, 1 / n))
    with pytest.raises(ValueError, match=r"100000 x 1001 entries is too large. Use rows\(index\)"):
        plan.toarray()
    with pytest.raises(ValueError, match="too large"):
        np.asarray(Coupling(plan))


def test_errors(plan):
    with pytest.raises(ValueError, match="axis must be 0 or 1"):
        plan.apply(np.ones(N), axis=2)
    with pytest.raises(ValueError, match="axis must be 0 or 1"):
        plan.argmax(2)
    with pytest.raises(ValueError, match=r"shape \(3,\); to sum over axis 1 of the plan takes"):
        plan.barycenter(np.ones(3))
    with pytest.raises(ValueError, match="k must be between 1 and 40, got 41"):
        plan.topk(41)
