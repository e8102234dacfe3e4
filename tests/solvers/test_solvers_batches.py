"""Lists of matrices: problems of different sizes have the answers that each has alone."""

import warnings

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.spatial.distance import cdist

from skgw.solvers import PointCloud, gw_divergence, solve_gromov

SIZES_A, SIZES_B = (14, 9, 11), (8, 12, 10)
OPTIONS = {"reg": 0.05, "tol": 1e-9, "max_iter": 500}


def cloud(n, seed):
    return np.random.default_rng(seed).normal(size=(n, 3)) * [3, 2, 1]


def distances(sizes, first_seed=0):
    return [cdist(x, x) for x in (cloud(n, first_seed + k) for k, n in enumerate(sizes))]


def weights(sizes):
    return [np.random.default_rng(n).dirichlet(np.full(n, 5.0)) for n in sizes]


@pytest.fixture(scope="module")
def problems():
    rng = np.random.default_rng(1)
    return {
        "Ca": distances(SIZES_A), "Cb": distances(SIZES_B, 10),
        "M": [5 * rng.random(shape) for shape in zip(SIZES_A, SIZES_B, strict=True)],
        "a": weights(SIZES_A), "b": weights(SIZES_B),
    }  # fmt: skip


def one(problems, k):
    return {name: x if x is None else x[k] for name, x in problems.items()}


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize(
    "options",
    [
        {}, {"loss": "KL"}, {"loss": "KL", "kl_shift": 0.5}, {"unbalanced": 0.5, "init": "anneal"},
        {"mass": 0.7, "init": "anneal"}, {"init": "tlb"}, {"init": "flb"}, {"n_init": 4},
        {"backend": "torch"}, {"reg_scale": None, "reg": 0.5},
    ],
)  # fmt: skip
def test_values_and_plans_are_those_of_each_problem_alone(problems, options, kind):
    options = OPTIONS | options
    result = solve_gromov(**{k: kind(x) for k, x in problems.items()}, **options)
    assert isinstance(result.plan, list)
    assert result.value.shape == result.cost.shape == result.reg.shape == (3,)
    for k in range(3):
        alone = solve_gromov(**one(problems, k), **options)
        assert result.value[k] == pytest.approx(float(alone.value), rel=1e-7)
        assert result.reg[k] == pytest.approx(float(alone.reg), rel=1e-9)
        np.testing.assert_allclose(result.plan[k], alone.plan, atol=1e-6)
        for parts, expected in zip(
            (*result.potentials, *result.marginals), (*alone.potentials, *alone.marginals),
            strict=True,
        ):  # fmt: skip
            assert parts[k].shape == expected.shape
        np.testing.assert_allclose(result.marginals[1][k], alone.marginals[1], atol=1e-6)


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_divergence(problems, loss, backend):
    options = OPTIONS | {"loss": loss, "backend": backend}
    given = {name: problems[name] for name in ("Ca", "Cb", "a", "b")}
    value = gw_divergence(**given, **options)
    alone = [float(gw_divergence(**one(given, k), **options)) for k in range(3)]
    assert value == pytest.approx(alone, rel=1e-6)
    _, (cross, self_a, self_b) = gw_divergence(**given, return_results=True, **options)
    assert [plan.shape for plan in cross.plan] == list(zip(SIZES_A, SIZES_B, strict=True))
    assert [plan.shape for plan in self_a.plan] == [(n, n) for n in SIZES_A]
    assert [plan.shape for plan in self_b.plan] == [(n, n) for n in SIZES_B]


def test_one_side_may_be_shared(problems):
    Cb = problems["Cb"][0]
    result = solve_gromov(problems["Ca"], Cb, **OPTIONS)
    for k, C in enumerate(problems["Ca"]):
        alone = solve_gromov(C, Cb, **OPTIONS)
        assert result.value[k] == pytest.approx(float(alone.value), rel=1e-7)
    assert result.marginals[1].shape == (3, 8)  # one size
    swapped = solve_gromov(Cb, problems["Ca"], **OPTIONS)
    assert [plan.shape for plan in swapped.plan] == [(8, n) for n in SIZES_A]


def test_methods_give_a_list(problems):
    result = solve_gromov(problems["Ca"], problems["Cb"], **OPTIONS)
    points = [cloud(m, 5) for m in SIZES_B]
    for k, moved in enumerate(result.barycenter(points)):
        plan = result.plan[k]
        np.testing.assert_allclose(moved, plan @ points[k] / plan.sum(1, keepdims=True))
        np.testing.assert_array_equal(result.argmax()[k], plan.argmax(1))
        np.testing.assert_array_equal(result.topk(2)[k][0][:, 0], plan.argmax(1))
        assert result.to_sparse(2)[k].shape == plan.shape
        assert result.to_sparse(2)[k].nnz == 2 * len(plan)
    assert "3 of 3 converged" in repr(result)
    with pytest.raises(ValueError, match=r"different shapes, \(14, 8\), .* take each of them"):
        np.asarray(result)
    with pytest.raises(ValueError, match="list of 2 arrays for 3 plans"):
        result.apply(points[:2], axis=1)


def test_warm_starts(problems):
    given = problems | {"M": None}
    first = solve_gromov(**given, **OPTIONS)
    for init in (first.state, first.plan):
        again = solve_gromov(**given, init=init, **OPTIONS)
        assert (again.n_iter < first.n_iter).all()
        np.testing.assert_allclose(again.value, first.value, rtol=1e-7)
    with pytest.raises(ValueError, match="init holds plans of shapes"):
        solve_gromov(**given, init=[plan.T for plan in first.plan])


def test_tensors_and_gradients(problems):
    given = {k: [torch.tensor(x).requires_grad_() for x in xs] for k, xs in problems.items()}
    result = solve_gromov(**given, **OPTIONS)
    result.value.sum().backward()
    for k in range(3):
        alone = {name: x[k].detach().clone().requires_grad_() for name, x in given.items()}
        solve_gromov(**alone, **OPTIONS).value.backward()
        for name, x in alone.items():
            torch.testing.assert_close(given[name][k].grad, x.grad, rtol=1e-5, atol=1e-7)
    assert isinstance(result.plan[0], torch.Tensor)


def test_a_list_of_one_size_is_the_stacked_array(problems):
    Ca = [problems["Ca"][0], 2 * problems["Ca"][0]]
    listed, stacked = (solve_gromov(x, problems["Cb"][0]) for x in (Ca, np.stack(Ca)))
    np.testing.assert_array_equal(listed.plan, stacked.plan)
    tensors = solve_gromov([torch.tensor(x) for x in Ca], torch.tensor(problems["Cb"][0]))
    torch.testing.assert_close(tensors.plan, torch.tensor(stacked.plan))


def test_nested_lists_are_one_matrix():
    matrix = [[0, 1, 2], [1, 0, 1.5], [2, 1.5, 0]]
    result = solve_gromov(matrix, matrix, a=[0.5, 0.25, 0.25])
    assert result.plan.shape == (3, 3)
    batch = solve_gromov([matrix, [[0, 1], [1, 0]]], matrix)
    assert [plan.shape for plan in batch.plan] == [(3, 3), (2, 3)]


def test_clouds_and_sizes_of_one(problems):
    clouds = [cloud(n, n) for n in (1, 7, 4)]
    result = solve_gromov([PointCloud(x) for x in clouds], problems["Cb"], **OPTIONS)
    alone = [
        float(solve_gromov(cdist(x, x), C, **OPTIONS).value)
        for x, C in zip(clouds, problems["Cb"], strict=True)
    ]
    np.testing.assert_allclose(result.value, alone, rtol=1e-7)


def test_lists_that_do_not_fit(problems):
    Ca, Cb, M, a, _ = problems.values()
    cases = [
        ({"Ca": Ca, "Cb": Cb[:2]}, ValueError, "give all batches the same length"),
        ({"Ca": Ca, "Cb": Cb[0], "a": a[0]}, ValueError, "give a as a list of as many arrays"),
        ({"Ca": Ca, "Cb": Cb[0], "a": a[:2]}, ValueError, "give a as a list of as many arrays"),
        ({"Ca": Ca, "Cb": Cb, "M": M[0]}, ValueError, "give M as a list of one matrix"),
        ({"Ca": Ca, "Cb": Cb, "M": M[::-1]}, ValueError, r"M\[0\] has shape"),
        ({"Ca": Ca[0], "Cb": Cb[0], "a": a}, ValueError, "a holds arrays of different shapes"),
        ({"Ca": [Ca[0], Ca[1][:3]], "Cb": Cb[0]}, ValueError, r"Ca\[1\] must be a square matrix"),
        ({"Ca": [sparse.csr_array(C) for C in Ca], "Cb": Cb}, TypeError, r"Ca\[0\] is sparse"),
        ({"Ca": [Ca[0], torch.tensor(Ca[1])], "Cb": Cb[0]}, TypeError, "not a mixture"),
        ({"Ca": [Ca[0], 1j * Ca[1]], "Cb": Cb[0]}, TypeError, r"Ca\[1\] must hold real numbers"),
        ({"Ca": [Ca[0], np.nan * Ca[1]], "Cb": Cb[0]}, ValueError, r"Ca\[1\] contains NaN"),
        ({"Ca": [Ca[0], Ca[1], Ca[0][0]], "Cb": Cb[0]}, ValueError, "Ca is a list of unequal"),
        ({"Ca": Ca, "Cb": Cb, "plan": "lazy"}, TypeError, "takes one pair of spaces"),
        ({"Ca": Ca, "Cb": Cb, "init": "identity"}, ValueError, "same size and weights"),
    ]
    for given, error, message in cases:
        with pytest.raises(error, match=message):
            solve_gromov(**given)


def test_padding_warns_of_nothing(problems):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for options in ({}, {"loss": "KL"}, {"unbalanced": 0.5}, {"mass": 0.5}):
            solve_gromov(problems["Ca"], problems["Cb"], reg=0.05, **options)
