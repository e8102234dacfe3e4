"""Two-sample tests with a nearest-neighbour classifier, and with any classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from skgw.threads import distances_work, threads_by

from ._checks import Floats, check_whole, in_one_frame, two_samples


@threads_by(distances_work)
def nearest_neighbor_two_sample(
    X: ArrayLike, Y: ArrayLike, *, random_state: int | np.random.RandomState | None = None
) -> float:
    """Leave-one-out accuracy of a nearest-neighbour classifier between two sets X and Y.

    The larger set is subsampled to the size of the smaller set, so that the chance level is one
    half. The classifier gives each point the set of its nearest neighbour among all other points.

    Parameters
    ----------
    X : array-like of shape (n, n_dims)
        One sample, such as held-out data.
    Y : array-like of shape (m, n_dims)
        The other sample, such as generated points, in the same space and unit.
    random_state : int, RandomState instance or None, default=None
        Draws the subsample of the larger set.

    Returns
    -------
    accuracy : float
        .5 if the sets cannot be distinguished, 1 if they are separate, and below .5 if points lie
        closer to the other set than to their own, as copies do. A point at the same distance from
        its nearest neighbours in both sets counts one half. A copy in the other set counts as any
        other neighbour: ``Y = X`` without repeated rows has 0.

    Raises
    ------
    ValueError
        If the columns differ or one of the sets has fewer than two rows.

    References
    ----------
    .. [1] :cite:t:`lopezpaz2017`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.metrics import nearest_neighbor_two_sample
    >>> X = np.arange(5.0).reshape(-1, 1)
    >>> nearest_neighbor_two_sample(X, X + 100)
    1.0
    >>> nearest_neighbor_two_sample(X, X + 0.25)
    0.0
    """
    first, second = _equal_sizes(X, Y, check_random_state(random_state))
    return (_own_set_rate(first, second) + _own_set_rate(second, first)) / 2


def _equal_sizes(X: ArrayLike, Y: ArrayLike, rng: np.random.RandomState) -> tuple[Floats, Floats]:
    """Both sets in one frame, the larger one subsampled."""
    (first, second), _ = in_one_frame(*two_samples(X, Y))
    size = min(len(first), len(second))
    first, second = (
        Z if len(Z) == size else Z[rng.permutation(len(Z))[:size]] for Z in (first, second)
    )
    return first, second


def _own_set_rate(own: Floats, other: Floats) -> float:
    """Share of `own` whose nearest neighbour is in `own`; ties count one half."""
    search = NearestNeighbors(n_neighbors=1)
    # Without a query the search excludes each point itself, but not its copies.
    index_own = search.fit(own).kneighbors(return_distance=False)[:, 0]
    index_other = search.fit(other).kneighbors(own, return_distance=False)[:, 0]
    # The searches may round distances differently, which would break true ties.
    to_own = np.square(own - own[index_own]).sum(axis=1)
    to_other = np.square(own - other[index_other]).sum(axis=1)
    return float(np.mean((to_own < to_other) + 0.5 * (to_own == to_other)))


@dataclass(frozen=True)
class ClassifierTwoSample:
    """Held-out accuracy of a classifier, the result of `classifier_two_sample_test`.

    Attributes
    ----------
    accuracy : float
        Share of the rows whose set the classifier predicts when it has not seen the row.
    p_value : float
        Probability of at least this accuracy by fair coin flips, one for each row.
    n_rows : int
        Number of rows, one half from each set.
    """

    accuracy: float
    p_value: float
    n_rows: int


@threads_by(distances_work)
def classifier_two_sample_test(
    X: ArrayLike,
    Y: ArrayLike,
    classifier: Any = None,
    *,
    n_splits: int = 5,
    random_state: int | np.random.RandomState | None = None,
) -> ClassifierTwoSample:
    """Test whether a classifier can tell two sets X and Y apart.

    The classifier learns from which set a row comes. Each row is predicted once, by a classifier
    that is fitted to the other folds. The larger set is subsampled to the size of the smaller set,
    so that the chance level is one half.

    Parameters
    ----------
    X : array-like of shape (n, n_dims)
        One sample, such as held-out data.
    Y : array-like of shape (m, n_dims)
        The other sample, such as generated points, in the same space and unit.
    classifier : scikit-learn classifier, default=None
        Classifier, which is cloned. It gets rows that are moved and divided by one number. None
        takes scikit-learn's `HistGradientBoostingClassifier` with 15 leaves and 50 trees.
    n_splits : int, default=5
        Number of folds; both sets need as many rows.
    random_state : int, RandomState instance or None, default=None
        Draws the subsample of the larger set and the folds. A given classifier keeps its own.

    Returns
    -------
    test : ClassifierTwoSample
        The accuracy is .5 if the classifier finds no difference, and 1 if the sets are separate.

    Raises
    ------
    ValueError
        If the columns differ or one of the sets has fewer rows than folds.

    See Also
    --------
    nearest_neighbor_two_sample : Finds copies as well.

    Notes
    -----
    Predictions of one classifier are not independent, so that the p value is approximate. A large
    p value means that this classifier found no difference; another one may.

    References
    ----------
    .. [1] :cite:t:`lopezpaz2017`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skgw.metrics import classifier_two_sample_test
    >>> X, Y = np.random.default_rng(0).normal(size=(2, 200, 2)) * [[[1.0]], [[3.0]]]
    >>> classifier_two_sample_test(X, Y, random_state=0).p_value < 1e-6
    True
    >>> classifier_two_sample_test(X, Y, LogisticRegression(), random_state=0).p_value < 0.01
    False
    """
    rng = check_random_state(random_state)
    first, second = _equal_sizes(X, Y, rng)
    n_splits = check_whole(n_splits, "n_splits", 2, len(first))
    if classifier is None:
        from sklearn.ensemble import HistGradientBoostingClassifier  # 40 ms

        classifier = HistGradientBoostingClassifier(
            max_iter=50,
            max_leaf_nodes=15,
            early_stopping=False,
            random_state=rng.randint(2**31 - 1),
        )
    rows, labels = np.vstack([first, second]), np.repeat([0, 1], len(first))
    folds = StratifiedKFold(n_splits, shuffle=True, random_state=rng)
    predicted = cross_val_predict(clone(classifier), rows, labels, cv=folds)
    n_right, n_rows = int(np.sum(predicted == labels)), len(labels)
    test = binomtest(n_right, n_rows, 0.5, alternative="greater")
    return ClassifierTwoSample(n_right / n_rows, float(test.pvalue), n_rows)
