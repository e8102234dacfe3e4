"""
================
A graph in space
================

This example embeds a graph in three dimensions, samples the surface between its nodes, and compares
three dimensions with two. The graph is that of a sphere, which no plane holds.
"""

# %%
# The graph of a sphere
# ---------------------
#
# 300 nodes are spread over a sphere, and each is joined to its nearest six. ``fit`` reads the edges
# only, and compares numbers of edges along shortest paths.

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
from sklearn.neighbors import kneighbors_graph

from skgw import GWGenerativeEmbedding
from skgw.metrics import distance_rank_correlation
from skgw.plotting import EmbeddingDisplay
from skgw.spaces import graph_distances

n = 300
height, angle = np.linspace(-1, 1, n + 2)[1:-1], np.pi * (3 - 5**0.5) * np.arange(n)
radius = np.sqrt(1 - height**2)
sphere = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
graph = nx.from_scipy_sparse_array(kneighbors_graph(sphere, 6))

settings = {"metric": "precomputed", "n_generated": 500, "max_iter": 500, "random_state": 0}
embeddings = {k: GWGenerativeEmbedding(k, **settings).fit(graph) for k in (2, 3)}

# %%
# Colour is the height of a node, which the embedding does not use. Grey dots are samples of the
# generator.

figure = plt.figure(figsize=(11, 5), layout="constrained")
for place, (k, embedding) in enumerate(embeddings.items(), start=1):
    ax = figure.add_subplot(1, 2, place, projection="3d" if k == 3 else None)
    EmbeddingDisplay.from_estimator(
        embedding, y=height, graph=graph, n_samples=600, random_state=0, ax=ax,
        scatter_kw={"s": 14}, samples_kw={"alpha": 0.5, "s": 5},
    )  # fmt: skip
    ax.set_title(f"{k} dimensions", loc="left")

# %%
# In the plane the two halves of the sphere lie on each other. In space the nodes form a sphere, and
# the samples stay on it: the distance of a point from the centre varies little.

D = graph_distances(graph)
for k, embedding in embeddings.items():
    correlation = distance_rank_correlation(D, embedding.embedding_)
    print(f"{k} dimensions: rank correlation {correlation:.3f}, stress {embedding.stress_:.3f}")

places = {"nodes": embeddings[3].embedding_, "samples": embeddings[3].sample(600, random_state=0)}
for name, points in places.items():
    distance = np.linalg.norm(points - places["nodes"].mean(0), axis=1)
    print(f"{name}: distance from the centre {distance.mean():.2f} ± {distance.std():.2f}")
