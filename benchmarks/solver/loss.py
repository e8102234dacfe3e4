"""Value and gradient of the normalised divergence as a loss, beside that of bunnech/gwgan.

One call is three solves, forward and backward to the second matrix. The reference's solver is
written down here from its description: the square loss of matrices over their maxima, ten outer
steps from the product coupling, ten of Sinkhorn's iterations each, in float64, and no test of
convergence. It leaves out what that code computes and does not use. `excess` is how far the
cross term's plan is from the best objective of both, over reg, and `error` how far its marginals
are off. Runs are interleaved; times are medians, ratios medians of the ratios within a repetition.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import Figures, Rows, Table, parser, print_table, run, seeds, spread
from benchmarks.solver.compare import MIN_RUN, clock, marginal_error, objective
from benchmarks.solver.families import noisy_copy
from benchmarks.solver.solvers import quietly
from skgw.solvers import gw_divergence, solve_gromov

SIZES = 100, 256
EPSILON = 5e-3
TOLERANCE = 1e-2
STEPS = 10
N_REPETITIONS = 15


def reference_plan(D: Tensor, E: Tensor) -> Tensor:
    D, E = D / D.max(), E / E.max()
    n, m = len(D), len(E)
    p, q = D.new_full((n,), 1 / n), D.new_full((m,), 1 / m)
    squares = 0.5 * ((D * D) @ p)[:, None] + 0.5 * ((E * E) @ q)
    T = torch.outer(p, q)
    for _ in range(STEPS):
        cost = 2 * (squares - D @ T @ E)
        K = torch.exp(-cost / EPSILON)
        u, v = torch.ones_like(p), torch.ones_like(q)
        for _ in range(STEPS):
            v = q / (K.T @ u)
            u = p / (K @ v)
        T = u[:, None] * K * v
    return T


def reference_term(D: Tensor, E: Tensor) -> Tensor:
    """Half the energy, at a plan that is held fixed."""
    with torch.no_grad():
        T = reference_plan(D, E)
    p, q = T.sum(1), T.sum(0)
    squares = p @ (D * D) @ p + q @ (E * E) @ q
    return 0.5 * squares - ((D @ T @ E) * T).sum()


def reference_loss(D: Tensor, E: Tensor) -> Tensor:
    return 2 * reference_term(D, E) - reference_term(D, D) - reference_term(E, E)


def gradient(loss: Callable[[Tensor, Tensor], Tensor], D: Tensor, E: Tensor) -> np.ndarray:
    E = E.clone().requires_grad_()
    loss(D, E).backward()
    return E.grad.numpy()


def measure(n: int, seed: int) -> Figures:
    D, E = (torch.tensor(C / C.max()) for C in noisy_copy(n, np.random.default_rng(seed)))
    options = {"reg": EPSILON, "reg_scale": None, "tol": TOLERANCE}
    runs = {
        "skgw": lambda: gradient(lambda a, b: gw_divergence(a, b, **options), D.float(), E.float()),
        "skgw, torch alone": lambda: gradient(
            lambda a, b: gw_divergence(a, b, backend="torch", **options), D.float(), E.float()
        ),
        "reference": lambda: gradient(reference_loss, D, E),
    }
    plans = {
        "skgw": solve_gromov(D.float(), E.float(), **options).plan,
        "reference": reference_plan(D, E),
    }
    plans = {name: T.double().numpy() for name, T in plans.items()}
    values = {
        name: objective(D.numpy(), E.numpy(), T, EPSILON) / EPSILON for name, T in plans.items()
    }
    for solve in runs.values():
        quietly(solve)
    times = {name: [] for name in runs}
    for _ in range(N_REPETITIONS):
        for name, solve in runs.items():
            times[name].append(clock(lambda s=solve: quietly(s), MIN_RUN))
    return {
        name: {
            "ms": float(np.median(times[name])),
            "ratio": float(np.median(np.divide(times[name], times["skgw"]))),
            "excess": values[name] - min(values.values()) if name in values else None,
            "error": marginal_error(plans[name]) if name in plans else None,
        }
        for name in runs
    }


def lines_of(rows: Rows, columns: dict[str, tuple[str, int]]) -> list[list[str]]:
    lines = []
    for n in SIZES:
        records = [figures for cell, figures in rows if cell["n"] == n]
        for name in LOSSES if records else ():
            own = [record[name] for record in records]
            lines.append([str(n), name, *(spread(own, *column) for column in columns.values())])
    return lines


LOSSES = "skgw", "skgw, torch alone", "reference"
COLUMNS = {
    "ms": ("ms", 1),
    "times ours": ("ratio", 1),
    "excess over reg": ("excess", 2),
    "marginal error": ("error", 3),
}
OF_PAGE = {"ms, forward and backward": ("ms", 1), "times ours": ("ratio", 1)}
TABLES = {"loss": Table(["n", "loss", *OF_PAGE], lambda rows: lines_of(rows, OF_PAGE))}


def main() -> None:
    options = parser(__doc__, "solver_loss", TABLES)
    options.set_defaults(threads=1)
    args = options.parse_args()
    rows = run([{"n": n, "seed": seed} for n in SIZES for seed in seeds(args)], measure, args)
    print_table(["n", "loss", *COLUMNS], lines_of(rows, COLUMNS))


if __name__ == "__main__":
    main()
