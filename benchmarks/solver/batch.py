"""Time to solve a batch of small problems, beside a loop over POT and OTT's vmap, in float32.

The problems are those of "noisy copy" in `families.py`, one seed for each. Runs are interleaved;
times are medians, ratios are medians of the ratios within a repetition.
"""

from __future__ import annotations

import numpy as np

from benchmarks.common import Figures, Rows, Table, parser, print_table, run, seeds, spread
from benchmarks.solver.compare import REG, clock, has_ott, marginal_error, objective
from benchmarks.solver.families import noisy_copy
from benchmarks.solver.solvers import BATCH, quietly

SIZES = 100, 200
N_PROBLEMS = 64
N_REPETITIONS = 3


def measure(n: int, n_problems: int, seed: int) -> Figures:
    rng = np.random.default_rng(seed)
    pairs = [noisy_copy(n, rng) for _ in range(n_problems)]
    Ca, Cb = (np.stack(side) for side in zip(*pairs, strict=True))
    names = [name for name in BATCH if "OTT" not in name or has_ott()]
    runs = {name: BATCH[name](Ca, Cb, REG) for name in names}
    plans = {name: quietly(solve) for name, solve in runs.items()}
    times = {name: [] for name in names}
    for _ in range(N_REPETITIONS):
        for name in names:
            times[name].append(clock(lambda s=runs[name]: quietly(s)))
    values = {
        name: [objective(A, B, T, REG) for A, B, T in zip(Ca, Cb, plans[name], strict=True)]
        for name in names
    }
    best = np.min([*values.values()], axis=0)
    return {
        name: {
            "ms": float(np.median(times[name])),
            "ratio": float(np.median(np.divide(times[name], times[names[0]]))),
            "excess": float(np.max(np.subtract(values[name], best))),
            "error": max(marginal_error(T) for T in plans[name]),
        }
        for name in names
    }


def lines_of(rows: Rows, n: int) -> list[list[str]]:
    """Times of each solver for batches of `n` points; of objective and error the worst."""
    records = [figures for cell, figures in rows if cell["n"] == n]
    lines = []
    for name in BATCH:
        own = [record[name] for record in records if name in record]
        if own:
            excess, error = (max(s[key] for s in own) for key in ("excess", "error"))
            times = spread(own, "ms", 0), spread(own, "ratio", 1)
            lines.append([name, *times, f"{excess:.0e}", f"{error:.0e}"])
    return lines


COLUMNS = ["solver", "ms", "times ours", "objective above the best", "marginal error"]
TABLES = {"batches": Table(COLUMNS, lambda rows: lines_of(rows, SIZES[0]))}


def main() -> None:
    options = parser(__doc__, "solver_batch", TABLES)
    options.set_defaults(seeds=1)
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    args = options.parse_args()
    cells = [
        {"n": n, "n_problems": N_PROBLEMS, "seed": seed} for n in args.sizes for seed in seeds(args)
    ]
    rows = run(cells, measure, args)
    lines = [[str(n), *line] for n in args.sizes for line in lines_of(rows, n)]
    print_table(["n", *COLUMNS], lines)


if __name__ == "__main__":
    main()
