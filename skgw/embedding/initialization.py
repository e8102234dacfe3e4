"""Initialisation of the generator by a regression on the classical scaling of landmark rows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from skgw.embedding.objective import GenerativeObjective
from skgw.nn import Generator, MixturePrior, without_dropout
from skgw.nn.convolutions import ImageShape
from skgw.nn.global_generator import seeded_global
from skgw.registration.landmark_scaling import centred_gram
from skgw.solvers import full_precision
from skgw.threads import network_work, threads_for
from skgw.training.batches import evenly_spaced

Report = Callable[[int, int, Tensor], bool]

N_LANDMARKS = 512  # rows whose classical scaling is computed
LEARNING_RATE = 2e-3  # of the first update; it falls linearly to zero
MIN_RELATIVE_WIDTH = 1e-3  # smallest RMS width of an axis over the largest RMS width


def classical_scaling(D: Tensor, k: int) -> Tensor:
    """Coordinates (n, k) by classical multidimensional scaling of distances D (n, n).

    The coordinates are scaled eigenvectors of the double-centred squared distances. Beyond the
    number of positive eigenvalues they are zero.

    References
    ----------
    :cite:t:`torgerson1952`.
    """
    values, vectors = torch.linalg.eigh(centred_gram(D * D))
    top = values.argsort(descending=True)[:k]
    out = D.new_zeros(len(D), k)
    out[:, : len(top)] = vectors[:, top] * values[top].clamp_min(0).sqrt()
    return out


def smooth_axes(image_shape: ImageShape, n: int) -> Tensor:
    """Orthonormal images (c * h * w, n) as columns: cosines of lowest frequency (DCT-II).

    The images are ordered by the sum of the squared differences between neighbouring pixels and
    channels; no orthonormal images have smaller sums. A rotation of principal axes onto these
    images gives the smoothest images among all rotations.
    """
    bases = [_cosines(size) for size in image_shape]
    index = [torch.arange(size, dtype=torch.float32) for size in image_shape]
    steps = [2 - 2 * torch.cos(torch.pi * i / len(i)) for i in index]
    squared_differences = steps[0][:, None, None] + steps[1][:, None] + steps[2]  # (c, h, w)
    chosen = squared_differences.flatten().argsort(stable=True)[:n]
    channel, row, column = torch.unravel_index(chosen, tuple(image_shape))
    c, h, w = (basis[:, i] for basis, i in zip(bases, (channel, row, column), strict=True))
    return torch.einsum("cn,hn,wn->chwn", c, h, w).flatten(0, 2)


def _cosines(size: int) -> Tensor:
    """Orthonormal cosines as columns by frequency, (size, size)."""
    position = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    waves = torch.cos(torch.pi * position[:, None] * torch.arange(size))
    return waves / waves.norm(dim=0)


@full_precision()
def initialize_by_scaling(
    objective: GenerativeObjective,
    generator: torch.Generator,
    *,
    image_shape: ImageShape | None = None,
    n_updates: int = 300,
    report: Report | None = None,
) -> None:
    """Regress the generator on the classical scaling of landmarks.

    Component c of K components of the mixture prior learns the coordinates of the c-th of K runs of
    the stratified order, in order along the first axis of the noise. The initial coupling is then
    free of twists and of reflections of parts, which gradients cannot undo. Each axis is learned in
    units of its width, so that axes that the data do not need stay narrow.

    Distances determine images (c, h, w) up to a rotation, so that the first principal axis is
    rotated onto the cosine image of lowest frequency, the second axis onto the next image, and so
    on (`smooth_axes`).

    A generator with another prior does not change.

    Parameters
    ----------
    objective : GenerativeObjective
        Its generator is trained in place.
    generator : torch.Generator
        Source of the noise.
    image_shape : (int, int, int), optional
        Channels, height and width of generated points that are images.
    n_updates : int, default=300
        Number of updates.
    report : callable, optional
        Called after every update with the number of updates so far, `n_updates`, and the mean
        squared error. The regression stops if it returns True.
    """
    model = objective.generator
    prior = model.prior
    if not isinstance(prior, MixturePrior):
        return
    landmarks = evenly_spaced(objective.order, N_LANDMARKS, objective.mass)
    n = len(landmarks)
    D = objective.distances(landmarks, landmarks).double()
    targets = classical_scaling(D, len(model.scale)).float()
    if image_shape is not None:
        used = targets[:, : min(n, targets.shape[1])]
        targets = used @ smooth_axes(image_shape, used.shape[1]).to(used).T
        if model.midpoint is None:
            model.scale.fill_(targets.square().mean().sqrt() or 1.0)
    widths = targets.square().mean(0).sqrt()
    if objective.anchors is not None:
        targets = objective.anchors.place(landmarks, targets)
        widths = targets.std(0, correction=0)
    elif model.midpoint is not None:
        targets = targets + model.midpoint * model.scale
    if widths.any() and image_shape is None and model.midpoint is None:
        model.scale.copy_(widths.clamp_min(MIN_RELATIVE_WIDTH * widths.max()))
    without_dropout(model)
    work = network_work(model, objective.n_points)
    with seeded_global(generator.initial_seed(), model), threads_for(work):
        _regress(model, prior, targets, objective.n_points, n_updates, generator, report)


def _regress(
    model: Generator,
    prior: MixturePrior,
    targets: Tensor,
    n_points: int,
    n_updates: int,
    generator: torch.Generator,
    report: Report | None,
) -> None:
    """Train the generator on targets (n, k), ordered as the components of the prior are."""
    n = len(targets)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    for step in range(n_updates):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / n_updates)
        component, deviation = prior.draw(n_points, generator, stratified=True)
        within = torch.special.ndtr(deviation[:, 0])  # uniform, and continuous in the noise
        run = ((component + within) * (n / len(prior.means))).long().clamp_max(n - 1)
        error = model.points(prior.place(component, deviation)) - targets[run]
        optimizer.zero_grad()
        squared_error = error.square().sum(1).mean()
        squared_error.backward()
        optimizer.step()
        if report is not None and report(step + 1, n_updates, squared_error.detach()):
            return
