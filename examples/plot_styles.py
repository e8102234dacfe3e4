"""
===============================
Style penalties of an embedding
===============================

This example moves an embedding to the right of a line with a penalty function, and outside a circle
with a classifier. Distances determine samples only up to a rigid transformation. A *style* is a
penalty that selects the transformation and keeps the distances of the data.
"""

# %%
# The data are four clusters in five dimensions. Without a style, the embedding is centred at the
# origin and has its principal axes along the coordinate axes.

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import make_blobs
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier

from skgw import GWGenerativeEmbedding
from skgw.embedding import Penalties, Style

X, _ = make_blobs(600, n_features=5, centers=4, cluster_std=0.7, random_state=3)
settings = {"max_iter": 200, "batch_size": 128, "n_generated": 400, "random_state": 0}
plain = GWGenerativeEmbedding(**settings).fit(X)

# %%
# A penalty function takes points as a tensor and returns one penalty per point. This function
# penalises points to the left of the line at 10.


def right_of_ten(points: torch.Tensor) -> torch.Tensor:
    """Distance of points to the left of 10."""
    return (10 - points[:, 0]).clamp_min(0)


right = Penalties(mean=0.0, style=Style(right_of_ten))
shifted = GWGenerativeEmbedding(penalties=right, **settings).fit(X)

# %%
# A classifier style is the cross-entropy between the prediction of a classifier and a target class.
# This classifier is trained to tell points "inside" a circle from points "outside". The estimator
# copies the classifier to a differentiable network. The embedding is rotated and shifted until most
# samples are in the target class.

rng = np.random.default_rng(0)
plane = rng.uniform(-25, 25, size=(1000, 2))
labels = np.where(np.linalg.norm(plane, axis=1) > 9, "outside", "inside")
network = MLPClassifier((32, 32), max_iter=300, tol=1e-3, learning_rate_init=5e-3, random_state=0)
judge = FrozenEstimator(network.fit(plane, labels))
outside = Penalties(mean=0.0, style=Style(judge, target="outside", weight=1.0))
styled = GWGenerativeEmbedding(penalties=outside, **settings).fit(X)

# %%
# The figure shows samples without a style, with the penalty function, and with the classifier.

figure, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained", sharex=True, sharey=True)
for ax, (name, embedding) in zip(
    axes, {"plain": plain, "right of 10": shifted, "outside": styled}.items(), strict=True
):
    samples = embedding.sample(800, random_state=0)
    ax.scatter(*samples.T, s=3, color="#3f90da")
    ax.set(title=f"{name}: divergence {embedding.gw_divergence_:.3f}", aspect="equal")
    ax.spines[["top", "right"]].set_visible(False)
axes[1].axvline(10, color="0.7")
axes[2].add_patch(plt.Circle((0, 0), 9, fill=False, color="0.7"))
share = np.mean(judge.predict(styled.sample(800, random_state=1)) == "outside")
print(f"{share:.0%} of the samples are in the target class")
