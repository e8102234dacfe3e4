"""Handwritten digits and a swiss roll in the plane, beside other methods.

Methods are fitted to three quarters of the rows and place the others, in a pipeline. MDS and
SpectralEmbedding cannot place new rows and are fitted to all of them. On the roll everything is
compared with its true, unrolled coordinates; ours is told `metric="geodesic"`. Labels are only
looked at to score: 10 neighbours in the plane guess the label of the held-out digits.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits, make_swiss_roll
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.common import Figures, parser, print_figures, run, seeds, summary
from benchmarks.embedding.methods import (
    BASELINES,
    OURS,
    RANDOM_MDS,
    WITH_SCALE,
    rank_correlation,
    warm_up,
)
from skgw import GWGenerativeEmbedding
from skgw.metrics import relative_distortion, trustworthiness

DATA = "digits", "digits, standardised", "swiss roll"
METHODS = OURS, "PCA", *(name for name in BASELINES if name != RANDOM_MDS)
CANNOT_TRANSFORM = "MDS, classical", "SpectralEmbedding"
COLUMNS = {
    "fit, s": ("seconds", 1),
    "trustworthiness": ("trustworthiness", 3),
    "Spearman": ("spearman", 3),
    "held out": ("held_out", 3),
    "distortion": ("distortion", 3),
    "label accuracy": ("accuracy", 3),
    "score()": ("score", 3),
}
TABLES = {
    "digits": summary(
        {"data": "data", "method": "method"},
        {
            "fit, s": ("seconds", 1),
            "Spearman": ("spearman", 3),
            "held out": ("held_out", 3),
            "trustworthiness": ("trustworthiness", 3),
            "distortion, held out": ("distortion", 3),
            "label accuracy": ("accuracy", 3),
        },
        seeds=None,
    )
}


def load(data: str, seed: int) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Features, labels if there are any, and true coordinates if they are known."""
    if data != "swiss roll":
        X, y = load_digits(return_X_y=True)
        return X, y, None
    X, angle = make_swiss_roll(1500, random_state=seed)
    length = 0.5 * (angle * np.sqrt(1 + angle**2) + np.arcsinh(angle))  # along the spiral
    return X, None, np.column_stack([length, X[:, 1]])


def make_model(data: str, method: str, max_iter: int | str | None, seed: int) -> Pipeline:
    scaler = StandardScaler() if data == "digits, standardised" else "passthrough"
    if method == OURS:
        metric = "geodesic" if data == "swiss roll" else "euclidean"
        model: Any = GWGenerativeEmbedding(metric=metric, max_iter=max_iter, random_state=seed)
    elif method == "PCA":
        model = PCA(2)
    else:
        model = BASELINES[method]("euclidean", seed)
    return make_pipeline(scaler, model)


def measure(data: str, method: str, max_iter: int | str | None, seed: int) -> Figures:
    X, y, truth = load(data, seed)
    train, test = train_test_split(np.arange(len(X)), random_state=seed, stratify=y)
    model = make_model(data, method, max_iter, seed)
    takes_all = method in CANNOT_TRANSFORM
    warm_up()
    start = time.process_time()
    Z = model.fit_transform(X if takes_all else X[train])
    figures = {"seconds": time.process_time() - start}
    Z_train, Z_test = (Z[train], Z[test]) if takes_all else (Z, model.transform(X[test]))
    truth = model[:-1].transform(X) if truth is None else truth
    figures |= quality(truth[train], Z_train, truth[test], Z_test, method in WITH_SCALE)
    if y is not None:
        classifier = KNeighborsClassifier(10).fit(Z_train, y[train])
        figures["accuracy"] = classifier.score(Z_test, y[test])
    if method == OURS:
        figures["score"] = model.score(X[test])
    return figures


def quality(
    X_train: np.ndarray, Z_train: np.ndarray, X_test: np.ndarray, Z_test: np.ndarray, scale: bool
) -> Figures:
    rows, embedded = cdist(X_test, X_train), cdist(Z_test, Z_train)
    return {
        "trustworthiness": trustworthiness(X_train, Z_train, n_neighbors=10),
        "spearman": rank_correlation(cdist(X_train, X_train), cdist(Z_train, Z_train)),
        "held_out": rank_correlation(rows, embedded),
        "distortion": relative_distortion(rows, embedded) if scale else None,
    }


def main() -> None:
    options = parser(__doc__, "digits", TABLES)
    options.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    args = options.parse_args()
    limits = dict.fromkeys(METHODS) | {OURS: args.max_iter}
    cells = [
        {"data": data, "method": method, "max_iter": limits[method], "seed": seed}
        for seed in seeds(args)
        for data in DATA
        for method in args.methods
    ]
    rows = run(cells, measure, args)
    rows.sort(key=lambda row: DATA.index(row[0]["data"]))
    print_figures(rows, ["data", "method"], COLUMNS)


if __name__ == "__main__":
    main()
