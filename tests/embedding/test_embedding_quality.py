"""Easy shapes are recovered after a few hundred updates."""

import copy

import networkx as nx
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.datasets import make_swiss_roll

from skgw import GWGenerativeEmbedding
from skgw.embedding import Generator
from skgw.metrics import distance_distribution_error, distance_rank_correlation
from skgw.spaces import graph_distances

TRAINED = {"max_iter": 150, "n_generated": 200, "batch_size": 64, "random_state": 0}


@pytest.fixture(scope="module")
def circle():
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 120)
    frame = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
    return np.c_[np.cos(angle), np.sin(angle)] @ frame[:2] + 3


@pytest.fixture(scope="module")
def embedded_circle(circle):
    return GWGenerativeEmbedding(**TRAINED).fit(circle)


def test_circle_is_a_circle(circle, embedded_circle):
    D = cdist(circle, circle)
    assert distance_rank_correlation(D, embedded_circle.embedding_) > 0.98
    assert embedded_circle.score(circle) > -0.1
    radius = np.linalg.norm(embedded_circle.embedding_, axis=1)
    assert np.abs(radius - 1).max() < 0.25


def test_samples_lie_on_the_circle(circle, embedded_circle):
    sample = embedded_circle.sample(500, random_state=0)
    assert distance_distribution_error(cdist(circle, circle), cdist(sample, sample)) < 0.05
    radius = np.linalg.norm(sample, axis=1)
    assert np.quantile(np.abs(radius - 1), 0.9) < 0.3


def test_new_points_of_the_circle_land_next_to_the_old(circle, embedded_circle):
    half = GWGenerativeEmbedding(**TRAINED).fit(circle[:80])
    assert half.score(circle[80:]) > -0.1


def test_inverse_transform_undoes_transform(circle, embedded_circle):
    back = embedded_circle.inverse_transform(embedded_circle.transform(circle))
    error = np.linalg.norm(back - circle)
    assert error < 0.2 * np.linalg.norm(circle - circle.mean(0))


@pytest.mark.filterwarnings("ignore::skgw.exceptions.GWConvergenceWarning")  # untrained
def test_training_lowers_the_loss(circle, embedded_circle):
    untrained = GWGenerativeEmbedding(
        **{**TRAINED, "max_iter": 1, "generator": Generator(init="random")}
    ).fit(circle)
    assert embedded_circle.gw_divergence_ < 0.1 * untrained.gw_divergence_
    assert np.mean(embedded_circle.loss_curve_[-20:]) < 0.1 * untrained.loss_curve_[0]


def test_score_is_lower_for_a_shuffled_embedding(circle, embedded_circle):
    shuffled = copy.deepcopy(embedded_circle)
    shuffled._reference_embedding = np.random.default_rng(0).permutation(embedded_circle.embedding_)
    assert embedded_circle.score(circle) > shuffled.score(circle) + 0.3


def test_score_does_not_know_epsilon(circle, embedded_circle):
    other = copy.deepcopy(embedded_circle).set_params(epsilon=10.0)
    assert other.score(circle) == embedded_circle.score(circle)


def test_line_from_its_distances():
    x = np.sort(np.random.default_rng(0).uniform(size=80))
    D = np.abs(x[:, None] - x)
    estimator = GWGenerativeEmbedding(1, metric="precomputed", **TRAINED).fit(D)
    assert distance_rank_correlation(D, estimator.embedding_) > 0.99
    assert estimator.score(D) > -0.1


def test_an_axis_that_the_data_do_not_need_stays_narrow():
    X = np.random.default_rng(0).normal(size=(150, 2))
    estimator = GWGenerativeEmbedding(3, **TRAINED).fit(X)
    widths = estimator.sample(500, random_state=0).std(0)
    assert widths[2] < 0.01 * widths[0]


def test_an_uneven_share_of_clusters_is_kept():
    X = np.random.default_rng(0).normal(scale=0.1, size=(1200, 2))
    X[:300] += 4
    estimator = GWGenerativeEmbedding(**TRAINED).fit(X)
    # A random choice of the rows that the embedding is computed from would lose some balance.
    assert (estimator._reference_space.points[:, 0] > 2).mean() == pytest.approx(0.25, abs=0.002)


def test_graph_of_a_path():
    graph = nx.path_graph(60)
    estimator = GWGenerativeEmbedding(metric="precomputed", **TRAINED).fit(graph)
    assert distance_rank_correlation(graph_distances(graph), estimator.embedding_) > 0.95


@pytest.mark.slow
def test_swiss_roll_is_unrolled_by_geodesics():
    X, angle = make_swiss_roll(500, random_state=0)
    estimator = GWGenerativeEmbedding(metric="geodesic", n_neighbors=8, random_state=0).fit(X)
    length = angle * np.sqrt(1 + angle**2) + np.arcsinh(angle)  # of the spiral
    assert abs(np.corrcoef(estimator.embedding_[:, 0], length)[0, 1]) > 0.99


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::skgw.exceptions.GWConvergenceWarning")  # of the projection
def test_no_bridge_between_separate_clusters():
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=300)
    X = rng.normal(scale=0.1, size=(300, 2)) + 4 * label[:, None]
    estimator = GWGenerativeEmbedding(random_state=0).fit(X)
    one, other = (estimator.embedding_[label == k, 0].mean() for k in (0, 1))
    assert abs(one - other) == pytest.approx(4 * np.sqrt(2), rel=0.1)
    along = estimator.sample(1000, random_state=0)[:, 0]
    assert np.mean(abs(along - (one + other) / 2) < 2.0) < 0.01
