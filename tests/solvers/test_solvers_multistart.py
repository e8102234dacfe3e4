"""Pools of starts: they find what single starts miss, and say what they found."""

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from skgw.solvers import solve_gromov
from skgw.solvers.quadratic.multistart import generator_from
from skgw.solvers.settings import (
    DenseSettings,
    DescentSettings,
    LowRankSettings,
    MultistartSettings,
)
from skgw.spaces import graph_distances

RING = graph_distances(nx.cycle_graph(24))
SQUARE = cdist(corners := np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]]), corners)
EXPECTED = ("anneal", "tlb", *["spectral"] * 4, *["pairs"] * 2)


def noisy_ball(seed):
    """A Gaussian cloud in space, and a noisy copy in the same order."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 3))
    return cdist(x, x), cdist(y := x + 0.3 * rng.normal(size=x.shape), y)


@pytest.mark.parametrize("seed", [2, 4, 6])
def test_the_best_plan_is_found_where_single_starts_miss_it(seed):
    Ca, Cb = noisy_ball(seed)
    best = solve_gromov(Ca, Cb, reg=0.01, init="identity")
    for init in ("product", "anneal"):
        assert solve_gromov(Ca, Cb, reg=0.01, init=init).value > best.value + best.reg
    pooled = solve_gromov(Ca, Cb, reg=0.01, n_init=8)
    assert pooled.converged
    assert pooled.value == pytest.approx(best.value, abs=1e-3 * best.reg)
    assert abs(pooled.plan - best.plan).sum() < 1e-2


@pytest.mark.parametrize(
    "graph",
    [nx.hypercube_graph(4), nx.grid_2d_graph(6, 6, periodic=True), nx.petersen_graph()],
    ids=["hypercube", "torus", "petersen"],
)
def test_symmetric_graphs_are_matched(graph):
    D = graph_distances(graph)
    order = np.random.default_rng(0).permutation(len(D))
    result = solve_gromov(D, D[np.ix_(order, order)], n_init=16)
    identity = solve_gromov(D, D, init="identity")
    assert result.value == pytest.approx(identity.value, abs=0.01 * result.reg)
    assert result.starts.ambiguous


@pytest.mark.parametrize("C", [RING, SQUARE], ids=["ring", "square"])
def test_symmetric_spaces_are_ambiguous(C):
    report = solve_gromov(C, C, n_init=8).starts
    assert report.ambiguous is True
    assert report.agreement > 0.5


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_a_mixture_without_symmetries_is_not(noisy_copies, loss):
    Ca, Cb, order = noisy_copies(50, noise=0.02)
    result = solve_gromov(Ca, Cb, reg=2e-3, loss=loss, n_init=8)
    report = result.starts
    assert report.ambiguous is False
    assert (result.argmax(axis=0) == order).mean() > 0.9
    assert report.names == EXPECTED
    assert report.values.shape == report.distances.shape == (8,)
    # Values of coarse plans are close to the values of converged plans.
    assert report.values.min() == pytest.approx(result.value, abs=1e-2 * result.reg)
    best = report.values.argmin()
    assert report.distances[best] < 1e-3
    near = report.values < report.values[best] + 0.05 * result.reg
    assert report.agreement == near.mean()
    assert (report.distances[near] < 0.1).all()
    worst = report.values.argmax()
    assert report.distances[worst] > 0.5  # a flipped cloud is another matching


def test_never_worse_than_a_single_start(mixture):
    for seed in range(3):
        Ca, Cb = (cdist(x, x) for x in (mixture(40, seed), mixture(30, seed + 1)))
        single = solve_gromov(Ca, Cb, reg=0.01)
        for n_init in (2, 3, 5):
            pooled = solve_gromov(Ca, Cb, reg=0.01, n_init=n_init)
            assert pooled.value < single.value + 1e-3 * single.reg
    assert single.starts is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_batch_is_the_loop(noisy_copies, mixture, loss, dtype):
    Cb, Ca, _ = noisy_copies(30, 24, noise=0.1)
    batch = np.stack([Ca, cdist(mixture(24, 5), mixture(24, 5)), 0 * Ca]).astype(dtype)
    rng = np.random.default_rng(0)
    M, b = rng.random((3, 24, 30)).astype(dtype), rng.dirichlet(np.ones(30), 3).astype(dtype)
    options = {"loss": loss, "reg": 0.02, "alpha": 0.9, "n_init": 8}
    result = solve_gromov(batch, Cb.astype(dtype), M, b=b, **options)
    assert result.starts.values.shape == (3, 8)
    assert result.starts.agreement.shape == result.starts.ambiguous.shape == (3,)
    for i in range(3):
        single = solve_gromov(batch[i], Cb.astype(dtype), M[i], b=b[i], **options)
        margin = float((1e-3 if dtype == np.float64 else 2e-2) * single.reg)
        assert single.value == pytest.approx(result.value[i], abs=margin)
        np.testing.assert_allclose(
            np.sort(single.starts.values), np.sort(result.starts.values[i]), atol=2 * margin
        )
        assert single.starts.ambiguous == result.starts.ambiguous[i]


def test_pieces_are_the_whole(solve_with, noisy_copies):
    Ca, Cb, _ = noisy_copies(30, 24, noise=0.1)
    whole = solve_gromov(Ca, Cb, reg=0.02, n_init=8)
    settings = DenseSettings(multistart=MultistartSettings(max_entries=3 * 30 * 24))
    pieces = solve_with(settings, Ca, Cb, reg=0.02, n_init=8)
    np.testing.assert_allclose(pieces.plan, whole.plan, atol=1e-6)
    assert pieces.starts.names == whole.starts.names


def test_low_rank_kernels_give_exact_values(solve_with, noisy_copies):
    Ca, Cb, _ = noisy_copies(60, 50, noise=0.1)
    dense = solve_gromov(Ca, Cb, reg=0.02, n_init=5)
    settings = DenseSettings(
        descent=DescentSettings(max_compiled_size=0), low_rank=LowRankSettings(min_size=50, rank=8)
    )
    low_rank = solve_with(settings, Ca, Cb, reg=0.02, n_init=5)
    assert low_rank.converged
    assert low_rank.value == pytest.approx(dense.value, abs=1e-3 * dense.reg)
    assert low_rank.starts.values.min() == pytest.approx(dense.value, abs=0.05 * dense.reg)


@pytest.mark.parametrize("kind", ["name", "plan", "state"])
def test_a_given_start_joins_the_pool(noisy_copies, kind):
    Ca, Cb, _ = noisy_copies(30, noise=0.1)
    single = solve_gromov(Ca, Cb, reg=0.02)
    init = {"name": "product", "plan": single.plan, "state": single.state}[kind]
    report = solve_gromov(Ca, Cb, reg=0.02, init=init, n_init=6).starts
    first = {"name": "product", "plan": "plan", "state": "state"}[kind]
    assert report.names == (first, "anneal", "tlb", "spectral", "spectral", "pairs")
    if kind != "name":
        assert report.values[0] == pytest.approx(single.value, abs=1e-2 * single.reg)
    alone = solve_gromov(Ca, Cb, reg=0.02, init="tlb", n_init=2).starts
    assert alone.names == ("tlb", "anneal")


def test_tensors_give_tensors_and_gradients(noisy_copies):
    Ca, Cb = (torch.tensor(C) for C in noisy_copies(20, noise=0.1)[:2])
    Ca.requires_grad_()
    result = solve_gromov(Ca, Cb, reg=0.05, n_init=4)
    result.value.backward()
    assert isinstance(result.starts.values, torch.Tensor)
    alone = Ca.detach().clone().requires_grad_()
    solve_gromov(alone, Cb, reg=0.05).value.backward()
    torch.testing.assert_close(Ca.grad, alone.grad, atol=1e-5, rtol=1e-3)


def test_random_state_decides_the_draws():
    def values(random_state):
        return solve_gromov(*noisy_ball(0), n_init=8, random_state=random_state).starts.values

    np.testing.assert_array_equal(values(None), values(0))
    np.testing.assert_array_equal(values(3), values(3))
    np.testing.assert_array_equal(
        values(np.random.default_rng(3)), values(np.random.default_rng(3))
    )
    legacy = [np.random.RandomState(3) for _ in range(2)]
    np.testing.assert_array_equal(*(values(state) for state in legacy))
    one, other = values(0), values(1)
    np.testing.assert_array_equal(one[:6], other[:6])  # nothing is drawn for these
    assert (one[6:] != other[6:]).all()


def test_a_generator_moves_on():
    rng = np.random.default_rng(0)
    assert generator_from(rng).initial_seed() != generator_from(rng).initial_seed()


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 5), (2, 3)])
def test_few_points(n, m):
    x = np.arange(max(n, m))[:, None] ** 1.5
    Ca, Cb = cdist(x[:n], x[:n]), cdist(x[:m], x[:m])
    result = solve_gromov(Ca, Cb, reg=0.05, n_init=12)
    assert result.converged
    assert result.value < solve_gromov(Ca, Cb, reg=0.05).value + 1e-6


def test_points_without_weight_are_never_drawn(noisy_copies):
    Ca, Cb, order = noisy_copies(40, 20, noise=0.01)
    a = np.zeros(40)
    a[order] = 1 / 20
    result = solve_gromov(Ca, Cb, a=a, reg=1e-3, n_init=12)
    assert np.isfinite(result.starts.values).all()
    assert (result.argmax(axis=0) == order).mean() > 0.9


@pytest.mark.parametrize("n_init", [0, -1, 2.0, "8", None])
def test_numbers_of_starts_that_make_no_sense(n_init):
    with pytest.raises(ValueError, match="n_init must be an integer of at least 1"):
        solve_gromov(SQUARE, SQUARE, n_init=n_init)


def test_random_states_that_make_no_sense():
    with pytest.raises(TypeError, match="random_state must be None, an integer"):
        solve_gromov(SQUARE, SQUARE, n_init=2, random_state="seed")
