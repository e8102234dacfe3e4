"""Methods of the result: sums against the plan, heaviest matches, barycentres."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.special import entr

from skgw.solvers import PointCloud, as_plan, solve_gromov


@pytest.fixture(scope="module")
def result(noisy_copies):
    Ca, Cb, _ = noisy_copies(12, 10, noise=0.1)
    return solve_gromov(Ca, Cb, a=np.arange(1, 13) / 78, reg=0.02)


@pytest.fixture(scope="module")
def batch(noisy_copies):
    Ca, Cb, _ = noisy_copies(12, 10, noise=0.1)
    return solve_gromov(torch.tensor(np.stack([Ca, 2 * Ca])), torch.tensor(Cb), reg=0.02)


def test_apply(result):
    x, y = np.random.default_rng(0).random((12, 3)), np.random.default_rng(1).random((10, 3))
    np.testing.assert_allclose(result.apply(x), result.plan.T @ x)
    np.testing.assert_allclose(result.apply(x[:, 0]), result.plan.T @ x[:, 0])
    np.testing.assert_allclose(result.apply(y, axis=1), result.plan @ y)
    np.testing.assert_allclose(result.apply(y[:, 0], axis=1), result.plan @ y[:, 0])


def test_a_result_is_used_as_its_plan(result, batch):
    plan = as_plan(result.plan)
    np.testing.assert_array_equal(np.asarray(result), result.plan)
    assert np.asarray(result, dtype=np.float32).dtype == np.float32
    for found, expected in zip(result.topk(3), plan.topk(3), strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(result.to_sparse(3).toarray(), plan.to_sparse(3).toarray())
    np.testing.assert_array_equal(np.asarray(batch), batch.plan)
    assert batch.topk(3)[0].shape == (2, 12, 3)


def test_a_lazy_result_is_used_as_its_plan():
    cloud = PointCloud(np.random.default_rng(0).normal(size=(20, 2)))
    result = solve_gromov(cloud, cloud, plan="lazy")
    np.testing.assert_array_equal(np.asarray(result), result.plan.toarray())
    np.testing.assert_array_equal(result.topk(2)[0], result.plan.topk(2)[0])


def test_apply_to_a_batch(batch):
    x, y = torch.rand(2, 12, 3, dtype=torch.float64), torch.rand(10, 2, dtype=torch.float64)
    plan, close = batch.plan, torch.testing.assert_close
    close(batch.apply(x), torch.einsum("bij,bik->bjk", plan, x))  # one for each problem
    close(batch.apply(x[0]), torch.einsum("bij,ik->bjk", plan, x[0]))  # one for both
    close(batch.apply(x[0, :, 0]), torch.einsum("bij,i->bj", plan, x[0, :, 0]))
    close(batch.apply(y, axis=1), torch.einsum("bij,jk->bik", plan, y))
    close(batch.apply(y.T[..., None], axis=1)[..., 0], torch.einsum("bij,jb->bi", plan, y))


def test_square_batches_are_no_riddle(noisy_copies):
    # With as many problems as points, two axes are points and columns, not problems and points.
    Ca, Cb, _ = noisy_copies(12, 10, noise=0.1)
    plans = solve_gromov(np.stack([Ca] * 10), Cb, reg=0.1)
    Y = np.random.default_rng(0).random((10, 10))
    np.testing.assert_allclose(plans.apply(Y, axis=1), plans.plan @ Y)


@pytest.mark.parametrize("kind", [np.ndarray.tolist, np.float32, torch.tensor])
def test_lists_and_other_dtypes(result, batch, kind):
    Y = np.random.default_rng(0).random((10, 3)).astype(np.float32).astype(np.float64)
    points = result.barycenter(kind(Y))
    assert points.dtype == np.float64
    np.testing.assert_array_equal(points, result.barycenter(Y))
    points = batch.barycenter(kind(Y))
    assert points.dtype == torch.float64
    torch.testing.assert_close(points, batch.barycenter(torch.tensor(Y)))


def test_shapes_that_do_not_fit(result, batch):
    for shape in [(12,), (12, 3), (3, 10), (2, 10, 3), ()]:
        with pytest.raises(ValueError, match=r"axis 1 of the plan takes \(10,\) or \(10, k\)\.$"):
            result.barycenter(np.ones(shape))
    for shape in [(10,), (2, 12), (3, 12, 1), (2, 10, 1), (2, 2, 12, 1)]:
        with pytest.raises(ValueError, match=r"axis 0 .*\(12,\) or \(12, k\) or \(2, 12, k\)\.$"):
            batch.apply(torch.ones(shape))


def test_argmax(result, batch):
    np.testing.assert_array_equal(result.argmax(), result.plan.argmax(1))
    np.testing.assert_array_equal(result.argmax(axis=0), result.plan.argmax(0))
    assert batch.argmax().shape == (2, 12)
    assert batch.argmax(axis=0).shape == (2, 10)
    assert torch.equal(batch.argmax(axis=0)[1], batch.plan[1].argmax(0))


def test_barycenter(result, batch):
    Y = np.random.default_rng(0).random((10, 3))
    expected = result.plan @ Y / result.plan.sum(1, keepdims=True)
    np.testing.assert_allclose(result.barycenter(Y), expected)
    np.testing.assert_allclose(result.barycenter(Y[:, 0]), expected[:, 0])
    np.testing.assert_allclose(result.barycenter(np.ones((10, 2))), 1)  # a mean, not a sum
    both = batch.barycenter(torch.tensor(np.stack([Y, Y])))
    one = batch.plan[1] @ torch.tensor(Y) / batch.plan[1].sum(1, keepdim=True)
    torch.testing.assert_close(both[1], one)
    torch.testing.assert_close(batch.barycenter(torch.tensor(Y)), both)
    torch.testing.assert_close(batch.barycenter(torch.tensor(Y[:, 0])), both[..., 0])


def test_barycenter_of_a_point_without_mass(noisy_copies):
    Ca, Cb, _ = noisy_copies(12, 10, noise=0.1)
    a = np.r_[0, np.full(11, 1 / 11)]
    points = solve_gromov(Ca, Cb, a=a, reg=0.02).barycenter(np.ones((10, 2)))
    np.testing.assert_allclose(points, np.r_[[[np.nan] * 2], np.ones((11, 2))])


@pytest.mark.parametrize("axis", [2, -1, None])
def test_axis(result, axis):
    for call in (lambda: result.apply(np.ones(12), axis), lambda: result.argmax(axis)):
        with pytest.raises(ValueError, match="axis must be 0 or 1"):
            call()


def test_marginals_are_those_of_the_plan(result):
    np.testing.assert_allclose(result.marginals[0], np.arange(1, 13) / 78)
    np.testing.assert_allclose(result.marginals[1], result.plan.sum(0))
    off = (
        abs(result.plan.sum(1) - np.arange(1, 13) / 78).sum() + abs(result.plan.sum(0) - 0.1).sum()
    )
    assert result.marginal_error == pytest.approx(off)
    assert off < 1e-5


def test_potentials_and_cost_give_the_plan(noisy_copies):
    Ca, Cb, _ = noisy_copies(12, 10, noise=0.1)
    a = np.arange(1, 13) / 78
    result = solve_gromov(Ca, Cb, a=a, reg=0.02, tol=1e-9)
    f, g = result.potentials
    scores = (f[:, None] + g[None] - result.state.cost) / result.reg
    np.testing.assert_allclose(a[:, None] / 10 * np.exp(scores), result.plan, atol=1e-8)


def test_value_is_energy_minus_entropy(result):
    entropy = -(result.plan * np.log(np.maximum(result.plan, 1e-300))).sum()
    assert result.value == pytest.approx(result.cost - result.reg * entropy, rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_value_of_a_coarse_plan(noisy_copies, weighted):
    Ca, Cb, _ = noisy_copies(40, 30, noise=0.1)
    b = np.arange(1, 31) / 465 if weighted else None
    exact = solve_gromov(Ca, Cb, b=b, reg=0.01, tol=1e-10, max_iter=1000)
    coarse = solve_gromov(Ca, Cb, b=b, reg=0.01, tol=1e-2)
    of_plan = coarse.cost - coarse.reg * entr(coarse.plan).sum()
    assert 5e-5 < coarse.marginal_error < 1e-2
    assert abs(coarse.value - exact.value) < 0.1 * abs(of_plan - exact.value)


def test_frozen_and_compared_by_identity(result):
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.plan = None
    assert result == result
    assert result != dataclasses.replace(result)


@pytest.mark.parametrize("options", [{"mass": 0.5, "reg": 1e-3}, {"unbalanced": 1e-3, "reg": 1e-4}])
def test_rows_that_are_left_out_have_no_match(options):
    """Three outliers, far from the origin: their projection is not the origin in silence."""
    rng = np.random.default_rng(0)
    target = rng.normal(size=(30, 2)) * [3, 1] + 50
    source = np.r_[target, rng.normal(size=(3, 2)) + 400]
    result = solve_gromov(cdist(source, source), cdist(target, target), **options)
    left_out = result.marginals[0] < 1e-20
    assert left_out[-3:].all()
    np.testing.assert_array_equal(np.isnan(result.barycenter(target)).all(1), left_out)
    np.testing.assert_array_equal(result.argmax(axis=1) == -1, left_out)
    np.testing.assert_array_equal(result.topk(2)[0][:, 0] == -1, left_out)
    assert (result.barycenter(target)[~left_out] > 40).all()


def test_parts_of_the_cost(noisy_copies):
    Ca, Cb, _ = noisy_copies(12, 10, noise=0.1)
    M = np.random.default_rng(0).random((12, 10)) - 0.5
    for options in ({}, {"unbalanced": 0.3}, {"mass": 0.6}):
        r = solve_gromov(Ca, Cb, M, alpha=0.3, reg=0.02, **options)
        mass = r.plan.sum()
        assert r.value_linear == pytest.approx(0.7 * mass * (M * r.plan).sum(), rel=1e-5)
        p, q = r.plan.sum(1), r.plan.sum(0)
        distortion = p @ Ca**2 @ p + q @ Cb**2 @ q - 2 * ((Ca @ r.plan @ Cb) * r.plan).sum()
        assert r.value_quad == pytest.approx(0.3 * distortion, rel=1e-3, abs=1e-6)
        assert r.cost == r.value_linear + r.value_quad
    assert solve_gromov(Ca, Cb, reg=0.02).value_linear == 0
    assert solve_gromov(Ca, Cb, M, alpha=0, reg=0.02).value_quad == 0


def test_a_result_is_shown_in_two_lines(result, batch):
    assert repr(result).count("\n") == batch.__repr__().count("\n") == 1
    for part in ("(12, 10)", "converged", f"value={float(result.value):.4g}", "n_iter="):
        assert part in repr(result)
    for part in ("(2, 12, 10)", "2 of 2 converged", f"value=[{float(batch.value[0]):.4g}"):
        assert part in repr(batch)
    assert repr(result.state) == "State(cost of shape (12, 10), potential of shape (10,))"
    assert len(repr(batch)) < 200


def test_many_problems_are_shown_in_two_lines(noisy_copies):
    Ca, Cb, _ = noisy_copies(6, 5)
    result = solve_gromov(np.stack([Ca] * 50), Cb, reg=0.1, n_init=3)
    assert len(repr(result)) < 250
    assert len(repr(result.starts)) < 120
    assert "3 starts" in repr(result.starts)
    assert "..." in repr(result)


def test_a_result_is_not_unpacked(result):
    with pytest.raises(TypeError, match=r"take result\.plan"):
        _plan, _log = result


@pytest.mark.parametrize("copy", [None, True, False])
def test_numpy_asks_for_the_plan(result, batch, copy):
    for found in (result, batch):
        array = np.array(found, copy=copy)
        np.testing.assert_array_equal(array, np.asarray(found.plan))
        assert np.shares_memory(array, np.asarray(found.plan)) != bool(copy)
    assert np.array(result, dtype=np.float32, copy=True).dtype == np.float32
