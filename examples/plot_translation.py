"""
===========================
Translating unpaired images
===========================

This example translates images of one domain to images of a second domain, and classifies the
translated images with a classifier of the second domain. The domains have neither paired images nor
shared pixels. `GWCoTrainedAutoencoders` learns the translation from the distances within each
domain.
"""

# %%
# Two halves of the digits
# ------------------------
#
# The first domain holds handwritten digits. The second domain holds *different* digits, inverted
# and with permuted pixels. There are no pairs, and equal pixel positions have no common meaning.
# The labels are used for evaluation only.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from skgw import GWCoTrainedAutoencoders

rng = np.random.default_rng(0)
pixels, labels = load_digits(return_X_y=True)
permutation = rng.permutation(64)


def invert(images):
    """Images of the first domain in the representation of the second domain."""
    return 16 - images[:, permutation]


test, first, second = np.split(rng.permutation(len(pixels)), [300, 1048])
X, Y = pixels[first], invert(pixels[second])
model = GWCoTrainedAutoencoders(n_components=16, random_state=0).fit(X, Y)
print(f"margin {model.margin_:.2f}")
print(", ".join(f"{name} {value:.2f}" for name, value in model.diagnostics_.items()))

# %%
# The scales of the codes in the diagnostics are near one, so that the codes have not collapsed. The
# discrepancy between the codes of both domains enters the loss after half of the updates. The
# figure shows the discrepancy from then on.

figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
means = np.mean(np.reshape(model.gw_curve_, (-1, 25)), axis=1)
ax.plot(len(model.loss_curve_) - len(model.gw_curve_) + 25 * np.arange(len(means)), means)
_ = ax.set(xlabel="updates", ylabel="discrepancy of the codes", ylim=(0, None))

# %%
# New images
# ----------
#
# The figure shows the translation of held-out images. The first row shows images of the first
# domain, the second row shows their translations, and the third row shows the exact images of the
# second domain. For display, the pixels of the second and the third row are permuted back.

translated = model.translate(pixels[test])
shown = [np.flatnonzero(labels[test] == digit)[0] for digit in range(10)]
inverse = np.argsort(permutation)
rows = {
    "first domain": pixels[test][shown],
    "translated": translated[shown][:, inverse],
    "exact": invert(pixels[test])[shown][:, inverse],
}
figure, axes = plt.subplots(3, 10, figsize=(10, 3.2), layout="constrained")
for line, (name, images) in zip(axes, rows.items(), strict=True):
    for ax, image in zip(line, images, strict=True):
        ax.imshow(image.reshape(8, 8), cmap="gray", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name)

# %%
# Classification of translated images
# -----------------------------------
#
# Suppose that only the second domain has labels. A classifier of the second domain fails on images
# of the first domain, since equal pixel positions have no common meaning. The same classifier
# recognises translated images. The accuracy on the exact images of the second domain is the
# reference.

classifier = LogisticRegression(max_iter=5000).fit(Y, labels[second])
for name, images in {
    "first domain": pixels[test],
    "first domain, translated": translated,
    "first domain, exact images of the second domain": invert(pixels[test]),
}.items():
    print(f"{classifier.score(images, labels[test]):.0%}  {name}")

# %%
# The parameter `method` selects the translation. "barycentric" decodes the mean code of the nearest
# matches, "decoded" decodes the rotated code of the row, and "greedy" returns the nearest training
# row of the second domain.

for method in ("decoded", "barycentric", "greedy"):
    images = model.translate(pixels[test], method=method)
    accuracy = classifier.score(images, labels[test])
    error = np.mean((images - invert(pixels[test])) ** 2) / Y.var(0).mean()
    print(f"{method}: accuracy {accuracy:.0%}, squared error {error:.2f} of the variance")
plt.show()

# sphinx_gallery_thumbnail_number = 2
