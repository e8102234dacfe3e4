"""Several starts for one problem: all are solved roughly, the best one is solved on.

No single start finds the best of the local minima everywhere. The pool holds starts that fail on
different data: the annealed one, the comparison of distance profiles, the sign flips of the leading
eigenvectors, which run through the orientations of a cloud of points, and randomly drawn matched
pairs, which break the symmetries of spaces whose points look alike.
"""

from __future__ import annotations

import itertools
import numbers
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from skgw.solvers.initializers.invariants import pairs_cost, sign_flips, spectra
from skgw.solvers.initializers.named import WARM_START, Setting, Start, named_start
from skgw.solvers.problems.low_rank import truncate
from skgw.solvers.problems.quadratic import Problem, QuadraticProblem, energy
from skgw.solvers.quadratic.descent import entropic_value, minimize
from skgw.solvers.quadratic.low_rank import pays
from skgw.solvers.quadratic.outer_step import choose
from skgw.solvers.result import StartsReport, State
from skgw.solvers.settings import DENSE, MULTISTART, DenseSettings, MultistartSettings


class _Outcome(NamedTuple):
    """Where a start got to, roughly."""

    plan: Tensor  # (B, n, m)
    cost: Tensor  # (B, n, m), gradient of E at plan
    potential: Tensor  # (B, m)
    value: Tensor  # (B,), entropy included


def best_of_pool(
    first: Start,
    n_init: int,
    setting: Setting,
    *,
    max_iter: int,
    backend: str,
    random_state: Any,
    settings: DenseSettings = DENSE,
) -> tuple[Start, StartsReport]:
    """Solve from `n_init` starts, `first` among them, and return where the best one got to.

    Memory: a piece of the pool takes what a batch of as many problems takes. Besides, the plan of
    every start is kept at half precision until the best one is known.
    """
    starts = pool(first, n_init, setting, seeded(random_state), settings.multistart)
    outcomes = _solved(starts, setting, max_iter, backend, settings)
    start, best = next(outcomes)
    names, values, plans = [start.name], [best.value], [_halved(best.plan)]
    for start, outcome in outcomes:
        best = _better(outcome, best)
        names.append(start.name)
        values.append(outcome.value)
        plans.append(_halved(outcome.plan))
    distances = [0.5 * (_restored(*plan) - best.plan).abs().sum((1, 2)) for plan in plans]
    report = _report(
        names, torch.stack(values, 1), torch.stack(distances, 1), setting, settings.multistart
    )
    return Start("best", State(best.cost, best.potential), setting.reg), report


def pool(
    first: Start,
    n_init: int,
    setting: Setting,
    generator: torch.Generator,
    settings: MultistartSettings = MULTISTART,
) -> Iterator[Start]:
    """`first`, the annealed start and that of the profiles; about half of all are sign flips."""
    problem, inputs, reg, scale, loss = setting
    profiles = named_start("tlb", setting)
    others = (named_start("anneal", setting), profiles)
    known = [first, *(start for start in others if start.name != first.name)][:n_init]
    yield from known
    left = n_init - len(known)
    if not left:
        return
    level = torch.maximum(WARM_START * scale, reg)
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


def seeded(random_state: Any) -> torch.Generator:
    """A generator from None (always the same one), an integer, or a generator of numpy's."""
    if random_state is None:
        random_state = 0
    elif isinstance(random_state, np.random.Generator):
        random_state = random_state.integers(2**31)
    elif isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**31)
    elif not isinstance(random_state, numbers.Integral):
        raise TypeError(
            "random_state must be None, an integer, or a Generator or RandomState of numpy, got "
            f"{random_state!r}."
        )
    return torch.Generator().manual_seed(int(random_state))


def _solved(
    starts: Iterator[Start],
    setting: Setting,
    max_iter: int,
    backend: str,
    settings: DenseSettings,
) -> Iterator[tuple[Start, _Outcome]]:
    """Solve roughly from each start, as many at once as memory allows."""
    problem, reg = setting.problem, setting.reg
    rank = settings.low_rank
    rough: Problem = problem
    if pays(problem, backend, settings):
        rough = truncate(problem, rank.rank, rank.oversampling)
    size = max(1, settings.multistart.max_entries // problem.offset.numel())
    everyone = torch.arange(len(reg), device=reg.device)
    while piece := list(itertools.islice(starts, size)):
        index = everyone.repeat(len(piece))
        tol = torch.full_like(reg, settings.multistart.tolerance)[index]
        solution = minimize(
            rough.take(index), reg[index], _stacked(piece, problem.b),
            first_reg=torch.cat([start.level for start in piece]), tol=tol, max_iter=max_iter,
            backend=backend, settings=settings.descent,
        )  # fmt: skip
        ends = solution.plan.split(len(reg)), solution.potential.split(len(reg))
        for start, plan, potential in zip(piece, *ends, strict=True):
            yield start, _outcome(problem, reg, plan, potential)


def _stacked(starts: list[Start], like: Tensor) -> State:
    """Starts of a batch of problems as one start of a longer batch."""
    cold = torch.zeros_like(like)
    given = [start.state.potential for start in starts]
    potentials = torch.cat([cold if potential is None else potential for potential in given])
    return State(torch.cat([start.state.cost for start in starts]), potentials)


def _outcome(problem: QuadraticProblem, reg: Tensor, plan: Tensor, potential: Tensor) -> _Outcome:
    """With the exact gradient and value also where kernels were truncated."""
    cost = problem.gradient(plan)
    value = entropic_value(plan, potential, energy(problem, plan, cost), problem.b, reg)
    return _Outcome(plan, cost, potential, value.nan_to_num(nan=torch.inf))


def _better(one: _Outcome, other: _Outcome) -> _Outcome:
    """For each problem the outcome with the lower value; `other` where they are equal."""
    return choose(one.value < other.value, one, other)


def _halved(plan: Tensor) -> tuple[Tensor, Tensor]:
    """A plan relative to its largest entry, at half precision, and that entry."""
    peak = plan.amax((1, 2), keepdim=True)
    return (plan / peak).half(), peak


def _restored(half: Tensor, peak: Tensor) -> Tensor:
    return half.to(peak) * peak


def _report(
    names: list[str],
    values: Tensor,
    distances: Tensor,
    setting: Setting,
    settings: MultistartSettings,
) -> StartsReport:
    """What the starts, columns of `values` and `distances` (B, n_init), agree on."""
    excess = values - values.amin(1, keepdim=True)
    as_good = excess < settings.value_margin * setting.reg[:, None]
    ambiguous = (as_good & (distances > settings.distance_margin)).any(1)
    agreement = as_good.to(values).mean(1)
    out = setting.inputs.restore
    is_batch = out(setting.reg).ndim > 0
    return StartsReport(
        names=tuple(names),
        values=out(values),
        distances=out(distances),
        agreement=out(agreement) if is_batch else float(agreement[0]),
        ambiguous=out(ambiguous) if is_batch else bool(ambiguous[0]),
    )
