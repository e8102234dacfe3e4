"""
==================
Graphs in the plane
==================

A graph has distances, the lengths of its shortest paths, and no coordinates. That is all that an
embedding by Gromov-Wasserstein needs. What comes out is not only a drawing: the generator
behind it can be asked for new points, and nodes that were not there can be placed.
"""

# %%
# Four graphs
# -----------
#
# With ``metric="precomputed"`` a networkx graph (or a sparse matrix) goes straight into `fit`;
# every edge has length one unless ``edge_length`` names something else. Small grey dots are fresh
# samples: points where a node could be, by the distances that it would have.

import time

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
from sklearn.manifold import MDS
from sklearn.model_selection import train_test_split

from skgw import GWGenerativeEmbedding
from skgw.datasets import load_graph
from skgw.metrics import distance_rank_correlation
from skgw.plotting import EmbeddingDisplay
from skgw.spaces import graph_distances

settings = {"batch_size": 128, "max_iter": 400, "n_generated": 400, "random_state": 0}
figure, axes = plt.subplots(2, 2, figsize=(9, 9), layout="constrained")
for name, ax in zip(
    ("grid", "circular_ladder", "balanced_tree", "les_miserables"), axes.flat, strict=True
):
    graph = load_graph(name)
    start = time.perf_counter()
    embedding = GWGenerativeEmbedding(metric="precomputed", **settings).fit(graph)
    duration = time.perf_counter() - start
    D = graph_distances(graph)
    mds = MDS(metric="precomputed", n_init=1, init="classical_mds", random_state=0)
    ours = distance_rank_correlation(D, embedding.embedding_)
    theirs = distance_rank_correlation(D, mds.fit_transform(D))
    print(f"{name:16} rank correlation {ours:.3f}, of MDS {theirs:.3f}; {duration:.0f} s")

    eccentricity = D.max(axis=1)
    EmbeddingDisplay.from_estimator(
        embedding, graph=graph, n_samples=1500, random_state=0, ax=ax,
        scatter_kw={"c": eccentricity, "cmap": "viridis", "s": 22},
        samples_kw={"alpha": 0.3, "s": 5},
    )  # fmt: skip
    ax.set_title(name.replace("_", " "))
    ax.set(xlabel="", ylabel="")

# %%
# Colours show how far the farthest node is (dark: not far, a centre of the graph). The grid is flat
# in the plane but for its corners: its shortest paths run along the edges, so that its distances are
# those of a city, not of the plane. The tree has no faithful picture in the plane at all: the number of
# its nodes grows faster with the distance than a disc does.
#
# Held-out nodes
# --------------
#
# A graph must not be cut by a train-test split: without some nodes, the paths through them are gone,
# and the distances of all others change. So we compute all distances first, and split those: rows
# and columns for the fit, and rows from held-out to training nodes for `transform`.

graph = load_graph("grid")
D = graph_distances(graph)
train, test = train_test_split(np.arange(len(D)), test_size=45, random_state=0)
embedding = GWGenerativeEmbedding(metric="precomputed", **settings)
embedding.fit(D[np.ix_(train, train)])
D_test = D[np.ix_(test, train)]

places = np.empty((len(D), 2))
places[train] = embedding.embedding_
places[test] = embedding.transform(D_test)
is_new = np.isin(np.arange(len(D)), test)

figure, ax = plt.subplots(figsize=(7, 5.6), layout="constrained")
display = EmbeddingDisplay.from_embedding(
    places, labels=np.where(is_new, "held out", "in the fit"), graph=graph, ax=ax
)
ax.set_title("45 nodes of a grid, placed by transform")
print(f"score on nodes of the fit {embedding.score(D[np.ix_(train, train)]):.3f}")
print(f"score on held-out nodes   {embedding.score(D_test):.3f}")

# %%
# New nodes by their edges
# ------------------------
#
# After a fit to a graph, new nodes can also be given by their edges to the old ones, in a sparse matrix.
# Their shortest paths run through their neighbours. Here a node is hung onto each end of a ladder's
# broken ring.

graph = nx.ladder_graph(20)
embedding = GWGenerativeEmbedding(metric="precomputed", **settings).fit(graph)
edges = nx.to_scipy_sparse_array(graph, format="lil")[:2] * 0
edges[0, [0, 20]] = 1  # joined to both nodes of the first rung
edges[1, [19, 39]] = 1  # and of the last
new = embedding.transform(edges.tocsr())

figure, ax = plt.subplots(figsize=(8, 3), layout="constrained")
EmbeddingDisplay.from_estimator(embedding, graph=graph, n_samples=0, ax=ax)
ax.scatter(*new.T, color="#bd1f01", s=50, zorder=3)
_ = ax.set_title("two new nodes, known by their edges")
