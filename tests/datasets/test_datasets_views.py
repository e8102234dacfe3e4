import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import pdist, squareform

from skgw.datasets import make_views
from skgw.datasets.views import CENTERS, CROWDING, FAR, NOISE_AXIS, SHARES, UNIT_OF_Y

# Labels of every kind in both views; "partial" has one cluster in one view each.
LABELS = {
    "clusters": 5,
    "trajectory": 5,
    "nonlinear": 3,
    "noise-axes": 3,
    "heavy-tails": 3,
    "far-groups": 4,
    "one-feature": 3,
    "partial": 5,
    "densities": 5,
}
ISOMETRIC = ("clusters", "trajectory", "heavy-tails", "far-groups", "one-feature", "partial")


def test_every_kind_is_tested_and_documented():
    with pytest.raises(ValueError, match=", ".join(sorted(LABELS)) + r"\.$"):
        make_views(kind="")
    assert all(f'"{kind}"' in make_views.__doc__ for kind in LABELS)


@pytest.mark.parametrize("kind", LABELS)
def test_shapes_and_types(kind):
    views = make_views(200, kind=kind, n_features=(6, 9), random_state=0)
    p, q = (1, 1) if kind == "one-feature" else (6, 9)
    assert (views.X.shape, views.Y.shape) == ((200, p), (200, q))
    assert views.X.dtype == views.Y.dtype == np.float64
    for values in views[2:]:
        assert (values.shape, values.dtype) == ((200,), np.int64)
    assert np.isfinite(views.X).all()
    assert np.isfinite(views.Y).all()
    assert set(views.labels_x) | set(views.labels_y) == set(range(LABELS[kind]))


@pytest.mark.parametrize("kind", LABELS)
def test_matches_are_pairs_of_one_label_in_random_order(kind):
    _, _, matches, labels_x, labels_y = make_views(200, kind=kind, random_state=0)
    rows = np.flatnonzero(matches >= 0)
    assert len(rows) == {"partial": 160, "densities": 0}.get(kind, 200)
    assert (matches[matches < 0] == -1).all()
    assert len(set(matches[rows])) == len(rows)
    assert_array_equal(labels_x[rows], labels_y[matches[rows]])
    assert len(rows) == 0 or abs(np.corrcoef(rows, matches[rows])[0, 1]) < 0.2


@pytest.mark.parametrize("kind", ISOMETRIC)
def test_without_noise_distances_are_proportional(kind):
    X, Y, matches, *_ = make_views(80, kind=kind, noise=0.0, random_state=0)
    rows = np.flatnonzero(matches >= 0)
    assert_allclose(pdist(Y[matches[rows]]), UNIT_OF_Y * pdist(X[rows]), rtol=1e-9)


@pytest.mark.parametrize("kind", LABELS)
def test_the_seed_decides(kind):
    first, again = (make_views(50, kind=kind, random_state=3) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert_array_equal(a, b)
    assert not np.allclose(first.X, make_views(50, kind=kind, random_state=4).X)


@pytest.mark.parametrize("kind", LABELS)
def test_noise_is_relative_and_in_the_second_view_only(kind):
    clean = make_views(2000, kind=kind, noise=0.0, random_state=0)
    noisy = make_views(2000, kind=kind, noise=0.3, random_state=0)
    assert_array_equal(noisy.X, clean.X)
    assert_array_equal(noisy.matches, clean.matches)
    deviation = np.sqrt(clean.Y.var(axis=0).mean())
    assert (noisy.Y - clean.Y).std() == pytest.approx(0.3 * deviation, rel=0.05)


def test_shares_of_the_clusters_are_unequal():
    views = make_views(5000, kind="clusters", random_state=0)
    assert_allclose(np.bincount(views.labels_x) / 5000, SHARES, atol=0.02)


def test_a_tree_has_long_paths():
    X, _, _, labels, _ = make_views(400, kind="trajectory", random_state=0)
    for edge in range(5):
        spectrum = np.linalg.svd(X[labels == edge] - X[labels == edge].mean(0), compute_uv=False)
        assert spectrum[0] > 4 * spectrum[1]  # an edge is a thin line


def test_a_bent_view_has_other_distances_and_the_same_neighbours():
    X, Y, matches, *_ = make_views(300, kind="nonlinear", noise=0.0, random_state=0)
    ratio = pdist(Y[matches]) / pdist(X)
    assert ratio.max() > 1.3 * ratio.min()
    nearest_x, nearest_y = (
        (squareform(pdist(Z)) + 1e9 * np.eye(300)).argmin(1) for Z in (X, Y[matches])
    )
    assert np.mean(nearest_x == nearest_y) > 0.7


@pytest.mark.parametrize(("n_features", "axes"), [((10, 15), (5, 7)), ((6, 7), (3, 3))])
def test_noise_axes_are_independent_of_the_other_view(n_features, axes):
    X, Y, matches, *_ = make_views(
        5000, kind="noise-axes", n_features=n_features, noise=0.0, random_state=0
    )
    for Z, n_axes in zip((X, Y[matches]), axes, strict=True):
        signal, noise = Z[:, :-n_axes], Z[:, -n_axes:]
        assert np.linalg.matrix_rank(signal - signal.mean(0)) == 3
        relative = noise.std(axis=0) / np.sqrt(signal.var(axis=0).mean())
        assert_allclose(relative, NOISE_AXIS, rtol=0.05)
        other = (Y[matches] if Z is X else X)[:, : n_features[0] - axes[0]]
        crossed = np.corrcoef(noise.T, other.T)[:n_axes, n_axes:]
        assert np.abs(crossed).max() < 0.07


def test_tails_are_heavy():
    X = make_views(5000, kind="heavy-tails", random_state=0).X
    lengths = np.linalg.norm(X - X.mean(0), axis=1)
    assert lengths.max() > 10 * np.median(lengths)


def test_groups_are_far_apart():
    X, _, _, labels, _ = make_views(2000, kind="far-groups", random_state=0)
    means = np.array([X[labels == k].mean(0) for k in range(4)])
    deviation = max(np.linalg.svd(np.cov(X[labels == k].T))[1][0] ** 0.5 for k in range(4))
    assert_allclose(pdist(means), FAR * pdist(CENTERS[:4]), rtol=0.01)
    assert pdist(means).min() > 80 * deviation


@pytest.mark.parametrize("overlap", [0.0, 0.3, 1.0])
def test_overlap_is_the_share_of_rows_with_a_match(overlap):
    views = make_views(100, kind="partial", overlap=overlap, random_state=0)
    lonely = views.matches < 0
    assert lonely.mean() == pytest.approx(1 - overlap)
    if overlap < 1:
        unmatched_y = np.setdiff1d(np.arange(100), views.matches)
        assert set(views.labels_x[lonely]) == {3}
        assert set(views.labels_y[unmatched_y]) == {4}
        assert 3 not in views.labels_y
        assert 4 not in views.labels_x


def test_densities_differ_on_one_support():
    views = make_views(5000, kind="densities", random_state=0)
    shares_x, shares_y = (np.bincount(labels) / 5000 for labels in views[3:])
    ratio = shares_y / shares_x
    assert_allclose(ratio / ratio[0], CROWDING, rtol=0.15)
    assert (views.matches == -1).all()


@pytest.mark.parametrize("kind", LABELS)
def test_two_rows_are_enough(kind):
    views = make_views(2, kind=kind, random_state=0)
    assert len(views.X) == len(views.Y) == len(views.matches) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "rings"}, "Unknown kind 'rings'; the names are clusters, densities"),
        ({"n_samples": 1}, "n_samples must be at least 2, got 1"),
        ({"n_features": (5, 10)}, r"pair of numbers of at least 6, got \(5, 10\)"),
        ({"n_features": 10}, "n_features must be a pair"),
        ({"noise": -0.1}, "noise must not be negative"),
        ({"noise": float("nan")}, "noise must not be negative"),
        ({"kind": "partial", "overlap": 1.5}, "overlap must be between 0 and 1, got 1.5"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_views(**arguments)
