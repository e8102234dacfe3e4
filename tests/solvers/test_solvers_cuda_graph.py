"""The solve by a fixed schedule reads no value on the host, and reports whether it converged."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from skgw.solvers import solve_gromov
from skgw.solvers.experimental.cuda_graph import RecordedSolve, Schedule, solve_fixed
from skgw.solvers.initializers.basic import unit_perturbation
from skgw.solvers.quadratic.descent import CONVERGED, MAX_ITER, NON_FINITE

SYNCHRONISING = (
    "_local_scalar_dense",
    "nonzero",
    "is_nonzero",
    "item",
    "equal",
    "unique",
    "masked_select",
)


class Recorder(TorchDispatchMode):
    """Record names and shapes of all operations; raise an error if one reads a value."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.__name__.split(".")[0]
        if name in SYNCHRONISING:
            raise RuntimeError(f"{name} reads a value")
        out = function(*args, **(kwargs or {}))
        shapes = [tuple(x.shape) for x in torch.utils._pytree.tree_leaves(out)]
        self.operations.append((str(function), shapes))
        return out


def arrays(pairs, dtype=torch.float64, device="cpu", weights=None):
    """The arguments of `solve_fixed` for pairs of matrices."""
    Ca, Cb = (
        torch.tensor(np.stack(C), dtype=dtype, device=device) for C in zip(*pairs, strict=True)
    )
    a, b = (torch.full(C.shape[:2], 1 / C.shape[1], dtype=dtype, device=device) for C in (Ca, Cb))
    if weights is not None:
        a = torch.tensor(weights, dtype=dtype, device=device).expand_as(a)
    reg = 0.5 * 0.02 * (Ca.square().mean((1, 2)) + Cb.square().mean((1, 2)))
    return Ca, Cb, a, b, reg


def solve(problem, **options):
    Ca, Cb, a, b, reg = problem
    return solve_fixed(Ca, Cb, a, b, reg=reg, **options)


@pytest.fixture
def easy(noisy_copies):
    return arrays([noisy_copies(30, 24, seed=seed, noise=0.05)[:2] for seed in range(3)])


def test_synchronisations_are_refused():
    with Recorder(), pytest.raises(RuntimeError, match="_local_scalar_dense reads"):
        bool(torch.ones(2).any())


def test_the_same_operations_for_all_values(easy, noisy_copies):
    others = arrays([noisy_copies(30, 24, seed=seed, noise=0.8)[:2] for seed in (7, 8, 9)])
    spoilt = (torch.full_like(easy[0], torch.nan), *easy[1:])
    schedule = Schedule(n_levels=2, n_outer=3, n_newton=2, n_products=4)
    perturbation = unit_perturbation(30, 24).double()
    recorded = []
    for problem in (easy, others, spoilt):
        with Recorder() as recorder:
            solve(problem, schedule=schedule, perturbation=perturbation)
        recorded.append(recorder.operations)
    assert len(recorded[0]) > 500
    assert recorded[0] == recorded[1] == recorded[2]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("noise", [0.05, 0.4])
def test_agrees_with_the_usual_solve(noisy_copies, dtype, noise):
    weights = np.r_[0.0, np.random.default_rng(0).dirichlet(np.full(29, 5.0))]
    pairs = [noisy_copies(30, 24, seed=seed, noise=noise)[:2] for seed in range(3)]
    problem = Ca, Cb, a, b, reg = arrays(pairs, dtype, weights=weights)
    tol = 1e-3
    found = solve(problem, tol=tol)
    fine = tol / 100 if dtype == torch.float64 else None
    expected = solve_gromov(Ca, Cb, a=a, b=b, reg=reg, reg_scale=None, tol=fine)
    assert (found.status == CONVERGED).all()
    assert (found.error < tol).all()
    assert (found.plan - expected.plan).abs().sum((1, 2)).max() < 5 * tol
    torch.testing.assert_close(found.energy, expected.cost, rtol=1e-2, atol=1e-6)


def test_batch_is_the_loop(easy):
    batch = solve(easy)
    for k in range(3):
        one = solve([x[k : k + 1] for x in easy])
        assert one.n_iter == batch.n_iter[k]
        torch.testing.assert_close(one.plan[0], batch.plan[k], atol=1e-9, rtol=1e-6)


def test_what_has_converged_stays(easy):
    short, long = (solve(easy, schedule=Schedule(n_outer=n)) for n in (12, 20))
    assert (short.status == CONVERGED).all()
    assert torch.equal(short.plan, long.plan)
    assert torch.equal(short.n_iter, long.n_iter)


@pytest.mark.parametrize(
    "schedule", [Schedule(n_outer=2), Schedule(n_newton=1, n_products=4, n_outer=4)]
)
def test_a_schedule_that_is_too_short_says_so(easy, schedule):
    found = solve(easy, tol=1e-6, schedule=schedule)
    assert (found.status == MAX_ITER).all()
    assert (found.n_iter == schedule.n_levels + schedule.n_outer).all()


def test_one_bad_problem_spoils_no_other(easy):
    Ca, *rest = easy
    spoilt = Ca.clone()
    spoilt[1] = torch.inf
    found, expected = solve([spoilt, *rest]), solve(easy)
    assert found.status.tolist() == [CONVERGED, NON_FINITE, CONVERGED]
    torch.testing.assert_close(found.plan[::2], expected.plan[::2])


@pytest.mark.parametrize("schedule", [Schedule(n_outer=1), Schedule(n_products=6)])
def test_schedules_that_make_no_sense(easy, schedule):
    with pytest.raises(ValueError, match=r"schedule|n_products"):
        solve(easy, schedule=schedule)


@pytest.mark.gpu
def test_recorded_and_replayed(noisy_copies):
    problems = [
        arrays([noisy_copies(40, 33, seed=seed, noise=0.1)[:2] for seed in seeds], device="cuda")
        for seeds in ((0, 1, 2), (3, 4, 5))
    ]
    recorded = RecordedSolve(*problems[0])
    for problem in (*problems, problems[0]):
        found, expected = recorded(*problem), solve(problem)
        assert torch.equal(found.status, expected.status)
        torch.testing.assert_close(found.plan, expected.plan, atol=1e-8, rtol=1e-5)
