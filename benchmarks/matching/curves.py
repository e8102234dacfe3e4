"""A spiral in the plane and a roll in space, matched by geodesic distances: time, memory, order.

    python -m benchmarks.matching.curves --seeds 1 --csv docs/results/matching/curves.csv

The task of the benchmark page of torchgw: both curves have the radius .3 to 1 and the angle 0 to 9,
at equal steps, and noise of standard deviation .05 in the radius of each coordinate; the roll has a
width of 1. Five neighbours are linked, as in the tests of torchgw: where noise brings the turns
near each other, 15 neighbours may link them. *Spearman* is the rank correlation of the angles of
the rows and of their matches, without its sign, for the rows of the spiral (*forth*) and of the
roll (*back*). Each fit has a process of its own. *Silent* is the longest processor time without a
line of ``verbose=1``.
"""

from __future__ import annotations

import io
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.common import Figures, parser, pin_threads, print_figures, run, seeds, summary
from benchmarks.embedding.large import peak_memory
from skgw import GWMatcher

Array = NDArray[Any]
SIZES = (4000, 5000), (10_000, 12_000), (20_000, 25_000), (45_000, 45_000)
NOISE = 0.05
N_NEIGHBORS = 5
COLUMNS = {
    "s": ("seconds", 1),
    "processor s": ("processor", 1),
    "peak MB": ("peak", 0),
    "MB before": ("before", 0),
    "Spearman, forth": ("forth", 4),
    "back": ("back", 4),
    "silent s": ("silent", 1),
    "probability": ("probability", 2),
}
TABLES = {
    "curves": summary(
        {"rows": lambda cell: f"{cell['n']:,} x {cell['m']:,}"},
        {
            "seconds": ("seconds", 0),
            "processor seconds": ("processor", 0),
            "peak GB": lambda records: f"{max(r['peak'] for r in records) / 1000:.1f}",
            "GB before": lambda records: f"{max(r['before'] for r in records) / 1000:.1f}",
            "Spearman, forth": ("forth", 4),
            "Spearman, back": ("back", 4),
            "longest silence, processor seconds": ("silent", 0),
        },
    )
}


class Clock(io.StringIO):
    """Standard output that notes when it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.times = [time.process_time()]

    def write(self, text: str) -> int:
        self.times.append(time.process_time())
        return super().write(text)


def spiral(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Points (n, 2) of a spiral, and their angles (n,), in random order."""
    angles = rng.permutation(np.linspace(0, 9, n))
    radius = np.interp(angles, (0, 9), (0.3, 1)) + NOISE * rng.normal(size=(2, n))
    return np.stack([radius[0] * np.cos(angles), radius[1] * np.sin(angles)], axis=1), angles


def roll(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Points (n, 3) of a rolled sheet of width one, and their angles (n,), in random order."""
    points, angles = spiral(n, rng)
    return np.insert(points, 1, rng.uniform(size=n), axis=1), angles


def solve(n: int, m: int, seed: int, threads: int) -> Figures:
    pin_threads(threads)
    rng = np.random.default_rng(seed)
    (X, x), (Y, y) = spiral(n, rng), roll(m, rng)
    fit(X[:50], Y[:50], seed)  # what is compiled, is now
    before, start, clock = peak_memory(), time.perf_counter(), Clock()
    with redirect_stdout(clock):
        matcher = fit(X, Y, seed, verbose=1)
        matches = matcher.match(), matcher.match(domain="y")
    seconds, times = time.perf_counter() - start, [*clock.times, time.process_time()]
    return {
        "seconds": seconds,
        "processor": times[-1] - times[0],
        "before": before,
        "peak": peak_memory(),
        "forth": abs(spearmanr(x, y[matches[0]])[0]),
        "back": abs(spearmanr(y, x[matches[1]])[0]),
        "silent": max(np.diff(times)),
        "probability": matcher.matching_probability_,
    }


def fit(X: Array, Y: Array, seed: int, verbose: int = 0) -> GWMatcher:
    matcher = GWMatcher(
        metric="geodesic", n_neighbors=N_NEIGHBORS, random_state=seed, verbose=verbose
    )
    return matcher.fit(X, Y)


def main() -> None:
    options = parser(__doc__ or "", "matching_curves", TABLES)
    options.add_argument("--sizes", type=int, nargs="+", help="rows of both domains, n m n m ...")
    args = options.parse_args()
    sizes = SIZES
    if args.sizes:
        sizes = tuple(zip(args.sizes[::2], args.sizes[1::2], strict=True))

    def measure(**settings: Any) -> Figures:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(solve, threads=args.threads, **settings).result()

    cells = [{"n": n, "m": m, "seed": seed} for n, m in sizes for seed in seeds(args)]
    print_figures(run(cells, measure, args), ["n", "m"], COLUMNS)


if __name__ == "__main__":
    main()
