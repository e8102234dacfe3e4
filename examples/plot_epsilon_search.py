"""
============================
Choosing epsilon by a search
============================

``epsilon`` sets how much the coupling between data and generated points is blurred. The score of
the estimator contains no epsilon, so that it can be chosen by an ordinary grid search.
"""

# %%
# Distances first
# ---------------
#
# The data are the nodes of a square grid. Cross-validation must not cut a graph, because the paths
# through the nodes that are left out would be gone. It may cut a matrix of distances: for
# ``metric="precomputed"`` scikit-learn takes rows *and* columns for the fit, and the rest of the
# rows for the test.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV, KFold

from skgw import GWGenerativeEmbedding
from skgw.datasets import load_graph
from skgw.plotting import EmbeddingDisplay
from skgw.spaces import graph_distances

graph = load_graph("grid")
D = graph_distances(graph)

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
# The score is minus the relative distortion of the distances from held-out nodes to those of the
# fit: 0 is perfect, -1 is what a single point for all nodes would get. The curve is flat over more
# than a factor of ten, and falls where the blur draws everything together. Within the flat part a
# larger epsilon is the better choice: it is faster.

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
# What it looks like
# ------------------
#
# At a small epsilon the coupling is sharp: each node sits at a few generated points, and the grid
# is as rough as the cloud. A larger one averages over more of them, and smooths. At the largest
# the average reaches across the grid and draws the nodes in; the samples, which are not averaged,
# keep their spread.

figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), sharex=True, sharey=True, layout="constrained")
for ax, epsilon in zip(axes, (5e-3, 2e-2, 1e-1), strict=True):
    embedding = search.estimator.set_params(epsilon=epsilon).fit(D)
    EmbeddingDisplay.from_estimator(
        embedding, graph=graph, n_samples=1000, random_state=0, ax=ax, samples_kw={"alpha": 0.3}
    )
    ax.get_legend().remove()
    ax.set_title(f"epsilon={epsilon:g}: score {embedding.score(D):.3f}")

# sphinx_gallery_thumbnail_number = 2
