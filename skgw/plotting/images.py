"""Displays of decoded images: reconstructions, interpolations, and a plane of the latent space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ._checks import as_points, require_matplotlib
from ._pictures import Floats, as_pictures, as_sheet, resolve_image_shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ._draw import Keywords


class ImageSheetDisplay:
    """Table of images.

    The displays of decoded images are sheets: they differ in what their rows and columns are.

    Parameters
    ----------
    images : ndarray of shape (n_rows, n_columns, height, width, channels)
        Images with one or three channels.
    limits : pair of float
        Values that are drawn black and white. Values beyond them are cut off.
    row_names, column_names : sequence of str, default=()
        Names of the rows and of the columns; none for an empty sequence.
    axis_names : pair of str, default=("", "")
        Names of the horizontal and of the vertical axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the display.
    figure_ : matplotlib Figure
        Figure of the axes.
    image_ : matplotlib AxesImage
        The sheet.
    """

    def __init__(
        self,
        *,
        images: Floats,
        limits: tuple[float, float],
        row_names: Sequence[str] = (),
        column_names: Sequence[str] = (),
        axis_names: tuple[str, str] = ("", ""),
    ) -> None:
        self.images = images
        self.limits = limits
        self.row_names = row_names
        self.column_names = column_names
        self.axis_names = axis_names

    def plot(self, ax: Axes | None = None, *, image_kw: Keywords = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        image_kw : dict, default=None
            Keyword arguments of ``Axes.imshow``, which replace the defaults of the sheet.

        Returns
        -------
        display : ImageSheetDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()
        from . import _draw

        sheet, down, right = as_sheet(self.images, self.limits)
        self.ax_ = _draw.prepare_sheet(ax, self.images.shape[:4])
        self.figure_ = self.ax_.figure
        self.image_ = _draw.draw_sheet(self.ax_, sheet, image_kw)
        _draw.name_cells(self.ax_.yaxis, down, self.row_names)
        _draw.name_cells(self.ax_.xaxis, right, self.column_names)
        self.ax_.set(xlabel=self.axis_names[0], ylabel=self.axis_names[1])
        return self


class ReconstructionDisplay(ImageSheetDisplay):
    """Images above their reconstructions.

    Use `from_estimator` or `from_predictions` to create a display. The attributes are those of
    `ImageSheetDisplay`.

    See Also
    --------
    InterpolationDisplay : Images between two images.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skgw.plotting import ReconstructionDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> display = ReconstructionDisplay.from_estimator(PCA(8).fit(X), X[:10])
    >>> display.images.shape, display.row_names
    ((2, 10, 8, 8, 1), ['data', 'decoded'])
    """

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        image_shape: Sequence[int] | None = None,
        ax: Axes | None = None,
        image_kw: Keywords = None,
    ) -> Self:
        """Draw rows and their reconstructions.

        Parameters
        ----------
        estimator : estimator instance
            Fitted estimator with `transform` and `inverse_transform`.
        X : array-like of shape (n, n_features)
            Flat images, one column of the display each.
        image_shape : (int, int, int), default=None
            Channels, height and width in pixels. None takes ``estimator.image_shape`` or, without
            it, a grey square.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        image_kw : dict, default=None
            Keyword arguments of ``Axes.imshow``, which replace the defaults of the sheet.

        Returns
        -------
        display : ReconstructionDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If the rows are no images of this shape.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()  # before the estimator transforms rows
        decoded = estimator.inverse_transform(estimator.transform(X))
        shape = resolve_image_shape(estimator, image_shape, as_points(X, "X").shape[1])
        return cls.from_predictions(X, decoded, image_shape=shape, ax=ax, image_kw=image_kw)

    @classmethod
    def from_predictions(
        cls,
        X: ArrayLike,
        decoded: ArrayLike,
        *,
        image_shape: Sequence[int] | None = None,
        ax: Axes | None = None,
        image_kw: Keywords = None,
    ) -> Self:
        """Draw rows and given reconstructions.

        Parameters
        ----------
        X, decoded : array-like of shape (n, n_features)
            Flat images, and their reconstructions.
        image_shape : (int, int, int), default=None
            Channels, height and width in pixels. None is a grey square.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        image_kw : dict, default=None
            Keyword arguments of ``Axes.imshow``, which replace the defaults of the sheet.

        Returns
        -------
        display : ReconstructionDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If the shapes differ, or if the rows are no images of this shape.
        ImportError
            If matplotlib is not installed.
        """
        rows, others = as_points(X, "X"), as_points(decoded, "decoded")
        _same_shape(rows, others, "decoded")
        shape = resolve_image_shape(None, image_shape, rows.shape[1])
        display = cls(
            images=np.stack([as_pictures(rows, shape), as_pictures(others, shape)]),
            limits=(float(rows.min()), float(rows.max())),
            row_names=["data", "decoded"],
        )
        return display.plot(ax, image_kw=image_kw)


class InterpolationDisplay(ImageSheetDisplay):
    """Strips of images that are decoded between two rows.

    Use `from_estimator` to create a display. A strip leads along a straight line of the latent
    space from one row to another; the rows themselves are at its ends. The attributes are those of
    `ImageSheetDisplay`.

    See Also
    --------
    LatentPlaneDisplay : Images along two codes.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skgw.plotting import InterpolationDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> display = InterpolationDisplay.from_estimator(PCA(8).fit(X), X[:3], X[3:6], n_steps=7)
    >>> display.images.shape  # three strips of two rows and seven decoded images
    (3, 9, 8, 8, 1)
    """

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        Y: ArrayLike,
        *,
        n_steps: int = 8,
        image_shape: Sequence[int] | None = None,
        ax: Axes | None = None,
        image_kw: Keywords = None,
    ) -> Self:
        """Draw decoded images between pairs of rows.

        Parameters
        ----------
        estimator : estimator instance
            Fitted estimator with `transform` and `inverse_transform`.
        X, Y : array-like of shape (n, n_features)
            Flat images. Strip i leads from row i of `X` to row i of `Y`.
        n_steps : int, default=8
            Number of decoded images of a strip, at least 2: the reconstructions of both rows, and
            codes at equal steps between them.
        image_shape : (int, int, int), default=None
            Channels, height and width in pixels. None takes ``estimator.image_shape`` or, without
            it, a grey square.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        image_kw : dict, default=None
            Keyword arguments of ``Axes.imshow``, which replace the defaults of the sheet.

        Returns
        -------
        display : InterpolationDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If the shapes differ, `n_steps` is below 2, or the rows are no images of this shape.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()  # before the estimator transforms rows
        first, last = as_points(X, "X"), as_points(Y, "Y")
        _same_shape(first, last, "Y")
        if n_steps < 2:
            raise ValueError(f"n_steps must be at least 2, got {n_steps}.")
        shape = resolve_image_shape(estimator, image_shape, first.shape[1])
        starts, ends = (as_points(estimator.transform(rows), "codes") for rows in (X, Y))  # (n, k)
        steps = np.linspace(0, 1, n_steps)[:, None, None]
        codes = (1 - steps) * starts + steps * ends  # (n_steps, n, k)
        decoded = as_points(_decode(estimator, codes), "decoded rows")
        rows = np.concatenate([first[None], decoded.reshape(n_steps, *first.shape), last[None]])
        images = as_pictures(rows, shape).reshape(n_steps + 2, len(first), *_last(shape))
        display = cls(
            images=images.swapaxes(0, 1),
            limits=(min(first.min(), last.min()), max(first.max(), last.max())),
            column_names=["data", *[""] * n_steps, "data"],
        )
        return display.plot(ax, image_kw=image_kw)


class LatentPlaneDisplay(ImageSheetDisplay):
    """Images that are decoded along two codes.

    Use `from_estimator` to create a display. The two codes cover the range of the data. All other
    codes have their mean. The attributes are those of `ImageSheetDisplay`.

    See Also
    --------
    LatentSpaceDisplay : The codes of the data.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skgw.plotting import LatentPlaneDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> display = LatentPlaneDisplay.from_estimator(PCA(8).fit(X), X, n_steps=5)
    >>> display.images.shape
    (5, 5, 8, 8, 1)
    """

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        components: tuple[int, int] = (0, 1),
        n_steps: int = 12,
        tail: float = 0.02,
        image_shape: Sequence[int] | None = None,
        ax: Axes | None = None,
        image_kw: Keywords = None,
    ) -> Self:
        """Draw decoded images along two codes.

        Parameters
        ----------
        estimator : estimator instance
            Fitted estimator with `transform` and `inverse_transform`.
        X : array-like of shape (n, n_features)
            Flat images, whose codes set the range and the mean.
        components : pair of int, default=(0, 1)
            Numbers of the codes, from 0: of the horizontal and of the vertical axis.
        n_steps : int, default=12
            Number of values of each of the two codes, at least 2.
        tail : float in [0, .5), default=0.02
            Share of the rows whose code is below the range, and share whose code is above.
        image_shape : (int, int, int), default=None
            Channels, height and width in pixels. None takes ``estimator.image_shape`` or, without
            it, a grey square.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        image_kw : dict, default=None
            Keyword arguments of ``Axes.imshow``, which replace the defaults of the sheet.

        Returns
        -------
        display : LatentPlaneDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If `components` are not two different codes, `n_steps` is below 2, `tail` is out of
            range, or the rows are no images of this shape.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()  # before the estimator transforms rows
        if n_steps < 2:
            raise ValueError(f"n_steps must be at least 2, got {n_steps}.")
        if not 0 <= tail < 0.5:
            raise ValueError(f"tail must be at least 0 and below 0.5, got {tail}.")
        rows = as_points(X, "X")
        shape = resolve_image_shape(estimator, image_shape, rows.shape[1])
        codes = as_points(estimator.transform(X), "codes")  # (n, k)
        i, j = two_components(components, codes.shape[1])
        low, high = np.quantile(codes, [tail, 1 - tail], axis=0)
        right, up = np.linspace(low[i], high[i], n_steps), np.linspace(high[j], low[j], n_steps)
        plane = np.tile(codes.mean(axis=0), (n_steps, n_steps, 1))  # (n_steps, n_steps, k)
        plane[:, :, i], plane[:, :, j] = right, up[:, None]
        decoded = as_points(_decode(estimator, plane), "decoded rows")
        display = cls(
            images=as_pictures(decoded, shape).reshape(n_steps, n_steps, *_last(shape)),
            limits=(float(rows.min()), float(rows.max())),
            row_names=[f"{value:.2g}" for value in up],
            column_names=[f"{value:.2g}" for value in right],
            axis_names=(f"code {i}", f"code {j}"),
        )
        return display.plot(ax, image_kw=image_kw)


def two_components(components: Sequence[int], n_codes: int) -> tuple[int, int]:
    """Numbers of two different codes."""
    chosen = list(components)
    if len(chosen) != 2 or not set(chosen) <= set(range(n_codes)) or chosen[0] == chosen[1]:
        raise ValueError(
            f"components must be two different numbers from 0 to {n_codes - 1}, got {components}."
        )
    return int(chosen[0]), int(chosen[1])


def _decode(estimator: Any, codes: Floats) -> Any:
    """Rows of a table of codes, in the order of the table."""
    return estimator.inverse_transform(codes.reshape(-1, codes.shape[-1]))


def _last(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """The shape of a picture with the channels last."""
    return shape[1], shape[2], shape[0]


def _same_shape(rows: Floats, others: Floats, name: str) -> None:
    if rows.shape != others.shape:
        raise ValueError(f"{name} must have the shape of X, {rows.shape}, got {others.shape}.")
