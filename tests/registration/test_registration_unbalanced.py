"""Registration and search where a group of one cloud is missing in the other, or rarer there."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from skgw.registration.basin_hopping import _distinct, _partly_forgotten, search
from skgw.registration.procrustes import Motion
from skgw.registration.unbalanced import (
    Descent,
    best_motion,
    descend,
    motion_of_pairs,
    register_relaxed,
)

SIZES_X, SIZES_Y = (40, 10, 40, 20, 30), (10, 40, 0, 30, 40)  # of the groups
K = 4
STRENGTH = 0.05


def groups(sizes, rng):
    """Points of groups at fixed places, and the groups that they are of."""
    places = np.random.default_rng(5).normal(size=(len(sizes), K)) * [3, 2.5, 2, 1.5]
    labels = np.repeat(np.arange(len(sizes)), sizes)
    spread = np.linspace(0.3, 0.6, len(sizes))[labels, None]
    return places[labels] + spread * rng.normal(size=(len(labels), K)) * [2, 1, 1, 0.5], labels


def normal(X):
    Z = torch.as_tensor(X - X.mean(0), dtype=torch.float32)
    return Z / (2 * Z.square().sum(1).mean()).sqrt()


@pytest.fixture(scope="module")
def clouds():
    """Two clouds with other shares of groups, centred and of unit size, and the rotation."""
    rng = np.random.default_rng(0)
    (X, x), (Y, y) = groups(SIZES_X, rng), groups(SIZES_Y, rng)
    turn = np.linalg.qr(rng.normal(size=(K, K)))[0]
    return normal(X), normal(Y @ turn), torch.as_tensor(turn).float(), x, y


def share_in_own_group(plan, x, y):
    """Mass between points of the same group."""
    return float(plan[torch.as_tensor(x[:, None] == y)].sum())


@pytest.fixture(scope="module")
def found(clouds):
    Z, W, *_ = clouds
    found = search((Z, W), n_init=4)
    return register_relaxed(Z, W, found.motion, unbalanced=STRENGTH)


def test_the_right_motion_is_found(clouds, found):
    Z, W, turn, x, y = clouds
    assert_close(found.rotation, turn, atol=0.2, rtol=0)
    assert share_in_own_group(found.transport.plan, x, y) > 0.85  # 0.51 at most if balanced
    expected = np.mean(
        [(W[y == k].mean(0) - (Z[x == k] @ turn).mean(0)).numpy() for k in (0, 1, 3, 4)], 0
    )
    assert np.abs(found.offset.numpy() - expected).max() < 0.1
    assert np.abs(expected).max() > 0.1  # without the offset the means would be off


def test_mass_tells_the_shares(clouds, found):
    *_, x, _y = clouds
    mass = found.transport.plan.sum(1).numpy() * len(x)
    by_group = [mass[x == k].mean() for k in range(5)]
    assert by_group[2] < 0.3  # missing in the second cloud
    assert by_group[1] > 1.5 > by_group[0] > 0.3  # rarer in the first, and in the second
    assert mass.mean() == pytest.approx(1, abs=1e-3)


def test_the_search_is_deterministic(clouds, found):
    Z, W, *_ = clouds
    again = search((Z, W), n_init=4)
    again = register_relaxed(Z, W, again.motion, unbalanced=STRENGTH)
    assert_close(again.rotation, found.rotation, atol=0, rtol=0)


def test_balanced_clouds_are_matched_as_a_whole(clouds):
    Z, _, turn, *_ = clouds
    start = Motion(turn + 0.1, torch.full((K,), 0.05))
    same = register_relaxed(Z, Z @ turn, start, unbalanced=1.0)
    assert_close(same.rotation, turn, atol=0.02, rtol=0)
    assert_close(same.offset, torch.zeros(K), atol=0.02, rtol=0)
    assert_close(same.transport.plan.sum(1), torch.full((len(Z),), 1 / len(Z)), rtol=0.1, atol=0)


def test_weak_strengths_free_the_marginals(clouds):
    Z, W, turn, *_ = clouds
    start = Motion(turn, torch.zeros(K))
    deviations, objectives = [], []
    for strength in (0.01, 0.1, 1e4):
        end = descend(Z, W, start, strength, (0.05,))
        deviations.append(float((end.plan.sum(1) * len(Z) - 1).abs().mean()))
        objectives.append(end.objective)
    assert deviations[0] > deviations[1] > deviations[2]
    assert deviations[2] < 1e-2
    assert objectives[0] < objectives[1] < objectives[2]


def test_pairs_decide_between_mirror_images():
    line = np.linspace(-1, 1, 8)
    grid = normal(np.stack(np.meshgrid(2 * line, line), -1).reshape(-1, 2))
    known = torch.tensor([0, 3, 13, 31])
    order = torch.cat([known, torch.tensor([i for i in range(64) if i not in known])])
    Z = grid[order]
    for mirror in (torch.tensor([1.0, -1]), torch.tensor([-1.0, 1])):
        end = search((Z, Z * mirror), n_pairs=4, n_init=1)
        assert_close(end.motion.rotation, torch.diag(mirror), atol=0.05, rtol=0)


def test_rivals_of_a_symmetric_cloud_are_found():
    line = np.linspace(-1, 1, 8)
    grid = normal(np.stack(np.meshgrid(2 * line, line), -1).reshape(-1, 2))
    lopsided = torch.cat([grid, torch.tensor([[0.9, 0.1], [1.0, 0.2], [1.1, 0.1]])])
    assert search((grid, grid), n_init=2).margin < 0.01
    assert search((lopsided, lopsided), n_init=2).margin > 0.1


def test_only_motions_that_differ_are_kept():
    Z = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([2.0, 1.0])
    turned = [Motion(torch.diag(torch.tensor(t)), torch.zeros(2)) for t in
              ([1.0, 1.0], [1.0, 1.01], [-1.0, 1.0], [-1.0, -1.0])]  # fmt: skip
    found = [Descent(motion, torch.ones(50, 50) / 2500, 0.0) for motion in turned]
    assert _distinct(found, Z, 3) == [found[0], found[2], found[3]]
    assert _distinct(found, Z, 2) == [found[0], found[2]]


def test_the_best_motion_of_partners(clouds):
    Z, _, turn, *_ = clouds
    plan = torch.eye(len(Z)) * torch.linspace(0, 1, len(Z))
    for motion in (
        best_motion(Z, Z @ turn + 2, plan),
        motion_of_pairs(Z, Z @ turn + 2, plan.diagonal()),
    ):
        assert_close(motion.rotation, turn, atol=1e-4, rtol=0)
        assert_close(motion.offset, torch.full((K,), 2.0), atol=1e-4, rtol=0)


def test_points_that_coincide_do_not_break_it():
    Z = torch.zeros(6, 2)
    end = register_relaxed(Z, Z, Motion(torch.eye(2), torch.zeros(2)), unbalanced=STRENGTH)
    assert end.transport.plan.isfinite().all()
    assert end.cost == pytest.approx(0, abs=1e-6)


def test_partners_of_wrong_groups_can_be_forgotten():
    generator = torch.Generator().manual_seed(0)
    Z = torch.randn(60, 2, generator=generator) * torch.tensor([2.0, 1.0])
    plan = torch.block_diag(torch.eye(30), torch.ones(30, 30) / 30) / 60
    plan[30:, 30:] += (torch.cdist(Z[30:], -Z[30:]) < 0.3).float() / 10  # brings points to -z
    found = Descent(best_motion(Z, Z, plan), plan, 0.0)
    halves = torch.arange(60) // 30
    changed = [_partly_forgotten(found, (Z, Z), halves, 0.5, generator) for _ in range(10)]
    errors = [(motion(Z) - Z).square().mean() for motion in (found.motion, *changed)]
    assert min(errors[1:]) < 0.1 * errors[0]
