"""Training two autoencoders together, so that distances between codes agree across the domains.

The loss is that of both autoencoders and the normalised Gromov-Wasserstein discrepancy of their
codes (Chevalley, equation 3.1). Three things keep it from misleading the encoders:

- *It is switched on late.* First each autoencoder learns alone. A matching of codes that still
  change at random is wrong, and training would hold on to it.
- *Batches are of partners.* Between two independent mini-batches the discrepancy is mostly noise,
  and the encoders would be deformed to lower it. So the motion that takes one domain to the other
  is found on many rows, from time to time anew, and rows are drawn with their nearest partners.
- *Codes have one fixed size.* Distances are compared over their root mean square in the batch, as
  the discrepancy falls when codes shrink, and a penalty holds this number at its first value, as
  nothing else would keep the codes from drifting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from skgw.nn import pairwise_distances
from skgw.nn.autoencoders import CHUNK_SIZE
from skgw.solvers.initializers import matched_start
from skgw.training.gw_loss import cross_term, self_term, uniform_problem, warm_solve
from skgw.training.objective import Objective, Phase
from skgw.translation.domain import MIN_SIZE, Side, size_of

SIZE_WEIGHT = 1.0  # of the penalty that keeps the codes' size
TINY = 1e-6
MATCHED_STEPS = 2  # outer steps from the matching that a batch was drawn from

Pair = tuple[Tensor, Tensor]


class Matcher(Protocol):
    """Finds motions between the domains: pairs of an orthogonal map and an offset.

    Weights are the mass of each reference row that is matched, of either domain.
    """

    def first(self, codes: Pair, rows: Pair, axes: Pair) -> tuple[bool, Pair, Pair, float, float]:
        """From nothing: from normal codes, rows and principal coordinates of reference rows.

        Returns whether the motion is one of principal coordinates, or one of codes; the motion;
        weights; how much worse any other motion is; and the cost over that between samples of one
        law.
        """

    def again(self, codes: Pair, motion: Pair) -> tuple[Pair, Pair]:
        """Improve a motion of normal codes of reference rows; with weights."""

    def fit(self, codes: Pair, weights: Tensor) -> Pair:
        """The motion that fits normal codes of partners best."""


@dataclass(frozen=True)
class CoTrainingOptions:
    """How two autoencoders are trained together.

    Attributes
    ----------
    gw_weight : float
        Weight of the discrepancy, relative to the squared error of a feature.
    epsilon : float
        Strength of its entropy, relative to the mean squared distance of codes.
    batch_size : int
    n_alone : int
        Updates before the domains are matched for the first time.
    match_every : int
        Updates from one matching to the next.
    """

    gw_weight: float
    epsilon: float
    batch_size: int
    n_alone: int
    match_every: int


class CoTrainingObjective(Objective):
    """Two autoencoders on mini-batches of rows, and the discrepancy of their codes.

    Parameters
    ----------
    sides : pair of Side
    options : CoTrainingOptions
    matcher : Matcher
    """

    rotation: Tensor  # (kx, ky), of codes; zero before the domains are matched
    offset: Tensor  # (ky,)
    turn: Tensor  # (dx, dy), of principal coordinates; zero where codes are relied on
    shift: Tensor  # (dy,)
    partners: Tensor  # (P + P', 2), positions in both pools, for each row of one and of the other
    mass: Tensor  # (P + P',), how much of each of these rows is matched
    contrast: Tensor  # ()
    excess: Tensor  # ()
    n_updates: Tensor  # ()

    def __init__(
        self, sides: tuple[Side, Side], options: CoTrainingOptions, matcher: Matcher
    ) -> None:
        super().__init__()
        self.sides, self.options, self.matcher = nn.ModuleList(sides), options, matcher
        one, other = self.pair
        dims = one.model.autoencoder.latent_dim, other.model.autoencoder.latent_dim
        n_pairs = len(one.pool) + len(other.pool)
        self.register_buffer("rotation", torch.zeros(dims))
        self.register_buffer("turn", torch.zeros(one.axes.shape[1], other.axes.shape[1]))
        self.register_buffer("offset", torch.zeros(dims[1]))
        self.register_buffer("shift", torch.zeros(other.axes.shape[1]))
        self.register_buffer("partners", torch.zeros(n_pairs, 2, dtype=torch.long))
        self.register_buffer("mass", torch.ones(n_pairs))
        self.register_buffer("excess", torch.zeros(()))
        self.register_buffer("contrast", torch.zeros(()))
        self.register_buffer("n_updates", torch.tensor(0))

    def phases(self) -> Sequence[Phase]:
        """Both autoencoders at once, and the critics if there are any."""
        models = [side.model for side in self.pair]
        phases = [Phase("autoencoders", [p for m in models for p in m.autoencoder.parameters()])]
        critics = [p for m in models if m.critic is not None for p in m.critic.parameters()]
        return phases + ([Phase("critics", critics)] if critics else [])

    def losses(self, phase: str, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of both models on the next batches and, after the warm-up, of their codes."""
        batches = [side.draw(self.options.batch_size, generator) for side in self.pair]
        models = [side.model for side in self.pair]
        if phase == "critics":
            parts = [m.critic_loss(x, generator) for m, x in zip(models, batches, strict=True)]
        else:
            parts = [m(x, generator)[1] for m, x in zip(models, batches, strict=True)]
        losses = {name: parts[0][name] + parts[1][name] for name in parts[0]}
        if phase == "critics":
            return losses
        age = int(self.n_updates) - self.options.n_alone
        self.n_updates += 1
        if age >= 0 and self.options.gw_weight:
            if age % self.options.match_every == 0:
                self.match(generator)
            losses["gw"], drift = self._discrepancy(generator)
            further = self.options.gw_weight * losses["gw"] + SIZE_WEIGHT * drift
            losses["loss"] = losses["loss"] + further
        return losses

    @torch.no_grad()
    def validation_loss(self) -> float | None:
        """Mean squared errors of features of held-out rows, from their mean codes, summed."""
        if any(not len(side.held_out) for side in self.pair):
            return None
        return float(sum(side.validation_loss() for side in self.pair))

    @property
    def pair(self) -> tuple[Side, Side]:
        """Both domains."""
        one, other = self.sides
        return cast(Side, one), cast(Side, other)

    @torch.no_grad()
    def match(self, generator: torch.Generator) -> tuple[Pair, Pair]:
        """Match the domains anew: normal codes of both pools, and the means of the codes."""
        (z, mean_z), (w, mean_w) = (side.normal_codes() for side in self.pair)
        i, j = (side.draw_reference(generator) for side in self.pair)
        if not self.rotation.any():
            self._match_first((z, w))
        elif not self.by_rows:
            motion, weights = self.matcher.again((z[i], w[j]), (self.rotation, self.offset))
            self._follow(motion, weights, (z, w))
        if self.by_rows:
            codes = z[self.partners[:, 0]], w[self.partners[:, 1]]
            self._set_motion(self.matcher.fit(codes, self.mass))
        return (z, w), (mean_z, mean_w)

    @property
    def by_rows(self) -> bool:
        """Whether principal coordinates of rows tell who is whose partner, and not codes."""
        return bool(self.turn.any())

    def placed(self, codes: Pair) -> Pair:
        """Both pools in the space in which partners are near to each other."""
        one, other = self.pair
        if self.by_rows:
            return one.axes @ self.turn + self.shift, other.axes
        return codes[0] @ self.rotation + self.offset, codes[1]

    def cost(self, codes: Pair) -> float:
        """Mean squared distance of normal codes of partners, over that of all."""
        i, j = self.partners.T
        moved = codes[0] @ self.rotation + self.offset
        apart = (moved[i] - codes[1][j]).square().sum(1) @ self.mass / self.mass.sum()
        spread = 0.5 * (size_of(moved) ** 2 + size_of(codes[1]) ** 2)
        shift = (moved.mean(0) - codes[1].mean(0)).square().sum()
        return float(apart / (spread + shift))

    def _match_first(self, codes: Pair) -> None:
        """From nothing; principal coordinates do not change, and their partners neither."""
        one, other = self.pair
        i, j = one.reference, other.reference
        rows = one.rows[one.pool[i]], other.rows[other.pool[j]]
        axes = one.axes[i], other.axes[j]
        by_rows, motion, weights, contrast, excess = self.matcher.first(
            (codes[0][i], codes[1][j]), rows, axes
        )
        self.contrast.fill_(contrast)
        self.excess.fill_(excess)
        if by_rows:
            self.turn.copy_(motion[0])
            self.shift.copy_(motion[1])
        self._follow(motion, weights, codes)

    def _follow(self, motion: Pair, weights: Pair, codes: Pair) -> None:
        """Who is whose partner, and the mass of each, after a motion and weights were found."""
        if not self.by_rows:
            self._set_motion(motion)
        placed = self.placed(codes)
        self.partners.copy_(nearest_partners(*placed))
        mass = [
            (len(w) * w)[_nearest(points, points[side.reference])]
            for points, w, side in zip(placed, weights, self.pair, strict=True)
        ]
        self.mass.copy_(torch.cat(mass))

    def _set_motion(self, motion: Pair) -> None:
        self.rotation.copy_(motion[0])
        self.offset.copy_(motion[1])

    def _discrepancy(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Normalised GW_eps of a batch drawn from the matching, and how far sizes have drifted."""
        D, E = (
            pairwise_distances(side.model.autoencoder.encode(side.rows[index]))
            for side, index in zip(self.pair, self._draw_partners(generator), strict=True)
        )
        sizes = [C.square().mean().clamp_min(MIN_SIZE**2).sqrt() for C in (D, E)]
        drift = [
            (size / side.size - 1).square() for size, side in zip(sizes, self.pair, strict=True)
        ]
        D, E = D / sizes[0], E / sizes[1]
        self_terms = [self_term(C, self.options.epsilon, max_iter=MATCHED_STEPS) for C in (D, E)]
        return 2 * self._cross_term(D, E) - sum(self_terms), drift[0] + drift[1]

    def _draw_partners(self, generator: torch.Generator) -> Pair:
        """Positions of rows of both domains, and of their partners: as many rows of either."""
        one, other = self.pair
        n = self.options.batch_size // 2
        masses = self.mass.cpu().clamp_min(TINY).split([len(one.pool), len(other.pool)])
        drawn = [torch.multinomial(m, min(n, len(m)), generator=generator) for m in masses]
        i, j = self.partners[torch.cat([drawn[0], len(one.pool) + drawn[1]])].T
        return one.pool[i], other.pool[j]

    def _cross_term(self, D: Tensor, E: Tensor) -> Tensor:
        D0, E0, epsilon = D.detach(), E.detach(), self.options.epsilon
        problem = uniform_problem(D0, E0)
        start = matched_start(problem, D0[None], E0[None], loss="L2")
        solution = warm_solve(problem, start, epsilon, max_iter=MATCHED_STEPS)
        return cross_term(solution, D, E, epsilon)


def nearest_partners(one: Tensor, other: Tensor) -> Tensor:
    """The nearest of the other points for each point of (n, d) and of (m, d), both ways.

    Returns
    -------
    Tensor of int of shape (n + m, 2)
        Positions in the first and the second set.
    """
    forth, back = _nearest(one, other), _nearest(other, one)
    i, j = (torch.arange(len(x), device=x.device) for x in (one, other))
    return torch.cat([torch.stack([i, forth], 1), torch.stack([back, j], 1)])


def _nearest(points: Tensor, others: Tensor) -> Tensor:
    """Positions of the nearest of others (m, d) to each of some points (n, d)."""
    return torch.cat([torch.cdist(part, others).argmin(1) for part in points.split(CHUNK_SIZE)])
