"""Paired problems of many families, as parts that a matching is fitted to and scored on.

The folder has a module ``load.py`` with a function ``view_pairs``, which yields problems (name, A,
B, labels, family, kind): row i of A belongs to row i of B, and kind is "features" or "distances".
"""

from __future__ import annotations

import importlib.util
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
SAME, DISJOINT = "same rows", "disjoint rows"
MIN_ROWS = 20  # of a part


class Problem(NamedTuple):
    """Two views of the same objects, row by row."""

    name: str
    family: str
    A: Array
    B: Array
    labels: Array | None


class Split(NamedTuple):
    """Rows that are matched, and pairs of rows that score the matching.

    Attributes
    ----------
    X, Y : arrays of shapes (n, p) and (m, q)
        Rows of the two domains, in an order of their own.
    test_x, test_y : arrays of shapes (t, p) and (t, q)
        Row i of one belongs to row i of the other; for the protocol "same rows" the rows of `X`.
    labels : pair of arrays of shapes (n,) and (m,), or None
    matches : array of int of shape (n,), or None
        Position in `Y` of the row that belongs to each row of `X`, if it is there.
    """

    X: Array
    Y: Array
    test_x: Array
    test_y: Array
    labels: tuple[Array, Array] | None
    matches: Array | None


def problems(folder: Path, families: list[str] | None = None) -> Iterator[Problem]:
    """All problems of features, of some families or of all."""
    for pair in _loader(folder).view_pairs(families, "features", max_rows=2000):
        yield Problem(pair.name, pair.family, pair.A, pair.B, pair.labels)


@cache
def named(folder: Path) -> dict[str, Problem]:
    return {problem.name: problem for problem in problems(folder)}


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
    rng = np.random.default_rng([seed, zlib.crc32(problem.name.encode())])
    order = rng.permutation(len(A))
    if protocol == SAME:
        i = order[:rows]
        shuffled = rng.permutation(len(i))
        j, test, matches = i[shuffled], i, np.argsort(shuffled)
    else:
        n = min(rows, len(A) // 3)
        i, j, test, _ = np.split(order, [n, 2 * n, 3 * n])
        matches = None
    if min(len(i), len(j), len(test)) < MIN_ROWS:
        raise ValueError(f"{problem.name} has too few rows for {protocol!r}")
    both = None if labels is None else (labels[i], labels[j])
    return Split(A[i], B[j], A[test], B[test], both, matches)
