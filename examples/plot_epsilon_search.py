"""
=================================
Choosing epsilon by a grid search
=================================

This example chooses the entropic regularisation ``epsilon`` of an embedding by a grid search, and
shows embeddings for three values. The score of the estimator does not depend on epsilon, so that
scores of different values can be compared.
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
        metric="precomputed", max_iter=150, batch_size=100, n_generated=300, random_state=0
    ),
    {"epsilon": [1e-3, 5e-3, 2e-2, 1e-1]},
    cv=KFold(3, shuffle=True, random_state=0),
    return_train_score=True,
    refit=False,
).fit(D)

# %%
# The score is minus the relative distortion of the distances from held-out nodes to training nodes.
# A perfect embedding has the score 0, and an embedding of all nodes at one point has the score -1.
# The left figure shows the score against epsilon, which is flat over more than a factor of ten and
# falls at the largest epsilon. The right figure shows the time per fit, which decreases with
# epsilon, so that a larger epsilon is preferable within the flat part.

results = search.cv_results_
epsilons = np.array(results["param_epsilon"], dtype=float)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for part, color in (("test", "#bd1f01"), ("train", "#3f90da")):
    mean, deviation = results[f"mean_{part}_score"], results[f"std_{part}_score"]
    left.errorbar(epsilons, mean, deviation, color=color, marker="o", capsize=3, label=part)
left.set(xscale="log", xlabel="epsilon", ylabel="score")
left.legend(frameon=False)
right.plot(epsilons, results["mean_fit_time"], color="0.3", marker="o")
right.set(xscale="log", ylim=(0, None), xlabel="epsilon", ylabel="seconds per fit")
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
print(f"best: epsilon={search.best_params_['epsilon']:g}, score {search.best_score_:.3f}")

# %%
# Embeddings for three values
# ---------------------------
#
# Each node is embedded at a mean of generated points, weighted by the coupling. At a small epsilon
# the mean is over few generated points, so that the positions of the nodes are irregular. A larger
# epsilon averages over more generated points and gives smoother positions. At the largest epsilon
# the mean is over distant points, so that the nodes contract; the samples, which are not averaged,
# do not contract.

figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), sharex=True, sharey=True, layout="constrained")
for ax, epsilon in zip(axes, (5e-3, 2e-2, 1e-1), strict=True):
    embedding = search.estimator.set_params(epsilon=epsilon).fit(D)
    EmbeddingDisplay.from_estimator(
        embedding, graph=graph, n_samples=1000, random_state=0, ax=ax, samples_kw={"alpha": 0.3}
    )
    ax.get_legend().remove()
    ax.set_title(f"epsilon={epsilon:g}: score {embedding.score(D):.3f}")

# sphinx_gallery_thumbnail_number = 2
