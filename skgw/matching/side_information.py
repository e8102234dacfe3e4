"""What is known across the two domains: pairs of rows, and features that both have.

A pair (x_k, y_k) says of every x and y that d(x, x_k) and d(y, y_k) should be equal: the mean
over all pairs of the squared differences is a cost M of matching x with y. Shared features say
that rows should be matched with rows of similar ones. Either makes the problem a fused one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import check_array, column_or_1d

Array = NDArray[Any]

MAX_OF_CLASS = 10  # pairs that are made of the rows of a class
PAIRS = "pairs must be two arrays of int of the same length: rows of X, and their partners in y."
HOLD = 1.0  # cost of a wrong partner for a row whose partner is known, in mean squared distances


class Hints(NamedTuple):
    """Known pairs of training rows, and shared features.

    Attributes
    ----------
    pairs : tuple of arrays of int of shape (k,)
    shared : tuple of arrays of shapes (n, d) and (m, d), or None
        Scaled so that their mean squared distance is about one.
    alpha : float
        Weight of the distances inside the domains against these.
    """

    pairs: tuple[Array, Array]
    shared: tuple[Array, Array] | None
    alpha: float

    @property
    def weight(self) -> float | None:
        """What `alpha` of `solve_gromov` is to be."""
        return self.alpha if self.shared is not None or len(self.pairs[0]) else None

    def cost(self, Dx: Array, Dy: Array, rows: Array, columns: Array) -> Array | None:
        """M (r, s) for training rows of either domain, with distances Dx (r, r) and Dy (s, s)."""
        if self.weight is None:
            return None
        M = np.zeros((len(rows), len(columns)))
        if len(self.pairs[0]):
            i, j = self._positions(rows, columns)
            one, other = Dx[:, i], Dy[:, j]  # (r, k), (s, k)
            M += euclidean_distances(one, other, squared=True) / len(i)
            M[i] += HOLD
            M[:, j] += HOLD
            M[i, j] -= 2 * HOLD
        if self.shared is not None:
            features = self.shared[0][rows], self.shared[1][columns]
            M += euclidean_distances(*features, squared=True)
        return M

    def extend(self, plan: Array, rows: Array, columns: Array) -> Array:
        """The plan that acts on new points: that between the rows, and that of the known pairs."""
        if self.weight is None:
            return plan
        plan = self.alpha * plan
        if len(self.pairs[0]):
            np.add.at(
                plan, self._positions(rows, columns), (1 - self.alpha) / (2 * len(self.pairs[0]))
            )
        return plan

    def _positions(self, rows: Array, columns: Array) -> tuple[Array, Array]:
        i, j = self.pairs
        return np.searchsorted(rows, i), np.searchsorted(columns, j)


def read_hints(pairs: Any, shared: Any, shape: tuple[int, int], alpha: float) -> Hints:
    """Validate what the user knows about domains of `shape` (n, m) rows.

    Raises
    ------
    ValueError
        If it does not fit the domains.
    """
    none = np.empty(0, dtype=np.intp)
    known = (none, none) if pairs is None else read_pairs(pairs, shape)
    return Hints(known, None if shared is None else _read_shared(shared, shape), alpha)


def read_pairs(pairs: Any, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Validate rows (k,) and (k,) of domains of `shape` rows that belong together."""
    i, j = (np.asarray(index) for index in _two(pairs, PAIRS))
    if i.size == j.size == 0:  # an empty list has no type
        i, j = np.empty((2, 0), dtype=np.intp)
    for index, n in zip((i, j), shape, strict=True):
        if index.ndim != 1 or index.dtype.kind not in "iu" or len(index) != len(i):
            raise ValueError(PAIRS)
        if len(index) and not (index.min() >= 0 and index.max() < n):
            raise ValueError(f"pairs names rows outside of a domain of {n}.")
        if len(np.unique(index)) < len(index):
            raise ValueError("pairs names a row twice.")
    return i, j


def _two(given: Any, message: str) -> tuple[Any, Any]:
    """What is known of the first and of the second domain; else a ValueError with the message."""
    if not hasattr(given, "__len__") or isinstance(given, str | dict) or len(given) != 2:
        raise ValueError(message)
    first, second = given
    return first, second


def read_known(
    pairs: Any, labels: Any, shape: tuple[int, int], rng: np.random.RandomState
) -> tuple[Array, Array]:
    """Rows (k,) and (k,) that belong together: known pairs, and rows of the same class.

    Of each class, up to `MAX_OF_CLASS` rows of either domain are paired at random; -1 is no class.

    Raises
    ------
    ValueError
        If they do not fit the domains.
    """
    none = np.empty(0, dtype=np.intp)
    known = (none, none) if pairs is None else read_pairs(pairs, shape)
    if labels is None:
        return known
    parts = _two(labels, "labels must be two arrays: those of the first and the second domain.")
    classes = [column_or_1d(x) for x in parts]
    if tuple(map(len, classes)) != shape:
        raise ValueError(
            f"labels must be two arrays of {shape[0]} and {shape[1]} labels, got "
            f"{[len(x) for x in classes]}."
        )
    for label in _common_classes(*classes):
        free = [
            np.setdiff1d(np.flatnonzero(x == label), i) for x, i in zip(classes, known, strict=True)
        ]
        n = min(MAX_OF_CLASS, *map(len, free))
        i, j = (np.r_[k, rng.permutation(x)[:n]] for k, x in zip(known, free, strict=True))
        known = i, j
    return known


def _common_classes(*labels: Array) -> list[Any]:
    """Classes that both domains have; a ValueError if they have classes, and none in common."""
    one, other = ({*x.tolist()} - {-1} for x in labels)  # as Python values: "1" is not 1
    if one and other and not one & other:
        raise ValueError(
            "labels have no class in common: those of the first domain are like "
            f"{min(one)!r}, those of the second like {min(other)!r}."
        )
    return sorted(one & other)


def _read_shared(shared: Any, shape: tuple[int, int]) -> tuple[Array, Array]:
    parts = _two(shared, "shared must be two arrays of the same features, (n, d) and (m, d).")
    F, G = (check_array(x, dtype=np.float64, input_name="shared") for x in parts)
    if (len(F), len(G)) != shape or F.shape[1] != G.shape[1]:
        raise ValueError(
            f"shared must hold {shape[0]} and {shape[1]} rows of the same features, got shapes "
            f"{F.shape} and {G.shape}."
        )
    both = np.concatenate([F, G])
    scale = both.std(0)
    scale = np.where(scale > 0, scale, 1) * np.sqrt(2 * F.shape[1])
    return F / scale, G / scale
