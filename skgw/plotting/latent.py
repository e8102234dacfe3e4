"""Display of the latent space of an autoencoder or another transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA

from ._checks import as_labels, as_points, require_matplotlib
from ._colors import color_points
from .images import two_components

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ._draw import Keywords


class LatentSpaceDisplay:
    """Two codes of each row, coloured by the labels of the rows.

    Use `from_estimator` or `from_arrays` to create a display.

    Parameters
    ----------
    codes : ndarray of shape (n, 2)
        The points to draw.
    y : ndarray of shape (n,), default=None
        Labels of the points, which set the colours. Up to 20 different labels are classes. Numbers
        that are not whole, and more than 20 different numbers, are a quantity. None draws all
        points in one colour.
    prior : ndarray of shape (m, 2), default=None
        Draws of the prior, in grey. None draws none.
    names : pair of str, default=("code 0", "code 1")
        Names of the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the display.
    figure_ : matplotlib Figure
        Figure of the axes.
    points_ : matplotlib PathCollection
        Codes of the rows.
    prior_ : matplotlib PathCollection or None
        Draws of the prior.
    legend_ : matplotlib Legend or None
        Names of up to 20 classes.
    colorbar_ : matplotlib Colorbar or None
        Scale of a quantity, or names of more than 20 classes in sorted order.

    See Also
    --------
    LatentPlaneDisplay : Decoded images of the latent space.
    EmbeddingDisplay : Embeddings, whose distances have a meaning.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skgw.plotting import LatentSpaceDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> display = LatentSpaceDisplay.from_estimator(PCA(8).fit(X), X, y, components=(0, 2))
    >>> display.codes.shape, display.names
    ((1797, 2), ('code 0', 'code 2'))
    """

    def __init__(
        self,
        *,
        codes: NDArray[Any],
        y: NDArray[Any] | None = None,
        prior: NDArray[Any] | None = None,
        names: tuple[str, str] = ("code 0", "code 1"),
    ) -> None:
        self.codes = codes
        self.y = y
        self.prior = prior
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        prior: ArrayLike | None = None,
        components: tuple[int, int] | None = None,
        ax: Axes | None = None,
        scatter_kw: Keywords = None,
    ) -> Self:
        """Draw the codes of rows.

        Parameters
        ----------
        estimator : estimator instance
            Fitted estimator with `transform`.
        X : array-like of shape (n, n_features)
            Rows to transform.
        y : array-like of shape (n,), default=None
            Labels of the rows, which set the colours. None draws all points in one colour.
        prior : array-like of shape (m, n_codes), default=None
            Draws of the prior, which the codes should cover. None draws none.
        components : pair of int, default=None
            Numbers of the codes to draw, from 0. None draws both of two codes, and the two
            principal components of more than two.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        scatter_kw : dict, default=None
            Keyword arguments of ``Axes.scatter``, which replace the defaults of the points.

        Returns
        -------
        display : LatentSpaceDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If there is one code only, if `components` are not two different codes, or if the
            numbers of labels or columns do not fit.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()  # before the estimator transforms rows
        return cls.from_arrays(
            estimator.transform(X),
            y,
            prior=prior,
            components=components,
            ax=ax,
            scatter_kw=scatter_kw,
        )

    @classmethod
    def from_arrays(
        cls,
        codes: ArrayLike,
        y: ArrayLike | None = None,
        *,
        prior: ArrayLike | None = None,
        components: tuple[int, int] | None = None,
        ax: Axes | None = None,
        scatter_kw: Keywords = None,
    ) -> Self:
        """Draw given codes.

        Parameters
        ----------
        codes : array-like of shape (n, n_codes)
            At least two codes of each row.
        y : array-like of shape (n,), default=None
            Labels of the rows, which set the colours. None draws all points in one colour.
        prior : array-like of shape (m, n_codes), default=None
            Draws of the prior, which the codes should cover. None draws none.
        components : pair of int, default=None
            Numbers of the codes to draw, from 0. None draws both of two codes, and the two
            principal components of more than two.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        scatter_kw : dict, default=None
            Keyword arguments of ``Axes.scatter``, which replace the defaults of the points.

        Returns
        -------
        display : LatentSpaceDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If there is one code only, if `components` are not two different codes, or if the
            numbers of labels or columns do not fit.
        ImportError
            If matplotlib is not installed.
        """
        points = as_points(codes, "codes")
        draws = points[:0] if prior is None else as_points(prior, "prior")
        n_codes = points.shape[1]
        if n_codes < 2:
            raise ValueError("There is one code only; EmbeddingDisplay draws it as a strip.")
        if draws.shape[1] != n_codes:
            raise ValueError(f"prior has {draws.shape[1]} columns, but there are {n_codes} codes.")
        if components is None and n_codes > 2:
            pca = PCA(2).fit(points)
            points, draws = pca.transform(points), (draws - pca.mean_) @ pca.components_.T
            names = ("principal component 0", "principal component 1")
        else:
            i, j = two_components((0, 1) if components is None else components, n_codes)
            points, draws, names = points[:, [i, j]], draws[:, [i, j]], (f"code {i}", f"code {j}")
        display = cls(
            codes=points,
            y=None if y is None else as_labels(y, len(points), "the codes"),
            prior=None if prior is None else draws,
            names=names,
        )
        return display.plot(ax, scatter_kw=scatter_kw)

    def plot(self, ax: Axes | None = None, *, scatter_kw: Keywords = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a figure.
        scatter_kw : dict, default=None
            Keyword arguments of ``Axes.scatter``, which replace the defaults of the points.

        Returns
        -------
        display : LatentSpaceDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()
        from . import _draw

        self.ax_ = axes = _draw.prepare_axes(ax, 2)
        self.figure_ = axes.figure
        coloring = color_points(self.y)
        self.prior_ = self.legend_ = self.colorbar_ = None
        if self.prior is not None:
            self.prior_ = _draw.draw_samples(axes, self.prior, None)
        self.points_ = _draw.draw_points(axes, self.codes, coloring, scatter_kw)
        if _draw.keeps_colors(scatter_kw):
            names = ("codes", "prior")
            self.legend_ = _draw.draw_legend(axes, coloring, self.points_, self.prior_, names)
            if coloring.scale:
                self.colorbar_ = _draw.draw_colorbar(axes, self.points_, coloring, 2)
        _draw.format_axes(axes, 2)
        axes.set(xlabel=self.names[0], ylabel=self.names[1])
        return self
