"""
=========================================
Cells and singular set of a transport map
=========================================

This example computes the optimal transport map from normal noise to the points of two moons, and
shows its cells, its Brenier potential and the angles that find its singular set.
"""

# %%
# The map
# -------
#
# Each point of the plane is mapped to one row of the data. The points that are mapped to one row
# are its cell. All cells have the same mass under the normal distribution.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

from skgw import SemiDiscreteOT

Y, moon = make_moons(60, noise=0.05, random_state=0)
ot = SemiDiscreteOT("normal", tol=0.005, random_state=0).fit(Y)
moon_of_atom = moon[np.argsort(ot.row_atoms_)]
print(f"marginal error {ot.marginal_error_:.4f} after {ot.n_iter_} iterations")
print(f"squared Wasserstein distance to the noise {ot.cost_:.2f}")

# %%
# The left panel shows the cells, coloured by the moon of their row. The middle panel shows the
# potential, which is convex and piecewise linear. The right panel shows the angle between the two
# highest hyperplanes of the potential. It is large at the border between the moons: there the map
# is discontinuous, and a continuous generator has samples between the moons. Dots are the data.

LIMIT, N = 2.5, 300
side = np.linspace(-LIMIT, LIMIT, N)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
cells = ot.predict(grid)
shade = np.random.default_rng(0).uniform(0, 0.35, ot.n_atoms_)
panels = {
    "cells": (moon_of_atom[cells] * 0.65 + shade[cells], "coolwarm"),
    "Brenier potential": (ot.potential(grid), "viridis"),
    "angle in radians": (ot.singularity(grid, n_facets=2), "magma"),
}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), sharex=True, sharey=True, layout="constrained")
extent = (-LIMIT, LIMIT, -LIMIT, LIMIT)
for ax, (title, (values, colors)) in zip(axes, panels.items(), strict=True):
    image = ax.imshow(values.reshape(N, N), origin="lower", extent=extent, cmap=colors)
    ax.set_title(title)
    if title != "cells":
        figure.colorbar(image, ax=ax, shrink=0.8)
axes[0].scatter(*Y.T, s=12, color="black", linewidth=0)

# %%
# Masses of the cells
# -------------------
#
# The source samples are new, so that the error of the masses has no bias. The dotted line is the
# right mass.

samples = ot.sample_source(100_000, random_state=1)
masses = np.bincount(ot.predict(samples), minlength=ot.n_atoms_) / len(samples)
figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
ax.plot(np.sort(masses / ot.weights_), ".", color="#3f90da")
ax.axhline(1, color="0.4", linestyle=":")
ax.set(xlabel="cell, by mass", ylabel="mass over weight", ylim=(0, 1.5))
_ = ax.spines[["top", "right"]].set_visible(False)
