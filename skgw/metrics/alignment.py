"""Measures of an alignment of two unpaired domains, by labels or true matches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import pairwise_distances_chunked
from sklearn.metrics.cluster import contingency_matrix
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils import check_consistent_length, column_or_1d

from skgw.solvers.problems import plan_cost
from skgw.threads import distances_work, threads_by

from ._checks import (
    Floats,
    check_whole,
    float_matrix,
    in_one_frame,
    power_of_two,
    same_width,
    square_distances,
)


@threads_by(distances_work)
def foscttm(X: ArrayLike, Y: ArrayLike) -> float:
    """Fraction of samples closer than the true match, averaged over both domains.

    It applies to two sets that an alignment has taken to one space: for each row of one set, the
    share of the other set's rows that lie closer to it than its true match.

    Parameters
    ----------
    X : array-like of shape (n, n_dims)
        The points of one domain, such as translated rows.
    Y : array-like of shape (n, n_dims)
        The points of the other domain; row i is the true match of row i of `X`.

    Returns
    -------
    fraction : float
        0 if every true match is the nearest row, about .5 for a random alignment. Rows at the same
        distance as the true match count one half, so that an alignment that maps everything to one
        point has exactly .5.

    Raises
    ------
    ValueError
        If the shapes differ or there is only one row.

    References
    ----------
    .. [1] :cite:t:`liu2019`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.metrics import foscttm
    >>> X = np.arange(5.0).reshape(-1, 1)
    >>> foscttm(X, X + 0.1), foscttm(X, X[::-1]), foscttm(X, np.zeros((5, 1)))
    (0.0, 0.6, 0.5)
    """
    first, second = float_matrix(X, "X"), float_matrix(Y, "Y")
    check_consistent_length(first, second)
    same_width(first, second, ("X", "Y"))
    if len(first) < 2:
        raise ValueError("One pair has no other rows to be compared with.")
    (first, second), _ = in_one_frame(first, second)
    return (_closer_than_match(first, second) + _closer_than_match(second, first)) / 2


def _closer_than_match(source: Floats, target: Floats) -> float:
    total, start = 0.0, 0
    for block in pairwise_distances_chunked(source, target):  # (chunk, n)
        rows = np.arange(len(block))
        match = block[rows, start + rows][:, None]
        total += (block < match).sum() + 0.5 * ((block == match).sum() - len(block))
        start += len(block)
    return float(total / (len(source) * (len(source) - 1)))


@threads_by(distances_work)
def match_rate(plan: ArrayLike, matches: ArrayLike | None = None, *, k: int = 1) -> float:
    """Share of rows whose true match is among the k heaviest entries of their row of the plan.

    Parameters
    ----------
    plan : array-like or Coupling of shape (n, m)
        The plan, or any other score of pairs; higher is better.
    matches : array-like of shape (n,), default=None
        Column of each row's true match; by default row i matches column i.
    k : int, default=1
        Number of entries of a row that count.

    Returns
    -------
    rate : float
        Ties are broken at random, in expectation: a plan without information has k / m.

    Raises
    ------
    ValueError
        If `k` or the matches do not fit the plan.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.metrics import match_rate
    >>> plan = np.array([[0.2, 0.1, 0.0], [0.2, 0.1, 0.0], [0.1, 0.1, 0.1]])
    >>> round(match_rate(plan), 3), round(match_rate(plan, k=2), 3)
    (0.444, 0.889)
    """
    scores = float_matrix(plan, "plan")
    n, m = scores.shape
    k = check_whole(k, "k", 1, m)
    columns = _match_columns(matches, n, m)
    match = scores[np.arange(n), columns][:, None]
    heavier, equal = (scores > match).sum(1), (scores == match).sum(1)
    return float(np.clip((k - heavier) / equal, 0, 1).mean())


def _match_columns(matches: ArrayLike | None, n: int, m: int) -> NDArray[Any]:
    """Column of each row's true match, by default the number of the row."""
    columns = np.arange(n) if matches is None else column_or_1d(matches)
    fits = len(columns) == n and columns.dtype.kind in "iu"
    if not fits or columns.min() < 0 or columns.max() >= m:
        raise ValueError(f"matches must name one of {m} columns for each of {n} rows.")
    return columns


@threads_by(distances_work)
def label_transfer_accuracy(
    X: ArrayLike, labels: ArrayLike, Y: ArrayLike, labels_y: ArrayLike, *, n_neighbors: int = 5
) -> float:
    """Accuracy of labels that are transferred to translated rows from the other domain.

    Parameters
    ----------
    X : array-like of shape (n, n_dims)
        Rows of the first domain, translated to the second domain.
    labels : array-like of shape (n,)
        True labels of the rows of `X`.
    Y : array-like of shape (m, n_dims)
        Rows of the second domain.
    labels_y : array-like of shape (m,)
        Labels of the rows of `Y`, which are transferred.
    n_neighbors : int, default=5
        Number of neighbours; a row gets their most frequent label.

    Returns
    -------
    accuracy : float

    Raises
    ------
    ValueError
        If lengths or columns do not fit.

    References
    ----------
    .. [1] :cite:t:`cao2020`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.metrics import label_transfer_accuracy
    >>> Y, labels = np.array([[0.0], [0.1], [5.0], [5.1]]), [0, 0, 1, 1]
    >>> label_transfer_accuracy(Y + 0.2, labels, Y, labels, n_neighbors=1)
    1.0
    """
    translated, target = float_matrix(X, "X"), float_matrix(Y, "Y")
    same_width(translated, target, ("X", "Y"))
    (target, translated), _ = in_one_frame(target, translated)
    classifier = KNeighborsClassifier(n_neighbors).fit(target, column_or_1d(labels_y))
    return float(classifier.score(translated, column_or_1d(labels)))


@threads_by(distances_work)
def permuted_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Accuracy up to the best one-to-one renaming of the predicted classes.

    A matching that preserves all clusters but swaps two of them is wrong in another way than a
    matching that tears clusters apart. Beside the plain accuracy, this measure distinguishes them.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,)
        Labels of the rows, and labels of their translations.

    Returns
    -------
    accuracy : float

    Raises
    ------
    ValueError
        If lengths differ or there are no labels.

    References
    ----------
    .. [1] :cite:t:`kuhn1955`.

    Examples
    --------
    >>> from skgw.metrics import permuted_accuracy
    >>> permuted_accuracy(["cat", "cat", "dog", "dog"], ["dog", "dog", "cat", "dog"])
    0.75
    """
    true, predicted = column_or_1d(y_true), column_or_1d(y_pred)
    check_consistent_length(true, predicted)
    if len(true) == 0:
        raise ValueError("There are no labels.")
    counts = contingency_matrix(true, predicted)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(true))


@threads_by(distances_work)
def gw_ratio(
    Dx: ArrayLike, Dy: ArrayLike, plan: ArrayLike, matches: ArrayLike | None = None
) -> float:
    """Gromov-Wasserstein cost of a plan, divided by the cost of the true matching.

    It distinguishes two failures. Above 1 the solver has failed: the true matching is a better
    plan. Below 1 the distances mislead: the true matching is not the cheapest matching.

    Parameters
    ----------
    Dx : array-like of shape (n, n)
    Dy : array-like of shape (m, m)
        Distances inside each domain, in one unit.
    plan : array-like or Coupling of shape (n, m)
        Of any mass: it is divided by its mass. An entropic plan costs more than its argmax.
    matches : array-like of shape (n,), default=None
        True match of each row; by default row i matches column i. All rows have one weight.

    Returns
    -------
    ratio : float
        For isometric domains infinite, or 1 if the cost of the plan is zero as well.

    Raises
    ------
    ValueError
        If the shapes or the matches do not fit, or if the plan has negative entries or no mass.

    References
    ----------
    .. [1] :cite:t:`peyre2016`, Prop. 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.metrics import gw_ratio
    >>> x = np.array([0.0, 1.0, 3.0])
    >>> D = abs(x[:, None] - x[None])
    >>> gw_ratio(D, 1.1 * D, np.eye(3) / 3), round(gw_ratio(D, 1.1 * D, np.eye(3)[::-1] / 3))
    (1.0, 17)
    """
    first, second = square_distances(Dx, "Dx"), square_distances(Dy, "Dy")
    found = float_matrix(plan, "plan")
    n, m = len(first), len(second)
    if found.shape != (n, m):
        raise ValueError(f"plan has shape {found.shape}, expected {(n, m)}.")
    if found.min() < 0 or not found.sum() > 0:
        raise ValueError("plan must be non-negative and have mass.")
    columns = _match_columns(matches, n, m)
    unit = power_of_two(first, second)
    first, second, found = first / unit, second / unit, found / found.sum()
    true = np.zeros((n, m))
    true[np.arange(n), columns] = 1 / n
    cost, best = (plan_cost(first, second, T) for T in (found, true))
    rounding = np.finfo(float).eps * n * (np.square(first).max() + np.square(second).max())
    if best <= rounding:
        return 1.0 if cost <= rounding else float("inf")
    return cost / best
