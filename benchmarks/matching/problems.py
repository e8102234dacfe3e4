"""Paired problems of many families, as parts that a matching is fitted to and scored on.

Simulated views and data sets of scikit-learn are always there. A folder adds problems: it has a
module ``load.py`` with a function ``view_pairs``, which yields problems (name, A, B, labels,
family, kind): row i of A belongs to row i of B, and kind is "features" or "distances". Problems of
one data set have one family, so that a model of other families has not seen the data set.
"""

from __future__ import annotations

import importlib.util
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_linnerud,
    load_wine,
)
from sklearn.preprocessing import StandardScaler

from skgw.datasets import Views, make_views

Array = NDArray[Any]
SAME, DISJOINT = "same rows", "disjoint rows"
MIN_ROWS = 20  # of a part

SIMULATED = {  # family of each kind of `make_views` with a match for every row
    "clusters": "simulated clusters",
    "trajectory": "simulated trajectories",
    "nonlinear": "simulated bends",
    "noise-axes": "simulated noise axes",
    "heavy-tails": "simulated heavy tails",
    "far-groups": "simulated far groups",
    "one-feature": "simulated lines",
}
NOISE = 0.05, 0.3  # of the second view
OVERLAPS = 0.8, 0.5  # shares of the rows with a match
THINNED = {  # labels that lose half of their objects in the first and in the second view
    "clusters": ((0,), (1, 2)),
    "trajectory": ((1, 4), (2, 3)),
}
N_OBJECTS = 900
N_HALVES = 2  # draws of halves of the features
CHECKERBOARD = np.indices((8, 8)).sum(0).ravel() % 2 == 0  # pixels of one half


class Problem(NamedTuple):
    """Two views of the same objects, row by row.

    Attributes
    ----------
    A, B : arrays of shapes (n, p) and (n, q)
    labels : array of shape (n,), or None
    seen : pair of arrays of bool of shape (n,), or None
        The objects that are in the first and in the second domain; by default all are in both.
    """

    name: str
    family: str
    A: Array
    B: Array
    labels: Array | None
    seen: tuple[Array, Array] | None = None


class Split(NamedTuple):
    """Rows that are matched, and pairs of rows that score the matching.

    Attributes
    ----------
    X, Y : arrays of shapes (n, p) and (m, q)
        Rows of the two domains, in an order of their own.
    test_x, test_y : arrays of shapes (t, p) and (t, q)
        Row i of one belongs to row i of the other; for the protocol "same rows" the rows of `X`
        that have a match.
    labels : pair of arrays of shapes (n,) and (m,), or None
    matches : array of int of shape (n,), or None
        Position in `Y` of the row that belongs to each row of `X`, -1 where there is none; None
        for the protocol "disjoint rows".
    """

    X: Array
    Y: Array
    test_x: Array
    test_y: Array
    labels: tuple[Array, Array] | None
    matches: Array | None


def problems(folder: Path | None = None) -> Iterator[Problem]:
    """Problems of features of the folder, if there is one, and those that need no folder."""
    if folder is not None:
        for pair in _loader(folder).view_pairs(kinds="features", max_rows=2000):
            yield Problem(pair.name, pair.family, pair.A, pair.B, pair.labels)
    yield from simulated()
    yield from digits()
    yield from tables()


@cache
def named(folder: Path | None) -> dict[str, Problem]:
    return {problem.name: problem for problem in problems(folder)}


def simulated() -> Iterator[Problem]:
    """Simulated views at two levels of noise.

    The kind "densities" is left out, since its rows have no matches that could be scored. Problems
    of other shares lack half of the objects of some clusters, or edges, in one view.
    """
    for noise in NOISE:
        for kind, family in SIMULATED.items():
            views = make_views(N_OBJECTS, kind=kind, noise=noise, random_state=0)
            A, B, labels = views.X, views.Y[views.matches], views.labels_x
            yield Problem(f"simulated/{kind}/noise {noise}", family, A, B, labels)
            if kind in THINNED:
                seen = [_thinned(labels, groups, seed) for seed, groups in enumerate(THINNED[kind])]
                name = f"simulated/{kind}, other shares/noise {noise}"
                yield Problem(name, "simulated other shares", A, B, labels, (seen[0], seen[1]))
        for overlap in OVERLAPS:
            name = f"simulated/partial, overlap {overlap}/noise {noise}"
            views = make_views(
                N_OBJECTS, kind="partial", noise=noise, overlap=overlap, random_state=0
            )
            yield _partial(name, views)


def _thinned(labels: Array, groups: tuple[int, ...], seed: int) -> Array:
    """Which objects stay if half of those in some groups are left out."""
    rng = np.random.default_rng(seed)
    return ~np.isin(labels, groups) | (rng.uniform(size=len(labels)) < 0.5)


def _partial(name: str, views: Views) -> Problem:
    """Objects in both views, in the first and in the second; NaN are the rows of other objects."""
    has = views.matches >= 0
    alone = np.setdiff1d(np.arange(len(views.Y)), views.matches)
    x, y = views.X[~has], views.Y[alone]
    A = np.vstack([views.X[has], x, np.full((len(y), x.shape[1]), np.nan)])
    B = np.vstack([views.Y[views.matches[has]], np.full((len(x), y.shape[1]), np.nan), y])
    labels = np.concatenate([views.labels_x[has], views.labels_x[~has], views.labels_y[alone]])
    seen = ~np.isnan(A[:, 0]), ~np.isnan(B[:, 0])
    return Problem(name, "simulated partial overlap", A, B, labels, seen)


def digits() -> Iterator[Problem]:
    """The digits of scikit-learn: halves, and pixels beside parts of their Fourier transform."""
    X, labels = load_digits(return_X_y=True)
    images = X.reshape(-1, 8, 8)
    waves = np.fft.rfft2(images, norm="ortho").reshape(len(X), -1)
    views = {
        "left-right": (images[:, :, :4], images[:, :, 4:]),
        "top-bottom": (images[:, :4], images[:, 4:]),
        "checkerboard": (X[:, CHECKERBOARD], X[:, ~CHECKERBOARD]),
        "pixels-Fourier coefficients": (X, _rotated(np.hstack([waves.real, waves.imag]))),
        "pixels-Fourier amplitudes": (X, _rotated(np.abs(waves))),
    }
    for name, both in views.items():
        A, B = (Z.reshape(len(X), -1) for Z in both)
        yield Problem(f"scikit-learn/digits/{name}", "image_digits", A, B, labels)


def _rotated(Z: Array) -> Array:
    """Rows in a random orthonormal basis of the same dimensions."""
    k = Z.shape[1]
    return Z @ np.linalg.qr(np.random.default_rng(0).standard_normal((k, k)))[0]


def tables() -> Iterator[Problem]:
    """Tables of scikit-learn: standardised features in two random halves; exercises and bodies."""
    sets: dict[str, Callable[..., Any]] = {
        "wine": load_wine, "breast cancer": load_breast_cancer, "iris": load_iris,
        "diabetes": load_diabetes,
    }  # fmt: skip
    for name, load in sets.items():
        X, labels = load(return_X_y=True)
        Z = StandardScaler().fit_transform(X)
        for draw in range(N_HALVES):
            order = np.random.default_rng(draw).permutation(Z.shape[1])
            halves = (Z[:, half] for half in np.array_split(order, 2))
            classes = None if name == "diabetes" else labels
            yield Problem(f"scikit-learn/{name}/halves {draw}", "tabular", *halves, classes)
    both = (StandardScaler().fit_transform(Z) for Z in load_linnerud(return_X_y=True))
    yield Problem("scikit-learn/linnerud", "tabular", *both, None)


@cache
def _loader(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("load", folder / "load.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def split(problem: Problem, protocol: str, rows: int, seed: int) -> Split:
    """Draw up to `rows` rows: of both domains, or of each domain and of the test.

    Raises
    ------
    ValueError
        If a part has fewer than 20 rows.
    """
    A, B, labels = problem.A, problem.B, problem.labels
    in_x, in_y = problem.seen or (np.ones(len(A), dtype=bool),) * 2
    rng = np.random.default_rng([seed, zlib.crc32(problem.name.encode())])
    order = rng.permutation(len(A))
    if protocol == SAME:
        i = order[:rows]
        j, test = i[rng.permutation(len(i))], i
    else:
        n = min(rows, len(A) // 3)
        i, j, test, _ = np.split(order, [n, 2 * n, 3 * n])
    i, j, test = i[in_x[i]], j[in_y[j]], test[in_x[test] & in_y[test]]
    matches = None
    if protocol == SAME:
        positions = np.full(len(A), -1)
        positions[j] = np.arange(len(j))
        matches = positions[i]
    if min(len(i), len(j), len(test)) < MIN_ROWS:
        raise ValueError(f"{problem.name} has too few rows for {protocol!r}")
    both = None if labels is None else (labels[i], labels[j])
    return Split(A[i], B[j], A[test], B[test], both, matches)
