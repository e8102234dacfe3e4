"""Bias of the loss of mini-batches: GW_eps, and the normalised discrepancy of Bunne et al. (Eq. 2).

Rows and generated points are independent batches of one distribution, in units of its RMS distance,
so that the best scale of the points is 1. The losses are 2 GW_eps(rows, points), and the same minus
the self terms: of one outer step from the identity, as in training; solved to convergence; or
between two independent batches, whose mean gradient at equal distributions is zero. Each pair of
batches is used in both roles, which cancels the difference of their sizes. Of each loss the figures
are

- *slope*: the derivative of the mean loss by the scale of the points, at scale 1;
- *best scale*: where the derivative vanishes, by linear interpolation;
- *equal*: the mean loss of two batches of the distribution, without bias 0;
- *ratio*: the mean loss where the first axis of the points is stretched by 1.5, divided by that of
  a large sample;
- *cosine*: between the gradients of these two in a linear map of the points.

`--parts adversary` takes distances between features of a Procrustes adversary, beside the plain
distances of the same batches. The adversary has raised the loss of batches of equal distributions
before, as it does during training, and is fixed while it is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.common import Cell, Figures, parser, print_table, run, seeds, summary
from skgw.nn import AdversarySpec, pairwise_distances, procrustes_penalty
from skgw.training.gw_loss import cold_solve, cross_term, self_term, uniform_problem

N_MODES = 4
WITHIN = 0.04  # share of a mode in the variance of the modes
PAIRS = {32: 16, 64: 8, 128: 4, 256: 2, 512: 1}  # pairs of batches of a cell, by their size
N_LARGE = 500  # points of the large sample
LOSSES = "plain", "one step", "converged", "two batches"
STEPS = {"one step": 1, "converged": 200}  # outer steps of the self terms
SCALES = 0.9, 1.0, 1.1
STRETCH = 1.5
CASES = [(d, 0.005) for d in (2, 8, 32)] + [(8, 0.05)]
ADVERSARY = {  # defaults of `skgw.embedding.Adversary`
    "weight": 10.0, "hidden_layer_sizes": (128, 128, 128), "learning_rate": 1e-3, "n_updates": 100,
}  # fmt: skip


def draw(data: str, d: int, n: int, rng: np.random.Generator) -> Tensor:
    """Points (n, d) with the RMS distance 1.

    "modes": four Gaussians with means by chance; "balanced": equal numbers of points in each;
    "gaussian": one isotropic Gaussian.
    """
    noise = rng.normal(size=(n, d)) / np.sqrt(d)  # variance 1
    if data != "gaussian":
        means = np.random.default_rng(d).normal(size=(N_MODES, d))
        means -= means.mean(0)
        means /= np.sqrt(np.square(means).sum(1).mean())
        chosen = rng.integers(0, N_MODES, n) if data == "modes" else np.arange(n) % N_MODES
        noise = np.sqrt(1 - WITHIN) * means[chosen] + np.sqrt(WITHIN) * noise
    return torch.as_tensor(noise / np.sqrt(2), dtype=torch.float32)


def discrepancy(X: Tensor, Y: Tensor, epsilon: float) -> Tensor:
    """GW_eps of two batches, with gradients."""
    D, E = pairwise_distances(X), pairwise_distances(Y)
    return cross_term(cold_solve(uniform_problem(D.detach(), E.detach()), epsilon), D, E, epsilon)


class Maps(NamedTuple):
    """Features of rows and of points, whose distances the loss compares."""

    rows: Callable[[Tensor], Tensor] = nn.Identity()
    points: Callable[[Tensor], Tensor] = nn.Identity()

    @classmethod
    def trained(cls, data: str, d: int, n: int, epsilon: float, seed: int) -> Maps:
        """Networks that have raised the loss of batches (n, d) of one distribution."""
        rng = np.random.default_rng(10_000 + seed)
        spec = AdversarySpec(d, d, "mlp", ADVERSARY["hidden_layer_sizes"])
        maps = cls(spec.build(2 * seed), spec.build(2 * seed + 1))
        optimizer = torch.optim.Adam(
            [*maps.rows.parameters(), *maps.points.parameters()], lr=ADVERSARY["learning_rate"]
        )
        for _ in range(ADVERSARY["n_updates"]):
            X, Y = draw(data, d, n, rng), draw(data, d, n, rng)
            features = maps.rows(X), maps.points(Y)
            terms = [self_term(pairwise_distances(Z), epsilon, max_iter=1) for Z in features]
            value = 2 * discrepancy(*features, epsilon) - sum(terms)
            penalty = sum(procrustes_penalty(f, Z) for f, Z in zip(features, (X, Y), strict=True))
            optimizer.zero_grad()
            (ADVERSARY["weight"] * penalty - value).backward()
            optimizer.step()
        return maps


PLAIN = Maps()


def losses(
    batches: Sequence[Tensor], change: Callable[[Tensor], Tensor], epsilon: float, maps: Maps
) -> Tensor:
    """The losses of `LOSSES`, (4,), of rows, points, and a second batch of each."""
    X, X2 = (maps.rows(batches[k]) for k in (0, 2))
    Y, Y2 = (maps.points(change(batches[k])) for k in (1, 3))
    plain = 2 * discrepancy(X, Y, epsilon)
    found = [plain]
    for steps in STEPS.values():
        terms = [self_term(pairwise_distances(Z), epsilon, max_iter=steps) for Z in (X, Y)]
        found.append(plain - sum(terms))
    terms = [discrepancy(*pair, epsilon) for pair in ((X, X2), (Y, Y2))]
    return torch.stack([*found, plain - sum(terms)])


def mean_losses(
    pairs: Sequence[Sequence[Tensor]],
    change: Callable[[Tensor], Tensor],
    epsilon: float,
    maps: Maps,
) -> Tensor:
    """Mean losses over pairs of batches in both roles, (4,)."""
    both = [(batches, (batches[1], batches[0], batches[3], batches[2])) for batches in pairs]
    found = [losses(batches, change, epsilon, maps) for roles in both for batches in roles]
    return torch.stack(found).mean(0)


def gradients(values: Tensor, variable: Tensor) -> list[Tensor]:
    return [torch.autograd.grad(value, variable, retain_graph=True)[0] for value in values]


def slopes(
    pairs: Sequence[Sequence[Tensor]], scale: float, epsilon: float, maps: Maps
) -> tuple[Tensor, list]:
    """Mean losses at a scale of the points, and their derivatives by the scale."""
    s = torch.tensor(scale, requires_grad=True)
    values = mean_losses(pairs, lambda points: s * points, epsilon, maps)
    return values, [float(g) for g in gradients(values, s)]


def stretched(
    pairs: Sequence[Sequence[Tensor]], epsilon: float, maps: Maps = PLAIN
) -> tuple[Tensor, list[Tensor]]:
    """Mean losses of stretched points, and their gradients in a linear map of the points."""
    d = pairs[0][0].shape[1]
    stretch = torch.ones(d)
    stretch[0] = STRETCH
    linear = torch.eye(d, requires_grad=True)
    values = mean_losses(pairs, lambda points: (points * stretch) @ linear, epsilon, maps)
    return values.detach(), gradients(values, linear)


@cache
def large(data: str, d: int, epsilon: float) -> tuple[Tensor, list[Tensor]]:
    rng = np.random.default_rng(1_000)
    return stretched([[draw(data, d, N_LARGE, rng) for _ in range(4)]], epsilon)


def measure(
    data: str, d: int, n: int, epsilon: float, seed: int, *, adversary: bool = False
) -> Figures:
    maps = Maps.trained(data, d, n, epsilon, seed) if adversary else PLAIN
    rng = np.random.default_rng(seed)
    pairs = [[draw(data, d, n, rng) for _ in range(4)] for _ in range(PAIRS[n])]
    found = {scale: slopes(pairs, scale, epsilon, maps) for scale in SCALES}
    values, steepness = stretched(pairs, epsilon, maps)
    expected, direction = large(data, d, epsilon)
    figures: dict[str, float] = {}
    for k, name in enumerate(LOSSES):
        at = [found[scale][1][k] for scale in SCALES]
        line = np.polyfit(SCALES, at, 1)
        cosine = torch.cosine_similarity(steepness[k].flatten(), direction[2].flatten(), dim=0)
        figures |= {
            f"slope, {name}": at[1],
            f"best scale, {name}": float(-line[1] / line[0]),
            f"equal, {name}": float(found[1.0][0][k].detach()),
            f"ratio, {name}": float(values[k] / expected[2]),
            f"cosine, {name}": float(cosine),
        }
    return figures


FIGURES = (
    {f"best scale, {name}": (f"best scale, {name}", 3) for name in LOSSES}
    | {f"equal, {name}": (f"equal, {name}", 3) for name in LOSSES[2:]}
    | {f"cosine, {name}": (f"cosine, {name}", 3) for name in LOSSES[2:]}
)
CELL = {"data": "data", "dimensions": "d", "batch": "n", "epsilon": "epsilon"}
TABLES = {
    "bias": summary(CELL, FIGURES, where=lambda cell: "adversary" not in cell),
    "bias_adversary": summary(
        CELL | {"distances": lambda cell: "adversary" if cell["adversary"] else "plain"},
        FIGURES,
        where=lambda cell: "adversary" in cell,
    ),
}


def cells(part: str, seed: int) -> list[Cell]:
    if part == "adversary":
        return [
            {"data": data, "d": d, "n": n, "epsilon": 0.005, "seed": seed, "adversary": adversary}
            for data in ("modes", "gaussian")
            for d in (4, 16)
            for n in (64, 256, 512)
            for adversary in (False, True)
        ]
    return [
        {"data": data, "d": d, "n": n, "epsilon": epsilon, "seed": seed}
        for data in ("modes", "balanced", "gaussian")
        for d, epsilon in CASES
        for n in (32, 64, 128, 256)
    ]


def main() -> None:
    options = parser(__doc__, "bias", TABLES)
    options.add_argument(
        "--parts", nargs="+", choices=("plain", "adversary"), default=["plain", "adversary"]
    )
    options.set_defaults(threads=1)
    args = options.parse_args()
    for part in args.parts:
        rows = run([c for seed in seeds(args) for c in cells(part, seed)], measure, args)
        table = TABLES["bias" if part == "plain" else "bias_adversary"]
        print_table(table.header, table.lines(rows))


if __name__ == "__main__":
    main()
