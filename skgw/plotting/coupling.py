"""Display of the plan between two domains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skgw.base.coupling import Coupling

from ._checks import as_labels, as_pair, as_points, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ._draw import Keywords

Groups = list[tuple[str, int]]  # name and number of rows of each class, in the order drawn
Labels = tuple[ArrayLike | None, ArrayLike | None] | None  # of the rows, and of the columns

_MAX_CELLS = 300  # rows or columns of the picture; larger plans are drawn in blocks
_GAMMA = 0.5  # exponent of the colour scale, which makes small shares visible


class CouplingDisplay:
    """Plan between two domains, with rows and columns in order.

    Use `from_estimator` or `from_arrays` to create a display. Rows and columns are ordered by their
    labels. Columns without labels are ordered by the row of their largest mass, so that a
    one-to-one plan is drawn as a diagonal. The colour of a cell is the share of the row's mass that
    the plan sends to the column. Plans with more than 300 rows or columns are drawn in blocks.

    Parameters
    ----------
    shares : ndarray of shape (k, l)
        Share of the mass of each block of rows that the plan sends to each block of columns.
    boundaries : pair of ndarrays of shapes (k + 1,) and (l + 1,)
        First row of each block of rows and number of rows; the same for columns.
    groups : pair of lists of (str, int), default=([], [])
        Name and size of the classes of rows and of columns, in the order drawn.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the display.
    figure_ : matplotlib Figure
        Figure of the axes.
    mesh_ : matplotlib QuadMesh
        Cells of the plan.
    colorbar_ : matplotlib Colorbar
        Scale of the shares.

    See Also
    --------
    AlignmentDisplay : The two domains side by side.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.plotting import CouplingDisplay
    >>> plan = np.eye(4)[[2, 0, 3, 1]] / 4
    >>> CouplingDisplay.from_arrays(plan).shares.argmax(axis=1)
    array([0, 1, 2, 3])
    """

    def __init__(
        self,
        *,
        shares: NDArray[Any],
        boundaries: tuple[NDArray[np.intp], NDArray[np.intp]],
        groups: tuple[Groups, Groups] = ([], []),
    ) -> None:
        self.shares = shares
        self.boundaries = boundaries
        self.groups = groups

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        y: Labels = None,
        *,
        ax: Axes | None = None,
        mesh_kw: Keywords = None,
    ) -> Self:
        """Draw the plan of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Estimator fitted to two domains, with the attribute `plan_`.
        y : pair of array-likes of shapes (n,) and (m,), default=None
            Labels of the training rows of both domains, which order the rows and the columns. Each
            of the two can be None. None is (None, None).
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        mesh_kw : dict, default=None
            Keyword arguments of ``Axes.pcolormesh``, which replace the defaults of the cells.

        Returns
        -------
        display : CouplingDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If the numbers of labels and of rows or columns differ.
        ImportError
            If matplotlib is not installed.
        """
        return cls.from_arrays(estimator.plan_, y, ax=ax, mesh_kw=mesh_kw)

    @classmethod
    def from_arrays(
        cls,
        plan: Any,
        y: Labels = None,
        *,
        ax: Axes | None = None,
        mesh_kw: Keywords = None,
    ) -> Self:
        """Draw a plan.

        Parameters
        ----------
        plan : Coupling or array-like of shape (n, m)
            Non-negative masses.
        y : pair of array-likes of shapes (n,) and (m,), default=None
            Labels of the rows and of the columns, which order them. Each of the two can be None.
            None is (None, None).
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        mesh_kw : dict, default=None
            Keyword arguments of ``Axes.pcolormesh``, which replace the defaults of the cells.

        Returns
        -------
        display : CouplingDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If the numbers of labels and of rows or columns differ, or the plan is no matrix of
            finite numbers from zero.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()
        if not hasattr(plan, "apply"):
            plan = as_points(plan, "plan")
            if plan.min() < 0:
                raise ValueError("plan has negative entries; it holds the masses of pairs.")
            plan = Coupling(plan)
        labels = (None, None) if y is None else as_pair(y)
        rows, columns = (
            None if values is None else as_labels(values, size, f"domain {domain!r} of the plan")
            for values, size, domain in zip(labels, plan.shape, ("x", "y"), strict=True)
        )
        order_x = np.arange(plan.shape[0]) if rows is None else np.argsort(rows, kind="stable")
        if columns is None:
            matches, rank = plan.argmax(0), np.argsort(order_x)
            # Columns without mass have no match, and come last.
            order_y = np.argsort(np.where(matches < 0, len(rank), rank[matches]), kind="stable")
        else:
            order_y = np.argsort(columns, kind="stable")
        shares, boundaries = _blocks(plan, order_x, order_y)
        groups = _groups(rows), _groups(columns)
        display = cls(shares=shares, boundaries=boundaries, groups=groups)
        return display.plot(ax, mesh_kw=mesh_kw)

    def plot(self, ax: Axes | None = None, *, mesh_kw: Keywords = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        mesh_kw : dict, default=None
            Keyword arguments of ``Axes.pcolormesh``, which replace the defaults of the cells.

        Returns
        -------
        display : CouplingDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `ax` has a 3-D projection.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()
        from matplotlib.colors import PowerNorm

        from . import _draw

        self.ax_ = axes = _draw.prepare_axes(ax, 2)
        self.figure_ = axes.figure
        defaults = {"cmap": "Blues", "norm": PowerNorm(_GAMMA, vmin=0), "rasterized": True}
        rows, columns = self.boundaries
        self.mesh_ = axes.pcolormesh(columns, rows, self.shares, **defaults | (mesh_kw or {}))
        axes.set(xlabel="y", ylabel="x", xlim=columns[[0, -1]], ylim=rows[[-1, 0]])
        _draw.draw_groups(axes.yaxis, self.groups[0], axes.axhline)
        _draw.draw_groups(axes.xaxis, self.groups[1], axes.axvline)
        self.colorbar_ = self.figure_.colorbar(self.mesh_, ax=axes, label="share of the row's mass")
        self.colorbar_.outline.set_visible(False)
        return self


def _blocks(
    plan: Any, order_x: NDArray[np.intp], order_y: NDArray[np.intp]
) -> tuple[NDArray[Any], tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Shares (k, l) of blocks of rows and columns in the given orders, and their boundaries."""
    n, m = plan.shape
    rows, columns = (np.linspace(0, size, min(size, _MAX_CELLS) + 1).astype(int) for size in (n, m))
    member = np.zeros((m, len(columns) - 1))  # 1 if the column is in the block
    member[order_y, np.repeat(np.arange(len(columns) - 1), np.diff(columns))] = 1
    mass = np.add.reduceat(plan.apply(member, axis=1)[order_x], rows[:-1], axis=0)  # (k, l)
    total = mass.sum(1, keepdims=True)
    return mass / np.where(total > 0, total, 1), (rows, columns)


def _groups(labels: NDArray[Any] | None) -> Groups:
    """Names and sizes of the classes in sorted order."""
    if labels is None:
        return []
    names, sizes = np.unique(labels, return_counts=True)
    return list(zip(map(str, names), sizes.tolist(), strict=True))
