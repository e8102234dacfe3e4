"""
================================
Matching without shared features
================================

This example matches the rows of two data sets that share no feature, ranks the rows by confidence,
and resolves an ambiguous matching with three anchor pairs. `GWMatcher` uses only the distances
within each data set.
"""

# %%
# Two views of handwritten digits
# -------------------------------
#
# The first domain holds the pixels of digits. The second domain holds the Fourier coefficients of
# the same digits, after a random rotation and in random order. The domains share no feature. The
# labels set the colours and count the correct matches; the matcher does not see them.

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
match = matcher.match()
same = order[match] == np.arange(len(X))
print(f"right with a probability of {matcher.matching_probability_:.2f}")
print(f"{same.mean():.0%} of the rows are matched with their own spectrum,")
print(f"{(labels[order][match] == labels).mean():.0%} with a spectrum of the same digit")

# %%
# The method `translate` maps pixels to spectra. The figure shows the spectra on the left and the
# translated pixels on the right, both on the first two principal components of the spectra.

plane = PCA(2).fit(Y)
AlignmentDisplay.from_arrays(
    (plane.transform(Y), plane.transform(matcher.translate(X))),
    y=(labels[order], labels),
    titles=("spectra", "pixels, translated to spectra"),
)

# %%
# The next figure shows the plan with rows and columns ordered by digit. The mass lies in the
# diagonal blocks.

CouplingDisplay.from_estimator(matcher, y=(labels, labels[order]))

# %%
# Confidence of each row
# ----------------------
#
# Now half of the spectra contain noise. The attribute `confidence_` ranks the rows: rows with a
# higher confidence are matched correctly more often. The figure shows each domain on its own first
# two principal components, coloured by confidence.

noisy = Y.copy()
half = rng.permutation(len(Y))[: len(Y) // 2]
noisy[half] += rng.normal(size=noisy[half].shape) * 0.9 * Y.std()
matcher = GWMatcher(random_state=0).fit(X, noisy)
right = order[matcher.match()] == np.arange(len(X))
AlignmentDisplay.from_estimator(matcher, (X, noisy), titles=("pixels", "spectra, half with noise"))

# %%
# The bars show the share of correct matches in each fifth of the rows.

ranks = np.array_split(np.argsort(-matcher.confidence_), 5)

figure, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
ax.bar(range(1, 6), [right[rows].mean() for rows in ranks])
_ = ax.set(
    xlabel="fifth of the rows, by confidence", ylabel="share of correct matches", ylim=(0, 1)
)

# %%
# Ambiguous matchings
# -------------------
#
# A square has eight symmetries, so that eight matchings keep all distances. The matcher returns one
# of the eight and warns that the matching is ambiguous. Three anchor pairs select the correct one.

import warnings

grid = np.linspace(-1, 1, 9)
square = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
order = rng.permutation(len(square))
match = np.argsort(order)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    alone = GWMatcher(random_state=0).fit(square, square[order])
print(caught[0].category.__name__, "at a probability of", round(alone.matching_probability_, 3))

anchors = np.array([0, 4, 12])
anchored = GWMatcher(random_state=0).fit(square, square[order], pairs=(anchors, match[anchors]))

figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
color = square[:, 0] + 0.5 * square[:, 1]
places = (square, alone.translate(square), anchored.translate(square))
titles = ("square", "translated, no anchor pairs", "translated, three anchor pairs")
for ax, points, title in zip(axes, places, titles, strict=True):
    ax.scatter(*points.T, c=color)
    ax.set(title=title, aspect="equal", xticks=[], yticks=[])
plt.show()
