"""How far two point sets in different spaces are from being isometric."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from skgw.solvers import gw_divergence
from skgw.spaces import feature_space

from ._checks import Floats, float_matrix, square_distances

Metric = str | Callable[..., float]


def gw_discrepancy(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    metric: Metric | tuple[Metric, Metric] = "euclidean",
    epsilon: float = 5e-3,
    sample_size: int | None = 500,
    random_state: int | np.random.RandomState | None = None,
) -> float:
    """Normalised Gromov-Wasserstein discrepancy of two sets, relative to the size of the first.

    This is ``2 GW(X, Y) - GW(X, X) - GW(Y, Y)`` with entropy, for distances divided by the root
    mean square distance in `X`. Only distances inside each set enter: the sets may differ in
    size and dimension, and neither order nor rigid motions matter.

    Parameters
    ----------
    X : array-like of shape (n, n_features), or (n, n) if precomputed
        The reference: points, or the distances between them.
    Y : array-like of shape (m, m_features), or (m, m) if precomputed
        The set to compare with it, its distances in the same unit.
    metric : str, callable or tuple of two, default="euclidean"
        A metric of `sklearn.metrics.pairwise_distances`, or "precomputed"; a tuple gives `X` and
        `Y` one each.
    epsilon : float, default=5e-3
        Strength of the entropy, relative to the mean squared distance in `X`. Values at different
        `epsilon` do not compare.
    sample_size : int or None, default=500
        Larger sets are cut at random to this many points; None takes all. Time grows with its
        third power, memory with its square.
    random_state : int, RandomState instance or None, default=None
        Draws the points that are kept.

    Returns
    -------
    discrepancy : float
        0 for isometric sets, up to the solver's tolerance, and close to 2 if `Y` is one point; a
        common change of unit leaves it unchanged. Two samples of one distribution do not quite
        reach 0. Small negative values are possible, since the terms are local minima.

    Raises
    ------
    ValueError
        If an input is not finite or, if precomputed, not a distance matrix; if all points of `X`
        coincide, so that there is no scale; if `epsilon` or `sample_size` is not positive.

    Warns
    -----
    GWConvergenceWarning
        If the solver has not converged; raise `epsilon`.

    See Also
    --------
    skgw.solvers.gw_divergence : The same without scale and sampling, differentiable.
    distance_distribution_error : A cheaper comparison, blind to how distances fit together.

    References
    ----------
    .. [1] C. Bunne, D. Alvarez-Melis, A. Krause and S. Jegelka, "Learning generative models
       across incomparable spaces", ICML 2019, Eq. 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.metrics import gw_discrepancy
    >>> X = np.random.default_rng(0).normal(size=(60, 2)) * [3, 1]
    >>> in_space = np.pad(X[::-1, ::-1], ((0, 0), (0, 1))) + 5
    >>> gw_discrepancy(X, in_space) < 1e-3
    True
    >>> gw_discrepancy(X, 0.5 * X) > 0.4
    True
    """
    if sample_size is not None and sample_size < 2:
        raise ValueError(f"sample_size must be at least 2 or None, got {sample_size}.")
    metrics = metric if isinstance(metric, tuple) else (metric, metric)
    rng = check_random_state(random_state)
    Dx = _distances(X, "X", metrics[0], sample_size, rng)  # (n, n)
    Dy = _distances(Y, "Y", metrics[1], sample_size, rng)  # (m, m)
    scale = np.sqrt(np.mean(Dx**2))
    if scale == 0:
        raise ValueError("All points of X coincide, so there is no scale to divide by.")
    # Absolute, now that X has size 1: every Y is compared with X under the same entropy.
    return float(gw_divergence(Dx / scale, Dy / scale, reg=epsilon, reg_scale=None))


def _distances(
    values: ArrayLike, name: str, metric: Metric, size: int | None, rng: np.random.RandomState
) -> Floats:
    """Distances among at most `size` rows."""
    given = metric == "precomputed"
    rows = square_distances(values, name) if given else float_matrix(values, name)
    if size is not None and len(rows) > size:
        kept = rng.permutation(len(rows))[:size]
        rows = rows[np.ix_(kept, kept)] if given else rows[kept]
    return np.asarray(rows) if given else feature_distances(rows, metric)


def feature_distances(points: Floats, metric: Metric) -> Floats:
    """All distances among points, (n, n), as an estimator with that `metric` sees them."""
    space = feature_space(points, metric)
    return np.asarray(space.between(space.anchors, space.anchors))
