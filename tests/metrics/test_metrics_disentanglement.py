import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import entropy

from skgw.metrics import dci_scores, factorvae_score, mutual_information_gap


def small_dci(codes, factors, seed):
    return dci_scores(
        codes, factors, n_estimators=5, max_depths=(4, 8), random_state=seed
    ).disentanglement


MEASURES = {
    "dci": lambda Z, V: small_dci(Z, V, 0),
    "gap": mutual_information_gap,
    "factorvae": lambda Z, V: factorvae_score(Z, V, batch_size=20, random_state=0),
}


def grid(*sizes):
    """All combinations of the values of independent factors."""
    axes = np.meshgrid(*(np.arange(float(size)) for size in sizes), indexing="ij")
    return np.stack(axes, axis=-1).reshape(-1, len(sizes))


@pytest.fixture(scope="module")
def factors():
    return grid(4, 8, 12)


def noise(n, k, seed=0):
    return np.random.RandomState(seed).standard_normal((n, k))


def test_each_code_is_a_factor(factors):
    codes = np.exp(-factors[:, [2, 0, 1]] / 4)
    scores = dci_scores(codes, factors, categorical=(0,), random_state=0)
    assert min(scores.disentanglement, scores.completeness, scores.informativeness) > 0.99
    assert_allclose(scores.importances, np.eye(3)[[2, 0, 1]], atol=0.01)
    assert_allclose(mutual_information_gap(factors, factors), 1)
    assert factorvae_score(codes, factors, batch_size=20, random_state=0) == 1


def test_importances_are_not_negative_by_rounding():
    """The forest of scikit-learn gives -1e-15 to codes that it splits in vain."""
    rng = np.random.RandomState(0)
    scale, other = np.linspace(0.16, 0.32, 6)[rng.randint(6, size=8000)], rng.randint(9, size=8000)
    factors = np.column_stack([scale, other])
    codes = factors + 1e-6 * rng.standard_normal(factors.shape)
    scores = dci_scores(codes, factors, max_depths=(4,), random_state=1)
    assert scores.importances.min() >= 0
    assert 0.99 < min(scores.disentanglement, scores.completeness) <= 1


def test_two_codes_that_share_two_factors():
    """The third code and factor are apart, so that 1 / 3 of the importance is concentrated."""
    factors = grid(8, 8, 8)
    codes = factors @ [[1, 1, 0], [1, -1, 0], [0, 0, 1]]
    scores = dci_scores(codes, factors, random_state=0)
    spread = 1 - np.log(2) / np.log(3)
    assert_allclose(scores.disentanglement, (2 * spread + 1) / 3, atol=0.03)
    assert_allclose(scores.completeness, (2 * spread + 1) / 3, atol=0.03)
    assert scores.informativeness > 0.9
    assert_allclose(mutual_information_gap(codes, factors), 1 / 3, atol=1e-9)


def test_two_codes_for_one_factor_lower_completeness_but_not_disentanglement():
    factors = grid(10, 10, 4)[:, :2]
    codes = factors[:, [0, 0, 1]] + 0.01 * noise(400, 3)
    scores = dci_scores(codes, factors, random_state=0)
    assert scores.disentanglement > 0.98
    assert scores.completeness < 0.9
    assert mutual_information_gap(codes, factors) < 0.55


def test_noise_knows_nothing(factors):
    codes = noise(len(factors), 3)
    scores = dci_scores(codes, factors, categorical=(0,), random_state=0)
    assert_allclose(scores.informativeness_per_factor, 0, atol=0.12)
    assert scores.disentanglement < 0.15
    assert mutual_information_gap(codes, factors) < 0.05
    assert factorvae_score(codes, factors, batch_size=20, random_state=0) < 0.45


def test_constant_codes_know_nothing(factors):
    scores = dci_scores(np.ones((len(factors), 2)), factors, random_state=0)
    assert dataclasses.astuple(scores)[:3] == (0, 0, 0)
    assert_allclose(scores.importances, 0)
    assert_allclose(mutual_information_gap(np.ones((len(factors), 2)), factors), 0, atol=1e-12)
    with_constant = np.column_stack([np.ones(len(factors)), factors])
    assert factorvae_score(with_constant, factors, batch_size=20, random_state=0) == 1
    with pytest.raises(ValueError, match="All codes are constant"):
        factorvae_score(np.ones((len(factors), 2)), factors)


def test_the_informativeness_of_a_category_and_of_a_number():
    """A code that knows which of two halves a factor with four values lies in."""
    factors = np.random.RandomState(0).randint(4, size=(3000, 2)).astype(float)
    codes = np.column_stack([factors[:, 0] // 2, factors[:, 1] // 2])
    scores = dci_scores(codes, factors, categorical=(1,), random_state=0)
    # The error of the mean is 1 / 4 of 5 / 4; of the rows of a half one half is right.
    assert_allclose(scores.informativeness_per_factor, [0.8, 1 / 3], atol=0.04)


def test_the_gap_follows_its_definition(factors):
    codes = factors @ noise(3, 4, seed=1) + noise(len(factors), 4, seed=2)
    gaps = []
    for v in factors.T.astype(int):
        known = []
        for z in codes.T:
            joint = np.histogram2d(z, v, bins=(10, np.arange(v.max() + 2) - 0.5))[0]
            joint /= joint.sum()
            apart = entropy(joint.sum(0)) + entropy(joint.sum(1))
            known.append(apart - entropy(joint.ravel()))
        second, first = np.sort(known)[-2:]
        gaps.append((first - second) / entropy(np.bincount(v)))
    assert_allclose(mutual_information_gap(codes, factors, n_bins=10), np.mean(gaps), rtol=1e-9)


def test_votes_go_to_the_factor_that_is_fixed_most_often():
    """One code depends on both factors, on the first one more; the other code is noise."""
    factors = grid(10, 10, 10)[:, :2]
    codes = np.column_stack([3 * factors[:, 0] + factors[:, 1], noise(1000, 1)[:, 0]])
    found = factorvae_score(codes, factors, batch_size=50, n_votes=2000, random_state=0)
    # The first code has .1 of its variance left if the first factor is fixed, and .9 if the second
    # one is, which is near the share of the noise: right are all votes of the first factor and
    # those of the second one that go to the noise.
    assert 0.6 < found < 0.9


@pytest.mark.parametrize("measure", MEASURES)
def test_units_and_order_of_the_codes_do_not_matter(measure, factors):
    codes = factors @ noise(3, 4, seed=1) + noise(len(factors), 4, seed=2)
    expected = MEASURES[measure](codes, factors)
    units = np.array([1e-300, 1e-20, 1e20, 1e290])
    assert_allclose(MEASURES[measure](codes * units + units, factors), expected, atol=0.03)
    assert_allclose(MEASURES[measure](codes[:, ::-1], factors), expected, atol=0.05)


def test_the_seed_decides(factors):
    codes = factors + noise(len(factors), 3)
    for seeds in ((0, 0), (0, 1)):
        equal = seeds[0] == seeds[1]
        votes = [factorvae_score(codes, factors, batch_size=20, random_state=s) for s in seeds]
        forests = [small_dci(codes, factors, s) for s in seeds]
        assert (votes[0] == votes[1]) == (forests[0] == forests[1]) == equal


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda Z, V: (Z[:-1], V), "inconsistent numbers of samples"),
        (lambda Z, V: (Z, np.ones_like(V)), "A factor has one value only"),
        (lambda Z, V: (Z * np.nan, V), "codes contains NaN"),
    ],
)
def test_bad_input(measure, change, message, factors):
    with pytest.raises(ValueError, match=message):
        MEASURES[measure](*change(factors, factors))


def test_what_only_one_measure_refuses(factors):
    with pytest.raises(ValueError, match="at least two columns each, got 1 and 3"):
        dci_scores(factors[:, :1], factors)
    with pytest.raises(ValueError, match="categorical must be between 0 and 2"):
        dci_scores(factors, factors, categorical=(3,))
    with pytest.raises(ValueError, match="at least two codes"):
        mutual_information_gap(factors[:, :1], factors)
    with pytest.raises(ValueError, match="384 different values in 384 rows"):
        mutual_information_gap(factors, noise(384, 1))
    with pytest.raises(ValueError, match="batch_size=64 rows; the most frequent one has 48"):
        factorvae_score(factors, factors)
