"""Images translated between domains: what co-training is worth.

"paired" repeats the experiments of the report by Chevalley (tables 4.1 and 4.2): MNIST against the
same images inverted, four kinds of autoencoders, codes of 2, 4 and 8 dimensions, trained together
or separately. Codes are judged by a classifier, and matchings by batches of 100 images and their
own inversions. "pixels" does without autoencoders: the third lower bound matches the images of a
batch as they are, which is enough where the true matches are in the batch.

"unpaired" is the case that counts: no image is in both domains. A label is kept if a classifier of
the target domain recognises it in the translation of a new image. Fits know `--pairs` pairs of
images for each class. "separate" are the same autoencoders without the Gromov-Wasserstein loss,
"unbalanced" is "co-trained" with `unbalanced=0.05`, "separate + GWMatcher" has the codes of
"separate" matched as they are, and "GWMatcher" the images.

`--data` is a folder with mnist/mnist.npz and usps/usps.npz (X_train, y_train, X_test, y_test).
"""

from __future__ import annotations

import functools
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import pairwise_distances, roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.common import Cell, Figures, parser, print_figures, run, seeds, summary
from benchmarks.translation.images import TASKS, Images, Judge, known_pairs, paired, unpaired
from benchmarks.translation.matching import baseline, distances
from benchmarks.translation.sets import Task
from skgw import GWCoTrainedAutoencoders, GWMatcher
from skgw.solvers import solve_gromov

BATCH, N_BATCHES = 100, 20
KINDS = "ae", "vae", "wae-mmd", "wae-gan"
PIXELS = "pixels"
METHODS = "co-trained", "unbalanced", "separate", "separate + GWMatcher", "GWMatcher"
PAIRED = {
    "codes x": ("codes_x", 3),
    "codes y": ("codes_y", 3),
    "match": ("match", 3),
    "back": ("back", 3),
    "same image": ("exact", 3),
    "by distances alone": ("gromov", 3),
    "error": ("error", 3),
    "s": ("seconds", 0),
}
UNPAIRED = {
    "labels kept": ("forth", 3),
    "back": ("back", 3),
    "greedy": ("greedy", 3),
    "decoded": ("decoded", 3),
    "reconstructed": ("ceiling", 3),
    "margin": ("margin", 3),
    "split-half cost ratio": ("cost_ratio", 2),
    "confidence": ("auroc", 2),
    "s": ("seconds", 0),
}
FULL_SIZE = 60_000
CODES = {"codes, first domain": ("codes_x", 3), "codes, second domain": ("codes_y", 3)}
BATCHES = {
    "labels kept, first to second": ("match", 3),
    "labels kept, second to first": ("back", 3),
    "same image": ("exact", 3),
}
END = {"by distances alone": ("gromov", 3), "reconstruction error": ("error", 2)}
KEPT = {
    "labels kept": ("forth", 3),
    "labels kept, back": ("back", 3),
    "nearest row": ("greedy", 3),
    "decoded": ("decoded", 3),
    "reconstructed": ("ceiling", 3),
    "split-half cost ratio": ("cost_ratio", 2),
    "AUROC of confidence": ("auroc", 2),
}


def training(cell: Cell) -> str:
    return "co-trained" if cell["gw_weight"] else "separate"


def dimensions(cell: Cell) -> str:
    return str(cell["latent"]).strip("[]")


def is_paired(cell: Cell, n: int = 12_000) -> bool:
    """Whether a cell is of the paired experiment, with `n` images of either domain."""
    return cell.get("kind") in KINDS and cell["n"] == n


def is_plain(cell: Cell) -> bool:
    """Whether a cell is in the table over weights."""
    return is_paired(cell) and (cell["kind"], cell["latent"], cell["isometry"]) == ("ae", 8, 0)


def is_inverted(cell: Cell) -> bool:
    """Whether a cell is in the table over dimensions."""
    return (cell.get("task"), cell.get("method"), cell.get("pairs")) == ("inverted", METHODS[0], 0)


TABLES = {
    "paired": summary(
        {
            "autoencoder": "kind",
            "dimensions": "latent",
            "training": training,
            "isometry": lambda cell: str(cell["isometry"] or "–"),
        },
        CODES | BATCHES | END,
        where=lambda cell: is_paired(cell) and cell["gw_weight"] in (0, 1),
    ),
    "paired_full_size": summary(
        {"training": training},
        CODES | BATCHES | END,
        where=lambda cell: is_paired(cell, FULL_SIZE),
    ),
    "gw_weight": summary({"gw_weight": "gw_weight"}, CODES | END, where=is_plain),
    "unpaired": summary(
        {"task": "task", "method": "method", "anchor pairs of a class": "pairs"},
        KEPT,
        where=lambda cell: bool(cell.get("task")) and cell["latent"] == 16,
    ),
    "dimensions": summary({"dimensions": dimensions}, KEPT, where=is_inverted),
}


def measure_paired(
    kind: str, latent: int, gw_weight: float, isometry: float, n: int, epochs: int, seed: int,
    folder: Path,
) -> Figures:  # fmt: skip
    one, other = paired(folder, n, seed)
    if kind == PIXELS:
        return matched_pixels(one, other)
    model = GWCoTrainedAutoencoders(
        latent, autoencoder=kind, gw_weight=gw_weight, isometry_weight=isometry,
        max_iter=epochs * n // BATCH, random_state=seed,
    )  # fmt: skip
    start = time.perf_counter()
    model.fit(one.rows, other.rows)
    figures: Figures = {"seconds": time.perf_counter() - start, "margin": model.margin_}
    codes = [
        model.transform(d.test_rows, domain=k) for k, d in zip("xy", (one, other), strict=True)
    ]
    for k, z, d in zip("xy", (model.embedding_, model.embedding_y_), (one, other), strict=True):
        classifier = make_pipeline(StandardScaler(), KNeighborsClassifier(10)).fit(z, d.labels)
        figures[f"codes_{k}"] = float(classifier.score(codes["xy".index(k)], d.test_labels))
        rebuilt = model.inverse_transform(model.transform(d.test_rows, domain=k), domain=k)
        variance = np.square(d.test_rows - d.rows.mean(0)).mean()
        figures["error"] = float(np.square(rebuilt - d.test_rows).mean() / variance)
    return figures | matched(model, one, other, codes)


def batches() -> np.ndarray:
    """Positions of test images."""
    return np.arange(BATCH * N_BATCHES).reshape(N_BATCHES, BATCH)


def matched_pixels(one: Images, other: Images) -> Figures:
    """What `matched` measures, of the third lower bound between images."""
    shares = []
    for batch in batches():
        task = Task(one.test_rows[batch], other.test_rows[batch])
        partner = baseline("TLB", *distances(task), seed=0).argmax(1)
        labels = one.test_labels[batch]
        shares.append([(labels[partner] == labels).mean(), (partner == np.arange(BATCH)).mean()])
    kept, exact = np.mean(shares, 0).tolist()
    return {"match": kept, "exact": exact}


def matched(
    model: GWCoTrainedAutoencoders, one: Images, other: Images, codes: list[np.ndarray]
) -> Figures:
    """Labels kept within batches of images and their own inversions."""
    shares = []
    for batch in batches():
        labels, x, y = one.test_labels[batch], one.test_rows[batch], other.test_rows[batch]
        D = [pairwise_distances(z[batch]) for z in codes]
        plan = solve_gromov(*D, reg=5e-3, n_init=8, tol=1e-3, random_state=0).plan
        partners = (model.match(x, y), model.match(y, x, domain="y"), plan.argmax(1))
        kept = [float((labels[j] == labels).mean()) for j in partners]
        shares.append([*kept, float((partners[0] == np.arange(BATCH)).mean())])
    return dict(zip(("match", "back", "gromov", "exact"), np.mean(shares, 0).tolist(), strict=True))


def measure_unpaired(
    task: str, method: str, pairs: int, latent: Any, n: int, seed: int, folder: Path
) -> Figures:
    one, other = unpaired(folder, task, n, seed)
    known = known_pairs(one, other, pairs)
    latent = tuple(latent) if isinstance(latent, list) else latent
    weight = 1.0 if method in ("co-trained", "unbalanced") else 0.0
    strength = 0.05 if method == "unbalanced" else None
    start = time.perf_counter()
    if method == "GWMatcher":
        model: Any = GWMatcher(random_state=seed).fit(one.rows, other.rows, pairs=known)
        figures: Figures = {}
    else:
        model = GWCoTrainedAutoencoders(
            latent, gw_weight=weight, unbalanced=strength, random_state=seed
        )
        model.fit(one.rows, other.rows, pairs=known)
        figures = {"margin": model.margin_, "cost_ratio": model.diagnostics_["cost_ratio"]}
    if method == "separate + GWMatcher":
        matcher = GWMatcher(random_state=seed)
        matcher.fit(model.embedding_, model.embedding_y_, pairs=known)
        model = Chained(model, matcher)
    figures["seconds"] = time.perf_counter() - start
    return figures | judged(model, one, other)


def judged(model: Any, one: Images, other: Images) -> Figures:
    to_y, to_x = Judge(other), Judge(one)
    figures = {
        "forth": to_y.accuracy(model.translate(one.test_rows), one.test_labels),
        "back": to_x.accuracy(model.translate(other.test_rows, domain="y"), other.test_labels),
        "judge": to_y.accuracy(other.test_rows, other.test_labels),
    }
    if isinstance(model, GWCoTrainedAutoencoders):
        rebuilt = model.inverse_transform(model.transform(other.test_rows, domain="y"), domain="y")
        figures["ceiling"] = to_y.accuracy(rebuilt, other.test_labels)
        for method in ("greedy", "decoded"):
            images = model.translate(one.test_rows, method=method)
            figures[method] = to_y.accuracy(images, one.test_labels)
    if hasattr(model, "confidence_"):
        right = to_y.predict(model.translate(one.rows)) == one.labels
        figures["auroc"] = float(roc_auc_score(right, model.confidence_))
    return figures


class Chained:
    """Encode, match the codes as they are, and decode."""

    def __init__(self, autoencoders: GWCoTrainedAutoencoders, matcher: GWMatcher) -> None:
        self.autoencoders, self.matcher = autoencoders, matcher

    def translate(self, X: np.ndarray, domain: str = "x") -> np.ndarray:
        target = "y" if domain == "x" else "x"
        codes = self.autoencoders.transform(X, domain=domain)
        translated = self.matcher.translate(codes, domain=domain)
        return self.autoencoders.inverse_transform(translated, domain=target)


def main() -> None:
    options = parser(__doc__ or "", "translating", TABLES)
    options.add_argument("experiment", choices=("paired", "unpaired"))
    options.add_argument("--data", type=Path, required=True, help="folder with the data")
    options.add_argument("--n", type=int, help="images of a domain (12,000 paired, 10,000 not)")
    options.add_argument("--latent", type=int, nargs="+", default=[2, 4, 8])
    options.add_argument("--kinds", nargs="+", choices=(*KINDS, PIXELS), default=KINDS)
    options.add_argument("--gw-weights", type=float, nargs="+", default=[0.0, 1.0])
    options.add_argument("--isometry", type=float, default=0.0, help="weight of the penalty")
    options.add_argument("--epochs", type=int, default=15)
    options.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    options.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    options.add_argument("--pairs", type=int, nargs="+", default=[0], help="known, of a class")
    args = options.parse_args()
    if not args.data.is_dir():
        sys.exit(f"--data {args.data}: no such folder.")
    if args.experiment == "paired":
        cells: list[dict[str, Any]] = [
            {"kind": kind, "latent": k, "gw_weight": w, "isometry": args.isometry,
             "n": args.n or 12_000, "epochs": args.epochs, "seed": seed}
            for kind in args.kinds for k in args.latent for w in args.gw_weights
            for seed in seeds(args)
        ]  # fmt: skip
        rows = run(cells, functools.partial(measure_paired, folder=args.data), args)
        print_figures(rows, ["kind", "latent", "gw_weight", "isometry", "n", "epochs"], PAIRED)
        return
    latent = args.latent[0] if len(args.latent) == 1 else 8 if len(args.latent) > 2 else args.latent
    cells = [
        {"task": task, "method": method, "pairs": pairs, "latent": latent, "n": args.n or 10_000,
         "seed": seed}
        for task in args.tasks for method in args.methods for pairs in args.pairs
        for seed in seeds(args)
    ]  # fmt: skip
    rows = run(cells, functools.partial(measure_unpaired, folder=args.data), args)
    for cell, _ in rows:
        cell["latent"] = str(cell["latent"])
    print_figures(rows, ["task", "method", "pairs", "latent"], UNPAIRED)


if __name__ == "__main__":
    main()
