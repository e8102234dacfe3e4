"""Tour of skgw: embed, match, translate, generate and solve, with scores and figures.

Run ``make demo`` or ``python examples/demo.py``, which takes two minutes on two cores. The script
writes its figures to the folder ``figures`` of the working directory; ``tour.png`` shows all.
"""

import os
import time
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import torch
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patheffects import withStroke
from scipy.optimize import linear_sum_assignment
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import MDS, ClassicalMDS
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import train_test_split

from skgw import GWGenerativeEmbedding, GWMatcher, OTAutoencoder
from skgw.datasets import load_graph, make_views
from skgw.metrics import (
    distance_distribution_error,
    distance_rank_correlation,
    relative_distortion,
    trustworthiness,
)
from skgw.plotting import EmbeddingDisplay
from skgw.solvers import gw_barycenter, solve_gromov
from skgw.spaces import graph_distances

FIGURES = Path("figures")
torch.set_num_threads(1)  # the matrices are too small to gain from a second thread


# ------------------------------------------------------------------------------------------ digits


def digits_tour():
    """Embed digits with 64 pixels in the plane, and decode samples of the plane to digits."""
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=360, stratify=y, random_state=0
    )
    print(f"Handwritten digits: {len(X_train)} to fit, {len(X_test)} held out, 64 pixels to 2-D")
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
    """Score of `GWGenerativeEmbedding` for any transformer."""
    D = pairwise_distances(X_test, X_train)
    Dz = pairwise_distances(transformer.transform(X_test), transformer.transform(X_train))
    return -relative_distortion(D, Dz)


def draw_digits(embedding, y_train, X_test, y_test):
    """Draw training rows over samples on the left, and embedded held-out digits on the right."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(14, 6), width_ratios=(1.08, 1), layout="constrained"
    )
    display = EmbeddingDisplay.from_estimator(
        embedding, y=y_train, n_samples=3000, random_state=0, ax=left,
        scatter_kw={"s": 11}, samples_kw={"alpha": 0.3},
    )  # fmt: skip
    left.set_title(f"{len(y_train)} digits over samples")

    right.scatter(*display.samples.T, s=6, color="0.88", linewidth=0)
    Z = embedding.transform(X_test)
    shown = spaced(Z, 0.032 * np.ptp(display.samples))
    colors = {digit: display.points_.get_facecolors()[y_train == digit][0] for digit in range(10)}
    for i in shown:
        image = tinted(X_test[i], colors[y_test[i]])
        right.add_artist(AnnotationBbox(image, Z[i], frameon=False))
    right.set_title(f"{len(shown)} held-out digits, embedded by transform")
    right.set(xlim=left.get_xlim(), ylim=left.get_ylim(), aspect="equal", xticks=[], yticks=[])
    right.set_frame_on(False)
    save(figure, "digits_embedding.png")


def spaced(Z, gap):
    """Select rows of `Z` in order, each at least `gap` from the rows selected before."""
    chosen = []
    for i, z in enumerate(Z):
        if not chosen or np.linalg.norm(Z[chosen] - z, axis=1).min() > gap:
            chosen.append(i)
    return chosen


def tinted(image, color):
    """Image of a digit in one colour, with transparent background."""
    rgba = np.tile(color, (8, 8, 1))
    rgba[..., 3] = image.reshape(8, 8) / 16
    return OffsetImage(rgba, zoom=2.1, interpolation="bilinear")


def draw_decoded(embedding, n_rows=12, n_columns=20):
    """Draw decoded samples on a grid in the order of their positions in the plane."""
    Z = embedding.sample(n_rows * n_columns, random_state=1)
    images = embedding.inverse_transform(Z).reshape(-1, 8, 8)
    images = np.pad(images[grid_order(Z, n_rows, n_columns)], ((0, 0), (2, 2), (2, 2)))
    sheet = images.reshape(n_rows, n_columns, 12, 12).swapaxes(1, 2)
    figure, ax = plt.subplots(figsize=(10, 6.4), layout="constrained")
    ax.imshow(sheet.reshape(n_rows * 12, n_columns * 12), cmap="gray_r", interpolation="bilinear")
    ax.set_title(f"{len(Z)} samples, decoded by inverse_transform, in the order of the plane")
    ax.set_axis_off()
    save(figure, "digits_decoded.png")


def grid_order(Z, n_rows, n_columns):
    """Assign points to the cells of a grid, with the smallest sum of squared distances."""
    ranks = Z.argsort(0).argsort(0) / len(Z)  # uniform on both axes of the unit square
    column, row = np.meshgrid(np.arange(n_columns) / n_columns, np.arange(n_rows)[::-1] / n_rows)
    cells = np.column_stack([column.ravel(), row.ravel()])
    return linear_sum_assignment(pairwise_distances(cells, ranks, metric="sqeuclidean"))[1]


# ------------------------------------------------------------------------------------------- graph


def graph_tour():
    """Embed a graph, which has no coordinates."""
    graph = load_graph("les_miserables")
    D = graph_distances(graph, edge_length="hops")
    print(f"\nLes Misérables: graph of {len(D)} characters, shortest paths to 2-D")
    start = time.perf_counter()
    embedding = GWGenerativeEmbedding(metric="precomputed", edge_length="hops", random_state=0)
    embedding.fit(graph)
    print(f"  fitted in {time.perf_counter() - start:.0f} s, {embedding.n_iter_} updates")

    train, test = train_test_split(np.arange(len(D)), test_size=0.2, random_state=0)
    part = GWGenerativeEmbedding(metric="precomputed", random_state=0, max_iter=300)
    part.fit(D[np.ix_(train, train)])
    print(f"  fitted again without {len(test)} held-out nodes\n")
    mds = MDS(metric="precomputed", n_init=1, init="classical_mds", random_state=0)
    classical = ClassicalMDS(metric="precomputed")
    print_scores(
        {
            "skgw": [
                *embedding_scores(D, embedding.embedding_),
                part.score(D[np.ix_(test, train)]),
                sample_error(D, embedding),
            ],
            "MDS": [*embedding_scores(D, mds.fit_transform(D)), None, None],
            "classical": [*embedding_scores(D, classical.fit_transform(D)), None, None],
        }
    )
    draw_graph(graph, embedding)
    return embedding


def draw_graph(graph, embedding):
    """Draw the embedded graph, coloured by community, over samples."""
    communities = nx.community.greedy_modularity_communities(graph)
    labels = np.empty(len(graph), dtype=int)
    for number, members in enumerate(communities, start=1):
        labels[list(members)] = number
    degree = np.array([d for _, d in graph.degree()])
    figure, ax = plt.subplots(figsize=(9, 7.2), layout="constrained")
    display = EmbeddingDisplay.from_estimator(
        embedding, y=labels, graph=graph, n_samples=2000, random_state=0, ax=ax,
        scatter_kw={"s": 20 + 6 * degree}, samples_kw={"alpha": 0.35},
    )  # fmt: skip
    display.legend_.set_title("community")
    Z, by_degree = embedding.embedding_, np.argsort(-degree, kind="stable")
    label_space = Z[by_degree] * [0.45, 1]  # names are wider than high
    for node in by_degree[spaced(label_space, 0.3)]:
        ax.annotate(
            graph.nodes[node]["label"], Z[node], xytext=(6, 5), textcoords="offset points",
            fontsize=8.5, zorder=3, path_effects=[withStroke(linewidth=2, foreground="white")],
        )  # fmt: skip
    ax.set_title("Les Misérables: embedding of the shortest-path distances")
    save(figure, "les_miserables.png")


# ------------------------------------------------------------------- matching and translation


def matching_tour():
    """Match digits with other digits, turned by 90 degrees, and translate new ones."""
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    here, there, new = order[:800], order[800:1600], order[1600:]
    turned = np.rot90(X.reshape(-1, 8, 8), axes=(1, 2)).reshape(len(X), 64)
    print("\nMatching: 800 digits with 800 other digits, which are turned by 90 degrees")
    start = time.perf_counter()
    matcher = GWMatcher(random_state=0).fit(X[here], turned[there])
    print(f"  fitted in {time.perf_counter() - start:.0f} s")
    print(f"  right with a probability of {matcher.matching_probability_:.2f}")
    same = (y[there][matcher.match()] == y[here]).mean()
    print(f"  {same:.0%} of the digits are matched with the same digit")
    draw_translated(X[new], matcher.translate(X[new]))


def draw_translated(X, translated, n=14):
    """Draw new digits, and below them their translations."""
    figure, axes = plt.subplots(2, n, figsize=(10, 1.9), layout="constrained")
    for row, images in zip(axes, (X, translated), strict=True):
        for ax, image in zip(row, images, strict=False):
            ax.imshow(image.reshape(8, 8), cmap="gray_r", interpolation="bilinear")
            ax.set_axis_off()
    figure.suptitle("new digits, and their translations to the turned domain")
    save(figure, "translations.png")


# ------------------------------------------------------------------------------------- generation


def generation_tour():
    """Generate digits from 16 principal components, by optimal transport of normal noise."""
    X = load_digits().data
    print("\nGeneration: new digits by optimal transport (AE-OT) on 16 principal components")
    start = time.perf_counter()
    model = OTAutoencoder(PCA(16), random_state=0).fit(X)
    print(f"  fitted in {time.perf_counter() - start:.0f} s")
    images = np.pad(
        model.sample(120, random_state=0).reshape(6, 20, 8, 8), ((0, 0),) * 2 + ((1, 1),) * 2
    )
    figure, ax = plt.subplots(figsize=(10, 3.3), layout="constrained")
    ax.imshow(np.block([list(row) for row in images]), cmap="gray_r", vmin=0, vmax=16)
    ax.set_title("120 new digits")
    ax.set_axis_off()
    save(figure, "generated_digits.png")


# ----------------------------------------------------------------------------------------- solver


def solver_tour():
    """Solve one problem between point clouds, and interpolate between two shapes."""
    views = make_views(400, kind="clusters", noise=0.05, random_state=0)
    C, D = pairwise_distances(views.X), pairwise_distances(views.Y)
    widths = " and ".join(f"{Z.shape[1]}-D" for Z in (views.X, views.Y))
    print(f"\nSolver: {len(C)} points in two spaces, {widths}")
    start = time.perf_counter()
    result = solve_gromov(C, D, reg=5e-3, n_init=4, random_state=0)
    right = (np.asarray(result.plan).argmax(1) == views.matches).mean()
    print(f"  solved in {time.perf_counter() - start:.1f} s; {right:.0%} of the points are right")

    angle = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    bar = np.column_stack([2.4 * np.cos(angle), 0.6 * np.sin(angle)])
    radius = 1 / 0.6 - bar[:, 1]
    bow = np.column_stack([radius * np.sin(0.6 * bar[:, 0]), radius * np.cos(0.6 * bar[:, 0])])
    ends = [pairwise_distances(points) for points in (bar, bow)]
    figure, axes = plt.subplots(1, 5, figsize=(10, 2.2), layout="constrained", sharey=True)
    for ax, t in zip(axes, (0, 0.25, 0.5, 0.75, 1), strict=True):
        between = gw_barycenter(ends, [1 - t, t], structure=ends[0]).structure
        Z = ClassicalMDS(n_components=2, metric="precomputed").fit_transform(between)
        ax.scatter(*Z.T, c=bar[:, 0], s=9, cmap="cividis")
        ax.set(title=f"{t:g}", aspect="equal", xticks=[], yticks=[])
    figure.suptitle("Gromov-Wasserstein barycenters of two shapes, by the weight of the second")
    save(figure, "barycenters.png")


# ------------------------------------------------------------------------------- scores and curves


def embedding_scores(D, Z):
    """Agreement of points with distances D: neighbours, ranks, distribution and distortion."""
    Dz = pairwise_distances(Z)
    return [
        trustworthiness(D, Z, n_neighbors=10, metric="precomputed"),
        distance_rank_correlation(D, Z),
        distance_distribution_error(D, Dz),
        -relative_distortion(D, Dz),
    ]


def sample_error(D, embedding):
    """Error of the distribution of the distances between samples, relative to D."""
    Z = embedding.sample(1000, random_state=1)
    return distance_distribution_error(D, pairwise_distances(Z))


def print_scores(columns):
    """Print a row per score and a column per method, with a dash for a missing score."""
    rows = {
        "trustworthiness, 10 neighbours": 1,
        "rank correlation of distances": 1,
        "distribution of distances": 0,
        "score on training rows": 0,
        "score on held-out rows": 0,
        "distribution for samples": 0,
    }
    print(f"{'':34}" + "".join(f"{name:>11}" for name in columns) + "   perfect")
    for i, (name, best) in enumerate(rows.items()):
        cells = ("-" if values[i] is None else f"{values[i]:.3f}" for values in columns.values())
        print(f"  {name:32}" + "".join(f"{cell:>11}" for cell in cells) + f"{best:>10}")


def draw_losses(embeddings):
    """Draw the normalised discrepancy of each mini-batch and its running mean."""
    figure, ax = plt.subplots(figsize=(5.5, 3.2), layout="constrained")
    for (name, embedding), color in zip(embeddings.items(), ("#3f90da", "#bd1f01"), strict=True):
        loss = np.array(embedding.loss_curve_)
        ax.plot(loss, color=color, alpha=0.25, linewidth=0.7)
        smooth = np.convolve(loss, np.ones(25) / 25, mode="valid")
        ax.plot(np.arange(len(smooth)) + 12, smooth, color=color, label=name)
    ax.set(ylim=(0, None), xlabel="update of the generator", ylabel="normalised GW discrepancy")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    save(figure, "losses.png")


def draw_tour():
    """Draw all figures on one sheet."""
    rows = (
        ("digits_embedding.png", "les_miserables.png"),
        ("digits_decoded.png", "generated_digits.png"),
        ("translations.png", "barycenters.png"),
    )
    figure, axes = plt.subplots(
        3, 2, figsize=(15, 12), height_ratios=(1.5, 1.4, 0.55), layout="constrained"
    )
    for ax, name in zip(axes.flat, np.ravel(rows), strict=True):
        ax.imshow(plt.imread(FIGURES / name))
        ax.set_axis_off()
    save(figure, "tour.png")


def save(figure, name):
    """Write a figure and print its path."""
    FIGURES.mkdir(exist_ok=True)
    figure.savefig(FIGURES / name, dpi=130)
    plt.close(figure)
    print(f"  wrote {FIGURES / name}")


def main():
    """Run all tours."""
    start = time.perf_counter()
    embeddings = {"digits": digits_tour(), "Les Misérables": graph_tour()}
    draw_losses(embeddings)
    matching_tour()
    generation_tour()
    solver_tour()
    draw_tour()
    print(f"\nDone in {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
