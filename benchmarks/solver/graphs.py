"""Classification of graphs by Gromov-Wasserstein distances, beside graph kernels.

    python -m benchmarks.solver.graphs --data MUTAG.npz

The file holds labelled graphs: `n_nodes` and `label` of each graph, `node_tag` of each node, and
`edges`, rows of a graph and two of its nodes. All methods share the nested cross-validation: ten
folds, stratified and drawn by the seed; the parameters of the method and C of a support vector
machine are chosen by five folds inside the training folds. Times are processor times of all pairs,
once for all seeds.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse.csgraph import shortest_path
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from benchmarks.common import Figures, parser, run, seeds
from benchmarks.tables import summary
from skgw.metrics import pairwise_gromov

ALPHAS = (0.2, 0.5, 0.8)  # weights of the structure in fused problems
RATES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # of exp(-rate D / mean D)
ITERATIONS = range(6)  # of the Weisfeiler-Lehman refinement
COSTS = tuple(10.0**k for k in range(-1, 4))  # C of the support vector machine


class Graphs(NamedTuple):
    adjacency: list[np.ndarray]  # (n_k, n_k)
    tags: list[np.ndarray]  # (n_k,)
    classes: np.ndarray


Kernels = dict[str, np.ndarray]  # Gram matrices, by the parameter that is searched


@functools.lru_cache
def read(path: Path) -> Graphs:
    with np.load(path) as file:
        sizes, edges, tags = file["n_nodes"], file["edges"], file["node_tag"]
        classes = file["label"]
    adjacency = [np.zeros((n, n)) for n in sizes]
    for graph, i, j in edges:
        adjacency[graph][i, j] = adjacency[graph][j, i] = 1
    return Graphs(adjacency, np.split(tags, np.cumsum(sizes)[:-1]), classes)


# ------------------------------------------------------------------------------------- distances


def paths(graphs: Graphs) -> list[np.ndarray]:
    """Numbers of edges of shortest paths, over their mean; one more than the longest if none."""
    found = [shortest_path(A, unweighted=True) for A in graphs.adjacency]
    found = [np.where(np.isinf(D), D[np.isfinite(D)].max() + 1, D) for D in found]
    mean = np.mean([D.mean() for D in found])
    return [D / mean for D in found]


def indicators(graphs: Graphs) -> list[np.ndarray]:
    """Labels as features, at squared distance 1."""
    values = np.unique(np.concatenate(graphs.tags))
    return [(tags[:, None] == values) / np.sqrt(2) for tags in graphs.tags]


def of_distances(name: str, squares: np.ndarray) -> Kernels:
    return {f"{name}, {rate}": np.exp(-rate * squares / squares.mean()) for rate in RATES}


def gromov_paths(graphs: Graphs) -> Kernels:
    return of_distances("", pairwise_gromov(paths(graphs), squared=True))


def fused_paths(graphs: Graphs) -> Kernels:
    kernels: Kernels = {}
    for alpha in ALPHAS:
        squares = pairwise_gromov(
            paths(graphs), features_a=indicators(graphs), alpha=alpha, squared=True
        )
        kernels |= of_distances(str(alpha), squares)
    return kernels


# --------------------------------------------------------------------------------------- kernels


def gram(counts: list[Counter[Hashable]]) -> np.ndarray:
    """Inner products of histograms, normalised."""
    places: dict[Hashable, int] = {}
    for key in itertools.chain.from_iterable(counts):
        places.setdefault(key, len(places))
    rows = np.zeros((len(counts), len(places)))
    for row, count in zip(rows, counts, strict=True):
        row[[places[key] for key in count]] = list(count.values())
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows @ rows.T


def node_labels(graphs: Graphs) -> Kernels:
    return {"": gram([Counter(tags.tolist()) for tags in graphs.tags])}


def refined(graphs: Graphs) -> Kernels:
    """Weisfeiler-Lehman subtree kernel: histograms of the labels of all refinements so far."""
    labels: list[list[Hashable]] = [tags.tolist() for tags in graphs.tags]
    near = [[np.flatnonzero(row) for row in A] for A in graphs.adjacency]
    counts: list[Counter[Hashable]] = [Counter() for _ in labels]
    kernels: Kernels = {}
    names: dict[Hashable, int] = {}
    for step in ITERATIONS:
        for count, values in zip(counts, labels, strict=True):
            count.update((step, value) for value in values)
        kernels[str(step)] = gram(counts)
        labels = [
            [
                names.setdefault((step, own, tuple(sorted(str(values[j]) for j in js))), len(names))
                for own, js in zip(values, neighbours, strict=True)
            ]
            for values, neighbours in zip(labels, near, strict=True)
        ]
    return kernels


def labelled_paths(graphs: Graphs) -> Kernels:
    """Shortest-path kernel: histograms of the labels of both ends and the length."""

    def triples(D: np.ndarray, tags: np.ndarray) -> Iterable[Hashable]:
        for i, j in itertools.combinations(range(len(D)), 2):
            low, high = sorted((int(tags[i]), int(tags[j])))
            yield low, high, float(D[i, j])

    lengths = (shortest_path(A, unweighted=True) for A in graphs.adjacency)
    pairs = zip(lengths, graphs.tags, strict=True)
    return {"": gram([Counter(triples(D, tags)) for D, tags in pairs])}


METHODS: dict[str, Callable[[Graphs], Kernels]] = {
    "histogram of labels": node_labels,
    "shortest-path kernel": labelled_paths,
    "Weisfeiler-Lehman subtree kernel": refined,
    "GW, shortest paths": gromov_paths,
    "fused GW, shortest paths and labels": fused_paths,
}

TABLES = {
    "graphs": summary(
        {"method": "method"},
        {"accuracy, %": ("accuracy", 1), "training folds, %": ("chosen", 1), "s": ("s", 1)},
    )
}


@functools.lru_cache
def kernels_of(method: str, path: Path) -> tuple[Kernels, float]:
    start = time.process_time()
    kernels = METHODS[method](read(path))
    return kernels, time.process_time() - start


def accuracy(K: np.ndarray, y: np.ndarray, cost: float, train: np.ndarray, test: np.ndarray) -> int:
    model = SVC(C=cost, kernel="precomputed").fit(K[np.ix_(train, train)], y[train])
    return int((model.predict(K[np.ix_(test, train)]) == y[test]).sum())


def measure(data: Path, method: str, seed: int) -> Figures:
    y = read(data).classes
    kernels, seconds = kernels_of(method, data)
    right, chosen = 0, []
    outer = StratifiedKFold(10, shuffle=True, random_state=seed)
    for train, test in outer.split(y, y):
        inner = StratifiedKFold(5, shuffle=True, random_state=seed)
        folds = [(train[i], train[j]) for i, j in inner.split(train, y[train])]
        scores = {
            (name, cost): sum(accuracy(K, y, cost, *fold) for fold in folds) / len(train)
            for name, K in kernels.items()
            for cost in COSTS
        }
        name, cost = max(scores, key=scores.__getitem__)
        chosen.append(scores[name, cost])
        right += accuracy(kernels[name], y, cost, train, test)
    return {"accuracy": 100 * right / len(y), "chosen": 100 * float(np.mean(chosen)), "s": seconds}


def main() -> None:
    options = parser(__doc__, "graphs", TABLES)
    options.set_defaults(threads=1, seeds=5)
    options.add_argument("--data", type=Path, required=True, help="MUTAG.npz")
    args = options.parse_args()
    cells = [{"method": method, "seed": seed} for seed in seeds(args) for method in METHODS]
    run(cells, functools.partial(measure, args.data), args)


if __name__ == "__main__":
    main()
