"""Wall time and CPU time of small calls: all threads, one thread, and threads by size of the work.

Times are those of one call, after a call that compiles. Run it beside other processes, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

import skgw.threads
from benchmarks.common import Figures, parser, print_table, run, seeds, summary
from skgw import (
    GWCoTrainedAutoencoders,
    GWGenerativeEmbedding,
    GWMatcher,
    VariationalAutoencoder,
)
from skgw.solvers import solve_gromov

MAX_UPDATES = 100  # of the autoencoders
RULES = "all", "one", "by size"


def blobs(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 4)) + 3 * rng.integers(0, 3, (n, 1))


def pair(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    X = blobs(n, seed)
    return X, X @ np.random.default_rng(seed).normal(size=(4, 5))


def problems(n_problems: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    points = np.random.default_rng(seed).normal(size=(n_problems, n, 3))
    D = np.linalg.norm(points[:, :, None] - points[:, None], axis=3)
    return D, D[:, ::-1, ::-1].copy()


CASES: dict[str, Callable[[int], Any]] = {
    "GWGenerativeEmbedding, 150 rows": lambda s: GWGenerativeEmbedding(random_state=s).fit(
        blobs(150, s)
    ),
    "VariationalAutoencoder, 150 rows": lambda s: VariationalAutoencoder(
        max_iter=MAX_UPDATES, random_state=s
    ).fit(blobs(150, s)),
    "GWMatcher, 150 rows": lambda s: GWMatcher(random_state=s).fit(*pair(150, s)),
    "solve_gromov, 64 x 100 points": lambda s: solve_gromov(*problems(64, 100, s)),
    "solve_gromov, 200 points, torch": lambda s: solve_gromov(
        *(D[0] for D in problems(1, 200, s)), backend="torch"
    ),
    "solve_gromov, 1,000 points": lambda s: solve_gromov(*(D[0] for D in problems(1, 1000, s))),
    "GWCoTrainedAutoencoders, 150 rows": lambda s: GWCoTrainedAutoencoders(
        max_iter=MAX_UPDATES, random_state=s
    ).fit(*pair(150, s)),
}


def measure(what: str, rule: str, seed: int) -> Figures:
    """Wall time and CPU time of a call in seconds."""
    n_threads, per_thread = torch.get_num_threads(), skgw.threads.WORK_PER_THREAD
    torch.set_num_threads(1)
    CASES[what](seed)
    torch.set_num_threads(1 if rule == "one" else n_threads)
    if rule == "all":
        skgw.threads.WORK_PER_THREAD = 1e-9
    try:
        wall, cpu = time.perf_counter(), time.process_time()
        CASES[what](seed)
        return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    finally:
        skgw.threads.WORK_PER_THREAD = per_thread
        torch.set_num_threads(n_threads)


def median(name: str) -> Callable[[Sequence[Figures]], str]:
    return lambda records: f"{np.median([record[name] for record in records]):.2f}"


TABLES = {
    "thread_times": summary(
        {"call": "what", "threads": "rule"},
        {"wall time in s": median("wall"), "CPU time in s": median("cpu")},
        seeds="runs",
    )
}


def main() -> None:
    options = parser(__doc__, "thread_times", TABLES)
    options.set_defaults(seeds=1)
    args = options.parse_args()
    cells = [
        {"what": what, "rule": rule, "seed": seed}
        for what in CASES
        for rule in RULES
        for seed in seeds(args)
    ]
    table = TABLES["thread_times"]
    print_table(table.header, table.lines(run(cells, measure, args)))


if __name__ == "__main__":
    main()
