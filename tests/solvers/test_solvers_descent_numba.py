"""The compiled solve agrees with the torch solve, problem by problem."""

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import cdist

from skgw.solvers import solve_gromov
from skgw.solvers.initializers.basic import identity_start, product_start
from skgw.solvers.problems.low_rank import low_rank_problem
from skgw.solvers.problems.quadratic import quadratic_problem
from skgw.solvers.quadratic import outer_step
from skgw.solvers.quadratic.descent import CONVERGED, MAX_ITER, NON_FINITE, minimize
from skgw.solvers.quadratic.passes_numba import product
from skgw.solvers.result import State
from skgw.solvers.settings import DenseSettings, DescentSettings

DTYPES = [torch.float64, torch.float32]


def set_up(Ca, Cb, a=None, b=None, *, dtype=torch.float64, **options):
    """A batch of problems, and the scale of each."""
    Ca, Cb = (torch.tensor(np.asarray(C)).reshape(-1, *np.shape(C)[-2:]) for C in (Ca, Cb))
    sides = []
    for C, p in ((Ca, a), (Cb, b)):
        p = np.full(C.shape[:2], 1 / C.shape[1]) if p is None else p
        sides.append(torch.tensor(p, dtype=dtype).expand(C.shape[:2]))
    M = options.pop("M", None)
    M = None if M is None else torch.tensor(M)[None].to(dtype)
    scale = 0.5 * ((Ca * Ca).mean((1, 2)) + (Cb * Cb).mean((1, 2)))
    return quadratic_problem(Ca.to(dtype), Cb.to(dtype), *sides, M=M, **options), scale.to(dtype)


def solve_both(problem, reg, start=None, *, tol=None, **options):
    """In torch and compiled."""
    tol = (1e-3 if reg.dtype == torch.float32 else 1e-8) if tol is None else tol
    start = State(problem.offset) if start is None else start
    return [
        minimize(problem, reg, start, tol=torch.full_like(reg, tol), backend=backend, **options)
        for backend in ("torch", "numba")
    ]


def assert_same(one, other, reg, *, same_steps=True):
    """Same plans, values, statuses; in float32 a step more or less is a matter of rounding."""
    exact = reg.dtype == torch.float64
    assert one.status.tolist() == other.status.tolist()
    if exact and same_steps:
        assert one.n_iter.tolist() == other.n_iter.tolist()
    else:
        assert (one.n_iter - other.n_iter).abs().max() <= 1
    distance = (one.plan - other.plan).abs().sum((1, 2))
    assert distance.max() < (1e-7 if exact else 2e-3)
    for name in ("cost", "potential", "energy", "error"):
        field, same = getattr(one, name), getattr(other, name)
        assert field.dtype == same.dtype
        if name == "potential":  # determined up to a constant
            field, same = (g - g.mean(1, keepdim=True) for g in (field, same))
        tolerance = (1e-5 if exact else 2e-2) * max(1.0, float(field.abs().max()))
        torch.testing.assert_close(field, same, atol=tolerance, rtol=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(30, 30), (33, 26), (5, 41)])
def test_annealed(noisy_copies, dtype, shape):
    Ca, Cb, _ = noisy_copies(max(shape), min(shape), noise=0.1)
    Ca, Cb = (Ca, Cb) if shape[0] > shape[1] else (Cb, Ca)
    problem, scale = set_up(Ca, Cb, dtype=dtype)
    reg = 0.02 * scale
    both = solve_both(problem, reg, first_reg=0.2 * scale)
    assert both[1].status == CONVERGED
    assert_same(*both, reg, same_steps=False)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m", [33, 26])
def test_annealed_with_low_rank_kernels(noisy_copies, dtype, m):
    Ca, Cb, _ = noisy_copies(33, m, noise=0.1)
    problem, scale = set_up(np.stack([Ca, 0.9 * Ca]), np.stack([Cb, Cb]), dtype=dtype)
    reg = 0.02 * scale
    options = {"first_reg": 0.2 * scale, "coarse": low_rank_problem(problem, 1)}
    assert_same(*solve_both(problem, reg, **options), reg)
    early = solve_both(problem, reg, max_iter=3, **options)
    assert_same(*early, reg)
    exact = solve_both(problem, reg, max_iter=3, first_reg=0.2 * scale)
    assert (early[1].plan - exact[1].plan).abs().sum() > 1e-4  # it shows that they are of low rank


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_fused_with_weights_and_zeros(noisy_copies, dtype, loss):
    Ca, Cb, _ = noisy_copies(24, 19, noise=0.1)
    rng = np.random.default_rng(0)
    a, b = rng.dirichlet(np.ones(24)), np.r_[0.0, rng.dirichlet(np.ones(18))]
    a[3] = 0
    a /= a.sum()
    problem, scale = set_up(
        Ca + 0.1, Cb + 0.1, a, b, M=rng.random((24, 19)), alpha=0.7, loss=loss, dtype=dtype
    )
    reg = 0.05 * scale
    both = solve_both(problem, reg, first_reg=0.2 * scale, max_iter=500)
    assert both[1].status == CONVERGED
    assert both[1].plan[0, 3].sum() == both[1].plan[0, :, 0].sum() == 0
    assert_same(*both, reg)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("uniform", [True, False])
def test_self_terms(mixture, dtype, uniform):
    x = mixture(35, 0)
    a = None if uniform else np.random.default_rng(1).dirichlet(np.ones(35))
    problem, scale = set_up(cdist(x, x), cdist(x, x), a, a, dtype=dtype)
    reg = 0.02 * scale
    both = solve_both(problem, reg, identity_start(problem), symmetric=True)
    assert both[1].status == CONVERGED
    assert_same(*both, reg, same_steps=False)  # compiled gradients are symmetric, plans almost
    one_step = solve_both(problem, reg, identity_start(problem), symmetric=True, max_iter=1)
    assert one_step[1].n_iter == 1
    distance = (one_step[0].plan - one_step[1].plan).abs().sum()
    assert distance < 2 * (one_step[0].error + one_step[1].error) + 1e-5  # both are coarse


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("relative", [0.2, 0.05])
def test_energies_that_are_convex_in_parts(dtype, relative):
    graphs = nx.connected_watts_strogatz_graph(40, 4, 0.3, seed=2), nx.path_graph(35)
    problem, scale = set_up(*(shortest_path(nx.to_numpy_array(g)) for g in graphs), dtype=dtype)
    reg = relative * scale
    start = product_start(problem, reg)  # a path has a symmetry, which rounding errors would break
    both = solve_both(problem, reg, start, max_iter=600)
    assert both[1].status == CONVERGED
    assert_same(*both, reg)


def test_steps_are_cut_short(monkeypatch):
    matrices = np.random.default_rng(0).normal(size=(2, 30, 30))
    problem, scale = set_up(*(C + C.T for C in matrices))
    plain, compiled = solve_both(problem, 0.05 * scale, max_iter=300, tol=1e-6)
    assert plain.status == compiled.status == CONVERGED
    assert (plain.plan - compiled.plan).abs().sum() < 1e-4
    monkeypatch.setattr(outer_step, "_step_length", lambda *_: 1.0)
    whole, _ = solve_both(problem, 0.05 * scale, max_iter=300, tol=1e-6)
    assert whole.status == MAX_ITER  # so that it is these steps that are tested


def test_momentum():
    graphs = (nx.random_regular_graph(3, 40, seed=seed) for seed in (0, 1))
    problem, scale = set_up(*(shortest_path(nx.to_numpy_array(g)) for g in graphs))
    both = solve_both(problem, 0.05 * scale, first_reg=0.2 * scale, tol=1e-6, max_iter=1000)
    assert both[0].n_iter > 20  # its slow convergence is what momentum is for
    assert_same(*both, scale)


def test_each_problem_of_a_batch_goes_its_own_way(noisy_copies):
    pairs = [noisy_copies(30, 25, seed=seed, noise=0.1)[:2] for seed in range(5)]
    problem, scale = set_up(*(np.stack(side) for side in zip(*pairs, strict=True)))
    reg = scale * torch.tensor([1.0, 0.1, 0.01, 0.003, 0.1])
    level = scale * torch.tensor([0.2, 0.2, 0.2, 0.4, 0.1])
    _, batch = solve_both(problem, reg, first_reg=level, tol=1e-6)
    assert (batch.status == CONVERGED).all()
    assert len(set(batch.n_iter.tolist())) > 2
    for k in range(5):
        this = torch.tensor([k])
        both = solve_both(problem.take(this), reg[this], first_reg=level[this], tol=1e-6)
        assert_same(*both, reg)
        for field, alone in zip(batch, both[1], strict=True):
            assert torch.equal(field[k], alone[0])


def test_any_number_of_threads_gives_the_same(noisy_copies):
    pairs = [noisy_copies(20, seed=seed, noise=0.1)[:2] for seed in range(4)]
    problem, scale = set_up(*(np.stack(side) for side in zip(*pairs, strict=True)))
    before, solutions = torch.get_num_threads(), []
    try:
        for n_threads in (1, 3):
            torch.set_num_threads(n_threads)
            solutions.append(solve_both(problem, 0.02 * scale, first_reg=0.2 * scale)[1])
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*solutions, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("max_iter", [1, 3, 6])
def test_a_budget_that_runs_out(noisy_copies, max_iter):
    problem, scale = set_up(*noisy_copies(20, noise=0.1)[:2])
    for level in (None, 0.2 * scale):
        both = solve_both(problem, 0.01 * scale, first_reg=level, max_iter=max_iter)
        assert both[1].status == MAX_ITER
        assert both[1].n_iter == max_iter
        assert_same(*both, scale)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_costs_end_at_once(noisy_copies, bad):
    problem, scale = set_up(*noisy_copies(20, noise=0.1)[:2])
    problem = problem.take(torch.tensor([0, 0]))
    offset = problem.offset.clone()
    offset[0, 0, 0] = bad
    reg = 0.05 * scale.expand(2)
    _, solution = solve_both(problem._replace(offset=offset), reg)
    assert solution.status.tolist() == [NON_FINITE, CONVERGED]
    assert solution.n_iter[0] == 1


def test_goes_on_from_a_solution(noisy_copies):
    problem, scale = set_up(*noisy_copies(20, noise=0.1)[:2])
    reg = 0.02 * scale
    _, first = solve_both(problem, reg, first_reg=0.2 * scale)
    given = first.plan.clone(), first.cost.clone(), first.potential.clone()
    state = State(first.cost, first.potential)
    for options in ({}, {"plan": first.plan}):
        both = solve_both(problem, reg, state, tol=1e-6, **options)
        assert both[1].n_iter == (1 if options else 2)
        assert_same(*both, reg)
    for before, after in zip(given, (first.plan, first.cost, first.potential), strict=True):
        assert torch.equal(before, after)  # what is given is not written to


def test_large_problems_are_left_to_blas(monkeypatch, solve_with, noisy_copies):
    Ca, Cb, _ = noisy_copies(20, noise=0.1)
    monkeypatch.setattr("skgw.solvers.quadratic.descent_numba.minimize_numba", None)
    with pytest.raises(TypeError):
        solve_gromov(Ca, Cb, backend="numba")
    assert solve_gromov(Ca, Cb, backend="torch").converged
    settings = DenseSettings(descent=DescentSettings(max_compiled_size=19))
    assert solve_with(settings, Ca, Cb, backend="numba").converged


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 2), (4, 8, 16), (13, 6, 33)])
def test_product(shape):
    n, m, depth = shape
    rng = np.random.default_rng(0)
    A, B, out = rng.normal(size=(n, depth)), rng.normal(size=(m, depth)), np.empty((n, m))
    product(A, B, out, False)
    np.testing.assert_allclose(out, A @ B.T, atol=1e-12)


@pytest.mark.parametrize("reg", [1e-1, 1e-4])
def test_linear_problems_however_far(reg):
    """Tight clusters at a small reg take the detour over higher levels."""
    rng = np.random.default_rng(3)
    centers = 4 * rng.normal(size=(8, 2))
    x, y = (centers[rng.integers(0, 8, k)] + 0.05 * rng.normal(size=(k, 2)) for k in (60, 50))
    M = cdist(x, y, "sqeuclidean")
    problem, _ = set_up(cdist(x, x), cdist(y, y), M=M / M.mean(), alpha=0.0)
    both = solve_both(problem, torch.tensor([reg], dtype=torch.float64))
    assert both[1].status == CONVERGED
    assert_same(*both, problem.a)
