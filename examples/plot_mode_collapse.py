"""
=================================
Mode collapse and mode mixture
=================================

This example generates a grid of 25 modes by a Wasserstein generative adversarial network, and by
optimal transport.
"""

# %%
# The models
# ----------
#
# A network is continuous: it joins the modes or misses some of them. The transport map from normal
# noise to the rows has jumps between modes. "angle" averages rows around a transported point; with
# a threshold that lets all angles pass it mixes modes, too.

import matplotlib.pyplot as plt
from sklearn.decomposition import PCA

from skgw import OTAutoencoder, SemiDiscreteOT, WassersteinGAN
from skgw.datasets import make_grid
from skgw.generative import AngleSampler
from skgw.metrics import mode_coverage

SIGMA = 0.05
X, _, centers = make_grid(1000, sigma=SIGMA, random_state=0)
transport = SemiDiscreteOT()
models = {
    "Wasserstein GAN": WassersteinGAN(
        hidden_layer_sizes=(64, 64, 64),
        critic_layer_sizes=(64, 64, 64),
        max_iter=2500,
        random_state=0,
    ),
    "transport, any angle": OTAutoencoder(
        PCA(2), transport=transport, sampler=AngleSampler(threshold=4.0), random_state=0
    ),
    "transport, small angles": OTAutoencoder(
        PCA(2), transport=transport, sampler="angle", random_state=0
    ),
    "transport, local step": OTAutoencoder(PCA(2), transport=transport, random_state=0),
}
samples = {name: model.fit(X).sample(1000, random_state=0) for name, model in models.items()}

# %%
# Samples
# -------

figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), sharex=True, sharey=True, layout="constrained")
for ax, (name, points) in zip(axes, samples.items(), strict=True):
    ax.scatter(*points.T, s=4, color="#bd1f01", linewidth=0, alpha=0.6)
    ax.set(title=name, aspect="equal", xlim=(-5.2, 5.2), ylim=(-5.2, 5.2))
    ax.spines[["top", "right"]].set_visible(False)

# %%
# Measures
# --------
#
# Of the true distribution .989 of the samples lie within three standard deviations of a mode. More
# means that samples crowd in the middle of modes.

for name, points in samples.items():
    found = mode_coverage(points, centers, SIGMA)
    print(f"{name:24} {int((found.shares > 0).sum()):2} modes, {found.within:.3f} within 3 sigma")
