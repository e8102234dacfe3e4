"""Mixtures of Gaussian modes on a circle."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@overload
def make_modes(
    n_samples: int = ...,
    *,
    n_modes: int = ...,
    sigma: float = ...,
    radius: float = ...,
    n_dims: int = ...,
    planar: bool = ...,
    return_centers: Literal[False] = ...,
    random_state: int | np.random.RandomState | None = ...,
) -> tuple[Floats, Labels]: ...


@overload
def make_modes(
    n_samples: int = ...,
    *,
    n_modes: int = ...,
    sigma: float = ...,
    radius: float = ...,
    n_dims: int = ...,
    planar: bool = ...,
    return_centers: Literal[True],
    random_state: int | np.random.RandomState | None = ...,
) -> tuple[Floats, Labels, Floats]: ...


def make_modes(
    n_samples: int = 3000,
    *,
    n_modes: int = 4,
    sigma: float = 0.2,
    radius: float = 2.0,
    n_dims: int = 2,
    planar: bool = True,
    return_centers: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[Floats, Labels] | tuple[Floats, Labels, Floats]:
    """Draw samples from a mixture of Gaussian modes of equal weight on a circle.

    Four modes lie on the two axes. Five modes are the same four and one at the origin. Any other
    number of modes is evenly spaced on the circle, starting on the positive first axis.

    Parameters
    ----------
    n_samples : int, default=3000
        Number of samples. The mode of each sample is drawn at random.
    n_modes : int, default=4
        Number of modes.
    sigma : float, default=0.2
        Standard deviation of a mode along each coordinate with noise, in units of the samples.
    radius : float, default=2.0
        Radius of the circle, in units of the samples.
    n_dims : int, default=2
        Dimension of the space. The circle lies in the plane of its last two coordinates.
    planar : bool, default=True
        If True, the noise lies in the plane of the circle, so that an isometric embedding in two
        dimensions exists. If False, all coordinates have noise. No effect for ``n_dims=2``.
    return_centers : bool, default=False
        Whether to also return the means of the modes.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw. None draws other samples at each call.

    Returns
    -------
    X : ndarray of shape (n_samples, n_dims)
        The samples.
    labels : ndarray of shape (n_samples,)
        Number of the mode of each sample, 0 to ``n_modes - 1``.
    centers : ndarray of shape (n_modes, n_dims)
        Means of the modes. Returned only if `return_centers` is True.

    Raises
    ------
    ValueError
        If `n_samples` or `n_modes` is below 1, `n_dims` is below 2, `sigma` is negative, or
        `radius` is not positive.

    Notes
    -----
    The planar example of [1]_ in three dimensions has modes at the corners of a square of side 4.
    Up to a rotation, this is ``make_modes(n_modes=4, n_dims=3, radius=2 * 2**0.5)``.

    References
    ----------
    .. [1] :cite:t:`bunne2019`.

    Examples
    --------
    >>> from skgw.datasets import make_modes
    >>> X, labels, centers = make_modes(100, n_modes=4, return_centers=True, random_state=0)
    >>> X.shape, labels.shape
    ((100, 2), (100,))
    >>> centers.tolist()
    [[2.0, 0.0], [-2.0, 0.0], [0.0, 2.0], [0.0, -2.0]]
    """
    for value, name, least in (
        (n_samples, "n_samples", 1),
        (n_modes, "n_modes", 1),
        (n_dims, "n_dims", 2),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}.")
    if sigma < 0 or not radius > 0:
        raise ValueError(f"sigma must not be negative and radius positive, got {sigma}, {radius}.")
    rng = check_random_state(random_state)
    centers = np.pad(_circle(n_modes, radius), ((0, 0), (n_dims - 2, 0)))  # (n_modes, n_dims)
    labels = rng.randint(n_modes, size=n_samples).astype(np.int64)
    noise = sigma * rng.standard_normal((n_samples, n_dims))
    if planar:
        noise[:, :-2] = 0.0
    X = centers[labels] + noise
    return (X, labels, centers) if return_centers else (X, labels)


def _circle(n_modes: int, radius: float) -> Floats:
    if n_modes in (4, 5):
        axes = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [0.0, 0.0]])
        return radius * axes[:n_modes]
    angles = 2 * np.pi * np.arange(n_modes) / n_modes
    return radius * np.column_stack([np.cos(angles), np.sin(angles)])
