"""GWMatcher as it comes, beside POT and the third lower bound, on pairs of domains with a truth.

    python -m benchmarks.translation.matching --data FOLDER --sets "scGEM" "MMD-MA s1"

Seeds shuffle the second domain, and draw the rows where a part is taken: `--share .7` of all, or at
most 1000 for the baselines. These get Euclidean distances, or those given. "collapsed" matches
every row with the same one, "random" is a random permutation. FOSCTTM is of translated points (for
distances: of rows of distances), the mean of both directions, as is label transfer by 5 neighbours.
"a pair of each class" tells the fit one pair of rows of each label that both domains have.
"""

from __future__ import annotations

import functools
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import pairwise_distances

from benchmarks.common import (
    Cell,
    Figures,
    parser,
    print_figures,
    run,
    seeds,
    short,
    summary,
)
from benchmarks.translation.sets import SETS, Array, Task
from skgw import GWMatcher
from skgw.exceptions import AmbiguousMatchingWarning
from skgw.metrics import foscttm, label_transfer_accuracy, match_rate

OURS: dict[str, dict[str, float]] = {
    "GWMatcher()": {},
    "GWMatcher(unbalanced=0.05)": {"unbalanced": 0.05},
}
KNOWN = ", a pair of each class"  # needs labels
BASELINES = "POT entropic", "POT exact", "TLB", "collapsed", "random"
MAX_BASELINE = 1000  # rows that baselines are given: they take minutes above
COLUMNS = {
    "s": ("seconds", 1),
    "FOSCTTM": ("foscttm", 3),
    "match@1": ("match", 3),
    "label transfer": ("labels", 3),
    "probability": ("probability", 2),
}


def title(cell: Cell) -> str:
    """The set; all proteins are one."""
    return "58 proteins" if cell["set"].startswith("protein") else cell["set"]


TABLES = {
    "matching": summary(
        {"set": title, "part": "share", "method": "method"},
        {
            "FOSCTTM": short("foscttm", 3),
            "label transfer": short("labels", 3),
            "match@1": short("match", 3),
        },
        seeds="runs",
        over=("seed", "set"),
        where=lambda cell: not cell["method"].endswith(KNOWN),
    ),
}


def measure(set: str, method: str, seed: int, share: float, *, folder: Path) -> Figures:
    task = part(SETS[set](folder, seed), seed, share)
    name = method.removesuffix(KNOWN)
    if name in OURS:
        matcher = GWMatcher(metric=task.metric, random_state=seed, **OURS[name])
        return ours(task, matcher, known_pairs(task, seed) if method != name else None)
    task = part(task, seed, min(1, MAX_BASELINE / max(len(task.X), len(task.Y))))
    start = time.perf_counter()
    plan = baseline(method, *distances(task), seed)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, **quality(task, plan)}


def ours(task: Task, matcher: GWMatcher, pairs: tuple[Array, Array] | None) -> Figures:
    start = time.perf_counter()
    matcher.fit(task.X, task.Y, pairs=pairs)
    seconds = time.perf_counter() - start
    figures = quality(task, matcher.plan_.toarray())
    return {
        "seconds": seconds, "margin": matcher.margin_, "epsilon": matcher.epsilon_,
        "probability": matcher.matching_probability_, "value": matcher.gw_value_, **figures,
    }  # fmt: skip


def known_pairs(task: Task, seed: int) -> tuple[Array, Array]:
    """Positions of a row of either domain for each label that both have."""
    if task.labels is None:
        sys.exit("Pairs of each class need labels.")
    rng = np.random.default_rng(seed)
    shared = np.intersect1d(*task.labels)
    rows = [[rng.choice(np.flatnonzero(y == label)) for label in shared] for y in task.labels]
    return np.array(rows[0]), np.array(rows[1])


def quality(task: Task, plan: Array) -> Figures:
    plan = plan / plan.sum()
    forth = plan @ task.Y / plan.sum(1, keepdims=True)
    back = plan.T @ task.X / plan.sum(0)[:, None]
    figures: Figures = {}
    if task.partners is not None:
        inverse = np.argsort(task.partners)
        figures["match"] = match_rate(plan, task.partners)
        ways = foscttm(forth, task.Y[task.partners]), foscttm(back, task.X[inverse])
        figures["foscttm"] = float(np.mean(ways))
    if task.labels is not None:
        x, y = task.labels
        figures["labels"] = float(np.mean([
            label_transfer_accuracy(forth, x, task.Y, y),
            label_transfer_accuracy(back, y, task.X, x),
        ]))  # fmt: skip
    return figures


def part(task: Task, seed: int, share: float) -> Task:
    """Random rows of both domains, the same rows where there are true matches."""
    if share == 1:
        return task
    rng = np.random.default_rng(seed)
    i, j = (np.sort(rng.permutation(len(Z))[: int(share * len(Z))]) for Z in (task.X, task.Y))
    partners = None
    if task.partners is not None:
        order = rng.permutation(len(i))
        j, partners = task.partners[i][order], np.argsort(order)
    square = task.metric == "precomputed"
    X, Y = (Z[np.ix_(k, k)] if square else Z[k] for Z, k in ((task.X, i), (task.Y, j)))
    labels = None if task.labels is None else (task.labels[0][i], task.labels[1][j])
    return Task(X, Y, task.metric, partners, labels)


def distances(task: Task) -> list[Array]:
    both = []
    for Z in (task.X, task.Y):
        D = Z if task.metric == "precomputed" else pairwise_distances(Z)
        both.append(D / np.sqrt(np.mean(D**2)))
    return both


def baseline(method: str, Dx: Array, Dy: Array, seed: int) -> Array:
    import ot

    n, m = len(Dx), len(Dy)
    a, b = np.full(n, 1 / n), np.full(m, 1 / m)
    if method == "POT exact":
        return ot.gromov.gromov_wasserstein(Dx, Dy, a, b, "square_loss")
    if method == "POT entropic":
        return ot.gromov.entropic_gromov_wasserstein(
            Dx, Dy, a, b, "square_loss", epsilon=5e-3, max_iter=200
        )
    if method == "TLB":
        return ot.emd(a, b, profile_costs(Dx, Dy))
    plan = np.full((n, m), 1e-12)
    if method == "collapsed":
        plan[:, 0] = 1
    else:
        plan[np.arange(n), np.random.default_rng(seed).permutation(max(n, m))[:n] % m] = 1
    return plan


def profile_costs(Dx: Array, Dy: Array, size: int = 200) -> Array:
    """Squared Wasserstein distance between the distributions of distances seen from two points."""
    levels = (np.arange(size) + 0.5) / size
    one, other = (np.quantile(D, levels, axis=1).T for D in (Dx, Dy))  # (n, size)
    return pairwise_distances(one, other, "sqeuclidean") / size


def main() -> None:
    options = parser(__doc__ or "", "matching", TABLES)
    options.add_argument("--data", type=Path, required=True, help="folder with the .npz files")
    options.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS, metavar="NAME")
    default = ["GWMatcher()", *BASELINES]
    names = [*OURS, *(name + KNOWN for name in OURS), *BASELINES]
    options.add_argument("--methods", nargs="+", default=default, choices=names, metavar="NAME")
    options.add_argument("--share", type=float, default=1.0, help="of the rows (default 1: all)")
    args = options.parse_args()
    if not args.data.is_dir():
        sys.exit(f"--data {args.data}: no such folder. The sets are listed in sets.py.")
    cells: list[dict[str, Any]] = [
        {"set": name, "method": method, "seed": seed, "share": args.share}
        for name in args.sets
        for method in args.methods
        for seed in seeds(args)
    ]
    warnings.simplefilter("ignore", AmbiguousMatchingWarning)
    rows = run(cells, functools.partial(measure, folder=args.data), args)
    print_figures(rows, ["set", "method"], COLUMNS)


if __name__ == "__main__":
    main()
