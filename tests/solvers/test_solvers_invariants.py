"""Starts from invariants equal their definitions, and find the matching of a copy."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from skgw.solvers import State, solve_gromov
from skgw.solvers.initializers.basic import perturbation_cost
from skgw.solvers.initializers.invariants import (
    N_QUANTILES,
    eccentricity_plan,
    pairs_cost,
    profile_cost,
    sign_flips,
    spectra,
)
from skgw.solvers.problems.quadratic import quadratic_problem, split_loss


def centered(cost, a, b):
    cost = cost - a @ cost
    return cost - (cost @ b)[:, None]


def compared(x, y, loss):
    """L(x, y) with broadcasting."""
    f1, f2, h1, h2 = parts(x, y, loss)
    return f1 + f2 - h1 * h2


def parts(x, y, loss):
    return [part.numpy() for part in split_loss(torch.as_tensor(x), torch.as_tensor(y), loss)]


@pytest.fixture
def matrices(noisy_copies):
    """Distances of 32 and of 24 points, and weights for them."""
    Ca, Cb, _ = noisy_copies(32, 24, noise=0.1)
    rng = np.random.default_rng(0)
    return Ca + 0.1, Cb + 0.1, rng.dirichlet(np.ones(32)), rng.dirichlet(np.ones(24))


def batched(*arrays):
    return [torch.tensor(x)[None] for x in arrays]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_eccentricities_are_coupled_as_well_as_can_be(matrices, dtype):
    Ca, Cb, a, b = matrices
    a[3], b[:] = 0, b[::-1].copy()
    tensors = [x.to(dtype) for x in batched(Ca, Cb, a / a.sum(), b)]
    tensors = [torch.cat([x, x.flip(1) if x.ndim == 2 else x.flip(1, 2)]) for x in tensors]
    plan = eccentricity_plan(quadratic_problem(*tensors), *tensors[:2])
    torch.testing.assert_close(plan[1], plan[0].flip(0, 1))
    for axis, p in ((2, tensors[2]), (1, tensors[3])):
        torch.testing.assert_close(plan.sum(axis), p)
    a = a / a.sum()
    s, t = np.sqrt(Ca**2 @ a), np.sqrt(Cb**2 @ b)
    cost = (abs(s[:, None] - t) * plan[0].numpy()).sum()
    assert cost == pytest.approx(wasserstein_distance(s, t, a, b), rel=1e-4)


def test_profiles_are_compared_at_equal_quantiles():
    # 32 quantiles determine the profiles of 16 and of 8 points.
    rng = np.random.default_rng(0)
    Ca, Cb = (cdist(x, x) for x in (rng.normal(size=(16, 2)), rng.normal(size=(8, 2))))
    a, b = np.full(16, 1 / 16), np.full(8, 1 / 8)
    tensors = batched(Ca, Cb, a, b)
    cost = profile_cost(quadratic_problem(*tensors), *tensors[:2], loss="L2")[0]
    squared = cdist(np.sort(Ca, 1), np.sort(Cb, 1).repeat(2, axis=1), "sqeuclidean") / 16
    np.testing.assert_allclose(cost, centered(2 * squared, a, b), atol=1e-12)


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_profiles_of_weighted_points_in_a_fused_problem(matrices, loss):
    Ca, Cb, a, b = matrices
    rows = [np.repeat(np.arange(len(p)), np.arange(1, len(p) + 1)) for p in (a, b)]
    a, b = (np.bincount(r) / len(r) for r in rows)  # weights k / N: as k copies of each point
    M = np.random.default_rng(1).random((32, 24))
    tensors = batched(Ca, Cb, a, b, M)
    problem = quadratic_problem(*tensors[:4], loss=loss, M=tensors[4], alpha=0.3)
    cost = profile_cost(problem, *tensors[:2], loss=loss)[0]
    levels = (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES
    x, y = (
        np.sort(C[:, r], 1)[:, np.ceil(levels * len(r)).astype(int) - 1]
        for C, r in zip((Ca, Cb), rows, strict=True)
    )
    shapes = compared(x[:, None], y[None], loss).mean(2)
    # Mean distances are exact; quantiles approximate them.
    h_a, h_b = parts(Ca, Cb, loss)[2:]
    h_x, h_y = parts(x, y, loss)[2:]
    means = np.outer(h_x.mean(1), h_y.mean(1)) - np.outer(h_a @ a, h_b @ b)
    expected = 0.3 * 2 * (shapes + means) + 0.7 * M
    np.testing.assert_allclose(cost, centered(expected, a, b), atol=1e-10)


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_spectra_are_those_of_the_weighted_kernels(matrices, loss):
    problem = quadratic_problem(*batched(*matrices), loss=loss)
    sides = (problem.kernel_a, problem.a), (problem.kernel_b, problem.b)
    for found, side in zip(spectra(problem, 3), sides, strict=True):
        K, p = (x[0].numpy() for x in side)
        values, vectors = np.linalg.eigh(np.sqrt(p)[:, None] * K * np.sqrt(p))
        leading = abs(values).argsort()[:-4:-1]
        expected = K @ (np.sqrt(p)[:, None] * vectors[:, leading])
        overlap = (found[0].numpy() * p[:, None]).T @ expected
        np.testing.assert_allclose(abs(overlap), np.diag(values[leading] ** 2), atol=1e-4)
        assert (p @ found[0].numpy() ** 3 >= 0).all()


def test_sign_flips_are_the_symmetries_of_a_cloud():
    x = np.random.default_rng(0).normal(size=(12, 2)) * [3, 1]
    signs = [np.array(s) for s in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
    x = np.concatenate([x * s for s in signs])
    C = cdist(x, x)
    problem = quadratic_problem(*batched(C, C, np.full(48, 1 / 48), np.full(48, 1 / 48)))
    vectors = spectra(problem, 2)
    costs = [vectors.cost(problem, torch.tensor(s, dtype=torch.float64)) for s in sign_flips(2)]
    found = {tuple(solve_gromov(C, C, reg=1e-3, init=State(c)).argmax()) for c in costs}
    assert found == {tuple(cdist(x * s, x).argmin(1)) for s in signs}


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_a_pair_compares_the_distances_from_its_points(matrices, loss):
    Ca, Cb, a, b = matrices
    problem = quadratic_problem(*batched(*matrices), loss=loss)
    match = np.arange(32) % 24
    prior = np.full((32, 24), 1e3)
    prior[np.arange(32), match] = 0  # leaves a single match for each point
    cost = pairs_cost(
        problem, *batched(Ca, Cb, prior), torch.ones(1, dtype=torch.float64),
        torch.Generator().manual_seed(0), n_pairs=1, loss=loss,
    )  # fmt: skip
    pairs = [compared(Ca[:, i, None], Cb[None, :, j], loss) for i, j in enumerate(match)]
    errors = [abs(cost[0].numpy() - prior - centered(2 * L, a, b)).max() for L in pairs]
    assert np.sum(np.array(errors) < 1e-8) == 1  # the cost of exactly one of the pairs


def test_pairs_are_consistent_with_each_other():
    # The points of a ring have equal profiles. The first pair fixes the rotation of the ring, and
    # the second pair can only reflect the ring.
    n = 12
    steps = abs(np.arange(n)[:, None] - np.arange(n))
    C = np.minimum(steps, n - steps).astype(float)
    tensors = batched(C, C, np.full(n, 1 / n), np.full(n, 1 / n))
    problem = quadratic_problem(*tensors)
    reg = torch.full((1,), 0.01, dtype=torch.float64)
    rotations = set()
    for seed in range(8):
        cost = pairs_cost(
            problem, *tensors[:2], problem.offset, reg, torch.Generator().manual_seed(seed),
            n_pairs=3, loss="L2",
        )  # fmt: skip
        # Opposite pairs leave both reflections: the symmetry-breaking perturbation decides.
        start = State(cost + perturbation_cost(problem, reg))
        matched = solve_gromov(C, C, reg=1e-3, init=start).argmax()
        assert set(np.diff(matched) % n) in ({1}, {n - 1})
        rotations.add(matched[0])
    assert len(rotations) > 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("init", ["flb", "tlb", "spectral"])
def test_copies_are_found(noisy_copies, init, loss, dtype):
    Ca, Cb, order = noisy_copies(60, 45, noise=0.01)
    a = np.zeros(60)
    a[order] = 1 / 45
    M = 0.01 * np.random.default_rng(0).random((60, 45))
    for fused in ({}, {"M": M.astype(dtype), "alpha": 0.8}):
        result = solve_gromov(
            Ca.astype(dtype), Cb.astype(dtype), a=a.astype(dtype), loss=loss, reg=1e-3, init=init,
            **fused,
        )  # fmt: skip
        assert result.converged
        assert (result.argmax(axis=0) == order).mean() > 0.85


def test_far_off_units_do_not_matter(noisy_copies):
    Ca, Cb, _ = noisy_copies(30, noise=0.1)
    for init in ("flb", "tlb", "spectral"):
        one, other = (solve_gromov(f * Ca, f * Cb, reg=0.02, tol=1e-8, init=init) for f in (1, 1e6))
        np.testing.assert_allclose(other.plan, one.plan, atol=1e-7)
