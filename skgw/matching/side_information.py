"""Side information on two domains: anchor pairs, and shared features.

An anchor pair (x_k, y_k) implies for a match of x with y that d(x, x_k) and d(y, y_k) agree: the
mean over all pairs of the squared differences is a cost M of matching x with y. Shared features are
measured in both domains: their squared differences are a cost as well. Either cost makes the
problem a fused Gromov-Wasserstein problem.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import check_array, column_or_1d

from skgw.matching.pairs import Names, no_pairs, read_pairs
from skgw.spaces.finite import Array

ANCHOR_PENALTY = 1.0  # cost of a wrong match for a row of an anchor pair, in mean squared distances


class SideInformation(NamedTuple):
    """Anchor pairs of training rows, and shared features.

    Attributes
    ----------
    pairs : tuple of arrays of int of shape (k,)
    shared : tuple of arrays of shapes (n, d) and (m, d), or None
        Scaled so that their mean squared distance is about one.
    alpha : float
        Weight of the distances inside the domains; the side information has the weight 1 - alpha.
    """

    pairs: tuple[Array, Array]
    shared: tuple[Array, Array] | None
    alpha: float

    @classmethod
    def none(cls) -> SideInformation:
        """No side information."""
        return cls(no_pairs(), None, 1.0)

    @property
    def weight(self) -> float | None:
        """The parameter `alpha` of `solve_gromov`: None without side information."""
        return self.alpha if self.shared is not None or len(self.pairs[0]) else None

    def cost(self, Dx: Array, Dy: Array, rows: Array, columns: Array) -> Array | None:
        """M (r, s) for training rows of either domain, with distances Dx (r, r) and Dy (s, s)."""
        if self.weight is None:
            return None
        M = np.zeros((len(rows), len(columns)))
        if len(self.pairs[0]):
            i, j = self._positions(rows, columns)
            M += euclidean_distances(Dx[:, i], Dy[:, j], squared=True) / len(i)
            M[i] += ANCHOR_PENALTY
            M[:, j] += ANCHOR_PENALTY
            M[i, j] -= 2 * ANCHOR_PENALTY
        if self.shared is not None:
            features = self.shared[0][rows], self.shared[1][columns]
            M += euclidean_distances(*features, squared=True)
        return M

    def coordinates(self, n: int, m: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Coordinates of all rows whose squared distances are the costs of the side information.

        Returns
        -------
        of_pairs : tuple of arrays of shapes (n, k) and (m, k)
            Each anchor pair has a coordinate of its own, and no other row differs from zero in it.
            A wrong match of an anchor costs `ANCHOR_PENALTY`, as in the cost M.
        shared : tuple of arrays of shapes (n, d) and (m, d)
        """
        nothing = np.zeros((n, 0)), np.zeros((m, 0))
        if self.weight is None or self.alpha == 0:
            return nothing, nothing
        shared = self.shared or nothing
        scale = np.sqrt((1 - self.alpha) / self.alpha)
        x, y = (_indicators(size, rows) for size, rows in zip((n, m), self.pairs, strict=True))
        return (scale * x, scale * y), (scale * shared[0], scale * shared[1])

    def extend(self, plan: Array, rows: Array, columns: Array) -> Array:
        """The plan between reference rows and anchor pairs that acts on new points."""
        if self.weight is None:
            return plan
        plan = self.alpha * plan
        n_pairs = len(self.pairs[0])
        if n_pairs:
            np.add.at(plan, self._positions(rows, columns), (1 - self.alpha) / (2 * n_pairs))
        return plan

    def _positions(self, rows: Array, columns: Array) -> tuple[Array, Array]:
        i, j = self.pairs
        return np.searchsorted(rows, i), np.searchsorted(columns, j)


def _indicators(size: int, rows: Array) -> Array:
    """Columns that tell the k rows of anchors from all others, (size, k)."""
    indicators = np.zeros((size, len(rows)))
    indicators[rows, np.arange(len(rows))] = np.sqrt(ANCHOR_PENALTY)
    return indicators


def read_side_information(
    pairs: Any,
    shared: Any,
    shape: tuple[int, int],
    alpha: float,
    names: tuple[Names, Names] = (None, None),
) -> SideInformation:
    """Validate the side information of a user on domains of `shape` (n, m) rows.

    Raises
    ------
    ValueError
        If the side information does not fit the domains.
    """
    anchors = no_pairs() if pairs is None else read_pairs(pairs, shape, names)
    features = None if shared is None else _read_shared(shared, shape)
    if alpha == 1:  # of weight zero
        return SideInformation.none()
    return SideInformation(anchors, features, alpha)


def read_anchors(
    pairs: Any,
    labels: Any,
    shape: tuple[int, int],
    rng: np.random.RandomState,
    *,
    names: tuple[Names, Names] = (None, None),
    max_pairs_of_class: int = 10,
) -> tuple[Array, Array]:
    """Anchor rows (k,) and (k,): the pairs of a user, and random pairs of rows of one class.

    Parameters
    ----------
    pairs : object or None
        As for `read_pairs`.
    labels : pair of arrays of shapes (n,) and (m,), or None
        Classes of the rows; -1 stands for an unknown class.
    shape : tuple of int
        Numbers of rows of both domains.
    rng : RandomState
    names : pair of sequences or None
        Names of the rows of both domains.
    max_pairs_of_class : int, default=10
        Largest number of random pairs of each class.

    Raises
    ------
    ValueError
        If pairs or labels do not fit the domains.
    """
    anchors = no_pairs() if pairs is None else read_pairs(pairs, shape, names)
    if labels is None:
        return anchors
    parts = _two(labels, "labels must be two arrays, one for each domain.")
    classes = [column_or_1d(x) for x in parts]
    if tuple(map(len, classes)) != shape:
        raise ValueError(
            f"labels must be two arrays of {shape[0]} and {shape[1]} labels, got "
            f"{[len(x) for x in classes]}."
        )
    for label in _common_classes(*classes):
        free = [
            np.setdiff1d(np.flatnonzero(x == label), i)
            for x, i in zip(classes, anchors, strict=True)
        ]
        n = min(max_pairs_of_class, *map(len, free))
        i, j = (np.r_[k, rng.permutation(x)[:n]] for k, x in zip(anchors, free, strict=True))
        anchors = i, j
    return anchors


def _two(given: Any, message: str) -> tuple[Any, Any]:
    """The values for the first and for the second domain; else a ValueError with the message."""
    if not hasattr(given, "__len__") or isinstance(given, str | dict) or len(given) != 2:
        raise ValueError(message)
    first, second = given
    return first, second


def _common_classes(*labels: Array) -> list[Any]:
    """Classes of both domains; a ValueError if both have classes, and none in common."""
    x, y = ({*values.tolist()} - {-1} for values in labels)  # as Python values: "1" is not 1
    if x and y and not x & y:
        raise ValueError(
            "labels have no class in common: the first domain has labels like "
            f"{min(x)!r}, the second domain labels like {min(y)!r}."
        )
    return sorted(x & y)


def _check_order_of_names(first: list[Any], second: list[Any]) -> None:
    """Raise a ValueError if columns of one name have different positions."""
    for i, name in enumerate(first):
        if name in second and second.index(name) != i:
            raise ValueError(
                f"shared must hold the same features in the same order: column {name!r} is column "
                f"{i} of the first array, and column {second.index(name)} of the second."
            )


def _read_shared(shared: Any, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Shared features of both domains, scaled to a mean squared distance of about one."""
    parts = _two(shared, "shared must be two arrays of the same features, (n, d) and (m, d).")
    _check_order_of_names(*(list(getattr(x, "columns", ())) for x in parts))
    F, G = (check_array(x, dtype=np.float64, input_name="shared") for x in parts)
    if (len(F), len(G)) != shape or F.shape[1] != G.shape[1]:
        raise ValueError(
            f"shared must hold {shape[0]} and {shape[1]} rows of the same features, got shapes "
            f"{F.shape} and {G.shape}."
        )
    both = np.concatenate([F, G])
    mean, scale = both.mean(0), both.std(0)
    scale = np.where(scale > 0, scale, 1) * np.sqrt(2 * F.shape[1])
    return (F - mean) / scale, (G - mean) / scale
