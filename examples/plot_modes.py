"""
====================================
Gaussian modes, from distances alone
====================================

A generator learns mixtures of five and of eight Gaussians in the plane. It never sees a
coordinate: all that it is given are distances between points of the data, and all that it is
judged by are distances between its own points. These are the mixtures of Bunne et al. [1]_.
"""

# %%
# The data
# --------
#
# Five modes lie on the axes and at the origin, eight on a circle; all have a standard deviation of
# 0.2 and the same weight.
#
# ``n_generated`` is the size of the cloud on which the training rows are projected; 500 points are
# plenty for so simple a shape.

import matplotlib.pyplot as plt
import numpy as np

from skgw import GWGenerativeEmbedding
from skgw.datasets import make_modes
from skgw.metrics import mode_coverage, nearest_neighbor_two_sample, rigid_alignment

SIGMA = 0.2
data, centers, models = {}, {}, {}
for n_modes in (5, 8):
    data[n_modes], _, centers[n_modes] = make_modes(
        1000, n_modes=n_modes, sigma=SIGMA, return_centers=True, random_state=0
    )
    models[n_modes] = GWGenerativeEmbedding(max_iter=600, n_generated=500, random_state=0)
    models[n_modes].fit(data[n_modes])

# %%
# What distances leave free
# -------------------------
#
# Distances do not change when all points are turned, mirrored or moved together. The model
# therefore learns the mixture up to such a motion. It puts the cloud around the origin along its
# principal axes, which for shapes as symmetric as these says little. To compare samples with the
# data, we look for the rigid motion that brings them onto the centres of the modes; no scale is
# fitted. Samples further than three standard deviations from every centre do not pull.

samples = {
    n_modes: rigid_alignment(
        model.sample(2000, random_state=1),
        centers[n_modes],
        max_distance=3 * SIGMA,
        random_state=0,
    )
    for n_modes, model in models.items()
}

figure, axes = plt.subplots(2, 2, figsize=(8, 8), sharex=True, sharey=True, layout="constrained")
for row, n_modes in zip(axes, data, strict=True):
    row[0].scatter(*data[n_modes].T, s=5, color="#3f90da", linewidth=0, alpha=0.7)
    row[0].set_title(f"{n_modes} modes: data")
    row[1].scatter(*samples[n_modes].T, s=5, color="#bd1f01", linewidth=0, alpha=0.5)
    row[1].set_title("samples, aligned")
    for ax in row:
        for center in centers[n_modes]:
            circle = plt.Circle(center, 3 * SIGMA, fill=False, color="0.6", linewidth=0.8)
            ax.add_patch(circle)
        ax.set_aspect("equal")
        ax.spines[["top", "right"]].set_visible(False)

# %%
# Circles have a radius of three standard deviations. A neural network is a continuous function, so
# that from a single Gaussian it could not reach separate modes without leaving a bridge between
# them. The noise of this generator comes from a mixture with learned means
# (``Prior(n_components=64)``), whose parts can go separate ways; the few strays are what is left of
# the bridges.
#
# Numbers
# -------
#
# :func:`~skgw.metrics.mode_coverage` counts. Fresh data would have a share of ``ceiling`` within
# three standard deviations of a centre. A nearest-neighbour classifier that cannot tell samples
# from data is right half of the time.

table = {}
for n_modes, Z in samples.items():
    coverage = mode_coverage(Z, centers[n_modes], SIGMA)
    fresh, _ = make_modes(2000, n_modes=n_modes, sigma=SIGMA, random_state=1)
    table[n_modes] = {
        "modes covered": coverage.covered,
        "within 3 sigma": coverage.within,
        "ceiling of that": coverage.ceiling,
        "std in a mode": coverage.within_std,
        "largest share": coverage.shares.max(),
        "smallest share": coverage.shares.min(),
        "nearest neighbour": nearest_neighbor_two_sample(Z, fresh, random_state=0),
    }
print("modes              " + "".join(f"{n_modes:8}" for n_modes in table))
for name in table[5]:
    print(f"{name:19}" + "".join(f"{column[name]:8.3g}" for column in table.values()))

# %%
# Training
# --------
#
# The loss is the normalised discrepancy :math:`2 GW(X, Z) - GW(X, X) - GW(Z, Z)` of each
# mini-batch, in units of the mean squared distance. It is zero for isometric sets, and does not
# quite reach zero here, since each mini-batch is another finite sample. The strong lines
# are running means.

WIDTH = 21  # updates that a point of the running mean is taken over, as many before as after
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
for (n_modes, model), color in zip(models.items(), ("#3f90da", "#bd1f01"), strict=True):
    loss = np.array(model.loss_curve_)
    ax.plot(loss, color=color, alpha=0.3, linewidth=0.8)
    mean = np.convolve(loss, np.ones(WIDTH) / WIDTH, mode="valid")
    ax.plot(np.arange(len(mean)) + WIDTH // 2, mean, color=color, label=f"{n_modes} modes")
ax.set(yscale="log", xlabel="update of the generator", ylabel="normalised discrepancy")
ax.spines[["top", "right"]].set_visible(False)
_ = ax.legend(frameon=False)

# %%
# References
# ----------
#
# .. [1] C. Bunne, D. Alvarez-Melis, A. Krause and S. Jegelka, "Learning generative models across
#    incomparable spaces", ICML 2019.
