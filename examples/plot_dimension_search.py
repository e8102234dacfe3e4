"""
=======================================
Choosing the dimension by a grid search
=======================================

This example chooses the dimension of an embedding by a grid search. The score measures placed rows,
and does not see the generator: ``epsilon`` and the number of updates do not change it.
"""

# %%
# Cross-validation on distances
# -----------------------------
#
# The data are the nodes of a square grid. A fold of a graph lacks the paths through the nodes that
# are left out, so that cross-validation needs the distance matrix of the whole graph. For
# ``metric="precomputed"`` scikit-learn fits on the rows and columns of the training nodes, and
# scores on rows from the test nodes to the training nodes.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV, KFold

from skgw import GWGenerativeEmbedding
from skgw.datasets import load_graph
from skgw.plotting import EmbeddingDisplay
from skgw.spaces import graph_distances

graph = load_graph("grid")
D = graph_distances(graph, edge_length="hops")

search = GridSearchCV(
    GWGenerativeEmbedding(
        metric="precomputed", max_iter=50, batch_size=100, n_generated=300, random_state=0
    ),
    {"n_components": [1, 2, 3, 4]},
    cv=KFold(3, shuffle=True, random_state=0),
    return_train_score=True,
    refit=False,
).fit(D)

# %%
# The score is minus the relative distortion of the distances from held-out nodes to training nodes.
# A perfect embedding has the score 0, and an embedding of all nodes at one point has the score -1.
# The second dimension gains most, further ones hardly anything. Paths along the edges of a grid are
# longer than straight lines, so that no number of dimensions keeps them all.

results = search.cv_results_
dimensions = np.array(results["param_n_components"], dtype=int)

figure, ax = plt.subplots(figsize=(5, 3.4), layout="constrained")
for part, color in (("test", "#bd1f01"), ("train", "#3f90da")):
    mean, deviation = results[f"mean_{part}_score"], results[f"std_{part}_score"]
    ax.errorbar(dimensions, mean, deviation, color=color, marker="o", capsize=3, label=part)
ax.set(xticks=dimensions, xlabel="n_components", ylabel="score")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)
for dimension, score in zip(dimensions, results["mean_test_score"], strict=True):
    print(f"{dimension} dimensions: score {score:.3f}")

# %%
# Epsilon
# -------
#
# The nodes are placed by their distances alone. Up to a rotation, their places are the same for all
# values of ``epsilon``. Grey dots are samples. ``epsilon`` governs the samples and the coupling
# ``plan_`` between nodes and generated points: the number of generated points that a node is
# matched with, in the mean, is the exponential of the entropy of its row of the plan.

figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), sharex=True, sharey=True, layout="constrained")
for ax, epsilon in zip(axes, (5e-3, 2e-2, 1e-1), strict=True):
    embedding = search.estimator.set_params(epsilon=epsilon).fit(D)
    EmbeddingDisplay.from_estimator(
        embedding, graph=graph, n_samples=1000, random_state=0, ax=ax, samples_kw={"alpha": 0.3}
    )
    ax.get_legend().remove()
    ax.set_title(f"epsilon={epsilon:g}: score {embedding.score(D):.3f}")
    conditional = embedding.plan_.toarray() * len(D)
    entropy = -(conditional * np.log(conditional + 1e-12)).sum(axis=1)
    print(f"epsilon={epsilon:g}: {np.exp(entropy).mean():.0f} generated points per node")

# sphinx_gallery_thumbnail_number = 2
