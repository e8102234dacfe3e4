"""Coordinates of the rows of a domain, and rows of coordinates."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.neighbors import kneighbors_graph

from skgw.spaces import graph_distances
from skgw.translation.domain_rows import read_domain


@pytest.fixture(scope="module")
def nodes():
    """A graph of near points in the plane, and its distances."""
    points = np.random.default_rng(3).gamma(1.5, size=(150, 2)) * [2, 1]
    edges = kneighbors_graph(points, 10, mode="distance")
    graph = sparse.csr_array(edges.maximum(edges.T))
    return SimpleNamespace(graph=graph, D=graph_distances(graph, edge_length="weight"))


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def test_decoded_points_have_the_distances_of_training_rows(nodes):
    rng = np.random.RandomState(0)
    domain = read_domain(nodes.D, "precomputed", 1, 40, rng)
    points = domain.coordinates(nodes.D)
    assert points.shape[1] < 10
    assert relative(cdist(points, points) * domain.placement.scale, nodes.D) > 1e-3
    assert_allclose(domain.rows(points), nodes.D, atol=1e-3)


def test_distances_of_decoded_points_lead_back_to_the_points(nodes):
    rng = np.random.RandomState(0)
    domain = read_domain(nodes.D, "precomputed", 1, 40, rng)
    points = domain.coordinates(nodes.D)
    between = 0.5 * (points[:70] + points[70:140])
    assert_allclose(domain.coordinates(domain.rows(between)), between, atol=1e-6)


def test_features_of_other_metrics_are_means_of_near_rows(copies):
    domain = read_domain(copies.X, "geodesic", 10, 50, np.random.RandomState(0))
    points = domain.coordinates(copies.X)
    assert_allclose(domain.rows(points), copies.X, atol=1e-6)
    between = domain.rows(0.5 * (points[:1] + points[1:2]))
    assert (between >= copies.X.min(0)).all()
    assert (between <= copies.X.max(0)).all()


def test_all_nodes_of_a_large_graph_are_placed(nodes):
    """With fewer nodes whose distances are kept than nodes."""
    rng = np.random.RandomState(0)
    domain = read_domain(nodes.graph, "precomputed", 1, 20, rng, max_anchors=50)
    assert domain.from_anchors.shape == (50, 150)
    points = domain.training_coordinates(nodes.graph)
    assert_allclose(points, domain.coordinates(nodes.D), atol=1e-9)
    some = np.array([4, 0, 77, 4])
    assert_array_equal(domain.training_rows(some, points[some]), nodes.D[some])
    known = domain.anchors[[3, 1]]
    assert_array_equal(domain.training_rows(known, points[known]), nodes.D[known])
    assert relative(domain.rows(points), nodes.D) < 0.1
