"""Registration of principal coordinates from the plans of a pool, and its extension to all rows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import sparse

from skgw import GWMatcher
from skgw.datasets import make_views
from skgw.matching.domain_points import DomainPoints
from skgw.matching.plan_pool import pool_plans
from skgw.matching.registered_extension import (
    Mixture,
    RegisteredDomain,
    RegisteredExtension,
    extend_rotations,
)
from skgw.matching.registered_plan import (
    RegistrationSettings,
    coordinate_sets,
    register_pool,
    with_search,
)
from skgw.matching.side_information import SideInformation, read_side_information
from skgw.matching.training_domain import TrainingDomain, reference_domains
from skgw.metrics import foscttm

NOTHING = SideInformation.none()
SETTINGS = RegistrationSettings()
N = 80


@pytest.fixture(scope="module")
def copies():
    """A skewed cloud, a rotated copy of it in more dimensions, and the match of each row."""
    rng = np.random.default_rng(0)
    X = rng.exponential(size=(N, 3)) * [3, 2, 1]
    frame = np.linalg.qr(rng.normal(size=(5, 3)))[0]
    order = rng.permutation(N)
    return X, 7 * (X @ frame.T)[order] + 1, np.argsort(order)


def pair_of(X, Y):
    x, y = (TrainingDomain(Z, "auto", None, np.random.RandomState(0)) for Z in (X, Y))
    return x, y


def registered(X, Y, side_information=NOTHING, n_rows=300, **settings):
    pair = pair_of(X, Y)
    pool = pool_plans(pair, side_information, n_rows, 4, 0)
    coordinates = DomainPoints.of(pair, side_information, 0, 32)
    options = RegistrationSettings(**settings)
    return coordinates, register_pool(
        pair, side_information, [coordinates], pool, options
    ).rotations()


def test_a_rotated_copy_is_registered(copies):
    X, Y, match = copies
    coordinates, found = registered(X, Y)
    Z, W = coordinates.points
    assert_allclose(Z @ found.plans[0].rotation, W[match], atol=0.02)
    assert found.judgement.explained > 0.97
    assert found.judgement.other_weight < 0.01
    assert len(found.plans) == 1
    assert_allclose(found.weights, 1)


def test_finalists_are_registered_between_more_rows(copies):
    X, Y, _ = copies
    _, found = registered(X, Y, n_rows=40, n_judged=60)
    assert found.plans[0].plan.shape == (60, 60)


def test_coordinates_of_weighted_rows(copies):
    X, Y, _ = copies
    coordinates = DomainPoints.of(pair_of(X, Y), NOTHING, 0, 32)
    a, b = (torch.rand(N, dtype=torch.float64) for _ in range(2))
    weights = a / a.sum(), b / b.sum()
    points = coordinates.leading(2).reweighted(weights)
    for axes, rows, Z, weight in zip(points.axes, (X, Y), points.points, weights, strict=True):
        assert_allclose(weight @ Z, 0, atol=1e-9)
        assert float(weight @ Z.square().sum(1)) == pytest.approx(0.5)
        assert_allclose(axes.transform(rows), Z, atol=1e-9)
    uniform = points.reweighted(coordinates.weights).points[0]
    assert_allclose(uniform, coordinates.leading(2).points[0], atol=1e-9)


def test_clusters_of_other_shares_are_matched():
    """Rotations that take large clusters to large clusters fit better if all rows count alike."""
    views = make_views(450, kind="clusters", noise=0.05, random_state=0)
    rng = np.random.default_rng(0)
    drop = rng.uniform(size=(2, 450)) < 0.6
    x = ~(np.isin(views.labels_x, [0]) & drop[0])
    y = ~(np.isin(views.labels_y, [1, 2]) & drop[1])
    matcher = GWMatcher(random_state=0).fit(views.X[x], views.Y[y])
    found, _ = matcher.transfer_labels(views.labels_x[x])
    assert (found == views.labels_y[y]).mean() > 0.8
    translated = matcher.translate(views.X[x])
    assert foscttm(translated, views.Y[views.matches[x]]) < 0.05


def test_directions_are_a_second_set_of_coordinates(copies):
    X, Y, _ = copies
    raw, unit = coordinate_sets(pair_of(X, Y), NOTHING, 0, 32)
    assert [type(x.axes[0]).__name__ for x in (raw, unit)] == [
        "PrincipalCoordinates", "UnitCoordinates"
    ]  # fmt: skip
    assert_allclose(unit.axes[0].transform(X), unit.points[0], atol=1e-9)
    assert len(coordinate_sets(pair_of(X[:, :2], Y), NOTHING, 0, 32)) == 1


def test_a_search_finds_what_the_plans_missed(copies):
    """A ranking without plans gets the right rotation, and keeps a better one."""
    X, Y, match = copies
    pair = pair_of(X, Y)
    sets = coordinate_sets(pair, NOTHING, 0, 32)
    ranking = register_pool(pair, NOTHING, sets, pool_plans(pair, NOTHING, 300, 4, 0), SETTINGS)
    found = with_search(replace(ranking, plans=[]), sets[0], seed=0).rotations()
    Z, W = sets[0].points
    assert_allclose(Z @ found.plans[0].rotation, W[match], atol=0.02)
    both = with_search(ranking, sets[0], seed=0)
    assert both.plans[0].judgement.log_odds >= ranking.plans[0].judgement.log_odds


def test_translated_rows_move_half_of_the_way_to_their_rotated_places(copies):
    X, Y, _ = copies
    coordinates, found = registered(X, Y)
    every = np.arange(N), np.arange(N)
    extension, coordinates, *_ = extend_rotations(found, every, every, SETTINGS)
    axes, W = coordinates.axes[1], coordinates.points[1].numpy()
    domain = RegisteredDomain(
        reference_domains(pair_of(X, Y), ("auto", "auto"), every)[1].without_distances(), axes, W
    )
    Z = 3 * coordinates.points[0].numpy()  # outside of the convex hull
    mean = extension.translate(Z, Y)
    moved = axes.transform(extension.translate(Z, Y, domain))
    assert_allclose(mean, extension.onto_reference().rows(Z) @ Y)
    places = Z @ extension.rotations[0]
    assert_allclose(moved, (axes.transform(mean) + places) / 2, atol=1e-9)


def test_a_symmetric_space_has_another_matching():
    X = np.random.default_rng(0).normal(size=(40, 2)) * [3, 1]
    mirrored = np.concatenate([X, X * [-1, 1]])
    _, found = registered(mirrored, mirrored)
    assert found.judgement.other_weight > 0.9
    assert found.judgement.probability < 0.1
    assert len(found.plans) > 1


def test_rotations_are_weighted_by_their_odds():
    X, Y = np.random.default_rng(0).normal(size=(2, 100, 5))
    _, many = registered(X, Y)
    _, one = registered(X, Y, min_weight=1.0)
    assert len(many.plans) > 1
    assert len(one.plans) == 1
    assert (np.diff(many.weights) <= 0).all()
    assert_allclose(many.weights.sum(), 1)
    odds = [each.judgement.log_odds for each in many.plans]
    expected = (odds[1] - odds[0]) / SETTINGS.temperature
    assert_allclose(np.log(many.weights[1] / many.weights[0]), expected)


def test_anchor_pairs_select_a_mirror_image():
    X = np.random.default_rng(0).normal(size=(40, 2)) * [3, 1]
    mirrored = np.concatenate([X, X * [-1, 1]])
    rows = np.array([0, 5, 9])
    for partners in (rows, rows + 40):
        side = read_side_information((rows, partners), None, (80, 80), 0.5)
        coordinates, found = registered(mirrored, mirrored, side)
        Z, W = coordinates.points
        places = Z[rows] @ found.plans[0].rotation
        assert_allclose(places, W[partners], atol=0.05)


def test_an_extension_to_all_rows_is_the_plan(copies):
    """The conditional plans of the training rows are the rows of the transport plan."""
    X, Y, _ = copies
    noisy = Y + 2 * np.random.default_rng(1).normal(size=Y.shape)
    _, found = registered(X, noisy)
    every = np.arange(N), np.arange(N)
    extension, coordinates, plan, error = extend_rotations(found, every, every, SETTINGS)
    assert error < 1e-3
    Z, W = (points.numpy() for points in coordinates.points)
    assert_allclose(extension.to_y.rows(Z), plan / plan.sum(1, keepdims=True), atol=1e-6)
    assert_allclose(extension.to_x.rows(W), plan.T / plan.sum(0)[:, None], atol=1e-6)
    assert_allclose(extension.onto(W, W).rows(Z), extension.to_y.rows(Z))
    back = extension.reversed()
    assert_allclose(back.to_y.rows(W), extension.to_x.rows(W))
    assert back.shape == (N, N, N, N, 5, 3)


def test_potentials_of_a_part_extend_to_all_rows(copies):
    X, Y, match = copies
    _, found = registered(X, Y)
    part = np.arange(0, N, 2), np.sort(match[::2])
    extension, coordinates, *_ = extend_rotations(found, part, part, SETTINGS)
    Z, _ = (points.numpy() for points in coordinates.points)
    assert (extension.to_y.rows(Z).argmax(1) == match).mean() > 0.9
    assert extension.onto_reference().rows(Z).shape == (N, N // 2)


def test_rows_whose_matches_are_far_have_a_large_cost(copies):
    X, Y, match = copies
    Y = Y.copy()
    Y[match[3]] += [60, 0, 0, 0, 0]
    coordinates, found = registered(X, Y)
    every = np.arange(N), np.arange(N)
    extension, *_ = extend_rotations(found, every, every, SETTINGS)
    Z, W = (points.numpy() for points in coordinates.points)
    (costs,) = extension.costs(Z, W)
    cost = (extension.to_y.rows(Z) * costs).sum(1)
    assert cost[3] > 5 * np.median(cost)


def test_parts_and_weights_must_agree(copies):
    X, Y, _ = copies
    _, found = registered(X, Y)
    every = np.arange(N), np.arange(N)
    extension, *_ = extend_rotations(found, every, every, SETTINGS)
    with pytest.raises(ValueError, match="one weight for each part"):
        Mixture(extension.to_y.parts, np.array([0.5, 0.5]))
    with pytest.raises(ValueError, match="one part for each rotation"):
        RegisteredExtension(
            np.concatenate([extension.rotations] * 2), *extension[1:]
        )  # fmt: skip


@pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning")
def test_half_of_the_rows_may_be_noisy(copies):
    """The other half determines the rotation, and is matched row by row."""
    rng = np.random.default_rng(0)
    X = rng.exponential(size=(200, 6)) @ rng.normal(size=(6, 20))
    frame = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    noise = np.zeros((200, 1))
    noise[:100] = X.std()
    Y = X @ frame + noise * rng.normal(size=X.shape)
    matcher = GWMatcher(random_state=0).fit(X, Y)
    right = matcher.match() == np.arange(200)
    assert right[100:].mean() > 0.8
    assert matcher.confidence_[100:].mean() > matcher.confidence_[:100].mean()
    assert matcher.confidence_y_[100:].mean() > matcher.confidence_y_[:100].mean()


def test_more_rows_than_reference_rows(copies, few_rows):
    """The rotation matches rows that are no reference rows."""
    few_rows(40)
    X, Y, match = copies
    matcher = GWMatcher(method="reference", random_state=0).fit(X, Y)
    assert matcher.plan_.shape == (N, N)
    assert (matcher.match() == match).mean() > 0.9
    assert_allclose(matcher.plan_.toarray().sum(), 1, rtol=1e-6)
    assert matcher.matched_mass_.shape == (N,)
    assert matcher.confidence_.shape == matcher.confidence_y_.shape == (N,)
    assert min(matcher.confidence_.min(), matcher.confidence_y_.min()) > 0.8


def test_sparse_rows_are_registered_alike(copies):
    X, Y, match = copies
    X, Y = X - X.min(0), Y - Y.min(0)
    dense, by_rows = (
        GWMatcher(random_state=0).fit(kind(X), kind(Y)) for kind in (np.asarray, sparse.csr_array)
    )
    assert (dense.match() == match).mean() > 0.9
    assert (by_rows.match() == match).mean() > 0.9


@pytest.mark.parametrize("suffix", ["plan_", "confidence_", "confidence_y_"])
def test_a_loaded_matcher_is_the_same(copies, tmp_path, suffix):
    X, Y, _ = copies
    matcher = GWMatcher(random_state=0).fit(X, Y)
    matcher.save(tmp_path / "matcher.skgw")
    again = GWMatcher.load(tmp_path / "matcher.skgw")
    assert_allclose(np.asarray(getattr(again, suffix)), np.asarray(getattr(matcher, suffix)))
    assert_allclose(again.translate(X), matcher.translate(X))
    assert again.match(X[:9], Y).tolist() == matcher.match(X[:9], Y).tolist()
    assert torch.is_tensor(again.translate(torch.from_numpy(X)))


def test_pairs_and_shared_features_are_costs_of_a_match():
    """Squared distances of the coordinates are the costs of the side information."""
    shared = np.arange(4.0)[:, None], np.arange(3.0)[:, None]
    side = read_side_information(([0, 2], [1, 2]), shared, (4, 3), 0.5)
    (A, B), (F, G) = side.coordinates(4, 3)
    cost = ((A[:, None] - B) ** 2).sum(-1)
    assert_allclose(cost, [[1, 0, 2], [0, 1, 1], [1, 2, 0], [0, 1, 1]])
    assert_allclose(F, side.shared[0])
    assert_allclose(G, side.shared[1])


def test_new_rows_are_matched_by_their_coordinates_alone(copies):
    """Anchor pairs attract no other rows, and do not change the matches of the others."""
    X, Y, match = copies
    rows = np.arange(0, N, 4)
    matcher = GWMatcher(random_state=0).fit(X, Y, pairs=(rows, match[rows]))
    assert matcher.match()[rows].tolist() == match[rows].tolist()
    assert (matcher.match(X, Y) == match).mean() > 0.9


def test_many_pairs_determine_the_rotation():
    """Two clouds without a common shape: only the pairs know the rotation."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    frame = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    Y = X @ frame + 0.5 * rng.normal(size=X.shape)
    side = read_side_information((np.arange(60), np.arange(60)), None, (200, 200), 0.5)
    coordinates, found = registered(X, Y, side)
    Z, W = coordinates.points
    places = Z @ found.plans[0].rotation
    assert float((places - W).square().sum(1).mean()) < 0.2
