"""
===================
Graphs in the plane
===================

A graph has distances, the lengths of its shortest paths, and no coordinates. That is all that an
embedding by Gromov-Wasserstein needs. What comes out is not only a drawing: the generator
behind it can be asked for new points, and nodes that were not there can be placed.
"""

# %%
# Four graphs
# -----------
#
# With ``metric="precomputed"`` a networkx graph (or a sparse matrix) goes straight into ``fit``;
# every edge has length one unless ``edge_length`` names something else. Small grey dots are fresh
# samples: points where a node could be, by the distances that it would have.
#
# Graphs this small need neither large batches nor many updates. The ring can be turned in a
# hundred equally good ways; with a little more entropy its coupling settles on one of them sooner.

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
from scipy import sparse
from sklearn.manifold import MDS
from sklearn.model_selection import train_test_split

from skgw import GWGenerativeEmbedding
from skgw.datasets import load_graph
from skgw.metrics import distance_rank_correlation
from skgw.plotting import EmbeddingDisplay
from skgw.spaces import graph_distances

settings = {"batch_size": 128, "max_iter": 400, "n_generated": 400, "random_state": 0}
graphs = {name: load_graph(name) for name in ("grid", "balanced_tree", "stochastic_block")}
graphs["circular_ladder"] = load_graph("circular_ladder")
embeddings = {
    name: GWGenerativeEmbedding(
        metric="precomputed", epsilon=1e-2 if name == "circular_ladder" else 5e-3, **settings
    ).fit(graph)
    for name, graph in graphs.items()
}

# %%
# Colours are what we know of the nodes and the embedding does not: the row of the grid, the depth
# in the tree, the block of the random graph, the position along the ring.

depths = nx.shortest_path_length(graphs["balanced_tree"], 0)
meanings = {
    "grid": ("row / 14", [label[0] / 14 for _, label in graphs["grid"].nodes(data="label")]),
    "balanced_tree": ("depth", [depths[node] for node in graphs["balanced_tree"]]),
    "stochastic_block": ("block", [b for _, b in graphs["stochastic_block"].nodes(data="block")]),
    "circular_ladder": ("position", [node % 50 for node in graphs["circular_ladder"]]),
}

figure, axes = plt.subplots(2, 2, figsize=(11, 9), layout="constrained")
for (name, embedding), ax in zip(embeddings.items(), axes.flat, strict=True):
    meaning, values = meanings[name]
    display = EmbeddingDisplay.from_estimator(
        embedding, y=values, graph=graphs[name], n_samples=1500, random_state=0, ax=ax,
        scatter_kw={"s": 24}, samples_kw={"alpha": 0.3, "s": 5},
    )  # fmt: skip
    if display.colorbar_ is not None:
        display.colorbar_.set_label(meaning)
    else:
        display.legend_.set_title(meaning)
    ax.set_title(name.replace("_", " "), loc="left")
    ax.set(xlabel="", ylabel="")

# %%
# Not every graph has a faithful picture. The shortest paths of the grid run along the edges, so
# that its distances are those of a city, and its corners stick out. In the tree the number of
# nodes grows faster with the distance than a disc does. Nodes that see nearly the same distances,
# such as the two leaves of a twig or the two ends of a rung, fall onto one place: their rows of
# the coupling are nearly the same. The samples show the width that the generator gives them.
#
# Metric multidimensional scaling minimises the error of all pairs directly; it is the yardstick
# for the embedding, and has no new points to offer.

for name, embedding in embeddings.items():
    D = graph_distances(graphs[name])
    mds = MDS(metric="precomputed", n_init=1, init="classical_mds", random_state=0)
    ours = distance_rank_correlation(D, embedding.embedding_)
    theirs = distance_rank_correlation(D, mds.fit_transform(D))
    print(f"{name:16} rank correlation of distances {ours:.3f}, of MDS {theirs:.3f}")

# %%
# Held-out nodes
# --------------
#
# A graph must not be cut by a train-test split: without some nodes, the paths through them are
# gone, and the distances of all others change. So we compute all distances first, and split those:
# rows and columns for the fit, and rows from held-out to training nodes for ``transform``.

D = graph_distances(graphs["grid"])
train, test = train_test_split(np.arange(len(D)), test_size=45, random_state=0)
embedding = GWGenerativeEmbedding(metric="precomputed", **settings)
embedding.fit(D[np.ix_(train, train)])
D_test = D[np.ix_(test, train)]
print(f"score on nodes of the fit {embedding.score(D[np.ix_(train, train)]):.3f}")
print(f"score on held-out nodes   {embedding.score(D_test):.3f}")

places = np.empty((len(D), 2))
places[train], places[test] = embedding.embedding_, embedding.transform(D_test)
kind = np.where(np.isin(np.arange(len(D)), test), "held out", "in the fit")
figure, ax = plt.subplots(figsize=(7, 5.6), layout="constrained")
EmbeddingDisplay.from_arrays(places, y=kind, graph=graphs["grid"], ax=ax)
_ = ax.set_title("45 nodes of a grid, placed by transform")

# %%
# New nodes by their edges
# ------------------------
#
# After a fit to a graph, new nodes can also be given by their edges to the old ones, as rows of a
# sparse matrix: their shortest paths run through their neighbours. Here one node is hung onto the
# middle of each side of the grid.

middles = [7, 7 * 15, 7 * 15 + 14, 14 * 15 + 7]
edges = sparse.csr_array((np.ones(4), (np.arange(4), middles)), shape=(4, 225))

figure, ax = plt.subplots(figsize=(6, 5.6), layout="constrained")
EmbeddingDisplay.from_estimator(embeddings["grid"], graph=graphs["grid"], n_samples=0, ax=ax)
new = embeddings["grid"].transform(edges)
ax.scatter(*new.T, color="#bd1f01", s=60, zorder=3)
_ = ax.set_title("four new nodes, known by one edge each")
