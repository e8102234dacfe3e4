"""Maximum mean discrepancy between two samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import euclidean_distances

from skgw.threads import distances_work, threads_by

from ._checks import Floats, check_positive, check_whole, in_one_frame, two_samples

Kernel = Callable[[Floats], Floats]  # of squared distances

_TERMS: dict[str, Callable[[Floats, float], Floats]] = {
    "imq": lambda squares, width: width / (width + squares),
    "rbf": lambda squares, width: np.exp(squares / -width),
}

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # of the mean squared distance


@threads_by(distances_work)
def maximum_mean_discrepancy(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    kernel: str = "imq",
    scales: Sequence[float] = SCALES,
    mean_square: float | None = None,
    chunk_size: int = 1024,
) -> float:
    """Unbiased squared maximum mean discrepancy between two samples.

    The kernel is a sum over the scales s. With the squared distance t of two points and the mean
    squared distance u, "imq" is the sum of inverse multiquadratics ``s * u / (s * u + t)`` and
    "rbf" is the sum of normal kernels ``exp(-t / (s * u))``. The estimate is a U-statistic, so
    that it can be negative.

    Parameters
    ----------
    X : array-like of shape (n, n_dims)
        One sample, such as codes or generated points.
    Y : array-like of shape (m, n_dims)
        The other sample, such as draws of a prior or held-out data, in the same space and unit.
    kernel : {"imq", "rbf"}, default="imq"
        Inverse multiquadratics have heavy tails: they see the distance of samples that are far
        apart. Normal kernels do not.
    scales : sequence of float, default=(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
        The scales s, positive.
    mean_square : float, default=None
        The number u, in squared units of the points. None takes the mean squared distance of two
        rows of `Y`. A prior with independent coordinates of variance v has ``2 * n_dims * v``.
        Discrepancies can be compared for one value only.
    chunk_size : int, default=1024
        Number of rows whose distances are in memory at once: memory grows with `chunk_size` times
        the larger number of rows. No effect on the result beyond rounding.

    Returns
    -------
    discrepancy : float
        Dimensionless, at most twice the number of scales; 0 in the mean for two samples of one
        distribution.

    Raises
    ------
    ValueError
        If the columns differ, a sample has fewer than two rows, the kernel is unknown, or a number
        is not positive. If `mean_square` is None and all rows of `Y` are equal.

    References
    ----------
    .. [1] :cite:t:`gretton2012`, Lemma 6.
    .. [2] :cite:t:`tolstikhin2018`, the inverse multiquadratics.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.metrics import maximum_mean_discrepancy
    >>> X, Y = np.random.default_rng(0).normal(size=(2, 1000, 3))
    >>> abs(maximum_mean_discrepancy(X, Y)) < 0.02, maximum_mean_discrepancy(X, Y + 1) > 0.5
    (True, True)
    """
    first, second = two_samples(X, Y)
    chunk_size = check_whole(chunk_size, "chunk_size", 1)
    widths = np.array([check_positive(scale, "a scale") for scale in scales])
    if widths.size == 0:
        raise ValueError("scales must have at least one entry.")
    (second, first), frame = in_one_frame(second, first)
    if mean_square is None:
        unit = 2 * float(second.var(axis=0, ddof=1).sum())
        if unit == 0:
            raise ValueError("All rows of Y are equal, so they set no scale; pass mean_square.")
    else:
        unit = check_positive(mean_square, "mean_square") / frame.unit / frame.unit
    values = _kernel(kernel, unit * widths)
    within = sum(_mean_within(points, values, chunk_size) for points in (first, second))
    return within - 2 * _mean_between(first, second, values, chunk_size)


def _kernel(name: str, widths: Floats) -> Kernel:
    """The sum over the widths, as a function of squared distances."""
    if name not in _TERMS:
        raise ValueError(f'kernel must be "imq" or "rbf", got {name!r}.')
    term = _TERMS[name]

    def values(squares: Floats) -> Floats:
        total = np.zeros_like(squares)
        for width in widths:
            total += term(squares, width)
        return total

    return values


def _mean_within(points: Floats, values: Kernel, chunk_size: int) -> float:
    """Mean of the kernel over the pairs of different points: blocks on and above the diagonal."""
    total, n = 0.0, len(points)
    points = points - points.mean(axis=0)  # small distances far from zero would be lost
    for start in range(0, n, chunk_size):
        block = points[start : start + chunk_size]
        K = values(euclidean_distances(block, points[start:], squared=True))
        total += 2 * K[:, len(block) :].sum()
        total += K[:, : len(block)].sum() - K.trace()
    return float(total / (n * (n - 1)))


def _mean_between(first: Floats, second: Floats, values: Kernel, chunk_size: int) -> float:
    """Mean of the kernel over all pairs of a point of each set."""
    total = 0.0
    for start in range(0, len(first), chunk_size):
        block = first[start : start + chunk_size]
        total += values(euclidean_distances(block, second, squared=True)).sum()
    return float(total / (len(first) * len(second)))
