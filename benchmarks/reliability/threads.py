"""Networks that threads build and fits that threads train: the same as one after the other?

Networks: 400 of one seed in 4 threads. Fits: 16 of one estimator and seed in 16 threads, and 16 of
all kinds in 16 threads. All arrays of a fit are compared, weights included.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import joblib
import torch

from benchmarks.common import Figures, parser, print_table, run, seeds, summary
from benchmarks.reliability.fits import FITS, digest, fitted
from skgw.nn import GeneratorSpec

NETWORKS, MIXED = "400 networks, 4 threads", "fits of all kinds"
N_FITS = 16


def measure(what: str, seed: int) -> Figures:
    before = torch.get_rng_state(), torch.get_default_dtype(), torch.get_num_threads()
    filters = [category for _, _, category, *_ in warnings.filters]
    if what == NETWORKS:
        differ = differing([lambda: weights(seed)] * 400, 4)
    else:
        kinds = [*FITS] if what == MIXED else [what]
        calls = [lambda kind=kind: digest(fitted(kind, random_state=seed)) for kind in kinds]
        differ = differing([calls[k % len(calls)] for k in range(N_FITS)], N_FITS)
    after = torch.get_rng_state(), torch.get_default_dtype(), torch.get_num_threads()
    unchanged = torch.equal(before[0], after[0]) and before[1:] == after[1:]
    left = [category for _, _, category, *_ in warnings.filters]
    return {"differ": differ, "unchanged": unchanged, "filters": left == filters}


def weights(seed: int) -> str:
    network = GeneratorSpec(2, 16, "mlp", (128, 128, 128), 64).build(seed)
    return str(joblib.hash([p.detach().numpy() for p in network.parameters()]))


def differing(calls: Sequence[Callable[[], Any]], n_threads: int) -> int:
    """The number of results in threads that differ from those of one thread."""
    expected = {call: call() for call in dict.fromkeys(calls)}
    found = joblib.Parallel(n_threads, backend="threading")(joblib.delayed(c)() for c in calls)
    return sum(x != expected[call] for call, x in zip(calls, found, strict=True))


def total(name: str) -> Callable[[Sequence[Figures]], str]:
    return lambda records: str(sum(int(record[name]) for record in records))


TABLES = {
    "threads": summary(
        {"what": "what"},
        {
            "results that differ": total("differ"),
            "runs that leave the global state": total("unchanged"),
            "runs that leave the filters of warnings": total("filters"),
        },
        seeds="runs",
    )
}


def main() -> None:
    options = parser(__doc__, "threads", TABLES)
    options.set_defaults(seeds=2, threads=1)
    args = options.parse_args()
    for kind in FITS:
        fitted(kind)  # compiles, and imports what is imported on use
    cells = [{"what": what, "seed": s} for what in (NETWORKS, *FITS, MIXED) for s in seeds(args)]
    table = TABLES["threads"]
    print_table(table.header, table.lines(run(cells, measure, args)))


if __name__ == "__main__":
    main()
