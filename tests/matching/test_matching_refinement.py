"""Refinement with saturated distances."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.metrics import pairwise_distances

from skgw.matching.neighbors import neighbor_graph, preserved_neighbors
from skgw.matching.refinement import RefinementSettings, refine, refine_coupling
from skgw.matching.side_information import SideInformation
from skgw.matching.training_domain import TrainingDomain, reference_domains

NOTHING = SideInformation.none()


def pair_of(X, Y, metric="auto"):
    x, y = (TrainingDomain(Z, metric, None, np.random.RandomState(0)) for Z in (X, Y))
    return x, y


def seen(X, Y, metric="raw euclidean"):
    """Both domains with all rows as reference rows."""
    rows = np.arange(len(X)), np.arange(len(Y))
    return reference_domains(pair_of(X, Y), (metric, metric), rows)


def blurred(match, D, width):
    """A plan that sends rows to the surroundings of their matches, (n, m)."""
    plan = np.exp(-((D[match] / width) ** 2))
    return torch.from_numpy(plan / plan.sum(1, keepdims=True) / len(plan))


def test_neighbours_of_points_on_a_line():
    D = torch.tensor([0.0, 1, 2, 4, 8, 16])
    graph = neighbor_graph((D[:, None] - D).abs(), 2)
    assert graph[0].tolist() == [0, 1, 1, 0, 0, 0]
    assert graph[5].tolist() == [0, 0, 0, 1, 1, 0]
    tied = neighbor_graph((torch.arange(6.0)[:, None] - torch.arange(6.0)).abs(), 1)
    assert tied[2].tolist() == [0, 1, 0, 1, 0, 0]


def test_preserved_neighbours():
    D = torch.cdist(*[torch.linspace(0, 1, 12)[:, None]] * 2)
    graphs = neighbor_graph(D, 2), neighbor_graph(D, 2)
    eye = torch.eye(12)
    assert preserved_neighbors(graphs, eye) == pytest.approx(1)
    assert preserved_neighbors(graphs, eye.flip(0)) == pytest.approx(1)
    assert preserved_neighbors(graphs, eye[torch.arange(12) * 5 % 12]) < 0.4
    assert preserved_neighbors(graphs, torch.ones(12, 12)) == 0  # all to one


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
    """Global distances change where a hinge bends, local distances do not."""
    steps = 0.7 * np.random.default_rng(0).normal(size=(80, 3)) + [1, 0, 0]
    X = np.cumsum(steps, axis=0)
    c, s = np.cos(1.2), np.sin(1.2)
    rotation = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    Y = np.cumsum(np.r_[steps[:40], steps[40:] @ rotation], axis=0)
    match = np.arange(80)
    start = blurred(match, pairwise_distances(Y), 10.0)
    refined = refine(seen(X, Y), NOTHING, start)
    assert refined.preserved > 0.9
    assert (refined.result.plan.argmax(1).numpy() == match).mean() > 0.95


def test_epsilon_stays_large_for_a_matching_of_regions():
    """Between unrelated clouds few neighbours are preserved, and a row goes to many rows."""
    X, Y = np.random.default_rng(0).normal(size=(2, 80, 5))
    plan = torch.full((80, 80), 1 / 80**2, dtype=torch.float64)
    refined = refine(seen(X, Y), NOTHING, plan)
    assert refined.preserved < 0.5
    rows = refined.result.plan * 80
    assert (1 / rows.square().sum(1)).median() > 2  # effective number of matches


def test_a_plan_that_preserves_more_neighbours_is_left_alone():
    """At a large epsilon all rows go to a few; the copy's own plan preserves all neighbours."""
    X = np.random.default_rng(0).normal(size=(60, 2))
    coupling = SimpleNamespace(plan=torch.eye(60).double() / 60)
    arguments = seen(X, X), NOTHING, coupling
    settings = RefinementSettings(reg_schedule=(100.0,))
    assert refine(*arguments[:2], coupling.plan, settings).preserved < 0.9
    assert refine_coupling(*arguments, settings).result is coupling
    refined = refine_coupling(*arguments)
    assert refined.result is not coupling
    assert refined.preserved == pytest.approx(1)
