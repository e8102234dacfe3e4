"""Copies of training rows and the spread of samples within groups, against known answers."""

import numpy as np
import pytest

from skgw.metrics import memorization, spread_ratio


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_new_data_are_not_copies(rng):
    train, new, other = rng.normal(size=(3, 2000, 3))
    assert memorization(new, train) == pytest.approx(0.5, abs=0.03)
    assert memorization(new, train, other) == pytest.approx(0.5, abs=0.03)


def test_copies(rng):
    train, new = rng.normal(size=(2, 100, 3))
    assert memorization(train, train) == 1
    half = np.vstack([train[:50], new[50:]])
    assert memorization(half, train, new) == pytest.approx(0.75, abs=0.05)


def test_data_with_repeated_rows_are_no_copies_of_themselves():
    train = np.repeat(np.arange(5.0), 2)[:, None]
    assert memorization(train, train) == 0.5


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_the_unit_has_no_effect(rng, unit):
    train, new = rng.normal(size=(2, 60, 3))
    assert memorization(unit * new + unit, unit * train + unit) == memorization(new, train)
    found = [spread_ratio(u * new, u * train, n_groups=3, random_state=0) for u in (1, unit)]
    assert found[0] == pytest.approx(found[1])


def test_the_spread_of_shrunk_modes(rng):
    labels = np.arange(3000) % 3
    centers = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0]])[labels]
    noise, other = rng.normal(size=(2, 3000, 2))
    for share in (0.5, 1.0, 1.5):
        ratio = spread_ratio(centers + share * noise, centers + other, n_groups=3, random_state=0)
        assert ratio == pytest.approx(share, rel=0.04)


def test_spread_without_pairs():
    assert np.isnan(spread_ratio([[0.0], [9.0]], [[0.0], [0.1], [9.0], [9.1]], n_groups=2))
    assert np.isnan(spread_ratio([[0.0], [9.0]], np.zeros((4, 1))))


def test_refused():
    with pytest.raises(ValueError, match="columns"):
        memorization([[0.0]], [[0.0, 1.0], [1.0, 1.0]])
    with pytest.raises(ValueError, match="two rows"):
        memorization([[0.0]], [[0.0]])
    with pytest.raises(ValueError, match="n_groups"):
        spread_ratio(np.zeros((3, 1)), np.zeros((3, 1)), n_groups=4)
