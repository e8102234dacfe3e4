"""Barycenters of copies, of two spaces, of features; sizes and weights."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from skgw.exceptions import GWConvergenceWarning
from skgw.metrics import gw_distance
from skgw.solvers import gw_barycenter


def spiral(n, seed=0, noise=0.0):
    t = np.linspace(0, 1, n)
    x = np.c_[(1 + 3 * t) * np.cos(5 * t), (1 + 3 * t) * np.sin(5 * t)]
    return x + noise * np.random.default_rng(seed).normal(size=x.shape)


def shuffled(C, seed):
    order = np.random.default_rng(seed).permutation(len(C))
    return C[np.ix_(order, order)], order


def test_the_barycenter_of_copies_is_the_space():
    x = spiral(30)
    copies = [shuffled(cdist(x, x), seed)[0] for seed in range(3)]
    found = gw_barycenter(copies)
    assert found.converged
    assert found.value < 1e-12
    assert gw_distance(found.structure, cdist(x, x)) < 1e-6


def test_the_barycenter_of_two_spaces_interpolates():
    x = spiral(30)
    C = cdist(x, x)
    other = 3 * shuffled(C, 1)[0]
    for share in (0.0, 0.25, 1.0):
        found = gw_barycenter([C, other], [1 - share, share])
        assert found.converged
        # On the geodesic between a space and its multiple: C times 1 + 2 share.
        assert gw_distance(found.structure, (1 + 2 * share) * C) < 1e-6 * C.max()


@pytest.mark.parametrize("size", [12, 25, 40])
def test_any_size(size):
    spaces = [cdist(x, x) for x in (spiral(25), spiral(31, 1, 0.05), spiral(20, 2, 0.05))]
    found = gw_barycenter(spaces, size=size)
    assert found.structure.shape == (size, size)
    assert [plan.shape for plan in found.plans] == [(25, size), (31, size), (20, size)]
    np.testing.assert_array_equal(found.structure, found.structure.T)
    assert found.value <= gw_barycenter(spaces, size=size, tol=1e6).value
    for plan in found.plans:
        np.testing.assert_allclose(plan.sum(0), 1 / size, atol=1e-12)
    assert gw_distance(found.structure, spaces[0]) < 0.3 * spaces[0].mean()


def test_the_updates_solve_their_equations():
    spaces = [cdist(x, x) for x in (spiral(18), spiral(15, 1, 0.2))]
    a = [np.random.default_rng(len(C)).dirichlet(np.full(len(C), 9.0)) for C in spaces]
    b = np.random.default_rng(0).dirichlet(np.full(12, 9.0))
    found = gw_barycenter(spaces, [0.3, 0.7], a=a, b=b, tol=1e-12, max_iter=200)
    expected = sum(
        w * T.T @ C @ T for w, C, T in zip((0.3, 0.7), spaces, found.plans, strict=True)
    ) / np.outer(b, b)
    np.testing.assert_allclose(found.structure, expected, atol=1e-6)
    np.testing.assert_allclose(found.plans[0].sum(1), a[0], atol=1e-12)
    np.testing.assert_allclose(found.weights, b)


def test_features_of_copies():
    x = spiral(20)
    colours = np.linspace(0, 1, 20)[:, None] ** 2
    pairs = [shuffled(cdist(x, x), seed) for seed in range(3)]
    found = gw_barycenter([C for C, _ in pairs], features=[colours[o] for _, o in pairs])
    assert found.value < 1e-12
    np.testing.assert_allclose(np.sort(found.features[:, 0]), colours[:, 0], atol=1e-9)


def test_what_is_fixed_stays():
    x = spiral(20)
    C, F = cdist(x, x), np.linspace(0, 1, 20)[:, None]
    options = {"features": [F, 1 - F], "size": 20}
    kept = gw_barycenter([C, 2 * C], structure=C, fixed="structure", **options)
    np.testing.assert_array_equal(kept.structure, C)
    kept = gw_barycenter([C, 2 * C], node_features=F, fixed="features", **options)
    np.testing.assert_array_equal(kept.features, F)


def test_free_weights_find_those_of_the_space():
    x = spiral(12)
    C = cdist(x, x)
    a = np.random.default_rng(0).dirichlet(np.full(12, 3.0))
    fixed = gw_barycenter([C], a=[a], structure=C, fixed="structure")
    free = gw_barycenter([C], a=[a], b="free", structure=C, fixed="structure", tol=1e-7)
    assert free.weights.sum() == pytest.approx(1)
    assert free.value < 0.5 * fixed.value
    assert abs(free.weights - a).sum() < 0.7 * abs(1 / 12 - a).sum()


def test_tensors_types_and_entropy():
    spaces = [cdist(x, x).astype(np.float32) for x in (spiral(20), spiral(16))]
    found = gw_barycenter([torch.tensor(C) for C in spaces], reg=5e-3)
    assert isinstance(found.structure, torch.Tensor)
    assert found.structure.dtype == torch.float32
    same = gw_barycenter(spaces, reg=5e-3)
    assert same.structure.dtype == np.float32
    np.testing.assert_allclose(same.structure, found.structure.numpy(), atol=1e-4)
    assert "20, 20" in repr(found)


def test_the_budget_is_reported():
    spaces = [cdist(x, x) for x in (spiral(20), spiral(16, 1, 0.3))]
    with pytest.warns(GWConvergenceWarning, match="did not converge in 1 updates"):
        found = gw_barycenter(spaces, size=10, max_iter=1, tol=1e-12)
    assert (found.converged, found.n_iter) == (False, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"Cs": []}, "Cs holds no space"),
        ({"Cs": [np.zeros((2, 3))]}, r"Cs\[0\] must be a square matrix"),
        ({"b": "uneven"}, "b must be 'uniform', 'free' or an array of weights"),
        ({"fixed": "nodes"}, "fixed must be None, 'structure' or 'features'"),
        ({"fixed": "structure"}, "needs structure"),
        ({"fixed": "features"}, "needs node_features"),
        ({"size": 4, "structure": np.zeros((5, 5))}, "differ in size"),
        ({"size": 0}, "size must be an integer of at least 1"),
        ({"node_features": np.zeros((5, 1))}, "node_features without features"),
        ({"a": [np.ones(5) / 5] * 2}, "a holds 2 arrays for 1 spaces"),
        ({"features": [np.zeros((3, 1))]}, r"features\[0\] has shape \(3, 1\), Cs\[0\] 5 points"),
        ({"reg": -1}, "reg must be a number of at least 0"),
    ],
)
def test_invalid_input(options, message):
    with pytest.raises(ValueError, match=message):
        gw_barycenter(**({"Cs": [np.zeros((5, 5))]} | options))
