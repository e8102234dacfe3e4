"""Placement of rows by least stress."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime
from scipy.spatial.distance import cdist
from sklearn.datasets import load_iris, load_wine
from sklearn.manifold import MDS
from sklearn.preprocessing import StandardScaler

from skgw import GWGenerativeEmbedding
from skgw.embedding.initialization import classical_scaling
from skgw.embedding.placement import place, place_together
from skgw.metrics import relative_distortion


@pytest.fixture(scope="module")
def wine():
    X = StandardScaler().fit_transform(load_wine().data)
    D = cdist(X, X)
    return D / np.sqrt(np.mean(D**2))


def stress(Z, reference, d, weights):
    return weights @ np.square(np.linalg.norm(Z - reference, axis=1) - d) / weights.sum()


@pytest.mark.parametrize("k", [1, 2, 8])
def test_rows_together_have_the_stress_of_multidimensional_scaling(wine, k):
    start = np.random.default_rng(0).normal(size=(len(wine), k))
    scaled = MDS(
        k, metric_mds=True, metric="precomputed", n_init=1, init="classical_mds",
        normalized_stress=False,
    ).fit_transform(wine)  # fmt: skip
    Z = place_together(wine, scaled + 0.01 * start)
    assert relative_distortion(wine, cdist(Z, Z)) < 1.01 * relative_distortion(
        wine, cdist(scaled, scaled)
    )
    assert_allclose(Z.mean(0), (scaled + 0.01 * start).mean(0), atol=1e-9)


@pytest.mark.parametrize("k", [2, 3])
def test_an_exact_answer_is_found(k):
    points = np.random.default_rng(0).normal(size=(50, k)) + 100
    D = cdist(points, points)
    Z = place_together(D, 0.7 * points)
    assert_allclose(cdist(Z, Z), D, atol=1e-3)
    new = np.random.default_rng(1).normal(size=(9, k)) + 100
    assert_allclose(cdist(place(cdist(new, points), points), points), cdist(new, points), atol=1e-4)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_row_is_at_a_minimum_of_its_stress(wine, weighted):
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(len(wine), 2)) * 0.5
    weights = rng.uniform(size=len(wine)) if weighted else None
    Z = place(wine[:7], reference, weights)
    counts = np.ones(len(wine)) if weights is None else weights
    for z, d in zip(Z, wine[:7], strict=True):
        slope = approx_fprime(z, stress, 1e-7, reference, d, counts)
        assert_allclose(slope, 0, atol=5e-3)


def test_placed_rows_stay_where_they_are(wine):
    Z = place_together(wine, np.random.default_rng(0).normal(size=(len(wine), 3)))
    assert_allclose(place(wine, Z), Z, atol=5e-3)


def test_a_row_depends_on_no_other_row(wine):
    reference = np.random.default_rng(0).normal(size=(len(wine), 3)) * 0.5
    together = place(wine, reference)
    alone = np.concatenate([place(d[None], reference) for d in wine[:5]])
    assert_allclose(alone, together[:5], atol=1e-6)


def test_weights_are_repetitions(wine):
    counts = np.random.default_rng(0).integers(1, 4, size=40)
    rows = np.repeat(np.arange(40), counts)
    start = classical_scaling(torch.as_tensor(wine[:40, :40]), 2).numpy()
    weighted = place_together(wine[:40, :40], start, counts.astype(float))
    repeated = place_together(wine[np.ix_(rows, rows)], start[rows])
    D = wine[:40, :40]
    errors = [np.square(D[rows][:, rows] - cdist(Z, Z)).sum() for Z in (weighted[rows], repeated)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-3)


def test_equal_rows_have_one_place():
    assert_array_equal(place_together(np.zeros((4, 4)), np.arange(8.0).reshape(4, 2)), [[3, 4]] * 4)


def test_more_components_fit_better():
    X = load_iris().data
    scores = [
        GWGenerativeEmbedding(k, max_iter=5, n_generated=100, random_state=0).fit(X).score(X)
        for k in (1, 2, 3, 4)
    ]
    assert (np.diff(scores) > 0).all()
    assert scores[-1] > -5e-4
