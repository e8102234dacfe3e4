"""Pictures of the front page and of README.md.

``python docs/cards.py`` writes them to ``docs/_static/cards``; names of pictures may follow. The
background is transparent and the colours are of middle brightness, so that the pictures can be read
on light and on dark pages.
"""

import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import torch
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from sklearn.datasets import load_digits
from sklearn.metrics import pairwise_distances

from skgw import GWCoTrainedAutoencoders, GWGenerativeEmbedding, GWMatcher, OTAutoencoder
from skgw.autoencoders import VariationalAutoencoder
from skgw.datasets import load_graph
from skgw.solvers import solve_gromov

FOLDER = Path(__file__).parent / "_static" / "cards"
SIZE = (4.0, 3.0)  # inches
DPI = 160  # 640 x 480 pixels
COLORS = ListedColormap(plt.get_cmap("viridis")(np.linspace(0.15, 0.92, 256)))
GREY = "0.55"


def new_card(columns=1, rows=1, **options):
    """A figure without a background, and its axes without frames."""
    figure, axes = plt.subplots(
        rows, columns, figsize=SIZE, squeeze=False, layout="constrained", **options
    )
    for ax in axes.flat:
        ax.axis("off")
    return figure, axes


def write(figure, name):
    """Write and close a figure."""
    FOLDER.mkdir(exist_ok=True, parents=True)
    figure.savefig(FOLDER / f"{name}.png", dpi=DPI, transparent=True)
    plt.close(figure)
    print(name, flush=True)


def sheet(images, columns, name, cmap="gray_r"):
    """Write images of digits (n, 8, 8), side by side."""
    figure, axes = new_card(columns, len(images) // columns)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for ax, image in zip(axes.flat, images, strict=True):
        ax.imshow(image, cmap=cmap, vmin=0, vmax=16)
    write(figure, name)


def embed():
    """The characters of Les Misérables, and new points between them."""
    graph = load_graph("les_miserables")
    embedding = GWGenerativeEmbedding(
        metric="precomputed", edge_length="hops", max_iter=100, random_state=0
    ).fit(graph)
    Z, new = embedding.embedding_, embedding.sample(600, random_state=0)
    index = {node: i for i, node in enumerate(graph)}
    groups = nx.community.greedy_modularity_communities(graph)
    group = [next(k for k, nodes in enumerate(groups) if node in nodes) for node in graph]
    figure, ((ax,),) = new_card()
    ax.scatter(*new.T, s=5, color=GREY, alpha=0.35, linewidths=0)
    lines = [(Z[index[a]], Z[index[b]]) for a, b in graph.edges]
    ax.add_collection(LineCollection(lines, colors=GREY, linewidths=0.5, alpha=0.6))
    ax.scatter(*Z.T, s=38, c=group, cmap=COLORS, zorder=3, linewidths=0)
    ax.set_aspect("equal")
    write(figure, "embed")


def match():
    """A curve in the plane, and the same curve in space, rolled up."""
    rng = np.random.default_rng(0)
    along = np.sort(rng.beta(1.3, 1.8, 240)) * 3 * np.pi
    plane = np.column_stack([along, np.sin(along) * 1.5])
    angle = np.sort(rng.permutation(along)) * 0.9 + 2
    space = np.column_stack([angle * np.cos(angle), angle * np.sin(angle), rng.uniform(0, 2, 240)])
    matcher = GWMatcher(metric="geodesic", n_neighbors=6, n_init=4, random_state=0)
    matches = matcher.fit(plane, space).match()
    left = plane / np.ptp(plane, axis=0) * [1.0, 1.3]
    right = space[:, :2] / np.ptp(space[:, :2], axis=0).max() * 1.5
    right = right - right.mean(0) + left.mean(0) + [2.05, 0]
    figure, ((ax,),) = new_card()
    shown = slice(None, None, 6)
    lines = np.stack([left[shown], right[matches[shown]]], axis=1)
    colors = COLORS(along[shown] / along.max())
    ax.add_collection(LineCollection(lines, colors=colors, linewidths=0.8))
    ax.scatter(*left.T, s=22, c=along, cmap=COLORS, zorder=3, linewidths=0)
    ax.scatter(*right.T, s=22, c=angle, cmap=COLORS, zorder=3, linewidths=0)
    ax.set_aspect("equal")
    write(figure, "match")


def translate():
    """Digits, and their translations into inverted digits with other pixels."""
    X, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    order, pixels = rng.permutation(len(X)), rng.permutation(64)
    first, second = X[order[:800]], (16 - X[order[800:1600]])[:, pixels]
    model = GWCoTrainedAutoencoders(8, random_state=0).fit(first, second)
    rows = [next(i for i in order[1600:] if labels[i] == k) for k in range(5)]
    translated = model.translate(X[rows])
    seen = np.empty_like(translated)
    seen[:, pixels] = translated  # pixels in their places, for the eye
    sheet(np.concatenate([X[rows], translated, seen]).reshape(-1, 8, 8), 5, "translate")


def generate():
    """Digits drawn by optimal transport between noise and codes."""
    X, _ = load_digits(return_X_y=True)
    autoencoder = VariationalAutoencoder(8, beta=0.2, max_iter=1500, random_state=0)
    model = OTAutoencoder(autoencoder, random_state=0).fit(X)
    sheet(model.sample(48, random_state=0).reshape(-1, 8, 8), 8, "generate")


def solve():
    """Two matrices of distances, and the plan between them."""
    rng = np.random.default_rng(0)
    x = np.sort(rng.normal([0.0] * 40 + [4.0] * 30 + [7.0] * 20, 0.6))
    y = np.sort(rng.normal([0.0] * 30 + [4.4] * 26 + [7.0] * 14, 0.5))
    Ca, Cb = pairwise_distances(x[:, None]), pairwise_distances(y[::-1, None])
    plan = solve_gromov(Ca, Cb, reg=5e-3, n_init=4, random_state=0).plan
    figure, axes = plt.subplots(
        2, 2, figsize=SIZE, layout="constrained",
        gridspec_kw={"width_ratios": [90, 70], "height_ratios": [70, 90]},
    )  # fmt: skip
    for ax in axes.flat:
        ax.axis("off")
    axes[0, 1].imshow(Cb, cmap="cividis", aspect="auto")
    axes[1, 0].imshow(Ca, cmap="cividis", aspect="auto")
    axes[1, 1].imshow(plan, cmap="viridis", aspect="auto", vmax=np.quantile(plan, 0.98))
    for ax, text in zip(axes.flat, ["", r"$C^b$", r"$C^a$", r"$T$"], strict=True):
        ax.text(0.06, 0.9, text, transform=ax.transAxes, color="white", size=13, va="top")
    write(figure, "solve")


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    cards = {draw.__name__: draw for draw in (embed, match, translate, generate, solve)}
    for name in sys.argv[1:] or cards:
        cards[name]()
