"""Starts: the identity for self terms, and warm starts from the coupling of an earlier batch."""

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from skgw.solvers import State, solve_gromov
from skgw.solvers.initializers.basic import identity_start, matched_start, warm_start
from skgw.solvers.linear.balanced import solve_linear
from skgw.solvers.problems.quadratic import quadratic_problem
from skgw.solvers.quadratic.descent import CONVERGED, minimize
from skgw.spaces import graph_distances


def tensors(*arrays):
    return [torch.tensor(x)[None] for x in arrays]


@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_identity(mixture, uniform, loss):
    x = mixture(30, 0)
    weights = np.full(30, 1 / 30) if uniform else np.random.default_rng(0).dirichlet(np.ones(30))
    C, a = tensors(cdist(x, x) + 0.1, weights)
    problem = quadratic_problem(C, C, a, a, loss=loss)
    cost, potential = matched_start(problem, C, C, loss=loss)
    torch.testing.assert_close(cost, problem.gradient(torch.diag_embed(a)))
    row_potential = cost.diagonal(dim1=1, dim2=2) - potential
    slack = cost - row_potential[:, :, None] - potential[:, None, :]
    assert slack.min() > -1e-9  # the identity is optimal for its own linearised cost
    reg = torch.full((1,), 1e-4, dtype=C.dtype)
    solution = solve_linear(cost, a, a, reg, potential=potential, tol=reg, max_iter=0)
    assert solution.error < 1e-6  # and the potential that of its plan
    torch.testing.assert_close(solution.plan, torch.diag_embed(a), atol=1e-6, rtol=1e-4)
    if loss == "L2":
        start = identity_start(problem)
        torch.testing.assert_close(start.cost, cost)
        gap = start.potential - potential
        torch.testing.assert_close(gap, gap.mean().expand_as(gap))  # potentials up to a constant


def test_identity_with_other_weights_is_refused(mixture):
    C = cdist(mixture(20, 0), mixture(20, 0))
    a = np.random.default_rng(0).dirichlet(np.ones(20))
    with pytest.raises(ValueError, match="the same size and weights"):
        solve_gromov(C, C, a=a, init="identity")
    result = solve_gromov(C, C, a=a, b=a, reg=1e-4, init="identity")
    np.testing.assert_array_equal(result.argmax(), np.arange(20))


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_a_warm_start_for_the_same_points_gives_their_plan(noisy_copies, loss):
    Ca, Cb, _ = noisy_copies(30, 20, noise=0.1)
    a, b = np.random.default_rng(0).uniform(0.5, 1.5, 30), np.full(20, 1 / 20)
    Ca, Cb, a, b = tensors(Ca + 0.1, Cb + 0.1, a / a.sum(), b)
    problem = quadratic_problem(Ca, Cb, a, b, loss=loss)
    reg, tol = torch.full((1,), 0.1, dtype=a.dtype), torch.full((1,), 1e-10, dtype=a.dtype)
    level = 10 * reg
    solution = minimize(problem, reg, State(problem.offset), first_reg=level, tol=tol, max_iter=500)
    assert solution.status == CONVERGED
    start = warm_start(Ca, solution.plan, Cb, a, b, loss=loss)
    # The linearised cost is the solver's own up to rounding, and so is the plan.
    torch.testing.assert_close(start.cost, problem.gradient(solution.plan), atol=1e-8, rtol=1e-5)
    plan = solve_linear(
        start.cost, a, b, reg, potential=start.potential, tol=tol, max_iter=100
    ).plan
    torch.testing.assert_close(plan, solution.plan, atol=1e-8, rtol=1e-5)


def test_new_points_keep_the_orientation(mixture):
    # Two arms are mirror images of each other: a cold solve may exchange them, a warm-started solve
    # keeps them.
    def arms(seed):
        t = np.random.default_rng(seed).random(40)
        return np.c_[np.r_[t, -t[:35]], np.zeros(75)]

    old_x, old_y, x, y = arms(0), arms(1), arms(2), arms(3)
    old = solve_gromov(cdist(old_x, old_x), cdist(old_y, old_y), reg=0.01)
    flipped = np.sign((old.barycenter(old_y)[:, 0] * old_x[:, 0]).sum())
    a, b = tensors(np.full(75, 1 / 75), np.full(75, 1 / 75))
    cross = (*tensors(cdist(x, old_x), old.plan, cdist(y, old_y)), a, b)
    result = solve_gromov(cdist(x, x), cdist(y, y), reg=0.01, init=warm_start(*cross))
    assert np.sign((result.barycenter(y)[:, 0] * x[:, 0]).sum()) == flipped
    mirrored = (*tensors(cdist(x, old_x), old.plan, cdist(y, -old_y)), a, b)
    result = solve_gromov(cdist(x, x), cdist(y, y), reg=0.01, init=warm_start(*mirrored))
    assert np.sign((result.barycenter(y)[:, 0] * x[:, 0]).sum()) == -flipped


def test_a_plan_starts_where_it_points(noisy_copies):
    Ca, Cb, order = noisy_copies(30, noise=0.01)
    truth = np.zeros((30, 30))
    truth[order, np.arange(30)] = 1 / 30
    result = solve_gromov(Ca, Cb, reg=2e-4, init=truth)
    np.testing.assert_array_equal(result.argmax(axis=0), order)
    assert result.n_iter < solve_gromov(Ca, Cb, reg=2e-4).n_iter


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_state_continues_an_earlier_solve(noisy_copies, kind):
    Ca, Cb, _ = noisy_copies(40, 30, noise=0.1)
    cold = solve_gromov(kind(Ca), kind(Cb), reg=0.01, tol=1e-6)
    warm = solve_gromov(kind(Ca), kind(Cb), reg=0.01, tol=1e-6, init=cold.state)
    assert warm.n_iter <= 5 < cold.n_iter / 2
    assert abs(warm.plan - cold.plan).sum() < 1e-4


def test_one_start_for_all_problems_or_one_each(noisy_copies):
    Ca, Cb, _ = noisy_copies(20, noise=0.1)
    batch = np.stack([Ca, 1.1 * Ca])
    plans = solve_gromov(batch, Cb, reg=0.02).plan
    shared = solve_gromov(batch, Cb, reg=0.02, init=plans[0])
    each = solve_gromov(batch, Cb, reg=0.02, init=plans)
    np.testing.assert_allclose(shared.plan, each.plan, atol=1e-5)
    states = solve_gromov(batch, Cb, reg=0.02, init=each.state)
    assert states.n_iter.max() <= 5


@pytest.mark.parametrize("init", ["auto", "anneal", "product", "flb", "tlb", "spectral"])
def test_names(noisy_copies, init):
    Ca, Cb, order = noisy_copies(30)
    result = solve_gromov(Ca, Cb, reg=1e-3, init=init)
    np.testing.assert_array_equal(result.argmax(axis=0), order)


SYMMETRIC = {
    "cycle": nx.cycle_graph(40),
    "ladder": nx.circular_ladder_graph(30),
    "complete": nx.complete_graph(20),
    "bipartite": nx.complete_bipartite_graph(10, 10),
    "star": nx.star_graph(12),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("init", ["anneal", "product"])
@pytest.mark.parametrize("name", SYMMETRIC)
def test_points_that_look_alike_are_told_apart(name, init, dtype):
    # The product coupling is stationary on these graphs, but it is a saddle.
    D = graph_distances(SYMMETRIC[name]).astype(dtype)
    order = np.random.default_rng(0).permutation(len(D))
    result = solve_gromov(D, D[np.ix_(order, order)], init=init)
    identity = solve_gromov(D, D, init="identity")
    assert result.converged
    assert result.value < identity.value + 1e-2 * abs(identity.value) + 1e-4


@pytest.mark.parametrize(
    "graph",
    [nx.hypercube_graph(4), nx.grid_2d_graph(6, 6, periodic=True), nx.petersen_graph()],
    ids=["hypercube", "torus", "petersen"],
)
def test_no_start_ends_at_the_product_of_alike_points(graph):
    # Perfect matchings are hard to find here; any local minimum is well below the saddle.
    D = graph_distances(graph)
    product = solve_gromov(D, D, reg=10)
    assert product.cost > 0.9 * solve_gromov(D, D, reg=1e3).cost
    for init in ("anneal", "product"):
        assert solve_gromov(D, D, init=init).cost < 0.5 * product.cost
