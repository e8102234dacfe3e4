"""
============================
From 3-D to 2-D, and back up
============================

The data and the generated points need not have the same dimension: they are never compared with
each other, only distances with distances. Here four planar modes in space are learned in the plane,
and four modes in the plane are learned in space, as in Bunne et al. [1]_.
"""

# %%
# Down
# ----
#
# The modes lie in a plane of three-dimensional space, which we turn at random so that no
# coordinate is special. A faithful picture in two dimensions exists, and should be found.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import ortho_group

from skgw import GWGenerativeEmbedding
from skgw.datasets import make_modes
from skgw.metrics import mode_coverage, rigid_alignment

SIGMA = 0.2
COLORS = np.array(["#3f90da", "#ffa90e", "#bd1f01", "#832db6"])
settings = {"max_iter": 500, "batch_size": 200, "n_generated": 500, "random_state": 0}

turn = ortho_group.rvs(3, random_state=0)
planar, label, centers = make_modes(
    800, n_modes=4, n_dims=3, sigma=SIGMA, return_centers=True, random_state=0
)
to_plane = GWGenerativeEmbedding(n_components=2, **settings).fit(planar @ turn)
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
draw(figure.add_subplot(1, 2, 1, projection="3d"), planar @ turn, "data in space", COLORS[label])
draw(figure.add_subplot(1, 2, 2), Z, "samples in the plane", "0.45")
coverage = mode_coverage(Z, centers[:, 1:], SIGMA)
print(f"{coverage.within:.1%} of the samples within 3 sigma (data: {coverage.ceiling:.1%})")
print(f"standard deviation in a mode {coverage.within_std:.3f} (data: {SIGMA})")

# %%
# The training rows have places of their own in the plane, in ``embedding_``: means of generated
# points, weighted by the coupling. Their colours show that each mode went to one place. A few lie
# in between: the coupling has to give the strays among the generated points their share of the
# data.

figure, ax = plt.subplots(figsize=(4.6, 4.6), layout="constrained")
draw(ax, to_plane.embedding_, "embedding of the data", COLORS[label])

# %%
# Up --
#
# Two dimensions are embedded in three. The head start gives each axis a width of its own, and
# next to none to the third, which these data do not need: the samples stay in a plane.

flat, label, centers = make_modes(800, n_modes=4, sigma=SIGMA, return_centers=True, random_state=0)
to_space = GWGenerativeEmbedding(n_components=3, **settings).fit(flat)
Z = to_space.sample(1500, random_state=1)

figure = plt.figure(figsize=(10, 4.6), layout="constrained")
draw(figure.add_subplot(1, 2, 1), flat, "data in the plane", COLORS[label])
draw(figure.add_subplot(1, 2, 2, projection="3d"), Z, "samples in space", "0.45")

# %%
# The axes are the principal axes of the generated cloud; the first two are equally wide here. The
# third one shows how far the samples are from a plane: well below the width of a mode.

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
