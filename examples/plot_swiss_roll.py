"""
======================
Unrolling a Swiss roll
======================

With ``metric="geodesic"`` distances are measured along the data: shortest paths in the graph of
nearest neighbours, as in Isomap. The embedding unrolls the roll, samples fill the sheet, and
``inverse_transform`` rolls them up again.
"""

# %%
# A roll in twenty dimensions
# ---------------------------
#
# The roll is turned into a space of twenty dimensions, with some noise in all of them. A pipeline
# gets rid of most of the noise before distances are measured.

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
turn = ortho_group.rvs(20, random_state=0)
noise = 0.3 * np.random.default_rng(0).standard_normal((1200, 20))
X = np.pad(roll, ((0, 0), (0, 17))) @ turn + noise
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
# Colours are the angle at which a point sits in the roll. Held-out points are drawn with a dark
# rim: both methods find their distances by way of their nearest neighbours among the training
# points. The samples behind them are what Isomap has no counterpart for.

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
# Along the roll, the length of the spiral is known in closed form, so that we can compare with the
# true distances on the sheet. Isomap has an advantage here: it looks for the coordinates whose
# inner products fit, which for a flat sheet exist. The training rows of a generative embedding are
# placed by averages over generated points, which draws them in a little at the edges.


def flat_distances(points, angle):
    """Distances on the sheet: along the spiral r = angle, and across."""
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
# Back into space
# ---------------
#
# Fresh samples of the sheet become points in twenty dimensions: ``inverse_transform`` takes means
# of training rows, weighted by the coupling, and the pipeline undoes the principal axes too. We
# turn the result back to look at it. As the means are over neighbours on the sheet, not in space,
# the layers of the roll stay apart.

samples = gw[-1].sample(2000, random_state=0)
decoded = gw.inverse_transform(samples) @ turn.T
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
