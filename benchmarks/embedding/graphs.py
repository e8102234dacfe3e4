"""Graphs drawn in the plane from their shortest paths, beside other methods.

How well the drawing keeps the order of the distances (Spearman), the 5 nearest nodes
(trustworthiness), the distances themselves (distortion) and their distribution, of which the last
is also asked of 2,000 fresh samples. Distortion and distribution are left out where a method has no
scale. Held-out nodes: after a fit to 80 % of the nodes the others are placed by their distances to
those; the correlation of exactly these distances is given beside that after a fit to all nodes.
Time is CPU time.
Targets: difference of Spearman to MDS at least -.02 in the mean of the graphs, -.06 in the worst.
"""

from __future__ import annotations

import time

import networkx as nx
import numpy as np
from scipy.spatial.distance import cdist
from sklearn.model_selection import train_test_split

from benchmarks.common import (
    Figures,
    Rows,
    groups,
    mean,
    parser,
    pivot,
    print_figures,
    print_table,
    run,
    seeds,
    summary,
)
from benchmarks.embedding.methods import (
    BASELINES,
    CLASSICAL_MDS,
    OURS,
    RANDOM_MDS,
    WITH_SCALE,
    rank_correlation,
    warm_up,
)
from skgw import GWGenerativeEmbedding
from skgw.datasets import load_graph
from skgw.metrics import (
    distance_distribution_error,
    distance_rank_correlation,
    relative_distortion,
    trustworthiness,
)
from skgw.spaces import graph_distances

N_SAMPLES = 2000
GRAPHS = "les_miserables", "karate", "grid", "stochastic_block", "balanced_tree", "circular_ladder"
COLUMNS = {
    "fit, s": ("seconds", 1),
    "Spearman": ("spearman", 3),
    "trustworthiness": ("trustworthiness", 3),
    "distortion": ("distortion", 3),
    "distribution": ("distribution", 3),
    "of samples": ("sample_distribution", 3),
    "held out": ("held_out", 3),
    "same, fitted": ("fitted", 3),
}
METHODS = OURS, *BASELINES
TABLES = {
    "graphs_rank_correlation": pivot("graph", "graph", "method", METHODS, ("spearman", 3)),
    "graphs_trustworthiness": pivot("graph", "graph", "method", METHODS, ("trustworthiness", 3)),
    "graphs_samples": summary(
        {"graph": "graph"},
        {
            "fit, s": ("seconds", 1),
            "error of the distribution, embedding": ("distribution", 3),
            "error of the distribution, samples": ("sample_distribution", 3),
            "held out: Spearman": ("held_out", 3),
            "same pairs, fitted: Spearman": ("fitted", 3),
        },
        seeds=None,
        where=lambda cell: cell["method"] == OURS,
    ),
}


def measure(graph: str, method: str, max_iter: int | str | None, seed: int) -> Figures:
    edges = load_graph(graph)
    D = graph_distances(edges, edge_length="hops")
    if method == OURS:
        model = GWGenerativeEmbedding(
            metric="precomputed", edge_length="hops", max_iter=max_iter, random_state=seed
        )
    else:
        model = BASELINES[method]("precomputed", seed)
    X = nx.to_numpy_array(edges, weight=None) if method == "SpectralEmbedding" else D
    warm_up()
    start = time.process_time()
    Z = model.fit_transform(X)
    figures = {"seconds": time.process_time() - start, **quality(D, Z, method in WITH_SCALE)}
    if method == OURS:
        samples = model.sample(N_SAMPLES, random_state=seed)
        figures["sample_distribution"] = distance_distribution_error(D, cdist(samples, samples))
        figures |= held_out(model, D, Z, seed)
    return figures


def quality(D: np.ndarray, Z: np.ndarray, with_scale: bool) -> Figures:
    figures = {
        "spearman": distance_rank_correlation(D, Z),
        "trustworthiness": trustworthiness(D, Z, n_neighbors=5, metric="precomputed"),
    }
    if with_scale:
        figures["distortion"] = relative_distortion(D, cdist(Z, Z))
        figures["distribution"] = distance_distribution_error(D, cdist(Z, Z))
    return figures


def held_out(model: GWGenerativeEmbedding, D: np.ndarray, Z: np.ndarray, seed: int) -> Figures:
    """Rank correlation of distances between held-out and fitted nodes; refits the model."""
    train, test = train_test_split(np.arange(len(D)), test_size=0.2, random_state=seed)
    rows = D[np.ix_(test, train)]
    model.fit(D[np.ix_(train, train)])
    return {
        "held_out": rank_correlation(rows, cdist(model.transform(rows), model.embedding_)),
        "fitted": rank_correlation(rows, cdist(Z[test], Z[train])),
    }


def print_differences(rows: Rows) -> None:
    """Differences of Spearman to MDS: mean and worst of the graphs."""
    found = groups(rows, "graph", "method")
    lines = []
    for baseline in (RANDOM_MDS, CLASSICAL_MDS):
        differences = {
            graph: mean(found[graph, OURS], "spearman") - mean(found[graph, baseline], "spearman")
            for graph in GRAPHS
            if {(graph, OURS), (graph, baseline)} <= set(found)
        }
        if differences:
            worst = min(differences, key=differences.__getitem__)
            average = np.mean(list(differences.values()))
            lines.append([baseline, f"{average:+.3f}", f"{differences[worst]:+.3f} ({worst})"])
    print_table(["Spearman, ours minus", "mean (target -.02)", "worst (target -.06)"], lines)


def main() -> None:
    args = parser(__doc__, "graphs", TABLES).parse_args()
    limits = {OURS: args.max_iter} | dict.fromkeys(BASELINES)
    cells = [
        {"graph": graph, "method": method, "max_iter": limits[method], "seed": seed}
        for seed in seeds(args)
        for graph in GRAPHS
        for method in limits
    ]
    rows = run(cells, measure, args)
    rows.sort(key=lambda row: GRAPHS.index(row[0]["graph"]))
    print_figures(rows, ["graph", "method"], COLUMNS)
    print_differences(rows)


if __name__ == "__main__":
    main()
