"""What `init` means: a name, a plan or a state, read as the start of a solve."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from skgw.solvers.initializers.basic import ANNEALING_START, matched_start, product_start
from skgw.solvers.initializers.invariants import eccentricity_plan, profile_cost, spectra
from skgw.solvers.inputs import Inputs, given
from skgw.solvers.problems.quadratic import QuadraticProblem
from skgw.solvers.result import State

WARM_START = 0.1  # relative temperature: guesses are cooled from here, where good ones survive
N_VECTORS = 3  # of the spectral start

NAMES = "'auto', 'anneal', 'product', 'identity', 'flb', 'tlb', 'spectral'"


class Setting(NamedTuple):
    """What starts are made from: the problem, what it came from, and its temperatures."""

    problem: QuadraticProblem
    inputs: Inputs
    reg: Tensor  # (B,)
    scale: Tensor  # (B,)
    loss: str


class Start(NamedTuple):
    """A start, and the temperature that it is cooled from; `reg` means not at all."""

    name: str
    state: State
    level: Tensor  # (B,)


def read_start(init: Any, setting: Setting) -> Start:
    """First linearised cost and temperature for what the user gave as `init`."""
    if isinstance(init, str):
        return named_start(init, setting)
    problem = setting.problem
    if isinstance(init, State):
        cost, potential = init
        if potential is not None:
            potential = given(potential, problem.b, "init.potential")
        state = State(given(cost, problem.offset, "init.cost"), potential)
        return Start("state", state, setting.reg)
    plan = given(init, problem.offset, "init")
    if (plan < 0).any() or ((plan.sum((1, 2)) - 1).abs() > 1e-2).any():
        raise ValueError("init must be non-negative and sum to 1; divide it by its sum.")
    return Start("plan", State(problem.gradient(plan)), setting.reg)


def named_start(name: str, setting: Setting) -> Start:
    """The start that is called `name`."""
    problem, inputs, reg, scale, loss = setting
    if name in ("auto", "anneal"):
        return Start("anneal", State(problem.offset), ANNEALING_START * scale)
    if name == "product":
        return Start(name, product_start(problem, reg), reg)
    if name == "identity":
        if problem.a.shape != problem.b.shape or not torch.allclose(problem.a, problem.b):
            raise ValueError("init='identity' needs both sides to have the same size and weights.")
        return Start(name, matched_start(problem, inputs.Ca, inputs.Cb, loss=loss), reg)
    if name == "flb":
        plan = eccentricity_plan(problem, inputs.Ca, inputs.Cb)
        return Start(name, State(problem.gradient(plan)), WARM_START * scale)
    if name == "tlb":
        cost = profile_cost(problem, inputs.Ca, inputs.Cb, loss=loss)
        return Start(name, State(cost), WARM_START * scale)
    if name == "spectral":
        vectors = spectra(problem, N_VECTORS)
        signs = torch.ones_like(vectors.a[0, 0])
        return Start(name, State(vectors.cost(problem, signs)), WARM_START * scale)
    raise ValueError(f"init must be {NAMES}, a plan or a State, got {name!r}.")
