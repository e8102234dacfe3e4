"""Registration and search where a group of one cloud is missing in the other, or rarer there."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from skgw.registration.basin_hopping import BasinHopping, SearchSettings, search
from skgw.registration.similarity import (
    Similarity,
    similarity_of_matches,
    similarity_of_plan,
)
from skgw.registration.unbalanced import (
    UnbalancedMatch,
    UnbalancedSettings,
    alternate,
    register_unbalanced,
)

SIZES_X, SIZES_Y = (40, 10, 40, 20, 30), (10, 40, 0, 30, 40)  # of the groups
K = 4
QUICK = SearchSettings(n_init=4)


def groups(sizes, rng):
    """Points of groups at fixed places, and the groups that they are of."""
    places = np.random.default_rng(5).normal(size=(len(sizes), K)) * [3, 2.5, 2, 1.5]
    labels = np.repeat(np.arange(len(sizes)), sizes)
    width = np.linspace(0.3, 0.6, len(sizes))[labels, None]
    return places[labels] + width * rng.normal(size=(len(labels), K)) * [2, 1, 1, 0.5], labels


def normal(X):
    Z = torch.as_tensor(X - X.mean(0), dtype=torch.float32)
    return Z / (2 * Z.square().sum(1).mean()).sqrt()


@pytest.fixture(scope="module")
def clouds():
    """Two clouds with other shares of groups, of RMS distance one, and the rotation between."""
    rng = np.random.default_rng(0)
    (X, x), (Y, y) = groups(SIZES_X, rng), groups(SIZES_Y, rng)
    rotation = np.linalg.qr(rng.normal(size=(K, K)))[0]
    return normal(X), normal(Y @ rotation), torch.as_tensor(rotation).float(), x, y


def share_in_own_group(plan, x, y):
    """Mass between points of the same group."""
    return float(plan[torch.as_tensor(x[:, None] == y)].sum())


@pytest.fixture(scope="module")
def found(clouds):
    Z, W, *_ = clouds
    found = search((Z, W), settings=QUICK)
    return register_unbalanced(Z, W, found.similarity)


def test_the_right_similarity_is_found(clouds, found):
    Z, W, rotation, x, y = clouds
    assert_close(found.similarity.rotation, rotation, atol=0.2, rtol=0)
    assert share_in_own_group(found.transport.plan, x, y) > 0.85  # 0.51 at most if balanced
    expected = np.mean(
        [(W[y == k].mean(0) - (Z[x == k] @ rotation).mean(0)).numpy() for k in (0, 1, 3, 4)], 0
    )
    assert np.abs(found.similarity.offset.numpy() - expected).max() < 0.1
    assert np.abs(expected).max() > 0.1  # without the offset the means would differ


def test_mass_tells_the_shares(clouds, found):
    *_, x, _y = clouds
    mass = found.transport.plan.sum(1).numpy() * len(x)
    by_group = [mass[x == k].mean() for k in range(5)]
    assert by_group[2] < 0.3  # missing in the second cloud
    assert by_group[1] > 1.5 > by_group[0] > 0.3  # rarer in the first, and in the second
    assert mass.mean() == pytest.approx(1, abs=1e-3)


def test_the_search_is_deterministic(clouds, found):
    Z, W, *_ = clouds
    again = search((Z, W), settings=QUICK)
    again = register_unbalanced(Z, W, again.similarity)
    assert_close(again.similarity.rotation, found.similarity.rotation, atol=0, rtol=0)


def test_balanced_clouds_are_matched_as_a_whole(clouds):
    Z, _, rotation, *_ = clouds
    start = Similarity(rotation + 0.1, torch.full((K,), 0.05))
    same = register_unbalanced(Z, Z @ rotation, start, UnbalancedSettings(rho=1.0))
    assert_close(same.similarity.rotation, rotation, atol=0.02, rtol=0)
    assert_close(same.similarity.offset, torch.zeros(K), atol=0.02, rtol=0)
    assert_close(same.transport.plan.sum(1), torch.full((len(Z),), 1 / len(Z)), rtol=0.1, atol=0)


def test_small_penalties_free_the_marginals(clouds):
    Z, W, rotation, *_ = clouds
    start = Similarity(rotation, torch.zeros(K))
    deviations, objectives = [], []
    for rho in (0.01, 0.1, 1e4):
        end = alternate(Z, W, start, UnbalancedSettings(rho=rho, reg_schedule=(0.05,)))
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
        end = search((Z, Z * mirror), n_pairs=4, settings=SearchSettings(n_init=1))
        assert_close(end.similarity.rotation, torch.diag(mirror), atol=0.05, rtol=0)


def test_a_symmetric_cloud_has_no_margin():
    line = np.linspace(-1, 1, 8)
    grid = normal(np.stack(np.meshgrid(2 * line, line), -1).reshape(-1, 2))
    lopsided = torch.cat([grid, torch.tensor([[0.9, 0.1], [1.0, 0.2], [1.1, 0.1]])])
    assert search((grid, grid), settings=SearchSettings(n_init=2)).margin < 0.01
    assert search((lopsided, lopsided), settings=SearchSettings(n_init=2)).margin > 0.1


def test_only_similarities_that_differ_are_kept():
    Z = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([2.0, 1.0])
    diagonals = [1.0, 1.0], [1.0, 1.01], [-1.0, 1.0], [-1.0, -1.0]
    similarities = [Similarity(torch.diag(torch.tensor(d)), torch.zeros(2)) for d in diagonals]
    found = [UnbalancedMatch(each, torch.ones(50, 50) / 2500, 0.0) for each in similarities]
    hopping = BasinHopping((Z, Z), SearchSettings(), seed=0)
    assert hopping.distinct(found, 3) == [found[0], found[2], found[3]]
    assert hopping.distinct(found, 2) == [found[0], found[2]]


def test_the_best_similarity_of_matches(clouds):
    Z, _, rotation, *_ = clouds
    plan = torch.eye(len(Z)) * torch.linspace(0, 1, len(Z))
    target = 1.5 * Z @ rotation + 2
    for found in (
        similarity_of_plan(Z, target, plan),
        similarity_of_matches(Z, target, plan.diagonal()),
    ):
        assert_close(found.rotation, 1.5 * rotation, atol=1e-4, rtol=0)
        assert_close(found.offset, torch.full((K,), 2.0), atol=1e-4, rtol=0)
    limited = similarity_of_plan(Z, target, plan, max_scale=1.2)
    assert_close(limited.rotation, 1.2 * rotation, atol=1e-4, rtol=0)


def test_points_that_coincide_do_not_break_it():
    Z = torch.zeros(6, 2)
    end = register_unbalanced(Z, Z, Similarity(torch.eye(2), torch.zeros(2)))
    assert end.transport.plan.isfinite().all()
    assert end.cost == pytest.approx(0, abs=1e-6)


def test_groups_with_wrong_matches_can_be_down_weighted():
    generator = torch.Generator().manual_seed(0)
    Z = torch.randn(60, 2, generator=generator) * torch.tensor([2.0, 1.0])
    plan = torch.block_diag(torch.eye(30), torch.ones(30, 30) / 30) / 60
    plan[30:, 30:] += (torch.cdist(Z[30:], -Z[30:]) < 0.3).float() / 10  # matches points with -z
    match = UnbalancedMatch(similarity_of_plan(Z, Z, plan), plan, 0.0)
    hopping = BasinHopping((Z, Z), SearchSettings(), seed=0)
    hopping.groups = torch.arange(60) // 30
    refits = [hopping.refit(match, 0.5) for _ in range(10)]
    errors = [(each(Z) - Z).square().mean() for each in (match.similarity, *refits)]
    assert min(errors[1:]) < 0.1 * errors[0]


def test_fixed_coordinates_count_and_stay(clouds):
    """Groups that a fixed coordinate marks are matched from a rotation that is far off."""
    Z, W, rotation, x, y = clouds
    far = Similarity(rotation @ torch.diag(torch.tensor([-1.0, 1, -1, 1])), torch.zeros(K))
    marks = tuple(torch.nn.functional.one_hot(torch.as_tensor(z), 5).float() for z in (x, y))
    shares = [
        share_in_own_group(alternate(Z, W, far, fixed=fixed).plan, x, y) for fixed in (None, marks)
    ]
    assert shares[0] < 0.8
    assert shares[1] > 0.95


def test_weights_of_a_match_are_marginals_above_a_floor(clouds, found):
    Z, W, *_ = clouds
    match = alternate(Z, W, found.similarity)
    a, b = match.weights(0.2)
    for weights, marginal in ((a, match.plan.sum(1)), (b, match.plan.sum(0))):
        assert float(weights.sum()) == pytest.approx(1, abs=1e-5)
        large = marginal > 0.2 / len(marginal)
        assert_close(weights[large] / weights[large].sum(), marginal[large] / marginal[large].sum())
        assert float(weights.min()) > 0.1 / len(weights)
