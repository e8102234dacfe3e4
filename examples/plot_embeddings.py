"""
===========================================
Gromov-Wasserstein works on text embeddings
===========================================

Two encoders map the same texts to vectors that share no coordinate. This example finds which vector
of one encoder belongs to which vector of the other encoder, without a known pair. Entropic
Gromov-Wasserstein in the setting of :cite:t:`jha2025`, who report it at chance for encoders of
different architectures, matches one text in a hundred here. `GWMatcher` matches most of 800 texts,
and an orthogonal map that is fitted to the matches translates new texts nearly as well as one that
is fitted to the true pairs.
"""

# %%
# Texts and encoders
# ------------------
#
# The texts are the descriptions of functions, classes and modules of three installed packages,
# without their lists of parameters. They need no download.

import ast
import re
import sys
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import ot
import scipy
import sklearn
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import normalize

from skgw import GWMatcher
from skgw.exceptions import AmbiguousMatchingWarning

N_NEW = 400  # texts that no matching sees
DOCUMENTED = ast.FunctionDef, ast.ClassDef, ast.Module


def descriptions(package):
    """Descriptions in the source files of a package, in the order of the files."""
    for path in sorted(Path(package.__file__).parent.rglob("*.py")):
        if "tests" not in path.parts:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                text = ast.get_docstring(node) if isinstance(node, DOCUMENTED) else None
                if text:  # up to the first underlined heading, directive or example
                    yield " ".join(re.split(r"\n[^\n]+\n-{3,}|\n\.\. |>>>", text)[0].split())


def shuffled_texts():
    """Texts of 15 to 150 words, each once, in random order."""
    texts = [text for package in (np, scipy, sklearn) for text in descriptions(package)]
    texts = [text for text in dict.fromkeys(texts) if 15 <= len(text.split()) <= 150]
    return np.random.default_rng(0).permutation(np.array(texts, dtype=object))


# %%
# The first encoder reads words, the second one groups of four to six letters. Each is a latent
# semantic analysis: weighted counts, projected to 150 and to 120 dimensions. Both are trained on
# texts that are not matched. Vectors of other encoders may be given as two files on the command
# line, ``plot_embeddings.py first.npy second.npy``, with the same 1,200 texts or more as rows.


def vectors():
    """Vectors of the same texts under two encoders."""
    if len(sys.argv) == 3:
        return [np.load(path) for path in sys.argv[1:]]
    texts = shuffled_texts()
    train, rest = texts[:-1600], texts[-1600:]
    words = TfidfVectorizer(sublinear_tf=True, min_df=2, stop_words="english")
    letters = TfidfVectorizer(
        sublinear_tf=True, min_df=2, analyzer="char_wb", ngram_range=(4, 6), max_features=30000
    )
    print(f"{len(train)} texts train the encoders; one of the others:\n{rest[3]}")
    return [
        make_pipeline(vectorizer, TruncatedSVD(width, random_state=0)).fit(train).transform(rest)
        for vectorizer, width in ((words, 150), (letters, 120))
    ]


A, B = vectors()
new_a, new_b = A[:N_NEW], B[:N_NEW]
A, B = A[N_NEW:], B[N_NEW:]
print("vectors of the texts to match:", A.shape, B.shape)

# %%
# Matching without pairs
# ----------------------
#
# The second domain has the same texts, shuffled. The baseline has the settings of the paper: cosine
# distances of the vectors as they are, and entropic Gromov-Wasserstein at a regularisation of
# 0.005 from the product coupling. `GWMatcher` has its defaults. It warns where the matching may be
# wrong; here its probability is printed instead.


def cosine_distances(Z):
    """Cosine distances between vectors, without centring."""
    Z = normalize(Z)
    return 1 - Z @ Z.T


def baseline(X, Y):
    """Match of each row of `X` by the solver of POT."""
    distances = cosine_distances(X), cosine_distances(Y)
    return ot.gromov.entropic_gromov_wasserstein(*distances, epsilon=5e-3, max_iter=100).argmax(1)


def match(X, Y):
    """Match of each row of `X` by GWMatcher."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AmbiguousMatchingWarning)
        matcher = GWMatcher(random_state=0).fit(X, Y)
    print(f"{len(X)} texts: right with a probability of {matcher.matching_probability_:.2f}")
    return matcher.match()


def translate(X, Y, Z):
    """Rows `Z`, translated by the orthogonal map that fits pairs of rows of `X` and `Y` best."""
    means = X.mean(0), Y.mean(0)
    U, V = (normalize(rows - mean) for rows, mean in zip((X, Y), means, strict=True))
    left, _, right = np.linalg.svd(U.T @ V, full_matrices=False)
    return normalize(Z - means[0]) @ left @ right


def top1(X, Y):
    """Share of the new texts whose nearest translated vector is their own."""
    similarity = translate(X, Y, new_a) @ normalize(new_b - Y.mean(0)).T
    return np.mean(similarity.argmax(1) == np.arange(N_NEW))


SIZES = 200, 800
NAMES = "entropic GW", "GWMatcher", "true pairs"
found, shares = {}, []
for n in SIZES:
    order = np.random.default_rng(n).permutation(n)
    X, Y = A[:n], B[:n][order]
    matches = baseline(X, Y), match(X, Y), np.argsort(order)
    for name, matched in zip(NAMES, matches, strict=True):
        found[name] = X, Y[matched]
        shares.append((np.mean(order[matched] == np.arange(n)), top1(*found[name])))
        print(f"  {name}: {shares[-1][0]:.0%} are matched, {shares[-1][1]:.0%} of new texts")

# %%
# The left figure shows the share of the texts that are matched with themselves. The matches are
# pairs, and the orthogonal map that fits them best translates the vectors of texts that were not
# matched. The right figure shows the share of 400 new texts whose nearest translated vector is the
# vector of the same text. For *true pairs* the map is fitted to the true matches: the ceiling.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
for ax, values in zip(axes, np.transpose(shares).reshape(2, len(SIZES), 3), strict=True):
    for k, name in enumerate(NAMES):
        bars = ax.bar(np.arange(len(SIZES)) + 0.27 * (k - 1), values[:, k], 0.25, label=name)
        ax.bar_label(bars, fmt="{:.0%}")
    ax.set(xticks=range(len(SIZES)), xticklabels=[f"{n} texts" for n in SIZES], ylim=(0, 1.09))
axes[0].set(ylabel="share", title="texts matched with themselves")
axes[1].set(title="new texts nearest to themselves")
figure.legend(NAMES, loc="outside right center")

# %%
# Both domains in one space
# -------------------------
#
# The figure shows sixty new texts on the first two principal axes of the second encoder. Each text
# has two vectors, which a line connects: one of the second encoder, and one of the first encoder,
# translated by the map that fits the matches of 800 texts. The map of `GWMatcher` brings both
# vectors near each other.

figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
for ax, name in zip(axes, NAMES[:2], strict=True):
    X, Y = found[name]
    first, second = translate(X, Y, new_a), normalize(new_b - Y.mean(0))
    plane = PCA(2).fit(second)
    ends = np.stack([plane.transform(Z)[:60] for Z in (first, second)])  # (2, 60, 2)
    ax.plot(*ends.transpose(2, 0, 1), color="0.75", linewidth=0.8, zorder=1)
    for points, marker, label in zip(
        ends, "os", ("first encoder, translated", "second encoder"), strict=True
    ):
        ax.scatter(*points.T, s=18, marker=marker, label=label)
    ax.set(title=name, xticks=[], yticks=[], aspect="equal")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()
