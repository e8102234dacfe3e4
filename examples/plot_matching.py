"""
==============================
Matching without common ground
==============================

Two instruments have measured the same kind of thing, in different features, and nobody knows which
row of one belongs to which row of the other. `GWMatcher` finds out from the distances inside each.
"""

# %%
# Two views of handwritten digits
# -------------------------------
#
# One domain are the pixels of digits, the other their Fourier coefficients, turned by a random
# rotation and shuffled. The two have no feature in common, and the labels are only used for
# colours and to count.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skgw import GWMatcher
from skgw.plotting import AlignmentDisplay, CouplingDisplay

rng = np.random.default_rng(0)
pixels, labels = load_digits(n_class=5, return_X_y=True)
chosen = rng.permutation(len(pixels))[:400]
pixels, labels = pixels[chosen], labels[chosen]
spectrum = np.fft.rfft2(pixels.reshape(-1, 8, 8)).reshape(len(pixels), -1)
spectrum = np.concatenate([spectrum.real, spectrum.imag], axis=1)
rotation = np.linalg.qr(rng.normal(size=(spectrum.shape[1],) * 2))[0]
order = rng.permutation(len(pixels))
X, Y = pixels, (spectrum @ rotation)[order]

matcher = GWMatcher(random_state=0).fit(X, Y)
partner = matcher.match()
same = order[partner] == np.arange(len(X))
print(f"metric {matcher.metric_[0]!r}, margin {matcher.margin_:.2f}")
print(f"{same.mean():.0%} of the rows found themselves,")
print(f"{(labels[order][partner] == labels).mean():.0%} found a row of the same digit")

# %%
# Translated pixels are spectra: here both are seen in the two main directions of the spectra.

plane = PCA(2).fit(Y)
AlignmentDisplay.from_points(
    plane.transform(Y),
    plane.transform(matcher.translate(X)),
    labels=(labels[order], labels),
    titles=("spectra", "pixels, translated to spectra"),
)

# %%
# The plan itself, its rows and columns ordered by digit, keeps to the diagonal blocks.

CouplingDisplay.from_estimator(matcher, labels=(labels, labels[order]))

# %%
# How sure is it?
# ---------------
#
# Half of the spectra are spoilt with noise now. `confidence_` ranks the rows: the surer the
# matcher is, the more often it is right. The rows of both domains are drawn in the two main
# directions of each.

noisy = Y.copy()
spoilt = rng.permutation(len(Y))[: len(Y) // 2]
noisy[spoilt] += rng.normal(size=noisy[spoilt].shape) * 0.6 * Y.std()
matcher = GWMatcher(random_state=0).fit(X, noisy)
right = order[matcher.match()] == np.arange(len(X))
AlignmentDisplay.from_estimator(matcher, X, noisy, titles=("pixels", "spectra, half spoilt"))

# %%
ranks = np.array_split(np.argsort(-matcher.confidence_), 5)

figure, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
ax.bar(range(1, 6), [right[rows].mean() for rows in ranks])
ax.set(xlabel="fifth of the rows, surest first", ylabel="share of right partners", ylim=(0, 1))

# %%
# When it cannot be told
# ----------------------
#
# A square looks the same from eight sides. The matcher finds a matching that keeps all distances,
# and warns that it is one of several. Three known pairs decide.

import warnings

grid = np.linspace(-1, 1, 9)
square = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
order = rng.permutation(len(square))
partner = np.argsort(order)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    alone = GWMatcher(random_state=0).fit(square, square[order])
print(caught[0].category.__name__, "with a margin of", round(alone.margin_, 3))

known = np.array([0, 4, 12])
helped = GWMatcher(random_state=0).fit(square, square[order], pairs=(known, partner[known]))

figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
color = square[:, 0] + 0.5 * square[:, 1]
places = (square, alone.translate(square), helped.translate(square))
titles = ("square", "translated, alone", "translated, three known pairs")
for ax, points, title in zip(axes, places, titles, strict=True):
    ax.scatter(*points.T, c=color)
    ax.set(title=title, aspect="equal", xticks=[], yticks=[])
plt.show()
