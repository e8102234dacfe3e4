"""
===========================
Translating unpaired images
===========================

Two sets of images show the same kind of thing, but no image of one belongs to an image of the
other, and their pixels have nothing in common. `GWCoTrainedAutoencoders` learns to translate one
into the other, from the distances inside each.
"""

# %%
# Two halves of the digits
# ------------------------
#
# The first domain are handwritten digits as they are. The second are *other* digits, inverted, and
# with their pixels in another order. So there are no pairs, and a pixel of one domain says nothing
# about the same pixel of the other. Labels are used to count only.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from skgw import GWCoTrainedAutoencoders

rng = np.random.default_rng(0)
pixels, labels = load_digits(return_X_y=True)
shuffled = rng.permutation(64)


def invert(images):
    """Images of the first domain, as they would be in the second."""
    return 16 - images[:, shuffled]


test, first, second = np.split(rng.permutation(len(pixels)), [300, 1048])
X, Y = pixels[first], invert(pixels[second])
model = GWCoTrainedAutoencoders(n_components=16, random_state=0).fit(X, Y)
print(f"margin {model.margin_:.2f}")
print(", ".join(f"{name} {value:.2f}" for name, value in model.diagnostics_.items()))

# %%
# Above all, the sizes are near one: the codes have not shrunk to please each other. Their
# discrepancy joins the loss halfway, when the autoencoders know their domains, and falls from
# there.

figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
means = np.mean(np.reshape(model.gw_curve_, (-1, 25)), axis=1)
ax.plot(len(model.loss_curve_) - len(model.gw_curve_) + 25 * np.arange(len(means)), means)
ax.set(xlabel="updates", ylabel="discrepancy of the codes", ylim=(0, None))

# %%
# New images
# ----------
#
# Images that were not seen in the fit are encoded, their codes turned, and decoded in the second
# domain. For display only, the pixels of translations are put back into order. The last row are the
# images that a perfect translation would give.

translated = model.translate(pixels[test])
shown = [np.flatnonzero(labels[test] == digit)[0] for digit in range(10)]
in_order = np.argsort(shuffled)
rows = {
    "first domain": pixels[test][shown],
    "translated": translated[shown][:, in_order],
    "perfect": invert(pixels[test])[shown][:, in_order],
}
figure, axes = plt.subplots(3, 10, figsize=(10, 3.2), layout="constrained")
for line, (name, images) in zip(axes, rows.items(), strict=True):
    for ax, image in zip(line, images, strict=True):
        ax.imshow(image.reshape(8, 8), cmap="gray", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name)

# %%
# A classifier for the other domain
# ---------------------------------
#
# Say that only the second domain has labels. A classifier trained there is of no use for the first,
# as its pixels mean something else; on translations it is. What it makes of the true images of the
# second domain bounds what can be expected.

classifier = LogisticRegression(max_iter=5000).fit(Y, labels[second])
for name, images in {
    "first domain, as it is": pixels[test],
    "first domain, translated": translated,
    "the same images, truly in the second domain": invert(pixels[test]),
}.items():
    print(f"{classifier.score(images, labels[test]):.0%}  {name}")

# %%
# There are other ways to translate. The usual one decodes the mean code of the nearest partners;
# "decoded" decodes the turned code of the row itself, and "greedy" gives the nearest partner.

for method in ("decoded", "barycentric", "greedy"):
    images = model.translate(pixels[test], method=method)
    kept = classifier.score(images, labels[test])
    error = np.mean((images - invert(pixels[test])) ** 2) / Y.var(0).mean()
    print(f"{method}: {kept:.0%} keep their digit, squared error {error:.2f} of the variance")
plt.show()
