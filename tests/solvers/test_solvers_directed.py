"""Spaces whose relations are not symmetric: values of POT, definitions, finite differences."""

import warnings

import networkx as nx
import numpy as np
import ot
import pytest
import torch
from sklearn.metrics import pairwise_distances

from skgw.metrics import gw_distance
from skgw.solvers import gw_barycenter, gw_divergence, solve_gromov
from skgw.solvers.initializers.basic import identity_start
from skgw.solvers.problems.quadratic import energy, quadratic_problem

STEP = 1e-4


def spaces(n=14, m=11, seed=0):
    """Two directed spaces with weights, and a cost between them."""
    rng = np.random.default_rng(seed)
    a, b = (rng.uniform(0.5, 1.5, k) for k in (n, m))
    Ca, Cb = (rng.uniform(0.2, 1.2, (k, k)) for k in (n, m))
    return Ca, Cb, rng.random((n, m)), a / a.sum(), b / b.sum()


def losses(x, y, loss):
    return (x - y) ** 2 if loss == "L2" else x * np.log(x / y) - x + y


def quadratic_cost(Ca, Cb, plan, loss="L2"):
    """Sum over i, j, k, l of L(Ca_ik, Cb_jl) T_ij T_kl, from the definition."""
    L = losses(Ca[:, None, :, None], Cb[None, :, None, :], loss)
    return np.einsum("ijkl,ij,kl->", L, plan, plan)


def permuted(C, seed=0):
    order = np.random.default_rng(seed).permutation(len(C))
    return C[np.ix_(order, order)], order


def matched_share(result, order):
    """Share of the points whose heaviest match is right: column j is point order[j]."""
    return float((order[result.argmax(axis=1)] == np.arange(len(order))).mean())


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_energy_and_gradient_of_the_problem(loss):
    Ca, Cb, M, a, b = spaces()
    tensors = [torch.as_tensor(x)[None] for x in (Ca, Cb, a, b, M)]
    problem = quadratic_problem(*tensors[:4], loss=loss, M=tensors[4], alpha=0.7, directed=True)
    plan = ot.emd(a, b, M)
    T = torch.as_tensor(plan)[None]
    expected = 0.3 * (M * plan).sum() + 0.7 * quadratic_cost(Ca, Cb, plan, loss)
    gradient = problem.gradient(T)
    assert float(energy(problem, T, gradient)) == pytest.approx(expected, rel=1e-12)
    other = torch.as_tensor(np.outer(a, b))[None]
    step = other - T
    ahead, behind = (T + t * step for t in (1e-3, -1e-3))
    slope = [energy(problem, x, problem.gradient(x)) for x in (ahead, behind)]
    assert float((gradient * step).sum()) == pytest.approx(
        float(slope[0] - slope[1]) / 2e-3, rel=1e-8
    )


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_identity_start_holds_its_potential(loss):
    Ca, Cb, _, a, _ = spaces(12, 12)
    options = {"loss": loss, "kl_shift": 0, "reg": 1e-2, "init": "identity", "max_iter": 1}
    with pytest.warns(match="did not converge"):
        near = solve_gromov(Ca, Cb, a=a, b=a, **options)
    assert near.plan.sum() == pytest.approx(1)
    tensors = [torch.as_tensor(x)[None] for x in (Ca, Ca, a, a)]
    start = identity_start(quadratic_problem(*tensors, directed=True))
    reduced = start.cost - start.potential[:, :, None] - start.potential[:, None, :]
    assert float(reduced.min()) > -1e-12
    assert float(reduced.diagonal(dim1=1, dim2=2).abs().max()) < 1e-12


@pytest.mark.parametrize("backend", ["numba", "torch"])
@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_cost_is_that_of_the_plan(loss, backend):
    Ca, Cb, M, a, b = spaces()
    options = {"loss": loss, "kl_shift": 0, "backend": backend}
    plain = solve_gromov(Ca, Cb, a=a, b=b, reg=1e-2, **options)
    assert plain.converged
    assert plain.cost == pytest.approx(quadratic_cost(Ca, Cb, plain.plan, loss), rel=1e-6)
    fused = solve_gromov(Ca, Cb, M, a, b, alpha=0.4, reg=1e-2, **options)
    expected = 0.6 * (M * fused.plan).sum() + 0.4 * quadratic_cost(Ca, Cb, fused.plan, loss)
    assert fused.cost == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("sizes", [(2, 2), (2, 8), (9, 7)])
def test_differences_of_potentials_count(sizes):
    """A skew part f_i - f_j is zero after centring, and has a cost of its own."""
    rng = np.random.default_rng(0)
    Ca, Cb = (
        pairwise_distances(rng.normal(size=(n, 2))) + 0.3 * np.subtract.outer(f, f)
        for n, f in ((n, rng.normal(size=n)) for n in sizes)
    )
    result = solve_gromov(Ca, Cb, reg=0.1)
    assert float(result.cost) == pytest.approx(quadratic_cost(Ca, Cb, np.asarray(result)), rel=1e-4)


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_backends_agree(loss):
    Ca, Cb, M, a, b = spaces()
    one, other = (
        solve_gromov(Ca, Cb, M, a, b, loss=loss, reg=0.3, tol=1e-9, backend=backend)
        for backend in ("numba", "torch")
    )
    np.testing.assert_allclose(one.plan, other.plan, atol=1e-9)


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("fused", [False, True])
def test_entropic_values_of_pot(loss, fused):
    Ca, Cb, M, a, b = spaces()
    name = {"L2": "square_loss", "KL": "kl_loss"}[loss]
    options = {
        "loss_fun": name, "epsilon": 0.1, "symmetric": False,
        "max_iter": 2000, "tol": 1e-12, "numItermax": 5000, "stopThr": 1e-12,
    }  # fmt: skip
    ours = {"loss": loss, "kl_shift": 0, "reg": 0.1, "reg_scale": None, "tol": 1e-9}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if fused:
            options |= {"alpha": 0.6}
            plan = ot.gromov.entropic_fused_gromov_wasserstein(M, Ca, Cb, a, b, **options)
        else:
            plan = ot.gromov.entropic_gromov_wasserstein(Ca, Cb, a, b, **options)
    extra = {"M": M, "alpha": 0.6} if fused else {}
    result = solve_gromov(Ca, Cb, a=a, b=b, **extra, **ours)
    np.testing.assert_allclose(result.plan, plan, atol=1e-6)


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("fused", [False, True])
def test_without_entropy_not_above_pot(loss, fused):
    name = {"L2": "square_loss", "KL": "kl_loss"}[loss]
    for seed in range(5):
        Ca, Cb, M, a, b = spaces(seed=seed)
        if fused:
            theirs = ot.gromov.fused_gromov_wasserstein2(
                M, Ca, Cb, a, b, loss_fun=name, symmetric=False
            )
        else:
            theirs = ot.gromov.gromov_wasserstein2(Ca, Cb, a, b, loss_fun=name, symmetric=False)
        result = solve_gromov(
            Ca, Cb, M if fused else None, a, b,
            loss=loss, kl_shift=0, reg=0, max_iter=2000, tol=1e-5,
        )  # fmt: skip
        cost = quadratic_cost(Ca, Cb, result.plan, loss)
        expected = 0.5 * ((M * result.plan).sum() + cost) if fused else cost
        assert result.converged
        assert result.value == pytest.approx(expected, rel=1e-9)
        assert result.value <= theirs * (1 + 1e-4) + 1e-9


@pytest.mark.parametrize("init", ["anneal", "product", "flb", "tlb", "spectral"])
@pytest.mark.parametrize("reg", [1e-3, 0])
def test_directed_graphs_are_matched(init, reg):
    graph = nx.gnp_random_graph(40, 0.15, seed=3, directed=True)
    C = nx.to_numpy_array(graph)
    D, order = permuted(C)
    result = solve_gromov(C, D, reg=reg, init=init, n_init=1 if reg == 0 else 6)
    assert matched_share(result, order) == 1.0
    assert result.cost == pytest.approx(0, abs=1e-3)


def test_direction_counts():
    """A path and the reversed path differ in no symmetric part; the plan turns one around."""
    C = np.triu(np.ones((8, 8)), 1)
    result = solve_gromov(C, C.T, reg=1e-3)
    np.testing.assert_array_equal(result.argmax(axis=1), np.arange(8)[::-1])
    assert result.cost == pytest.approx(0, abs=1e-6)
    assert gw_distance(C, C.T) == pytest.approx(0, abs=1e-6)
    cycle, chord = np.roll(np.eye(6), 1, axis=1), np.roll(np.eye(6), 2, axis=1)
    assert gw_distance(cycle, cycle + chord) > 0.1


def test_a_symmetric_space_sees_the_symmetric_part():
    Ca, Cb, _, a, b = spaces()
    Ca = Ca + Ca.T
    result = solve_gromov(Ca, Cb, a=a, b=b, reg=1e-2)
    part = solve_gromov(Ca, (Cb + Cb.T) / 2, a=a, b=b, reg=result.reg, reg_scale=None)
    np.testing.assert_allclose(result.plan, part.plan, atol=1e-4)
    assert result.cost == pytest.approx(quadratic_cost(Ca, Cb, np.asarray(result)), rel=1e-6)


def test_reversing_both_spaces_changes_nothing():
    Ca, Cb, M, a, b = spaces()
    one, other = (solve_gromov(C, D, M, a, b) for C, D in ((Ca, Cb), (Ca.T, Cb.T)))
    np.testing.assert_allclose(one.plan, other.plan, atol=1e-9)


def test_batches_of_symmetric_and_directed_spaces():
    (Ca, Cb, *_), (C, D, *_) = spaces(10, 12), spaces(8, 9, seed=1)
    firsts, seconds = [Ca, C + C.T], [Cb, D]
    batch = solve_gromov(firsts, seconds, reg=2e-2)
    for k, (x, y) in enumerate(zip(firsts, seconds, strict=True)):
        single = solve_gromov(x, y, reg=2e-2)
        np.testing.assert_allclose(batch.plan[k], single.plan, atol=1e-4)
        assert batch.value[k] == pytest.approx(float(single.value), rel=1e-6)


@pytest.mark.parametrize("options", [{"unbalanced": 0.5}, {"mass": 0.6}], ids=str)
@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_free_marginals(options, loss):
    Ca, Cb, M, a, b = spaces()
    result = solve_gromov(Ca, Cb, M, a, b, loss=loss, kl_shift=0, reg=2e-2, **options)
    plan, mass = result.plan, result.plan.sum()
    expected = 0.5 * (mass * (M * plan).sum() + quadratic_cost(Ca, Cb, plan, loss))
    assert result.converged
    assert result.cost == pytest.approx(expected, rel=1e-6)
    plain = solve_gromov(Ca, Cb, M, a, b, loss=loss, kl_shift=0, reg=2e-2)
    full = solve_gromov(
        Ca, Cb, M, a, b, loss=loss, kl_shift=0, reg=2e-2, unbalanced=1e6, init="anneal"
    )
    np.testing.assert_allclose(full.plan, plain.plan, atol=1e-4)


@pytest.mark.parametrize("varied", ["Ca", "Cb", "M", "a", "b"])
@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_gradients_are_finite_differences(varied, loss):
    arrays = dict(zip(("Ca", "Cb", "M", "a", "b"), map(torch.tensor, spaces()), strict=True))
    options = {"loss": loss, "reg": 0.3, "reg_scale": None, "kl_shift": 0, "tol": 1e-9}
    noise = torch.Generator().manual_seed(0)
    direction = torch.randn(arrays[varied].shape, dtype=torch.float64, generator=noise)
    if varied in "ab":
        direction = 0.05 * (direction - direction.mean())

    def value(x):
        return solve_gromov(**(arrays | {varied: x}), alpha=0.6, **options).value

    x = arrays[varied].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(x), x)
    ahead, behind = (value(arrays[varied] + t * direction) for t in (STEP, -STEP))
    exact = float((gradient * direction).sum())
    assert exact == pytest.approx(float(ahead - behind) / (2 * STEP), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_divergence(backend):
    Ca, Cb, _, a, b = spaces()
    D, order = permuted(Ca)
    options = {"reg": 1e-3, "backend": backend}
    assert gw_divergence(Ca, D, a, a[order], **options) == pytest.approx(0, abs=1e-6)
    assert gw_divergence(Ca, Cb, a, b, reg=0.1, backend=backend) > 1e-2
    arrays = [torch.tensor(x) for x in (Ca, Cb, a, b)]
    arrays[0].requires_grad_()
    value = gw_divergence(*arrays, reg=0.3, tol=1e-10, reg_scale=None, backend=backend)
    (gradient,) = torch.autograd.grad(value, arrays[0])
    with torch.no_grad():
        moved = [
            gw_divergence(
                arrays[0] + t * torch.eye(14, dtype=torch.float64).roll(1, 1), *arrays[1:],
                reg=0.3, tol=1e-10, reg_scale=None, backend=backend,
            )
            for t in (STEP, -STEP)
        ]  # fmt: skip
    slope = float(gradient.roll(-1, 1).diagonal().sum())
    assert slope == pytest.approx(float(moved[0] - moved[1]) / (2 * STEP), rel=1e-5)


def test_what_needs_symmetric_matrices_says_so():
    Ca, Cb, *_ = spaces()
    with pytest.raises(ValueError, match="not symmetric; pass"):
        gw_barycenter([Ca, Cb])
    with pytest.raises(ValueError, match=r"'L1'.*does not split.*use loss='L2'"):
        solve_gromov(Ca, Cb, loss="L1")
