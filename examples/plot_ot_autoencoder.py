"""
=====================================
Digits by PCA and optimal transport
=====================================

This example generates images of digits without a network: principal components are the codes, and
the optimal transport map from normal noise to the codes generates them.
"""

# %%
# The models
# ----------
#
# A transported point is the code of a training image. The samplers make new codes of it. "local"
# makes a random step in the shape of the neighbourhood; "angle" averages codes around the point,
# as AE-OT does [1]_.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skgw import OTAutoencoder
from skgw.metrics import memorization, nearest_neighbor_two_sample

X = load_digits().data
train, new = X[::2], X[1::2]
model = OTAutoencoder(PCA(16), random_state=0)
models = {name: clone(model).set_params(sampler=name).fit(train) for name in ("local", "angle")}
samples = {name: each.sample(len(new), random_state=0) for name, each in models.items()}
pca = models["local"].autoencoder_
rng = np.random.default_rng(0)
noise = rng.normal(size=(len(new), 16)) * np.sqrt(pca.explained_variance_)
samples["normal codes"] = pca.inverse_transform(noise)
samples["new images"] = pca.inverse_transform(pca.transform(new))

# %%
# Samples
# -------
#
# A normal distribution of the codes has no digits. "new images" are images that no model has seen,
# from 16 principal components.

figure, axes = plt.subplots(1, 4, figsize=(11, 3), layout="constrained")
for ax, (name, images) in zip(axes, samples.items(), strict=True):
    sheet = images[:49].reshape(7, 7, 8, 8)
    framed = np.pad(sheet, ((0, 0), (0, 0), (1, 1), (1, 1)))
    ax.imshow(np.block([list(row) for row in framed]), cmap="gray_r", vmin=0, vmax=16)
    ax.set(title=name)
    ax.set_axis_off()

# %%
# Measures
# --------
#
# A nearest neighbour separates samples from new images with the accuracy in the first column; .5 is
# best. The second column is the probability that a sample is nearer to the training images than a
# new image, one half for new images and 1 for copies.

for name, images in samples.items():
    codes, of_train, of_new = (pca.transform(Z) for Z in (images, train, new))
    accuracy = nearest_neighbor_two_sample(of_new, codes, random_state=0)
    copies = memorization(codes, of_train, of_new)
    if name != "new images":
        print(f"{name:12}  {accuracy:.2f}  {copies:.2f}")
for name, each in models.items():
    print(name, {key: round(value, 2) for key, value in each.diagnostics_.items()})

# %%
# .. rubric:: References
#
# .. [1] :cite:t:`an2020`.
