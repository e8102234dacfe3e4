"""Fit the model of `matching_probability_`, and score it on families that were left out.

    python -m benchmarks.matching.calibration --out benchmarks/results/family.csv

It reads the records of `family.py`. A matching of `GWMatcher()` is right below a FOSCTTM of .15,
and wrong above .3; others are left out of the fit. The model of a family is fitted to the other
families, with the same rows and with disjoint rows. The constants are those of
`skgw.matching.matching_probability`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmarks import records
from benchmarks.common import Rows, parser, print_table
from benchmarks.matching.family import AUTOMATIC, RIGHT, WRONG
from benchmarks.tables import Table, write_csv
from skgw.matching.matching_probability import WARNING_PROBABILITY, of_margin, of_neighbors

Array = NDArray[np.float64]
BINS = 0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0  # of the reliability diagram
STRENGTH = 10.0  # inverse of the penalty on the coefficients


def data(rows: Rows) -> tuple[Array, NDArray[np.bool_], NDArray[np.str_], NDArray[np.str_]]:
    """Features (n, 2), whether a matching is right, its family, and its protocol."""
    X, right, families, protocols = [], [], [], []
    for cell, found in rows:
        error = float(found["foscttm"])
        if cell["method"] != AUTOMATIC or RIGHT <= error <= WRONG:
            continue
        shares = float(found["preserved_neighbors"]), float(found["preserved_by_chance"])
        X.append([of_neighbors(*shares), of_margin(float(found["margin"]))])
        right.append(error < RIGHT)
        families.append(cell["family"])
        protocols.append(cell["protocol"])
    return np.array(X), np.array(right), np.array(families), np.array(protocols)


def model() -> LogisticRegression:
    return LogisticRegression(C=STRENGTH)


def left_out(X: Array, right: Array, families: Array) -> Array:
    """Probability (n,) of each matching by the model of the other families."""
    probability = np.empty(len(X))
    for family in np.unique(families):
        held_out = families == family
        fitted = model().fit(X[~held_out], right[~held_out])
        probability[held_out] = fitted.predict_proba(X[held_out])[:, 1]
    return probability


def scores(rows: Rows) -> list[list[str]]:
    X, right, families, protocols = data(rows)
    probability = left_out(X, right, families)
    lines = []
    for name in (*np.unique(protocols), "both"):
        part = (protocols == name) | (name == "both")
        p, truth = probability[part], right[part]
        lines.append([
            name, str(truth.sum()), str((~truth).sum()), f"{roc_auc_score(truth, p):.3f}",
            f"{(p[~truth] < WARNING_PROBABILITY).mean():.2f}",
            f"{(p[truth] < WARNING_PROBABILITY).mean():.2f}",
        ])  # fmt: skip
    return lines


def reliability(rows: Rows) -> list[list[str]]:
    """Share of right matchings in bins of the probability of families that were left out."""
    X, right, families, _ = data(rows)
    probability = left_out(X, right, families)
    lines = []
    for low, high in zip(BINS, BINS[1:], strict=False):
        part = (probability >= low) & (probability < high + (high == 1))
        share = f"{right[part].mean():.2f}" if part.any() else "–"
        mean = f"{probability[part].mean():.2f}" if part.any() else "–"
        lines.append([f"{low:g} to {high:g}", str(part.sum()), mean, share])
    return lines


TABLES = {
    "calibration": Table(
        ["protocol", "right", "wrong", "AUROC", "wrong ones warned of", "right ones warned of"],
        scores,
    ),
    "reliability": Table(["probability", "matchings", "mean probability", "right"], reliability),
}


def main() -> None:
    args = parser(__doc__ or "", "family", TABLES).parse_args()
    rows = records.read(args.out)
    for table in TABLES.values():
        print_table(table.header, table.lines(rows))
    X, right, _, _ = data(rows)
    fitted = model().fit(X, right)
    print("intercept", fitted.intercept_.round(2), "coefficients", fitted.coef_.round(2))
    for path in args.csv:
        write_csv(path, args.tables[path.stem], rows)


if __name__ == "__main__":
    main()
