"""A head start: teach the generator the classical scaling of a few hundred data points."""

from __future__ import annotations

import torch
from torch import Tensor

from skgw.nn import MixturePrior
from skgw.training.generation import GenerativeObjective

N_LANDMARKS = 512
N_STEPS = 300
LEARNING_RATE = 2e-3


def classical_scaling(D: Tensor, k: int) -> Tensor:
    """Coordinates (n, k) by classical multidimensional scaling of distances D (n, n).

    Torgerson (1952): eigenvectors of the double-centred squared distances. Where D has fewer than k
    positive eigenvalues, the remaining coordinates are zero.
    """
    squared = D * D
    gram = -0.5 * (squared - squared.mean(0) - squared.mean(1, keepdim=True) + squared.mean())
    values, vectors = torch.linalg.eigh(gram)
    top = values.argsort(descending=True)[:k]
    out = D.new_zeros(len(D), k)
    out[:, : len(top)] = vectors[:, top] * values[top].clamp_min(0).sqrt()
    return out


def initialize_by_scaling(objective: GenerativeObjective, generator: torch.Generator) -> None:
    """Regress the components of a mixture prior on the strata of the data, scaled classically.

    Component c of K learns to produce the points of the c-th of K runs of the stratified order, one
    after the other along its first axis.
    Matchings that are twisted or mirrored in parts, from which gradients do not lead away, are
    avoided from the start. Other priors have no components that could be told apart.
    """
    prior = objective.generator.prior
    if not isinstance(prior, MixturePrior):
        return
    order, batch_size = objective.order, objective.options.batch_size
    n = min(N_LANDMARKS, len(order))
    landmarks = order[((torch.arange(n) + 0.5) * (len(order) / n)).long().to(order.device)]
    D = objective.distances(landmarks, landmarks).double()
    targets = classical_scaling(D, objective.carried_points.shape[1]).float()
    optimizer = torch.optim.Adam(objective.generator.parameters(), lr=LEARNING_RATE)
    for step in range(N_STEPS):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / N_STEPS)
        component, deviation = prior.draw(batch_size, generator, stratified=True)
        within = torch.special.ndtr(deviation[:, 0])  # uniform, and continuous in the noise
        run = ((component + within) * (n / len(prior.means))).long().clamp_max(n - 1)
        error = objective.generator.network(prior.place(component, deviation)) - targets[run]
        optimizer.zero_grad()
        error.square().sum(1).mean().backward()
        optimizer.step()
