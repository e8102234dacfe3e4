"""The weight of WAE's penalty over four decades: too weak, too strong.

    python -m benchmarks.autoencoders.weights --mnist mnist.npz --fashion fashion_mnist.npz

7,500 images, codes of 8 coordinates, the default networks and number of updates. The figures are
those of `images.py`; *score* is that of the estimator on held-out images, whose weight is fixed.
"""

from __future__ import annotations

import functools
from pathlib import Path

from benchmarks.autoencoders.images import (
    N_CODES,
    judge,
    normal_codes,
    of_draws,
    relative_error,
    split,
)
from benchmarks.common import Cell, Figures, parser, print_figures, run, seeds
from benchmarks.tables import short, summary
from skgw import WassersteinAutoencoder

WEIGHTS = 0.01, 0.1, 1.0, 10.0, 100.0
COLUMNS = {
    "error": ("error", 3),
    "MMD to prior": ("mmd", 4),
    "score": ("score", 3),
    "Fréchet": ("frechet", 2),
    "coverage": ("coverage", 2),
    "sharpness": ("sharpness", 2),
}
TABLES = {
    "weights": summary(
        {"data": "data", "weight": lambda cell: f"{cell['weight']:g}"},
        {name: short(*figure) for name, figure in COLUMNS.items()},
    )
}


def measure(
    data: str, weight: float, rows: int, max_iter: int | str, seed: int,
    *, archives: dict[str, Path],
) -> Figures:  # fmt: skip
    images = split(archives[data], rows, seed)
    model = WassersteinAutoencoder(N_CODES, max_iter=max_iter, random_state=seed)
    model.set_params(penalty__weight=weight).fit(images.train)
    decoded = model.inverse_transform(model.transform(images.test))
    samples = model.inverse_transform(normal_codes(seed))
    return {
        "error": relative_error(images, decoded),
        "mmd": model.diagnostics_["mmd"],
        "score": model.score(images.test),
        **of_draws(samples, images, judge(archives[data], rows, seed).measure),
    }


def main() -> None:
    options = parser(__doc__ or "", "autoencoder_weights", TABLES)
    options.add_argument("--mnist", type=Path, help="archive with MNIST")
    options.add_argument("--fashion", type=Path, help="archive with Fashion-MNIST")
    options.add_argument("--rows", type=int, default=7500, help="training images (default 7500)")
    args = options.parse_args()
    archives = {
        name: path for name, path in (("MNIST", args.mnist), ("Fashion", args.fashion)) if path
    }
    cells: list[Cell] = [
        {
            "data": data, "weight": weight, "rows": args.rows, "max_iter": args.max_iter,
            "seed": seed,
        }
        for seed in seeds(args)
        for data in archives
        for weight in WEIGHTS
    ]  # fmt: skip
    print_figures(
        run(cells, functools.partial(measure, archives=archives), args), ["data", "weight"], COLUMNS
    )


if __name__ == "__main__":
    main()
