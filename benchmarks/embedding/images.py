"""Images from distances alone, and what each ingredient adds: train, draw samples, measure them.

    python -m benchmarks.embedding.images mnist.npz --max-iter 300 --rows 5000 --sheet mnist.png

The set is an archive as `skgw.datasets.load_images` reads it, grey or in colours; `--grey` takes
the mean of its colours. `--max-iter` gives all variants equally many updates, and `--minutes`
equally much time where that is "auto". Gromov-Wasserstein leaves every orthogonal map of pixel
space free, so that samples need not look like the data. The sheets, one for each variant, have
samples of the first seed as they are generated, then after the orthogonal map that agrees with the
model's own coupling, and data below.

Measures respect what is free: the distribution of distances needs no map; others are taken after
it, in pixels and in the features of a classifier that was trained on the data and its labels (its
hidden layer, 128 units). Before the map are the classifier's confidence and the roughness, which is
the total variation relative to that of held-out images. Two rows are there to compare with: a
normal distribution with the moments of the training images along 50 axes, and held-out images.
"""

from __future__ import annotations

import argparse
import math
import time
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from sklearn.base import clone

from benchmarks.common import Figures, parser, print_figures, run, seeds, summary
from benchmarks.embedding.clock import Clock
from benchmarks.embedding.image_splits import (
    HELD_OUT,
    N_MEASURED,
    NORMAL,
    Judge,
    Split,
    normal_samples,
    split,
)
from benchmarks.embedding.samples import TITLES, in_place, sheet
from skgw import GWGenerativeEmbedding
from skgw.embedding import Generator, Penalties, Prior
from skgw.nn.regularizers import TotalVariation

Array = NDArray[Any]
PROJECTION = 30.0  # seconds that are left for the coupling after training
N_HEAD_START = 250  # updates that the start by scaling costs
CHANNELS, WIDTHS = (32, 64), (256, 256)  # of the hidden layers, convolutional or not
VARIANTS: dict[str, Figures] = {
    "as it is": {"generator": "conv", "hidden_layer_sizes": CHANNELS},
    "no head start": {
        "generator": Generator("conv", init="random"),
        "hidden_layer_sizes": CHANNELS,
    },
    "no TV": {"generator": "conv", "hidden_layer_sizes": CHANNELS, "penalties": None},
    "MLP": {"generator": "mlp", "hidden_layer_sizes": WIDTHS},
    "adversary": {"generator": "conv", "hidden_layer_sizes": CHANNELS, "adversary": "conv"},
}
COLUMNS = {
    "updates": ("updates", 0),
    "fit, s": ("seconds", 0),
    "divergence": ("divergence", 4),
    "distances": ("distances", 3),
    "1-NN": ("one_nn", 3),
    "precision": ("precision", 3),
    "recall": ("recall", 3),
    "coverage": ("coverage", 3),
    "Frechet": ("frechet", 2),
    "classes": ("classes", 1),
    "confidence": ("confidence", 3),
    "before the map": ("confidence_before", 3),
    "roughness": ("roughness", 2),
}
TABLES = {
    "images": summary(
        {"set": lambda cell: TITLES.get(cell["data"], cell["data"]), "samples": "variant"},
        {
            "distances": ("distances", 3),
            "1-NN": ("one_nn", 3),
            "precision": ("precision", 3),
            "recall": ("recall", 3),
            "coverage": ("coverage", 3),
            "Fréchet": ("frechet", 1),
            "roughness before the map": ("roughness", 2),
        },
    )
}


@lru_cache(maxsize=1)
def judge_of(archive: Path, rows: int, seed: int, *, grey: bool) -> Judge:
    images = split(archive, rows, seed, grey=grey)
    return Judge(images.train, images.classes)


def measure(variant: str, seed: int, *, args: argparse.Namespace, **settings: Any) -> Figures:
    """Of a variant's samples, or of those that it is compared with."""
    images = split(args.path, settings["rows"], seed, grey=settings["grey"])
    judge = judge_of(args.path, settings["rows"], seed, grey=settings["grey"])
    if variant == NORMAL:
        return of_samples(images, judge, normal_samples(images.train, N_MEASURED, seed))
    if variant == HELD_OUT:
        return of_samples(images, judge, images.other)
    model = make_model(variant, seed, images.shape, settings)
    figures = fitted(model, images.train, settings["minutes"])
    samples = model.sample(N_MEASURED, random_state=seed)
    moved = in_place(model, samples)
    if args.sheet is not None and seed == args.first_seed:
        path = args.sheet.with_stem(f"{args.sheet.stem}-{variant.replace(' ', '-')}")
        test = images.test
        sheet(path, [(samples, model.output_shape), (moved, images.shape), (test, images.shape)])
    return figures | of_samples(images, judge, moved, samples)


def of_samples(images: Split, judge: Judge, moved: Array, samples: Array | None = None) -> Figures:
    """Figures of samples in place, and of what they look like as they were generated."""
    samples = moved if samples is None else samples
    figures = judge.measure(moved, images.test)
    if samples.shape[1] != images.test.shape[1]:  # of other colours: the judge cannot tell
        return figures
    variation = TotalVariation(images.shape)
    ours, theirs = (float(variation(torch.as_tensor(X))) for X in (samples, images.test))
    confidence = judge.confidence(samples)
    return figures | {"confidence_before": confidence, "roughness": ours / theirs}


def make_model(
    variant: str, seed: int, shape: tuple[int, int, int], settings: dict[str, Any]
) -> GWGenerativeEmbedding:
    out = (settings["channels"] or shape[0], *shape[1:])
    params = {
        "output_shape": out,
        "penalties": Penalties(mean=0.0, total_variation=settings["tv"]),
        "max_iter": settings["max_iter"],
        "random_state": seed,
    }
    model = GWGenerativeEmbedding(math.prod(out), **(params | VARIANTS[variant]))
    model.set_params(generator__prior=Prior(n_components=settings["components"]))
    return model.set_params(adversary__image_shape=shape) if model.adversary else model


def fitted(model: GWGenerativeEmbedding, X: Array, minutes: float | None) -> Figures:
    if minutes is not None:
        model.set_params(max_iter=updates_in(model, X, minutes))
    start = time.perf_counter()
    model.fit(X)
    return {
        "seconds": time.perf_counter() - start,
        "updates": model.n_iter_,
        "divergence": model.gw_divergence_,
    }


def updates_in(model: GWGenerativeEmbedding, X: Array, minutes: float) -> int:
    """How many updates there is time for, by those of a short trial."""
    start, clock = time.perf_counter(), Clock()
    trial = clone(model).set_params(generator__init="random", n_generated=10, max_iter=100)
    if trial.adversary is not None:
        trial.set_params(adversary__start=0.0)
    trial.set_callbacks(clock).fit(X[:300])
    left = 60 * minutes - PROJECTION - (time.perf_counter() - start)
    return max(100, int(left / clock.seconds_per_update()) - N_HEAD_START)


def main() -> None:
    args = _options()
    shared = {
        "data": args.path.stem,
        "rows": args.rows,
        "grey": args.grey,
        "channels": args.channels,
        "components": args.components,
        "tv": args.tv,
        "minutes": args.minutes if args.max_iter == "auto" else None,
        "max_iter": args.max_iter,
    }
    cells = [
        {**shared, "variant": variant, "seed": seed}
        for seed in seeds(args)
        for variant in args.variants
    ]
    print_figures(run(cells, partial(measure, args=args), args), ["data", "variant"], COLUMNS)


def _options() -> argparse.Namespace:
    options = parser(__doc__, "images", TABLES)
    options.add_argument(
        "path", type=Path, help="an .npz archive, an IDX file, or a folder with either"
    )
    options.add_argument(
        "--minutes", type=float, default=5.0, help="of training, without --max-iter (default 5)"
    )
    options.add_argument("--rows", type=int, default=10000, help="training images (default 10000)")
    names = [*VARIANTS, NORMAL, HELD_OUT]
    options.add_argument("--variants", nargs="+", choices=names, default=names, metavar="NAME")
    options.add_argument("--grey", action="store_true", help="train on the mean of the colours")
    options.add_argument("--channels", type=int, help="of samples (default: as the data)")
    options.add_argument("--components", type=int, default=128, help="Gaussians of the noise")
    options.add_argument("--tv", type=float, default=0.1, help="weight of the total variation")
    options.add_argument("--sheet", type=Path, help="pictures to write: X.png makes X-VARIANT.png")
    return options.parse_args()


if __name__ == "__main__":
    main()
