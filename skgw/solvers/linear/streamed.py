"""Linear transport problems whose cost has low rank, solved in blocks of rows.

The semi-dual iteration g <- g + log b - log T'1 is Sinkhorn's iteration, with both half-steps in
one sweep over the plan: the rows of T are a softmax, and a block holds complete rows. A sweep takes
O(nmk) operations and the memory of a block. Anderson acceleration [1]_ reduces the number of
sweeps.

References
----------
.. [1] :cite:t:`walker2011`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.lazy_plan import conditional_blocks, logit_blocks
from skgw.solvers.settings import ANDERSON, AndersonSettings


class StreamedProblem(NamedTuple):
    """Maximise <left_i . right_j, T> + H(T) over the couplings T of a and b."""

    left: Tensor  # (n, k)
    right: Tensor  # (m, k)
    a: Tensor  # (n,)
    b: Tensor  # (m,)

    def scores(self, g: Tensor) -> Tensor:
        """Logits of the columns, (m,), see `logit_blocks`."""
        return g + self.b.log()

    def column_sums(self, g: Tensor) -> Tensor:
        """Column sums of the plan with exact row sums, (m,)."""
        sums = torch.zeros_like(self.b)
        for rows, block in conditional_blocks(self.left, self.right, self.scores(g)):
            sums += self.a[rows] @ block
        return sums

    def moment(self, g: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Row potential and moment of the plan T_ij = a_i b_j exp(f_i + g_j + left_i . right_j).

        Returns f (n,), and x'Ty (p, q) in float64 for x (n, p) and y (m, q).
        """
        f = torch.empty_like(self.a)
        total = x.new_zeros(x.shape[1], y.shape[1], dtype=torch.float64)
        for rows, block in logit_blocks(self.left, self.right, self.scores(g)):
            f[rows] = -block.logsumexp(1)
            block.add_(f[rows, None]).exp_()
            total += (x[rows] * self.a[rows, None]).T @ (block @ y)
        return f, total


class StreamedSolution(NamedTuple):
    """Column potential over reg, column sums of the plan, and their L1 error."""

    g: Tensor  # (m,)
    columns: Tensor  # (m,)
    error: float


def log_sums(left: Tensor, right: Tensor, scores: Tensor) -> Tensor:
    """Log-sum-exp of each row of ``left @ right.T + scores``, (n,)."""
    out = torch.empty_like(left[:, 0])
    for rows, block in logit_blocks(left, right, scores):
        out[rows] = block.logsumexp(1)
    return out


def solve_streamed(
    problem: StreamedProblem,
    g: Tensor,
    *,
    tol: float,
    max_sweeps: int,
    settings: AndersonSettings = ANDERSON,
) -> StreamedSolution:
    """Iterate until the L1 error of the column sums is below `tol`; return the best iterate."""
    best = StreamedSolution(g, g, float("inf"))
    points: list[Tensor] = []
    steps: list[Tensor] = []
    for _ in range(max_sweeps):
        columns = problem.column_sums(g)
        error = float((columns - problem.b).abs().sum())
        if error > settings.restart_ratio * best.error:
            points, steps, g = [], [], best.g
            columns = best.columns
        elif error < best.error:
            best = StreamedSolution(g, columns, error)
        if best.error < tol:
            break
        points = [*points[-settings.memory :], g]
        steps = [*steps[-settings.memory :], _sinkhorn_step(columns, problem.b)]
        g = _combined(points, steps, problem.b, settings)
    return best


def _sinkhorn_step(columns: Tensor, b: Tensor) -> Tensor:
    tiny = torch.finfo(b.dtype).tiny
    step = b.clamp_min(tiny).log() - columns.clamp_min(tiny).log()
    return torch.where(b > 0, step, 0.0)


def _combined(
    points: list[Tensor], steps: list[Tensor], b: Tensor, settings: AndersonSettings
) -> Tensor:
    """Anderson mixing: the affine combination of iterates with the smallest combined step."""
    g, step = points[-1], steps[-1]
    if len(points) < 2:
        return g + step
    moved, changed = (torch.stack(x).diff(dim=0).double() for x in (points, steps))  # (k, m)
    weighted = changed * b
    gram = weighted @ changed.T  # (k, k)
    gram.diagonal().mul_(1 + settings.ridge).add_(torch.finfo(gram.dtype).tiny)
    weights = torch.linalg.solve(gram, weighted @ step.double())
    move = step - (weights @ (moved + changed)).to(g)
    return g + (move if move.abs().max() < settings.max_change else step)
