"""Initialisation of the generator by multidimensional scaling of the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skgw.embedding.anchor_distances import AnchorDistances
from skgw.embedding.anchors import AnchorPairs
from skgw.embedding.objective import GenerativeObjective
from skgw.embedding.placement import place, place_together
from skgw.nn import Generator, MixturePrior, NormalMixturePrior, without_dropout
from skgw.nn.coded_domain import NormalMixture
from skgw.nn.convolutions import ImageShape
from skgw.nn.global_generator import seeded_global
from skgw.registration.landmark_scaling import centred_gram
from skgw.registration.normal_mixture import fit_normal_mixture
from skgw.solvers import full_precision
from skgw.spaces.finite import Array, Index
from skgw.threads import network_work, threads_for
from skgw.training.batches import evenly_spaced

Report = Callable[[int, int, Tensor], bool]

MAX_PLACED_TOGETHER = 1000  # rows that are placed together
MAX_PLACED = 2048  # rows that are placed
MIN_DRAWN = 1000  # draws that stand for weighted rows
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


class ReferenceRows(NamedTuple):
    """Rows that represent the training rows.

    Attributes
    ----------
    rows : array of int of shape (r,)
        Positions among the anchors of the space, in increasing order.
    weights : array of shape (r,) or None
        Weights with sum 1; None: equal weights.
    points : array of shape (r, k) or None
        Their points, in units of the scale, if they are placed.
    """

    rows: Index
    weights: Array | None
    points: Array | None


class PlacedRows(NamedTuple):
    """Rows placed by multidimensional scaling, and their distribution.

    Attributes
    ----------
    rows : array of int of shape (r,)
        Positions of the rows among the anchors of the space; neighbours follow each other.
    together : array of int of shape (r',)
        Positions in `rows` of the rows that were placed together.
    points : array of shape (r, k)
        In units of the scale.
    weights : array of shape (r,) or None
        Weights of the rows; None: equal weights.
    origin, widths : arrays of shape (k,)
        Mean, and RMS deviation along each axis.
    mixture : NormalMixture
        Distribution of ``(points - origin) / widths``.
    """

    rows: Index
    together: Index
    points: Array
    weights: Array | None
    origin: Array
    widths: Array
    mixture: NormalMixture

    def reference(self, n: int) -> ReferenceRows:
        """At most n of the rows that were placed together."""
        chosen = self.together[_spread(len(self.together), n)]
        chosen = chosen[self.rows[chosen].argsort()]
        weights = None if self.weights is None else self.weights[chosen]
        if weights is not None:
            weights = weights / weights.sum()
        return ReferenceRows(self.rows[chosen], weights, self.points[chosen])

    def start(self, objective: GenerativeObjective) -> None:
        """Set the generator to the distribution, and the first coupling to the placed rows."""
        model = objective.generator
        prior = model.prior
        assert isinstance(prior, NormalMixturePrior)
        prior.fill(*(torch.as_tensor(x, dtype=torch.float32) for x in self.mixture))
        model.origin.copy_(torch.as_tensor(self.origin))
        model.scale.copy_(torch.as_tensor(self.widths))
        objective.start_at(
            torch.as_tensor(self.rows).to(objective.order),
            torch.as_tensor(self.points, dtype=torch.float32),
        )


def _spread(n: int, m: int) -> Index:
    """At most m of n positions, evenly spaced."""
    m = min(n, m)
    return np.asarray((np.arange(m) + 0.5) * (n / m), dtype=np.intp)


@full_precision()
def place_rows(
    space: AnchorDistances,
    scale: float,
    order: Index,
    n_components: int,
    max_mixture: int,
    rng: np.random.RandomState,
    *,
    weights: Array | None = None,
    anchors: AnchorPairs | None = None,
) -> PlacedRows:
    """Place rows by least stress, from classical scaling, and fit a mixture to them.

    Up to 1000 rows are placed together, and up to 2048 rows in all.

    Parameters
    ----------
    space : AnchorDistances
    scale : float
        RMS distance of the space.
    order : array of int of shape (n,)
        Positions of the training rows among the anchors, in the order of the strata.
    n_components : int
        Dimension k of the points.
    max_mixture : int
        Largest number of components of the mixture.
    rng : RandomState
        Source of the fits.
    weights : array of shape (N,), optional
        Weights of the anchors of the space; by default equal.
    anchors : AnchorPairs, optional
        Known pairs, to which the points are moved.
    """
    rows = order[_spread(len(order), MAX_PLACED)]
    own = None
    if weights is not None and np.ptp(weights[rows]) > 0:
        own = weights[rows]
    together = _spread(len(rows), MAX_PLACED_TOGETHER)
    first = rows[together]
    share = None if own is None else own[together]
    D = space.between(first, first) / scale
    start = classical_scaling(torch.as_tensor(D, dtype=torch.float64), n_components).numpy()
    points = np.empty((len(rows), n_components))
    points[together] = placed = place_together(D, start, share)
    if len(others := np.setdiff1d(np.arange(len(rows)), together)):
        points[others] = place(space.between(rows[others], first) / scale, placed, share)
    if anchors is not None:
        known = anchors.cpu().place(torch.as_tensor(rows), torch.as_tensor(points).float())
        points = known.double().numpy()
    drawn = points
    if own is not None:
        drawn = points[rng.choice(len(rows), max(len(rows), MIN_DRAWN), p=own / own.sum())]
    origin = drawn.mean(axis=0)
    widths = np.sqrt(np.square(drawn - origin).mean(axis=0))
    widths = np.maximum(widths, MIN_RELATIVE_WIDTH * widths.max()) if widths.any() else widths + 1
    mixture = fit_normal_mixture((drawn - origin) / widths, max_mixture, rng)
    return PlacedRows(rows, together, points, own, origin, widths, mixture)


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
