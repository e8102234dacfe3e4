"""Images matched with other images of half the resolution: time, memory, labels kept.

    python -m benchmarks.matching.scale --data FOLDER --seeds 1

The images are those of ``mnist/mnist.npz`` of the folder, of 28 x 28 pixels, and other images of
14 x 14 pixels in another order. *Labels* is the share of images whose match, `GWMatcher.match`, has
the same label, mean of both directions. Each fit has a process of its own, after a small fit that
compiles what is compiled. Times are those of the fit and of both matches. *Silent* is the longest
processor time of the fit without a line of ``verbose=1``.
"""

from __future__ import annotations

import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import Figures, parser, pin_threads, print_figures, run, seeds, summary
from benchmarks.embedding.large import peak_memory
from benchmarks.matching.curves import Clock
from benchmarks.translation.images import Array, flat, halved
from skgw import GWMatcher
from skgw.exceptions import AmbiguousMatchingWarning

Labelled = tuple[Array, Array]
SIZES = (1000, 1000), (2500, 5000), (5000, 10_000), (10_000, 10_000), (20_000, 40_000)
COLUMNS = {
    "s": ("seconds", 1),
    "processor s": ("processor", 1),
    "peak MB": ("peak", 0),
    "MB before": ("before", 0),
    "labels": ("labels", 3),
    "silent s": ("silent", 1),
    "probability": ("probability", 2),
}
TABLES = {
    "scale": summary(
        {"rows": lambda cell: f"{cell['n']:,} x {cell['m']:,}"},
        {
            "seconds": ("seconds", 0),
            "processor seconds": ("processor", 0),
            "peak GB": lambda records: f"{max(r['peak'] for r in records) / 1000:.1f}",
            "GB before": lambda records: f"{max(r['before'] for r in records) / 1000:.1f}",
            "labels": ("labels", 3),
            "longest silence, processor seconds": ("silent", 0),
        },
    )
}


def domains(folder: Path, n: int, m: int, seed: int) -> tuple[Labelled, Labelled]:
    """Rows and labels of n images and of m other images."""
    with np.load(folder / "mnist" / "mnist.npz") as file:
        order = np.random.default_rng(seed).permutation(len(file["y_train"]))
        images, labels = file["X_train"][order[: n + m]], file["y_train"][order[: n + m]]
    return (flat(images[:n]), labels[:n]), (halved(images[n:]), labels[n:])


def solve(folder: Path, n: int, m: int, seed: int, threads: int) -> Figures:
    pin_threads(threads)
    (X, x), (Y, y) = domains(folder, n, m, seed)
    warnings.simplefilter("ignore", AmbiguousMatchingWarning)
    GWMatcher(random_state=seed).fit(X[:200], Y[:200])
    clock = Clock()
    before, start = peak_memory(), time.perf_counter()
    with redirect_stdout(clock):
        matcher = GWMatcher(random_state=seed, verbose=1).fit(X, Y)
    times = [*clock.times, time.process_time()]
    forth, back = matcher.match(), matcher.match(domain="y")
    seconds, processor = time.perf_counter() - start, time.process_time() - times[0]
    return {
        "seconds": seconds,
        "processor": processor,
        "before": before,
        "peak": peak_memory(),
        "labels": float((np.mean(y[forth] == x) + np.mean(x[back] == y)) / 2),
        "silent": max(np.diff(times)),
        "probability": matcher.matching_probability_,
    }


def main() -> None:
    options = parser(__doc__ or "", "matching_scale", TABLES)
    options.add_argument("--data", type=Path, required=True, help="folder with mnist/mnist.npz")
    options.add_argument("--sizes", type=int, nargs="+", help="rows of both domains, n m n m ...")
    args = options.parse_args()
    sizes = SIZES
    if args.sizes:
        sizes = tuple(zip(args.sizes[::2], args.sizes[1::2], strict=True))

    def measure(**settings: Any) -> Figures:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(solve, args.data, threads=args.threads, **settings).result()

    cells = [{"n": n, "m": m, "seed": seed} for n, m in sizes for seed in seeds(args)]
    print_figures(run(cells, measure, args), ["n", "m"], COLUMNS)


if __name__ == "__main__":
    main()
