"""
====================================
Mixtures of Gaussians from distances
====================================

This example compares samples of a generator with the data, for mixtures of five and of eight
Gaussians in the plane. The training uses only distances between data points and distances between
generated points. Bunne et al. [1]_ use the same mixtures.
"""

# %%
# The data
# --------
#
# The five modes lie on the axes and at the origin, and the eight modes lie on a circle. All modes
# have a standard deviation of 0.2 and equal weights.
#
# The parameter ``n_generated`` is the number of generated points that the training rows are coupled
# with after training.

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
# Alignment of samples and data
# -----------------------------
#
# Distances are invariant under rigid transformations, so that the model learns the mixture up to a
# rotation, a reflection and a translation. To compare samples with the data, ``rigid_alignment``
# fits the rigid transformation from the samples to the centres of the modes, without a scale.
# Samples further than three standard deviations from every centre are left out of the fit. The
# figure shows the data on the left and the aligned samples on the right.

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
# Circles have a radius of three standard deviations. A network is a continuous function, so that it
# maps a single Gaussian to a connected set with samples between the modes. The prior of this
# generator is a mixture of Gaussians with learned means, whose components can be mapped to separate
# modes. A few samples remain between the modes.
#
# Quality of the samples
# ----------------------
#
# :func:`~skgw.metrics.mode_coverage` computes the share of samples within three standard deviations
# of a centre; ``ceiling`` is the expected share for data. The accuracy of a nearest-neighbour
# classifier between samples and data is 0.5 if both have the same distribution.

table = {}
for n_modes, Z in samples.items():
    coverage = mode_coverage(Z, centers[n_modes], SIGMA)
    new_data, _ = make_modes(2000, n_modes=n_modes, sigma=SIGMA, random_state=1)
    table[n_modes] = {
        "modes covered": coverage.covered,
        "within 3 sigma": coverage.within,
        "ceiling": coverage.ceiling,
        "std in a mode": coverage.within_std,
        "largest share": coverage.shares.max(),
        "smallest share": coverage.shares.min(),
        "nearest neighbour": nearest_neighbor_two_sample(Z, new_data, random_state=0),
    }
print("modes              " + "".join(f"{n_modes:8}" for n_modes in table))
for name in table[5]:
    print(f"{name:19}" + "".join(f"{column[name]:8.3g}" for column in table.values()))

# %%
# Training
# --------
#
# The loss is the normalised discrepancy :math:`2 GW(X, Z) - GW(X, X) - GW(Z, Z)` of each
# mini-batch, in units of the mean squared distance. The loss is zero for isometric sets. It stays
# above zero here, since each mini-batch is a different finite sample. Thin lines show the loss of
# each update, and thick lines show running means.

WIDTH = 21  # updates per running mean, centred
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
