"""Gromov-Wasserstein discrepancy of two point sets in different spaces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from skgw.solvers import gw_divergence
from skgw.spaces import feature_space
from skgw.spaces.build import scaled_root_mean_square
from skgw.threads import distances_work, threads_by

from ._checks import (
    Floats,
    check_positive,
    check_whole,
    float_matrix,
    power_of_two,
    square_distances,
)

Metric = str | Callable[..., float]


@threads_by(distances_work)
def gw_discrepancy(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    metric: Metric | tuple[Metric, Metric] = "euclidean",
    epsilon: float = 5e-3,
    sample_size: int | None = 500,
    random_state: int | np.random.RandomState | None = None,
) -> float:
    """Normalised Gromov-Wasserstein discrepancy of two sets, in the scale of the first set.

    This is ``2 GW(X, Y) - GW(X, X) - GW(Y, Y)`` with entropy, for distances divided by the root
    mean square distance in `X`. Only distances inside each set enter: the sets may differ in
    size and dimension, and the discrepancy is invariant to the order of the rows and to rigid
    transformations.

    Parameters
    ----------
    X : array-like of shape (n, n_features), or (n, n) if precomputed
        The reference: points, or the distances between them.
    Y : array-like of shape (m, m_features), or (m, m) if precomputed
        The set that is compared with it, its distances in the same unit.
    metric : str, callable or tuple of two, default="euclidean"
        A metric of `sklearn.metrics.pairwise_distances`, or "precomputed"; a tuple holds the
        metrics of `X` and of `Y`.
    epsilon : float, default=5e-3
        Entropic regularisation, relative to the mean squared distance in `X`. Discrepancies at
        different `epsilon` cannot be compared.
    sample_size : int or None, default=500
        Number of points to which a larger set is subsampled; None keeps all points. Time grows with
        its third power, memory with its square.
    random_state : int, RandomState instance or None, default=None
        Draws the subsamples.

    Returns
    -------
    discrepancy : float
        0 for isometric sets, up to the solver's tolerance, and close to 2 if `Y` is one point; a
        common change of unit leaves it unchanged. It is positive for two samples of one
        distribution. Small negative values are possible, as the terms are local minima.

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
    distance_distribution_error : A cheaper comparison of the distributions of distances.

    References
    ----------
    .. [1] :cite:t:`bunne_short`.

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
    if sample_size is not None:
        check_whole(sample_size, "sample_size", 2)
    epsilon = check_positive(epsilon, "epsilon")
    metrics = tuple(metric) if isinstance(metric, tuple | list) else (metric, metric)
    if len(metrics) != 2:
        raise ValueError(f"metric must be one metric or a pair, got {metric!r}.")
    rng = check_random_state(random_state)
    rows = [
        _subsampled(values, name, own == "precomputed", sample_size, rng)
        for values, name, own in zip((X, Y), "XY", metrics, strict=True)
    ]
    if metrics == ("euclidean", "euclidean"):  # other distances need not grow with the rows
        unit = power_of_two(*rows)
        rows = [part / unit for part in rows]
    Dx, Dy = (
        part if own == "precomputed" else feature_distances(part, own)
        for part, own in zip(rows, metrics, strict=True)
    )  # (n, n), (m, m)
    scale = scaled_root_mean_square(Dx)
    if scale == 0:
        raise ValueError("All points of X coincide, so there is no scale to divide by.")
    # Absolute, as the RMS distance of X is 1: every Y is compared under the same entropy.
    return float(gw_divergence(Dx / scale, Dy / scale, reg=epsilon, reg_scale=None))


def _subsampled(
    values: ArrayLike, name: str, given: bool, size: int | None, rng: np.random.RandomState
) -> Floats:
    """At most `size` rows, or the distances among them if distances are given."""
    rows = square_distances(values, name) if given else float_matrix(values, name)
    if size is not None and len(rows) > size:
        kept = rng.permutation(len(rows))[:size]
        rows = rows[np.ix_(kept, kept)] if given else rows[kept]
    return np.asarray(rows)


def feature_distances(points: Floats, metric: Metric) -> Floats:
    """All distances among points, (n, n), as an estimator with that `metric` computes them."""
    space = feature_space(points, metric)
    return np.asarray(space.between(space.anchors, space.anchors))
