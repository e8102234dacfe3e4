"""The start of a solve from the option `init`: a name, a plan or a state."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from skgw.solvers.initializers.basic import (
    ANNEALING_START,
    annealed_start,
    matched_start,
    product_start,
)
from skgw.solvers.initializers.invariants import eccentricity_plan, profile_cost, spectra
from skgw.solvers.inputs import Inputs, given
from skgw.solvers.problems.quadratic import Problem, QuadraticProblem
from skgw.solvers.result import State

INVARIANT_START = 0.1  # first annealing level of starts from invariants, in units of the scale
N_VECTORS = 3  # eigenvectors of the spectral start

NAMES = "'auto', 'anneal', 'product', 'identity', 'flb', 'tlb', 'spectral'"


class StartContext(NamedTuple):
    """The data that starts are computed from."""

    problem: QuadraticProblem
    inputs: Inputs
    reg: Tensor  # (B,)
    scale: Tensor  # (B,)
    loss: str


class Start(NamedTuple):
    """A start, and its first annealing level; `reg` means no annealing."""

    name: str
    state: State
    first_reg: Tensor  # (B,)


def read_start(init: Any, context: StartContext) -> Start:
    """The start for the option `init`."""
    if init is None or isinstance(init, str):
        return named_start(init, context)
    problem = context.problem
    if isinstance(init, State):
        return Start("state", read_state(init, problem), context.reg)
    plan = read_plan(init, problem)
    return Start("plan", State(problem.gradient(plan)), context.reg)


def read_plan(init: Any, problem: Problem) -> Tensor:
    """A given plan, validated and expanded to the batch of the problem."""
    plan = given(init, problem.offset, "init")
    if (plan < 0).any() or ((plan.sum((1, 2)) - 1).abs() > 1e-2).any():
        raise ValueError("init must be non-negative and sum to 1; divide it by its sum.")
    return plan


def read_state(init: State, problem: Problem) -> State:
    """A given state, validated and expanded to the batch of the problem."""
    cost, potential = init
    if potential is not None:
        potential = given(potential, problem.b, "init.potential")
    return State(given(cost, problem.offset, "init.cost"), potential)


def check_identity(problem: Problem) -> None:
    """Raise a ValueError unless points can be matched one by one, in their order."""
    if problem.a.shape != problem.b.shape or not torch.allclose(problem.a, problem.b):
        raise ValueError("init='identity' needs two spaces of the same size and weights.")


def named_start(name: str | None, context: StartContext) -> Start:
    """The start with this name, see `solve_gromov`."""
    problem, inputs, reg, scale, loss = context
    if name in ("auto", "anneal"):
        return Start("anneal", annealed_start(problem, reg, scale), ANNEALING_START * scale)
    if name == "product":
        return Start(name, product_start(problem, reg), reg)
    if name == "identity":
        check_identity(problem)
        return Start(name, matched_start(problem, inputs.Ca, inputs.Cb, loss=loss), reg)
    if name == "flb":
        plan = eccentricity_plan(problem, inputs.Ca, inputs.Cb)
        return Start(name, State(problem.gradient(plan)), INVARIANT_START * scale)
    if name == "tlb":
        cost = profile_cost(problem, inputs.Ca, inputs.Cb, loss=loss)
        return Start(name, State(cost), INVARIANT_START * scale)
    if name == "spectral":
        vectors = spectra(problem, N_VECTORS)
        signs = torch.ones_like(vectors.a[0, 0])
        return Start(name, State(vectors.cost(problem, signs)), INVARIANT_START * scale)
    raise ValueError(f"init must be {NAMES}, a plan or a State, got {name!r}.")
