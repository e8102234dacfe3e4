"""Whether a nearest neighbour can tell two samples apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from ._checks import Floats, two_samples


def nearest_neighbor_two_sample(
    X: ArrayLike, Y: ArrayLike, *, random_state: int | np.random.RandomState | None = None
) -> float:
    """Leave-one-out accuracy of a nearest-neighbour classifier that tells X from Y.

    Both sets are cut at random to the size of the smaller one, so that chance is one half. Each
    point is given the set of its nearest neighbour among all the other points.

    Parameters
    ----------
    X : array-like of shape (n, n_dims)
        One sample, such as held-out data.
    Y : array-like of shape (m, n_dims)
        The other, such as generated points, in the same space and unit.
    random_state : int, RandomState instance or None, default=None
        Chooses the rows that are kept of the larger set.

    Returns
    -------
    accuracy : float
        .5 if the two cannot be told apart, 1 if they are separate, and below .5 if points lie
        closer to the other set than to their own, as copies do. A point whose nearest
        neighbours in the two sets are equally far counts one half. Copies *across* the sets
        count as any other neighbour: ``Y = X`` without repeated rows gives 0.

    Raises
    ------
    ValueError
        If the columns differ or one of the sets has fewer than two rows.

    References
    ----------
    .. [1] D. Lopez-Paz and M. Oquab, "Revisiting classifier two-sample tests", ICLR 2017.

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
    first, second = two_samples(X, Y)
    size = min(len(first), len(second))
    rng = check_random_state(random_state)
    first, second = (
        Z if len(Z) == size else Z[rng.permutation(len(Z))[:size]] for Z in (first, second)
    )
    return (_own_set_rate(first, second) + _own_set_rate(second, first)) / 2


def _own_set_rate(own: Floats, other: Floats) -> float:
    """Share of `own` whose nearest neighbour is in `own`; ties count one half."""
    search = NearestNeighbors(n_neighbors=1)
    # Without a query the search leaves each point itself out, copies of it not.
    index_own = search.fit(own).kneighbors(return_distance=False)[:, 0]
    index_other = search.fit(other).kneighbors(own, return_distance=False)[:, 0]
    # The search may round distances differently on the two sides, which would break true ties.
    to_own = np.square(own - own[index_own]).sum(axis=1)
    to_other = np.square(own - other[index_other]).sum(axis=1)
    return float(np.mean((to_own < to_other) + 0.5 * (to_own == to_other)))
