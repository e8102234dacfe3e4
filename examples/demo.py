"""A tour of skgw: embed handwritten digits and a graph, sample from both, score, draw.

Run it with ``make demo``, or ``python examples/demo.py``; it takes about two minutes on two cores.
Pictures are written into the folder ``figures`` of the working directory.
"""

import os
import time
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from scipy.optimize import linear_sum_assignment
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import MDS, ClassicalMDS
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import train_test_split

from skgw import GWGenerativeEmbedding
from skgw.datasets import load_graph
from skgw.metrics import (
    distance_distribution_error,
    distance_rank_correlation,
    relative_distortion,
    trustworthiness,
)
from skgw.plotting import EmbeddingDisplay
from skgw.spaces import graph_distances

FIGURES = Path("figures")


# ------------------------------------------------------------------------------------------ digits


def digits_tour():
    """Embed 64-dimensional digits in the plane; decode points of the plane to digits."""
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=360, stratify=y, random_state=0
    )
    print(f"Handwritten digits: {len(X_train)} to fit, {len(X_test)} held out; 64 pixels to 2-D")
    start = time.perf_counter()
    embedding = GWGenerativeEmbedding(max_iter=600, n_generated=500, random_state=0).fit(X_train)
    print(f"  fitted in {time.perf_counter() - start:.0f} s, {embedding.n_iter_} updates\n")

    D_train, D_test = pairwise_distances(X_train), pairwise_distances(X_test)
    pca = PCA(n_components=2).fit(X_train)
    mds = MDS(n_init=1, init="classical_mds", max_iter=100, random_state=0)
    Z_mds = mds.fit_transform(X_train)
    print_scores(
        {
            "skgw": [
                *embedding_scores(D_train, embedding.embedding_),
                embedding.score(X_test),
                sample_error(D_test, embedding),
            ],
            "MDS": [*embedding_scores(D_train, Z_mds), None, None],
            "PCA": [
                *embedding_scores(D_train, pca.transform(X_train)),
                held_out_score(X_train, X_test, pca),
                None,
            ],
        }
    )
    draw_digits(embedding, y_train, X_test, y_test)
    draw_decoded(embedding)
    return embedding


def held_out_score(X_train, X_test, transformer):
    """What `GWGenerativeEmbedding.score` measures, for another transformer."""
    D = pairwise_distances(X_test, X_train)
    Dz = pairwise_distances(transformer.transform(X_test), transformer.transform(X_train))
    return -relative_distortion(D, Dz)


def draw_digits(embedding, y_train, X_test, y_test):
    """The training rows by class over fresh samples; held-out digits where `transform` puts them."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(13.5, 6), layout="constrained")
    display = EmbeddingDisplay.from_estimator(
        embedding, y=y_train, n_samples=3000, random_state=0, ax=left, samples_kw={"alpha": 0.35}
    )
    left.set_title("1437 digits, and fresh samples behind")

    chosen = slice(150)  # more would hide each other
    palette = dict(display.color_by_label) if hasattr(display, "color_by_label") else None
    colors = class_colors(display, y_train) if palette is None else palette
    samples = embedding.sample(3000, random_state=0)
    right.scatter(*samples.T, s=6, color="0.85", linewidth=0, zorder=0)
    for z, image, digit in zip(
        embedding.transform(X_test[chosen]), X_test[chosen], y_test[chosen], strict=True
    ):
        right.add_artist(AnnotationBbox(tinted(image, colors[digit]), z, frameon=False))
    right.set_title("150 held-out digits, placed by transform")
    right.set(xlim=left.get_xlim(), ylim=left.get_ylim(), aspect="equal", xticks=[], yticks=[])
    right.set_frame_on(False)
    save(figure, "digits_embedding.png")


def class_colors(display, labels):
    """The colour of each class in a display."""
    colors = display.points_.get_facecolors()
    return {label: colors[np.flatnonzero(labels == label)[0]][:3] for label in np.unique(labels)}


def tinted(image, color):
    """A digit in a colour, transparent where there is no ink."""
    ink = image.reshape(8, 8) / 16
    rgba = np.empty((8, 8, 4))
    rgba[..., :3], rgba[..., 3] = color, ink
    return OffsetImage(rgba, zoom=2.2, interpolation="bilinear")


def draw_decoded(embedding, n_rows=14, n_columns=26):
    """Fresh samples, decoded to images and laid out like the plane that they come from."""
    Z = embedding.sample(n_rows * n_columns, random_state=1)
    images = embedding.inverse_transform(Z).reshape(-1, 8, 8)
    order = grid_order(Z, n_rows, n_columns)
    sheet = images[order].reshape(n_rows, n_columns, 8, 8).swapaxes(1, 2)
    figure, ax = plt.subplots(figsize=(13, 7.4), layout="constrained")
    ax.imshow(sheet.reshape(n_rows * 8, n_columns * 8), cmap="gray_r", interpolation="bilinear")
    ax.set_title(f"{len(Z)} fresh samples, decoded by inverse_transform, near where they fell")
    ax.set_axis_off()
    save(figure, "digits_decoded.png")


def grid_order(Z, n_rows, n_columns):
    """Which point goes to which cell of a grid, so that little is moved."""
    ranks = Z.argsort(0).argsort(0) / len(Z)  # fills the unit square's two axes evenly
    column, row = np.meshgrid(np.arange(n_columns) / n_columns, np.arange(n_rows)[::-1] / n_rows)
    cells = np.column_stack([column.ravel(), row.ravel()])
    return linear_sum_assignment(pairwise_distances(cells, ranks, metric="sqeuclidean"))[1]


# ------------------------------------------------------------------------------------------- graph


def graph_tour():
    """Embed a graph, which has no coordinates at all."""
    graph = load_graph("les_miserables")
    D = graph_distances(graph)
    print(f"\nLes Misérables: {len(D)} characters, linked if they meet; shortest paths to 2-D")
    start = time.perf_counter()
    embedding = GWGenerativeEmbedding(metric="precomputed", random_state=0).fit(graph)
    print(f"  fitted in {time.perf_counter() - start:.0f} s, {embedding.n_iter_} updates")

    kept, left_out = train_test_split(np.arange(len(D)), test_size=0.2, random_state=0)
    part = GWGenerativeEmbedding(metric="precomputed", random_state=0, max_iter=300)
    part.fit(D[np.ix_(kept, kept)])
    print(f"  and again without {len(left_out)} nodes, which are held out\n")
    mds = MDS(metric="precomputed", n_init=1, init="classical_mds", random_state=0)
    classical = ClassicalMDS(metric="precomputed")
    print_scores(
        {
            "skgw": [
                *embedding_scores(D, embedding.embedding_),
                part.score(D[np.ix_(left_out, kept)]),
                sample_error(D, embedding),
            ],
            "MDS": [*embedding_scores(D, mds.fit_transform(D)), None, None],
            "classical": [*embedding_scores(D, classical.fit_transform(D)), None, None],
        }
    )
    draw_graph(graph, embedding)
    return embedding


def draw_graph(graph, embedding, n_named=14):
    """The graph at its embedding, coloured by community, over fresh samples."""
    communities = nx.community.greedy_modularity_communities(graph)
    labels = np.empty(len(graph), dtype=int)
    for number, members in enumerate(communities):
        labels[list(members)] = number
    degree = np.array([d for _, d in graph.degree()])
    figure, ax = plt.subplots(figsize=(9, 7), layout="constrained")
    display = EmbeddingDisplay.from_estimator(
        embedding,
        y=labels,
        graph=graph,
        n_samples=2000,
        random_state=0,
        ax=ax,
        scatter_kw={"s": 20 + 6 * degree},
    )
    display.legend_.set_title("community")
    for node in np.argsort(-degree)[:n_named]:
        ax.annotate(
            graph.nodes[node]["label"],
            embedding.embedding_[node],
            xytext=(7, 5),
            textcoords="offset points",
            fontsize=9,
            zorder=3,
        )
    ax.set_title("Les Misérables: distances in the plane follow those in the graph")
    save(figure, "les_miserables.png")


# ------------------------------------------------------------------------------- scores and curves


def embedding_scores(D, Z):
    """How well points keep neighbours, order and size of the distances D."""
    return [
        trustworthiness(D, Z, n_neighbors=10, metric="precomputed"),
        distance_rank_correlation(D, Z),
        -relative_distortion(D, pairwise_distances(Z)),
    ]


def sample_error(D, embedding):
    """How far the distances of fresh samples are from being distributed like D."""
    return distance_distribution_error(D, pairwise_distances(embedding.sample(1000, random_state=1)))


def print_scores(columns):
    """One line per score, one column per method; a dash where a method has no answer."""
    rows = {
        "trustworthiness, 10 neighbours": "1 is perfect",
        "rank correlation of distances": "1",
        "score on the rows of the fit": "0",
        "score on held-out rows": "0",
        "distance distribution of samples": "0",
    }
    print(f"{'':34}" + "".join(f"{name:>11}" for name in columns))
    for i, (name, best) in enumerate(rows.items()):
        cells = ("-" if values[i] is None else f"{values[i]:.3f}" for values in columns.values())
        print(f"  {name:32}" + "".join(f"{cell:>11}" for cell in cells) + f"   {best}")


def draw_losses(embeddings):
    """The normalised discrepancy of each mini-batch, and its running mean."""
    figure, ax = plt.subplots(figsize=(5.5, 3.2), layout="constrained")
    for (name, embedding), color in zip(embeddings.items(), ("#3f90da", "#bd1f01"), strict=True):
        loss = np.array(embedding.loss_curve_)
        ax.plot(loss, color=color, alpha=0.25, linewidth=0.7)
        smooth = np.convolve(loss, np.ones(25) / 25, mode="valid")
        ax.plot(np.arange(len(smooth)) + 12, smooth, color=color, label=name)
    ax.set(yscale="log", xlabel="update of the generator", ylabel="normalised GW discrepancy")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    save(figure, "losses.png")


def save(figure, name):
    """Write a figure and say where."""
    FIGURES.mkdir(exist_ok=True)
    figure.savefig(FIGURES / name, dpi=130)
    plt.close(figure)
    print(f"  wrote {FIGURES / name}")


def main():
    """Run both tours."""
    start = time.perf_counter()
    embeddings = {"digits": digits_tour(), "Les Misérables": graph_tour()}
    draw_losses(embeddings)
    print(f"\nDone in {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
