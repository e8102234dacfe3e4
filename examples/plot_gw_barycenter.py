"""
=========================================
Barycenters: mean and interpolated shapes
=========================================

A Gromov-Wasserstein barycenter is the mean of several spaces. It needs no common coordinates, no
matches and no equal numbers of points. In this example it averages noisy outlines, and interpolates
between two shapes. The last section classifies the outlines by their Gromov-Wasserstein distances.
"""

# %%
# Mean of noisy outlines
# ----------------------
#
# Each outline is the same leaf with other points, noise, rotation and order.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.manifold import ClassicalMDS
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from skgw.metrics import GWDistances
from skgw.solvers import gw_barycenter

rng = np.random.default_rng(0)


def leaf(angle):
    radius = 1 + 0.45 * np.cos(3 * angle) + 0.25 * np.cos(angle)
    return np.column_stack([1.6 * radius * np.cos(angle), radius * np.sin(angle)])


def bar(angle, curvature=0.0):
    x, y = 2.4 * np.cos(angle), 0.6 * np.sin(angle)
    if curvature == 0:
        return np.column_stack([x, y])
    radius = 1 / curvature
    return np.column_stack([(radius - y) * np.sin(x / radius), (radius - y) * np.cos(x / radius)])


def bow(angle):
    return bar(angle, curvature=0.6)


def noisy_outline(shape, n_points):
    turn = rng.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = shape(rng.uniform(0, 2 * np.pi, n_points)) @ rotation
    return points + 0.1 * rng.normal(size=points.shape)


outlines = [noisy_outline(leaf, n_points) for n_points in (100, 110, 120, 90, 105, 115)]
mean = gw_barycenter([pairwise_distances(points) for points in outlines], size=100)
print(mean)

# %%
# The points of the barycenter have distances, and no coordinates. Classical scaling draws them.


def drawn(distances):
    return ClassicalMDS(n_components=2, metric="precomputed").fit_transform(distances)


figure, axes = plt.subplots(1, 5, figsize=(12, 2.8), layout="constrained")
for ax, points in zip(axes, outlines[:4], strict=False):
    ax.scatter(*points.T, s=10, color="tab:gray")
    ax.set_title(f"{len(points)} points")
axes[-1].scatter(*drawn(mean.structure).T, s=10, color="tab:red")
axes[-1].set_title("barycenter of 6 outlines")
for ax in axes:
    ax.set(aspect="equal", xticks=[], yticks=[])

# %%
# Interpolation
# -------------
#
# With weights 1 - t and t the barycenter moves from one shape to another one as t grows: a bar
# bends to a bow. The plans find which parts correspond; a colour is a point of the bar. The inner
# side of the bow is shorter than its outer side, so that some points change sides.

angle = np.linspace(0, 2 * np.pi, 80, endpoint=False)
first, second = (pairwise_distances(shape(angle)) for shape in (bar, bow))
shares = (0.0, 0.25, 0.5, 0.75, 1.0)
between = [gw_barycenter([first, second], [1 - t, t], structure=first) for t in shares]

figure, axes = plt.subplots(1, 5, figsize=(12, 2.8), layout="constrained", sharex=True, sharey=True)
for ax, t, barycenter in zip(axes, shares, between, strict=True):
    ax.scatter(*drawn(barycenter.structure).T, c=angle, s=12, cmap="twilight")
    ax.set(title=f"t = {t}", aspect="equal", xticks=[], yticks=[])

# %%
# Distances between many shapes
# -----------------------------
#
# ``GWDistances`` turns a list of distance matrices into the matrix of their Gromov-Wasserstein
# distances, as a step of a pipeline.

shapes = [noisy_outline(shape, rng.integers(15, 30)) for shape in (bar, bow) for _ in range(12)]
spaces = [pairwise_distances(points) for points in shapes]
names = np.repeat(["bar", "bow"], 12)
neighbors = KNeighborsClassifier(3, metric="precomputed")
scores = cross_val_score(make_pipeline(GWDistances(), neighbors), spaces, names, cv=3)
print(f"accuracy on shapes that were left out: {scores.mean():.2f}")
