"""Fit the model of `matching_probability_`, and score it on families that were left out.

    python -m benchmarks.matching.calibration --out benchmarks/results/family.csv

It reads the records of `family.py`. A matching of `GWMatcher()` is right below a FOSCTTM of .15,
and wrong above .3; others are left out of the fit. The model of a family is fitted to the other
families, with the same rows and with disjoint rows. Problems of more than 1,000 rows are scored
only. The constants are those of `skgw.matching.matching_probability`.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmarks import records
from benchmarks.common import Rows, parser, print_table
from benchmarks.matching.family import AUTOMATIC, RIGHT, WRONG
from benchmarks.tables import Table, write_csv
from skgw.matching.matching_probability import (
    MAX_ROWS,
    OF_EXPLAINED,
    OF_PRESERVED,
    WARNING_PROBABILITY,
    Judgement,
)

Array = NDArray[np.float64]
BINS = 0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0  # of the reliability diagram
STRENGTH = 10.0  # inverse of the penalty on the coefficients


class Judged(NamedTuple):
    """Matchings that are right or wrong: what the model reads of them, and what they are."""

    X: Array  # (n, 3): ranking score, logarithm of the rows, weight of the other matching
    right: NDArray[np.bool_]
    families: NDArray[np.str_]
    groups: NDArray[np.str_]  # protocol and number of rows
    fitted: NDArray[np.bool_]  # whether the model is fitted to it


def judged(rows: Rows) -> Judged:
    chosen = [
        (cell, found)
        for cell, found in rows
        if cell["method"] == AUTOMATIC and not RIGHT <= float(found["foscttm"]) <= WRONG
    ]
    return Judged(
        np.array([_figures(found) for _, found in chosen]).reshape(-1, 3),
        np.array([float(found["foscttm"]) < RIGHT for _, found in chosen]),
        np.array([cell["family"] for cell, _ in chosen]),
        np.array([f"{cell['protocol']}, {int(cell['rows']):,}" for cell, _ in chosen]),
        np.array([int(cell["rows"]) <= MAX_ROWS for cell, _ in chosen]),
    )


def _figures(found: dict[str, str]) -> list[float]:
    judgement = Judgement(*(float(found[name]) for name in Judgement._fields))
    shares = OF_EXPLAINED * judgement.explained + OF_PRESERVED * judgement.preserved_neighbors
    return [shares, np.log(min(judgement.n_rows / MAX_ROWS, 1)), judgement.other_weight]


def model() -> LogisticRegression:
    return LogisticRegression(C=STRENGTH)


def left_out(matchings: Judged) -> Array:
    """Probability (n,) of each matching by the model of the other families."""
    X, right, families, _, is_fitted = matchings
    probability = np.empty(len(X))
    for family in np.unique(families):
        held_out = families == family
        others = ~held_out & is_fitted
        fitted = model().fit(X[others], right[others])
        probability[held_out] = fitted.predict_proba(X[held_out])[:, 1]
    return probability * (1 - X[:, 2])


def scores(rows: Rows) -> list[list[str]]:
    matchings = judged(rows)
    if not len(matchings.X):
        return []
    probability = left_out(matchings)
    lines = []
    for name in (*np.unique(matchings.groups), "all"):
        part = (matchings.groups == name) | (name == "all")
        p, right = probability[part], matchings.right[part]
        lines.append([
            name, str(right.sum()), str((~right).sum()), f"{roc_auc_score(right, p):.3f}",
            f"{(p[~right] < WARNING_PROBABILITY).mean():.2f}",
            f"{(p[right] < WARNING_PROBABILITY).mean():.2f}",
        ])  # fmt: skip
    return lines


def reliability(rows: Rows) -> list[list[str]]:
    """Share of right matchings in bins of the probability of families that were left out."""
    matchings = judged(rows)
    if not len(matchings.X):
        return []
    probability = left_out(matchings)
    lines = []
    for low, high in itertools.pairwise(BINS):
        part = (probability >= low) & (probability < high + (high == 1))
        share = f"{matchings.right[part].mean():.2f}" if part.any() else "–"
        mean = f"{probability[part].mean():.2f}" if part.any() else "–"
        lines.append([f"{low:g} to {high:g}", str(part.sum()), mean, share])
    return lines


TABLES = {
    "calibration": Table(
        [
            "protocol and rows",
            "right",
            "wrong",
            "AUROC",
            "wrong ones warned of",
            "right ones warned of",
        ],
        scores,
    ),
    "reliability": Table(["probability", "matchings", "mean probability", "right"], reliability),
}


def main() -> None:
    args = parser(__doc__ or "", "family", TABLES).parse_args()
    rows = records.read(args.out)
    for table in TABLES.values():
        print_table(table.header, table.lines(rows))
    matchings = judged(rows)
    X, right, *_, is_fitted = matchings
    fitted = model().fit(X[is_fitted], right[is_fitted])
    print("intercept", fitted.intercept_.round(2), "coefficients", fitted.coef_.round(2))
    for path in args.csv:
        write_csv(path, args.tables[path.stem], rows)


if __name__ == "__main__":
    main()
