"""Planar distributions on which generators fail in known ways: grids, lines, supports."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

SUPPORTS = "disc", "horseshoe", "two-discs"


def make_grid(
    n_samples: int = 3000,
    *,
    n_side: int = 5,
    sigma: float = 0.05,
    spacing: float = 2.0,
    random_state: Any = None,
) -> tuple[Floats, Labels, Floats]:
    """Draw samples from a mixture of Gaussian modes of equal weight on a square grid.

    Parameters
    ----------
    n_samples : int, default=3000
        Number of samples. The mode of each sample is drawn at random.
    n_side : int, default=5
        Number of modes along each axis.
    sigma : float, default=0.05
        Standard deviation of a mode along each coordinate.
    spacing : float, default=2.0
        Distance of neighbouring modes, in units of the samples.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw.

    Returns
    -------
    X : ndarray of shape (n_samples, 2)
        The samples.
    labels : ndarray of shape (n_samples,)
        Number of the mode of each sample.
    centers : ndarray of shape (n_side ** 2, 2)
        Means of the modes; their mean is zero.

    Raises
    ------
    ValueError
        If `n_samples` or `n_side` is below 1, `sigma` is negative, or `spacing` is not positive.

    References
    ----------
    .. [1] :cite:t:`lin2018`, the 25 modes of the defaults.

    Examples
    --------
    >>> from skgw.datasets import make_grid
    >>> X, labels, centers = make_grid(100, random_state=0)
    >>> X.shape, len(centers), float(centers.max())
    ((100, 2), 25, 4.0)
    """
    _check(n_samples, n_side, sigma=sigma, spacing=spacing)
    rng = check_random_state(random_state)
    side = spacing * (np.arange(n_side) - (n_side - 1) / 2)
    centers = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    labels = rng.randint(len(centers), size=n_samples).astype(np.int64)
    return centers[labels] + sigma * rng.standard_normal((n_samples, 2)), labels, centers


def make_parallel_lines(
    n_samples: int = 1000, *, theta: float = 1.0, random_state: Any = None
) -> tuple[Floats, Floats]:
    """Draw samples from two distributions that are uniform on parallel segments of length 1.

    The first lies on the line of points (0, z), the second on that of points (theta, z). Their
    Wasserstein distance of any order is ``abs(theta)``. For a theta other than zero their
    Jensen-Shannon divergence is log 2, their total variation distance is 1, and their
    Kullback-Leibler divergences are infinite.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of samples of each distribution.
    theta : float, default=1.0
        Position of the second segment.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw.

    Returns
    -------
    X, Y : ndarray of shape (n_samples, 2)
        Independent samples of the two distributions.

    Raises
    ------
    ValueError
        If `n_samples` is below 1.

    References
    ----------
    .. [1] :cite:t:`arjovsky2017`, Example 1.

    Examples
    --------
    >>> from skgw.datasets import make_parallel_lines
    >>> X, Y = make_parallel_lines(10, theta=0.5, random_state=0)
    >>> float(X[:, 0].max()), float(Y[:, 0].max())
    (0.0, 0.5)
    """
    _check(n_samples)
    rng = check_random_state(random_state)
    heights = rng.uniform(size=(2, n_samples))
    X, Y = (
        np.column_stack([np.full(n_samples, at), z])
        for at, z in zip((0, theta), heights, strict=True)
    )
    return X.astype(np.float64), Y.astype(np.float64)


def make_support(n_samples: int = 3000, *, kind: str = "disc", random_state: Any = None) -> Floats:
    """Draw samples that are uniform on a support of a kind in the plane.

    The optimal map from a convex set to a convex support is continuous. To a concave support, or to
    several parts, it has singular points, at which a network, which is continuous, cannot follow.

    Parameters
    ----------
    n_samples : int, default=3000
        Number of samples.
    kind : {"disc", "horseshoe", "two-discs"}, default="disc"
        "disc": the convex unit disc. "horseshoe": three quarters of a ring with radii 1/2 and 1,
        concave and connected. "two-discs": unit discs around (-2, 0) and (2, 0).
    random_state : int, RandomState instance or None, default=None
        Seed of the draw.

    Returns
    -------
    X : ndarray of shape (n_samples, 2)

    Raises
    ------
    ValueError
        If `n_samples` is below 1, or for an unknown kind.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.datasets import make_support
    >>> radius = np.linalg.norm(make_support(500, kind="horseshoe", random_state=0), axis=1)
    >>> bool(radius.min() >= 0.5), bool(radius.max() <= 1)
    (True, True)
    """
    _check(n_samples)
    if kind not in SUPPORTS:
        raise ValueError(f"kind must be one of {SUPPORTS}, got {kind!r}.")
    rng = check_random_state(random_state)
    inner, share = (0.5, 0.75) if kind == "horseshoe" else (0.0, 1.0)
    radius = np.sqrt(rng.uniform(inner**2, 1, n_samples))
    angle = 2 * np.pi * share * rng.uniform(size=n_samples)
    X = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    if kind == "two-discs":
        X[:, 0] += np.where(rng.uniform(size=n_samples) < 0.5, -2.0, 2.0)
    return X


def make_far_mode(
    n_samples: int = 3000,
    *,
    share: float = 0.02,
    distance: float = 20.0,
    sigma: float = 1.0,
    random_state: Any = None,
) -> tuple[Floats, Labels]:
    """Draw samples from a large Gaussian mode and a small one far away.

    A divergence of densities hardly sees the small mode; in the Wasserstein distance its mass
    counts with its distance.

    Parameters
    ----------
    n_samples : int, default=3000
        Number of samples. The mode of each sample is drawn at random.
    share : float, default=0.02
        Probability of the small mode.
    distance : float, default=20.0
        Distance of the means, along the first axis, in units of the samples.
    sigma : float, default=1.0
        Standard deviation of both modes along each coordinate.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw.

    Returns
    -------
    X : ndarray of shape (n_samples, 2)
        The samples; the large mode is around zero.
    labels : ndarray of shape (n_samples,)
        1 for samples of the small mode, else 0.

    Raises
    ------
    ValueError
        If `n_samples` is below 1, `sigma` is negative, `distance` is not positive, or `share` is
        not in [0, 1].

    Examples
    --------
    >>> from skgw.datasets import make_far_mode
    >>> X, labels = make_far_mode(1000, share=0.1, random_state=0)
    >>> X.shape, bool(80 < labels.sum() < 120)
    ((1000, 2), True)
    """
    _check(n_samples, sigma=sigma, spacing=distance)
    if not 0 <= share <= 1:
        raise ValueError(f"share must be in [0, 1], got {share}.")
    rng = check_random_state(random_state)
    labels = (rng.uniform(size=n_samples) < share).astype(np.int64)
    X = sigma * rng.standard_normal((n_samples, 2))
    X[:, 0] += distance * labels
    return X, labels


def _check(n_samples: int, n_side: int = 1, *, sigma: float = 0.0, spacing: float = 1.0) -> None:
    for value, name in ((n_samples, "n_samples"), (n_side, "n_side")):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}.")
    if sigma < 0 or not spacing > 0:
        raise ValueError(
            f"sigma must not be negative and distances positive, got {sigma}, {spacing}."
        )
