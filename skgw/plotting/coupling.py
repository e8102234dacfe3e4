"""A picture of a plan: which rows of one domain are matched with which of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skgw.base.coupling import Coupling

from ._checks import as_labels, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Keywords = dict[str, Any] | None
Groups = list[tuple[str, int]]  # name and number of rows of each class, in the order drawn

_MAX_CELLS = (
    300  # rows and columns that are drawn one by one; more are drawn in blocks of equal size
)
_GAMMA = 0.5  # of the colours, so that small masses can be seen


class CouplingDisplay:
    """Picture of a plan, with rows and columns in an order that shows what it does.

    Use `from_estimator` or `from_plan` to make one. Rows are ordered by their labels. So are
    columns; without labels of their own they are in the order of their heaviest partners, so that a
    plan that matches one to one is a diagonal. The colour is the share of a row's mass that goes to
    a column. Plans of more than 300 rows or columns are drawn in blocks.

    Parameters
    ----------
    shares : ndarray of shape (k, l)
        Of the mass of each block of rows, what goes to each block of columns.
    edges : pair of ndarrays of shapes (k + 1,) and (l + 1,)
        Where the blocks of rows and of columns begin, and the last one ends.
    groups : pair of lists of (str, int), default=([], [])
        Name and size of the classes of rows and of columns, in the order drawn.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture.
    figure_ : matplotlib Figure
        Figure that holds it.
    mesh_ : matplotlib QuadMesh
        The plan.
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
    >>> CouplingDisplay.from_plan(plan).shares.argmax(axis=1)
    array([0, 1, 2, 3])
    """

    def __init__(
        self,
        *,
        shares: NDArray[Any],
        edges: tuple[NDArray[np.intp], NDArray[np.intp]],
        groups: tuple[Groups, Groups] = ([], []),
    ) -> None:
        self.shares = shares
        self.edges = edges
        self.groups = groups

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        labels: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
        ax: Axes | None = None,
        mesh_kw: Keywords = None,
    ) -> Self:
        """Draw ``estimator.plan_``.

        Parameters
        ----------
        estimator : estimator instance
            Fitted to two domains.
        labels : pair of array-likes of shapes (n,) and (m,) or None, default=(None, None)
            Labels of the rows and of the columns.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.
        mesh_kw : dict, default=None
            Settings for the plan (``Axes.pcolormesh``), over the defaults.

        Returns
        -------
        display : CouplingDisplay
            The display, drawn.
        """
        return cls.from_plan(estimator.plan_, labels=labels, ax=ax, mesh_kw=mesh_kw)

    @classmethod
    def from_plan(
        cls,
        plan: Any,
        *,
        labels: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
        ax: Axes | None = None,
        mesh_kw: Keywords = None,
    ) -> Self:
        """Draw a given plan.

        Parameters
        ----------
        plan : Coupling or array-like of shape (n, m)
            Non-negative.
        labels : pair of array-likes of shapes (n,) and (m,) or None, default=(None, None)
            Labels of the rows and of the columns.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.
        mesh_kw : dict, default=None
            Settings for the plan (``Axes.pcolormesh``), over the defaults.

        Returns
        -------
        display : CouplingDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If there are not as many labels as rows or columns.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()
        if not hasattr(plan, "apply"):
            plan = Coupling(np.asarray(plan, dtype=float))
        rows, columns = (
            None if values is None else as_labels(values, size, f"the plan's side {side!r}")
            for values, size, side in zip(labels, plan.shape, ("x", "y"), strict=True)
        )
        order_x = np.arange(plan.shape[0]) if rows is None else np.argsort(rows, kind="stable")
        if columns is None:
            order_y = np.argsort(np.argsort(order_x)[plan.argmax(0)], kind="stable")
        else:
            order_y = np.argsort(columns, kind="stable")
        shares, edges = _blocks(plan, order_x, order_y)
        display = cls(shares=shares, edges=edges, groups=(_groups(rows), _groups(columns)))
        return display.plot(ax, mesh_kw=mesh_kw)

    def plot(self, ax: Axes | None = None, *, mesh_kw: Keywords = None) -> Self:
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.
        mesh_kw : dict, default=None
            Settings for the plan (``Axes.pcolormesh``), over the defaults.

        Returns
        -------
        display : CouplingDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()
        from matplotlib.colors import PowerNorm

        from . import _draw

        self.ax_ = axes = _draw.prepare_axes(ax, 2)
        self.figure_ = axes.figure
        defaults = {"cmap": "Blues", "norm": PowerNorm(_GAMMA, vmin=0), "rasterized": True}
        rows, columns = self.edges
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
    """Shares (k, l) of blocks of rows and columns in the given orders, and the blocks' edges."""
    n, m = plan.shape
    rows, columns = (np.linspace(0, size, min(size, _MAX_CELLS) + 1).astype(int) for size in (n, m))
    member = np.zeros((m, len(columns) - 1))  # of which block each column is
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
