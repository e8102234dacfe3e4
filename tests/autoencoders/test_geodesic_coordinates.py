"""Coordinates whose Euclidean distances are lengths of paths through the training rows."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr

from skgw.autoencoders import geodesic_coordinates
from skgw.autoencoders.geodesic_coordinates import GeodesicCoordinates


@pytest.fixture
def roll():
    """Points (600, 3) of a spiral strip, and their places on the strip, unrolled."""
    rng = np.random.default_rng(0)
    angle, width = rng.uniform(1.5 * np.pi, 4.5 * np.pi, 600), rng.uniform(0, 10, 600)
    X = np.column_stack([angle * np.cos(angle), width, angle * np.sin(angle)])
    length = 0.5 * (angle * np.sqrt(1 + angle**2) + np.arcsinh(angle))
    return X, np.column_stack([length, width])


def as_rows(X):
    return torch.as_tensor(X, dtype=torch.float32)


def test_distances_are_lengths_along_a_roll(roll):
    X, unrolled = roll
    Z = GeodesicCoordinates().fit(X, seed=0)(as_rows(X)).numpy()
    assert (
        spearmanr(pdist(Z), pdist(unrolled))[0]
        > 0.98
        > 0.6
        > spearmanr(pdist(X), pdist(unrolled))[0]
    )


def test_a_training_row_has_its_own_coordinates(roll):
    coordinates = GeodesicCoordinates().fit(roll[0], seed=0)
    found = coordinates(coordinates.rows)
    assert float((found - coordinates.places).abs().max()) < 1e-3 * float(coordinates.places.std())


def test_a_new_row_lies_among_its_neighbours(roll):
    X, unrolled = roll
    coordinates = GeodesicCoordinates().fit(X[:500], seed=0)
    Z = coordinates(as_rows(X)).numpy()
    of_new = squareform(pdist(Z))[500:]
    assert spearmanr(of_new.ravel(), squareform(pdist(unrolled))[500:].ravel())[0] > 0.97


def test_gradients_reach_new_rows(roll):
    coordinates = GeodesicCoordinates().fit(roll[0], seed=0)
    x = as_rows(roll[0][:20] + 0.3).requires_grad_()
    coordinates(x).square().sum().backward()
    assert torch.isfinite(x.grad).all()
    assert float(x.grad.abs().max()) > 0


def test_few_and_equal_rows():
    for X in (np.zeros((6, 2)), np.arange(4.0).reshape(2, 2)):
        assert torch.isfinite(GeodesicCoordinates().fit(X, seed=0)(as_rows(X))).all()


def test_the_graph_has_a_limit(roll, monkeypatch):
    monkeypatch.setattr(geodesic_coordinates, "MAX_ROWS", 50)
    coordinates = GeodesicCoordinates().fit(roll[0], seed=0)
    assert len(coordinates.rows) == len(coordinates.places) == 50
    assert coordinates(as_rows(roll[0])).shape[0] == 600
