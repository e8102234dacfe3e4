"""A picture of an embedding: its points, the edges of a graph, and fresh samples."""

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

Keywords = dict[str, Any] | None


class EmbeddingDisplay:
    """Picture of an embedding in one, two or three dimensions.

    Use `from_estimator` or `from_embedding` to make one. The points are coloured by their labels
    and drawn over thin edges, if there is a graph, and over faint samples, if the model can draw
    some. Axes have equal units, because the distances are what the embedding is about. One
    dimension is drawn as a strip, the height of a point in it being without meaning.

    Parameters
    ----------
    embedding : ndarray of shape (n_samples, n_components)
        The points; one, two or three columns.
    samples : ndarray of shape (n_new, n_components), default=None
        Fresh samples of the model.
    labels : ndarray of shape (n_samples,), default=None
        Classes, or a quantity: numbers that are not whole, or more than 20 different ones.
    edges : ndarray of shape (n_edges, 2), default=None
        Pairs of rows of `embedding` to join.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture.
    figure_ : matplotlib Figure
        Figure that holds them.
    points_ : matplotlib PathCollection
        The embedding.
    samples_ : matplotlib PathCollection or None
        The samples.
    edges_ : matplotlib LineCollection or None
        The edges.
    legend_ : matplotlib Legend or None
        Names of the classes, up to 20, and of the samples.
    colorbar_ : matplotlib Colorbar or None
        Scale of a quantity; or, for more than 20 named classes, their names in sorted order, of
        which it shows as many as have room.

    See Also
    --------
    skgw.datasets.load_graph : Graphs to draw.

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
        samples: NDArray[Any] | None = None,
        labels: NDArray[Any] | None = None,
        edges: NDArray[np.intp] | None = None,
    ) -> None:
        self.embedding = embedding
        self.samples = samples
        self.labels = labels
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
        """Draw the embedding that an estimator has found.

        Parameters
        ----------
        estimator : estimator instance
            A fitted estimator with `embedding_`, or with `transform` if `X` is given.
        X : array-like of shape (n_samples, n_features), default=None
            Data to transform and draw. None draws ``estimator.embedding_``.
        y : array-like of shape (n_samples,), default=None
            Labels of the rows, for the colours.
        n_samples : int, default=500
            Number of fresh samples, for an estimator that has ``sample``. 0 draws none.
        graph : networkx graph, sparse matrix or array-like of shape (n_edges, 2), default=None
            Edges to draw; the nodes of a graph, in order, are the rows of the embedding.
        random_state : int, RandomState instance or None, default=None
            Passed on to ``estimator.sample``.
        ax : matplotlib Axes, default=None
            Where to draw; with a 3-D projection for three components. None makes a new figure.
        scatter_kw, samples_kw, edges_kw : dict, default=None
            Settings for the points, the samples (``Axes.scatter``) and the edges
            (``LineCollection``), over the defaults.

        Returns
        -------
        display : EmbeddingDisplay
            The display, drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If `X` is not given and the estimator has no `embedding_`.
        ValueError
            As for `from_embedding`, and for samples of an estimator of two domains.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()  # before anything that takes time
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
                    "an embedding: AlignmentDisplay draws both domains, n_samples=0 the first one."
                )
            samples = estimator.sample(n_samples, random_state=random_state)
        return cls.from_embedding(
            estimator.embedding_ if X is None else estimator.transform(X),
            labels=y,
            samples=samples,
            graph=graph,
            ax=ax,
            scatter_kw=scatter_kw,
            samples_kw=samples_kw,
            edges_kw=edges_kw,
        )

    @classmethod
    def from_embedding(
        cls,
        embedding: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        samples: ArrayLike | None = None,
        graph: Any = None,
        ax: Axes | None = None,
        scatter_kw: Keywords = None,
        samples_kw: Keywords = None,
        edges_kw: Keywords = None,
    ) -> Self:
        """Draw given points.

        Parameters
        ----------
        embedding : array-like of shape (n_samples, n_components)
            The points; one, two or three columns.
        labels : array-like of shape (n_samples,), default=None
            Labels of the rows, for the colours.
        samples : array-like of shape (n_new, n_components), default=None
            More points, drawn faintly.
        graph : networkx graph, sparse matrix or array-like of shape (n_edges, 2), default=None
            Edges to draw; the nodes of a graph, in order, are the rows of the embedding.
        ax : matplotlib Axes, default=None
            Where to draw; with a 3-D projection for three components. None makes a new figure.
        scatter_kw, samples_kw, edges_kw : dict, default=None
            Settings for the points, the samples (``Axes.scatter``) and the edges
            (``LineCollection``), over the defaults.

        Returns
        -------
        display : EmbeddingDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If there are more than three columns, or rows, columns and nodes do not match.
        ImportError
            If matplotlib is not installed.
        """
        points = as_points(embedding, "embedding")
        if points.shape[1] > 3:
            raise ValueError(
                f"An embedding with {points.shape[1]} columns cannot be drawn; choose up to three, "
                "as in embedding[:, :2]."
            )
        display = cls(
            embedding=points,
            samples=None if samples is None else _samples(samples, points.shape[1]),
            labels=None if labels is None else as_labels(labels, len(points), "the embedding"),
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
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; with a 3-D projection for three components. None makes a new figure.
        scatter_kw, samples_kw, edges_kw : dict, default=None
            Settings for the points, the samples (``Axes.scatter``) and the edges
            (``LineCollection``), over the defaults.

        Returns
        -------
        display : EmbeddingDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `ax` has no 3-D projection and the embedding has three columns.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib()
        from . import _draw

        n_components = self.embedding.shape[1]
        self.ax_ = axes = _draw.prepare_axes(ax, n_components)
        self.figure_ = axes.figure
        points = _draw.placed(self.embedding, 0.0)
        coloring = color_points(self.labels)
        self.samples_ = self.edges_ = self.legend_ = self.colorbar_ = None
        if self.samples is not None:
            # The strip of samples in one dimension lies under that of the points.
            self.samples_ = _draw.draw_samples(axes, _draw.placed(self.samples, -1.2), samples_kw)
        if self.edges is not None:
            self.edges_ = _draw.draw_edges(axes, points, self.edges, edges_kw)
        self.points_ = _draw.draw_points(axes, points, coloring, scatter_kw)
        if _draw.keeps_colors(scatter_kw):
            self.legend_ = _draw.draw_legend(axes, coloring, self.points_, self.samples_)
            if coloring.scale:
                self.colorbar_ = _draw.draw_colorbar(axes, self.points_, coloring, n_components)
        _draw.finish_axes(axes, n_components)
        return self


def _samples(values: ArrayLike, n_columns: int) -> NDArray[np.float64]:
    points = as_points(values, "samples")
    if points.shape[1] != n_columns:
        raise ValueError(
            f"samples have {points.shape[1]} columns and the embedding {n_columns}, so they are "
            "not points of one space; leave them out with samples=None or n_samples=0."
        )
    return points
