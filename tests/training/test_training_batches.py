import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from scipy.spatial.distance import cdist

from skgw.training.batches import (
    draw_batch,
    draw_uniform_batch,
    draw_weighted_batch,
    evenly_spaced,
    stratified_order,
)


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(size=(200, 2))


def order_of(points, n_strata, index=None, seed=0):
    index = np.arange(len(points)) if index is None else index
    rng = np.random.RandomState(seed)
    return stratified_order(lambda i, j: cdist(points[i], points[j]), index, n_strata, rng)


def mean_diameter(points, order, n_strata):
    return np.mean([cdist(points[r], points[r]).max() for r in np.array_split(order, n_strata)])


@pytest.mark.parametrize("n_strata", [1, 2, 7, 50, 200])
def test_it_is_a_permutation(points, n_strata):
    assert_array_equal(np.sort(order_of(points, n_strata)), np.arange(200))


def test_it_orders_what_it_is_given(points):
    index = np.array([150, 3, 77, 12, 9])
    assert_array_equal(np.sort(order_of(points, 3, index)), np.sort(index))


@pytest.mark.parametrize("n_strata", [4, 16, 64])
def test_runs_are_close_together(points, n_strata):
    order = order_of(points, n_strata)
    shuffled = np.random.default_rng(0).permutation(200)
    assert mean_diameter(points, order, n_strata) < 0.75 * mean_diameter(points, shuffled, n_strata)


def test_points_on_a_line_are_sorted():
    line = np.random.default_rng(0).permutation(64)[:, None].astype(float)
    steps = np.abs(np.diff(line[order_of(line, 64), 0]))
    assert np.median(steps) == 1
    blocks = line[order_of(line, 8), 0].reshape(8, 8)
    assert (np.ptp(blocks, axis=1) == 7).all()  # eight runs of eight neighbours


def test_clusters_stay_together():
    label = np.random.default_rng(0).permutation(np.repeat([0, 1], 32))
    points = 100.0 * label[:, None] + np.random.default_rng(1).normal(size=(64, 1))
    assert np.abs(np.diff(label[order_of(points, 64)])).sum() == 1


def test_coinciding_points_and_single_points():
    assert_array_equal(np.sort(order_of(np.zeros((9, 2)), 9)), np.arange(9))
    assert_array_equal(order_of(np.zeros((1, 2)), 1), [0])


def test_same_seed_same_order(points):
    assert_array_equal(order_of(points, 50), order_of(points, 50))


# ------------------------------------------------------------------------------------- batches


@pytest.mark.parametrize("n", [1, 5, 32, 99])
def test_one_point_from_each_run(n):
    order = torch.arange(100).flip(0)
    for seed in range(20):
        batch = draw_batch(order, n, torch.Generator().manual_seed(seed))
        position = 99 - batch
        run = (position * n / 100).floor()
        assert batch.shape == (n,)
        assert (run.long() - torch.arange(n)).abs().max() <= 1
        if 100 % n == 0:  # else a run may begin or end within a point
            assert_array_equal(position // (100 // n), torch.arange(n))


def test_every_point_is_drawn_as_often():
    counts = torch.zeros(100)
    noise = torch.Generator().manual_seed(0)
    for _ in range(2000):
        counts += torch.bincount(draw_batch(torch.arange(100), 30, noise), minlength=100)
    assert counts.sum() == 2000 * 30
    assert (counts - 600).abs().max() < 5 * np.sqrt(600)


def test_batches_do_not_depend_on_the_default_dtype(double_by_default):
    order = torch.arange(1000)
    batch, some = (
        draw_batch(order, 300, torch.Generator().manual_seed(0)),
        evenly_spaced(order, 300),
    )
    torch.set_default_dtype(torch.float32)
    assert torch.equal(batch, draw_batch(order, 300, torch.Generator().manual_seed(0)))
    assert torch.equal(some, evenly_spaced(order, 300))


@pytest.mark.parametrize("n", [10, 11])
def test_a_batch_of_everything_is_everything(n):
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    assert_array_equal(draw_batch(order, n, torch.Generator()), order)


@pytest.mark.parametrize("n", [1, 4, 7, 20])
def test_evenly_spaced_points_have_equal_steps(n):
    order = torch.arange(20).flip(0)
    some = evenly_spaced(order, n)
    assert len(some.unique()) == n
    assert torch.equal(some, some.sort(descending=True).values)
    assert some.diff().abs().max() - some.diff().abs().min() <= 1 if n > 1 else True


def test_all_of_few_points_are_taken():
    assert torch.equal(evenly_spaced(torch.tensor([3, 1, 2]), 10), torch.tensor([3, 1, 2]))


def test_uniform_batches_are_drawn_without_replacement():
    order, noise = torch.arange(100, 130), torch.Generator().manual_seed(0)
    batches = torch.stack([draw_uniform_batch(order, 10, noise) for _ in range(400)])
    assert all(len(set(batch.tolist())) == 10 for batch in batches)
    counts = torch.bincount(batches.flatten() - 100, minlength=30)
    assert (counts - 4000 / 30).abs().max() < 5 * (4000 / 30) ** 0.5
    assert len(draw_uniform_batch(order, 99, noise)) == 30


MASS = torch.tensor([0.5, 0.5 + 1 / 8, 1.0], dtype=torch.float64)  # shares of 1/2, 1/8 and 3/8


@pytest.mark.parametrize("stratified", [True, False])
def test_weighted_batches_are_drawn_in_proportion(stratified):
    order, noise = torch.tensor([7, 3, 5]), torch.Generator().manual_seed(0)
    batches = [
        draw_weighted_batch(order, MASS, 16, noise, stratified=stratified) for _ in range(500)
    ]
    counts = torch.stack([torch.bincount(batch, minlength=8)[order] for batch in batches]).double()
    assert (counts.mean(0) - torch.tensor([8.0, 2.0, 6.0])).abs().max() < 0.5
    assert bool((counts.std(0) < 1e-9).all()) == stratified  # the shares are whole numbers


def test_evenly_spaced_shares_of_the_mass():
    order = torch.tensor([7, 3, 5])
    assert evenly_spaced(order, 8, MASS).tolist() == [7, 7, 7, 7, 3, 5, 5, 5]
    assert evenly_spaced(order, 2, 4 * MASS).tolist() == [7, 5]


@pytest.mark.parametrize("n_strata", [1, 8, 200, 999])
def test_weights_of_the_order(points, n_strata):
    """Equal weights change nothing, and other weights lose no point."""
    points = points[:40]
    between = lambda i, j: cdist(points[i], points[j])  # noqa: E731
    rng = np.random.RandomState
    expected = stratified_order(between, np.arange(40), n_strata, rng(0))
    equal = stratified_order(between, np.arange(40), n_strata, rng(0), np.full(40, 2.0))
    assert_array_equal(equal, expected)
    weights = np.where(points[:, 0] > np.median(points[:, 0]), 3.0, 1.0)
    order = stratified_order(between, np.arange(40), n_strata, rng(0), weights)
    assert_array_equal(np.sort(order), np.arange(40))


def test_two_far_clusters_of_equal_weight_are_the_halves():
    """30 points of weight 1 and 10 points of weight 3."""
    points = np.random.default_rng(0).normal(size=(40, 2)) + np.repeat([0, 100], [30, 10])[:, None]
    weights = np.repeat([1.0, 3.0], [30, 10])
    order = stratified_order(
        lambda i, j: cdist(points[i], points[j]),
        np.arange(40), 8, np.random.RandomState(0), weights,
    )  # fmt: skip
    of_second = order >= 30
    assert np.abs(np.diff(of_second.astype(int))).sum() == 1  # one after the other
