"""Matching of codes from nothing, the motions that it rests on, and the map that is kept of it."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skgw.registration.multistart import cheapest, fit_plans
from skgw.registration.procrustes import register
from skgw.translation.code_map import CodeMap
from skgw.translation.latent_matching import CodeMatcher

N = 60
MATCHER = CodeMatcher(n_init=4)


def normal(Z):
    Z = Z - Z.mean(0)
    return Z / (2 * Z.square().sum(1).mean()).sqrt()


def cloud(n, seed):
    rng = np.random.default_rng(seed)
    return torch.as_tensor(rng.exponential(size=(n, 2)) * [2, 1] + rng.normal(size=(n, 2)) / 2)


@pytest.fixture(scope="module")
def codes():
    """Of unit size, the second a turned copy in more dimensions, reordered."""
    rng = np.random.default_rng(0)
    Z = normal(cloud(N, 0))
    turn = torch.as_tensor(np.linalg.qr(rng.normal(size=(3, 2)))[0].T)
    order = torch.as_tensor(rng.permutation(N))
    return Z, (Z @ turn)[order], turn, order


def test_a_copy_is_matched(codes):
    Z, W, turn, order = codes
    found = MATCHER.first((Z, W), (Z, W), (Z, W))
    assert found.by_rows
    assert_allclose(found.motion.rotation, turn, atol=0.05)
    assert found.margin > 0.5
    assert found.excess < 1.1
    again = MATCHER.first((Z, W), (Z, W), (Z, W))
    assert_array_equal(again.motion.rotation, found.motion.rotation)
    refined, weights = MATCHER.again((Z, W), (turn + 0.1, torch.zeros(3).double()))
    assert_allclose(refined.rotation, turn, atol=0.05)
    assert [len(w) for w in weights] == [N, N]
    fitted = MATCHER.fit((Z[order], W), torch.ones(N).double())
    assert_allclose(fitted.rotation, turn, atol=1e-6)


def test_rows_tell_the_partners_where_codes_are_deformed(codes):
    """The distances of codes are wrong, those of rows are right."""
    Z, W, turn, _ = codes
    deformed = normal(W * torch.tensor([1.0, 0.1, 3.0]).double())
    found = MATCHER.first((Z, deformed), (Z, W), (Z, W))
    assert found.by_rows
    assert_allclose(found.motion.rotation, turn, atol=0.05)


def test_codes_tell_the_partners_where_rows_are_deformed(codes):
    Z, W, turn, _ = codes
    deformed = normal(W.abs() ** 3)
    found = MATCHER.first((Z, W), (Z, deformed), (Z, deformed))
    assert not found.by_rows
    assert_allclose(found.motion.rotation, turn, atol=0.05)


def ring(n=48):
    angle = torch.linspace(0, 2 * torch.pi, n + 1).double()[:-1]
    return normal(torch.stack([angle.cos(), angle.sin()], 1))


def test_a_ring_has_no_clear_matching():
    rings = ring(), ring()
    assert MATCHER.first(rings, rings, rings).margin < 0.02


def test_deformed_codes_of_symmetric_rows_are_not_clear():
    """Dents at the same place of both codes single one matching out; the rows do not know it."""
    codes = []
    for dent in (1.8, 1.5):
        dented = ring()
        dented[:6] *= dent
        dented[9:12] *= dent
        codes.append(normal(dented))
    dented, rings = tuple(codes), (ring(), ring())
    assert MATCHER.first(dented, dented, dented).margin > 0.5
    assert MATCHER.first(dented, rings, rings).margin < 0.02


def test_pairs_make_a_symmetric_matching_clear():
    first = torch.tensor([0, 5, 11])
    order = torch.cat([first, torch.tensor([i for i in range(48) if i not in first])])
    Z = ring()[order]
    found = MATCHER._replace(n_pairs=3).first((Z, Z), (Z, Z), (Z, Z))
    assert found.margin > 0.1
    assert_array_equal(torch.cdist(found.motion(Z), Z).argmin(1), np.arange(48))


# ------------------------------------------------------------------------------------ motions


def test_plans_are_starts_of_motions():
    one, other = normal(cloud(200, 1)), normal(cloud(200, 2))
    good = torch.eye(200).double()[torch.argsort(torch.argsort(one[:, 0]))]
    good = good[:, torch.argsort(torch.argsort(other[:, 0]))] / 200
    fit = fit_plans((one, other), [good])
    assert fit.excess == pytest.approx(1, abs=0.3)
    assert 0.2 < fit.margin < np.inf  # that to its mirror images
    assert_allclose(fit.motion.offset, [0, 0])
    assert_allclose(fit.weights[0], np.full(200, 1 / 200))


def test_mirror_images_of_a_symmetric_cloud_are_rivals():
    rng = np.random.default_rng(1)
    one, other = (normal(torch.as_tensor(rng.normal(size=(200, 2)) * [2, 1])) for _ in range(2))
    order = [torch.argsort(torch.argsort(z[:, 0])) for z in (one, other)]
    plan = (order[0][:, None] == order[1]).double() / 200
    assert fit_plans((one, other), [plan]).margin < 0.2


def test_a_wrong_motion_is_found_out():
    one, other = normal(cloud(200, 1)), normal(cloud(200, 2))
    right = register(one, other, rotation=torch.eye(2).double())
    wrong = register(one, other, rotation=-torch.eye(2).double(), temperatures=(0.01,))
    fit = cheapest((one, other), [wrong, right])
    assert_array_equal(fit.motion.rotation, right.rotation)
    assert 0 < fit.margin < np.inf
    assert cheapest((one, other), [wrong]).excess > 1.3 > fit.excess


def test_a_few_pairs_of_a_kind_do_not_outweigh_the_points():
    """Pairs are neighbours of the partners, and a motion of their own fits them by chance."""
    one, other = normal(cloud(400, 1)), normal(cloud(400, 2))
    right = torch.eye(400).double() / 400
    noise = torch.as_tensor(np.random.default_rng(0).normal(size=(3, 2)))
    points = one, torch.cat([one[:3] + 0.4 * noise, other[3:]])
    found = fit_plans(points, [right], n_pairs=3)
    assert_allclose(found.motion.rotation, np.eye(2), atol=0.15)


# ------------------------------------------------------------------------------------ the map


def test_codes_go_to_the_shared_space_and_back():
    rng = np.random.default_rng(0)
    turn = 1.5 * np.linalg.qr(rng.normal(size=(3, 2)))[0].T
    code_map = CodeMap((np.full(2, 3.0), np.full(3, -2.0)), (5.0, 0.2), turn)
    codes = rng.normal(size=(20, 2))
    shared = code_map.shared(codes, 0)
    assert_allclose(shared, (codes - 3) / 5 @ turn)
    assert_allclose(code_map.codes(shared, 0), codes)
    assert_allclose(code_map.codes(shared, 1), shared * 0.2 - 2)
    assert_allclose(code_map.shared(code_map.codes(shared, 1), 1), shared)
