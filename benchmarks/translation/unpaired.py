"""Translations against critics beside those by distances, on images without a common image.

`--n` images of MNIST are one domain, other images the other domain: "inverted"; "less contrast",
.3 + .6 x for pixels x; "permuted", pixels in another order; "halved", half the resolution and in
another order; "USPS"; "unbalanced" and "missing" classes, inverted; "coloured", images of one
random colour against grey images. UNIT, CycleGAN, AlignFlow and `GWCoTrainedAutoencoders` have
their defaults, with codes of 16 dimensions where there are codes; CycleGAN with `cycle_weight=1`
where it is residual. "separate" is co-training without its loss, matched at the end. Methods that
need domains of one width have no line for the others.

A label is kept if a classifier of the target domain recognises it in the translation of a new
image. Transport is the mean squared difference of a new image and its translation, over the mean
variance of a pixel; distortion that of the distances between 500 new images,
relative to these, each over the root mean square of its domain.

    python -m benchmarks.translation.unpaired --data FOLDER --tasks inverted --seeds 1

`--data` is a folder with mnist/mnist.npz and usps/usps.npz.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import pairwise_distances

from benchmarks.common import Cell, Figures, parser, print_figures, run, seeds, summary
from benchmarks.translation.images import Images, Judge, flat, unpaired
from skgw import UNIT, AlignFlow, CycleGAN, GWCoTrainedAutoencoders, GWMatcher
from skgw.metrics import relative_distortion

Array = np.ndarray
N_DISTANCES = 500  # new images whose distances are compared
METHODS: dict[str, Callable[..., Any]] = {
    "co-trained": functools.partial(GWCoTrainedAutoencoders, 16),
    "separate": functools.partial(GWCoTrainedAutoencoders, 16, gw_weight=0.0),
    "GWMatcher": GWMatcher,
    "CycleGAN, residual": functools.partial(CycleGAN, residual=True, cycle_weight=1.0),
    "CycleGAN": CycleGAN,
    "UNIT": functools.partial(UNIT, 16),
    "AlignFlow": AlignFlow,
}
ONE_WIDTH = "CycleGAN, residual", "AlignFlow"
OTHER_WIDTH = "halved", "USPS", "coloured"
TASKS = (
    "inverted",
    "permuted",
    "less contrast",
    "USPS",
    "missing",
    "unbalanced",
    "halved",
    "coloured",
)
COLUMNS = {
    "labels kept": ("forth", 3),
    "labels kept, back": ("back", 3),
    "transport": ("transport", 2),
    "distortion": ("distortion", 3),
}
TABLES = {"critics": summary({"task": "task", "method": "method"}, COLUMNS)}


def domains(folder: Path, task: str, n: int, seed: int) -> tuple[Images, Images]:
    """Both domains of a task."""
    if task not in ("permuted", "less contrast", "coloured"):
        return unpaired(folder, task, n, seed)
    one, other = unpaired(folder, "inverted", n, seed)
    change = {"permuted": permuted, "less contrast": pale, "coloured": coloured}[task]
    return one, other._replace(
        rows=change(1 - other.rows, seed), test_rows=change(1 - other.test_rows, seed)
    )


def permuted(rows: Array, seed: int) -> Array:
    """The pixels in another order, of the seed."""
    return rows[:, np.random.default_rng(seed).permutation(rows.shape[1])]


def pale(rows: Array, seed: int) -> Array:
    """Less contrast, and brighter."""
    return np.asarray(0.3 + 0.6 * rows)


def coloured(rows: Array, seed: int) -> Array:
    """Each image in a random colour of full brightness, as three channels."""
    colours = np.random.default_rng(seed + len(rows)).random((len(rows), 3, 1))
    colours /= colours.max(1, keepdims=True)
    return flat((255 * colours * rows[:, None]).round())


def measure(task: str, method: str, n: int, seed: int, max_iter: Any, folder: Path) -> Figures:
    one, other = domains(folder, task, n, seed)
    settings = {} if method == "GWMatcher" else {"max_iter": max_iter}
    start = time.perf_counter(), time.process_time()
    model = METHODS[method](random_state=seed, **settings).fit(one.rows, other.rows)
    seconds = time.perf_counter() - start[0], time.process_time() - start[1]
    forth, back = model.translate(one.test_rows), model.translate(other.test_rows, domain="y")
    figures: Figures = {
        "seconds": seconds[0],
        "cpu_seconds": seconds[1],
        "forth": Judge(other).accuracy(forth, one.test_labels),
        "back": Judge(one).accuracy(back, other.test_labels),
        "distortion": np.mean([distortion(one, other, forth), distortion(other, one, back)]),
    }
    if one.rows.shape[1] == other.rows.shape[1]:
        figures["transport"] = np.mean([moved(one, forth), moved(other, back)])
    if hasattr(model, "margin_"):
        figures["margin"] = model.margin_
    return {name: float(value) for name, value in figures.items()}


def distortion(images: Images, target: Images, translated: Array) -> float:
    """Relative distortion of distances of new images, each over the RMS distance of its domain."""
    D, E, own = (
        pairwise_distances(rows[:N_DISTANCES])
        for rows in (images.test_rows, translated, target.test_rows)
    )
    return relative_distortion(D / np.sqrt(np.mean(D**2)), E / np.sqrt(np.mean(own**2)))


def moved(images: Images, translated: Array) -> float:
    """Mean squared difference of new images and translations, over the variance of a pixel."""
    squares = np.square(translated - images.test_rows).mean()
    return float(squares / images.rows.var(axis=0).mean())


def main() -> None:
    options = parser(__doc__ or "", "unpaired", TABLES)
    options.add_argument("--data", type=Path, required=True, help="folder with the data")
    options.add_argument("--n", type=int, default=2000, help="images of a domain (default 2000)")
    options.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS, metavar="TASK")
    options.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS])
    args = options.parse_args()
    if not args.data.is_dir():
        sys.exit(f"--data {args.data}: no such folder.")
    cells: list[Cell] = [
        {"task": task, "method": method, "n": args.n, "max_iter": args.max_iter, "seed": seed}
        for seed in seeds(args)
        for task in args.tasks
        for method in args.methods
        if not (task in OTHER_WIDTH and method in ONE_WIDTH)
    ]
    rows = run(cells, functools.partial(measure, folder=args.data), args)
    print_figures(rows, ["task", "method"], COLUMNS | {"s": ("seconds", 0)})


if __name__ == "__main__":
    main()
