"""Embeddings in 2 to 32 dimensions beside other methods, samples beside fresh draws, and a search.

Every method is fitted to four fifths of the rows. Distortion, rank correlation and trustworthiness
(5 neighbours) are those of the fitted rows; ours also places the other rows, and draws 2,000
samples, beside which stand 2,000 fitted rows drawn with replacement (rows drawn again).
UMAP, which has no scale, is fitted in at most four dimensions. MDS is the better of a classical and
a random start. Methods without a seed of their own are measured once, MDS and UMAP with one seed.

Mixtures: a nearest neighbour separates samples from fresh draws of the mixture, which `transform`
places, beside two sets of fresh draws. Search: `GridSearchCV` over n_components by `score`.

Targets: distortion at most 1.05 times that of MDS, falling with the dimension, below .0005 where an
exact answer exists; of held-out rows at most 1.1 times that of fitted rows plus .01; error of the
distribution of distances of samples at most that of the rows plus .01; accuracy of the nearest
neighbour at most .05 above that of two fresh draws; the search picks the dimension of the data.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits, load_iris, make_blobs, make_swiss_roll
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from sklearn.manifold import MDS, ClassicalMDS, Isomap
from sklearn.model_selection import GridSearchCV, KFold, train_test_split

from benchmarks.common import (
    Figures,
    Rows,
    Table,
    groups,
    mean,
    parser,
    print_table,
    print_warnings,
    run,
    seeds,
    short,
    summary,
)
from benchmarks.embedding.graphs import GRAPHS
from benchmarks.embedding.methods import N_NEIGHBORS, OURS, rank_correlation, umap_class, warm_up
from skgw import GWGenerativeEmbedding
from skgw.datasets import load_graph
from skgw.metrics import (
    distance_distribution_error,
    nearest_neighbor_two_sample,
    relative_distortion,
    trustworthiness,
)
from skgw.spaces import graph_distances

Array = np.ndarray
N_ROWS = 750  # of digits, the roll and MNIST, a fifth of them held out
N_CODES = 32  # principal components of MNIST
N_DRAWS = 2000  # points of a mixture, and samples
WIDTHS = [0.5, 0.75, 1.0, 1.25, 1.5]  # standard deviations of the components of a mixture
MIXTURES = 2, 3, 8, 16  # dimensions
COMPONENTS = 2, 3, 4, 8, 16, 32
MAX_UMAP_COMPONENTS = 4
MNIST = "MNIST, 32 axes"
EXACT = {"iris": 4, "swiss roll": 3, MNIST: N_CODES}  # dimensions of the data
EXACT_DISTORTION = 5e-4
DATA = "iris", "digits", "swiss roll", MNIST, *GRAPHS, "words"


@cache
def load(data: str, mnist: Path | None) -> tuple[Array | None, Array]:
    """Features if there are any, and distances."""
    if data in GRAPHS:
        return None, graph_distances(load_graph(data), edge_length="hops")
    if data == "words":
        words = sorted(ENGLISH_STOP_WORDS)
        return None, np.array([[edit_distance(a, b) for b in words] for a in words], dtype=float)
    if data == "iris":
        X = load_iris().data
    elif data == "digits":
        X = _some(load_digits().data)
    elif data == "swiss roll":
        X, _ = make_swiss_roll(N_ROWS, random_state=0)
    else:
        with np.load(mnist) as archive:
            images = _some(archive["X_train"])
        pixels = images.reshape(len(images), -1).astype(float)
        X = PCA(N_CODES, random_state=0).fit_transform(pixels)
    return X, cdist(X, X)


def _some(rows: Array) -> Array:
    return rows[np.random.default_rng(0).choice(len(rows), N_ROWS, replace=False)]


def edit_distance(a: str, b: str) -> int:
    """Least number of letters to insert, delete or replace (Levenshtein)."""
    costs = list(range(len(b) + 1))
    for i, letter in enumerate(a):
        diagonal, costs[0] = i, i + 1
        for j, other in enumerate(b):
            replaced = diagonal + (letter != other)
            diagonal, costs[j + 1] = costs[j + 1], min(replaced, costs[j] + 1, costs[j + 1] + 1)
    return costs[-1]


def pca(X: Array, k: int, metric: str) -> Array:
    return PCA(min(k, *X.shape)).fit_transform(X)


def classical_mds(X: Array, k: int, metric: str) -> Array:
    """Axes of negative eigenvalues, which scikit-learn makes NaN, are left at zero."""
    return np.nan_to_num(ClassicalMDS(k, metric=metric).fit_transform(X))


def mds(X: Array, k: int, metric: str) -> Array:
    """The embedding of less stress, from a classical and from a random start."""
    model = MDS(k, metric=metric, init="random", n_init=1, random_state=0)
    embeddings = {}
    for start in (None, classical_mds(X, k, metric)):
        Z = model.fit_transform(X, init=start)
        embeddings[model.stress_] = Z
    return embeddings[min(embeddings)]


def isomap(X: Array, k: int, metric: str) -> Array:
    """Isomap itself refuses axes of negative eigenvalues."""
    paths = Isomap(n_neighbors=N_NEIGHBORS, metric=metric).fit(X).dist_matrix_
    return classical_mds(paths, k, "precomputed")


def umap(X: Array, k: int, metric: str) -> Array:
    options = {"n_components": k, "n_neighbors": N_NEIGHBORS, "metric": metric}
    return umap_class()(random_state=0, **options).fit_transform(X)


BASELINES: dict[str, Callable[[Array, int, str], Array]] = {  # rows, dimension, metric
    "PCA": pca,
    "ClassicalMDS": classical_mds,
    "MDS": mds,
    "Isomap": isomap,
    "UMAP": umap,
}
METHODS = OURS, *BASELINES


def exists(data: str, method: str, k: int) -> bool:
    """Whether the method embeds the data in k dimensions."""
    if method == "PCA":
        return data not in (*GRAPHS, "words")
    return method != "UMAP" or k <= MAX_UMAP_COMPONENTS


def embed(
    data: str, k: int, method: str, max_iter: int | str | None, seed: int | None, mnist: Path | None
) -> Figures:
    X, D = load(data, mnist)
    train, test = train_test_split(np.arange(len(D)), test_size=0.2, random_state=0)
    metric = "precomputed" if X is None else "euclidean"
    fitted = D[np.ix_(train, train)]
    rows, others = (fitted, D[np.ix_(test, train)]) if X is None else (X[train], X[test])
    if method == OURS:
        model = GWGenerativeEmbedding(k, metric=metric, max_iter=max_iter, random_state=seed)
        fit_transform = model.fit_transform
    else:
        fit_transform = partial(BASELINES[method], k=min(k, len(train) - 1), metric=metric)
    warm_up()
    start = time.process_time()
    Z = fit_transform(rows)
    figures = {"seconds": time.process_time() - start, **quality(fitted, Z)}
    if method == "UMAP":  # has no scale
        figures["distortion"] = None
    if method == OURS:
        samples, placed = model.sample(N_DRAWS, random_state=seed), model.transform(others)
        again = Z[np.random.default_rng(seed).integers(len(Z), size=N_DRAWS)]
        figures |= {
            "held_out": relative_distortion(D[np.ix_(test, train)], cdist(placed, Z)),
            "distribution": distance_distribution_error(fitted, cdist(Z, Z)),
            "sample_distribution": distance_distribution_error(fitted, cdist(samples, samples)),
            "resampled_distribution": distance_distribution_error(fitted, cdist(again, again)),
        }
    return figures


def quality(D: Array, Z: Array) -> Figures:
    E = cdist(Z, Z)
    return {
        "distortion": relative_distortion(D, E),
        "spearman": rank_correlation(D, E),
        "trustworthiness": trustworthiness(D, Z, n_neighbors=5, metric="precomputed"),
    }


def mixture(k: int, max_iter: int | str, seed: int) -> Figures:
    """Accuracy of the nearest neighbour, for samples and for fresh draws."""
    centers = np.random.default_rng(seed).uniform(-4, 4, (len(WIDTHS), k))
    rows, fresh, other = (
        make_blobs(N_DRAWS, k, centers=centers, cluster_std=WIDTHS, random_state=s)[0]
        for s in (seed, 1000 + seed, 2000 + seed)
    )
    model = GWGenerativeEmbedding(k, max_iter=max_iter, random_state=seed)
    warm_up()
    start = time.process_time()
    model.fit(rows)
    return {
        "seconds": time.process_time() - start,
        "one_nn": nearest_neighbor_two_sample(
            model.sample(N_DRAWS, random_state=seed), model.transform(fresh)
        ),
        "fresh_one_nn": nearest_neighbor_two_sample(other, fresh),
        "distortion": relative_distortion(cdist(rows, rows), cdist(*[model.embedding_] * 2)),
    }


def search(max_iter: int | str, seed: int) -> Figures:
    """What `GridSearchCV` picks on iris, and the mean score of each dimension."""
    found = GridSearchCV(
        GWGenerativeEmbedding(max_iter=max_iter, random_state=seed),
        {"n_components": [1, 2, 3, 4]},
        cv=KFold(5, shuffle=True, random_state=seed),
        refit=False,
        error_score="raise",
    ).fit(load_iris().data)
    scores = dict(zip("1234", found.cv_results_["mean_test_score"], strict=True))
    return {"picked": int(max(scores, key=scores.__getitem__)), "scores": scores}


def beside(figure: str, methods: Sequence[str] = METHODS) -> Table:
    """One figure: a line for each set and dimension, a column for each method."""

    def lines(rows: Rows) -> list[list[str]]:
        found = groups(_of("embedding", rows), "data", "k", "method")
        cells = [(data, k) for data in DATA for k in COMPONENTS if (data, k, OURS) in found]
        return [
            [data, str(k), *(short(figure, 3)(found.get((data, k, m), [])) for m in methods)]
            for data, k in cells
        ]

    return Table(["data", "dimensions", *methods], lines)


def _of(part: str, rows: Rows) -> Rows:
    return [row for row in rows if row[0]["part"] == part]


def ours_lines(rows: Rows) -> list[list[str]]:
    ours = [row for row in _of("embedding", rows) if row[0]["method"] == OURS]
    found = groups(ours, "data", "k")
    return [
        [data, str(k), *(column(found[data, k]) for column in OF_OURS.values())]
        for data in DATA
        for k in COMPONENTS
        if (data, k) in found
    ]


OF_OURS = {
    "fit, s": short("seconds", 1),
    "distortion, fitted": short("distortion", 4),
    "distortion, held out": short("held_out", 4),
    "error of the distribution, fitted": short("distribution", 3),
    "error of the distribution, rows drawn again": short("resampled_distribution", 3),
    "error of the distribution, samples": short("sample_distribution", 3),
}
OF_MIXTURES = {
    "fit, s": ("seconds", 1),
    "1-NN, samples": ("one_nn", 3),
    "1-NN, fresh draws": ("fresh_one_nn", 3),
}


def search_lines(rows: Rows) -> list[list[str]]:
    return [
        [
            str(cell["seed"]),
            *(f"{figures['scores'][k]:.4f}" for k in "1234"),
            str(figures["picked"]),
        ]
        for cell, figures in _of("search", rows)
    ]


TABLES = {
    "dimensions_distortion": beside("distortion", [m for m in METHODS if m != "UMAP"]),
    "dimensions_rank_correlation": beside("spearman"),
    "dimensions_trustworthiness": beside("trustworthiness"),
    "dimensions_ours": Table(["data", "dimensions", *OF_OURS], ours_lines),
    "mixtures": summary(
        {"dimensions": "k"},
        OF_MIXTURES,
        seeds=None,
        where=lambda cell: cell["part"] == "mixture",
    ),
    "search": Table(
        ["seed", *(f"score, {k} dimensions" for k in (1, 2, 3, 4)), "picked"], search_lines
    ),
}


def misses(rows: Rows) -> list[list[str]]:
    """Lines of the targets that are missed: target, set, dimension, figure, bound."""
    found = groups(_of("embedding", rows), "data", "k", "method")
    lines = []
    for data in DATA:
        last = np.inf
        for k in COMPONENTS:
            if (data, k, OURS) not in found:
                continue
            ours = found[data, k, OURS]
            distortion = mean(ours, "distortion")
            bounds = {
                "falling": ("distortion", last),
                "held out": ("held_out", 1.1 * distortion + 0.01),
                "samples": ("sample_distribution", mean(ours, "distribution") + 0.01),
            }
            if k >= EXACT.get(data, np.inf):
                bounds["exact"] = ("distortion", EXACT_DISTORTION)
            elif (data, k, "MDS") in found:
                of_mds = mean(found[data, k, "MDS"], "distortion")
                bounds["beside MDS"] = ("distortion", 1.05 * of_mds)
            lines += [
                [name, data, str(k), f"{mean(ours, figure):.4f}", f"{bound:.4f}"]
                for name, (figure, bound) in bounds.items()
                if mean(ours, figure) > bound
            ]
            last = distortion + EXACT_DISTORTION
    for (k,), records in sorted(groups(_of("mixture", rows), "k").items()):
        value, bound = mean(records, "one_nn"), mean(records, "fresh_one_nn") + 0.05
        if value > bound:
            lines.append(["1-NN", "mixture", str(k), f"{value:.4f}", f"{bound:.4f}"])
    return lines


PARTS: dict[str, Callable[..., Figures]] = {
    "embedding": embed,
    "mixture": mixture,
    "search": search,
}


def main() -> None:
    options = parser(__doc__, "dimensions", TABLES)
    options.add_argument("--mnist", type=Path, help="the file mnist.npz that Keras distributes")
    options.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    options.add_argument("--components", type=int, nargs="+", default=COMPONENTS)
    options.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    options.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS])
    args = options.parse_args()
    data = [name for name in args.data if name != MNIST or args.mnist]
    if args.mnist is None and not args.table:
        print("No --mnist: the rows of MNIST are skipped.")
    cells: list[dict[str, Any]] = [
        {"part": "mixture", "k": k, "max_iter": args.max_iter, "seed": seed}
        for seed in seeds(args)
        for k in MIXTURES
    ]
    cells += [{"part": "search", "max_iter": args.max_iter, "seed": s} for s in seeds(args)]
    cells += [
        {"part": "embedding", "data": name, "k": k, "method": method}
        | ({"max_iter": args.max_iter, "seed": seed} if method == OURS else {})
        for method in args.methods
        for seed in (seeds(args) if method == OURS else [None])
        for k in args.components
        for name in data
        if exists(name, method, k)
    ]

    def measure(part: str, **settings: Any) -> Figures:
        if part == "embedding":
            settings = {"max_iter": None, "seed": None, "mnist": args.mnist, **settings}
        return PARTS[part](**settings)

    rows = run([cell for cell in cells if cell["part"] in args.parts], measure, args)
    for name, table in TABLES.items():
        print(f"\n{name}")
        print_table(table.header, table.lines(rows))
    print_table(["missed target", "data", "dimensions", "figure", "bound"], misses(rows))
    print_warnings(rows)


if __name__ == "__main__":
    main()
