import sys

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgba
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.decomposition import PCA

from skgw import Domains
from skgw.base.coupling import Coupling
from skgw.plotting import AlignmentDisplay, CouplingDisplay
from skgw.plotting._colors import PALETTE


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def points():
    rng = np.random.RandomState(0)
    return rng.standard_normal((30, 2)), rng.standard_normal((20, 3))


class Matcher:
    """A stand-in for an estimator that has matched three rows with two."""

    plan_ = Coupling(np.array([[0.4, 0.0], [0.1, 0.1], [0.0, 0.4]]))
    confidence_ = np.array([1.0, 0.5, 0.0])


class Codes(Matcher):
    """A stand-in for an estimator with latent spaces."""

    def transform(self, Z, *, domain):
        return np.asarray(Z)[:, :2] * {"x": 2.0, "y": 3.0}[domain]


def offsets(artist):
    return np.asarray(artist.get_offsets())


class TestAlignmentDisplay:
    def test_both_domains_share_classes_and_colours(self):
        labels = ["b", "a", "b"], ["c", "b"]
        display = AlignmentDisplay.from_arrays(
            (np.eye(3), np.eye(2)), labels, scatter_kw={"alpha": 1}
        )
        assert [text.get_text() for text in display.legend_.get_texts()] == ["a", "b", "c"]
        colors_x, colors_y = (artist.get_facecolor() for artist in display.points_)
        assert_allclose(colors_x[[0, 1]], [to_rgba(PALETTE[1]), to_rgba(PALETTE[0])])
        assert_allclose(colors_y, [to_rgba(PALETTE[2]), to_rgba(PALETTE[1])])
        assert [ax.get_title() for ax in display.axes_] == ["x", "y"]

    def test_a_quantity_has_one_scale_for_both(self, points):
        labels = np.linspace(0, 0.5, 30), np.linspace(0.25, 1, 20)
        display = AlignmentDisplay.from_arrays(points, labels)
        assert all(artist.get_clim() == (0, 1) for artist in display.points_)
        assert_array_equal(display.points_[0].get_array(), labels[0])
        assert display.colorbar_.mappable is display.points_[1]
        assert display.legend_ is None

    def test_points_with_more_than_three_columns_are_reduced_to_principal_components(self, points):
        wide = points[1] @ np.random.RandomState(1).standard_normal((3, 7))
        display = AlignmentDisplay.from_arrays((points[0], wide))
        assert_array_equal(offsets(display.points_[0]), points[0])
        assert_allclose(offsets(display.points_[1]), PCA(2).fit_transform(wide))

    def test_without_labels_the_colour_is_the_confidence(self):
        display = AlignmentDisplay.from_estimator(Matcher(), (np.eye(3), np.eye(2)))
        assert_array_equal(display.y[0], [1, 0.5, 0])
        assert_allclose(display.y[1], [0.9, 0.1])  # means over the matched rows

    def test_the_confidence_of_both_domains_starts_at_chance(self):
        matcher = Matcher()
        matcher.confidence_y_ = np.array([0.7, 0.2])
        display = AlignmentDisplay.from_estimator(matcher, (np.eye(3), np.eye(2)))
        assert_array_equal(display.y[1], [0.7, 0.2])
        assert all(artist.get_clim() == (0.5, 1) for artist in display.points_)

    def test_the_scale_of_the_confidence_is_fixed(self):
        matcher = Matcher()
        for matcher.confidence_ in (np.array([1, 1 - 1e-6, 1]), np.ones(3)):
            display = AlignmentDisplay.from_estimator(matcher, (np.eye(3), np.eye(2)))
            assert all(artist.get_clim() == (0, 1) for artist in display.points_)
            assert display.colorbar_ is not None

    def test_a_colour_of_the_caller_replaces_the_scale(self, points):
        labels = np.linspace(0, 0.5, 30), np.linspace(0.25, 1, 20)
        display = AlignmentDisplay.from_arrays(points, labels, scatter_kw={"c": "red"})
        assert display.colorbar_ is None
        assert to_rgba(display.points_[0].get_facecolor()[0], alpha=1) == to_rgba("red")

    def test_codes_are_drawn_if_the_estimator_transforms(self, points):
        X, Y = points[0][:3], points[1][:2]
        labels = [0, 1, 2], [0, 1]
        for both in ((X, Y), [X, Y], Domains(X, Y)):
            display = AlignmentDisplay.from_estimator(Codes(), both, labels)
            assert_allclose(offsets(display.points_[0]), 2 * X)
            assert_allclose(offsets(display.points_[1]), 3 * Y[:, :2])

    def test_given_axes_are_used_once(self, points):
        _, (left, middle, right) = plt.subplots(1, 3)
        display = AlignmentDisplay.from_arrays((points[0], points[0]), axes=(left, right))
        assert display.axes_ == (left, right)
        assert not middle.collections
        assert display.plot() is display
        assert display.axes_[0] is not left

    @pytest.mark.parametrize("widths", [(1, 2), (2, 3), (3, 3)])
    def test_dimensions_may_differ(self, widths):
        rng = np.random.RandomState(0)
        display = AlignmentDisplay.from_arrays([rng.standard_normal((10, k)) for k in widths])
        display.figure_.canvas.draw()
        names = ["3d" if k == 3 else "rectilinear" for k in widths]
        assert [ax.name for ax in display.axes_] == names

    def test_each_row_needs_a_label(self, points):
        with pytest.raises(ValueError, match="one label for each of the 20 rows"):
            AlignmentDisplay.from_arrays(points, (np.arange(30), np.arange(30)))

    def test_an_estimator_draws_two_domains_of_its_fit(self, points):
        for X in (points[0], points[0].tolist(), (points[0],)):
            with pytest.raises(ValueError, match=r"as Domains\(X, Y\) or as the pair \(X, Y\)"):
                AlignmentDisplay.from_estimator(Matcher(), X)
        with pytest.raises(ValueError, match="pass labels y for other rows"):
            AlignmentDisplay.from_estimator(Matcher(), points)
        with pytest.raises(ValueError, match="PCA has one domain, not two"):
            AlignmentDisplay.from_estimator(PCA(2).fit(points[0]), points)

    def test_each_domain_needs_axes(self, points):
        for axes in (plt.subplots()[1], plt.subplots(1, 3)[1]):
            with pytest.raises(ValueError, match="axes must be a pair"):
                AlignmentDisplay.from_arrays(points, axes=axes)


class TestCouplingDisplay:
    def test_columns_follow_the_row_of_their_largest_mass(self):
        order = np.random.RandomState(0).permutation(8)
        plan = np.eye(8)[order] / 8 + 1e-3
        display = CouplingDisplay.from_arrays(plan)
        assert_array_equal(display.shares.argmax(1), np.arange(8))
        assert_allclose(display.shares.sum(1), 1)
        assert display.mesh_.get_array().shape == (8, 8)

    def test_rows_and_columns_are_grouped_by_their_labels(self):
        labels = np.array(["b", "a", "b", "a"]), np.array([1, 0, 0])
        plan = np.array([[4, 0, 0], [0, 1, 3], [4, 0, 0], [0, 2, 2]]) / 16
        display = CouplingDisplay.from_arrays(Coupling(plan), labels)
        expected = [[0.25, 0.75, 0], [0.5, 0.5, 0], [0, 0, 1], [0, 0, 1]]
        assert_allclose(display.shares, expected)
        assert [text.get_text() for text in display.ax_.get_yticklabels()] == ["a", "b"]
        assert [text.get_text() for text in display.ax_.get_xticklabels()] == ["0", "1"]
        assert_allclose(display.ax_.get_xticks(), [1, 2.5])
        assert display.ax_.lines[0].get_ydata()[0] == 2

    def test_large_plans_are_drawn_in_blocks(self):
        plan = np.kron(np.eye(2), np.ones((350, 200))) / 140_000
        display = CouplingDisplay.from_arrays(plan)
        assert display.shares.shape == (300, 300)
        assert_allclose(display.shares.sum(1), 1)
        assert_allclose(display.shares[:150, 150:], 0, atol=1e-12)
        assert display.boundaries[0][-1] == 700
        assert display.ax_.get_ylim() == (700, 0)

    def test_the_plan_of_an_estimator_is_drawn_on_given_axes(self):
        _, ax = plt.subplots()
        display = CouplingDisplay.from_estimator(Matcher(), ax=ax, mesh_kw={"cmap": "Greens"})
        assert display.ax_ is ax
        assert display.mesh_.get_cmap().name == "Greens"
        assert_allclose(display.shares, [[1, 0], [0.5, 0.5], [0, 1]])

    def test_each_column_needs_a_label(self):
        with pytest.raises(ValueError, match="each of the 2 rows of domain 'y' of the plan"):
            CouplingDisplay.from_arrays(np.eye(2), (None, [1]))


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (
        lambda: AlignmentDisplay.from_arrays((np.eye(2), np.eye(2))),
        lambda: AlignmentDisplay.from_estimator(Matcher(), (np.eye(3), np.eye(2))),
        lambda: CouplingDisplay.from_arrays(np.eye(2)),
    ):
        with pytest.raises(ImportError, match=r"pip install 'skgw\[plot\]'"):
            draw()


@pytest.mark.parametrize("y", [np.zeros(30), "ab", 3, ["a"] * 30])
def test_labels_must_be_a_pair(points, y):
    with pytest.raises(ValueError, match="y must be a pair, the labels of the first and"):
        AlignmentDisplay.from_arrays(points, y)
    with pytest.raises(ValueError, match="y must be a pair, the labels of the first and"):
        CouplingDisplay.from_arrays(np.ones((30, 20)), y)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (-np.eye(3), "plan has negative entries"),
        (np.full((2, 2), np.nan), "plan contains NaN"),
        (np.ones((1, 2, 2)), "Found array with dim 3"),
        (sparse.csr_array(np.eye(3)), "Sparse data was passed for plan"),
    ],
)
def test_plans_that_are_no_masses(plan, message):
    with pytest.raises((TypeError, ValueError), match=message):
        CouplingDisplay.from_arrays(plan)
