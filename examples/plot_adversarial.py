"""
=================================
A critic that estimates distances
=================================

This example trains a generator on eight Gaussian modes against a Wasserstein critic. It shows the
estimate of the critic during training, and the samples.
"""

# %%
# Training
# --------
#
# The generator maps normal noise to the plane. The critic is a network whose slopes are drawn to 1
# by a penalty. The difference of its means over data and samples is then about the Wasserstein
# distance.

import matplotlib.pyplot as plt

from skgw import WassersteinGAN
from skgw.datasets import make_modes
from skgw.metrics import mode_coverage, sliced_wasserstein_distance

SIGMA = 0.2
X, _, centers = make_modes(1000, n_modes=8, sigma=SIGMA, return_centers=True, random_state=0)
gan = WassersteinGAN(
    hidden_layer_sizes=(64, 64),
    critic_layer_sizes=(64, 64),
    batch_size=128,
    lipschitz="gp",
    gp_weight=1.0,
    n_critic=3,
    learning_rate_init=1e-3,
    max_iter=800,
    random_state=0,
).fit(X)
samples = gan.sample(1000, random_state=0)

# %%
# Estimate and samples
# --------------------
#
# The left panel shows the estimate of the critic at each iteration, in units of the root of the
# mean variance of a feature. During the first 50 iterations the critic alone is trained. The right
# panel shows the data in blue and samples in red. A continuous generator has samples between modes.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.plot(gan.loss_curve_, color="#3f90da", linewidth=0.8)
left.axvline(gan.n_warmup, color="0.5", linestyle=":")
left.set(xlabel="iteration", ylabel="estimate of the critic", yscale="symlog")
right.scatter(*X.T, s=5, color="#3f90da", linewidth=0, alpha=0.6)
right.scatter(*samples.T, s=5, color="#bd1f01", linewidth=0, alpha=0.6)
right.set_aspect("equal")
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)

# %%
# Measures of the samples
# -----------------------
#
# The estimate depends on the critic. Measures of the samples alone compare different fits.

coverage = mode_coverage(samples, centers, SIGMA)
new_data, _ = make_modes(1000, n_modes=8, sigma=SIGMA, random_state=1)
print(f"modes covered                {coverage.covered} of 8")
print(f"within 3 sigma of a mode     {coverage.within:.2f}, expected {coverage.ceiling:.2f}")
for name, Z in (("samples", samples), ("other data", X)):
    distance = sliced_wasserstein_distance(Z, new_data, random_state=0)
    print(f"sliced Wasserstein distance  {distance:.3f} of {name}")
print(f"score on new data            {gan.score(new_data):.3f}")
