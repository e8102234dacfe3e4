"""Training a generator with the normalised Gromov-Wasserstein loss (Bunne et al. 2019, Eq. 2)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from skgw.embedding.adversary import AdversarialDistances, Measure
from skgw.nn import Generator, pairwise_distances
from skgw.nn.regularizers import Regularizer
from skgw.solvers import State
from skgw.solvers.initializers import carried_start
from skgw.spaces import Space
from skgw.training.batches import draw_batch, draw_uniform_batch, stratified_order
from skgw.training.gw_loss import (
    MAX_COLD_STEPS,
    cold_solve,
    cross_term,
    lower_solution,
    self_term,
    uniform_problem,
    uniform_weights,
    warm_solve,
)
from skgw.training.objective import Objective, Phase

MAX_CACHED = 4096  # all distances between so many points are kept on the device
CARRIED_STEPS = 2  # outer steps from a carried-over coupling: it is nearly solved
ONE_STEP_EPSILON = 0.01  # largest for which a self term takes one outer step
RACE_EVERY = 50  # batches between two races of the carried-over coupling against a fresh one
MAX_HELD_OUT = 1000  # points that a validation looks at
MAX_PER_POINT = 4  # generated points in a batch, to each point to train on: more only take time ...
ALWAYS_ALLOWED = 256  # ... but so many are cheap


@dataclass(frozen=True)
class GenerationOptions:
    """What the objective needs to know besides space and networks.

    Attributes
    ----------
    epsilon : float
        Strength of the entropy, relative to the data's mean squared distance.
    batch_size : int
        Points per batch, on either side: of the data at most all, of generated ones at most four
        times as many, or 256 if that is more.
    stratified : bool
        Whether batches have one point of each stratum; else they are uniform.
    warm_couplings : bool
        Whether a coupling starts from the coupling of the last batch; else it is solved afresh.
    """

    epsilon: float
    batch_size: int
    stratified: bool = True
    warm_couplings: bool = True


class GenerativeObjective(Objective):
    """Normalised GW_eps between batches of a space and batches of generated points.

    Distances of the space are divided by `scale`, so that their mean square is one and every option
    is dimensionless. No gradient flows through the plans.

    With an adversary, distances are those of its features from its first update on; validation
    remains with those of the space.

    Parameters
    ----------
    space : Space
    scale : float
    generator : Generator
    options : GenerationOptions
    rng : RandomState
        For the strata.
    train, held_out : array of int
        Positions of the anchors to train on and to validate on (on the first 1000).
    regularizers : sequence of Regularizer
        Penalties on generated points.
    adversary : AdversarialDistances, optional
    """

    order: Tensor  # (N,), training anchors, neighbours next to each other
    held_out: Tensor  # (N',)
    matrix: Tensor | None  # (N, N), all distances if they fit
    carried_rows: Tensor  # (n,), the last batch ...
    carried_points: Tensor  # (m, k)
    carried_plan: Tensor  # (1, n, m), ... and its coupling, which the next batch starts from
    n_batches: Tensor  # ()
    self_value: Tensor  # (), GW_eps of the data with itself

    def __init__(
        self,
        space: Space,
        scale: float,
        generator: Generator,
        options: GenerationOptions,
        *,
        rng: np.random.RandomState,
        train: np.ndarray,
        held_out: np.ndarray,
        regularizers: Sequence[Regularizer] = (),
        adversary: AdversarialDistances | None = None,
    ) -> None:
        super().__init__()
        self.regularizers, self.adversary = nn.ModuleList(regularizers), adversary
        self.generator, self.options, self.scale = generator, options, scale
        n = min(options.batch_size, len(train))
        self.n_points = min(options.batch_size, max(MAX_PER_POINT * len(train), ALWAYS_ALLOWED))
        order = stratified_order(space.between, train, n, rng)
        looked_at = torch.as_tensor(held_out[:MAX_HELD_OUT])
        self.register_buffer("order", torch.as_tensor(order), persistent=False)
        self.register_buffer("held_out", looked_at, persistent=False)
        self.register_buffer("matrix", self._cache(space), persistent=False)
        self._between = space.between
        self.plain = Measure(self.distances, pairwise_distances)
        self.register_buffer("carried_rows", torch.zeros(n, dtype=torch.long))
        zeros = functools.partial(torch.zeros, dtype=torch.float32)
        self.register_buffer("carried_points", zeros(self.n_points, len(generator.scale)))
        self.register_buffer("carried_plan", zeros(1, n, self.n_points))
        self.register_buffer("n_batches", torch.tensor(0))
        self.register_buffer("self_value", zeros(()))

    def phases(self) -> Sequence[Phase]:
        """The generator, and the adversary if there is one."""
        phases = [Phase("generator", list(self.generator.parameters()))]
        return phases if self.adversary is None else [*phases, *self.adversary.phases()]

    def losses(self, phase: str, generator: torch.Generator) -> dict[str, Tensor]:
        """The loss, and its parts: "gw", the normalised discrepancy, and penalties by name."""
        rows = self._draw_rows(generator)
        if phase == "adversary":
            return self._adversary_losses(rows, generator)
        points = self._draw_points(generator)
        measure = self._measure()
        with torch.no_grad():
            D = measure.rows(rows, rows)
        gw = self._cross_and_self(rows, points, D, measure) - self.self_value
        losses = {"loss": gw, "gw": gw}
        for regularizer in cast(Sequence[Regularizer], self.regularizers):
            losses[regularizer.name] = regularizer(points)
            losses["loss"] = losses["loss"] + regularizer.weight * losses[regularizer.name]
        return losses

    def validation_loss(self) -> float | None:
        """Normalised discrepancy between held-out points and a fixed draw of generated ones."""
        if not len(self.held_out):
            return None
        with torch.no_grad():
            noise = torch.Generator().manual_seed(0)
            points = self.generator(self.n_points, noise, stratified=True)
        D, E = self.distances(self.held_out, self.held_out), pairwise_distances(points)
        epsilon = self.options.epsilon
        cross = cross_term(cold_solve(uniform_problem(D, E), epsilon), D, E, epsilon)
        self_terms = [self._self_term(C) for C in (D, E)]
        return float(2 * cross - sum(self_terms))

    def distances(self, i: Tensor, j: Tensor) -> Tensor:
        """Distances between anchors at positions i and j, over `scale`, (len(i), len(j))."""
        if self.matrix is not None:
            return self.matrix[i[:, None], j]
        block = self._between(i.cpu().numpy(), j.cpu().numpy()) / self.scale
        return torch.as_tensor(block, dtype=torch.float32, device=i.device)

    def carried(self, rows: Tensor, points: Tensor, measure: Measure | None = None) -> State:
        """What the last batch's coupling says about other rows and points."""
        measure = measure or self.plain
        return carried_start(
            measure.rows(rows, self.carried_rows)[None],
            self.carried_plan,
            measure.points(points, self.carried_points)[None],
            *uniform_weights(len(rows), len(points), points),
        )

    def _draw_rows(self, generator: torch.Generator) -> Tensor:
        """Positions of the rows of a batch."""
        draw = draw_batch if self.options.stratified else draw_uniform_batch
        return draw(self.order, len(self.carried_rows), generator)

    def _draw_points(self, generator: torch.Generator) -> Tensor:
        """Generated points of a batch."""
        return self.generator(self.n_points, generator, stratified=self.options.stratified)

    def _measure(self) -> Measure:
        """How distances are measured now."""
        if self.adversary is None or not self.adversary.started:
            return self.plain
        return self.adversary.measure

    def _adversary_losses(self, rows: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """What the adversary minimises: a penalty, less the discrepancy."""
        assert self.adversary is not None
        with torch.no_grad():
            points = self._draw_points(generator)
        self.adversary.started.fill_(True)
        measure = self.adversary.measure
        D = measure.rows(rows, rows)
        own = self._self_term(D)
        self.self_value.copy_(own.detach())
        gw = self._cross_and_self(rows, points, D, measure) - own
        penalty = self.adversary.penalty(rows, points)
        return {"loss": self.adversary.options.weight * penalty - gw, "gw": gw, "penalty": penalty}

    def _cross_and_self(self, rows: Tensor, points: Tensor, D: Tensor, measure: Measure) -> Tensor:
        """2 GW_eps between batch and generated points, less that of the latter with themselves."""
        E = measure.points(points, points)
        problem, epsilon = uniform_problem(D.detach(), E.detach()), self.options.epsilon
        is_race = int(self.n_batches) % RACE_EVERY == 0
        if self.n_batches == 0 or not self.options.warm_couplings:
            solution = cold_solve(problem, epsilon)
        else:
            with torch.no_grad():
                start = self.carried(rows, points, measure)
            solution = warm_solve(problem, start, epsilon, max_iter=CARRIED_STEPS)
            if is_race:
                solution = lower_solution(solution, cold_solve(problem, epsilon), epsilon)
        if is_race:  # constant for the generator, so that an occasional look is enough
            self.self_value.copy_(self._self_term(D.detach()))
        self.carried_rows.copy_(rows)
        self.carried_points.copy_(points.detach())
        self.carried_plan.copy_(solution.plan)
        self.n_batches += 1
        return 2 * cross_term(solution, D, E, epsilon) - self._self_term(E)

    def _self_term(self, D: Tensor) -> Tensor:
        """GW_eps of a space with itself, with its gradient."""
        # At a small epsilon one outer step from the identity is within 5e-5 of the minimum in the
        # plane; at .2 it would be 1e-2 too high, and more in many dimensions. A bad self term would
        # push the generated points apart without bound.
        epsilon = self.options.epsilon
        max_iter = 1 if epsilon <= ONE_STEP_EPSILON else MAX_COLD_STEPS
        return self_term(D, epsilon, max_iter=max_iter)

    def _cache(self, space: Space) -> Tensor | None:
        n = len(space.anchors)
        if n > MAX_CACHED:
            return None
        everything = np.arange(n)
        D = space.between(everything, everything) / self.scale
        return torch.as_tensor(D, dtype=torch.float32)
