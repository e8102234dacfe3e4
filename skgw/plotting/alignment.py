"""Display of two domains side by side, in the same colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA

from skgw.base.domains import Domains

from ._checks import as_labels, as_pair, as_points, has_two_domains, require_matplotlib
from ._colors import Coloring, color_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ._draw import Keywords

Pair = tuple[NDArray[Any], NDArray[Any]]  # arrays of the two domains
Limits = tuple[float, float] | None

_MAX_COLUMNS = 3  # coordinates that are drawn; wider points are reduced to two


class AlignmentDisplay:
    """Two domains or two latent spaces side by side.

    Use `from_estimator` or `from_arrays` to create a display. Rows of both domains with the same
    label have the same colour. Each domain has its own axes with equal units. The axes of the two
    domains are not aligned with each other.

    Parameters
    ----------
    points : pair of ndarrays of shapes (n, kx) and (m, ky)
        Coordinates of the rows of both domains, with one, two or three columns each.
    y : pair of ndarrays of shapes (n,) and (m,), default=None
        Labels of the rows of both domains, which set the colours. Up to 20 different labels are
        classes. Numbers that are not whole, and more than 20 different numbers, are a quantity.
        None draws all points in one colour.
    titles : pair of str, default=("x", "y")
        Titles of the axes of the two domains.
    limits : pair of float, default=None
        Ends of the colour scale. If given, the labels are a quantity. None takes the smallest and
        the largest label.

    Attributes
    ----------
    axes_ : pair of matplotlib Axes
        Axes of the two domains.
    figure_ : matplotlib Figure
        Figure of the axes.
    points_ : pair of matplotlib PathCollections
        Points of the two domains.
    legend_ : matplotlib Legend or None
        Names of up to 20 classes.
    colorbar_ : matplotlib Colorbar or None
        Scale of a quantity, or names of more than 20 classes.

    See Also
    --------
    CouplingDisplay : The plan between the two domains.
    JointDisplay : Both domains in the space of one of them.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skgw.plotting import AlignmentDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> display = AlignmentDisplay.from_arrays((X[:, :2], X[::-1, 2:]), (y, y[::-1]))
    >>> [text.get_text() for text in display.legend_.get_texts()]
    ['0', '1', '2']
    """

    def __init__(
        self,
        *,
        points: Pair,
        y: Pair | None = None,
        titles: tuple[str, str] = ("x", "y"),
        limits: Limits = None,
    ) -> None:
        self.points = points
        self.y = y
        self.titles = titles
        self.limits = limits

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: tuple[ArrayLike, ArrayLike] | None = None,
        *,
        titles: tuple[str, str] = ("x", "y"),
        axes: Sequence[Axes] | None = None,
        scatter_kw: Keywords = None,
    ) -> Self:
        """Draw the two domains of a fitted estimator.

        An estimator with ``transform(X, domain=...)`` transforms the rows to codes, and the codes
        are drawn. Otherwise the rows are drawn.

        Parameters
        ----------
        estimator : estimator instance
            Estimator fitted to two domains.
        X : Domains, or pair of array-likes of shapes (n, p) and (m, q)
            Rows of both domains.
        y : pair of array-likes of shapes (n,) and (m,), default=None
            Labels of the rows of both domains, which set the colours. None takes
            ``estimator.confidence_`` and ``estimator.confidence_y_``, on a scale from .5, which is
            chance, to 1; `X` must then hold the training rows. Without ``confidence_y_`` the scale
            starts at 0, and a row of the second domain has the mean confidence of the matched rows,
            weighted by the plan.
        titles : pair of str, default=("x", "y")
            Titles of the axes of the two domains.
        axes : pair of matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        scatter_kw : dict, default=None
            Keyword arguments of ``Axes.scatter``, which replace the defaults of the points.

        Returns
        -------
        display : AlignmentDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If `X` does not hold two domains, if `estimator` has one domain, if the numbers of
            labels and rows differ, or if `axes` is not a pair.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()  # before the estimator transforms rows
        points, limits = as_two_domains(X), None
        if hasattr(estimator, "transform"):
            if not has_two_domains(estimator):
                raise ValueError(
                    f"{type(estimator).__name__} has one domain, not two. EmbeddingDisplay draws "
                    "its transform(X); AlignmentDisplay.from_arrays draws any two arrays."
                )
            points = (
                estimator.transform(points[0], domain="x"),
                estimator.transform(points[1], domain="y"),
            )
        if y is None:
            y, limits = _confidence(estimator), (0.5 if _has_both(estimator) else 0.0, 1.0)
            if y and [len(x) for x in y] != [Z.shape[0] for Z in points]:
                raise ValueError(
                    "confidence_ belongs to the training rows: pass labels y for other rows."
                )
        return cls.from_arrays(
            points, y, titles=titles, limits=limits, axes=axes, scatter_kw=scatter_kw
        )

    @classmethod
    def from_arrays(
        cls,
        X: Any,
        y: tuple[ArrayLike, ArrayLike] | None = None,
        *,
        titles: tuple[str, str] = ("x", "y"),
        limits: Limits = None,
        axes: Sequence[Axes] | None = None,
        scatter_kw: Keywords = None,
    ) -> Self:
        """Draw the points of two domains.

        Parameters
        ----------
        X : Domains, or pair of array-likes of shapes (n, p) and (m, q)
            Points of both domains. Points with more than three columns are reduced to their two
            principal components.
        y : pair of array-likes of shapes (n,) and (m,), default=None
            Labels of the rows of both domains, which set the colours. None draws all points in one
            colour.
        titles : pair of str, default=("x", "y")
            Titles of the axes of the two domains.
        limits : pair of float, default=None
            Ends of the colour scale. If given, the labels are a quantity. None takes the smallest
            and the largest label.
        axes : pair of matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        scatter_kw : dict, default=None
            Keyword arguments of ``Axes.scatter``, which replace the defaults of the points.

        Returns
        -------
        display : AlignmentDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If `X` does not hold two domains, if the numbers of labels and rows differ, or if `axes`
            is not a pair.
        ImportError
            If matplotlib is not installed.
        """
        both = as_two_domains(X)
        points = drawable(both[0], "X[0]"), drawable(both[1], "X[1]")
        labels = None
        if y is not None:
            of_x, of_y = as_pair(y)
            labels = as_labels(of_x, len(points[0])), as_labels(of_y, len(points[1]))
        display = cls(points=points, y=labels, titles=titles, limits=limits)
        return display.plot(axes, scatter_kw=scatter_kw)

    def plot(self, axes: Sequence[Axes] | None = None, *, scatter_kw: Keywords = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        axes : pair of matplotlib Axes, default=None
            Axes to draw on, with a 3-D projection for points with three columns. None creates a
            figure.
        scatter_kw : dict, default=None
            Keyword arguments of ``Axes.scatter``, which replace the defaults of the points.

        Returns
        -------
        display : AlignmentDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `axes` is not a pair, or if points with three columns have axes without a 3-D
            projection.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()
        from . import _draw

        dimensions = self.points[0].shape[1], self.points[1].shape[1]
        self.axes_ = _draw.prepare_pair(axes, dimensions)
        self.figure_ = self.axes_[1].figure
        colorings = self._colorings()
        self.points_ = tuple(
            _draw.draw_points(ax, _draw.add_height(Z, 0.0), coloring, scatter_kw)
            for ax, Z, coloring in zip(self.axes_, self.points, colorings, strict=True)
        )
        self.legend_ = self.colorbar_ = None
        if _draw.keeps_colors(scatter_kw):
            self.legend_ = _draw.draw_legend(self.axes_[1], colorings[1], self.points_[1], None)
            if colorings[1].scale:
                self.colorbar_ = _draw.draw_colorbar(
                    list(self.axes_), self.points_[1], colorings[1], dimensions[1]
                )
        for ax, title, n_components in zip(self.axes_, self.titles, dimensions, strict=True):
            ax.set_title(title)
            _draw.format_axes(ax, n_components)
        return self

    def _colorings(self) -> tuple[Coloring, Coloring]:
        """The colours of both domains, from one scale."""
        if self.y is None:
            return (color_points(None),) * 2
        coloring = color_points(np.concatenate(self.y), self.limits)
        arguments = dict(coloring.arguments)
        if coloring.scale:
            arguments = {"vmin": arguments["c"].min(), "vmax": arguments["c"].max(), **arguments}
        n = len(self.y[0])
        colors_x, colors_y = arguments["c"][:n], arguments["c"][n:]
        return (
            coloring._replace(arguments={**arguments, "c": colors_x}),
            coloring._replace(arguments={**arguments, "c": colors_y}),
        )


def as_two_domains(X: Any) -> tuple[Any, Any]:
    """The two parts of `Domains` or of a pair."""
    parts = X.parts if isinstance(X, Domains) else X
    if not isinstance(parts, tuple | list) or len(parts) != 2:
        raise ValueError(
            "X must hold two domains, as Domains(X, Y) or as the pair (X, Y); y holds their labels."
        )
    return parts[0], parts[1]


def drawable(X: ArrayLike, name: str) -> NDArray[np.float64]:
    """The points, or their two principal components if they have more than three columns."""
    points = as_points(X, name)
    return points if points.shape[1] <= _MAX_COLUMNS else PCA(2).fit_transform(points)


def _confidence(estimator: Any) -> Pair | None:
    """The confidence of the training rows of both domains, if the estimator has one."""
    if not hasattr(estimator, "confidence_"):
        return None
    if _has_both(estimator):
        return estimator.confidence_, estimator.confidence_y_
    confidence, plan = estimator.confidence_, estimator.plan_
    mass = plan.apply(np.ones(len(confidence)), axis=0)
    return confidence, plan.apply(confidence, axis=0) / np.where(mass > 0, mass, 1)


def _has_both(estimator: Any) -> bool:
    """Whether the confidence is known for both domains, as an expected share of rows."""
    return hasattr(estimator, "confidence_y_")
