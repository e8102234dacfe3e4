"""Display of the feature spaces of a trained adversary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA

from ._checks import as_labels, as_points, require_matplotlib
from ._colors import color_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ._draw import Keywords

Pair = tuple[NDArray[Any], NDArray[Any]]  # arrays of rows and of generated points

_MARGIN = 1.05  # half the width of the axes over the largest coordinate


class AdversaryDisplay:
    """Features of rows beside features of generated points.

    An adversary maps both to features, and the loss compares distances between features. Use
    `from_estimator` or `from_arrays` to create a display. Both axes have the same unit and the same
    limits, so that a space that is stretched or shrunk is seen to be. Features have no common
    coordinates: the axes of the two spaces are not aligned with each other.

    Parameters
    ----------
    features : pair of ndarrays of shapes (n, k) and (m, k)
        Features of rows and of generated points, with one or two columns.
    y : ndarray of shape (n,), default=None
        Labels of the rows, which set their colours. Up to 20 different labels are classes. Numbers
        that are not whole, and more than 20 different numbers, are a quantity. None draws all rows
        in one colour.
    titles : pair of str, default=("features of rows", "features of samples")
        Titles of the two axes.

    Attributes
    ----------
    axes_ : pair of matplotlib Axes
        Axes of the features of rows and of generated points.
    figure_ : matplotlib Figure
        Figure of the axes.
    points_ : pair of matplotlib PathCollections
        Features of rows and of generated points.

    See Also
    --------
    EmbeddingDisplay : Embedding and samples.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.plotting import AdversaryDisplay
    >>> features = np.random.default_rng(0).normal(size=(50, 2))
    >>> display = AdversaryDisplay.from_arrays(features, 3 * features)
    >>> display.axes_[0].get_xlim() == display.axes_[1].get_xlim()
    True
    """

    def __init__(
        self,
        *,
        features: Pair,
        y: NDArray[Any] | None = None,
        titles: tuple[str, str] = ("features of rows", "features of samples"),
    ) -> None:
        self.features = features
        self.y = y
        self.titles = titles

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        n_samples: int = 500,
        random_state: int | np.random.RandomState | None = None,
        titles: tuple[str, str] = ("features of rows", "features of samples"),
        axes: Sequence[Axes] | None = None,
        scatter_kw: Keywords = None,
    ) -> Self:
        """Draw the features of rows and of samples of a fitted estimator.

        Parameters
        ----------
        estimator : GWGenerativeEmbedding
            Fitted with an adversary.
        X : array-like of shape (n, n_features)
            Rows, such as the training rows.
        y : array-like of shape (n,), default=None
            Labels of the rows, which set their colours. None draws all rows in one colour.
        n_samples : int, default=500
            Number of samples to draw from the estimator.
        random_state : int, RandomState instance or None, default=None
            Seed of ``estimator.sample``.
        titles : pair of str, default=("features of rows", "features of samples")
            Titles of the two axes.
        axes : pair of matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        scatter_kw : dict, default=None
            Keyword arguments of ``Axes.scatter``, which replace the defaults of the points.

        Returns
        -------
        display : AdversaryDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If the estimator has no `adversary_`, if the numbers of rows and labels differ, or if
            `axes` is not a pair.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()  # before the estimator draws samples
        if not hasattr(estimator, "adversary_"):
            raise ValueError(
                f"{type(estimator).__name__} has no adversary_: fit an embedding with an adversary."
            )
        samples = estimator.sample(n_samples, random_state=random_state)
        rows, points = estimator.adversary_
        return cls.from_arrays(
            _features(rows, as_points(X, "X")), _features(points, samples), y,
            titles=titles, axes=axes, scatter_kw=scatter_kw,
        )  # fmt: skip

    @classmethod
    def from_arrays(
        cls,
        rows: ArrayLike,
        samples: ArrayLike,
        y: ArrayLike | None = None,
        *,
        titles: tuple[str, str] = ("features of rows", "features of samples"),
        axes: Sequence[Axes] | None = None,
        scatter_kw: Keywords = None,
    ) -> Self:
        """Draw features.

        Parameters
        ----------
        rows : array-like of shape (n, k)
            Features of rows. More than two columns are reduced to two principal components.
        samples : array-like of shape (m, k)
            Features of generated points, in the same unit. More than two columns are reduced to two
            principal components.
        y : array-like of shape (n,), default=None
            Labels of the rows, which set their colours. None draws all rows in one colour.
        titles : pair of str, default=("features of rows", "features of samples")
            Titles of the two axes.
        axes : pair of matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        scatter_kw : dict, default=None
            Keyword arguments of ``Axes.scatter``, which replace the defaults of the points.

        Returns
        -------
        display : AdversaryDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If the numbers of rows and labels differ, or if `axes` is not a pair.
        ImportError
            If matplotlib is not installed.
        """
        features = _drawable(rows, "rows"), _drawable(samples, "samples")
        labels = None if y is None else as_labels(y, len(features[0]))
        return cls(features=features, y=labels, titles=titles).plot(axes, scatter_kw=scatter_kw)

    def plot(self, axes: Sequence[Axes] | None = None, *, scatter_kw: Keywords = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        axes : pair of matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        scatter_kw : dict, default=None
            Keyword arguments of ``Axes.scatter``, which replace the defaults of the points.

        Returns
        -------
        display : AdversaryDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `axes` is not a pair.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()
        from . import _draw

        dimensions = self.features[0].shape[1], self.features[1].shape[1]
        self.axes_ = _draw.prepare_pair(axes, dimensions)
        self.figure_ = self.axes_[0].figure
        samples = {"color": _draw.SAMPLE_COLOR} | (scatter_kw or {})
        self.points_ = (
            _draw.draw_points(
                self.axes_[0], _draw.add_height(self.features[0], 0.0), color_points(self.y),
                scatter_kw,
            ),
            _draw.draw_points(
                self.axes_[1], _draw.add_height(self.features[1], 0.0), color_points(None), samples
            ),
        )  # fmt: skip
        limit = _MARGIN * max(abs(Z).max() for Z in self.features)
        for ax, title, n_columns in zip(self.axes_, self.titles, dimensions, strict=True):
            ax.set_title(title)
            _draw.format_axes(ax, n_columns)
            ax.set_xlim(-limit, limit)
            if n_columns > 1:
                ax.set_ylim(-limit, limit)
        return self


def _features(network: Any, X: NDArray[np.float64]) -> NDArray[Any]:
    """Features (n, k) of points (n, d), by a network of `adversary_`."""
    import torch

    with torch.no_grad():
        features: Any = network(torch.tensor(X, device=network.scale.device))
        return np.asarray(features.cpu())


def _drawable(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Centred features, or their two principal components if they have more than two columns."""
    points = as_points(values, name)
    return PCA(2).fit_transform(points) if points.shape[1] > 2 else points - points.mean(0)
