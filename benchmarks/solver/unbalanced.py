"""Points without a match: unbalanced and partial solves where one side lacks points.

An asymmetric mixture of five Gaussians in the plane is compared with its rotated noisy copy in
space, which lacks one component and nine tenths of another. The truth is used for scores only:
"AUROC" ranks points by the mass that they are matched for, those of the missing component against
all others, "AUROC, copies" each point without a copy against each with one. "missing", "cut" and
"rest" are mean shares of mass matched, which ideally are 0, 0.1 and 1. "component" is the share of
the rest whose heaviest match is of their component, and "displacement" the distance of their
barycentric images from where they belong, over the root mean square distance. Solvers get the same
matrices, in units of the first one's root mean square, the same reg and the same penalty on
marginals. "objective" is the unbalanced objective, evaluated from the plan. OTT is left
out where OTT is not installed.
"""

from __future__ import annotations

import importlib.util
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from benchmarks.common import Figures, parser, print_figures, run, seeds, summary
from skgw.solvers import solve_gromov

MEANS = np.array([[0.0, 0.0], [4.0, 0.0], [1.0, 3.0], [6.0, 5.0], [-3.0, 6.0]])
WIDTHS = np.array([0.5, 0.3, 0.7, 0.4, 0.5])
SHARES = [0.3, 0.25, 0.2, 0.15, 0.1]
LOSSES = {"4 missing, 1 cut": (4, 1), "3 missing, 0 cut": (3, 0), "0 missing, 2 cut": (0, 2)}
REG = 0.005  # the default
PENALTIES = 0.02, 0.05, 0.1, 0.2
SHOWN = {  # solvers and settings that the table of `docs/results` has
    "skgw": ("balanced", "partial", *PENALTIES),
    "POT": (0.05, 0.1),
}
TABLES = {
    "unbalanced": summary(
        {"data": "loss", "solver": "solver", "penalty": "setting"},
        {
            "AUROC": ("AUROC", 3),
            "matched: missing": ("missing", 2),
            "matched: cut": ("cut", 2),
            "matched: rest": ("rest", 2),
            "component": ("component", 2),
            "displacement": ("displacement", 3),
        },
        seeds=None,
        where=lambda cell: cell["setting"] in SHOWN.get(cell["solver"], ()),
    )
}


class Pair(NamedTuple):
    """Points x, their copies y, which component x are of, and which row each y is a copy of."""

    x: np.ndarray
    y: np.ndarray
    component: np.ndarray
    order: np.ndarray


def incomplete_copy(n: int, missing: int, cut: int, rng: np.random.Generator) -> Pair:
    component = rng.choice(5, n, p=SHARES)
    x = MEANS[component] + WIDTHS[component, None] * rng.normal(size=(n, 2))
    members = rng.permutation(np.flatnonzero(component == cut))
    keep = component != missing
    keep[members[round(0.1 * len(members)) :]] = False
    order = rng.permutation(np.flatnonzero(keep))
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    y = np.c_[x, np.zeros(n)][order] @ rotation + 0.05 * rng.normal(size=(len(order), 3))
    return Pair(x, y, component, order)


Solve = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def ours(Ca: np.ndarray, Cb: np.ndarray, rho: float) -> np.ndarray:
    return solve_gromov(Ca, Cb, reg=REG, reg_scale=None, unbalanced=rho).plan


def pot(Ca: np.ndarray, Cb: np.ndarray, rho: float) -> np.ndarray:
    import ot

    return ot.solve_gromov(Ca, Cb, alpha=1.0, reg=REG, unbalanced=rho).plan


def ott(Ca: np.ndarray, Cb: np.ndarray, rho: float) -> np.ndarray:
    from ott.geometry.geometry import Geometry
    from ott.problems.quadratic.quadratic_problem import QuadraticProblem
    from ott.solvers.linear.sinkhorn import Sinkhorn
    from ott.solvers.quadratic.gromov_wasserstein import GromovWasserstein

    tau = rho / (rho + REG)
    problem = QuadraticProblem(Geometry(Ca), Geometry(Cb), tau_a=tau, tau_b=tau)
    solver = GromovWasserstein(linear_solver=Sinkhorn(), epsilon=REG / 2)  # its convention
    return np.asarray(solver(problem).matrix, dtype=np.float64)


UNBALANCED: dict[str, Solve] = {"skgw": ours, "POT": pot, "OTT": ott}


def measure(loss: str, n: int, solver: str, setting: float | str, seed: int) -> Figures:
    missing, cut = LOSSES[loss]
    pair = incomplete_copy(n, missing, cut, np.random.default_rng(seed))
    Ca, Cb = (cdist(z, z) for z in (pair.x, pair.y))
    size = np.sqrt(np.mean(Ca**2))
    Ca, Cb = Ca / size, Cb / size
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan = solve(Ca, Cb, solver, setting, len(pair.y) / n)
    seconds = time.perf_counter() - start
    figures = {"seconds": seconds, "mass": float(plan.sum()), **scores(plan, pair, missing, cut)}
    if not isinstance(setting, str):
        figures["objective"] = objective(Ca, Cb, plan, setting)
    return figures


def solve(
    Ca: np.ndarray, Cb: np.ndarray, solver: str, setting: float | str, share: float
) -> np.ndarray:
    if solver in UNBALANCED and not isinstance(setting, str):
        return UNBALANCED[solver](Ca, Cb, setting)
    # The share of rows with a match is given to partial problems, as its meaning asks for.
    mass = {"balanced": None, "partial": share, "partial, 10 % less": 0.9 * share}[str(setting)]
    return solve_gromov(Ca, Cb, reg=REG, reg_scale=None, mass=mass).plan


def scores(plan: np.ndarray, pair: Pair, missing: int, cut: int) -> Figures:
    is_missing, is_cut = pair.component == missing, pair.component == cut
    rest = ~is_missing & ~is_cut
    has_copy = np.isin(np.arange(len(pair.x)), pair.order)
    rows = plan.sum(1)
    matched = len(pair.x) * rows
    components = pair.component[pair.order][plan.argmax(1)]
    images = plan @ pair.x[pair.order] / np.maximum(rows, 1e-30)[:, None]
    size = np.sqrt(np.mean(cdist(pair.x, pair.x) ** 2))
    return {
        "AUROC": float(roc_auc_score(is_missing, -matched)),
        "AUROC, copies": float(roc_auc_score(has_copy, matched)),
        "missing": float(matched[is_missing].mean()),
        "cut": float(matched[is_cut].mean()),
        "rest": float(matched[rest].mean()),
        "component": float((components == pair.component)[rest].mean()),
        "displacement": float(np.linalg.norm(images - pair.x, axis=1)[rest].mean() / size),
    }


def objective(Ca: np.ndarray, Cb: np.ndarray, T: np.ndarray, rho: float) -> float:
    """The unbalanced objective, evaluated from the plan alone."""
    n, m = T.shape
    p, q = T.sum(1), T.sum(0)
    energy = p @ Ca**2 @ p + q @ Cb**2 @ q - 2 * np.sum((Ca @ T @ Cb) * T)
    ties = kl_of_squares(p, 1 / n) + kl_of_squares(q, 1 / m)
    return float(energy + 0.5 * (rho * ties + REG * kl_of_squares(T, 1 / (n * m))))


def kl_of_squares(x: np.ndarray, weight: float) -> float:
    """KL of the tensor square of x to that of uniform weights of mass one."""
    mass = x.sum()
    return 2 * mass * np.sum(x * np.log(np.maximum(x, 1e-300) / weight)) - mass**2 + 1


def main() -> None:
    options = parser(__doc__, "unbalanced", TABLES)
    options.set_defaults(threads=1)
    options.add_argument("--size", type=int, default=250)
    options.add_argument("--losses", nargs="+", choices=LOSSES, default=[*LOSSES])
    args = options.parse_args()
    solvers = [s for s in UNBALANCED if s != "OTT" or importlib.util.find_spec("ott")]
    settings = [("skgw", "balanced"), ("skgw", "partial"), ("skgw", "partial, 10 % less")]
    settings += [(solver, rho) for rho in PENALTIES for solver in solvers]
    cells = [
        {"loss": loss, "n": args.size, "solver": solver, "setting": setting, "seed": seed}
        for loss in args.losses
        for solver, setting in settings
        for seed in seeds(args)
    ]
    rows = run(cells, measure, args)
    digits = {
        "AUROC": 3, "AUROC, copies": 3, "missing": 2, "cut": 2, "rest": 2, "component": 2,
        "displacement": 3, "mass": 2, "objective": 4, "seconds": 2,
    }  # fmt: skip
    columns = {name: (name, places) for name, places in digits.items()}
    print_figures(rows, ["loss", "solver", "setting"], columns)


if __name__ == "__main__":
    main()
