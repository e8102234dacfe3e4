"""
======================
Unrolling a Swiss roll
======================

This example embeds a Swiss roll in the plane, compares the embedding with Isomap, and maps samples
back onto the roll. With ``metric="geodesic"`` distances are shortest paths in the graph of nearest
neighbours, as in Isomap.
"""

# %%
# A roll in twenty dimensions
# ---------------------------
#
# The roll is rotated into twenty dimensions, with noise in every dimension. A pipeline removes most
# of the noise by a projection on three principal components before distances are computed.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import ortho_group
from sklearn.datasets import make_swiss_roll
from sklearn.decomposition import PCA
from sklearn.manifold import Isomap
from sklearn.metrics import pairwise_distances
from sklearn.pipeline import make_pipeline

from skgw import GWGenerativeEmbedding
from skgw.metrics import distance_rank_correlation, relative_distortion, trustworthiness

roll, angle = make_swiss_roll(1200, noise=0.2, random_state=0)
rotation = ortho_group.rvs(20, random_state=0)
noise = 0.3 * np.random.default_rng(0).standard_normal((1200, 20))
X = np.pad(roll, ((0, 0), (0, 17))) @ rotation + noise
X_train, X_test, angle_train, angle_test = X[:1000], X[1000:], angle[:1000], angle[1000:]

gw = make_pipeline(
    PCA(n_components=3),
    GWGenerativeEmbedding(
        metric="geodesic",
        n_neighbors=10,
        batch_size=200,
        max_iter=500,
        n_generated=500,
        random_state=0,
    ),
).fit(X_train)
isomap = make_pipeline(PCA(n_components=3), Isomap(n_neighbors=10)).fit(X_train)

# %%
# The sheet
# ---------
#
# Colours show the angle of a point in the roll. Held-out points have a dark rim; both methods
# compute their distances through their nearest training points. Grey dots are samples of the
# generator, which Isomap does not have.

figure, axes = plt.subplots(2, 1, figsize=(9, 5), sharex=True, layout="constrained")
for ax, (name, model) in zip(axes, {"Isomap": isomap, "skgw": gw}.items(), strict=True):
    if hasattr(model[-1], "sample"):
        samples = model[-1].sample(2000, random_state=0)
        ax.scatter(*samples.T, s=5, color="0.8", linewidth=0, zorder=0)
    ax.scatter(*model[-1].embedding_.T, c=angle_train, cmap="viridis", s=9, linewidth=0)
    Z_test = model.transform(X_test)
    points = ax.scatter(*Z_test.T, c=angle_test, cmap="viridis", s=18, ec="k", lw=0.6)
    ax.set(title=name, aspect="equal")
    ax.spines[["top", "right"]].set_visible(False)
_ = figure.colorbar(points, ax=axes, label="angle in the roll", shrink=0.6)

# %%
# The length of the spiral has a closed form, so that the true distances on the sheet are known. The
# table compares both embeddings with the true distances. Isomap has an advantage here, since exact
# coordinates exist for a flat sheet. The generative embedding places a training row where its
# distances to the reference rows have the least squared errors.


def flat_distances(points, angle):
    """Distances on the sheet, by the length of the spiral r = angle and the height of the roll."""
    length = 0.5 * (angle * np.sqrt(1 + angle**2) + np.arcsinh(angle))
    return pairwise_distances(np.column_stack([length, points[:, 1]]))


D = flat_distances(roll[:1000], angle_train)
print("                      Isomap     skgw")
for name, measure in {
    "relative distortion": lambda Z: relative_distortion(D, pairwise_distances(Z)),
    "rank correlation": lambda Z: distance_rank_correlation(D, Z),
    "trustworthiness": lambda Z: trustworthiness(D, Z, n_neighbors=10, metric="precomputed"),
}.items():
    print(f"{name:20}" + "".join(f"{measure(m[-1].embedding_):9.3f}" for m in (isomap, gw)))

# %%
# Decoded samples
# ---------------
#
# The method ``inverse_transform`` maps samples of the sheet to points in twenty dimensions: means
# of training rows, weighted by the coupling, followed by the inverse of the projection. The figure
# shows the data on the left and the decoded samples on the right, both in the coordinates of the
# roll. The means are over neighbours on the sheet, so that the layers of the roll stay separate.

samples = gw[-1].sample(2000, random_state=0)
decoded = gw.inverse_transform(samples) @ rotation.T
direction = np.sign(np.corrcoef(gw[-1].embedding_[:, 0], angle_train)[0, 1])

figure = plt.figure(figsize=(10, 4.6), layout="constrained")
for i, (points, color, title) in enumerate(
    [
        (roll[:1000], angle_train, "data"),
        (decoded[:, :3], direction * samples[:, 0], "samples, decoded"),
    ]
):
    ax = figure.add_subplot(1, 2, i + 1, projection="3d")
    ax.scatter(*points[:, [0, 2, 1]].T, c=color, cmap="viridis", s=8, linewidth=0, alpha=0.8)
    ax.view_init(elev=70, azim=-80)
    ax.set(title=title, xticklabels=[], yticklabels=[], zticklabels=[], box_aspect=(1, 1, 0.7))
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.set_pane_color("white")

# sphinx_gallery_thumbnail_number = 1
