import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgw.base.coupling import Coupling

PLAN = np.array([[0.1, 0.3, 0.0], [0.2, 0.05, 0.35]])


@pytest.fixture
def coupling():
    return Coupling(PLAN.copy())


def test_it_is_an_array(coupling):
    assert coupling.shape == (2, 3)
    assert_array_equal(coupling.toarray(), PLAN)
    assert_array_equal(np.asarray(coupling), PLAN)
    assert np.asarray(coupling, dtype=np.float32).dtype == np.float32
    assert np.asarray(coupling).sum() == pytest.approx(1)


def test_arrays_are_copies(coupling):
    coupling.toarray()[:] = 0
    np.array(coupling)[:] = 0
    assert_array_equal(coupling.plan, PLAN)


def test_apply_sums_against_rows_or_columns(coupling):
    assert_allclose(coupling.apply([1.0, 2.0]), [0.5, 0.4, 0.7])
    assert_allclose(coupling.apply([1.0, 2.0, 3.0], axis=1), [0.7, 1.35])
    Y = np.arange(6.0).reshape(3, 2)
    assert_allclose(coupling.apply(Y, axis=1), PLAN @ Y)


def test_argmax_along_either_axis(coupling):
    assert_array_equal(coupling.argmax(), [1, 2])
    assert_array_equal(coupling.argmax(axis=0), [1, 0, 1])


def test_the_heaviest_columns_come_first(coupling):
    columns, masses = coupling.topk(2)
    assert_array_equal(columns, [[1, 0], [2, 0]])
    assert_array_equal(masses, [[0.3, 0.1], [0.35, 0.2]])
    for k in (1, 3):
        columns, masses = coupling.topk(k)
        assert_array_equal(masses, -np.sort(-PLAN, axis=1)[:, :k])
        assert_array_equal(masses, np.take_along_axis(PLAN, columns, 1))


def test_sparse_keeps_the_heaviest(coupling):
    kept = coupling.to_sparse(2)
    assert sparse.issparse(kept)
    assert_array_equal(kept.toarray(), [[0.1, 0.3, 0.0], [0.2, 0.0, 0.35]])
    assert_array_equal(coupling.to_sparse(3).toarray(), PLAN)


@pytest.mark.parametrize("k", [0, 4])
def test_the_number_of_columns_is_checked(coupling, k):
    for method in (coupling.topk, coupling.to_sparse):
        with pytest.raises(ValueError, match=f"k must be between 1 and 3, got {k}"):
            method(k)


@pytest.mark.parametrize("axis", [2, -1, None])
def test_axis_is_checked(coupling, axis):
    with pytest.raises(ValueError, match="axis must be 0 or 1"):
        coupling.argmax(axis)
    with pytest.raises(ValueError, match="axis must be 0 or 1"):
        coupling.apply(np.ones(3), axis)


def test_it_compares_by_identity(coupling):
    assert coupling == coupling
    assert coupling != Coupling(PLAN.copy())


def test_products_are_in_the_wider_type():
    """Offsets of 1e9 survive the float32 of a fitted plan."""
    plan = Coupling(np.full((2, 2), 0.25, dtype=np.float32))
    x = np.array([1e9 + 1, 1e9 + 2])
    assert plan.apply(x, axis=1).dtype == plan.barycenter(x).dtype == np.float64
    assert_allclose(plan.barycenter(x), 1e9 + 1.5, rtol=1e-15)
    assert plan.apply(np.ones(2, dtype=np.float32)).dtype == np.float32
    assert plan.apply([1, 2]).dtype == np.float64
