"""A picture of two domains side by side, in the same colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA

from ._checks import as_labels, as_points, has_two_domains, require_matplotlib
from ._colors import Coloring, color_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Keywords = dict[str, Any] | None
Both = tuple[NDArray[Any], NDArray[Any]]
Limits = tuple[float, float] | None

_DRAWN = 3  # columns at most; of more, the two main directions are drawn


class AlignmentDisplay:
    """Picture of two domains or two latent spaces side by side.

    Use `from_estimator` or `from_points` to make one. Rows of both sides that should belong
    together have the same colour: that of their label, or that of a quantity such as the confidence
    of a matching. Each side has axes of its own, with equal units; that they point the same way is
    not to be expected.

    Parameters
    ----------
    points : pair of ndarrays of shapes (n, kx) and (m, ky)
        Two or three columns each, or one.
    labels : pair of ndarrays of shapes (n,) and (m,), default=None
        Classes, or a quantity: numbers that are not whole, or more than 20 different ones.
    titles : pair of str
        What stands above the two sides.
    limits : pair of float, default=None
        Ends of the scale, which make the labels a quantity. None: those of the labels.

    Attributes
    ----------
    axes_ : pair of matplotlib Axes
        Axes with the two sides.
    figure_ : matplotlib Figure
        Figure that holds them.
    points_ : pair of matplotlib PathCollections
        The points of both sides.
    legend_ : matplotlib Legend or None
        Names of the classes, up to 20.
    colorbar_ : matplotlib Colorbar or None
        Scale of a quantity, or of many classes.

    See Also
    --------
    CouplingDisplay : Which rows are matched with which.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skgw.plotting import AlignmentDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> display = AlignmentDisplay.from_points(X[:, :2], X[::-1, 2:], labels=(y, y[::-1]))
    >>> [text.get_text() for text in display.legend_.get_texts()]
    ['0', '1', '2']
    """

    def __init__(
        self,
        *,
        points: Both,
        labels: Both | None = None,
        titles: tuple[str, str] = ("x", "y"),
        limits: Limits = None,
    ) -> None:
        self.points = points
        self.labels = labels
        self.titles = titles
        self.limits = limits

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        labels: tuple[ArrayLike, ArrayLike] | None = None,
        titles: tuple[str, str] = ("x", "y"),
        axes: Sequence[Axes] | None = None,
        scatter_kw: Keywords = None,
    ) -> Self:
        """Draw the two domains that an estimator has matched, or their codes if it has any.

        Parameters
        ----------
        estimator : estimator instance
            Fitted to both domains. With ``transform(X, domain=...)`` the codes are drawn, without
            the rows as they are.
        X : array-like of shape (n, p), or Domains
            The first domain, or both.
        y : array-like of shape (m, q), default=None
            The second domain.
        labels : pair of array-likes of shapes (n,) and (m,), default=None
            For the colours. None colours by ``estimator.confidence_``, on a scale from 0 to 1, for
            which the rows must be those of the fit; a row of the second domain has the mean
            confidence of its partners.
        titles : pair of str, default=("x", "y")
            What stands above the two sides.
        axes : pair of matplotlib Axes, default=None
            Where to draw. None makes a new figure.
        scatter_kw : dict, default=None
            Settings for the points (``Axes.scatter``), over the defaults.

        Returns
        -------
        display : AlignmentDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            As for `from_points`, and without a second domain or for an estimator of one domain.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()  # before anything that takes time
        if y is None and not hasattr(X, "parts"):
            raise ValueError("Give y, the second domain, or Domains(X, Y) in place of X.")
        points = X.parts if y is None else (X, y)
        limits = None
        if hasattr(estimator, "transform"):
            if not has_two_domains(estimator):
                raise ValueError(
                    f"{type(estimator).__name__} knows one domain, not two: EmbeddingDisplay draws "
                    "what it makes of rows, and from_points of this display any two sets."
                )
            points = tuple(
                estimator.transform(Z, domain=name)
                for Z, name in zip(points, ("x", "y"), strict=True)
            )
        if labels is None:
            labels, limits = _confidence(estimator), (0.0, 1.0)
            if labels and [len(x) for x in labels] != [Z.shape[0] for Z in points]:
                raise ValueError(
                    "confidence_ is that of the rows of the fit: give labels for other rows."
                )
        return cls.from_points(
            *points,
            labels=labels,
            titles=titles,
            limits=limits,
            axes=axes,
            scatter_kw=scatter_kw,
        )

    @classmethod
    def from_points(
        cls,
        X: ArrayLike,
        y: ArrayLike,
        *,
        labels: tuple[ArrayLike, ArrayLike] | None = None,
        titles: tuple[str, str] = ("x", "y"),
        limits: Limits = None,
        axes: Sequence[Axes] | None = None,
        scatter_kw: Keywords = None,
    ) -> Self:
        """Draw given points.

        Parameters
        ----------
        X, y : array-like of shapes (n, p) and (m, q)
            Both domains. Of more than three columns the two principal directions are drawn.
        labels : pair of array-likes of shapes (n,) and (m,), default=None
            Labels of the rows of both, for the colours.
        titles : pair of str, default=("x", "y")
            What stands above the two sides.
        limits : pair of float, default=None
            Ends of the scale, which make the labels a quantity. None: those of the labels.
        axes : pair of matplotlib Axes, default=None
            Where to draw. None makes a new figure.
        scatter_kw : dict, default=None
            Settings for the points (``Axes.scatter``), over the defaults.

        Returns
        -------
        display : AlignmentDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If there are not as many labels as rows, or not two axes.
        ImportError
            If matplotlib is not installed.
        """
        points = _drawable(X, "X"), _drawable(y, "y")
        if labels is not None:
            one, other = (
                as_labels(values, len(Z)) for values, Z in zip(labels, points, strict=True)
            )
            labels = one, other
        display = cls(points=points, labels=labels, titles=titles, limits=limits)
        return display.plot(axes, scatter_kw=scatter_kw)

    def plot(self, axes: Sequence[Axes] | None = None, *, scatter_kw: Keywords = None) -> Self:
        """Draw the picture.

        Parameters
        ----------
        axes : pair of matplotlib Axes, default=None
            Where to draw; with a 3-D projection for three columns. None makes a new figure.
        scatter_kw : dict, default=None
            Settings for the points (``Axes.scatter``), over the defaults.

        Returns
        -------
        display : AlignmentDisplay
            The display itself.

        Raises
        ------
        ValueError
            If there are not two axes, or one has no 3-D projection and its points three columns.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()
        from . import _draw

        dimensions = tuple(Z.shape[1] for Z in self.points)
        self.axes_ = one, other = _draw.prepare_pair(axes, dimensions)
        self.figure_ = other.figure
        colorings = self._colorings()
        self.points_ = tuple(
            _draw.draw_points(ax, _draw.placed(Z, 0.0), coloring, scatter_kw)
            for ax, Z, coloring in zip((one, other), self.points, colorings, strict=True)
        )
        self.legend_ = self.colorbar_ = None
        if _draw.keeps_colors(scatter_kw):
            self.legend_ = _draw.draw_legend(other, colorings[1], self.points_[1], None)
            if colorings[1].scale:
                self.colorbar_ = _draw.draw_colorbar(
                    [one, other], self.points_[1], colorings[1], dimensions[1]
                )
        for ax, title, n_components in zip((one, other), self.titles, dimensions, strict=True):
            ax.set_title(title)
            _draw.finish_axes(ax, n_components)
        return self

    def _colorings(self) -> tuple[Coloring, Coloring]:
        """The colours of both sides, from one and the same scale."""
        if self.labels is None:
            return (color_points(None),) * 2
        values = np.concatenate(self.labels)
        coloring = color_points(values, self.limits)
        arguments = dict(coloring.arguments)
        if coloring.scale:
            arguments = {"vmin": arguments["c"].min(), "vmax": arguments["c"].max(), **arguments}
        n = len(self.labels[0])
        one, other = (
            coloring._replace(arguments={**arguments, "c": arguments["c"][rows]})
            for rows in (slice(n), slice(n, None))
        )
        return one, other


def _drawable(X: ArrayLike, name: str) -> NDArray[np.float64]:
    """The points, or their two principal directions if they have too many columns."""
    points = as_points(X, name)
    return points if points.shape[1] <= _DRAWN else PCA(2).fit_transform(points)


def _confidence(estimator: Any) -> Both | None:
    """How sure the partners of the rows of both domains are, as far as the estimator says so."""
    if not hasattr(estimator, "confidence_"):
        return None
    confidence, plan = estimator.confidence_, estimator.plan_
    mass = plan.apply(np.ones(len(confidence)), axis=0)
    return confidence, plan.apply(confidence, axis=0) / np.where(mass > 0, mass, 1)
