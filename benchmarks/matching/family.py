"""Matchings of a family of paired problems: the automatic metric, fixed metrics, and baselines.

    python -m benchmarks.matching.family --data FOLDER --protocols "same rows" "disjoint rows"

`problems.py` has the problems; the folder adds more. Seeds draw rows and their order. With "same
rows" both domains have the same objects, up to those that a problem leaves out of one of them; with
"disjoint rows" no object is in both, and translations of held-out pairs are scored. FOSCTTM and the
top-1 rate are of translated rows that have a match, means of both directions; *cosine* is between
the translated row and the true match, from the mean of the domain; *labels* are transferred by 5
neighbours. A matching is right below a FOSCTTM of .15 and wrong above .3. *Probability* is
`matching_probability_`. *AUROC of rows* tells rows whose true match is among the nearest 15 % of
their translation from others, by `confidence_` and `confidence_y_`, mean of both; *of matches* rows
whose match is right.

"centres" (`centres.py`) is scored between unit rows, as in its source, and once more between
features, by the mean of the nearest fitted rows. "SCOT" (`scot.py`) has ten seconds for a problem.
"""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import pairwise_distances, roc_auc_score
from sklearn.neighbors import NearestNeighbors

from benchmarks.common import Cell, Figures, Rows, parser, print_figures, run, seeds
from benchmarks.matching.centres import CentreMatcher
from benchmarks.matching.problems import DISJOINT, MIN_ROWS, SAME, Array, Split, named, split
from benchmarks.matching.scot import Tuned, self_tuned
from benchmarks.tables import Table, short
from benchmarks.translation.matching import baseline
from skgw import GWMatcher
from skgw.exceptions import AmbiguousMatchingWarning
from skgw.metrics import foscttm, label_transfer_accuracy

AUTOMATIC = "GWMatcher()"
FIXED = "euclidean", "cosine", "geodesic"  # metrics of GWMatcher
EUCLIDEAN = "POT entropic", "POT exact", "TLB"  # baselines of Euclidean distances
CENTRES, SCOT = "centres", "SCOT"
PLANS = *EUCLIDEAN, SCOT  # baselines that translate no new rows: same rows only
BASELINES = *PLANS, CENTRES
METHODS = AUTOMATIC, *FIXED, *BASELINES
FAST = AUTOMATIC, "euclidean", "cosine", CENTRES  # between many rows
RIGHT, WRONG = 0.15, 0.3  # FOSCTTM below and above which a matching counts as right and wrong
FEW, MANY = 300, 2000  # rows of the tables
FIGURES = "foscttm", "labels", "top1", "cosine"
COLUMNS = {
    "s": ("seconds", 1),
    "FOSCTTM": ("foscttm", 3),
    "top-1": ("top1", 3),
    "cosine": ("cosine", 3),
    "labels": ("labels", 3),
    "probability": ("probability", 2),
    "AUROC of rows": ("auroc", 2),
    "of matches": ("auroc_match", 2),
}


def measure(
    problem: str,
    family: str,
    protocol: str,
    method: str,
    rows: int,
    seed: int,
    *,
    folder: Path | None,
) -> Figures:
    parts = split(named(folder)[problem], protocol, rows, seed)
    start = time.process_time()
    if method == CENTRES:
        return of_centres(parts, seed)
    if method == SCOT:
        plan, *tuned = self_tuned(parts.X, parts.Y)
        seconds = time.process_time() - start
        names = (name for name in Tuned._fields if name != "plan")
        return {"seconds": seconds, **of_plan(parts, plan), **dict(zip(names, tuned, strict=True))}
    if method in EUCLIDEAN:
        Dx, Dy = (pairwise_distances(Z) for Z in (parts.X, parts.Y))
        plan = baseline(method, *(D / np.sqrt(np.mean(D**2)) for D in (Dx, Dy)), seed)
        figures = of_plan(parts, plan)
        return {"seconds": time.process_time() - start, **figures}
    metric = "auto" if method == AUTOMATIC else method
    matcher = GWMatcher(metric=metric, random_state=seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        matcher.fit(parts.X, parts.Y)
    seconds = time.process_time() - start
    translated = (
        matcher.translate(parts.test_x), matcher.translate(parts.test_y, domain="y")
    )  # fmt: skip
    return {
        "seconds": seconds,
        **quality(parts, *translated),
        **labels_of(parts, matcher.plan_.toarray()),
        **trust(parts, translated, matcher),
        "probability": matcher.matching_probability_,
        "margin": min(matcher.margin_, 1e3),
        **matcher.diagnostics_,
        "warned": float(any(issubclass(w.category, AmbiguousMatchingWarning) for w in caught)),
    }


def of_plan(parts: Split, plan: Array) -> Figures:
    """Figures of a plan between the same rows; entries that are not finite have no mass."""
    assert parts.matches is not None
    plan = np.nan_to_num(plan, nan=0.0, posinf=0.0) + 1e-300
    matched = parts.matches >= 0
    forth = (plan @ parts.Y / plan.sum(1, keepdims=True))[matched]
    back = (plan.T @ parts.X / plan.sum(0)[:, None])[parts.matches[matched]]
    return {**quality(parts, forth, back), **labels_of(parts, plan)}


def of_centres(parts: Split, seed: int) -> Figures:
    """Figures between unit rows; `foscttm_features` is of the mean of the nearest fitted rows."""
    start = time.process_time()
    matcher = CentreMatcher(seed).fit(parts.X, parts.Y)
    seconds = time.process_time() - start
    forth = matcher.translate(parts.test_x)
    back = matcher.translate(parts.test_y, domain="y")
    unit_x, unit_y = matcher.unit_x, matcher.unit_y
    in_units = parts._replace(test_x=unit_x(parts.test_x), test_y=unit_y(parts.test_y))
    projected = (
        mean_of_nearest(forth, unit_y(parts.Y), parts.Y),
        mean_of_nearest(back, unit_x(parts.X), parts.X),
    )
    return {
        "seconds": seconds,
        **quality(in_units, forth, back),
        **labels_of(parts, matcher.plan),
        "foscttm_features": quality(parts, *projected)["foscttm"],
    }


def mean_of_nearest(translated: Array, units: Array, rows: Array) -> Array:
    """Mean (t, q) of the five rows (m, q) whose unit rows (m, r) are nearest to translated ones."""
    search = NearestNeighbors(n_neighbors=5).fit(units)
    return rows[search.kneighbors(translated, return_distance=False)].mean(1)


def quality(parts: Split, forth: Array, back: Array) -> Figures:
    """Figures of translations of the test rows."""
    figures: dict[str, list[float]] = {"foscttm": [], "top1": [], "cosine": []}
    for found, truth in ((forth, parts.test_y), (back, parts.test_x)):
        figures["foscttm"].append(foscttm(found, truth))
        D = pairwise_distances(found, truth)
        figures["top1"].append(float((D.argmin(1) == np.arange(len(D))).mean()))
        figures["cosine"].append(mean_cosine(found, truth))
    return {name: float(np.mean(values)) for name, values in figures.items()}


def mean_cosine(found: Array, truth: Array) -> float:
    centre = truth.mean(0)
    a, b = found - centre, truth - centre
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(((a * b).sum(1) / np.where(norms > 0, norms, 1)).mean())


def labels_of(parts: Split, plan: Array) -> Figures:
    if parts.labels is None:
        return {}
    x, y = parts.labels
    forth = plan @ parts.Y / plan.sum(1, keepdims=True)
    back = plan.T @ parts.X / plan.sum(0)[:, None]
    ways = (
        label_transfer_accuracy(forth, x, parts.Y, y),
        label_transfer_accuracy(back, y, parts.X, x),
    )
    return {"labels": float(np.mean(ways))}


def trust(parts: Split, translated: tuple[Array, Array], matcher: GWMatcher) -> Figures:
    """How well the confidence tells rows that are translated or matched right from others.

    The rows were fitted, and have a match. Directions in which all rows, or none, are right are
    left out.
    """
    if parts.matches is None:
        return {}
    rows = np.flatnonzero(parts.matches >= 0), parts.matches[parts.matches >= 0]
    confidences = matcher.confidence_, matcher.confidence_y_
    found: dict[str, list[float]] = {"auroc": [], "auroc_match": []}
    for source, true in enumerate((parts.test_y, parts.test_x)):
        here, there = rows[source], rows[1 - source]
        D = pairwise_distances(translated[source], true)
        near = (np.diag(D)[:, None] > D).mean(1) < RIGHT
        for name, right in (
            ("auroc", near),
            ("auroc_match", matcher.match(domain="xy"[source])[here] == there),
        ):
            if right.any() and not right.all():
                found[name].append(float(roc_auc_score(right, confidences[source][here])))
    return {name: float(np.mean(values)) for name, values in found.items() if values}


def by_family(rows: Rows, n_rows: int = FEW, methods: Sequence[str] = METHODS) -> list[list[str]]:
    """Mean FOSCTTM of each family by method, and of the worst problem under `GWMatcher()`."""
    rows = [row for row in rows if row[0]["rows"] == n_rows]
    families: dict[tuple[str, str], Rows] = {}
    for row in rows:
        families.setdefault((row[0]["protocol"], row[0]["family"]), []).append(row)
    lines = [[*labels, *_of_methods(families[labels], methods)] for labels in sorted(families)]
    for protocol in sorted({protocol for protocol, _ in families}):
        part = [row for row in rows if row[0]["protocol"] == protocol]
        lines.append([protocol, "mean of all problems", *_of_methods(part, methods)])
    return lines


def _of_methods(rows: Rows, methods: Sequence[str]) -> list[str]:
    """Means of the methods that have all problems, and the worst problem."""
    errors: dict[str, dict[str, list[float]]] = {name: {} for name in METHODS}
    for cell, found in rows:
        problems = errors[cell["method"]]
        problems.setdefault(cell["problem"], []).append(float(found["foscttm"]))
    has_all = {name: len(errors[name]) >= len(errors[AUTOMATIC]) for name in methods}
    means = [
        _mean([x for of_one in errors[name].values() for x in of_one] if has_all[name] else [])
        for name in methods
    ]
    of_problems = [float(np.mean(of_one)) for of_one in errors[AUTOMATIC].values()]
    return [*means, _mean(sorted(of_problems)[-1:])]


def _mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f}" if values else "–"


def verdicts(rows: Rows) -> list[list[str]]:
    """Right and wrong matchings of each method and protocol, and how the estimator judged them."""
    return [[*names, *_verdict(found)] for names, found in _of_each_method(rows, FEW)]


def figures_of_methods(rows: Rows) -> list[list[str]]:
    """Means over all problems."""
    return [
        [f"{n_rows:,}", *names, *(_mean(_values(found, name)) for name in FIGURES)]
        for n_rows in (FEW, MANY)
        for names, found in _of_each_method(rows, n_rows)
    ]


def _of_each_method(rows: Rows, n_rows: int) -> Iterator[tuple[list[str], list[Figures]]]:
    """Names and records of each protocol and method that has the problems of `GWMatcher()`."""
    for protocol in (SAME, DISJOINT):
        which = {"protocol": protocol, "rows": n_rows}.items()
        part = [row for row in rows if which <= row[0].items()]
        problems = {
            method: {cell["problem"] for cell, _ in part if cell["method"] == method}
            for method in METHODS
        }
        for method in METHODS:
            if problems[method] and problems[method] >= problems[AUTOMATIC]:
                found = [figures for cell, figures in part if cell["method"] == method]
                yield [protocol, method], found


def _values(found: list[Figures], name: str) -> list[float]:
    return [float(figures[name]) for figures in found if name in figures]


def _verdict(found: list[Figures]) -> list[str]:
    errors = np.array([float(figures["foscttm"]) for figures in found])
    right, wrong = errors < RIGHT, errors > WRONG
    line = [f"{errors.mean():.3f}", f"{right.mean():.2f}", f"{wrong.mean():.2f}"]
    if "probability" not in found[0]:
        return [*line, "–", "–", "–", "–"]
    probability, warned = (
        np.array([float(figures[name]) for figures in found]) for name in ("probability", "warned")
    )
    either = right | wrong
    return [
        *line,
        f"{roc_auc_score(right[either], probability[either]):.3f}",
        f"{warned[wrong].mean():.2f}",
        f"{warned[right].mean():.2f}",
        _mean(_values(found, "auroc")),
    ]


def cells_by_problem(rows: Rows) -> list[list[str]]:
    """FOSCTTM, labels and probability of `GWMatcher()` on each problem of single cells."""
    figures = ("foscttm", 3), ("labels", 2), ("probability", 2)
    found: dict[str, dict[str, list[Figures]]] = {}
    for cell, record in rows:
        of_cells = cell["family"].startswith("cell_") and cell["rows"] == FEW
        if of_cells and cell["method"] == AUTOMATIC:
            found.setdefault(cell["problem"], {}).setdefault(cell["protocol"], []).append(record)
    return [
        [problem, *(
            short(*figure)(protocols[protocol]) if figure[0] in protocols[protocol][0] else "–"
            for protocol in (SAME, DISJOINT)
            for figure in figures
        )]
        for problem, protocols in found.items()
    ]  # fmt: skip


TABLES = {
    "cells": Table(
        [
            "problem", "FOSCTTM", "labels", "probability",
            "FOSCTTM, disjoint", "labels, disjoint", "probability, disjoint",
        ],
        cells_by_problem,
    ),
    "families": Table(["protocol", "family", *METHODS, "worst problem"], by_family),
    "families_of_many_rows": Table(
        ["protocol", "family", *FAST, "worst problem"],
        functools.partial(by_family, n_rows=MANY, methods=FAST),
    ),
    "figures": Table(
        ["rows", "protocol", "method", "FOSCTTM", "labels", "top-1", "cosine"], figures_of_methods
    ),
    "verdicts": Table(
        [
            "protocol", "method", "FOSCTTM", "right", "wrong", "AUROC of the probability",
            "wrong ones warned of", "right ones warned of", "AUROC of rows",
        ],
        verdicts,
    ),
}  # fmt: skip


def main() -> None:
    options = parser(__doc__ or "", "family", TABLES)
    options.add_argument("--data", type=Path, help="folder with load.py, which adds problems")
    options.add_argument("--rows", type=int, default=300, help="of either domain (default 300)")
    options.add_argument("--protocols", nargs="+", choices=(SAME, DISJOINT), default=[SAME])
    options.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, metavar="NAME")
    options.add_argument("--problems", nargs="+", metavar="NAME", help="default: all")
    args = options.parse_args()
    cells: list[Cell] = [
        {
            "problem": problem.name, "family": problem.family, "protocol": protocol,
            "method": method, "rows": args.rows, "seed": seed,
        }
        for seed in seeds(args)
        for problem in named(args.data).values()
        for protocol in args.protocols
        for method in args.methods
        if not args.problems or problem.name in args.problems
        if protocol == SAME or (len(problem.A) >= 3 * MIN_ROWS and method not in PLANS)
    ]  # fmt: skip
    rows = run(cells, functools.partial(measure, folder=args.data), args)
    print_figures(rows, ["protocol", "problem", "method"], COLUMNS)


if __name__ == "__main__":
    main()
