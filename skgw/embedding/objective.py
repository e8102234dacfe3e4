"""Objective of a generator: the normalised Gromov-Wasserstein loss (Bunne et al. 2019, Eq. 2)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from skgw.embedding.adversary import AdversarialDistances, DistanceFunctions
from skgw.embedding.anchor_distances import AnchorDistances
from skgw.embedding.anchors import AnchorPairs
from skgw.embedding.style_set import PHASE as STYLE_PHASE
from skgw.embedding.style_set import PatchStyle
from skgw.nn import Generator, pairwise_distances
from skgw.nn.regularizers import Regularizer
from skgw.solvers import State, initializers
from skgw.solvers.problems import QuadraticProblem
from skgw.solvers.quadratic import Solution
from skgw.spaces.finite import Array, Index
from skgw.training.batches import (
    draw_batch,
    draw_uniform_batch,
    draw_weighted_batch,
    evenly_spaced,
)
from skgw.training.gw_loss import (
    MAX_COLD_STEPS,
    cold_solve,
    cross_term,
    fused_start,
    lower_solution,
    matched_start,
    self_term,
    solve_from,
    uniform_problem,
    uniform_weights,
)
from skgw.training.objective import Objective, Phase

MIN_POINTS = 128  # generated points of a batch for fewer rows, if the batch size allows them
MAX_ONE_STEP_EPSILON = 0.01  # relative epsilon up to which one outer step solves a self term


@dataclass(frozen=True)
class GenerationOptions:
    """Options of a `GenerativeObjective`.

    Attributes
    ----------
    epsilon : float
        Weight of the entropy, relative to the mean squared distance of the data.
    batch_size : int
        Number of rows and of generated points per batch. There are at most as many rows as training
        rows, and as many generated points as rows, at least 128 if the size of the batch allows.
    stratified : bool
        Whether a batch has one row from each stratum, and stratified noise. False: independent
        uniform batches.
    warm_couplings : bool
        Whether a coupling starts from the coupling of the last batch. False: every coupling is
        solved cold.
    independent_self_terms : bool
        Whether a self term compares a batch with a second batch. False: with itself.
    restart_every : int
        Number of batches between two evaluations of the self term of the rows, and between two cold
        restarts of warm-started couplings, of which the solution of lower value is kept. A training
        that starts at known couplings has no cold restarts.
    warm_steps : int
        Outer steps of a warm-started solve.
    max_held_out : int
        Largest number of rows in a validation.
    rate_factor : float
        Learning rate of the generator, over the learning rate of the training.
    """

    epsilon: float
    batch_size: int
    stratified: bool = True
    warm_couplings: bool = True
    independent_self_terms: bool = True
    restart_every: int = 50
    warm_steps: int = 2
    max_held_out: int = 1000
    rate_factor: float = 1.0


class GenerativeObjective(Objective):
    """Normalised GW_eps between batches of rows and batches of generated points.

    Distances of the space are divided by `scale`, so that their mean square is one and all options
    are dimensionless. Gradients do not flow through the plans.

    With an adversary, the loss compares the distances between its features from its first update
    on. Validation always uses the distances of the space.

    Parameters
    ----------
    space : AnchorDistances
    scale : float
        RMS distance of the space.
    generator : Generator
    options : GenerationOptions
    order : array of int
        Positions of the training anchors, in the order of the strata.
    held_out : array of int
        Positions of the validation anchors, of which the first `max_held_out` are used.
    regularizers : sequence of Regularizer
        Penalties on generated points.
    adversary : AdversarialDistances, optional
    anchors : AnchorPairs, optional
        Known pairs, whose cost makes the problems of training fused. Their self terms are fused as
        well, so that the loss is least where rows and points have the same distances to the pairs.
    style_set : PatchStyle, optional
        A critic of patches that is trained; its penalty is one of the regularizers.
    weights : array of shape (n_anchors,), optional
        Weights of the anchors, positive for training and validation anchors; by default equal.
        Batches are drawn in proportion.
    """

    order: Tensor  # (N,), training anchors in stratified order
    mass: Tensor | None  # (N,), cumulative weights of `order`; None for equal weights
    held_out: Tensor  # (N',), validation anchors
    matrix: Tensor | None  # (N, N), all distances between anchors, if they are in memory
    last_rows: Tensor  # (n,), rows of the last batch
    last_points: Tensor  # (m, k), generated points of the last batch
    last_plan: Tensor  # (1, n, m), coupling of the last batch
    n_batches: Tensor  # (), batches of all phases
    self_value: Tensor  # (), self term of a batch of rows
    starts_placed: Tensor  # (), whether `start_at` gave the first coupling

    def __init__(
        self,
        space: AnchorDistances,
        scale: float,
        generator: Generator,
        options: GenerationOptions,
        *,
        order: Index,
        held_out: Index,
        regularizers: Sequence[Regularizer] = (),
        adversary: AdversarialDistances | None = None,
        anchors: AnchorPairs | None = None,
        style_set: PatchStyle | None = None,
        weights: Array | None = None,
    ) -> None:
        super().__init__()
        self.regularizers, self.adversary = nn.ModuleList(regularizers), adversary
        self.style_set = style_set
        self.anchors, self.alpha = anchors, 1.0 if anchors is None else anchors.alpha
        self.generator, self.options, self.scale = generator, options, scale
        self.n_points = min(options.batch_size, max(len(order), MIN_POINTS))
        mass = _cumulative_weights(weights, order)
        # Heavy rows are in a batch several times.
        n = min(options.batch_size, len(order)) if mass is None else self.n_points
        validation = torch.as_tensor(held_out[: options.max_held_out])
        if len(validation):
            held_out_mass = _cumulative_weights(weights, validation.numpy())
            validation = evenly_spaced(validation, len(validation), held_out_mass)
        self.register_buffer("order", torch.as_tensor(order), persistent=False)
        self.register_buffer("mass", mass, persistent=False)
        self.register_buffer("held_out", validation, persistent=False)
        matrix = None
        if space.matrix is not None:
            matrix = torch.as_tensor(space.matrix / scale, dtype=torch.float32)
        self.register_buffer("matrix", matrix, persistent=False)
        self._between = space.between
        self.data_distances = DistanceFunctions(self.distances, pairwise_distances)
        zeros = functools.partial(torch.zeros, dtype=torch.float32)
        self.register_buffer("last_rows", torch.zeros(n, dtype=torch.long))
        self.register_buffer("last_points", zeros(self.n_points, len(generator.scale)))
        self.register_buffer("last_plan", zeros(1, n, self.n_points))
        self.register_buffer("n_batches", torch.tensor(0))
        self.register_buffer("self_value", zeros(()))
        self.register_buffer("starts_placed", torch.tensor(False))

    def start_at(self, rows: Tensor, points: Tensor) -> None:
        """Start the first coupling from matches of rows (r,) with points (r, k).

        Parameters
        ----------
        rows : Tensor of shape (r,)
            Positions of anchors.
        points : Tensor of shape (r, k)
            Their points, in units of the scale.
        """
        n, m = len(self.last_rows), self.n_points
        of_rows = torch.arange(n, device=rows.device) * len(rows) // n
        of_points = torch.arange(m, device=rows.device) * len(rows) // m
        self.last_rows.copy_(rows[of_rows])
        self.last_points.copy_(points[of_points])
        # Both lists are evenly spaced: row i meets the points of its share.
        shared = _overlaps(n, m).to(self.last_plan)
        self.last_plan.copy_(shared)
        self.starts_placed.fill_(True)

    def phases(self) -> Sequence[Phase]:
        """The phases of the generator, of the adversary and of the critic of a style set."""
        weights, factor = list(self.generator.parameters()), self.options.rate_factor
        phases = [Phase("generator", weights, learning_rate_factor=factor)]
        for trained in (self.adversary, self.style_set):
            phases += [] if trained is None else trained.phases()
        return phases

    def losses(self, phase: str, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of a batch: "loss", and its terms "gw" and the penalties by name."""
        if phase == STYLE_PHASE:
            return self._style_losses(generator)
        rows = self._draw_rows(generator)
        if phase == "adversary":
            return self._adversary_losses(rows, generator)
        points = self._draw_points(generator)
        distances = self._current_distances()
        with torch.no_grad():
            D = distances.rows(rows, rows)
        cross = self._cross_term(rows, points, D, distances, generator)
        gw = cross - self._self_of_points(points, distances, generator) - self.self_value
        losses = {"loss": gw, "gw": gw}
        for regularizer in cast(Sequence[Regularizer], self.regularizers):
            losses[regularizer.name] = regularizer(points)
            losses["loss"] = losses["loss"] + regularizer.weight * losses[regularizer.name]
        return losses

    def validation_loss(self) -> float | None:
        """Normalised discrepancy between held-out rows and a fixed draw of generated points."""
        if not len(self.held_out):
            return None
        with torch.no_grad():
            noise = torch.Generator().manual_seed(0)
            points = self.generator(self.n_points, noise, stratified=True)
        D, E = self.distances(self.held_out, self.held_out), pairwise_distances(points)
        epsilon = self.options.epsilon
        cross = cross_term(cold_solve(uniform_problem(D, E), epsilon), D, E, epsilon)
        self_terms = [self._with_itself(C) for C in (D, E)]
        return float(2 * cross - sum(self_terms))

    def distances(self, i: Tensor, j: Tensor) -> Tensor:
        """Scaled distances between the anchors at positions i and j, (len(i), len(j))."""
        if self.matrix is not None:
            return self.matrix[i[:, None], j]
        block = self._between(i.cpu().numpy(), j.cpu().numpy()) / self.scale
        return torch.as_tensor(block, dtype=torch.float32, device=i.device)

    def reference_rows(self, n: int) -> tuple[Tensor, Tensor | None]:
        """At most n training anchors, in increasing order, and their weights if these differ."""
        if self.mass is None:
            return evenly_spaced(self.order, n).sort().values, None
        if len(self.order) <= n:
            rows, by_row = self.order.sort()
            weights = self.mass.diff(prepend=self.mass.new_zeros(1))[by_row]
        else:
            rows, weights = evenly_spaced(self.order, n, self.mass).unique(return_counts=True)
        return rows, (weights / weights.sum()).double()

    def warm_start(
        self,
        rows: Tensor,
        points: Tensor,
        distances: DistanceFunctions | None = None,
        *,
        weights: Tensor | None = None,
    ) -> State:
        """Start of a solve for rows (n,) and points (m, k), from the coupling of the last batch.

        The rows have `weights` (n,), by default equal.
        """
        distances = distances or self.data_distances
        a, b = uniform_weights(len(rows), len(points), points)
        if weights is not None:
            a = weights[None].to(a)
        return initializers.warm_start(
            distances.rows(rows, self.last_rows)[None],
            self.last_plan,
            distances.points(points, self.last_points)[None],
            a,
            b,
        )

    def _draw_rows(self, generator: torch.Generator) -> Tensor:
        """Positions of the rows of a batch, (n,)."""
        if self.mass is not None:
            n, stratified = len(self.last_rows), self.options.stratified
            return draw_weighted_batch(self.order, self.mass, n, generator, stratified=stratified)
        draw = draw_batch if self.options.stratified else draw_uniform_batch
        return draw(self.order, len(self.last_rows), generator)

    def _draw_points(self, generator: torch.Generator) -> Tensor:
        """Generated points of a batch, (m, k)."""
        return self.generator(self.n_points, generator, stratified=self.options.stratified)

    def _current_distances(self) -> DistanceFunctions:
        """Distances of the adversary after its first update, else of the data."""
        if self.adversary is None or not self.adversary.started:
            return self.data_distances
        return self.adversary.distances

    def _adversary_losses(self, rows: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of the adversary: the weighted penalty minus the discrepancy."""
        assert self.adversary is not None
        with torch.no_grad():
            points = self._draw_points(generator)
        self.adversary.started.fill_(True)
        distances = self.adversary.distances
        D = distances.rows(rows, rows)
        data_term = self._self_of_rows(rows, distances, generator)
        cross = self._cross_term(rows, points, D, distances, generator)
        gw = cross - data_term - self._self_of_points(points, distances, generator)
        penalty = self.adversary.penalty(rows, points)
        return {"loss": self.adversary.options.weight * penalty - gw, "gw": gw, "penalty": penalty}

    def _style_losses(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of the critic of the style set."""
        assert self.style_set is not None
        with torch.no_grad():
            points = self._draw_points(generator)
        return self.style_set.losses(points, generator)

    def _cross_term(
        self,
        rows: Tensor,
        points: Tensor,
        D: Tensor,
        distances: DistanceFunctions,
        generator: torch.Generator,
    ) -> Tensor:
        """Twice GW_eps of rows and points; from time to time, update the self term of the rows."""
        E = distances.points(points, points)
        M = None if self.anchors is None else self.anchors.cost(rows, points)
        cost = None if M is None else M.detach()
        problem = uniform_problem(D.detach(), E.detach(), cost, self.alpha)
        epsilon = self.alpha * self.options.epsilon
        restart = int(self.n_batches) % self.options.restart_every == 0
        knows_plan = bool(self.starts_placed) or self.n_batches > 0
        if not (knows_plan and self.options.warm_couplings):
            solution = cold_solve(problem, epsilon)
        else:
            with torch.no_grad():
                start = self.warm_start(rows, points, distances)
            solution = self._warm_solution(problem, start, cost)
            if restart and not self.starts_placed:
                solution = lower_solution(solution, cold_solve(problem, epsilon), epsilon)
        if restart:  # the self term of the rows does not depend on the generator
            with torch.no_grad():
                self.self_value.copy_(self._self_of_rows(rows, distances, generator))
        self.last_rows.copy_(rows)
        self.last_points.copy_(points.detach())
        self.last_plan.copy_(solution.plan)
        self.n_batches += 1
        return 2 * cross_term(solution, D, E, self.options.epsilon, M, self.alpha)

    def _self_of_rows(
        self, rows: Tensor, distances: DistanceFunctions, generator: torch.Generator
    ) -> Tensor:
        """Self term of a batch of rows (n,)."""
        others = self._draw_rows(generator) if self.options.independent_self_terms else rows
        M = None if self.anchors is None else self.anchors.between_rows(rows, others)
        return self._self_term(distances.rows, rows, others, M)

    def _self_of_points(
        self, points: Tensor, distances: DistanceFunctions, generator: torch.Generator
    ) -> Tensor:
        """Self term of a batch of generated points (m, k)."""
        others = points
        if self.options.independent_self_terms:
            with torch.set_grad_enabled(points.requires_grad):
                others = self._draw_points(generator)
        M = None if self.anchors is None else self.anchors.between_points(points, others)
        return self._self_term(distances.points, points, others, M)

    def _self_term(
        self,
        distances: Callable[[Tensor, Tensor], Tensor],
        first: Tensor,
        second: Tensor,
        M: Tensor | None,
    ) -> Tensor:
        """GW_eps of two batches of one space, fused with M (n, m), with its gradient."""
        D = distances(first, first)
        if second is first:
            return self._with_itself(D, M)
        E = distances(second, second)
        cost = None if M is None else M.detach()
        problem = uniform_problem(D.detach(), E.detach(), cost, self.alpha)
        with torch.no_grad():
            start = matched_start(distances(first.detach(), second.detach()), E.detach())
        solution = self._warm_solution(problem, start, cost)
        return cross_term(solution, D, E, self.options.epsilon, M, self.alpha)

    def _warm_solution(self, problem: QuadraticProblem, start: State, M: Tensor | None) -> Solution:
        """Solution from a start of the problem without M."""
        if M is not None:
            start = fused_start(start, M, self.alpha)
        epsilon = self.alpha * self.options.epsilon
        return solve_from(problem, start, epsilon, max_iter=self.options.warm_steps)

    def _with_itself(self, D: Tensor, M: Tensor | None = None) -> Tensor:
        """GW_eps of a batch with itself, fused with M, with its gradient."""
        # One outer step from the identity is within 5e-5 of the minimum at a small epsilon in the
        # plane. At epsilon = 0.2 it is 1e-2 too high, and more in many dimensions; such a self term
        # would push the generated points apart without bound.
        epsilon = self.options.epsilon
        max_iter = 1 if epsilon <= MAX_ONE_STEP_EPSILON else MAX_COLD_STEPS
        return self_term(D, epsilon, max_iter=max_iter, M=M, alpha=self.alpha)


def _cumulative_weights(weights: Array | None, positions: Index) -> Tensor | None:
    """Cumulative weights (N,) of positions (N,), up to 1; None if they are equal."""
    if weights is None:
        return None
    own = weights[positions]
    if (own == own[0]).all():
        return None
    return torch.as_tensor(np.cumsum(own) / own.sum(), dtype=torch.float64)


def _overlaps(n: int, m: int) -> Tensor:
    """Plan (1, n, m) between n equal parts and m equal parts of one interval."""
    rows, columns = (torch.arange(x + 1, dtype=torch.float64) / x for x in (n, m))
    upper = torch.minimum(rows[1:, None], columns[1:])
    lower = torch.maximum(rows[:-1, None], columns[:-1])
    return (upper - lower).clamp_min(0)[None]
