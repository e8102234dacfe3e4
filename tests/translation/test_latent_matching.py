"""Latent matching, the similarities that it rests on, and the map between codes."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skgw.registration.basin_hopping import SearchSettings
from skgw.registration.multistart import register_plans, select_best
from skgw.registration.procrustes import register
from skgw.registration.similarity import Similarity
from skgw.translation.code_map import CodeMap
from skgw.translation.latent_matching import LatentMatcher, LatentMatchingSettings

N = 60
MATCHER = LatentMatcher(n_init=4)
SHORT_SEARCH = LatentMatchingSettings(n_searches=1, search=SearchSettings(n_perturbations=1))


def normal(Z):
    Z = Z - Z.mean(0)
    return Z / (2 * Z.square().sum(1).mean()).sqrt()


def cloud(n, seed):
    rng = np.random.default_rng(seed)
    return torch.as_tensor(rng.exponential(size=(n, 2)) * [2, 1] + rng.normal(size=(n, 2)) / 2)


@pytest.fixture(scope="module")
def codes():
    """Codes of RMS distance one, and a rotated copy in more dimensions, reordered."""
    rng = np.random.default_rng(0)
    Z = normal(cloud(N, 0))
    rotation = torch.as_tensor(np.linalg.qr(rng.normal(size=(3, 2)))[0].T)
    order = torch.as_tensor(rng.permutation(N))
    return Z, (Z @ rotation)[order], rotation, order


def test_a_copy_is_matched(codes):
    Z, W, rotation, order = codes
    found = MATCHER.match((Z, W), (Z, W), (Z, W))
    assert found.by_rows
    assert_allclose(found.similarity.rotation, rotation, atol=0.05)
    assert found.margin > 0.5
    assert found.cost_ratio < 1.1
    again = MATCHER.match((Z, W), (Z, W), (Z, W))
    assert_array_equal(again.similarity.rotation, found.similarity.rotation)
    refined = MATCHER.refine((Z, W), Similarity(rotation + 0.1, torch.zeros(3).double()))
    assert_allclose(refined.similarity.rotation, rotation, atol=0.05)
    assert_array_equal(refined.transport.plan.argmax(0), order)


def test_rows_give_the_matches_where_codes_are_deformed(codes):
    """The distances of codes are wrong, those of rows are right."""
    Z, W, rotation, _ = codes
    deformed = normal(W * torch.tensor([1.0, 0.1, 3.0]).double())
    found = MATCHER.match((Z, deformed), (Z, W), (Z, W))
    assert found.by_rows
    assert_allclose(found.similarity.rotation, rotation, atol=0.05)


def test_codes_give_the_matches_where_rows_are_deformed(codes):
    Z, W, rotation, _ = codes
    deformed = normal(W.abs() ** 3)
    found = MATCHER.match((Z, W), (Z, deformed), (Z, deformed))
    assert not found.by_rows
    assert_allclose(found.similarity.rotation, rotation, atol=0.05)


def ring(n=48):
    angle = torch.linspace(0, 2 * torch.pi, n + 1).double()[:-1]
    return normal(torch.stack([angle.cos(), angle.sin()], 1))


def test_a_ring_has_no_margin():
    rings = ring(), ring()
    assert MATCHER.match(rings, rings, rings).margin < 0.1  # a warning is issued below 0.2


def test_deformed_codes_of_symmetric_rows_have_no_margin():
    """Dents at the same place of both codes single out one matching, and the rows do not."""
    codes = []
    for dent in (1.8, 1.5):
        dented = ring()
        dented[:6] *= dent
        dented[9:12] *= dent
        codes.append(normal(dented))
    dented, rings = tuple(codes), (ring(), ring())
    assert MATCHER.match(dented, dented, dented).margin > 0.5
    assert MATCHER.match(dented, rings, rings).margin < 0.02


def test_pairs_give_a_symmetric_matching_a_margin():
    first = torch.tensor([0, 5, 11])
    order = torch.cat([first, torch.tensor([i for i in range(48) if i not in first])])
    Z = ring()[order]
    found = LatentMatcher(n_pairs=3, n_init=4).match((Z, Z), (Z, Z), (Z, Z))
    assert found.margin > 0.1
    assert_array_equal(torch.cdist(found.similarity(Z), Z).argmin(1), np.arange(48))


# ------------------------------------------------------------------------------- similarities


def test_plans_are_initial_values():
    one, other = normal(cloud(200, 1)), normal(cloud(200, 2))
    good = torch.eye(200).double()[torch.argsort(torch.argsort(one[:, 0]))]
    good = good[:, torch.argsort(torch.argsort(other[:, 0]))] / 200
    fit = register_plans((one, other), [good])
    assert fit.cost_ratio == pytest.approx(1, abs=0.3)
    assert 0.2 < fit.margin < np.inf  # to its mirror images
    assert_allclose(fit.similarity.offset, [0, 0])
    assert_allclose(fit.mass[0], np.full(200, 1 / 200))


def test_mirror_images_of_a_symmetric_cloud_fit_as_well():
    rng = np.random.default_rng(1)
    one, other = (normal(torch.as_tensor(rng.normal(size=(200, 2)) * [2, 1])) for _ in range(2))
    order = [torch.argsort(torch.argsort(z[:, 0])) for z in (one, other)]
    plan = (order[0][:, None] == order[1]).double() / 200
    assert register_plans((one, other), [plan]).margin < 0.2


def test_a_wrong_similarity_has_a_poor_cost_ratio():
    one, other = normal(cloud(200, 1)), normal(cloud(200, 2))
    right = register(one, other, rotation=torch.eye(2).double())
    wrong = register(one, other, rotation=-torch.eye(2).double(), reg_schedule=(0.01,))
    fit = select_best((one, other), [wrong, right])
    assert_array_equal(fit.similarity.rotation, right.similarity.rotation)
    assert 0 < fit.margin < np.inf
    assert select_best((one, other), [wrong]).cost_ratio > 1.3 > fit.cost_ratio


def test_a_few_pairs_of_a_kind_do_not_outweigh_the_points():
    """Anchors are neighbours of the true matches, and a wrong similarity fits them by chance."""
    one, other = normal(cloud(400, 1)), normal(cloud(400, 2))
    right = torch.eye(400).double() / 400
    noise = torch.as_tensor(np.random.default_rng(0).normal(size=(3, 2)))
    points = one, torch.cat([one[:3] + 0.4 * noise, other[3:]])
    found = register_plans(points, [right], n_pairs=3)
    assert_allclose(found.similarity.rotation, np.eye(2), atol=0.15)


# ------------------------------------------------------------------------------------ the map


def test_codes_go_to_the_shared_space_and_back():
    rng = np.random.default_rng(0)
    rotation = 1.5 * np.linalg.qr(rng.normal(size=(3, 2)))[0].T
    code_map = CodeMap((np.full(2, 3.0), np.full(3, -2.0)), (5.0, 0.2), rotation)
    codes = rng.normal(size=(20, 2))
    shared = code_map.to_shared(codes, 0)
    assert_allclose(shared, (codes - 3) / 5 @ rotation)
    assert_allclose(code_map.from_shared(shared, 0), codes)
    assert_allclose(code_map.from_shared(shared, 1), shared * 0.2 - 2)
    assert_allclose(code_map.to_shared(code_map.from_shared(shared, 1), 1), shared)


def bent(n, seed, bend):
    """Places in a rectangle, and codes: the rectangle, bent."""
    places = np.random.default_rng(seed).uniform(-1, 1, size=(n, 2)) * [2, 1]
    codes = np.stack([places[:, 0], places[:, 1] + bend * places[:, 0] ** 2], 1)
    return torch.as_tensor(places), normal(torch.as_tensor(codes))


def with_pairs(places, others, codes, k=20):
    """The second domain, after rows near the first k rows of the first domain."""
    order = torch.cat([torch.cdist(places, others).argmin(1)[:k], torch.arange(len(others))])
    return others[order], codes[order]


def test_pairs_displace_points_that_no_similarity_registers():
    (places, Z), (others, W) = bent(160, 0, 0), bent(160, 1, 0.7)
    others, W = with_pairs(places, others, W)
    matcher = LatentMatcher(n_pairs=20, n_init=2, settings=SHORT_SEARCH)
    found = matcher.match((Z, W), (Z, W), (Z, W))
    assert found.displaced
    registered = found.similarity(Z)
    displacement = matcher.displacement(registered, W)

    def error(points):
        return (others[torch.cdist(points, W).argmin(1)] - places).norm(dim=1).mean()

    assert error(displacement(registered)) < 0.6 * error(registered)
    weaker = LatentMatcher(n_pairs=20, alpha=0.99).displacement(registered, W)
    assert np.abs(weaker.weights).max() < np.abs(displacement.weights).max()


def test_pairs_displace_nothing_where_a_similarity_fits():
    (places, Z), (others, W) = bent(160, 0, 0.3), bent(160, 1, 0.3)
    others, W = with_pairs(places, others, W)
    found = LatentMatcher(n_pairs=20, n_init=2, settings=SHORT_SEARCH).match((Z, W), (Z, W), (Z, W))
    assert not found.displaced
