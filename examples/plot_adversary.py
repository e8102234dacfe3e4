"""
=============================
Feature spaces of adversaries
=============================

An adversary learns the distances that the loss compares: one network maps the data to features,
another network the generated points. This example shows both feature spaces for three ways to hold
the networks close to isometries: no penalty, the layerwise penalty and the Procrustes penalty of
Bunne et al. [1]_.
"""

# %%
# Three fits
# ----------
#
# The data are four modes in the plane. The penalties differ, and all other parameters are the same.

import matplotlib.pyplot as plt
import numpy as np

from skgw import GWGenerativeEmbedding
from skgw.datasets import make_modes
from skgw.embedding import Adversary
from skgw.plotting import AdversaryDisplay

X, y = make_modes(600, n_modes=4, random_state=0)
names = {None: "none", "layerwise": "layer-wise", "procrustes": "Procrustes"}
models = {
    name: GWGenerativeEmbedding(
        adversary=Adversary(orthogonality=orthogonality, start=0.1, every=1),
        max_iter=300,
        batch_size=128,
        n_generated=300,
        random_state=0,
    ).fit(X)
    for orthogonality, name in names.items()
}

# %%
# Feature spaces
# --------------
#
# Without a penalty the adversary stretches both spaces, and the generator follows the features. The
# layerwise penalty holds each weight matrix alone: the activations between the matrices shorten
# distances, and both spaces shrink. With the Procrustes penalty the networks stay close to
# isometries, and the features keep the size of the data. The two axes of a column have the same
# limits, in units of the data.

figure, axes = plt.subplots(2, 3, figsize=(10, 7), layout="constrained")
for column, (name, model) in zip(axes.T, models.items(), strict=True):
    AdversaryDisplay.from_estimator(
        model, X, y, axes=column, titles=(f"{name}: features of rows", "features of samples"),
        random_state=0,
    )  # fmt: skip

# %%
# Samples
# -------
#
# The embedding is the copy of the data that the generator has learned, and the axes of the three
# figures differ. The table contains the root mean square size of features, of their samples and of
# the embedding relative to the size of the data (1 is right), and the normalised discrepancy
# between data and embedding, which does not depend on the adversary. Each fit has one seed; the
# results in the documentation have several.

figure, axes = plt.subplots(1, 3, figsize=(10, 3.5), layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    ax.scatter(*model.sample(600, random_state=0).T, s=5, color="#bd1f01", linewidth=0, alpha=0.5)
    ax.set(title=name, aspect="equal")
    ax.spines[["top", "right"]].set_visible(False)


def size(points):
    return np.sqrt(points.var(axis=0).sum() / X.var(axis=0).sum())


print(f"{'':12}{'rows':>12}{'samples':>12}{'embedding':>12}{'discrepancy':>13}")
for name, model in models.items():
    display = AdversaryDisplay.from_estimator(model, X, random_state=0)
    plt.close(display.figure_)
    sizes = [size(points) for points in (*display.features, model.generated_)]
    print(f"{name:12}" + "".join(f"{x:12.3g}" for x in sizes) + f"{model.gw_divergence_:13.4f}")

# %%
# References
# ----------
#
# .. [1] C. Bunne, D. Alvarez-Melis, A. Krause and S. Jegelka, "Learning generative models across
#    incomparable spaces", ICML 2019.
