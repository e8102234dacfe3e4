"""Measures of disentanglement: codes of rows beside the known factors that made the rows.

A representation is disentangled if each code depends on one factor. Codes are deterministic, such
as the means of an encoder, and factors are known for all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr
from scipy.stats import entropy
from sklearn.metrics import mutual_info_score
from sklearn.model_selection import GridSearchCV, KFold, train_test_split
from sklearn.utils import check_consistent_length, check_random_state

from skgw.threads import distances_work, threads_by

from ._checks import Floats, check_whole, float_matrix, in_one_frame

Integers = NDArray[np.intp]
Random = np.random.RandomState

MAX_DEPTHS = (2, 4, 8, 12)  # of the trees, from which cross-validation chooses


@dataclass(frozen=True, eq=False)
class DCIScores:
    """Disentanglement, completeness and informativeness, the result of `dci_scores`.

    Attributes
    ----------
    disentanglement : float
        1 if each code predicts one factor only, 0 if each code predicts all factors equally. The
        mean over the codes, weighted by their importance.
    completeness : float
        1 if each factor is predicted by one code only, 0 if by all codes equally. The mean over the
        factors.
    informativeness : float
        1 if the codes predict all factors of held-out rows, 0 if they predict them no better than a
        constant. The mean over the factors.
    importances : ndarray of shape (n_codes, n_factors)
        Importance of each code for each factor. A column sums to 1, or to 0 if no code predicts the
        factor.
    informativeness_per_factor : ndarray of shape (n_factors,)
        One minus the error on held-out rows, relative to the error of the best constant, at least
        0. The error is the mean squared error, and for a category the rate of wrong predictions.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    importances: Floats
    informativeness_per_factor: Floats


@threads_by(distances_work)
def dci_scores(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    categorical: Sequence[int] = (),
    n_estimators: int = 10,
    max_depths: Sequence[int] = MAX_DEPTHS,
    test_size: float = 0.33,
    random_state: int | Random | None = None,
) -> DCIScores:
    """Disentanglement, completeness and informativeness of codes, by random forests.

    A random forest predicts each factor from the codes. The importances of the codes in the forests
    say which code depends on which factor: disentanglement and completeness are one minus the
    entropy of a row and of a column of the importances. Informativeness is the accuracy of the
    forests on held-out rows.

    Parameters
    ----------
    codes : array-like of shape (n, n_codes)
        At least two codes. Neither their units nor their order matter.
    factors : array-like of shape (n, n_factors)
        Values of at least two factors for each row.
    categorical : sequence of int, default=()
        Columns of factors whose values have no order, such as a shape. A classifier predicts them,
        a regressor the others.
    n_estimators : int, default=10
        Number of trees of a forest.
    max_depths : sequence of int, default=(2, 4, 8, 12)
        Depths of the trees. For each factor the depth is chosen by 5-fold cross-validation on the
        training rows.
    test_size : float, default=0.33
        Share of the rows that are held out.
    random_state : int, RandomState instance or None, default=None
        Splits the rows and seeds the forests.

    Returns
    -------
    scores : DCIScores

    Raises
    ------
    ValueError
        If the numbers of rows differ, if there are fewer than two codes or factors, if a factor has
        one value only, or if a column of `categorical` does not exist.

    Notes
    -----
    A factor whose values lie on a circle, such as a full rotation, is predicted as a number. For
    factors with uniform values between 0 and 1 the informativeness is 1 - 12 MSE. Ten codes and
    five factors of 10,000 rows take 25 s on one core; fewer `max_depths` take less.

    References
    ----------
    .. [1] :cite:t:`eastwood2018`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.metrics import dci_scores
    >>> factors = np.stack(np.meshgrid(np.arange(20), np.arange(20)), axis=-1).reshape(-1, 2)
    >>> mixed = factors @ [[1, 1], [-1, 1]]
    >>> for codes in (factors, mixed):
    ...     scores = dci_scores(codes, factors, random_state=0)
    ...     print(round(scores.disentanglement, 1), round(scores.informativeness, 1))
    1.0 1.0
    0.0 1.0
    """
    Z, values = _codes_and_factors(codes, factors)
    if min(Z.shape[1], values.shape[1]) < 2:
        raise ValueError(
            "Codes and factors must have at least two columns each, got "
            f"{Z.shape[1]} and {values.shape[1]}."
        )
    named = [check_whole(column, "categorical", 0, values.shape[1] - 1) for column in categorical]
    rng = check_random_state(random_state)
    split = train_test_split(Z, values, test_size=test_size, random_state=rng)
    results = [
        _forest(split, j, j in named, n_estimators, max_depths, rng.randint(2**31 - 1))
        for j in range(values.shape[1])
    ]
    importances = np.column_stack([importance for importance, _ in results])  # (k, f)
    informativeness = np.array([score for _, score in results])
    return DCIScores(
        disentanglement=_concentration(importances, importances.sum(axis=1)),
        completeness=_concentration(importances.T, np.ones(values.shape[1])),
        informativeness=float(informativeness.mean()),
        importances=importances,
        informativeness_per_factor=informativeness,
    )


def _forest(
    split: Sequence[Floats],
    column: int,
    is_category: bool,
    n_estimators: int,
    max_depths: Sequence[int],
    seed: int,
) -> tuple[Floats, float]:
    """Importances (n_codes,) of the codes for one factor, and its informativeness."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor  # 40 ms

    train, test, of_train, of_test = split
    v_train, v_test = of_train[:, column], of_test[:, column]
    kind = RandomForestClassifier if is_category else RandomForestRegressor
    # Every split chooses from all codes: a random subset without the right code is split as well.
    forest = kind(n_estimators=n_estimators, max_features=None, random_state=seed)
    search = GridSearchCV(forest, {"max_depth": list(max_depths)}, cv=KFold(5))
    search.fit(train, v_train)
    predicted = search.predict(test)
    if is_category:
        error, worst = np.mean(predicted != v_test), 1 - _largest_share(v_test)
    else:
        error, worst = np.mean((predicted - v_test) ** 2), v_test.var()
    informativeness = max(0.0, 1 - float(error / worst)) if worst > 0 else float(error == 0)
    importances = search.best_estimator_.feature_importances_.clip(0)  # -1e-15 by rounding
    return importances, informativeness


def _largest_share(values: Floats) -> float:
    return float(np.unique(values, return_counts=True)[1].max() / len(values))


def _concentration(importances: Floats, weights: Floats) -> float:
    """Weighted mean over the rows of one minus the entropy, in units of the largest entropy."""
    totals = importances.sum(axis=1)
    shares = importances / np.where(totals > 0, totals, 1)[:, None]
    rows = np.where(totals > 0, 1 - entr(shares).sum(axis=1) / np.log(shares.shape[1]), 0.0)
    return float(rows @ weights / weights.sum()) if weights.sum() > 0 else 0.0


@threads_by(distances_work)
def mutual_information_gap(codes: ArrayLike, factors: ArrayLike, *, n_bins: int = 20) -> float:
    """Mutual information gap: how much more one code knows of a factor than any other code.

    For each factor, the codes with the largest and the second largest mutual information with the
    factor are compared. The difference is divided by the entropy of the factor, and averaged over
    the factors. The mutual information is that of the histogram.

    Parameters
    ----------
    codes : array-like of shape (n, n_codes)
        At least two codes. Each is divided into bins of equal width between its ends.
    factors : array-like of shape (n, n_factors)
        Discrete values: at most n / 2 different ones in a column.
    n_bins : int, default=20
        Number of bins of a code. Compare results for one number of bins and of rows only.

    Returns
    -------
    gap : float
        Between 0 and 1: 1 if each factor is a function of one code and independent of the others,
        0 if each factor has two codes that know equally much of it.

    Raises
    ------
    ValueError
        If the numbers of rows differ, there are fewer than two codes, or a factor has one value
        only or is not discrete.

    References
    ----------
    .. [1] :cite:t:`chen2018`, Equation 6.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.metrics import mutual_information_gap
    >>> factors = np.stack(np.meshgrid(np.arange(5), np.arange(5)), axis=-1).reshape(-1, 2)
    >>> mixed = factors @ [[1, 1], [-1, 1]]
    >>> round(mutual_information_gap(factors, factors), 6), mutual_information_gap(mixed, factors)
    (1.0, 0.0)
    """
    Z, values = _codes_and_factors(codes, factors)
    n_bins = check_whole(n_bins, "n_bins", 2)
    if Z.shape[1] < 2:
        raise ValueError("A gap needs at least two codes, got 1.")
    binned = [_bins(column, n_bins) for column in Z.T]
    gaps = []
    for column in values.T:
        labels, counts = _discrete(column)
        known = sorted(mutual_info_score(labels, code) for code in binned)
        gaps.append((known[-1] - known[-2]) / entropy(counts))
    return float(np.mean(gaps))


def _bins(column: Floats, n_bins: int) -> Integers:
    """Number of the bin of each value, of equal width between the ends."""
    edges = np.linspace(column.min(), column.max(), n_bins + 1)
    return np.asarray(np.searchsorted(edges[1:-1], column, side="right"))


@threads_by(distances_work)
def factorvae_score(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    batch_size: int = 64,
    n_votes: int = 800,
    random_state: int | Random | None = None,
) -> float:
    """Accuracy of the least varying code as a sign of the factor that is fixed.

    A vote draws one factor, one of its values, and a batch of rows that have this value. It goes to
    the code with the least variance in the batch, relative to its variance in all rows. Each code
    stands for the factor that most of its votes have fixed.

    Parameters
    ----------
    codes : array-like of shape (n, n_codes)
        Codes of a full set, in which the factors are independent. Constant codes are left out.
    factors : array-like of shape (n, n_factors)
        Discrete values.
    batch_size : int, default=64
        Number of rows of a vote, different ones. Values that fewer rows have are left out.
    n_votes : int, default=800
        Number of votes from which the factors of the codes are learned. As many others measure the
        accuracy.
    random_state : int, RandomState instance or None, default=None
        Draws the votes.

    Returns
    -------
    accuracy : float
        1 if for each factor there is a code that depends on it alone, and about 1 / n_factors for
        codes that are independent of the factors.

    Raises
    ------
    ValueError
        If the numbers of rows differ, all codes are constant, a factor has one value only, or fewer
        than `batch_size` rows have each value of a factor.

    References
    ----------
    .. [1] :cite:t:`kim2018`, Section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.metrics import factorvae_score
    >>> rng = np.random.default_rng(0)
    >>> factors = rng.integers(5, size=(2000, 3))
    >>> factorvae_score(factors, factors, random_state=0)
    1.0
    >>> factorvae_score(rng.normal(size=(2000, 3)), factors, random_state=0) < 0.45
    True
    """
    Z, values = _codes_and_factors(codes, factors)
    batch_size = check_whole(batch_size, "batch_size", 2)
    n_votes = check_whole(n_votes, "n_votes", 1)
    Z = Z[:, np.ptp(Z, axis=0) > 0]
    if Z.shape[1] == 0:
        raise ValueError("All codes are constant.")
    groups = [_rows_by_value(column, batch_size) for column in values.T]
    rng = check_random_state(random_state)
    n_factors = len(groups)
    votes = np.zeros((2, Z.shape[1], n_factors))  # learned from, and measured
    for count in votes:
        for factor in rng.randint(n_factors, size=n_votes):
            rows = groups[factor][rng.randint(len(groups[factor]))]
            batch = Z[rng.permutation(rows)[:batch_size]]
            count[np.argmin(batch.var(axis=0)), factor] += 1
    factor_of_code = votes[0].argmax(axis=1)
    return float(votes[1][np.arange(Z.shape[1]), factor_of_code].sum() / n_votes)


def _rows_by_value(column: Floats, least: int) -> list[Integers]:
    """Rows of each value of a factor that at least `least` rows have."""
    _, index, counts = np.unique(column, return_inverse=True, return_counts=True)
    rows = np.split(np.argsort(index, kind="stable"), np.cumsum(counts)[:-1])
    groups = [members for members in rows if len(members) >= least]
    if not groups:
        raise ValueError(
            f"No value of a factor has batch_size={least} rows; the most frequent one has "
            f"{counts.max()}. Divide the factor into fewer values, or lower batch_size."
        )
    return groups


def _codes_and_factors(codes: ArrayLike, factors: ArrayLike) -> tuple[Floats, Floats]:
    """Codes (n, k) with unit variance, constants with 0, and factors (n, f)."""
    Z, values = float_matrix(codes, "codes"), float_matrix(factors, "factors")
    check_consistent_length(Z, values)
    if (np.ptp(values, axis=0) == 0).any():
        raise ValueError("A factor has one value only: leave its column out.")
    columns = []
    for column in Z.T:
        (scaled,), _ = in_one_frame(column[:, None])
        deviation = scaled.std()
        columns.append((scaled - scaled.mean()) / deviation if np.ptp(scaled) > 0 else 0 * scaled)
    return np.hstack(columns), values


def _discrete(column: Floats) -> tuple[Integers, Integers]:
    """Number of the value of each row, and number of rows of each value."""
    _, index, counts = np.unique(column, return_inverse=True, return_counts=True)
    if len(counts) > len(column) / 2:
        raise ValueError(
            f"A factor has {len(counts)} different values in {len(column)} rows, but factors must "
            "be discrete: divide its values into bins."
        )
    return index, counts
