"""Domains that are known by distances or as a graph: what is lost beside features.

"graph" matches the nodes of a graph with the points that it came from, in another order. The graph
joins a point with its 10 nearest neighbours; its edges have the lengths of the steps, or the length
1 ("hops"). "plane" are points of a skewed cloud in the plane, matched by Euclidean distances; the
points of "roll" lie on a swiss roll that is denser at one corner, and are matched by shortest
paths. FOSCTTM is of translated points, and of translated distances on the way back. "landmark
distances as features" is the way that was not taken: the encoder reads distances to landmarks.

"images" are MNIST against other images of MNIST, inverted and with pixels in another order. With
"distances" the first domain is the matrix of distances between its images, with "features" the
images. A label is kept by `translate` if a classifier of the second domain recognises it; on the
way back, where translations may be distances, if the nearest training row has it.

"landmarks" are coordinates from distances to landmarks alone: the relative distortion of distances
between points that are no landmarks. `--data` is a folder with mnist/mnist.npz and
meshes/elephant_poses.npz.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import kneighbors_graph

from benchmarks.common import Cell, Figures, parser, print_figures, run, seeds, summary
from benchmarks.translation.images import Images, Judge, flat, unpaired
from benchmarks.translation.sets import mesh
from skgw import GWCoTrainedAutoencoders, GWMatcher
from skgw.metrics import foscttm, relative_distortion
from skgw.registration.landmark_scaling import LandmarkScaling
from skgw.spaces import graph_distances

Array = NDArray[Any]
N_NEIGHBORS = 10  # edges of a node
CO_TRAINED, MATCHER, CHANCE = "co-trained", "GWMatcher", "chance"
RAW = "landmark distances as features"
GRAPH_METHODS = CO_TRAINED, MATCHER, CHANCE, RAW
IMAGE_METHODS = "distances", "features", "GWMatcher, distances", "GWMatcher, features"
GRAPH = {
    "right": ("right", 3),
    "distance of the match": ("distance", 3),
    "FOSCTTM": ("foscttm", 3),
    "margin": ("margin", 2),
    "s": ("seconds", 0),
}
IMAGES = {
    "translate": ("translated", 3),
    "translate, back": ("back", 3),
    "match": ("match", 3),
    "match, training rows": ("match_training", 3),
    "margin": ("margin", 2),
    "s": ("seconds", 0),
}
TABLES = {
    "graphs": summary(
        {"graph": "graph", "method": "method"},
        {
            "right match": ("right", 3),
            "distance of the match": ("distance", 3),
            "FOSCTTM": ("foscttm", 3),
        },
        where=lambda cell: "graph" in cell and cell["graph"] is not None,
    ),
    "image_distances": summary(
        {"first domain, method": "input"},
        {
            "labels kept by translate": ("translated", 3),
            "by translate, back": ("back", 3),
            "by match, new rows": ("match", 3),
            "by match, training rows": ("match_training", 3),
        },
        where=lambda cell: cell.get("input") is not None,
    ),
    "landmarks": summary(
        {"distances": "distances", "landmarks": "n_landmarks", "chosen": "choice"},
        {"relative distortion": ("distortion", 3), "dimensions": ("dimensions", 0)},
        where=lambda cell: cell.get("n_landmarks") is not None,
    ),
}


class Nodes(NamedTuple):
    """A graph, the points that it came from in another order, and the truth."""

    graph: sparse.csr_array
    points: Array
    partners: Array  # position of each node among the points
    metric: str  # of the points


def plane(rng: np.random.Generator, n: int) -> Array:
    """A skewed cloud in the plane."""
    return rng.gamma(1.5, size=(n, 2)) * [2, 1]


def roll(rng: np.random.Generator, n: int) -> Array:
    """A swiss roll that is denser at one corner."""
    angle, height = 1.5 * np.pi * (1 + 2 * rng.beta(1, 1.3, n)), 12 * rng.beta(1, 1.6, n)
    return np.stack([angle * np.cos(angle), height, angle * np.sin(angle)], 1)


SHAPES: dict[str, tuple[Callable[[np.random.Generator, int], Array], str, str]] = {
    "plane": (plane, "distance", "euclidean"),
    "plane, hops": (plane, "connectivity", "euclidean"),
    "roll": (roll, "distance", "geodesic"),
}


def nodes(name: str, n: int, seed: int) -> Nodes:
    shape, mode, metric = SHAPES[name]
    rng = np.random.default_rng(seed)
    points, order = shape(rng, n), rng.permutation(n)
    edges = kneighbors_graph(points, N_NEIGHBORS, mode=mode)
    return Nodes(edges.maximum(edges.T), points[order], np.argsort(order), metric)


def measure_graph(graph: str, method: str, n: int, seed: int) -> Figures:
    task = nodes(graph, n, seed)
    X, Y = task.graph, task.points
    D = graph_distances(X, edge_length="weight")
    if method == CHANCE:
        match = np.random.default_rng(seed).permutation(n)
        forth, back, figures = Y[match], D[np.argsort(match)], {}
    else:
        metrics: Any = ("precomputed", task.metric)
        if method == RAW:
            landmarks = np.random.default_rng(seed).permutation(n)[:256]
            X, metrics = D[:, landmarks], ("euclidean", task.metric)
        settings = {"metric": metrics, "edge_length": "weight", "random_state": seed}
        kind = GWMatcher if method == MATCHER else GWCoTrainedAutoencoders
        start = time.perf_counter()
        model = kind(n_neighbors=N_NEIGHBORS, **settings).fit(X, Y)
        figures = {"seconds": time.perf_counter() - start, "margin": model.margin_}
        match, forth = model.match(), model.translate(X)
        back = model.translate(Y, domain="y")
    true = D if method != RAW else X
    inverse = np.argsort(task.partners)
    between = D[inverse[match], np.arange(n)]
    ways = foscttm(forth, Y[task.partners]), foscttm(back, true[inverse])
    return {
        "right": float(np.mean(match == task.partners)),
        "distance": float(between.mean() / D.mean()),
        "foscttm": float(np.mean(ways)),
        **figures,
    }


def measure_images(input: str, n: int, seed: int, folder: Path) -> Figures:
    one, other = unpaired(folder, "inverted", n, seed)
    pixels = np.random.default_rng(0).permutation(other.rows.shape[1])
    other = other._replace(rows=other.rows[:, pixels], test_rows=other.test_rows[:, pixels])
    of_distances = input.endswith("distances")
    X, new = one.rows, one.test_rows
    if of_distances:
        X, new = pairwise_distances(X), pairwise_distances(new, X)
    metrics = ("precomputed" if of_distances else "euclidean", "euclidean")
    kind = GWMatcher if input.startswith(MATCHER) else GWCoTrainedAutoencoders
    start = time.perf_counter()
    model = kind(metric=metrics, random_state=seed).fit(X, other.rows)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "margin": model.margin_, **kept(model, new, one, other)}


def kept(model: Any, new: Array, one: Images, other: Images) -> Figures:
    """Shares of labels kept, of new rows and of training rows."""
    back = model.translate(other.test_rows, domain="y")
    if back.shape[1] == one.rows.shape[1]:
        back = pairwise_distances(back, one.rows)
    return {
        "translated": Judge(other).accuracy(model.translate(new), one.test_labels),
        "back": float(np.mean(one.labels[back.argmin(1)] == other.test_labels)),
        "match": float(np.mean(other.labels[model.match(new)] == one.test_labels)),
        "match_training": float(np.mean(other.labels[model.match()] == one.labels)),
    }


def measured_distances(name: str, n: int, seed: int, folder: Path) -> Array:
    rng = np.random.default_rng(seed)
    if name == "digits":
        images, _ = load_digits(return_X_y=True)
        return pairwise_distances(images[rng.permutation(len(images))[:n]])
    if name == "roll, graph":
        return graph_distances(nodes("roll", n, seed).graph, edge_length="weight")
    if name == "elephant, paths":
        return mesh(0, 3)(folder, seed).X
    with np.load(folder / "mnist" / "mnist.npz") as file:
        images = flat(file["X_train"][rng.permutation(len(file["X_train"]))[:n]])
    return pairwise_distances(images, metric="cityblock" if "cityblock" in name else "euclidean")


DISTANCES = "digits", "MNIST", "MNIST, cityblock", "roll, graph", "elephant, paths"


def measure_landmarks(
    distances: str, n_landmarks: int, choice: str, n: int, seed: int, folder: Path
) -> Figures:
    D = measured_distances(distances, n, seed, folder)
    rng = np.random.default_rng(seed)
    if choice == "random":
        landmarks = rng.permutation(len(D))[:n_landmarks]
    else:
        landmarks = farthest(D, n_landmarks, rng)
    scaling = LandmarkScaling.of(D[:, landmarks], landmarks)
    rest = np.setdiff1d(np.arange(len(D)), landmarks)
    points = scaling.transform(D[np.ix_(rest, landmarks)])
    distortion = relative_distortion(D[np.ix_(rest, rest)], pairwise_distances(points))
    return {"distortion": distortion, "dimensions": scaling.axes.shape[1]}


def farthest(D: Array, n: int, rng: np.random.Generator) -> Array:
    """A random point, and then the point that is farthest from those chosen, again and again."""
    chosen = [int(rng.integers(len(D)))]
    near = D[chosen[0]].copy()
    while len(chosen) < n:
        chosen.append(int(near.argmax()))
        near = np.minimum(near, D[chosen[-1]])
    return np.array(chosen)


def main() -> None:
    options = parser(__doc__ or "", "distances", TABLES)
    options.add_argument("experiment", choices=("graph", "images", "landmarks"))
    options.add_argument("--data", type=Path, help="folder with the data of images and landmarks")
    options.add_argument("--n", type=int, help="nodes (500), images (2000), points (1000)")
    options.add_argument("--graphs", nargs="+", choices=SHAPES, default=[*SHAPES])
    options.add_argument("--methods", nargs="+", choices=GRAPH_METHODS, default=GRAPH_METHODS[:3])
    options.add_argument("--inputs", nargs="+", choices=IMAGE_METHODS, default=IMAGE_METHODS)
    args = options.parse_args()
    if args.experiment != "graph" and (args.data is None or not args.data.is_dir()):
        print(f"{args.experiment} needs --data FOLDER: skipped.", file=sys.stderr)
        return
    if args.experiment == "graph":
        cells: list[Cell] = [
            {"graph": graph, "method": method, "n": args.n or 500, "seed": seed}
            for graph in args.graphs for method in args.methods for seed in seeds(args)
        ]  # fmt: skip
        print_figures(run(cells, measure_graph, args), ["graph", "method", "n"], GRAPH)
    elif args.experiment == "images":
        cells = [
            {"input": name, "n": args.n or 2000, "seed": seed}
            for name in args.inputs for seed in seeds(args)
        ]  # fmt: skip
        measure = functools.partial(measure_images, folder=args.data)
        print_figures(run(cells, measure, args), ["input", "n"], IMAGES)
    else:
        cells = [
            {"distances": name, "n_landmarks": r, "choice": choice, "n": args.n or 1000,
             "seed": seed}
            for name in DISTANCES for r in (64, 256, 512)
            for choice in ("random", "farthest") for seed in seeds(args)
        ]  # fmt: skip
        measure = functools.partial(measure_landmarks, folder=args.data)
        columns = {"distortion": ("distortion", 3), "dimensions": ("dimensions", 0)}
        print_figures(run(cells, measure, args), ["distances", "n_landmarks", "choice"], columns)


if __name__ == "__main__":
    main()
