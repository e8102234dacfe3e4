"""
=========================================
Variational and Wasserstein autoencoders
=========================================

This example compresses images of digits to two dimensions with three autoencoders, and decodes
draws of the standard normal distribution. The variational autoencoder draws the codes of each image
to this distribution, the Wasserstein autoencoders [1]_ draw the codes of all images together.
"""

# %%
# The models
# ----------
#
# The penalty of the first Wasserstein autoencoder is the maximum mean discrepancy between codes and
# draws of the prior, the penalty of the second one is the loss of a critic. All three have the same
# networks, and the same number of updates.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skgw import VariationalAutoencoder, WassersteinAutoencoder

X, digit = load_digits(return_X_y=True)
shared = {"n_components": 2, "hidden_layer_sizes": (128, 64), "max_iter": 600, "random_state": 0}
models = {
    "VAE": VariationalAutoencoder(**shared),
    "WAE, mean discrepancy": WassersteinAutoencoder(**shared, penalty="mmd"),
    "WAE, critic": WassersteinAutoencoder(**shared, penalty="gan"),
}
for model in models.values():
    model.fit(X[:1400])

# %%
# Codes and samples
# -----------------
#
# The upper row shows the codes of new images by digit. The circle contains 95 % of the draws of the
# prior. The lower row shows decoded draws.

figure, axes = plt.subplots(2, 3, figsize=(10, 7), layout="constrained")
for (name, model), (above, below) in zip(models.items(), axes.T, strict=True):
    codes = model.transform(X[1400:])
    points = above.scatter(*codes.T, c=digit[1400:], cmap="tab10", vmin=-0.5, vmax=9.5, s=9)
    above.add_patch(plt.Circle((0, 0), np.sqrt(5.99), fill=False, color="0.4", linewidth=0.8))
    above.set(title=name, xlim=(-3.7, 3.7), ylim=(-3.7, 3.7), aspect="equal")
    images = model.sample(48, random_state=0).reshape(6, 8, 8, 8)
    framed = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    below.imshow(np.block([list(row) for row in framed]), cmap="gray_r", vmin=0, vmax=16)
    below.set_axis_off()
figure.colorbar(points, ax=axes[0], ticks=range(10), label="digit")
plt.show()

# %%
# Figures
# -------
#
# The error is the mean squared error of new images over the variance. ``diagnostics_`` compares the
# codes of the training images with the prior: where the codes follow it, the discrepancy is 0 and
# the standard deviations along the principal axes are 1.

variance = np.square(X[1400:] - X[1400:].mean(0)).mean()
for name, model in models.items():
    error = np.square(model.inverse_transform(model.transform(X[1400:])) - X[1400:]).mean()
    found = model.diagnostics_
    print(
        f"{name:22s} error {error / variance:.2f}, discrepancy {found['mmd']:.3f}, "
        f"standard deviations {found['smallest_sd']:.2f} and {found['largest_sd']:.2f}"
    )

# %%
# References
# ----------
#
# .. [1] I. Tolstikhin, O. Bousquet, S. Gelly, B. Schölkopf. `Wasserstein auto-encoders
#        <https://arxiv.org/abs/1711.01558>`_. ICLR 2018.
