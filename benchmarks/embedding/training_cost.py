"""Milliseconds per update of the generator, and where they go, beside the reference implementation.

Eight planar modes, default networks; only the loop over updates counts, neither what comes before
it nor the placement after it. Timers around the functions that do the work tell the parts; what is
left over is drawing batches, envelope values and bookkeeping.
"""

from __future__ import annotations

import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest import mock

from torch import Tensor
from torch.optim import Adam

from benchmarks.common import Figures, parser, print_figures, print_table, run, seeds
from skgw import GWGenerativeEmbedding
from skgw.base.training_run import TrainingRun
from skgw.datasets import make_modes
from skgw.embedding import objective
from skgw.nn import Generator
from skgw.solvers import initializers
from skgw.training import gw_loss

OBJECTIVE = objective.GenerativeObjective
PARTS: dict[str, list[tuple[Any, str]]] = {  # where the functions are looked up
    "networks": [(Generator, "forward")],
    "distances": [(OBJECTIVE, "distances"), (objective, "pairwise_distances")],
    "solver": [
        (initializers, "warm_start"),
        *((gw_loss, name) for name in ("minimize", "identity_start", "quadratic_problem")),
    ],
    "backward": [(Tensor, "backward")],
    "optimiser": [(Adam, "step")],
}
# github.com/bunnech/gwgan, measured on one thread of a server CPU, batch 256, double precision.
REFERENCE = [
    # what, ms per update, solver, distances, backward
    ("l1, adversary", "113", "87 %", "3 %", "6 %"),
    ("l1, no adversary", "127", "88 %", "3 %", "6 %"),
    ("range over runs", "113–142", "", "", ""),
]


def timed(function: Callable[..., Any], times: dict[str, float], part: str) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            times[part] += time.perf_counter() - start

    return wrapper


def part_times(fit: Callable[[], Any]) -> dict[str, float]:
    """Seconds spent in the training that `fit` contains, and in each of its parts."""
    times: dict[str, float] = defaultdict(float)
    train = TrainingRun.train

    def timed_train(*args: Any, **kwargs: Any) -> Any:
        with ExitStack() as stack:
            for part, functions in PARTS.items():
                for owner, name in functions:
                    wrapper = timed(getattr(owner, name), times, part)
                    stack.enter_context(mock.patch.object(owner, name, wrapper))
            return timed(train, times, "total")(*args, **kwargs)

    with mock.patch.object(TrainingRun, "train", timed_train):
        fit()
    return times


def measure(batch_size: int, max_iter: int, seed: int) -> Figures:
    X, _ = make_modes(3000, n_modes=8, random_state=seed)
    model = GWGenerativeEmbedding(batch_size=batch_size, random_state=seed)
    model.set_params(n_generated=50)  # too few to converge, but only the training counts here
    warnings.simplefilter("ignore")
    model.set_params(max_iter=2).fit(X)  # imports and first calls are slow
    times = part_times(lambda: model.set_params(max_iter=max_iter).fit(X))
    shares = {part: 100 * times[part] / times["total"] for part in PARTS}
    rest = 100 - sum(shares.values())
    return {**shares, "rest": rest, "ms": 1000 * times["total"] / max_iter}


def main() -> None:
    options = parser(__doc__, "training_cost")
    options.add_argument("--batch-sizes", type=int, nargs="+", default=[256])
    options.set_defaults(max_iter=500)
    args = options.parse_args()
    cells = [
        {"batch_size": batch_size, "max_iter": args.max_iter, "seed": seed}
        for seed in seeds(args)
        for batch_size in args.batch_sizes
    ]
    columns = {"ms per update": ("ms", 1)}
    columns |= {f"{part}, %": (part, 0) for part in (*PARTS, "rest")}
    print_figures(run(cells, measure, args), ["batch_size", "threads"], columns)
    print("\nbunnech/gwgan, measured, batch 256:")
    print_table(["loss", "ms per update", "solver", "distances", "backward"], REFERENCE)


if __name__ == "__main__":
    main()
