"""Two-sample test with a nearest-neighbour classifier."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from skgw.threads import distances_work, threads_by

from ._checks import Floats, in_one_frame, two_samples


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
    (first, second), _ = in_one_frame(*two_samples(X, Y))
    size = min(len(first), len(second))
    rng = check_random_state(random_state)
    first, second = (
        Z if len(Z) == size else Z[rng.permutation(len(Z))[:size]] for Z in (first, second)
    )
    return (_own_set_rate(first, second) + _own_set_rate(second, first)) / 2


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
