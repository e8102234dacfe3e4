"""Quality of the epsilon that a grid search by `score` chooses, by other measures.

`GridSearchCV` over epsilon and n_components, with three folds, best by the estimator's own score.
The search does not see the measures, which are of the rows that each fold holds out: rank
correlation of their distances to the fitted rows; share of their 10 nearest fitted rows in the
embedding that are also among the 10 nearest in the data; agreement of the distribution of distances
with that of fresh samples (1 - error). The second table gives each measure where the search ended,
over the best that any value of the grid reaches: over the whole grid ("all"), and for each
n_components by itself. Target: .98.
"""

from __future__ import annotations

import warnings
from typing import Any, Self

import joblib
import numpy as np
from scipy.spatial.distance import cdist, pdist
from scipy.stats import wasserstein_distance
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, KFold

from benchmarks.common import (
    Figures,
    Rows,
    Table,
    groups,
    parser,
    print_table,
    run,
    seeds,
    spread,
)
from benchmarks.embedding.methods import rank_correlation
from skgw import GWGenerativeEmbedding
from skgw.datasets import load_graph
from skgw.exceptions import GWConvergenceWarning
from skgw.spaces import graph_distances

DATA = "digits", "grid", "les_miserables"
GRID = {"epsilon": [0.001, 0.002, 0.005, 0.01, 0.02, 0.05], "n_components": [1, 2, 3]}
MEASURES = "rank", "neighbors", "samples"  # that the search is judged by
SCORES = "score", *MEASURES, "converged"
K = 10


class Remembering(GWGenerativeEmbedding):
    """Keeps for the measures its training rows, and whether its coupling converged."""

    def fit(self, X: Any, y: Any = None) -> Self:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            super().fit(X, y)
        self.X_fit_ = X
        self.converged_ = not any(w.category is GWConvergenceWarning for w in caught)
        return self


def load(data: str, seed: int) -> tuple[np.ndarray, str]:
    if data != "digits":
        return graph_distances(load_graph(data), edge_length="hops"), "precomputed"
    X, _ = load_digits(return_X_y=True)
    some = np.random.default_rng(seed).choice(len(X), 600, replace=False)
    return PCA(20, random_state=seed).fit_transform(X[some]), "euclidean"


def scores(model: Remembering, X: np.ndarray, y: None = None) -> Figures:
    """The estimator's score, and the measures that it is judged by; all are better if higher."""
    D = X if model.metric == "precomputed" else cdist(X, model.X_fit_)  # (test, train)
    embedded = cdist(model.transform(X), model.embedding_)
    samples = model.sample(1000, random_state=0)
    error = wasserstein_distance(D.ravel(), pdist(samples)) / D.mean()
    return {
        "score": model.score(X),
        "rank": rank_correlation(D, embedded),
        "neighbors": neighbors_kept(D, embedded),
        "samples": 1 - float(error),
        "converged": float(model.converged_),
    }


def neighbors_kept(D: np.ndarray, embedded: np.ndarray) -> float:
    """Share of the K nearest in the embedding that are not further than the K-th nearest in D."""
    nearest = np.argpartition(embedded, K, axis=1)[:, :K]
    reach = np.partition(D, K - 1, axis=1)[:, K - 1 : K]
    return float(np.mean(np.take_along_axis(D, nearest, axis=1) <= reach))


def measure(data: str, max_iter: int | str, seed: int) -> Figures:
    X, metric = load(data, seed)
    search = GridSearchCV(
        Remembering(metric=metric, max_iter=max_iter, random_state=seed),
        GRID,
        scoring=scores,
        refit=False,
        cv=KFold(3, shuffle=True, random_state=seed),
        error_score="raise",
    ).fit(X)
    grid = [dict(params) for params in search.cv_results_["params"]]
    for name in SCORES:
        for entry, value in zip(grid, search.cv_results_[f"mean_test_{name}"], strict=True):
            entry[name] = float(value)
    return {"grid": grid}


def choice(grid: list[Figures]) -> Figures:
    """What the search chose, and its measures over the best in `grid`."""
    chosen = max(grid, key=lambda entry: entry["score"])
    ratios = {name: chosen[name] / max(entry[name] for entry in grid) for name in MEASURES}
    return {"epsilon": chosen["epsilon"], "n_components": chosen["n_components"], **ratios}


def choice_lines(rows: Rows) -> list[list[str]]:
    lines = []
    for (data,), records in groups(rows, "data").items():
        for k in ("all", *GRID["n_components"]):
            chosen = [
                choice([entry for entry in record["grid"] if k in ("all", entry["n_components"])])
                for record in records
            ]
            picks = ", ".join(f"{c['epsilon']:g}/{c['n_components']}" for c in chosen)
            ratios = [spread(chosen, name, 3) for name in MEASURES]
            worst = min(c["rank"] for c in chosen)
            lines.append([data, str(k), picks, *ratios, f"{worst:.3f}", str(len(chosen))])
    return lines


def grid_lines(rows: Rows) -> list[list[str]]:
    entries = [
        ({"data": cell["data"], "n_components": e["n_components"], "epsilon": e["epsilon"]}, e)
        for cell, figures in rows
        for e in figures["grid"]
    ]
    found = sorted(groups(entries, "data", "n_components", "epsilon").items())
    return [
        [*map(str, key), *(spread(records, name, 3) for name in SCORES)] for key, records in found
    ]


def page_lines(rows: Rows) -> list[list[str]]:
    """`choice_lines` as in `docs/results`, without the number of seeds."""
    rows = sorted(rows, key=lambda row: DATA.index(row[0]["data"]))
    return [
        [data, k if k == "all" else f"{k}-D", *rest] for data, k, *rest, _ in choice_lines(rows)
    ]


OF_PAGE = ["data", "components", "epsilon/n_components chosen, by seed", *MEASURES]
TABLES = {"epsilon_grid": Table([*OF_PAGE, "rank, worst seed"], page_lines)}


def main() -> None:
    options = parser(__doc__, "epsilon_grid", TABLES)
    options.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    args = options.parse_args()
    cells = [
        {"data": data, "max_iter": args.max_iter, "seed": seed}
        for seed in seeds(args)
        for data in args.data
    ]
    with joblib.parallel_config("loky", n_jobs=args.threads, inner_max_num_threads=1):
        rows = run(cells, measure, args)
    print_table(["data", "n_components", "epsilon", *SCORES], grid_lines(rows))
    header = ["data", "n_components", "chosen, by seed", *MEASURES, "worst rank", "seeds"]
    print_table(header, choice_lines(rows))


if __name__ == "__main__":
    main()
