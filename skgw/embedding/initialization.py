"""A head start: teach the generator the classical scaling of a few hundred data points."""

from __future__ import annotations

import torch
from torch import Tensor

from skgw.embedding.objective import GenerativeObjective
from skgw.nn import MixturePrior
from skgw.nn.convolutions import ImageShape
from skgw.solvers import full_precision
from skgw.training.batches import evenly_spaced

N_LANDMARKS = 512
LEARNING_RATE = 2e-3
THINNEST = 1e-3  # least width of an axis, against the widest: none is given up for good


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


def smooth_axes(image_shape: ImageShape, n: int) -> Tensor:
    """Orthonormal images (c * h * w, n), as columns: cosines of lowest frequency (DCT-II).

    They have the least squared differences between neighbours, one after the other, also between
    channels, so that the first ones are grey. Turning principal axes onto them makes images as
    smooth, in that sense, as any rotation could.
    """
    bases = [_cosines(size) for size in image_shape]
    steps = [2 - 2 * torch.cos(torch.pi * torch.arange(size) / size) for size in image_shape]
    roughness = steps[0][:, None, None] + steps[1][:, None] + steps[2]  # (c, h, w)
    chosen = roughness.flatten().argsort(stable=True)[:n]
    channel, row, column = torch.unravel_index(chosen, tuple(image_shape))
    c, h, w = (basis[:, i] for basis, i in zip(bases, (channel, row, column), strict=True))
    return torch.einsum("cn,hn,wn->chwn", c, h, w).flatten(0, 2)


def _cosines(size: int) -> Tensor:
    """Orthonormal cosines as columns, (size, size), by frequency."""
    at = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    waves = torch.cos(torch.pi * at[:, None] * torch.arange(size))
    return waves / waves.norm(dim=0)


@full_precision()
def initialize_by_scaling(
    objective: GenerativeObjective,
    generator: torch.Generator,
    *,
    image_shape: ImageShape | None = None,
    n_updates: int = 300,
) -> None:
    """Regress the components of a mixture prior on the strata of the data, scaled classically.

    Component c of K learns to produce the points of the c-th of K runs of the stratified order, one
    after the other along its first axis. Matchings that are twisted or mirrored in parts, from
    which gradients do not lead away, are avoided from the start. Each axis is learned in units of
    its width, so that those that the data do not need stay thin.

    Points that are images (c, h, w) are turned to where they are smoothest, as distances leave that
    free: the first principal axis becomes the cosine image of lowest frequency, and so on.

    Other priors have no components that could be told apart, and are left as they are.
    """
    model = objective.generator
    prior = model.prior
    if not isinstance(prior, MixturePrior):
        return
    landmarks = evenly_spaced(objective.order, N_LANDMARKS)
    n = len(landmarks)
    D = objective.distances(landmarks, landmarks).double()
    targets = classical_scaling(D, len(model.scale)).float()
    if image_shape is not None:
        used = targets[:, : min(n, targets.shape[1])]
        targets = used @ smooth_axes(image_shape, used.shape[1]).to(used).T
        model.scale.fill_(targets.square().mean().sqrt() or 1.0)
    widths = targets.square().mean(0).sqrt()
    if widths.any() and image_shape is None:
        model.scale.copy_(widths.clamp_min(THINNEST * widths.max()))
    model.eval()  # dropout would draw from the global random state
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    for step in range(n_updates):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / n_updates)
        component, deviation = prior.draw(objective.n_points, generator, stratified=True)
        within = torch.special.ndtr(deviation[:, 0])  # uniform, and continuous in the noise
        run = ((component + within) * (n / len(prior.means))).long().clamp_max(n - 1)
        error = model.points(prior.place(component, deviation)) - targets[run]
        optimizer.zero_grad()
        error.square().sum(1).mean().backward()
        optimizer.step()
