"""Display of an embedding with samples and the edges of a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import NotFittedError

from ._checks import as_labels, as_points, has_two_domains, require_matplotlib
from ._colors import color_points
from ._edges import edge_list

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ._draw import Keywords

_SAMPLE_BOTTOM = -1.2  # height of the strip of samples, below the strip of points from 0 to 1


class EmbeddingDisplay:
    """Embedding in one, two or three dimensions.

    Use `from_estimator` or `from_arrays` to create a display. The points are coloured by their
    labels and drawn over the edges of a graph and over samples of the model. Axes have equal units,
    since an embedding represents distances. An embedding with one column is drawn as a strip; the
    height in the strip has no meaning.

    Parameters
    ----------
    embedding : ndarray of shape (n, n_components)
        Points with one, two or three columns.
    y : ndarray of shape (n,), default=None
        Labels of the points, which set the colours. Up to 20 different labels are classes. Numbers
        that are not whole, and more than 20 different numbers, are a quantity. None draws all
        points in one colour.
    samples : ndarray of shape (n_samples, n_components), default=None
        Samples of the model. None draws no samples.
    edges : ndarray of shape (n_edges, 2), default=None
        Pairs of row numbers of the points that an edge joins. None draws no edges.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the display.
    figure_ : matplotlib Figure
        Figure of the axes.
    points_ : matplotlib PathCollection
        Points of the embedding.
    samples_ : matplotlib PathCollection or None
        Samples of the model.
    edges_ : matplotlib LineCollection or None
        Edges of the graph.
    legend_ : matplotlib Legend or None
        Names of up to 20 classes and of the samples.
    colorbar_ : matplotlib Colorbar or None
        Scale of a quantity, or names of more than 20 classes in sorted order.

    See Also
    --------
    AlignmentDisplay : Two domains side by side.
    skgw.datasets.load_graph : Small graphs.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skgw.plotting import EmbeddingDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> display = EmbeddingDisplay.from_estimator(PCA(n_components=2).fit(X), X, y)
    >>> [text.get_text() for text in display.legend_.get_texts()]
    ['0', '1', '2']
    """

    def __init__(
        self,
        *,
        embedding: NDArray[Any],
        y: NDArray[Any] | None = None,
        samples: NDArray[Any] | None = None,
        edges: NDArray[np.intp] | None = None,
    ) -> None:
        self.embedding = embedding
        self.y = y
        self.samples = samples
        self.edges = edges

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: ArrayLike | None = None,
        *,
        n_samples: int = 500,
        graph: Any = None,
        random_state: int | np.random.RandomState | None = None,
        ax: Axes | None = None,
        scatter_kw: Keywords = None,
        samples_kw: Keywords = None,
        edges_kw: Keywords = None,
    ) -> Self:
        """Draw the embedding of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Fitted estimator with the attribute `embedding_`, or with `transform` if `X` is given.
        X : array-like of shape (n, n_features), default=None
            Rows to transform and draw. None draws ``estimator.embedding_``.
        y : array-like of shape (n,), default=None
            Labels of the rows, which set the colours. None draws all points in one colour.
        n_samples : int, default=500
            Number of samples to draw from an estimator with the method `sample`. 0 draws none.
        graph : networkx graph, sparse matrix or array-like of shape (n_edges, 2), default=None
            Edges to draw. The nodes of a graph, in order, are the rows of the embedding. None draws
            no edges.
        random_state : int, RandomState instance or None, default=None
            Seed of ``estimator.sample``.
        ax : matplotlib Axes, default=None
            Axes to draw on, with a 3-D projection for three components. None creates a figure.
        scatter_kw : dict, default=None
            Keyword arguments of ``Axes.scatter``, which replace the defaults of the points.
        samples_kw : dict, default=None
            Keyword arguments of ``Axes.scatter``, which replace the defaults of the samples.
        edges_kw : dict, default=None
            Keyword arguments of ``LineCollection``, which replace the defaults of the edges.

        Returns
        -------
        display : EmbeddingDisplay
            The drawn display.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If `X` is None and the estimator has no `embedding_`.
        ValueError
            If the embedding has more than three columns, if the numbers of rows, labels and nodes
            differ, or if the estimator has two domains and `n_samples` is positive.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()  # before the estimator transforms rows
        if X is None and not hasattr(estimator, "embedding_"):
            raise NotFittedError(
                f"{type(estimator).__name__} has no embedding_: fit it, or pass X to draw its "
                "transform(X)."
            )
        samples = None
        if n_samples > 0 and hasattr(estimator, "sample"):
            if has_two_domains(estimator):
                raise ValueError(
                    f"Samples of {type(estimator).__name__} are rows of its domains, not points of "
                    "an embedding. Use AlignmentDisplay for both domains, or n_samples=0."
                )
            samples = estimator.sample(n_samples, random_state=random_state)
        return cls.from_arrays(
            estimator.embedding_ if X is None else estimator.transform(X),
            y,
            samples=samples,
            graph=graph,
            ax=ax,
            scatter_kw=scatter_kw,
            samples_kw=samples_kw,
            edges_kw=edges_kw,
        )

    @classmethod
    def from_arrays(
        cls,
        embedding: ArrayLike,
        y: ArrayLike | None = None,
        *,
        samples: ArrayLike | None = None,
        graph: Any = None,
        ax: Axes | None = None,
        scatter_kw: Keywords = None,
        samples_kw: Keywords = None,
        edges_kw: Keywords = None,
    ) -> Self:
        """Draw the points of an embedding.

        Parameters
        ----------
        embedding : array-like of shape (n, n_components)
            Points with one, two or three columns.
        y : array-like of shape (n,), default=None
            Labels of the points, which set the colours. None draws all points in one colour.
        samples : array-like of shape (n_samples, n_components), default=None
            Further points, drawn in grey. None draws no samples.
        graph : networkx graph, sparse matrix or array-like of shape (n_edges, 2), default=None
            Edges to draw. The nodes of a graph, in order, are the rows of the embedding. None draws
            no edges.
        ax : matplotlib Axes, default=None
            Axes to draw on, with a 3-D projection for three components. None creates a figure.
        scatter_kw : dict, default=None
            Keyword arguments of ``Axes.scatter``, which replace the defaults of the points.
        samples_kw : dict, default=None
            Keyword arguments of ``Axes.scatter``, which replace the defaults of the samples.
        edges_kw : dict, default=None
            Keyword arguments of ``LineCollection``, which replace the defaults of the edges.

        Returns
        -------
        display : EmbeddingDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If the embedding has more than three columns, if the numbers of rows, labels and nodes
            differ, or if samples and embedding have different numbers of columns.
        ImportError
            If matplotlib is not installed.
        """
        points = as_points(embedding, "embedding")
        if points.shape[1] > 3:
            raise ValueError(
                f"An embedding with {points.shape[1]} columns cannot be drawn. Choose at most 3 "
                "columns, for instance embedding[:, :2]."
            )
        display = cls(
            embedding=points,
            y=None if y is None else as_labels(y, len(points), "the embedding"),
            samples=None if samples is None else _samples(samples, points.shape[1]),
            edges=None if graph is None else edge_list(graph, len(points)),
        )
        return display.plot(ax, scatter_kw=scatter_kw, samples_kw=samples_kw, edges_kw=edges_kw)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        scatter_kw: Keywords = None,
        samples_kw: Keywords = None,
        edges_kw: Keywords = None,
    ) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, with a 3-D projection for three components. None creates a figure.
        scatter_kw : dict, default=None
            Keyword arguments of ``Axes.scatter``, which replace the defaults of the points.
        samples_kw : dict, default=None
            Keyword arguments of ``Axes.scatter``, which replace the defaults of the samples.
        edges_kw : dict, default=None
            Keyword arguments of ``LineCollection``, which replace the defaults of the edges.

        Returns
        -------
        display : EmbeddingDisplay
            The display itself.

        Raises
        ------
        ValueError
            If the embedding has three columns and `ax` has no 3-D projection, or the reverse.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()
        from . import _draw

        n_components = self.embedding.shape[1]
        self.ax_ = axes = _draw.prepare_axes(ax, n_components)
        self.figure_ = axes.figure
        points = _draw.add_height(self.embedding, 0.0)
        coloring = color_points(self.y)
        self.samples_ = self.edges_ = self.legend_ = self.colorbar_ = None
        if self.samples is not None:
            placed = _draw.add_height(self.samples, _SAMPLE_BOTTOM)
            self.samples_ = _draw.draw_samples(axes, placed, samples_kw)
        if self.edges is not None:
            self.edges_ = _draw.draw_edges(axes, points, self.edges, edges_kw)
        self.points_ = _draw.draw_points(axes, points, coloring, scatter_kw)
        if _draw.keeps_colors(scatter_kw):
            self.legend_ = _draw.draw_legend(axes, coloring, self.points_, self.samples_)
            if coloring.scale:
                self.colorbar_ = _draw.draw_colorbar(axes, self.points_, coloring, n_components)
        _draw.format_axes(axes, n_components)
        return self


def _samples(values: ArrayLike, n_columns: int) -> NDArray[np.float64]:
    points = as_points(values, "samples")
    if points.shape[1] != n_columns:
        raise ValueError(
            f"samples have {points.shape[1]} columns and the embedding has {n_columns}, so that "
            "samples are not points of the embedding. Pass samples=None or n_samples=0."
        )
    return points
