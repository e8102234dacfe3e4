"""Generated samples against training rows: copies, and the spread within groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.cluster import KMeans
from sklearn.neighbors import NearestNeighbors

from skgw.threads import distances_work, threads_by

from ._checks import Floats, check_whole, float_matrix, in_one_frame, same_width, two_samples

ROWS_PER_GROUP, MAX_GROUPS = 50, 100  # of n_groups=None


@threads_by(distances_work)
def memorization(
    samples: ArrayLike, training_rows: ArrayLike, held_out: ArrayLike | None = None
) -> float:
    """Probability that a sample is nearer to the training rows than new data are.

    Distances are those to the nearest training row; ties count one half.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n_dims)
        Generated points.
    training_rows : array-like of shape (n_rows, n_dims)
        Rows that the model was fitted to, in the space and unit of the samples.
    held_out : array-like of shape (n_held_out, n_dims), default=None
        New data. None takes the training rows themselves, each against all others.

    Returns
    -------
    probability : float
        One half for samples of the distribution of the data, 1 for copies of training rows. Samples
        that crowd where data are dense raise it too, and samples far from the data lower it.

    Raises
    ------
    ValueError
        If the columns differ or there are fewer than two training rows.

    See Also
    --------
    nearest_neighbor_two_sample : Finds copies as well as other differences.

    References
    ----------
    .. [1] :cite:t:`meehan2020`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.metrics import memorization
    >>> rows = np.arange(5.0).reshape(-1, 1)
    >>> memorization(rows + 0.01, rows), memorization(rows + 10, rows)
    (1.0, 0.0)
    """
    train = float_matrix(training_rows, "training_rows")
    drawn = float_matrix(samples, "samples")
    same_width(drawn, train, ("samples", "training_rows"))
    if len(train) < 2:
        raise ValueError("training_rows must have at least two rows, got 1.")
    sets = [train, drawn]
    if held_out is not None:
        new = float_matrix(held_out, "held_out")
        same_width(new, train, ("held_out", "training_rows"))
        sets.append(new)
    (train, drawn, *rest), _ = in_one_frame(*sets)
    search = NearestNeighbors(n_neighbors=1).fit(train)
    nearest = search.kneighbors(drawn)[0][:, 0]
    expected = search.kneighbors(*rest)[0][:, 0]  # without an argument each row against the others
    ranks = rankdata(np.concatenate([expected, nearest]))[: len(expected)]
    m, n = len(expected), len(nearest)
    return float((ranks.sum() - m * (m + 1) / 2) / (m * n))


@threads_by(distances_work)
def spread_ratio(
    samples: ArrayLike,
    reference: ArrayLike,
    *,
    n_groups: int | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> float:
    """Standard deviation of samples within groups, over that of the data.

    The groups are the cells of k-means of the reference.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n_dims)
        Generated points.
    reference : array-like of shape (n_reference, n_dims)
        Data, in the space and unit of the samples.
    n_groups : int, default=None
        Number of groups; the number of modes, if it is known. None: one for 50 rows of the
        reference, at most 100.
    random_state : int, RandomState instance or None, default=None
        Starts of k-means.

    Returns
    -------
    ratio : float
        1 for samples of the distribution of the data; below 1 for samples that are pulled to the
        middle of modes, which raises precision. NaN without two samples in a group.

    Raises
    ------
    ValueError
        If the columns differ or a set has fewer than two rows.

    Notes
    -----
    Sums of squares are about the mean of the samples of a group. Groups that cut a mode into pieces
    make the ratio less sensitive.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.metrics import spread_ratio
    >>> centers = np.repeat([[0, 0], [50, 0]], 250, axis=0)
    >>> rows = centers + np.random.default_rng(0).normal(size=(500, 2))
    >>> round(spread_ratio(0.9 * rows + 0.1 * centers, rows, n_groups=2, random_state=0), 3)
    0.9
    """
    drawn, data = two_samples(samples, reference)
    (data, drawn), _ = in_one_frame(data, drawn)
    if n_groups is None:
        n_groups = int(np.clip(len(data) // ROWS_PER_GROUP, 1, MAX_GROUPS))
    n_groups = check_whole(n_groups, "n_groups", 1, len(data))
    n_groups = min(n_groups, len(np.unique(data, axis=0)))  # k-means warns of fewer points
    groups = KMeans(n_groups, n_init=1, random_state=random_state).fit(data)
    spread = _within(data, groups.labels_)
    return _within(drawn, groups.predict(drawn)) / spread if spread > 0 else float("nan")


def _within(points: Floats, labels: NDArray[np.int32]) -> float:
    """Root mean square deviation from the mean of the group, NaN without a group of two points."""
    _, group, counts = np.unique(labels, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(group, column) for column in points.T], axis=1)
    squares = np.square(points - (sums / counts[:, None])[group]).sum()
    free = (len(points) - len(counts)) * points.shape[1]
    return float(np.sqrt(squares / free)) if free else float("nan")
