"""Refining a matching by near distances and by maps of features."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.metrics import pairwise_distances

from skgw.matching import refinement
from skgw.matching.refinement import (
    kept_neighbors,
    nearest_neighbors,
    refine,
    refine_coupling,
    register_points,
)
from skgw.matching.side_information import Hints
from skgw.matching.training_domain import TrainingDomain, reference_domains

NONE = np.empty(0, dtype=np.intp)
NO_HINTS = Hints((NONE, NONE), None, 1.0)


def pair_of(X, Y, metric="auto"):
    one, other = (TrainingDomain(Z, metric, None, np.random.RandomState(0)) for Z in (X, Y))
    return one, other


def seen(X, Y, metric="raw euclidean"):
    """Both domains with all rows as reference rows."""
    rows = np.arange(len(X)), np.arange(len(Y))
    return reference_domains(pair_of(X, Y), (metric, metric), rows)


def blurred(partner, D, width):
    """A plan that sends rows to the surroundings of their partners, (n, m)."""
    plan = np.exp(-((D[partner] / width) ** 2))
    return torch.from_numpy(plan / plan.sum(1, keepdims=True) / len(plan))


def test_neighbours_of_points_on_a_line():
    D = torch.tensor([0.0, 1, 2, 4, 8, 16])
    graph = nearest_neighbors((D[:, None] - D).abs(), 2)
    assert graph[0].tolist() == [0, 1, 1, 0, 0, 0]
    assert graph[5].tolist() == [0, 0, 0, 1, 1, 0]
    tied = nearest_neighbors((torch.arange(6.0)[:, None] - torch.arange(6.0)).abs(), 1)
    assert tied[2].tolist() == [0, 1, 0, 1, 0, 0]


def test_kept_neighbours():
    D = torch.cdist(*[torch.linspace(0, 1, 12)[:, None]] * 2)
    graphs = nearest_neighbors(D, 2), nearest_neighbors(D, 2)
    eye = torch.eye(12)
    assert kept_neighbors(graphs, eye) == pytest.approx(1)
    assert kept_neighbors(graphs, eye.flip(0)) == pytest.approx(1)
    assert kept_neighbors(graphs, eye[torch.arange(12) * 5 % 12]) < 0.4
    assert kept_neighbors(graphs, torch.ones(12, 12)) == 0  # all to one


def test_saturated_distances_tell_near_rows_apart_only():
    X = np.random.default_rng(0).normal(size=(150, 2))
    domain = seen(X, X)[0]
    near = domain.saturated(10)
    D, E = domain.between() * domain.scale, near.between() * near.scale
    assert_allclose(E, 1 - np.exp(-D / near.space.reach), rtol=1e-5)
    assert near.space.reach == pytest.approx(np.median(np.sort(D, axis=1)[:, 10]))
    assert_allclose(near.plain.between(), domain.between())
    assert_allclose(near.distances(X[:5]), near.between()[:5], atol=1e-6)


def test_a_bent_chain_is_matched_row_by_row():
    """Far distances change where a hinge bends, near ones do not."""
    steps = 0.7 * np.random.default_rng(0).normal(size=(80, 3)) + [1, 0, 0]
    X = np.cumsum(steps, axis=0)
    c, s = np.cos(1.2), np.sin(1.2)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    Y = np.cumsum(np.r_[steps[:40], steps[40:] @ turn], axis=0)
    partner = np.arange(80)
    start = blurred(partner, pairwise_distances(Y), 10.0)
    refined = refine(("raw euclidean",) * 2, seen(X, Y), NO_HINTS, start)
    assert refined.kept > 0.9
    assert (refined.result.plan.argmax(1).numpy() == partner).mean() > 0.95


def test_a_matching_of_regions_stays_warm():
    """Between unrelated clouds, few neighbours are kept, and a row goes to many."""
    X, Y = np.random.default_rng(0).normal(size=(2, 80, 5))
    plan = torch.full((80, 80), 1 / 80**2, dtype=torch.float64)
    refined = refine(("raw euclidean",) * 2, seen(X, Y), NO_HINTS, plan)
    assert refined.kept < 0.5
    rows = refined.result.plan * 80
    assert (1 / rows.square().sum(1)).median() > 2  # effective number of partners


@pytest.mark.parametrize(("noise", "before", "after"), [(0.0, 0.9, 0.95), (0.5, 0.4, 0.55)])
def test_a_map_of_features_is_found_and_taken(noise, before, after):
    """Columns in other units: distances agree roughly, and an orthogonal map does better.

    Noise hides who is the nearest; what counts is that more neighbours are kept.
    """
    rng = np.random.default_rng(1)
    X = rng.exponential(size=(150, 4)) @ rng.normal(size=(4, 12)) + 0.3 * rng.normal(size=(150, 12))
    order = rng.permutation(150)
    noisy = X + noise * rng.normal(size=X.shape)
    Y = (noisy[:, ::-1] * np.geomspace(0.25, 4, 12))[order]
    partner, metrics = np.argsort(order), ("raw euclidean",) * 2
    start = blurred(partner, pairwise_distances((Y - Y.mean(0)) / Y.std(0)), 2.0)
    plain = refine(metrics, seen(X, Y), NO_HINTS, start)
    found = refine_coupling(pair_of(X, Y), metrics, seen(X, Y), NO_HINTS, start)
    assert found.kept > plain.kept
    rates = [(x.result.plan.argmax(1).numpy() == partner).mean() for x in (plain, found)]
    assert rates[0] < before
    assert rates[1] > after


def test_a_plan_that_keeps_more_neighbours_is_left_alone(monkeypatch):
    X = np.random.default_rng(0).normal(size=(60, 2))
    spaces, eye = seen(X, X), torch.eye(60).double() / 60
    metrics = "raw euclidean", "raw euclidean"
    shuffled = refine(metrics, spaces, NO_HINTS, eye[torch.randperm(60)])._replace(kept=0.1)
    monkeypatch.setattr(refinement, "refine", lambda *_: shuffled)
    monkeypatch.setattr(refinement, "register_points", lambda *_: shuffled.result.plan)
    assert refine_coupling(pair_of(X, X), metrics, spaces, NO_HINTS, eye) is None


def test_registration_finds_a_rotation():
    rng = np.random.default_rng(0)
    X = rng.exponential(size=(60, 4))
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    start = blurred(np.arange(60), pairwise_distances(X), 0.8)
    plan = register_points((X, 5 + 3 * X @ turn), start)
    assert plan.argmax(1).tolist() == list(range(60))
