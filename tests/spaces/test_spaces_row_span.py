"""Sparse features in the span of the training rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.metrics import pairwise_distances

from skgw.spaces.build import feature_space
from skgw.spaces.row_span import RowSpan, RowSpanSpace


def sparse_rows(n, p=200, seed=0):
    rng = np.random.default_rng(seed)
    return rng.gamma(1.0, size=(n, p)) * (rng.uniform(size=(n, p)) < 0.1)


@pytest.fixture
def rows():
    X = sparse_rows(30)
    return np.r_[X, X[:4], X[:1] + X[1:2], np.zeros((1, 200))]  # of rank 30


def test_coordinates_preserve_norms_and_distances_to_the_rows(rows):
    span = RowSpan.of(sparse.csr_array(rows))
    assert span.shape == (200, 30)
    new = np.r_[sparse_rows(5, seed=1), rows[2:4]]
    known, coordinates = span(rows), span(sparse.csr_array(new))
    assert_allclose(known[:, -1], 0)
    assert (coordinates[:5, -1] > 1).all()
    assert_allclose(np.linalg.norm(coordinates, axis=1), np.linalg.norm(new, axis=1))
    expected = pairwise_distances(new, rows)
    assert_allclose(pairwise_distances(coordinates, known), expected, atol=1e-6)
    assert_array_equal(span(new), coordinates)  # dense


def test_a_space_of_the_span_has_the_distances_of_the_rows(rows):
    span = RowSpan.of(sparse.csr_array(rows))
    space = feature_space(span(rows), "euclidean")
    of_span = RowSpanSpace(space=space, span=span, anchors=space.anchors)
    assert (of_span.n_rows, of_span.shape) == (36, (200, 36))
    new, expected = sparse_rows(5, seed=1), pairwise_distances(rows)
    every = np.arange(36)
    assert_allclose(of_span.distances(every, every), expected, atol=1e-5)
    some = of_span.restrict(np.array([3, 8]))
    assert_allclose(some.from_new(new), pairwise_distances(new, rows[[3, 8]]), atol=1e-5)


def test_parts_must_fit(rows):
    span = RowSpan.of(sparse.csr_array(rows))
    space = feature_space(rows, "euclidean")
    with pytest.raises(ValueError, match="coordinates of its span"):
        RowSpanSpace(space=space, span=span, anchors=space.anchors)
    space = feature_space(span(rows), "euclidean")
    with pytest.raises(ValueError, match="anchors of a RowSpanSpace"):
        RowSpanSpace(space=space, span=span, anchors=space.anchors[::-1].copy())


def test_rows_of_zeros_have_coordinates():
    span = RowSpan.of(sparse.csr_array((3, 8)))
    assert span.shape == (8, 1)
    assert_array_equal(span(np.eye(8)[:2]), [[0.0, 1.0], [0.0, 1.0]])
