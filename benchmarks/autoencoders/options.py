"""Options of GWAutoencoder on and off: what each does to samples, codes and distances.

    python -m benchmarks.autoencoders.options --mnist mnist.npz

7,500 images of MNIST, codes of 8 coordinates, 500 updates (`--max-iter`). *GW* is the unregularised
discrepancy between 400 draws of the prior and 400 held-out images, of distances over their root
mean square, *GW to decoded* that between the draws and the decoded draws; *bound* the squared
distortion of the decoder on the draws; *correlation* that of the ranks of distances of held-out
images and of their codes. Other figures are those of `images.py`.
"""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import avg_pool2d

from benchmarks.autoencoders.geometry import geometry
from benchmarks.autoencoders.images import (
    N_CODES,
    judge,
    of_draws,
    published_gwae,
    relative_error,
    split,
)
from benchmarks.common import Cell, Figures, parser, print_figures, run, seeds
from benchmarks.embedding.image_splits import N_MEASURED
from benchmarks.tables import short, summary
from skgw import GWAutoencoder


def blurred(X: torch.Tensor) -> torch.Tensor:
    """Means of 4 x 4 pixels of images of 28 x 28 pixels."""
    return avg_pool2d(X.reshape(-1, 1, 28, 28), 4).flatten(1)


VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "gw_weight=0": {"gw_weight": 0.0},
    "gw_weight=10": {"gw_weight": 10.0},
    'gw_term="generative"': {"gw_term": "generative"},
    "joint_weight=0": {"joint_weight": 0.0},
    'joint="critic"': {"joint": "critic"},
    'joint="critic", joint_weight=0.04': {"joint": "critic", "joint_weight": 0.04},
    'joint="critic", joint_weight=0.04, n_critic_updates=5': {
        "joint": "critic",
        "joint_weight": 0.04,
        "n_critic_updates": 5,
    },
    "entropy_weight=0": {"entropy_weight": 0.0},
    "entropy_weight=0.9": {"entropy_weight": 0.9},
    "gap_weight=1": {"gap_weight": 1.0},
    "gap_weight=3": {"gap_weight": 3.0},
    "features: means of 4 x 4 pixels": {"features": blurred},
    "objective as published": {},
}
COLUMNS = {
    "s": ("seconds", 0),
    "error": ("error", 3),
    "MMD to prior": ("mmd", 3),
    "GW": ("gw", 3),
    "GW to decoded": ("gw_decoded", 3),
    "bound": ("bound", 3),
    "correlation": ("correlation", 2),
    "Fréchet": ("frechet", 1),
    "coverage": ("coverage", 2),
    "sharpness": ("sharpness", 2),
}
TABLES = {
    "options": summary(
        {"option": "variant"}, {name: short(*figure) for name, figure in COLUMNS.items()}
    )
}


def measure(variant: str, rows: int, max_iter: int, seed: int, *, archive: Path) -> Figures:
    images = split(archive, rows, seed)
    chosen = published_gwae(images.train) if "published" in variant else VARIANTS[variant]
    model = GWAutoencoder(N_CODES, max_iter=max_iter, random_state=seed, **chosen)
    start = time.process_time()
    model.fit(images.train)
    seconds = time.process_time() - start
    samples = model.sample(N_MEASURED, random_state=seed)
    decoded = model.inverse_transform(model.transform(images.test))
    return {
        "seconds": seconds,
        "error": relative_error(images, decoded),
        "mmd": model.diagnostics_["prior_mmd"],
        **geometry(model, images.test),
        **of_draws(samples, images, judge(archive, rows, seed).measure),
    }


def main() -> None:
    options = parser(__doc__ or "", "autoencoder_options", TABLES)
    options.add_argument("--mnist", type=Path, help="archive with MNIST")
    options.add_argument("--rows", type=int, default=7500, help="training images (default 7500)")
    args = options.parse_args()
    max_iter = 500 if args.max_iter == "auto" else args.max_iter
    cells: list[Cell] = [
        {"variant": variant, "rows": args.rows, "max_iter": max_iter, "seed": seed}
        for seed in seeds(args)
        for variant in VARIANTS
    ]
    each = functools.partial(measure, archive=args.mnist)
    print_figures(run(cells, each, args), ["variant"], COLUMNS)


if __name__ == "__main__":
    main()
