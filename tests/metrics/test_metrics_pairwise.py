"""The Gromov-Wasserstein distance is a metric; many spaces at once."""

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from skgw.metrics import GWDistances, gw_distance, pairwise_gromov
from skgw.metrics.pairwise import _blocks, _spaces
from skgw.solvers import solve_gromov


def polygon(n, noise=0.0, seed=0):
    """Distances between points on a spiral of n points, which has no symmetry."""
    t = np.linspace(0, 1, n)
    x = np.c_[(1 + 3 * t) * np.cos(5 * t), (1 + 3 * t) * np.sin(5 * t)]
    return distances(x + noise * np.random.default_rng(seed).normal(size=x.shape))


def distances(x):
    return cdist(x, x)


def path(n):
    return np.abs(np.subtract.outer(np.arange(n), np.arange(n))).astype(float)


def ring(n):
    return np.minimum(path(n), n - path(n))


def test_isometric_spaces_have_distance_zero():
    C, order = polygon(40), np.random.default_rng(0).permutation(40)
    assert gw_distance(C, C[np.ix_(order, order)]) == 0
    split = np.repeat(np.arange(40), 2)  # each point twice, with half of its weight
    assert gw_distance(C, C[np.ix_(split, split)]) < 1e-7 * C.max()


def test_a_scaled_space_and_a_point():
    C = polygon(30)
    norm = np.sqrt((C**2).mean())
    assert gw_distance(C, 3 * C) == pytest.approx(2 * norm)
    assert gw_distance(C, [[0.0]]) == pytest.approx(norm)


def test_the_metric_axioms():
    spaces = [polygon(30, noise, seed) for seed, noise in enumerate((0, 0.1, 0.2, 0.3, 0.5))]
    spaces.append(polygon(24))
    D = pairwise_gromov(spaces, spaces, init="auto")
    np.testing.assert_allclose(D, D.T, atol=1e-9)
    np.testing.assert_allclose(np.diag(D), 0, atol=1e-7)
    assert D[~np.eye(6, dtype=bool)].min() > 0.01
    for i, j, k in itertools.permutations(range(6), 3):
        assert D[i, k] <= D[i, j] + D[j, k] + 1e-9


def test_entries_are_distances_of_pairs():
    spaces = [polygon(n, 0.05, n) for n in (12, 20, 15, 9)]
    weights = [np.random.default_rng(len(C)).dirichlet(np.full(len(C), 9.0)) for C in spaces]
    D = pairwise_gromov(spaces, weights_a=weights, init="auto")
    assert (D == D.T).all()
    assert (np.diag(D) == 0).all()
    for i, j in itertools.combinations(range(4), 2):
        alone = gw_distance(spaces[i], spaces[j], weights[i], weights[j])
        assert D[i, j] == pytest.approx(alone, rel=1e-6)
    rectangular = pairwise_gromov(
        spaces[:2], spaces, weights_a=weights[:2], weights_b=weights, init="auto"
    )
    np.testing.assert_allclose(rectangular, D[:2], atol=1e-6)


def test_blocks_jobs_and_squares_change_no_entry():
    spaces = [polygon(n, 0.1, n) for n in (10, 14, 12, 16, 11)]
    D = pairwise_gromov(spaces)
    np.testing.assert_allclose(pairwise_gromov(spaces, block_entries=1), D, atol=1e-9)
    np.testing.assert_allclose(pairwise_gromov(spaces, squared=True), D**2, atol=1e-12)
    np.testing.assert_allclose(pairwise_gromov(spaces, block_entries=500, n_jobs=2), D, atol=1e-9)


def test_blocks_hold_every_pair_once_and_are_bounded():
    spaces = _spaces([path(n) for n in (3, 50, 4, 20, 5, 30)], None, "A")
    for most in (1, 900, 5000, 10**6):
        blocks = list(_blocks(spaces, spaces, True, most))
        pairs = [pair for block in blocks for pair in block]
        assert sorted(pairs) == list(itertools.combinations(range(6), 2))
        for block in blocks:
            largest = max(len(spaces[k].matrix) for pair in block for k in pair)
            assert len(block) == 1 or len(block) * largest**2 <= most


def test_a_pipeline_classifies_and_is_searched():
    spaces = [path(n) for n in range(7, 13)] + [ring(n) for n in range(8, 20, 2)]
    classes = np.repeat(["path", "ring"], 6)
    neighbors = KNeighborsClassifier(1, metric="precomputed")
    model = make_pipeline(GWDistances(), neighbors)
    assert (model.fit(spaces, classes).predict([path(14), ring(15)]) == ["path", "ring"]).all()
    search = GridSearchCV(clone(model), {"kneighborsclassifier__n_neighbors": [1, 3]}, cv=2)
    assert search.fit(spaces, classes).best_score_ == 1


def test_the_transformer_is_the_function():
    spaces, new = [polygon(n) for n in (9, 12, 15)], [polygon(10), polygon(20)]
    transformer = GWDistances()
    np.testing.assert_array_equal(transformer.fit_transform(spaces), pairwise_gromov(spaces))
    np.testing.assert_array_equal(transformer.transform(new), pairwise_gromov(new, spaces))
    assert transformer.n_features_out_ == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([path(4), path(5)[:4]],), r"A\[1\] must be a square matrix, got shape \(4, 5\)"),
        (([path(4)], [np.zeros(3)]), r"B\[0\] must be a square matrix, got shape \(3,\)"),
        (([path(4), np.full((4, 4), np.nan)],), "contains NaN"),
    ],
)
def test_invalid_spaces(arguments, message):
    with pytest.raises(ValueError, match=message):
        pairwise_gromov(*arguments)


def test_invalid_options():
    with pytest.raises(ValueError, match="Got 1 arrays of weights for 2 spaces of A"):
        pairwise_gromov([path(3), path(4)], weights_a=[np.full(3, 1 / 3)])
    with pytest.raises(ValueError, match="weights_b belongs to B"):
        pairwise_gromov([path(3), path(4)], weights_b=[np.full(3, 1 / 3)] * 2)
    with pytest.raises(ValueError, match="block_entries must be at least 1"):
        pairwise_gromov([path(3), path(4)], block_entries=0)


def test_features_are_a_fused_problem():
    rng = np.random.default_rng(0)
    spaces, features = [path(4), path(6), polygon(5)], [rng.random((n, 2)) for n in (4, 6, 5)]
    found = pairwise_gromov(spaces, features_a=features, alpha=0.3, squared=True)
    M = ((features[0][:, None] - features[1][None]) ** 2).sum(2)
    alone = solve_gromov(spaces[0], spaces[1], M, alpha=0.3, reg=0, init="anneal")
    assert found[0, 1] == pytest.approx(float(alone.value), rel=1e-6)
    other = pairwise_gromov(
        spaces[:2], spaces, features_a=features[:2], features_b=features, alpha=0.3, squared=True
    )
    np.testing.assert_allclose(other, found[:2], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features_a": [np.ones((4, 1))]}, "Got features of 1 spaces, A holds 2"),
        ({"features_a": [np.ones((4, 1)), np.ones((4, 1))]}, r"features of A\[1\] have shape"),
        ({"features_a": [np.ones((4, 1)), np.ones((5, 2))]}, "as many for each"),
        ({"features_b": [np.ones((4, 1)), np.ones((5, 1))]}, "features_b belongs to B"),
    ],
)
def test_invalid_features(options, message):
    with pytest.raises(ValueError, match=message):
        pairwise_gromov([path(4), path(5)], **options)
