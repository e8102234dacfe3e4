"""The learned adversary under several penalties: mixtures, digits, and images.

Mixtures are measured as in `modes.py`. Samples of the digits are as wide as the data (20 principal
axes), and come from an embedding of as many dimensions. The orthogonal map that fits the model's
coupling best is applied to the samples, which are then compared with held-out digits. Images in 50
principal axes are measured likewise, if `--images` names an archive for
`skgw.datasets.load_images`. "penalty" is the adversary's distance from isometries at the end;
"divergence" is between training rows and a cloud of generated points, by plain distances.
"""

from __future__ import annotations

import time
from argparse import Namespace
from functools import cache, partial
from pathlib import Path

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from benchmarks.common import Figures, parser, print_figures, run, seeds, summary
from benchmarks.embedding.modes import CASES, N_SAMPLES, SIGMA, coverage, plane
from benchmarks.embedding.samples import TITLES, in_place
from skgw import GWGenerativeEmbedding
from skgw.datasets import load_images, make_modes
from skgw.embedding import Adversary, Generator, Prior
from skgw.metrics import (
    distance_distribution_error,
    nearest_neighbor_two_sample,
    rigid_alignment,
    sample_support,
)

HARDER = "4 modes, harder"  # one Gaussian as noise and no head start, as in the paper
MODES = "4 modes", "8 modes", HARDER
DIGITS, IMAGES = "digits", "images"  # images are known by the name of their archive
AS_IN_THE_PAPER = {
    "generator": Generator(prior=Prior(n_components=1), init="random"),
    "penalties": "l1",
}
ADVERSARIES = {
    "none": {},
    "Procrustes": {"adversary": "mlp"},
    "layer by layer": {"adversary": Adversary(orthogonality="layerwise", weight=1.0)},
    "not held": {"adversary": Adversary(orthogonality=None)},
}
OF_MODES = {
    "fit, s": ("seconds", 1),
    "in 3 sd": ("within", 3),
    "sd": ("sd", 3),
    "least share x modes": ("least_share", 2),
    "1-NN": ("one_nn", 3),
    "divergence": ("divergence", 4),
    "penalty": ("penalty", 6),
}
OF_FEATURES = {
    "fit, s": ("seconds", 1),
    "precision": ("precision", 3),
    "recall": ("recall", 3),
    "coverage": ("coverage", 3),
    "distances": ("distances", 4),
    "1-NN": ("one_nn", 3),
    "divergence": ("divergence", 4),
    "penalty": ("penalty", 6),
}
BY = {"data": lambda cell: TITLES.get(cell["data"], cell["data"]), "adversary": "adversary"}
TABLES = {
    "adversary_mixtures": summary(
        BY,
        {
            "within 3 sd": ("within", 3),
            "sd": ("sd", 3),
            "least share": ("least_share", 2),
            "1-NN": ("one_nn", 3),
            "divergence": ("divergence", 4),
        },
        seeds=None,
        where=lambda cell: cell["data"] in MODES,
    ),
    "adversary_images": summary(
        BY,
        {
            "precision": ("precision", 3),
            "recall": ("recall", 3),
            "coverage": ("coverage", 3),
            "distances": ("distances", 4),
            "1-NN": ("one_nn", 3),
        },
        seeds=None,
        where=lambda cell: cell["data"] not in MODES,
    ),
}


def measure(
    data: str, adversary: str, max_iter: int | str, seed: int, *, archive: Path | None = None
) -> Figures:
    params = {**ADVERSARIES[adversary], "max_iter": max_iter}
    if data in MODES:
        return modes(data, params, seed)
    X, n_train, n_test = digits() if data == DIGITS else images(archive)
    X = np.random.default_rng(seed).permutation(X)[: n_train + n_test]
    return features(X[:n_train], X[n_train:], params, seed)


def modes(case: str, params: Figures, seed: int) -> Figures:
    if case == HARDER:
        case, params = "4 modes", params | AS_IN_THE_PAPER
    shape, width = CASES[case]
    X, _, centers = make_modes(
        N_SAMPLES, sigma=SIGMA, return_centers=True, random_state=seed, **shape
    )
    fresh, _ = make_modes(N_SAMPLES, sigma=SIGMA, random_state=1000 + seed, **shape)
    model, figures = fitted(X, width, params, seed)
    samples = model.sample(N_SAMPLES, random_state=seed)
    samples = rigid_alignment(samples, centers, max_distance=3 * SIGMA, random_state=seed)
    figures |= coverage(samples, plane(fresh, width), centers)
    return {**figures, "one_nn": nearest_neighbor_two_sample(samples, fresh)}


def digits() -> tuple[np.ndarray, int, int]:
    """Rows in their principal axes, and how many to train on and to hold out."""
    X, _ = load_digits(return_X_y=True)
    return PCA(20, random_state=0).fit_transform(X), 1000, len(X) - 1000


@cache
def images(archive: Path) -> tuple[np.ndarray, int, int]:
    X, _, _ = load_images(archive)
    return PCA(50, random_state=0).fit_transform(X), 3000, 1000


def features(train: np.ndarray, test: np.ndarray, params: Figures, seed: int) -> Figures:
    """Samples beside held-out rows, in a space as wide as the data."""
    model, figures = fitted(train, train.shape[1], params, seed)
    samples = in_place(model, model.sample(len(test), random_state=seed))
    support = sample_support(samples, test)
    return {
        **figures,
        **vars(support),
        "distances": distance_distribution_error(cdist(test, test), cdist(samples, samples)),
        "one_nn": nearest_neighbor_two_sample(samples, test),
    }


def fitted(
    X: np.ndarray, n_components: int, params: Figures, seed: int
) -> tuple[GWGenerativeEmbedding, Figures]:
    model = GWGenerativeEmbedding(n_components, random_state=seed, **params)
    start = time.perf_counter()
    model.fit(X)
    seconds = time.perf_counter() - start
    last = model.adversary_curve_[-20:]
    return model, {
        "seconds": seconds,
        "divergence": model.gw_divergence_,
        "penalty": float(np.mean(last)) if last else None,
    }


def main() -> None:
    args = _options()
    names = [args.images.stem if data == IMAGES else data for data in args.data]
    cells = [
        {"data": data, "adversary": adversary, "max_iter": args.max_iter, "seed": seed}
        for seed in seeds(args)
        for data in names
        for adversary in args.adversaries
    ]
    rows = run(cells, partial(measure, archive=args.images), args)
    rows.sort(key=lambda row: names.index(row[0]["data"]))
    for are_modes, columns in ((True, OF_MODES), (False, OF_FEATURES)):
        part = [row for row in rows if (row[0]["data"] in MODES) == are_modes]
        if part:
            print_figures(part, ["data", "adversary"], columns)


def _options() -> Namespace:
    options = parser(__doc__, "adversary", TABLES)
    options.add_argument("--images", type=Path, help="an archive (default: no images)")
    sets = *MODES, DIGITS, IMAGES
    options.add_argument("--data", nargs="+", choices=sets, help="default: all that there is")
    options.add_argument("--adversaries", nargs="+", choices=ADVERSARIES, default=[*ADVERSARIES])
    args = options.parse_args()
    args.data = args.data or [*MODES, DIGITS, *([IMAGES] if args.images else [])]
    if IMAGES in args.data and args.images is None:
        options.error("--data images needs --images PATH.")
    return args


if __name__ == "__main__":
    main()
