"""SemiDiscreteOT: known answers through the estimator, and its contract."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skgw import SemiDiscreteOT
from skgw.exceptions import GWConvergenceWarning
from skgw.generative import an_settings
from skgw.generative.semi_discrete_ot import SOURCES

CORNERS = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])


def disc(n, generator):
    """Uniform points of the unit disc."""
    angle, radius = torch.rand(2, n, generator=generator, dtype=torch.float64)
    angle, radius = 2 * torch.pi * angle, radius.sqrt()
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(20, 2)) + [3, 0]


@pytest.fixture(scope="module")
def fitted(rows):
    return SemiDiscreteOT(random_state=0).fit(rows)


@pytest.mark.parametrize("source", [*SOURCES, disc], ids=[*SOURCES, "disc"])
def test_corners_get_the_quadrants(source):
    ot = SemiDiscreteOT(source, tol=1e-3, random_state=0).fit(CORNERS)
    X = ot.sample_source(2000, random_state=0)
    inner = X[np.abs(X).min(1) > 0.05]
    assert_array_equal(ot.transport(inner), np.sign(inner))
    assert_allclose(ot.masses_, 0.25, atol=0.02)


def test_a_line_maps_quantiles_to_rows():
    Y = np.array([[5.0], [-2.0], [1.0]])
    ot = SemiDiscreteOT("uniform").fit(Y, sample_weight=[1, 1, 2])
    X = np.array([[-0.26], [-0.24], [0.24], [0.26]])
    assert_array_equal(ot.transport(X).ravel(), [-2, 1, 1, 5])
    assert ot.n_iter_ == 0
    assert_array_equal(ot.atoms_.ravel(), [-2, 1, 5])
    assert_array_equal(ot.row_atoms_, [2, 0, 1])


def test_the_plane_is_exact(rows):
    ot = SemiDiscreteOT(random_state=0).fit(rows)
    assert 0 < ot.n_iter_ < 20
    counts = np.bincount(ot.predict(ot.sample_source(200_000, random_state=1)), minlength=20)
    assert_allclose(counts / 200_000, 1 / 20, atol=4 * (0.05 / 200_000) ** 0.5)


def test_rows_that_are_too_close_are_left_to_the_ascent(rows):
    """Planar cells of atoms at a distance of 1e-13 are lost in float64."""
    close = np.vstack([rows, rows[:1] * (1 + 1e-13)])
    ot = SemiDiscreteOT(tol=1, random_state=0).fit(close)
    assert ot.n_atoms_ == 21
    assert ot.converged_


def test_the_gradient_of_the_potential_is_the_map(fitted):
    X, step = fitted.sample_source(200, random_state=0), 1e-6
    interior = np.all(
        [fitted.predict(X + d) == fitted.predict(X) for d in step * np.eye(2)], axis=0
    )
    slopes = [(fitted.potential(X + d) - fitted.potential(X)) / step for d in step * np.eye(2)]
    assert interior.mean() > 0.99
    assert_allclose(np.transpose(slopes)[interior], fitted.transport(X)[interior], atol=1e-6)


def test_the_potential_is_convex(fitted):
    one, other = (fitted.sample_source(500, random_state=seed) for seed in (0, 1))
    middle = fitted.potential((one + other) / 2)
    assert (middle <= (fitted.potential(one) + fitted.potential(other)) / 2 + 1e-12).all()


def test_the_map_is_monotone(fitted):
    one, other = (fitted.sample_source(500, random_state=seed) for seed in (0, 1))
    assert (
        ((fitted.transport(one) - fitted.transport(other)) * (one - other)).sum(1) >= -1e-12
    ).all()


def test_no_other_map_is_shorter(fitted):
    """The mean squared distance is that of the best assignment of the same images."""
    from scipy.optimize import linear_sum_assignment

    X = fitted.sample_source(300, random_state=0)
    costs = np.square(X[:, None] - fitted.transport(X)).sum(2)
    best = costs[linear_sum_assignment(costs)].mean()
    assert np.diag(costs).mean() == pytest.approx(best, rel=1e-9)


def test_samples_have_the_weights(rows):
    weights = np.arange(1, 21)
    ot = SemiDiscreteOT(tol=2e-3, random_state=0).fit(rows, sample_weight=weights)
    samples = ot.sample(40_000, random_state=1)
    assert_array_equal(samples, ot.transport(ot.sample_source(40_000, random_state=1)))
    shares = (samples[:, None] == ot.atoms_).all(2).mean(0)
    assert_allclose(shares, ot.weights_, atol=0.01)
    assert_allclose(ot.weights_[ot.row_atoms_], weights / weights.sum())


def test_equal_rows_are_one_atom_and_weightless_rows_none(rows):
    repeated = np.vstack([rows, rows[:5], [[9.0, 9.0]]])
    ot = SemiDiscreteOT(max_iter=50, tol=10, random_state=0)
    weights = np.r_[np.ones(25), 0]
    one = clone(ot).fit(repeated, sample_weight=weights)
    other = clone(ot).fit(rows, sample_weight=np.r_[2 * np.ones(5), np.ones(15)])
    assert one.n_atoms_ == 20
    assert one.row_atoms_[-1] == -1
    assert_array_equal(one.row_atoms_[20:25], one.row_atoms_[:5])
    assert_array_equal(one.atoms_[one.row_atoms_[:25]], repeated[:25])
    assert_allclose(one.heights_, other.heights_)


def test_rows_that_are_all_equal():
    ot = SemiDiscreteOT().fit(np.full((5, 3), 2.0))
    assert_array_equal(ot.sample(3), np.full((3, 3), 2.0))
    assert_array_equal(ot.singularity(np.zeros((2, 3))), [0, 0])
    assert ot.converged_


def test_angles_of_two_atoms():
    """cos = (<y, y'> + 1) / sqrt((|y|^2 + 1) (|y'|^2 + 1))."""
    Y = np.array([[0.0, 2.0], [3.0, 0.0]])
    ot = SemiDiscreteOT(tol=0.1, random_state=0).fit(Y)
    assert_allclose(ot.singularity(np.zeros((1, 2))), np.arccos(1 / np.sqrt(50)))


def test_singular_points_lie_between_the_modes():
    rng = np.random.default_rng(0)
    Y = 0.1 * rng.normal(size=(60, 2)) + np.repeat([[-2.0, 0.0], [2.0, 0.0]], 30, axis=0)
    ot = SemiDiscreteOT(tol=0.1, random_state=0).fit(Y)
    angles = ot.singularity([[-1.0, 0.0], [1.0, 0.0]])
    assert angles.max() < 0.2
    assert ot.singularity([[0.0, 0.0]], n_facets=60)[0] == ot.singularity([[0.0, 0.0]], 60)[0]
    x = np.column_stack([np.linspace(-1, 1, 401), np.zeros(401)])
    pairs = ot.singularity(x, n_facets=2)
    assert np.abs(x[pairs > 0.5, 0]).max() < 0.1  # the border of the two modes
    assert (pairs > 0.5).any()
    assert (ot.singularity(x, n_facets=10) <= pairs).all()


def test_a_fit_that_ends_early_warns(rows):
    with pytest.warns(GWConvergenceWarning, match="marginal error of .* after 2 iterations"):
        ot = SemiDiscreteOT(method="asgd", max_iter=2, random_state=0).fit(rows)
    assert not ot.converged_
    assert ot.marginal_error_ > ot.tol


def test_the_settings_of_the_slides(rows):
    settings = an_settings(batch_size=500, patience=5)
    ot = SemiDiscreteOT(**settings, tol=0.2, learning_rate=1e-2, random_state=0).fit(rows)
    options = ot._options("asgd")
    assert (options.method, options.start, options.betas) == ("adam", "zero", (0.9, 0.5))
    assert ot.source == "uniform"
    assert ot.converged_


def test_wrong_parameters_are_refused(rows):
    for params, message in (
        ({"betas": (0.9, 1.0)}, "betas must be two numbers"),
        ({"source": lambda n, g: torch.zeros(n, 3)}, "finite points of shape"),
        ({"source": "cube"}, "source"),
    ):
        with pytest.raises(ValueError, match=message):
            SemiDiscreteOT(**params).fit(rows)


@pytest.mark.parametrize("store", ["file", "pickle"])
def test_files_and_pickles_give_the_same_map(fitted, store, tmp_path):
    if store == "file":
        fitted.save(tmp_path / "model")
        loaded = SemiDiscreteOT.load(tmp_path / "model")
    else:
        loaded = pickle.loads(pickle.dumps(fitted))
    X = fitted.sample_source(50, random_state=0)
    assert_array_equal(loaded.transport(X), fitted.transport(X))
    assert_array_equal(loaded.sample(5, random_state=0), fitted.sample(5, random_state=0))


def test_a_function_cannot_be_saved(rows, tmp_path):
    ot = SemiDiscreteOT(disc, max_iter=2, tol=100).fit(rows)
    with pytest.raises(TypeError, match="source"):
        ot.save(tmp_path / "model")


def test_a_file_with_wrong_positions_is_refused(fitted, tmp_path):
    changed = clone(fitted)
    vars(changed).update(vars(fitted))
    changed.row_atoms_ = fitted.row_atoms_ + 1
    with pytest.raises(ValueError, match="row_atoms_ must hold positions"):
        changed.save(tmp_path / "model")


def test_float32_rows_give_float32_images(rows):
    ot = SemiDiscreteOT(max_iter=2, tol=100, random_state=0).fit(rows.astype(np.float32))
    assert ot.transport(rows.astype(np.float32)).dtype == np.float32
    assert ot.sample(3).dtype == ot.sample_source(3).dtype == np.float32


@pytest.mark.parametrize("unit", [2.0**-100, 2.0**100])
def test_units_do_not_matter(rows, unit):
    ot = SemiDiscreteOT(max_iter=30, tol=100, random_state=0)
    one, other = clone(ot).fit(rows), clone(ot).fit(unit * rows)
    assert_allclose(other.heights_, unit * one.heights_, rtol=1e-9)
    assert other.marginal_error_ == pytest.approx(one.marginal_error_)
