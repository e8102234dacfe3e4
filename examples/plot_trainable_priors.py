"""
====================================
Autoencoders with a trainable prior
====================================

This example compresses images of digits to two dimensions with Gromov-Wasserstein autoencoders
[1]_. Their prior is trained: its distances are those of the data. The family of the prior states
what the codes should be like.
"""

# %%
# Three families
# --------------
#
# Draws of a neural prior are normal noise through a network. A factorised prior has independent
# coordinates, and a mixture has ten components. The objective is the same for all three.

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits

from skgw import GWAutoencoder
from skgw.metrics import distance_rank_correlation, permuted_accuracy

X, digit = load_digits(return_X_y=True)
shared = {"n_components": 2, "hidden_layer_sizes": (128, 64), "max_iter": 400, "random_state": 0}
models = {
    prior: GWAutoencoder(prior=prior, **shared).fit(X[:1400])
    for prior in ("neural", "factorized", "gaussian-mixture")
}

# %%
# Codes and priors
# ----------------
#
# The upper row shows the codes of new images by digit, the lower row draws of the fitted prior.

figure, axes = plt.subplots(2, 3, figsize=(10, 7), layout="constrained")
for (prior, model), (above, below) in zip(models.items(), axes.T, strict=True):
    codes = model.transform(X[1400:])
    points = above.scatter(*codes.T, c=digit[1400:], cmap="tab10", vmin=-0.5, vmax=9.5, s=9)
    with torch.no_grad():
        draws = model.prior_.build()(1000, torch.Generator().manual_seed(0)).numpy()
    below.scatter(*draws.T, color="0.4", s=4)
    for axis in (above, below):
        axis.set(xlim=(-3.7, 3.7), ylim=(-3.7, 3.7), aspect="equal")
    above.set(title=prior)
figure.colorbar(points, ax=axes[0], ticks=range(10), label="digit")
plt.show()

# %%
# Figures
# -------
#
# The discrepancy between codes and prior is 0 where both agree. The correlation is that of the
# ranks of distances between new images and between their codes.

D = np.linalg.norm(X[1400:, None] - X[None, 1400:], axis=2)
for prior, model in models.items():
    correlation = distance_rank_correlation(D, model.transform(X[1400:]))
    print(
        f"{prior:17s} discrepancy {model.diagnostics_['prior_mmd']:.3f}, "
        f"correlation {correlation:.2f}"
    )

# %%
# The mixture names a component for each image. The components agree with the digits as far as ten
# normal distributions in two dimensions can.

found = models["gaussian-mixture"].predict(X[1400:])
print(f"accuracy after the best renaming: {permuted_accuracy(digit[1400:], found):.2f}")

# %%
# References
# ----------
#
# .. [1] N. Nakagawa, R. Togo, T. Ogawa, M. Haseyama. `Gromov-Wasserstein autoencoders
#        <https://arxiv.org/abs/2209.07007>`_. ICLR 2023.
