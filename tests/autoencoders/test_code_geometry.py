"""Penalties that keep the geometry of the rows in the codes."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances
from torch import nn

from skgw import GWAutoencoder, VariationalAutoencoder, WassersteinAutoencoder
from skgw.autoencoders import IsometryPenalty, ProcrustesPenalty
from skgw.autoencoders.penalties import CodedBatch

QUICK = {"hidden_layer_sizes": (8,), "max_iter": 6, "random_state": 0}


@pytest.fixture(scope="module")
def X():
    """Normal rows with two wide axes of different widths among five, rotated."""
    rng = np.random.default_rng(0)
    frame = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    return rng.normal(size=(300, 5)) * [3, 1, 0.1, 0.1, 0.1] @ frame


def value(geometry, codes, rows):
    codes, rows = (torch.as_tensor(Z, dtype=torch.float64) for Z in (codes, rows))
    batch = CodedBatch(None, rows, codes, None, codes)
    return float(geometry.build()(batch, torch.Generator()))


@pytest.mark.parametrize("geometry", [ProcrustesPenalty(), IsometryPenalty()], ids=str)
def test_scaled_and_rotated_principal_coordinates_have_the_geometry_of_the_rows(geometry, X):
    angle = math.radians(30)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    codes = 0.2 * PCA(2).fit_transform(X) @ rotation + [1, -2]
    assert value(geometry, codes, X) < 1e-3  # the other axes are narrow
    assert value(geometry, codes * [1, 4], X) > 0.02


def test_the_distance_to_a_projection_has_no_unit_and_a_known_value(X):
    geometry, X = ProcrustesPenalty(), PCA(2).fit_transform(X)
    Z = PCA(2, whiten=True).fit_transform(X)
    # Of axes with variances 9 and 1 scaled to a sum of 2: 1.8 and .2 against 1 and 1.
    expected = ((1 - np.sqrt(1.8)) ** 2 + (1 - np.sqrt(0.2)) ** 2) / 2
    assert value(geometry, Z, X) == pytest.approx(expected, abs=0.03)
    assert value(geometry, 7 * Z, X / 3) == pytest.approx(value(geometry, Z, X), rel=1e-6)


def test_equal_rows_and_equal_codes_have_finite_values(X):
    for codes, rows in ((np.zeros((300, 2)), X), (X[:, :2], np.zeros((300, 5)))):
        assert np.isfinite(value(ProcrustesPenalty(), codes, rows))
        assert np.isfinite(value(IsometryPenalty(), codes, rows))


@pytest.mark.parametrize("geometry", [ProcrustesPenalty(5.0), IsometryPenalty(5.0)], ids=str)
def test_codes_keep_distances_where_the_prior_alone_changes_them(geometry, X):
    def correlation(model):
        D, E = pairwise_distances(model.fit_transform(X)), pairwise_distances(X)
        return float(np.corrcoef(D.ravel(), E.ravel())[0, 1])

    params = {"network": nn.Linear, "learning_rate_init": 3e-2, "max_iter": 200, "random_state": 0}
    free = correlation(WassersteinAutoencoder(**params))
    assert correlation(WassersteinAutoencoder(**params, geometry=geometry)) > max(0.97, free + 0.05)
    assert correlation(VariationalAutoencoder(**params, geometry=geometry)) > 0.9


def test_a_scale_is_the_ratio_of_the_distances(X):
    params = {"network": nn.Linear, "learning_rate_init": 3e-2, "max_iter": 200, "random_state": 0}
    geometry = IsometryPenalty(50.0, scale=0.5)
    model = WassersteinAutoencoder(2, **params, geometry=geometry).fit(X)
    D = pairwise_distances(model.transform(X))
    E = pairwise_distances(model._domain.scaler.transform(X))
    assert D.sum() / E.sum() == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize(
    "estimator", [WassersteinAutoencoder, VariationalAutoencoder, GWAutoencoder]
)
@pytest.mark.parametrize("geometry", ["isometry", "procrustes"])
def test_short_forms_are_fitted_and_saved(estimator, geometry, X, tmp_path):
    model = estimator(**QUICK, geometry=geometry).fit(X)
    assert_array_equal(clone(model).fit(X).transform(X), model.transform(X))
    model.save(tmp_path / "model")
    assert_array_equal(estimator.load(tmp_path / "model").transform(X), model.transform(X))


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        ("flat", "'geometry' parameter"),
        (IsometryPenalty(-1.0), "'weight' parameter of IsometryPenalty"),
        (IsometryPenalty(scale=0.0), "'scale' parameter of IsometryPenalty"),
        (ProcrustesPenalty("1"), "'weight' parameter of ProcrustesPenalty"),
    ],
)
def test_wrong_parameters_are_named(geometry, message, X):
    with pytest.raises(ValueError, match=message):
        WassersteinAutoencoder(**QUICK, geometry=geometry).fit(X)
