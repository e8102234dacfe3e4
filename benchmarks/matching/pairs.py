"""Matchings with a few known pairs, beside an orthogonal map of these pairs.

    python -m benchmarks.matching.pairs --data FOLDER

The problems are those of `family.py`, of the folder. 300 objects are in both domains, shuffled, and
the true pairs of some of them are known. *GWMatcher* and *Procrustes* translate up to 300 other
objects. Procrustes is the orthogonal map that fits the known pairs best, between features from the
means of the fitted rows; directions that no pair spans become zero. FOSCTTM is of translated rows,
mean of both directions. Fits with more pairs know the pairs of fits with fewer.
"""

from __future__ import annotations

import functools
import time
import warnings
from pathlib import Path

import numpy as np

from benchmarks.common import Cell, Figures, parser, print_figures, run, seeds
from benchmarks.matching.problems import SAME, Array, Problem, named, split
from benchmarks.tables import pivot
from skgw import GWMatcher
from skgw.exceptions import AmbiguousMatchingWarning
from skgw.metrics import foscttm

PROBLEMS = (
    "text_encoders/captions/minilm-wordllama", "text_encoders/captions/minilm-glove",
    "text_encoders/debian/minilm-wordllama", "mfeat_digits/pix-fac", "mfeat_digits/pix-kar",
    "mfeat_digits/fou-zer", "cite_cbmc/rna-adt", "cite_bmmc/rna-adt",
    "scgem/expression-methylation", "rna_gene_split/pbmc4k/a-b_lsi",
)  # fmt: skip
N_PAIRS = 0, 1, 5, 20, 50
ROWS = 300
OURS, ALONE = "GWMatcher", "Procrustes"
COLUMNS = {"s": ("seconds", 1), "FOSCTTM": ("foscttm", 3), "probability": ("probability", 2)}
TABLES = {
    "pairs": pivot(
        "problem", "problem", "method",
        [f"{method}, {k}" for method in (OURS, ALONE) for k in N_PAIRS if k or method == OURS],
        ("foscttm", 3),
    )
}  # fmt: skip


def measure(problem: str, method: str, seed: int, *, folder: Path) -> Figures:
    name, k = method.split(", ")
    whole = named(folder)[problem]
    rows = min(ROWS, 2 * len(whole.A) // 3)
    order = np.random.default_rng(seed).permutation(len(whole.A))
    fitted, test = order[:rows], order[rows : rows + ROWS]
    parts = split(_part(whole, fitted), SAME, rows, seed)
    held_out = whole.A[test], whole.B[test]
    assert parts.matches is not None
    i = np.random.default_rng(seed).permutation(rows)[: int(k)]
    pairs = np.column_stack([i, parts.matches[i]])
    start = time.process_time()
    figures: Figures = {}
    if name == ALONE:
        translated = procrustes((parts.X, parts.Y), pairs, held_out)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AmbiguousMatchingWarning)
            matcher = GWMatcher(random_state=seed)
            matcher.fit(parts.X, parts.Y, pairs=pairs if len(pairs) else None)
        figures["probability"] = matcher.matching_probability_
        translated = (
            matcher.translate(held_out[0]), matcher.translate(held_out[1], domain="y")
        )  # fmt: skip
    found = foscttm(translated[0], held_out[1]), foscttm(translated[1], held_out[0])
    return {
        "seconds": time.process_time() - start, "foscttm": float(np.mean(found)), **figures,
    }  # fmt: skip


def _part(problem: Problem, rows: Array) -> Problem:
    labels = None if problem.labels is None else problem.labels[rows]
    return problem._replace(A=problem.A[rows], B=problem.B[rows], labels=labels)


def procrustes(
    domains: tuple[Array, Array], pairs: Array, rows: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Rows of either domain, translated to the other one by the map that fits the pairs best."""
    means = domains[0].mean(0), domains[1].mean(0)
    units = [Z - mean for Z, mean in zip(domains, means, strict=True)]
    scales = [np.sqrt(np.square(Z).sum(1).mean()) for Z in units]
    X, Y = (Z / scale for Z, scale in zip(units, scales, strict=True))
    U, s, Vt = np.linalg.svd(X[pairs[:, 0]].T @ Y[pairs[:, 1]], full_matrices=False)
    spanned = s > 1e-9 * s[0]
    rotation = U[:, spanned] @ Vt[spanned]
    x, y = ((Z - mean) / scale for Z, mean, scale in zip(rows, means, scales, strict=True))
    return x @ rotation * scales[1] + means[1], y @ rotation.T * scales[0] + means[0]


def main() -> None:
    options = parser(__doc__ or "", "matching_pairs", TABLES)
    options.add_argument("--data", type=Path, required=True, help="folder with load.py")
    options.add_argument("--problems", nargs="+", default=PROBLEMS, metavar="NAME")
    options.add_argument("--pairs", type=int, nargs="+", default=N_PAIRS, help="how many are known")
    args = options.parse_args()
    cells: list[Cell] = [
        {"problem": problem, "method": f"{method}, {k}", "seed": seed}
        for seed in seeds(args)
        for problem in args.problems
        for method in (OURS, ALONE)
        for k in args.pairs
        if k or method == OURS
    ]
    rows = run(cells, functools.partial(measure, folder=args.data), args)
    print_figures(rows, ["problem", "method"], COLUMNS)


if __name__ == "__main__":
    main()
