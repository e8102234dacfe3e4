"""Sheets of images: the paper's setting, and what takes away the freedom that distances leave.

    python -m benchmarks.embedding.image_sheets mnist.npz --max-iter 150 --sheets sheets

The set is an archive as `skgw.datasets.load_images` reads it, of grey images. All variants have the
InfoGAN generator of Chen et al. and total variation. "paper" is Bunne et al. (2019): adversary with
beta = 10, uniform batches, normal noise, random weights. "smoothest cloud" has no adversary and
begins at the smoothest of all rotations of the principal coordinates. "64 anchors" and "512
anchors" know the images of so many training rows. The others know 512 and have a style set:
training images as they are, or in another style, in which the 512 images are known then. "style of
another set" knows no image, and has a style set of images of the archive `--style`; its samples are
compared with images of this archive, and its distances with those of the training images.

Measures are taken on samples as they are generated, in the hidden layer of a classifier of training
images in the style of the variant; the rows "after the map" are measured after the orthogonal map
that agrees with the model's own coupling. To compare with: draws of a normal distribution along 50
principal axes, and held-out images. A sheet of training has a row for each of five moments, the
same noise components in a column; a sheet of samples has a row for each variant.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import grey_dilation
from scipy.spatial.distance import cdist

from benchmarks.common import Figures, parser, print_figures, run, seeds, summary
from benchmarks.embedding.image_splits import (
    HELD_OUT,
    N_MEASURED,
    NORMAL,
    Judge,
    Split,
    normal_samples,
    split,
)
from benchmarks.embedding.samples import TITLES, in_place
from skgw import GWGenerativeEmbedding
from skgw.embedding import (
    Anchors,
    Generator,
    Penalties,
    Prior,
    StyleSet,
    paper_settings,
)
from skgw.metrics import distance_distribution_error
from skgw.nn.networks import OUTPUT_ACTIVATIONS

Array = NDArray[Any]
N_EXAMPLES = 1000  # images of a style set
N_SHOWN, ZOOM = 16, 2  # images in a row of a sheet; sheet pixels per image pixel
N_COMPONENTS = 256  # Gaussians of the noise
N_INIT_UPDATES = 200  # of the regression on the principal coordinates
BETA = 10.0  # weight of the penalty on the adversary in the paper, a sum over the batch
MOMENTS = 0.0, 0.1, 0.25, 0.5, 1.0  # shares of the training at which images are shown
TV, ANCHOR_WEIGHT, STYLE_WEIGHT = 0.02, 10.0, 0.02  # weights of the penalties
LEARNING_RATE = 5e-4  # of all variants
PAPER, SMOOTHEST, WITH_STYLE = "paper", "smoothest cloud", "512 anchors, style set"
BOLD, INVERTED, ANOTHER = "bold", "inverted", "style of another set"
N_ANCHORS = {"64 anchors": 64, "512 anchors": 512, WITH_STYLE: 512, INVERTED: 512, BOLD: 512}
VARIANTS = PAPER, SMOOTHEST, *N_ANCHORS, ANOTHER, NORMAL, HELD_OUT
COLUMNS = {
    "updates": ("updates", 0),
    "process time, s": ("seconds", 0),
    "divergence": ("divergence", 4),
    "distances": ("distances", 3),
    "precision": ("precision", 3),
    "recall": ("recall", 3),
    "coverage": ("coverage", 3),
    "Frechet": ("frechet", 2),
    "confidence": ("confidence", 3),
    "coverage after the map": ("coverage_map", 3),
    "Frechet after the map": ("frechet_map", 2),
}
FIGURES = summary(
    {"set": lambda cell: TITLES.get(cell["data"], cell["data"]), "samples": "variant"},
    {
        "updates": ("updates", 0),
        "process time, s": ("seconds", 0),
        "distances": ("distances", 3),
        "precision": ("precision", 3),
        "recall": ("recall", 3),
        "coverage": ("coverage", 3),
        "Fréchet": ("frechet", 1),
        "coverage after the map": ("coverage_map", 3),
        "Fréchet after the map": ("frechet_map", 1),
    },
)
# Of short trainings and of long ones.
TABLES = {"image_sheets": FIGURES, "image_sheets_long": FIGURES}


def in_style(X: Array, variant: str, shape: tuple[int, int, int]) -> Array:
    """Images in the style of a variant; most variants have the style of the data."""
    if variant == INVERTED:
        return 1 - X
    if variant == BOLD:
        images = X.reshape(-1, *shape)
        return grey_dilation(images, size=(1, 1, 3, 3)).reshape(len(X), -1)
    return X


class Album:
    """A term of the loss that is zero, and keeps the images of some batches."""

    def __init__(self, n_updates: int) -> None:
        self.moments = {max(1, round(share * n_updates)) for share in MOMENTS}
        self.n_seen = 0
        self.rows: list[Array] = []

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        self.n_seen += 1
        if self.n_seen in self.moments:
            shown = torch.linspace(0, len(points) - 1, N_SHOWN).long()
            self.rows.append(points.detach()[shown].numpy().copy())
        return points.new_zeros(())


def make_model(
    variant: str,
    seed: int,
    images: Split,
    album: Album,
    style: Array | None,
    *,
    updates: int,
    activation: str,
) -> Any:
    if variant == PAPER:
        settings = paper_settings(BETA)
        settings["generator"].set_params(network="infogan", output_activation="tanh")
        settings["adversary"].set_params(network="infogan", image_shape=images.shape)
        settings["penalties"].set_params(total_variation=TV)
    else:
        prior = Prior(n_components=N_COMPONENTS)
        settings = {
            "generator": Generator(
                "infogan", prior=prior, n_init_updates=N_INIT_UPDATES, output_activation=activation
            ),
            "penalties": Penalties(mean=0.0, total_variation=TV),
        }
    styled: Callable[[Array], Array] = partial(in_style, variant=variant, shape=images.shape)
    if variant in N_ANCHORS:
        known = np.arange(N_ANCHORS[variant])
        anchors = Anchors(known, styled(images.train[known]), weight=ANCHOR_WEIGHT)
        settings["penalties"].set_params(anchors=anchors)
    if variant in (WITH_STYLE, INVERTED, BOLD):
        examples = styled(images.train[-N_EXAMPLES:])
        settings["penalties"].set_params(style_set=StyleSet(examples, weight=STYLE_WEIGHT))
    if variant == ANOTHER:
        settings["penalties"].set_params(style_set=StyleSet(style, weight=STYLE_WEIGHT))
    settings["penalties"].set_params(terms=album)
    return GWGenerativeEmbedding(
        images.train.shape[1], output_shape=images.shape, max_iter=updates, random_state=seed,
        learning_rate_init=LEARNING_RATE,
        **settings,
    )  # fmt: skip


def measure(variant: str, seed: int, *, args: argparse.Namespace, **settings: Any) -> Figures:
    """Of a variant's samples, or of those that it is compared with."""
    images = split(args.path, settings["rows"], seed)
    style = partial(in_style, variant=variant, shape=images.shape)
    others = split(args.style, settings["rows"], seed) if variant == ANOTHER else None
    judged = others or images
    judge, test = Judge(style(judged.train), judged.classes), style(judged.test)
    if variant in (NORMAL, HELD_OUT):
        normal = normal_samples(images.train, N_MEASURED, seed)
        samples = normal if variant == NORMAL else images.other
        show(args, variant, samples, [])
        return judge.measure(samples.astype(np.float32), test)
    album = Album(settings["max_iter"])
    model = make_model(
        variant, seed, images, album, others and others.train[-N_EXAMPLES:],
        updates=settings["max_iter"], activation=settings["activation"],
    )  # fmt: skip
    start = time.process_time()
    model.fit(images.train)
    seconds = time.process_time() - start
    samples = model.sample(N_MEASURED, random_state=seed).astype(np.float32)
    show(args, variant, samples, album.rows)
    figures = {"seconds": seconds, "updates": model.n_iter_, "divergence": model.gw_divergence_}
    figures |= judge.measure(samples, test)
    if variant == ANOTHER:
        theirs, ours = cdist(images.test, images.test), cdist(samples, samples)
        figures["distances"] = distance_distribution_error(theirs, ours)
    if variant in (PAPER, SMOOTHEST):
        moved = in_place(model, samples).astype(np.float32)
        after = judge.measure(moved, test)
        figures |= {"coverage_map": after["coverage"], "frechet_map": after["frechet"]}
        show(args, f"{variant}, after the map", moved, [])
    return figures


def show(args: argparse.Namespace, variant: str, samples: Array, moments: list[Array]) -> None:
    """Write a row of samples, and a sheet of moments of training, as pictures."""
    if args.sheets is None:
        return
    name = f"{args.path.stem}-{variant.replace(',', '').replace(' ', '-')}"
    write(args.sheets / f"{name}.png", [samples[:N_SHOWN], samples[N_SHOWN : 2 * N_SHOWN]])
    if moments:
        write(args.sheets / f"{name}-training.png", moments)


def write(path: Path, rows: list[Array]) -> None:
    """Rows of square grey images, each row from its 1 % to its 99 % quantile."""
    from PIL import Image

    lines = []
    for row in rows:
        side = round(row.shape[1] ** 0.5)
        low, high = np.quantile(row, [0.01, 0.99])
        pixels = np.clip((row - low) / (high - low or 1.0), 0, 1).reshape(-1, side, side)
        lines.append(np.concatenate(list(pixels), axis=1))
    picture = Image.fromarray((255 * np.concatenate(lines)).astype(np.uint8))
    size = ZOOM * picture.width, ZOOM * picture.height
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.resize(size, Image.Resampling.NEAREST).save(path, optimize=True)


def main() -> None:
    args = _options()
    updates = 150 if args.max_iter == "auto" else args.max_iter
    shared = {"data": args.path.stem, "rows": args.rows, "max_iter": updates}
    shared["activation"] = args.activation
    cells = [
        {**shared, "variant": variant, "seed": seed}
        for seed in seeds(args)
        for variant in args.variants
        if variant != ANOTHER or args.style is not None
    ]
    print_figures(run(cells, partial(measure, args=args), args), ["data", "variant"], COLUMNS)


def _options() -> argparse.Namespace:
    options = parser(__doc__, "image_sheets", TABLES)
    options.set_defaults(seeds=1)
    options.add_argument(
        "path", type=Path, help="an .npz archive, an IDX file, or a folder with either"
    )
    options.add_argument("--rows", type=int, default=4000, help="training images (default 4000)")
    options.add_argument(
        "--variants", nargs="+", choices=VARIANTS, default=VARIANTS, metavar="NAME"
    )
    options.add_argument(
        "--activation", choices=OUTPUT_ACTIVATIONS, default="identity", help="of the generator"
    )
    options.add_argument("--style", type=Path, help="archive for the style of another set")
    options.add_argument("--sheets", type=Path, help="folder of the pictures")
    return options.parse_args()


if __name__ == "__main__":
    main()
