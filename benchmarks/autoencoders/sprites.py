"""Codes of sprites with known factors: disentanglement by the family of the prior.

    python -m benchmarks.autoencoders.sprites

7,500 images of 32 x 32 pixels with five factors (`make_sprites`), codes of 6 coordinates, the same
networks (256 and 128 units) and 1,500 updates of 100 rows for all. DCI and MIG compare the mean
codes of 3,000 other images with their factors; *MIG* has 20 bins. *Error* is the mean squared error
of held-out images, relative to the variance of a pixel. `pip install pythae==0.1.2` is needed for
the rows of pythae.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.autoencoders import rivals
from benchmarks.common import Cell, Figures, parser, print_figures, run, seeds
from benchmarks.tables import short, summary
from skgw import GWAutoencoder, VariationalAutoencoder, WassersteinAutoencoder
from skgw.datasets import make_sprites
from skgw.metrics import dci_scores, factorvae_score, mutual_information_gap
from skgw.nn import AutoencoderSpec

N_CODES, N_SCORED, N_UPDATES = 6, 3000, 1500
DEPTHS = (8, 12)  # of the trees of DCI
Model = Any
MODELS: dict[str, Callable[[], Model]] = {
    "VAE": lambda: VariationalAutoencoder(N_CODES),
    "beta-VAE, 4": lambda: VariationalAutoencoder(N_CODES, beta=4.0),
    "WAE-MMD": lambda: WassersteinAutoencoder(N_CODES),
    "GWAE, neural prior": lambda: GWAutoencoder(N_CODES),
    "GWAE, factorized prior": lambda: GWAutoencoder(N_CODES, prior="factorized"),
}
OF_PYTHAE = "pythae BetaVAE, 4", "pythae FactorVAE", "pythae BetaTCVAE"
METHODS = *MODELS, *OF_PYTHAE
COLUMNS = {
    "s": ("seconds", 0),
    "disentanglement": ("disentanglement", 3),
    "completeness": ("completeness", 3),
    "informativeness": ("informativeness", 3),
    "MIG": ("mig", 3),
    "FactorVAE score": ("factorvae", 3),
    "error": ("error", 3),
}
TABLES = {
    "sprites": summary(
        {"model": "method"}, {name: short(*figure) for name, figure in COLUMNS.items()}
    )
}


def measure(method: str, rows: int, max_iter: int, seed: int) -> Figures:
    sprites = make_sprites(rows + N_SCORED, random_state=seed)
    X = sprites.images.astype(np.float32)
    train, test, factors = X[:rows], X[rows:], sprites.factors[rows:]
    start = time.process_time()
    if method in MODELS:
        model = MODELS[method]().set_params(max_iter=max_iter, random_state=seed)
    else:
        spec = AutoencoderSpec(train.shape[1], N_CODES)
        n_epochs = max(1, round(max_iter * rivals.BATCH_SIZE / rows))
        model = rivals.PythaeModel(method, spec, seed, n_epochs)
    model.fit(train)
    seconds = time.process_time() - start
    codes = model.transform(test).astype(np.float64)
    decoded = model.inverse_transform(codes.astype(np.float32))
    dci = dci_scores(codes, factors, categorical=[0], max_depths=DEPTHS, random_state=seed)
    return {
        "seconds": seconds,
        "disentanglement": dci.disentanglement,
        "completeness": dci.completeness,
        "informativeness": dci.informativeness,
        "mig": mutual_information_gap(codes, factors),
        "factorvae": factorvae_score(codes, factors, random_state=seed),
        "error": float(np.square(decoded - test).mean() / train.var(0).mean()),
    }


def main() -> None:
    options = parser(__doc__ or "", "autoencoder_sprites", TABLES)
    options.add_argument("--rows", type=int, default=7500, help="training images (default 7500)")
    options.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, metavar="NAME")
    args = options.parse_args()
    max_iter = N_UPDATES if args.max_iter == "auto" else args.max_iter
    cells: list[Cell] = [
        {"method": method, "rows": args.rows, "max_iter": max_iter, "seed": seed}
        for seed in seeds(args)
        for method in args.methods
    ]
    print_figures(run(cells, measure, args), ["method"], COLUMNS)


if __name__ == "__main__":
    main()
