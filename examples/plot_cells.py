"""
===============================================
Cells of two instruments, some without partners
===============================================

One instrument counts the transcripts of cells, another one sees which parts of their DNA are open.
Each destroys the cells, so that they are others, and one cell type is missing in the second.
`GWMatcher` finds which cells correspond, which have no partner, and what one instrument would have
seen of the cells of the other.
"""

# %%
# A tree of blood cells
# ---------------------
#
# The cells are simulated. They develop along a tree; how far a cell has come along each branch sets
# the rates of its transcripts, and how likely each of its peaks is open. Counts are overdispersed,
# peaks are open or not, and both depend on how deeply a cell was read. Erythroid cells lose their
# nucleus: the second instrument sees none of them, and the other types in other proportions.

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
    """How far cells of these types have come along each branch."""
    progress = np.zeros((len(types), len(TYPES)))
    for row, kind in zip(progress, types, strict=True):
        row[ANCESTORS[kind]] = LENGTHS[ANCESTORS[kind]]
        row[kind] = LENGTHS[kind] * rng.beta(2, 1)
    return progress


def programmes(n_features, strength):
    """Effect of each branch on the features; a branch leaves half of them alone."""
    effects = strength * rng.normal(size=(len(TYPES), n_features))
    return effects * (rng.uniform(size=effects.shape) < 0.5)


genes, peaks = programmes(N_GENES, 0.6), programmes(N_PEAKS, 1.2)
base_genes, base_peaks = rng.normal(size=N_GENES), rng.normal(-2, 1, size=N_PEAKS)


def count_transcripts(progress):
    """Negative binomial counts, about 3000 in a cell."""
    rates = np.exp(base_genes + progress @ genes)
    depth = 3000 * rng.lognormal(sigma=0.3, size=(len(rates), 1))
    noise = rng.gamma(8, 1 / 8, size=rates.shape)
    return rng.poisson(depth * noise * rates / rates.sum(axis=1, keepdims=True)).astype(float)


def accessibility(progress, depth=0.0):
    """How likely each peak is open."""
    return expit(base_peaks + progress @ peaks + depth)


def read_peaks(progress):
    """Which peaks are open, in cells that are read more or less deeply."""
    depth = rng.normal(scale=0.2, size=(len(progress), 1))
    likely = accessibility(progress, depth)
    return (rng.uniform(size=likely.shape) < likely).astype(float)


types_x = rng.choice(5, 400, p=[0.2, 0.15, 0.15, 0.25, 0.25])
types_y = rng.choice(5, 350, p=[0.2, 0, 0.2, 0.3, 0.3])
lost = types_x == 1  # cells without a partner; used to count, like all other types
progress_x, progress_y = develop(types_x), develop(types_y)

# %%
# Distances alone do not always tell which branch of a tree is missing: another one may take its
# place. Here ten cells were measured by both instruments, and these decide.

both = rng.permutation(np.flatnonzero(~lost))[:N_BOTH], rng.permutation(350)[:N_BOTH]
types_y[both[1]], progress_y[both[1]] = types_x[both[0]], progress_x[both[0]]
X, Y = count_transcripts(progress_x), read_peaks(progress_y)
print(f"transcripts {X.shape}, {np.mean(X == 0):.0%} zero; peaks {Y.shape}, {Y.mean():.0%} open")

# %%
# Which cells correspond
# ----------------------
#
# Each domain has its customary preparation. Counts are taken relative to their sum, on a
# logarithmic scale; peaks are weighted by how rare they are. Both are reduced to their main
# directions. The transformers belong to the matcher, so that it takes cells as they were measured.
# Cells may go without a partner at a price of `unbalanced`.


def log_share(counts):
    """Logarithm of the share of each gene, in thousandths."""
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
new[both[0]] = False  # count what was not known
rest = new & ~lost

for name, matcher in matchers.items():
    right = types_y[matcher.match()] == types_x
    surest = rest & (matcher.confidence_ >= np.median(matcher.confidence_[rest]))
    print(f"{name}: {right[rest].mean():.0%} of the cells with a partner get one of their type,")
    print(f"  and {right[surest].mean():.0%} of the half that `confidence_` is surer of")
found = roc_auc_score(lost[new], -matchers["unbalanced"].matched_mass_[new])
print(f"matched mass tells cells without a partner from others: AUROC {found:.2f}")

# %%
# With cells to go by, both keep the others in place. What the price buys is to know who has no
# partner: a balanced plan matches every cell, whether there is one for it or not.
#
# Below, the main directions of the transcripts. On the left `matched_mass_` is low in the branch of
# the erythroid cells; the picture after it shows both domains by their types.

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
right.legend(["with a partner", "without"])
right.set(xlabel="matched mass", ylabel="cells")

# %%
AlignmentDisplay.from_arrays(
    (plane_x, plane_y),
    y=(TYPES[types_x], TYPES[types_y]),
    titles=("transcripts", "peaks"),
    scatter_kw={"s": 12},
)

# %%
# The plan, its rows and columns ordered by type. Cells of neighbouring types on the tree are
# sometimes taken for each other. The picture shows shares of each row's mass, so that the rows of
# erythroid cells look as heavy as others; most of them have hardly any mass to share.

CouplingDisplay.from_estimator(matcher, y=(TYPES[types_x], TYPES[types_y]))

# %%
# Peaks that were never measured
# ------------------------------
#
# `translate` says which peaks would be open in a cell whose transcripts were counted. In the
# simulation the truth is known: what differs from the mean of all cells should be right. For cells
# that have a partner, the balanced plan does as well.

truth = accessibility(progress_x)[rest]
for name, matcher in matchers.items():
    guess = matcher.translate(X[rest])
    agreement = np.corrcoef((guess - Y.mean(0)).ravel(), (truth - Y.mean(0)).ravel())[0, 1]
    print(f"{name}: correlation {agreement:.2f}")
plt.show()
