"""Domains of which one lacks a kind of rows that the other one has, and another is rarer."""

import warnings

import numpy as np
import pytest

from skgw import GWCoTrainedAutoencoders
from skgw.exceptions import AmbiguousMatchingWarning

SIZES = (40, 10, 40, 20, 30), (10, 40, 0, 30, 40)  # of the kinds
SMALL = {"hidden_layer_sizes": (32,), "max_iter": 300, "n_init": 4, "random_state": 0}


def rows(sizes, rng):
    """Rows of kinds at fixed places, and the kinds that they are of."""
    places = np.random.default_rng(5).normal(size=(5, 4)) * [3, 2.5, 2, 1.5]
    kinds = np.repeat(np.arange(5), sizes)
    scale = np.linspace(0.3, 0.6, 5)[kinds, None]
    return places[kinds] + scale * rng.normal(size=(len(kinds), 4)) * [2, 1, 1, 0.5], kinds


@pytest.fixture(scope="module")
def domains():
    """Rows and kinds of two domains; the second domain is rotated into more dimensions."""
    rng = np.random.default_rng(1)
    (X, x), (Y, y) = (rows(sizes, rng) for sizes in SIZES)
    frame = 2 * np.linalg.qr(rng.normal(size=(6, 4)))[0]
    return X, Y @ frame.T + rng.normal(size=6), x, y


@pytest.fixture(scope="module", params=[None, 0.05])
def fitted(domains, request):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AmbiguousMatchingWarning)
        return GWCoTrainedAutoencoders(4, unbalanced=request.param, **SMALL).fit(*domains[:2])


def test_rows_are_matched_with_their_kind(domains, fitted):
    *_, x, y = domains
    shared = x != 2  # the kinds that both domains have
    assert (y[fitted.match()] == x)[shared].mean() > 0.95
    assert (x[fitted.match(domain="y")] == y).mean() > 0.9


def test_matched_mass_tells_the_shares(domains, fitted):
    mass, x = fitted.matched_mass_, domains[2]
    assert mass.shape == (140,)
    by_kind = [mass[x == k].mean() for k in range(5)]
    assert by_kind[2] < 0.3  # missing
    assert by_kind[1] > 1.5 > by_kind[0] > 0.2  # rarer in the first domain, and in the second
    sums = fitted.plan_.apply(np.ones(120), axis=1)
    expected = mass / mass.sum() if fitted.unbalanced else np.full(140, 1 / 140)
    assert sums == pytest.approx(expected)


def test_rows_are_translated_to_their_kind(domains, fitted):
    X, Y, x, y = domains
    centres = np.stack([Y[y == k].mean(0) for k in (0, 1, 3, 4)])
    shared = x != 2
    for method in ("barycentric", "decoded", "greedy"):
        nearest = np.square(fitted.translate(X, method=method)[:, None] - centres).sum(2).argmin(1)
        assert (np.array([0, 1, 3, 4])[nearest] == x)[shared].mean() > 0.9


def test_a_poor_matching_is_called_so():
    """Distances of the second domain have nothing to do with those of the first."""
    rng = np.random.default_rng(0)
    X = rng.exponential(size=(80, 2)) * [3, 1]
    Y = np.sign(rng.normal(size=(80, 4))) * [4, 2, 1, 1] + 0.1 * rng.normal(size=(80, 4))
    with pytest.warns(AmbiguousMatchingWarning, match="poor"):
        model = GWCoTrainedAutoencoders(2, **SMALL).fit(X, Y)
    assert model.diagnostics_["cost_ratio"] > 1.3
