"""What the learned adversary does, and what holds it: mixtures, and digits in 20 dimensions.

Mixtures are measured as in `modes.py`. Samples of the digits are as wide as the data (20 principal
axes), and come from an embedding of as many dimensions; they are turned by the orthogonal map that
fits the model's own coupling best, and compared with digits that the fit has not seen. How far the
adversary's networks are from isometries at the end is given as their penalty; "divergence" is
between training rows and a cloud of generated points, by plain distances.
"""

from __future__ import annotations

import time

import numpy as np
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from benchmarks.common import Figures, parser, print_figures, run, seeds
from benchmarks.embedding.modes import CASES, N_SAMPLES, SIGMA, coverage, plane
from skgw import GWGenerativeEmbedding
from skgw.datasets import make_modes
from skgw.metrics import (
    distance_distribution_error,
    nearest_neighbor_two_sample,
    rigid_alignment,
    sample_support,
)

DIGITS, N_AXES, N_TRAIN = "digits", 20, 1000
HARDER = "4 modes, harder"  # one Gaussian as noise and no head start, as in the paper
DATA = "4 modes", "8 modes", HARDER, DIGITS
AS_IN_THE_PAPER = {"init": "random", "n_prior_components": 1, "penalty": "l1"}
ADVERSARIES = {
    "none": {},
    "Procrustes": {"adversary": "mlp"},
    "layer by layer": {
        "adversary": "mlp",
        "orthogonality": "layerwise",
        "orthogonality_weight": 1.0,
    },
    "not held": {"adversary": "mlp", "orthogonality": None},
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
OF_DIGITS = {
    "fit, s": ("seconds", 1),
    "precision": ("precision", 3),
    "recall": ("recall", 3),
    "coverage": ("coverage", 3),
    "distances": ("distances", 4),
    "1-NN": ("one_nn", 3),
    "divergence": ("divergence", 4),
    "penalty": ("penalty", 6),
}


def measure(data: str, adversary: str, max_iter: int | str, seed: int) -> Figures:
    measured = digits if data == DIGITS else modes
    return measured(data, {**ADVERSARIES[adversary], "max_iter": max_iter}, seed)


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


def digits(_: str, params: Figures, seed: int) -> Figures:
    X, _ = load_digits(return_X_y=True)
    X = np.random.default_rng(seed).permutation(PCA(N_AXES, random_state=0).fit_transform(X))
    train, test = X[:N_TRAIN], X[N_TRAIN:]
    model, figures = fitted(train, N_AXES, params, seed)
    samples = in_place(model, model.sample(len(test), random_state=seed))
    support = sample_support(samples, test)
    return {
        **figures,
        **vars(support),
        "distances": distance_distribution_error(cdist(test, test), cdist(samples, samples)),
        "one_nn": nearest_neighbor_two_sample(samples, test),
    }


def in_place(model: GWGenerativeEmbedding, samples: np.ndarray) -> np.ndarray:
    """Samples in the data's own space, by the orthogonal map that agrees with the coupling."""
    cloud = model.generated_
    partners = model.inverse_transform(cloud)
    rotation, _ = orthogonal_procrustes(cloud - cloud.mean(0), partners - partners.mean(0))
    return (samples - cloud.mean(0)) @ rotation + partners.mean(0)


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
    args = parser(__doc__, "adversary").parse_args()
    cells = [
        {"data": data, "adversary": adversary, "max_iter": args.max_iter, "seed": seed}
        for seed in seeds(args)
        for data in DATA
        for adversary in ADVERSARIES
    ]
    rows = run(cells, measure, args)
    rows.sort(key=lambda row: DATA.index(row[0]["data"]))
    for is_digits, columns in ((False, OF_MODES), (True, OF_DIGITS)):
        part = [row for row in rows if (row[0]["data"] == DIGITS) == is_digits]
        print_figures(part, ["data", "adversary"], columns)


if __name__ == "__main__":
    main()
