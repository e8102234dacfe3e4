"""Several processes that train one model: what their averaged gradients are worth.

Two processes, started by torchrun, or one fit the same four Gaussian modes, with one thread each.
Every process draws batches of its own, so that two make an update less noisy, and take as long for
it as one. Beside a fit of one process there are two processes with as many updates and with half of
them, one process with half of them, and one whose batches are twice as large.

What the documentation promises is counted: "on both" is the share of fits whose two processes end
with the same embedding, samples and divergence, bit for bit; "twice" is the share of fits that a
second run with the same seed repeats so. One process and two are not promised to agree, as they see
other batches. Times are of the fit alone, and of an update in it (not below 100 updates); two
processes want a core each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.spatial.distance import cdist

from benchmarks.common import (
    Figures,
    parser,
    pin_threads,
    print_figures,
    run,
    seeds,
    short,
    summary,
)
from benchmarks.embedding.clock import Clock
from benchmarks.embedding.modes import CASES, SIGMA, coverage
from skgw import GWGenerativeEmbedding
from skgw.datasets import make_modes
from skgw.embedding import Generator
from skgw.metrics import distance_distribution_error, rigid_alignment

ROOT, MODULE = Path(__file__).resolve().parents[2], "benchmarks.embedding.processes"
N_ROWS, N_FRESH, BATCH = 3000, 3000, 256
MODES, _ = CASES["4 modes"]
SETTINGS = {  # processes, part of the updates, rows in a batch, runs
    "1 process": (1, 1.0, BATCH, 2),
    "1, half the updates": (1, 0.5, BATCH, 1),
    "1, batches twice as large": (1, 1.0, 2 * BATCH, 1),
    "2 processes": (2, 1.0, BATCH, 2),
    "2, half the updates": (2, 0.5, BATCH, 1),
}
COLUMNS = {
    "fit, s": ("seconds", 1),
    "ms per update": ("ms", 1),
    "divergence": ("divergence", 4),
    "in 3 sd": ("within", 3),
    "sd": ("sd", 3),
    "least share x modes": ("least_share", 2),
    "distances": ("distances", 4),
    "on both": ("same_on_both", 1),
    "twice": ("same_twice", 1),
}
TABLES = {
    "processes": summary(
        {"processes": "setting"},
        {
            "fit, s": ("seconds", 1),
            "ms per update": ("ms", 1),
            "divergence": ("divergence", 4),
            "within 3 sd": ("within", 3),
            "distances": ("distances", 4),
            "same on both": short("same_on_both", 1),
            "same twice": short("same_twice", 1),
        },
    )
}
Outcome = dict[str, np.ndarray]


def measure(setting: str, max_iter: int, seed: int) -> Figures:
    processes, part, batch_size, runs = SETTINGS[setting]
    params = {"max_iter": int(part * max_iter), "batch_size": batch_size, "random_state": seed}
    worlds = [launched(processes, params) for _ in range(runs)]
    first = worlds[0][0]
    return {
        "seconds": float(first["seconds"]),
        "ms": float(first["ms"]),
        "divergence": float(first["divergence"]),
        **of_samples(first["samples"], seed),
        "same_on_both": same(*worlds[0]) if processes == 2 else None,
        "same_twice": same(first, worlds[1][0]) if runs == 2 else None,
    }


def launched(processes: int, params: Figures) -> list[Outcome]:
    """What each process has found, by rank."""
    torchrun = "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"
    with TemporaryDirectory() as folder:
        asked = ["--folder", folder, "--params", json.dumps(params)]
        subprocess.run(
            [sys.executable, *(torchrun if processes > 1 else ()), "-m", MODULE, *asked],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return [dict(np.load(Path(folder) / f"{rank}.npz")) for rank in range(processes)]


def take_part(folder: Path, params: Figures) -> None:
    """Fit as one process of those that torchrun has started, and write what came out."""
    pin_threads(1)
    seed = params["random_state"]
    X, _ = make_modes(N_ROWS, sigma=SIGMA, random_state=seed, **MODES)
    warm_up = GWGenerativeEmbedding(max_iter=2, n_generated=50, generator=Generator(init="random"))
    warm_up.fit(X[:600])  # the processes meet, and first calls are slow
    model, clock = GWGenerativeEmbedding(**params), Clock()
    start = time.perf_counter()
    model.set_callbacks(clock).fit(X)
    np.savez(
        folder / f"{os.environ.get('RANK', 0)}.npz",
        seconds=time.perf_counter() - start,
        ms=1000 * clock.seconds_per_update(),
        divergence=model.gw_divergence_,
        embedding=model.embedding_,
        samples=model.sample(N_FRESH, random_state=seed),
    )


def same(one: Outcome, other: Outcome) -> float:
    """1 if two processes ended with the same estimator, bit for bit."""
    names = "embedding", "samples", "divergence"
    return float(all(np.array_equal(one[name], other[name]) for name in names))


def of_samples(samples: np.ndarray, seed: int) -> Figures:
    fresh, _, centers = make_modes(
        N_FRESH, sigma=SIGMA, return_centers=True, random_state=1000 + seed, **MODES
    )
    error = distance_distribution_error(cdist(fresh, fresh), cdist(samples, samples))
    moved = rigid_alignment(samples, centers, max_distance=3 * SIGMA, random_state=seed)
    return {**coverage(moved, fresh, centers), "distances": error}


def main() -> None:
    options = parser(__doc__, "processes", TABLES)
    options.add_argument("--settings", nargs="+", choices=SETTINGS, default=[*SETTINGS])
    options.add_argument("--folder", type=Path, help=argparse.SUPPRESS)  # of a process that fits
    options.add_argument("--params", type=json.loads, help=argparse.SUPPRESS)
    options.set_defaults(max_iter=400, threads=1)
    args = options.parse_args()
    if args.folder is not None:
        take_part(args.folder, args.params)
        return
    cells = [
        {"setting": setting, "max_iter": args.max_iter, "seed": seed}
        for seed in seeds(args)
        for setting in args.settings
    ]
    print_figures(run(cells, measure, args), ["setting"], COLUMNS)


if __name__ == "__main__":
    main()
