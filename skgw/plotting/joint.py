"""Display of two domains in one space: the translated rows of one domain among the other's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from skgw.base.two_domains import position

from ._checks import as_labels, as_pair, as_points, require_matplotlib
from ._colors import color_points
from .alignment import as_two_domains, drawable

if TYPE_CHECKING:
    from ._draw import Keywords

Array = NDArray[Any]
Names = tuple[str, str]


class JointDisplay:
    """Two domains in one space, coloured by domain, and by label if there are labels.

    Where a translation is good, the domains mix, and rows of one class lie together. Use
    `from_estimator` or `from_arrays` to create a display.

    Parameters
    ----------
    points : ndarray of shape (n, k)
        Coordinates of the rows of both domains, with one, two or three columns.
    domain : ndarray of int of shape (n,)
        Position of the domain of each row, 0 or 1.
    y : ndarray of shape (n,), default=None
        Labels of the rows: classes or a quantity, as for `AlignmentDisplay`. None draws no second
        axes.
    names : pair of str, default=("x", "y")
        Names of the two domains.

    Attributes
    ----------
    axes_ : tuple of matplotlib Axes
        The axes by domain and, with labels, the axes by label.
    figure_ : matplotlib Figure
        Figure of the axes.
    points_ : tuple of matplotlib PathCollections
        The points in each of the axes, in the order `order_`.
    order_ : ndarray of int of shape (n,)
        Order in which the points are drawn; it is random, so that no domain covers the other.
    legends_ : tuple of matplotlib Legends or None
        Names of the domains, and of up to 20 classes.
    colorbar_ : matplotlib Colorbar or None
        Scale of a quantity, or names of more than 20 classes.

    See Also
    --------
    AlignmentDisplay : Both domains side by side, in their own spaces.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skgw.plotting import JointDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> display = JointDisplay.from_arrays((X[::2], X[1::2]), (y[::2], y[1::2]))
    >>> [[text.get_text() for text in legend.get_texts()] for legend in display.legends_]
    [['x', 'y'], ['0', '1', '2']]
    """

    def __init__(
        self, *, points: Array, domain: Array, y: Array | None = None, names: Names = ("x", "y")
    ) -> None:
        self.points = points
        self.domain = domain
        self.y = y
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: tuple[ArrayLike, ArrayLike] | None = None,
        *,
        domain: str = "x",
        names: Names | None = None,
        axes: Any = None,
        scatter_kw: Keywords = None,
    ) -> Self:
        """Translate one domain of a fitted estimator, and draw it in the space of the other domain.

        Parameters
        ----------
        estimator : estimator instance
            Estimator fitted to two domains, with the method ``translate(X, domain=...)``.
        X : Domains, or pair of array-likes of shapes (n, p) and (m, q)
            Rows of both domains.
        y : pair of array-likes of shapes (n,) and (m,), default=None
            Labels of the rows of both domains.
        domain : {"x", "y"}, default="x"
            Domain that is translated.
        names : pair of str, default=None
            Names of the two domains. None is "x" and "y", with the translated domain marked.
        axes : pair of matplotlib Axes, default=None
            Axes to draw on; one Axes without labels. None creates a figure.
        scatter_kw : dict, default=None
            Keyword arguments of ``Axes.scatter``, which replace the defaults of the points.

        Returns
        -------
        display : JointDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If `X` does not hold two domains, if the numbers of labels and rows differ, or if `axes`
            is not a pair.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()  # before the estimator translates rows
        rows = list(as_two_domains(X))
        source = position(domain)
        rows[source] = estimator.translate(rows[source], domain=domain)
        if names is None:
            names = ("x, translated", "y") if domain == "x" else ("x", "y, translated")
        return cls.from_arrays(rows, y, names=names, axes=axes, scatter_kw=scatter_kw)

    @classmethod
    def from_arrays(
        cls,
        X: Any,
        y: tuple[ArrayLike, ArrayLike] | None = None,
        *,
        names: Names = ("x", "y"),
        axes: Any = None,
        scatter_kw: Keywords = None,
    ) -> Self:
        """Draw rows of two domains that have the same columns.

        Parameters
        ----------
        X : Domains, or pair of array-likes of shapes (n, p) and (m, p)
            Rows of both domains. More than three columns are reduced to two principal components
            of all rows.
        y : pair of array-likes of shapes (n,) and (m,), default=None
            Labels of the rows of both domains.
        names : pair of str, default=("x", "y")
            Names of the two domains.
        axes : pair of matplotlib Axes, default=None
            Axes to draw on; one Axes without labels. None creates a figure.
        scatter_kw : dict, default=None
            Keyword arguments of ``Axes.scatter``, which replace the defaults of the points.

        Returns
        -------
        display : JointDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If `X` does not hold two domains of as many columns, if the numbers of labels and rows
            differ, or if `axes` is not a pair.
        ImportError
            If matplotlib is not installed.
        """
        both = [Z.toarray() if sparse.issparse(Z) else Z for Z in as_two_domains(X)]
        rows = [as_points(Z, name) for Z, name in zip(both, ("X[0]", "X[1]"), strict=True)]
        widths = [Z.shape[1] for Z in rows]
        if widths[0] != widths[1]:
            raise ValueError(
                f"The domains have {widths[0]} and {widths[1]} columns: translate one of them, or "
                "draw them side by side by AlignmentDisplay."
            )
        labels = None
        if y is not None:
            labels = np.concatenate(
                [as_labels(each, len(Z)) for each, Z in zip(as_pair(y), rows, strict=True)]
            )
        domain = np.repeat([0, 1], [len(Z) for Z in rows])
        points = drawable(np.concatenate(rows), "X")
        display = cls(points=points, domain=domain, y=labels, names=names)
        return display.plot(axes, scatter_kw=scatter_kw)

    def plot(self, axes: Any = None, *, scatter_kw: Keywords = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        axes : pair of matplotlib Axes, default=None
            Axes to draw on, with a 3-D projection for points with three columns; one Axes without
            labels. None creates a figure.
        scatter_kw : dict, default=None
            Keyword arguments of ``Axes.scatter``, which replace the defaults of the points.

        Returns
        -------
        display : JointDisplay
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

        k = self.points.shape[1]
        labels = [np.asarray(self.names, dtype=object)[self.domain]]
        self.axes_: tuple[Any, ...]
        if self.y is None:
            self.axes_ = (_draw.prepare_axes(axes, k),)
        else:
            labels.append(self.y)
            self.axes_ = _draw.prepare_pair(axes, (k, k))
        self.figure_ = self.axes_[0].figure
        self.order_ = np.random.RandomState(0).permutation(len(self.points))
        points = _draw.add_height(self.points, 0.0)[self.order_]
        drawn, legends, self.colorbar_ = [], [], None  # type: tuple[list[Any], list[Any], Any]
        for ax, label, title in zip(self.axes_, labels, ("domain", "label"), strict=False):
            coloring = color_points(label[self.order_])
            drawn.append(_draw.draw_points(ax, points, coloring, scatter_kw))
            legends.append(None)
            if _draw.keeps_colors(scatter_kw):
                legends[-1] = _draw.draw_legend(ax, coloring, drawn[-1], None)
                if coloring.scale:
                    self.colorbar_ = _draw.draw_colorbar(ax, drawn[-1], coloring, k)
            ax.set_title(title)
            _draw.format_axes(ax, k)
        self.points_, self.legends_ = tuple(drawn), tuple(legends)
        return self
