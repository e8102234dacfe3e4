"""
==============================
From 3-D to 2-D and vice versa
==============================

This example learns a generator in the plane from data in space, and a generator in space from data
in the plane, as in Bunne et al. [1]_. The training compares distances with distances, so that the
data and the generated points can have different dimensions.
"""

# %%
# From space to the plane
# -----------------------
#
# The modes lie in a randomly rotated plane of three-dimensional space, so that an isometric
# embedding in two dimensions exists. The left figure shows the data, and the right figure shows
# samples of the generator.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import ortho_group

from skgw import GWGenerativeEmbedding
from skgw.datasets import make_modes
from skgw.metrics import mode_coverage, rigid_alignment

SIGMA = 0.2
COLORS = np.array(["#3f90da", "#ffa90e", "#bd1f01", "#832db6"])
settings = {"max_iter": 500, "batch_size": 200, "n_generated": 500, "random_state": 0}

rotation = ortho_group.rvs(3, random_state=0)
planar, label, centers = make_modes(
    800, n_modes=4, n_dims=3, sigma=SIGMA, return_centers=True, random_state=0
)
to_plane = GWGenerativeEmbedding(n_components=2, **settings).fit(planar @ rotation)
Z = rigid_alignment(
    to_plane.sample(1500, random_state=1), centers[:, 1:], max_distance=3 * SIGMA, random_state=0
)


def draw(ax, points, title, color):
    ax.scatter(*points.T, s=6, c=color, linewidth=0, alpha=0.6)
    ax.set_title(title)
    if points.shape[1] == 3:
        ax.set(xlim=(-2.7, 2.7), ylim=(-2.7, 2.7), zlim=(-2.7, 2.7), box_aspect=(1, 1, 1))
        ax.locator_params(nbins=5)
        for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
            axis.set_pane_color("white")
    else:
        ax.set_aspect("equal")
        ax.spines[["top", "right"]].set_visible(False)


figure = plt.figure(figsize=(10, 4.6), layout="constrained")
ax = figure.add_subplot(1, 2, 1, projection="3d")
draw(ax, planar @ rotation, "data in space", COLORS[label])
draw(figure.add_subplot(1, 2, 2), Z, "samples in the plane", "0.45")
coverage = mode_coverage(Z, centers[:, 1:], SIGMA)
print(f"{coverage.within:.1%} of the samples within 3 sigma (data: {coverage.ceiling:.1%})")
print(f"standard deviation in a mode {coverage.within_std:.3f} (data: {SIGMA})")

# %%
# The attribute ``embedding_`` holds the training rows in the plane, placed where their distances
# fit the distances of the data best. The colours show that each mode of the data corresponds to one
# mode of the embedding.

figure, ax = plt.subplots(figsize=(4.6, 4.6), layout="constrained")
draw(ax, to_plane.embedding_, "embedding of the data", COLORS[label])

# %%
# From the plane to space
# -----------------------
#
# Data in two dimensions are embedded in three dimensions. The generator starts at placed rows,
# whose third axis has a width near zero, so that the samples stay close to a plane.

flat, label, centers = make_modes(800, n_modes=4, sigma=SIGMA, return_centers=True, random_state=0)
to_space = GWGenerativeEmbedding(n_components=3, **settings).fit(flat)
Z = to_space.sample(1500, random_state=1)

figure = plt.figure(figsize=(10, 4.6), layout="constrained")
draw(figure.add_subplot(1, 2, 1), flat, "data in the plane", COLORS[label])
draw(figure.add_subplot(1, 2, 2, projection="3d"), Z, "samples in space", "0.45")

# %%
# The axes of the embedding are the principal axes of the generated points. The standard deviation
# along the third axis measures the distance of the samples from a plane, and is well below the
# standard deviation of a mode.

for axis, deviation in enumerate(Z.std(axis=0), start=1):
    print(f"standard deviation along axis {axis}: {deviation:.3f}")
aligned = rigid_alignment(Z, centers, max_distance=3 * SIGMA, random_state=0)  # centers: z = 0
coverage = mode_coverage(aligned, np.pad(centers, ((0, 0), (0, 1))), SIGMA, noise_dim=2)
print(f"{coverage.within:.1%} of the samples within 3 sigma (data: {coverage.ceiling:.1%})")

# %%
# References
# ----------
#
# .. [1] C. Bunne, D. Alvarez-Melis, A. Krause and S. Jegelka, "Learning generative models across
#    incomparable spaces", ICML 2019.
