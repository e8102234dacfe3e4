"""Matching of codes from nothing, and the map that is kept of it."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skgw.alignment.codes import CodeMap, match_codes
from skgw.alignment.registration import register

N, M = 60, 45
MEANS, SIZES = (3.0, -2.0), (5.0, 0.2)


def normal(Z):
    Z = Z - Z.mean(0)
    return Z / (2 * Z.square().sum(1).mean()).sqrt()


@pytest.fixture(scope="module")
def codes():
    """Of unit size, the second a turned copy in more dimensions, reordered."""
    rng = np.random.default_rng(0)
    Z = normal(torch.as_tensor(rng.exponential(size=(N, 2)) * [2, 1] + rng.normal(size=(N, 2)) / 2))
    turn = torch.as_tensor(np.linalg.qr(rng.normal(size=(3, 2)))[0].T)
    order = torch.as_tensor(rng.permutation(N))
    return Z, (Z @ turn)[order], turn, order


@pytest.fixture(scope="module")
def code_map(codes):
    """Of the registration of all of the first with some of the second."""
    Z, W, turn, _ = codes
    W = normal(W[:M])
    found = register(Z, W, rotation=turn, temperatures=(0.02,) * 20)
    means = torch.full((2,), MEANS[0]), torch.full((3,), MEANS[1])
    return CodeMap.of(found, (Z, W), means, SIZES), found, Z.numpy(), W.numpy()


def test_a_copy_is_matched(codes):
    Z, W, turn, order = codes
    found = match_codes((Z, W), (Z, W), n_init=4)
    assert_allclose(found.registration.rotation, turn, atol=0.05)
    assert_array_equal(found.registration.transport.plan.argmax(0), order)
    assert found.contrast > 0.5
    again = match_codes((Z, W), (Z, W), n_init=4)
    assert_array_equal(again.registration.rotation, found.registration.rotation)


def test_rows_help_where_codes_are_deformed(codes):
    """The distances of codes are wrong, those of rows are right."""
    Z, W, _, order = codes
    deformed = normal(W * torch.tensor([1.0, 0.1, 3.0]).double())
    found = match_codes((Z, deformed), (Z, W), n_init=4).registration
    assert (found.transport.plan.argmax(0) == order).double().mean() > 0.2


def ring(n=48):
    angle = torch.linspace(0, 2 * torch.pi, n + 1).double()[:-1]
    return normal(torch.stack([angle.cos(), angle.sin()], 1))


def test_a_ring_has_no_clear_matching():
    assert match_codes((ring(), ring()), (ring(), ring()), n_init=4).contrast < 0.02


def test_deformed_codes_of_symmetric_rows_are_not_clear():
    """Dents at the same place of both codes single one matching out; the rows do not know it."""
    codes = []
    for dent in (1.8, 1.5):
        dented = ring()
        dented[:6] *= dent
        codes.append(normal(dented))
    assert match_codes(tuple(codes), tuple(codes), n_init=4).contrast > 0.5
    assert match_codes(tuple(codes), (ring(), ring()), n_init=4).contrast < 0.02


def test_pairs_make_a_symmetric_matching_clear():
    first = torch.tensor([0, 5, 11])
    order = torch.cat([first, torch.tensor([i for i in range(48) if i not in first])])
    Z = ring()[order]
    found = match_codes((Z, Z), (Z, Z), n_pairs=3, n_init=4)
    assert found.contrast > 0.1
    assert_array_equal(found.registration.transport.plan.argmax(1), np.arange(48))


# ------------------------------------------------------------------------------------ the map


def test_codes_go_to_the_shared_space_and_back(code_map):
    kept, found, Z, W = code_map
    raw = Z * SIZES[0] + MEANS[0]
    assert_allclose(kept.shared(raw, 0), Z @ found.rotation.numpy(), atol=1e-6)
    assert_allclose(kept.codes(kept.shared(raw, 0), 0), raw)  # from 2 dimensions to 3 and back
    raw = W * SIZES[1] + MEANS[1]
    assert_allclose(kept.shared(raw, 1), W, atol=1e-6)
    assert_allclose(kept.codes(kept.shared(raw, 1), 1), raw)


def test_codes_go_across(code_map):
    kept, found, Z, _ = code_map
    across = kept.codes(kept.shared(Z * SIZES[0] + MEANS[0], 0), 1)
    assert_allclose(across, Z @ found.rotation.numpy() * SIZES[1] + MEANS[1], atol=1e-5)
    back = kept.codes(kept.shared(across, 1), 0)
    assert_allclose(back, Z * SIZES[0] + MEANS[0], atol=1e-5)


def test_means_of_partners(code_map):
    kept, _, _, W = code_map
    moved = kept.reference[0]
    assert_allclose(kept.partner_means(moved, 0), kept.partners(moved, 0) @ W)


def test_partners_of_reference_points_are_those_of_the_plan(code_map):
    kept, found, _, _ = code_map
    plan = found.transport.plan.numpy()
    moved, others = kept.reference
    assert_allclose(kept.partners(moved, 0) / N, plan, atol=1e-4)
    assert_allclose(kept.partners(moved, 0).sum(1), 1)
    back = kept.partners(others, 1)
    assert back.shape == (M, N)
    assert_allclose(back.sum(1), 1)
    assert_allclose((back / M).sum(0), 1 / N, atol=0.3 / N)


def test_the_plan_of_reference_points_is_that_of_their_partners(code_map):
    kept = code_map[0]
    moved, others = kept.reference
    plan = kept.plan(moved, others, 0)
    assert plan.shape == (N, M)
    assert_allclose(np.array(plan), kept.partners(moved, 0) / N, atol=1e-4)
    assert_allclose(plan.apply(np.ones(M), axis=1), 1 / N)
    other_way = kept.plan(others, moved, 1)
    assert_allclose(np.array(other_way), kept.partners(others, 1) / M, atol=1e-4)


def test_points_in_any_company_have_the_same_partners(code_map):
    kept = code_map[0]
    moved = kept.reference[0]
    assert_allclose(kept.partners(moved[3:5], 0), kept.partners(moved, 0)[3:5])
    few = np.array(kept.plan(moved[3:5], kept.reference[1], 0))
    assert_allclose(few * 2, np.array(kept.plan(moved, kept.reference[1], 0))[3:5] * N, rtol=1e-4)
