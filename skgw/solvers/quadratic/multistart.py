"""Multistart for balanced problems: coarse solves from a pool of starts, then the best one.

No single start finds the lowest of the local minima on all data. The starts of the pool fail on
different data: the annealed product coupling; distance profiles; sign flips of the leading
eigenvectors, which enumerate the orientations of a point cloud; and randomly drawn matched pairs,
which break the symmetries of spaces whose points have equal profiles.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from skgw.solvers.initializers.invariants import pairs_cost, sign_flips, spectra
from skgw.solvers.initializers.named import INVARIANT_START, Start, StartContext, named_start
from skgw.solvers.options import check_seed
from skgw.solvers.problems.low_rank import low_rank_problem
from skgw.solvers.problems.quadratic import Problem, QuadraticProblem, energy
from skgw.solvers.quadratic.descent import entropic_value, minimize
from skgw.solvers.quadratic.low_rank import prefers_low_rank
from skgw.solvers.quadratic.outer_step import choose
from skgw.solvers.result import StartsReport, State
from skgw.solvers.settings import DENSE, MULTISTART, DenseSettings, MultistartSettings


class _Outcome(NamedTuple):
    """The coarse solution from one start."""

    plan: Tensor  # (B, n, m)
    cost: Tensor  # (B, n, m), gradient of E at plan
    potential: Tensor  # (B, m)
    value: Tensor  # (B,), entropy included


def best_of_pool(
    first: Start,
    n_init: int,
    context: StartContext,
    *,
    max_iter: int,
    backend: str,
    random_state: Any,
    settings: DenseSettings = DENSE,
) -> tuple[Start, StartsReport]:
    """Solve from `n_init` starts, `first` among them; return the best solution as a start.

    Memory: as much as a batch of the starts that are solved at once, and the plan of each start at
    half precision until the best one is known.
    """
    starts = pool(first, n_init, context, generator_from(random_state), settings.multistart)
    outcomes = _solved(starts, context, max_iter, backend, settings)
    start, best = next(outcomes)
    names, values, plans = [start.name], [best.value], [_halved(best.plan)]
    for start, outcome in outcomes:
        best = _better(outcome, best)
        names.append(start.name)
        values.append(outcome.value)
        plans.append(_halved(outcome.plan))
    distances = [0.5 * (_restored(*plan) - best.plan).abs().sum((1, 2)) for plan in plans]
    report = _report(
        names, torch.stack(values, 1), torch.stack(distances, 1), context, settings.multistart
    )
    return Start("best", State(best.cost, best.potential), context.reg), report


def pool(
    first: Start,
    n_init: int,
    context: StartContext,
    generator: torch.Generator,
    settings: MultistartSettings = MULTISTART,
) -> Iterator[Start]:
    """`first`, "anneal", "tlb", then sign flips (about half of all starts), then random pairs."""
    problem, inputs, reg, scale, loss = context
    profiles = named_start("tlb", context)
    others = (named_start("anneal", context), profiles)
    named = [first, *(start for start in others if start.name != first.name)][:n_init]
    yield from named
    left = n_init - len(named)
    if not left:
        return
    level = torch.maximum(INVARIANT_START * scale, reg)
    n_flipped = min(settings.max_flipped_vectors, max(1, n_init.bit_length() - 2))
    vectors = spectra(problem, n_flipped)
    flips = sign_flips(vectors.a.shape[2])[:left]
    for signs in flips:
        yield Start("spectral", State(vectors.cost(problem, reg.new_tensor(signs))), level)
    for _ in range(left - len(flips)):
        cost = pairs_cost(
            problem, inputs.Ca, inputs.Cb, profiles.state.cost, level, generator,
            n_pairs=settings.n_pairs, loss=loss,
        )  # fmt: skip
        yield Start("pairs", State(cost), level)


def generator_from(random_state: Any) -> torch.Generator:
    """A torch generator from None (seed 0), an integer, or a numpy generator, which advances."""
    check_seed(random_state)
    if random_state is None:
        random_state = 0
    elif isinstance(random_state, np.random.Generator):
        random_state = random_state.integers(2**31)
    elif isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**31)
    return torch.Generator().manual_seed(int(random_state))


def _solved(
    starts: Iterator[Start],
    context: StartContext,
    max_iter: int,
    backend: str,
    settings: DenseSettings,
) -> Iterator[tuple[Start, _Outcome]]:
    """Coarse solutions of each start, as many at once as `max_entries` allows."""
    problem, reg = context.problem, context.reg
    low_rank = settings.low_rank
    coarse: Problem = problem
    if prefers_low_rank(problem, backend, settings):
        coarse = low_rank_problem(problem, low_rank.rank, low_rank.oversampling)
    size = max(1, settings.multistart.max_entries // problem.offset.numel())
    batch = torch.arange(len(reg), device=reg.device)
    while group := list(itertools.islice(starts, size)):
        index = batch.repeat(len(group))
        tol = torch.full_like(reg, settings.multistart.tolerance)[index]
        solution = minimize(
            coarse.take(index), reg[index], _stacked(group, problem.b),
            first_reg=torch.cat([start.first_reg for start in group]), tol=tol, max_iter=max_iter,
            backend=backend, settings=settings.descent,
        )  # fmt: skip
        ends = solution.plan.split(len(reg)), solution.potential.split(len(reg))
        for start, plan, potential in zip(group, *ends, strict=True):
            yield start, _outcome(problem, reg, plan, potential)


def _stacked(starts: list[Start], like: Tensor) -> State:
    """Starts of a batch of problems as one start of a longer batch."""
    zeros = torch.zeros_like(like)
    given = [start.state.potential for start in starts]
    potentials = torch.cat([zeros if potential is None else potential for potential in given])
    return State(torch.cat([start.state.cost for start in starts]), potentials)


def _outcome(problem: QuadraticProblem, reg: Tensor, plan: Tensor, potential: Tensor) -> _Outcome:
    """The outcome of a plan, with exact gradient and value."""
    cost = problem.gradient(plan)
    value = entropic_value(plan, potential, energy(problem, plan, cost), problem.b, reg)
    return _Outcome(plan, cost, potential, value.nan_to_num(nan=torch.inf))


def _better(one: _Outcome, other: _Outcome) -> _Outcome:
    """For each problem the outcome of lower value; `other` if they are equal."""
    return choose(one.value < other.value, one, other)


def _halved(plan: Tensor) -> tuple[Tensor, Tensor]:
    """A plan over its largest entry, at half precision, and the largest entry."""
    peak = plan.amax((1, 2), keepdim=True)
    return (plan / peak).half(), peak


def _restored(half: Tensor, peak: Tensor) -> Tensor:
    return half.to(peak) * peak


def _report(
    names: list[str],
    values: Tensor,
    distances: Tensor,
    context: StartContext,
    settings: MultistartSettings,
) -> StartsReport:
    """Agreement of the starts, the columns of `values` and `distances` (B, n_init)."""
    gap = values - values.amin(1, keepdim=True)
    as_good = gap < settings.value_margin * context.reg[:, None]
    ambiguous = (as_good & (distances > settings.distance_margin)).any(1)
    agreement = as_good.to(values).mean(1)
    out = context.inputs.restore
    is_batch = out(context.reg).ndim > 0
    return StartsReport(
        names=tuple(names),
        values=out(values),
        distances=out(distances),
        agreement=out(agreement) if is_batch else float(agreement[0]),
        ambiguous=out(ambiguous) if is_batch else bool(ambiguous[0]),
    )
