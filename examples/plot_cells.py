"""
=======================================================
Cells measured by two instruments, some without a match
=======================================================

This example matches cells measured by two instruments, detects the cells without a match, and
predicts the measurement of the second instrument for cells of the first. The first instrument
counts the transcripts of a cell. The second instrument detects which parts of the DNA are open.
Each measurement destroys the cell, so that the two sets of cells are disjoint, and one cell type is
missing in the second set.
"""

# %%
# A tree of blood cells
# ---------------------
#
# The cells are simulated. Cells develop along a tree, and the progress of a cell along each branch
# determines the rates of its transcripts and the probability that each of its peaks is open. Counts
# are overdispersed, peaks are binary, and both depend on the sequencing depth of the cell.
# Erythroid cells lose their nucleus, so that the second instrument does not detect them. The other
# types have different proportions in the two sets.

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skgw import GWMatcher
from skgw.plotting import AlignmentDisplay, CouplingDisplay

TYPES = np.array(["stem", "erythroid", "progenitor", "monocyte", "lymphoid"])
LENGTHS = np.array([0.5, 2.0, 0.5, 1.0, 2.5])
ANCESTORS = [[], [0], [0], [0, 2], [0, 2]]
N_GENES, N_PEAKS, N_BOTH = 300, 6000, 10
rng = np.random.default_rng(0)


def develop(types):
    """Progress of cells of these types along each branch."""
    progress = np.zeros((len(types), len(TYPES)))
    for row, kind in zip(progress, types, strict=True):
        row[ANCESTORS[kind]] = LENGTHS[ANCESTORS[kind]]
        row[kind] = LENGTHS[kind] * rng.beta(2, 1)
    return progress


def programmes(n_features, scale):
    """Effect of each branch on the features, zero for half of the features."""
    effects = scale * rng.normal(size=(len(TYPES), n_features))
    return effects * (rng.uniform(size=effects.shape) < 0.5)


genes, peaks = programmes(N_GENES, 0.6), programmes(N_PEAKS, 1.2)
base_genes, base_peaks = rng.normal(size=N_GENES), rng.normal(-2, 1, size=N_PEAKS)


def count_transcripts(progress):
    """Negative binomial counts, with a median of 3000 per cell."""
    rates = np.exp(base_genes + progress @ genes)
    depth = 3000 * rng.lognormal(sigma=0.3, size=(len(rates), 1))
    noise = rng.gamma(8, 1 / 8, size=rates.shape)
    return rng.poisson(depth * noise * rates / rates.sum(axis=1, keepdims=True)).astype(float)


def accessibility(progress, depth=0.0):
    """Probability that each peak is open."""
    return expit(base_peaks + progress @ peaks + depth)


def read_peaks(progress):
    """Open peaks of cells with random sequencing depths."""
    depth = rng.normal(scale=0.2, size=(len(progress), 1))
    probability = accessibility(progress, depth)
    return (rng.uniform(size=probability.shape) < probability).astype(float)


types_x = rng.choice(5, 400, p=[0.2, 0.15, 0.15, 0.25, 0.25])
types_y = rng.choice(5, 350, p=[0.2, 0, 0.2, 0.3, 0.3])
lost = types_x == 1  # cells without a match; types are used for evaluation only
progress_x, progress_y = develop(types_x), develop(types_y)

# %%
# Distances do not always determine which branch of a tree is missing, since another branch can have
# similar distances. Here ten anchor pairs, cells measured by both instruments, determine it.

both = rng.permutation(np.flatnonzero(~lost))[:N_BOTH], rng.permutation(350)[:N_BOTH]
types_y[both[1]], progress_y[both[1]] = types_x[both[0]], progress_x[both[0]]
X, Y = count_transcripts(progress_x), read_peaks(progress_y)
print(f"transcripts {X.shape}, {np.mean(X == 0):.0%} zero; peaks {Y.shape}, {Y.mean():.0%} open")

# %%
# Matching of cells
# -----------------
#
# Each domain has its usual preprocessing. Counts are divided by their sum and put on a logarithmic
# scale. Peaks are weighted by their inverse frequency. Both domains are reduced to four components.
# The transformers are parameters of the matcher, so that the matcher takes the raw measurements.
# The parameter `unbalanced` is the penalty for mass that the plan leaves unmatched.


def log_share(counts):
    """Logarithm of one plus the share of each gene in thousandths."""
    return np.log1p(1000 * counts / counts.sum(axis=1, keepdims=True))


settings = {
    "metric": "euclidean",
    "transformer_x": make_pipeline(FunctionTransformer(log_share), PCA(4, random_state=0)),
    "transformer_y": make_pipeline(TfidfTransformer(), TruncatedSVD(4, random_state=0)),
    "random_state": 0,
}
matchers = {
    "balanced": GWMatcher(**settings).fit(X, Y, pairs=both),
    "unbalanced": GWMatcher(unbalanced=0.05, **settings).fit(X, Y, pairs=both),
}
new = np.ones(len(X), dtype=bool)
new[both[0]] = False  # evaluate on cells that are not anchors
rest = new & ~lost

for name, matcher in matchers.items():
    correct = types_y[matcher.match()] == types_x
    confident = rest & (matcher.confidence_ >= np.median(matcher.confidence_[rest]))
    print(f"{name}: {correct[rest].mean():.0%} of the cells with a match get a cell of their type,")
    print(f"  and {correct[confident].mean():.0%} of the half with the higher `confidence_`")
found = roc_auc_score(lost[new], -matchers["unbalanced"].matched_mass_[new])
print(f"detection of cells without a match by their matched mass: AUROC {found:.2f}")

# %%
# With anchor pairs, both plans match the cells that have a match. A balanced plan matches every
# cell, so that only the unbalanced plan can detect cells without a match.
#
# The left figure shows the first two components of the transcripts, coloured by `matched_mass_`,
# which is low on the branch of the erythroid cells. The right figure shows the distribution of the
# matched mass. The figure after these two shows both domains, coloured by cell type.

matcher = matchers["unbalanced"]
plane_x, plane_y = (
    transformer.transform(Z)[:, :2]
    for transformer, Z in ((matcher.transformer_x_, X), (matcher.transformer_y_, Y))
)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
shown = left.scatter(*plane_x.T, c=matcher.matched_mass_, s=12, vmin=0, vmax=1.5)
left.set(title="transcripts", xticks=[], yticks=[])
figure.colorbar(shown, ax=left, label="matched mass")
bins = np.linspace(0, matcher.matched_mass_.max(), 25)
right.hist([matcher.matched_mass_[~lost], matcher.matched_mass_[lost]], bins, stacked=True)
right.legend(["with a match", "without a match"])
_ = right.set(xlabel="matched mass", ylabel="cells")

# %%
AlignmentDisplay.from_arrays(
    (plane_x, plane_y),
    y=(TYPES[types_x], TYPES[types_y]),
    titles=("transcripts", "peaks"),
    scatter_kw={"s": 12},
)

# %%
# The next figure shows the plan with rows and columns ordered by type. Some cells are matched with
# cells of a neighbouring type on the tree. Colours are shares of the mass of each row, so that the
# rows of the erythroid cells look like the other rows although most of them have little mass.

CouplingDisplay.from_estimator(matcher, y=(TYPES[types_x], TYPES[types_y]))

# %%
# Prediction of unmeasured peaks
# ------------------------------
#
# The method `translate` predicts the open peaks of a cell from its transcripts. The simulation
# provides the true probabilities. The score is the correlation between predicted and true
# deviations from the mean over all cells, for cells with a match. For these cells, the balanced
# plan suffices.

truth = accessibility(progress_x)[rest]
for name, matcher in matchers.items():
    predicted = matcher.translate(X[rest])
    deviations = (predicted - Y.mean(0)).ravel(), (truth - Y.mean(0)).ravel()
    print(f"{name}: correlation {np.corrcoef(*deviations)[0, 1]:.2f}")
plt.show()
