"""Simulated pairs of unpaired views of the same objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Draw = Callable[[np.random.RandomState, int, int], tuple[Floats, Labels]]

N_LATENT = 3  # dimensions of the objects
MIN_FEATURES = 2 * N_LATENT  # of a view: bent objects have twice as many dimensions
UNIT_OF_Y = 2.5  # of the features of X, in units of the features of Y
NOISE_AXIS = 0.5  # deviation of a feature of noise, relative to a feature of signal

SHARES = np.array([0.4, 0.25, 0.18, 0.11, 0.06])  # of the clusters
CENTERS = np.array(
    [[0.0, 0.0, 0.0], [6.0, 0.0, 0.0], [0.0, 9.0, 1.0], [4.0, 5.0, 8.0], [-7.0, 3.0, -4.0]]
)  # of the clusters, in units of their standard deviation
FAR = 15.0  # distances between far groups, relative to those between clusters

NODES = np.array(
    [[0.0, 0.0, 0.0], [4.0, 0.0, 0.0], [6.0, 3.0, 0.0], [5.0, -2.0, 2.0], [9.0, -3.0, 3.0],
     [5.0, -3.0, 3.5]]
)  # of the tree  # fmt: skip
EDGES = np.array([[0, 1], [1, 2], [1, 3], [3, 4], [3, 5]])  # of the tree
CROWDING = np.array([1.0, 2.0, 0.5, 0.5, 2.0])  # of the edges in a view with other densities
WIDTH = 0.1  # standard deviation across the edges of the tree


class Views(NamedTuple):
    """Two unpaired views, and what is known about them.

    Attributes
    ----------
    X : ndarray of shape (n, p)
        Rows of the first view.
    Y : ndarray of shape (n, q)
        Rows of the second view, in random order.
    matches : ndarray of int of shape (n,)
        For each row of `X` the row of `Y` that shows the same object; -1 if none does.
    labels_x, labels_y : ndarray of int of shape (n,)
        Labels of the rows. A label names the same group of objects in both views.
    """

    X: Floats
    Y: Floats
    matches: Labels
    labels_x: Labels
    labels_y: Labels


def make_views(
    n_samples: int = 300,
    *,
    kind: str = "clusters",
    n_features: tuple[int, int] = (10, 15),
    noise: float = 0.05,
    overlap: float = 0.8,
    random_state: int | np.random.RandomState | None = None,
) -> Views:
    """Simulate two views of the same objects, in other features, units and order.

    Objects are points in three dimensions. The first view is a rotated copy of the objects in
    `n_features[0]` dimensions. The second view is another rotated copy in `n_features[1]`
    dimensions and other units, with its rows shuffled and with noise. Without noise the distances
    of both views are therefore proportional, unless `kind` says otherwise.

    ==============  ==================================  ===========================================
    kind            objects                             labels, and what is special
    ==============  ==================================  ===========================================
    "clusters"      five Gaussian clusters with shares  clusters
                    of 6% to 40%
    "trajectory"    points along a tree of five edges   edges
    "nonlinear"     a skewed cloud                      thirds; the second view is bent: each
                                                        coordinate z is the wave (z, sin z)
    "noise-axes"    a skewed cloud                      thirds; one half of the features of each
                                                        view are independent noise
    "heavy-tails"   Student's t, 3 degrees of freedom   thirds
    "far-groups"    four skewed groups, at distances    groups
                    of 90 deviations and more
    "one-feature"   a skewed cloud in one dimension     thirds; each view has one feature
    "partial"       the five clusters                   clusters; the last two clusters are in one
                                                        view each, their rows have no match
    "densities"     the tree                            edges; two edges are twice as dense in the
                                                        second view, two half as dense, and no
                                                        object is in both views
    ==============  ==================================  ===========================================

    Thirds are those of the first coordinate of the objects.

    Parameters
    ----------
    n_samples : int, default=300
        Number of rows of each view, at least 2.
    kind : str, default="clusters"
        One of the names in the table.
    n_features : pair of int, default=(10, 15)
        Numbers of features of the two views, p and q, at least 6. Unused by "one-feature".
    noise : float, default=0.05
        Standard deviation of the normal noise in the second view, relative to the root mean square
        standard deviation of its features.
    overlap : float in [0, 1], default=0.8
        Share of the rows of each view that have a match. Used by "partial" only.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw. None draws other views at each call. The noise is drawn last: views of
        one seed differ in their noise only if `noise` differs.

    Returns
    -------
    views : Views
        Named tuple ``(X, Y, matches, labels_x, labels_y)``.

    Raises
    ------
    ValueError
        If `kind` is not in the table, or a number is out of range.

    See Also
    --------
    skgw.GWMatcher : Find the matches.
    skgw.metrics.match_rate : Share of the matches that are right.

    Examples
    --------
    >>> from skgw.datasets import make_views
    >>> X, Y, matches, labels_x, labels_y = make_views(100, kind="trajectory", random_state=0)
    >>> X.shape, Y.shape
    ((100, 10), (100, 15))
    >>> bool((labels_y[matches] == labels_x).all())
    True
    """
    _check(n_samples, kind, n_features, noise, overlap)
    rng = check_random_state(random_state)
    n_missing = {"partial": round((1 - overlap) * n_samples), "densities": n_samples}.get(kind, 0)
    objects, labels = _DRAWS[kind](rng, n_samples, n_missing)  # (n_samples + n_missing, k)
    in_x, in_y = slice(0, n_samples), slice(n_missing, None)
    sizes = (1, 1) if kind == "one-feature" else n_features
    X = _view(objects[in_x], sizes[0], rng, noise_axes=kind == "noise-axes")
    bent = np.hstack([objects, np.sin(objects)]) if kind == "nonlinear" else objects
    Y = UNIT_OF_Y * _view(bent[in_y], sizes[1], rng, noise_axes=kind == "noise-axes")
    order = rng.permutation(n_samples)  # row i of Y is object n_missing + order[i]
    matches = np.full(n_samples, -1, dtype=np.int64)
    matches[n_missing:] = np.argsort(order)[: n_samples - n_missing]
    Y = Y[order] + noise * _deviation(Y) * rng.standard_normal(Y.shape)
    return Views(X, Y, matches, labels[in_x], labels[in_y][order])


def _check(
    n_samples: int, kind: str, n_features: tuple[int, int], noise: float, overlap: float
) -> None:
    if kind not in _DRAWS:
        raise ValueError(f"Unknown kind {kind!r}; the names are {', '.join(sorted(_DRAWS))}.")
    if n_samples < 2:
        raise ValueError(f"n_samples must be at least 2, got {n_samples}.")
    if np.shape(n_features) != (2,) or min(n_features) < MIN_FEATURES:
        raise ValueError(
            f"n_features must be a pair of numbers of at least {MIN_FEATURES}, got {n_features!r}."
        )
    if not 0 <= noise < np.inf:
        raise ValueError(f"noise must not be negative, and finite, got {noise}.")
    if not 0 <= overlap <= 1:
        raise ValueError(f"overlap must be between 0 and 1, got {overlap}.")


def _view(
    objects: Floats, n_features: int, rng: np.random.RandomState, *, noise_axes: bool
) -> Floats:
    """Objects (n, k) in a random orthonormal basis of n_features dimensions."""
    n_noise = n_features // 2 if noise_axes else 0
    n_signal, k = n_features - n_noise, objects.shape[1]
    basis = np.linalg.qr(rng.standard_normal((n_signal, k)))[0]  # (n_signal, k)
    signal = objects @ basis.T
    axes = NOISE_AXIS * _deviation(signal) * rng.standard_normal((len(objects), n_noise))
    return np.hstack([signal, axes])


def _deviation(rows: Floats) -> Any:
    """Root mean square standard deviation of the features."""
    return np.sqrt(rows.var(axis=0).mean())


def _thirds(objects: Floats) -> Labels:
    ranks = np.argsort(np.argsort(objects[:, 0]))
    return (3 * ranks // len(objects)).astype(np.int64)


# Draws of n + n_missing objects and their labels. The first n are in the first view, the last n are
# in the second view.


def _clusters(rng: np.random.RandomState, n: int, n_missing: int) -> tuple[Floats, Labels]:
    """Five clusters; if objects are missing, the last two clusters are in one view each."""
    if n_missing:
        common = SHARES[:3] / SHARES[:3].sum()
        between = rng.choice(3, size=n - n_missing, p=common)
        ends = np.ones(n_missing, dtype=np.int64)
        labels = np.concatenate([3 * ends, between, 4 * ends])
    else:
        labels = rng.choice(5, size=n, p=SHARES)
    return CENTERS[labels] + rng.standard_normal((len(labels), N_LATENT)), labels.astype(np.int64)


def _far_groups(rng: np.random.RandomState, n: int, n_missing: int) -> tuple[Floats, Labels]:
    labels = rng.randint(4, size=n).astype(np.int64)
    return FAR * CENTERS[labels] + rng.gamma(2.0, size=(n, N_LATENT)) / np.sqrt(2), labels


def _tree(rng: np.random.RandomState, n: int, n_missing: int) -> tuple[Floats, Labels]:
    """Points along a tree; if objects are missing, the others have other shares of the edges."""
    starts, ends = NODES[EDGES[:, 0]], NODES[EDGES[:, 1]]
    lengths = np.linalg.norm(ends - starts, axis=1)
    shares = np.stack([lengths, lengths * CROWDING])
    shares /= shares.sum(axis=1, keepdims=True)
    parts = [
        rng.choice(len(EDGES), size=k, p=p) for k, p in zip((n, n_missing), shares, strict=True)
    ]
    labels = np.concatenate(parts).astype(np.int64)
    steps = rng.uniform(size=(len(labels), 1)) * (ends - starts)[labels]
    across = WIDTH * rng.standard_normal((len(labels), N_LATENT))
    return starts[labels] + steps + across, labels


def _skewed(rng: np.random.RandomState, n: int, n_missing: int) -> tuple[Floats, Labels]:
    objects = rng.gamma(2.0, size=(n, N_LATENT)) * [3.0, 2.0, 1.0]
    return objects, _thirds(objects)


def _skewed_line(rng: np.random.RandomState, n: int, n_missing: int) -> tuple[Floats, Labels]:
    objects = rng.gamma(2.0, size=(n, 1))
    return objects, _thirds(objects)


def _student(rng: np.random.RandomState, n: int, n_missing: int) -> tuple[Floats, Labels]:
    objects = rng.standard_t(3, size=(n, N_LATENT)) * [3.0, 2.0, 1.0]
    return objects, _thirds(objects)


_DRAWS: dict[str, Draw] = {
    "clusters": _clusters,
    "trajectory": _tree,
    "nonlinear": _skewed,
    "noise-axes": _skewed,
    "heavy-tails": _student,
    "far-groups": _far_groups,
    "one-feature": _skewed_line,
    "partial": _clusters,
    "densities": _tree,
}
