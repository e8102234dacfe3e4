"""What a Gromov-Wasserstein autoencoder makes of distances, beside what it was trained for."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from benchmarks.common import Figures
from skgw import GWAutoencoder
from skgw.exceptions import GWConvergenceWarning
from skgw.metrics import distance_rank_correlation
from skgw.solvers import solve_gromov

Array = NDArray[Any]
N_COMPARED = 400  # draws of the prior and rows in a Gromov-Wasserstein problem
EPSILON = 0.003  # of the solve that the descent without regularisation starts from


def geometry(model: GWAutoencoder, X: Array) -> Figures:
    """Distances of codes, of draws of the prior and of rows.

    "correlation" is that of the ranks of distances between rows and between their codes. "gw" is
    the unregularised Gromov-Wasserstein discrepancy between draws of the prior and rows, of
    distances over their root mean square; "bound" the squared distortion of the decoder on the
    draws, whose coupling is that of the published term; "gw_decoded" the discrepancy between the
    draws and the decoded draws, which "bound" bounds.
    """
    chosen = X[:N_COMPARED]
    with torch.no_grad():
        draws = model.prior_.build()(N_COMPARED, torch.Generator().manual_seed(0)).numpy()
    D, E, F = map(relative, (draws, chosen, model.inverse_transform(draws)))
    return {
        "correlation": distance_rank_correlation(E, model.transform(chosen)),
        "gw": unregularised(D, E),
        "gw_decoded": unregularised(D, F),
        "bound": float(np.square(D - F).mean()),
    }


def relative(points: Array) -> Array:
    """Distances (n, n) over their root mean square."""
    D = cdist(points, points)
    return np.asarray(D / np.sqrt(np.square(D).mean()))


def unregularised(D: Array, E: Array) -> float:
    """The squared distortion of a plan at which POT's descent ends, from an entropic plan."""
    from ot.gromov import gromov_wasserstein2

    n, m = len(D), len(E)
    a, b = np.full(n, 1 / n), np.full(m, 1 / m)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GWConvergenceWarning)  # the descent goes on
        start = rounded(np.asarray(solve_gromov(D, E, reg=EPSILON).plan), a, b)
    found = [gromov_wasserstein2(D, E, a, b, G0=start)]
    if n == m:  # the coupling of the k-th points
        found.append(gromov_wasserstein2(D, E, a, b, G0=np.diag(a)))
    return float(min(found))


def rounded(plan: Array, a: Array, b: Array) -> Array:
    """A plan near the given one whose sums are `a` and `b` to the last digit."""
    plan = plan * np.minimum(1, a / plan.sum(1))[:, None]
    plan = plan * np.minimum(1, b / plan.sum(0))
    rest = a - plan.sum(1), b - plan.sum(0)
    return plan + np.outer(*rest) / max(rest[0].sum(), np.finfo(float).tiny)
