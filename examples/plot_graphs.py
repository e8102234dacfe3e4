"""
===================
Graphs in the plane
===================

This example embeds four graphs in the plane, samples new points, and embeds new nodes. A graph has
no coordinates; the embedding uses its shortest-path distances.
"""

# %%
# Four graphs
# -----------
#
# With ``metric="precomputed"``, ``fit`` takes a networkx graph or a sparse matrix. Every edge has
# length one unless ``edge_length`` names an edge attribute. Small grey dots in the figure are
# samples of the generator.
#
# Graphs of this size need neither large batches nor many updates. The ring has a hundred rotational
# symmetries, so that its coupling converges faster at a larger epsilon.

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
# Colours show attributes of the nodes that the embedding does not use: the row of the grid, the
# depth in the tree, the block of the random graph, and the position along the ring.

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
# Not every graph has an isometric embedding in the plane. The shortest paths of the grid follow the
# edges, so that its distances are city-block distances and its corners are stretched. The number of
# nodes of the tree grows faster with the distance than the area of a disc. Nodes with nearly equal
# distances to all nodes, such as two leaves of one parent or two ends of a rung, are embedded at
# nearly the same point, since their rows of the coupling are nearly equal.
#
# Metric multidimensional scaling (MDS) minimises the error of all pairs directly. MDS is the
# baseline for the rank correlation of the distances; it does not generate new points.

for name, embedding in embeddings.items():
    D = graph_distances(graphs[name])
    mds = MDS(metric="precomputed", n_init=1, init="classical_mds", random_state=0)
    gw_correlation = distance_rank_correlation(D, embedding.embedding_)
    mds_correlation = distance_rank_correlation(D, mds.fit_transform(D))
    print(f"{name:16} rank correlation: skgw {gw_correlation:.3f}, MDS {mds_correlation:.3f}")

# %%
# Held-out nodes
# --------------
#
# A train-test split of a graph removes the paths through the held-out nodes and changes the
# distances between the other nodes. Therefore all distances are computed first and then split:
# ``fit`` takes the distances between training nodes, and ``transform`` takes the distances from
# held-out nodes to training nodes. The figure shows training nodes and held-out nodes.

D = graph_distances(graphs["grid"])
train, test = train_test_split(np.arange(len(D)), test_size=45, random_state=0)
embedding = GWGenerativeEmbedding(metric="precomputed", **settings)
embedding.fit(D[np.ix_(train, train)])
D_test = D[np.ix_(test, train)]
print(f"score on training nodes {embedding.score(D[np.ix_(train, train)]):.3f}")
print(f"score on held-out nodes {embedding.score(D_test):.3f}")

places = np.empty((len(D), 2))
places[train], places[test] = embedding.embedding_, embedding.transform(D_test)
kind = np.where(np.isin(np.arange(len(D)), test), "held out", "training")
figure, ax = plt.subplots(figsize=(7, 5.6), layout="constrained")
EmbeddingDisplay.from_arrays(places, y=kind, graph=graphs["grid"], ax=ax)
_ = ax.set_title("45 held-out nodes of a grid, embedded by transform")

# %%
# New nodes given by edges
# ------------------------
#
# After a fit to a graph, new nodes can also be given by their edges to the training nodes, as rows
# of a sparse matrix. The shortest paths of a new node pass through its neighbours. Here one node is
# attached to the middle of each side of the grid.

middles = [7, 7 * 15, 7 * 15 + 14, 14 * 15 + 7]
edges = sparse.csr_array((np.ones(4), (np.arange(4), middles)), shape=(4, 225))

figure, ax = plt.subplots(figsize=(6, 5.6), layout="constrained")
EmbeddingDisplay.from_estimator(embeddings["grid"], graph=graphs["grid"], n_samples=0, ax=ax)
new = embeddings["grid"].transform(edges)
ax.scatter(*new.T, color="#bd1f01", s=60, zorder=3)
_ = ax.set_title("four new nodes with one edge each")
