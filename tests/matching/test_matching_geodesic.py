"""Matching by shortest paths in the graph of nearest neighbours, with few reference rows."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.stats import spearmanr

from skgw import GWMatcher
from skgw.matching.domain_points import DomainPoints
from skgw.matching.registered_extension import RegisteredExtension
from skgw.matching.side_information import SideInformation
from skgw.matching.training_domain import TrainingDomain
from skgw.spaces import graph_distances
from skgw.spaces.build import connected_neighbors

N_REFERENCE, K = 120, 10
pytestmark = pytest.mark.filterwarnings(  # a curve is almost as long from its other end
    "ignore::skgw.exceptions.AmbiguousMatchingWarning"
)


@pytest.fixture(scope="module")
def curves():
    """A spiral in the plane and a narrow rolled sheet; rows have random positions along both."""
    rng = np.random.default_rng(0)

    def spiral(n):
        t = rng.uniform(0, 9, size=n)
        radius = 0.3 + t * 0.7 / 9 + 0.02 * rng.normal(size=(2, n))
        return np.stack([radius[0] * np.cos(t), radius[1] * np.sin(t)], axis=1), t

    X, x = spiral(400)
    Y, y = spiral(500)
    return X, x, np.insert(Y, 1, 0.5 * rng.uniform(size=500), axis=1), y


@pytest.fixture
def matcher(curves, few_rows):
    few_rows(N_REFERENCE)
    X, _, Y, _ = curves
    params = {"metric": "geodesic", "n_neighbors": K, "n_init": 4, "method": "reference"}
    return GWMatcher(**params, random_state=0).fit(X, Y)


def geodesic_domain(X, n_anchors=N_REFERENCE):
    return TrainingDomain(X, "geodesic", K, np.random.RandomState(0), max_anchors=n_anchors)


def test_rows_are_matched_along_the_curve(matcher, curves):
    X, x, Y, y = curves
    assert isinstance(matcher._extension, RegisteredExtension)
    orders = [spearmanr(x, y[matcher.match()])[0], spearmanr(y, x[matcher.match(domain="y")])[0]]
    assert np.abs(orders).min() > 0.99
    assert orders[0] * orders[1] > 0
    assert abs(spearmanr(x, y[matcher.match(X, Y)])[0]) > 0.99


def test_the_plan_is_almost_balanced_and_new_rows_are_matched_alike(matcher, curves):
    X, x, _, y = curves
    plan = np.asarray(matcher.plan_)
    assert plan.sum() == pytest.approx(1, rel=1e-5)
    assert_allclose(plan.sum(1), matcher.matched_mass_ / 400, rtol=1e-5)
    assert np.abs(400 * plan.sum(1) - 1).mean() < 0.3
    assert np.abs(500 * plan.sum(0) - 1).mean() < 0.3
    rng = np.random.default_rng(1)
    near = X + 1e-4 * rng.normal(size=X.shape)
    assert_allclose(matcher.translate(near), matcher.translate(X), atol=0.02)
    middle = (plan @ y) / plan.sum(1)
    assert abs(spearmanr(x, middle)[0]) > 0.995


def test_a_matcher_of_geodesics_can_be_saved(matcher, curves, tmp_path):
    X, _, Y, _ = curves
    matcher.save(tmp_path / "matcher")
    loaded = GWMatcher.load(tmp_path / "matcher")
    assert_allclose(loaded.translate(X), matcher.translate(X))
    assert_allclose(loaded.translate(Y, domain="y"), matcher.translate(Y, domain="y"))


def test_the_graph_has_all_rows_and_paths_start_at_few(curves):
    X = curves[0]
    domain = geodesic_domain(X)
    rows = domain.sample(50, np.array([], dtype=int))
    assert len(domain.whole.anchors) == N_REFERENCE
    assert np.isin(rows, domain.whole.anchors).all()
    assert len(domain.sample(200, rows)) == N_REFERENCE
    assert len(domain.sample(200, rows, of_anchors=False)) == 200
    D = graph_distances(connected_neighbors(X, K), edge_length="weight", sources=rows)
    every = np.arange(len(rows))
    assert_allclose(domain.space("geodesic", rows).between(every, every), D[:, rows])


def test_weights_of_axes_are_those_of_inner_products(curves):
    """The costs between weighted rows are the linearised objective, up to marginals and a unit."""
    X, _, Y, _ = curves
    pair = geodesic_domain(X), geodesic_domain(Y)
    points = DomainPoints.of(pair, SideInformation.none(), 0, 32)
    rows = np.arange(60), np.arange(80)
    rng = np.random.default_rng(0)
    plan = torch.from_numpy(rng.uniform(size=(60, 80)) / 4800)
    weighted = points.weighted(rows, plan)
    (Z, W), (A, B) = points.points, weighted.points
    expected = Z @ (Z[:60].T @ plan @ W[:80]) @ W.T
    found = A @ B.T
    assert_allclose(found / found.norm(), expected / expected.norm(), atol=1e-10)
    for domain, axes, coordinates in zip(pair, weighted.axes, weighted.points, strict=True):
        assert_allclose(axes.transform(domain.coordinates()), coordinates, atol=1e-8)


def test_searches_for_paths_are_reported(curves, few_rows, capsys, monkeypatch):
    few_rows(N_REFERENCE)
    monkeypatch.setattr("skgw.base.progress.FIRST_LINE", 0.0)
    X, _, Y, _ = curves
    GWMatcher(metric="geodesic", n_init=1, method="reference", verbose=1, random_state=0).fit(X, Y)
    assert "shortest paths from 100 of 120 rows after" in capsys.readouterr().out
