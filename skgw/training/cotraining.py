"""Training two autoencoders together, so that distances between codes agree across the domains.

The loss is that of both autoencoders and the normalised Gromov-Wasserstein discrepancy of their
codes (Chevalley, equation 3.1). Three things keep it from misleading the encoders:

- *It is switched on late.* First each autoencoder learns alone. A matching of codes that still
  change at random is wrong, and training would hold on to it.
- *Batches attach to a reference.* Between two independent mini-batches the discrepancy is mostly
  noise, and the encoders would be deformed to lower it. So many rows are matched at once, from time
  to time anew, and a batch is drawn from that matching: rows of one domain with their partners.
- *Codes have one fixed size.* Distances are compared over their root mean square in the batch, as
  the discrepancy falls when codes shrink, and a penalty holds this number at its first value, as
  nothing else would keep the codes from drifting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skgw.nn import pairwise_distances
from skgw.nn.autoencoders import CHUNK
from skgw.solvers.starts import matched_start
from skgw.training.autoencoding import MAX_HELD_OUT, AutoencoderLoss
from skgw.training.batches import draw_batch
from skgw.training.discrepancy import cross_term, self_term, start_solve, uniform_problem
from skgw.training.objective import Objective, Phase

SIZE_WEIGHT = 1.0  # of the penalty that keeps the codes' size
MIN_SIZE = 1e-6  # of codes that all coincide
MATCHED_STEPS = 2  # outer steps from the matching that a batch was drawn from

Pair = tuple[Tensor, Tensor]


class Matching(NamedTuple):
    """What a matcher makes of reference rows.

    Attributes
    ----------
    plan : Tensor of shape (r, s)
    rotation : Tensor of shape (kx, ky)
        From normal codes of the first domain to those of the second, which agree with the plan.
    contrast : float
        How much worse any other matching is; only of a matching from nothing.
    """

    plan: Tensor
    rotation: Tensor
    contrast: float


# From normal codes (r, kx) and (s, ky) of the reference rows, these rows, (r, p) and (s, q), and
# the last rotation, or None to match from nothing.
Matcher = Callable[[Pair, Pair, Tensor | None], Matching]


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
    n_reference : int
        Rows of either domain that are matched at once.
    n_alone : int
        Updates before the domains are matched for the first time.
    match_every : int
        Updates from one matching to the next.
    """

    gw_weight: float
    epsilon: float
    batch_size: int
    n_reference: int
    n_alone: int
    match_every: int


class Side(nn.Module):
    """One domain: its rows, its autoencoder, and the rows that stand for it in a matching.

    Parameters
    ----------
    X : array of shape (n, p)
        As for `AutoencodingObjective`.
    model : AutoencoderLoss
    order, held_out : array of int
        Positions of the rows to train and to validate on.
    known : array of int
        Positions of rows that are always among the reference rows, as the first of them.
    """

    rows: Tensor  # (n, p)
    order: Tensor  # (N,)
    held_out: Tensor  # (N',)
    known: Tensor  # (k,)
    reference: Tensor  # (r,), positions of the rows that were matched last
    size: Tensor  # (), root mean square distance of codes when they were first matched

    def __init__(
        self,
        X: NDArray[np.floating],
        model: AutoencoderLoss,
        *,
        order: NDArray[np.intp],
        held_out: NDArray[np.intp],
        known: NDArray[np.intp],
        n_reference: int,
    ) -> None:
        super().__init__()
        self.model = model
        fixed = {
            "rows": torch.as_tensor(X, dtype=torch.float32),
            "order": torch.as_tensor(order),
            "held_out": torch.as_tensor(held_out[:MAX_HELD_OUT]),
            "known": torch.as_tensor(known),
        }
        for name, values in fixed.items():
            self.register_buffer(name, values, persistent=False)
        n_reference = max(len(known), min(n_reference, len(order)))
        self.register_buffer("reference", torch.zeros(n_reference, dtype=torch.long))
        self.register_buffer("size", torch.zeros(()))

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Rows of a batch, (n, p)."""
        return self.rows[draw_batch(self.order, n, generator)]

    @torch.no_grad()
    def draw_reference(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Choose reference rows anew: their normal codes, centred and over `size`, and the mean."""
        others = self.order[~torch.isin(self.order, self.known)]
        chosen = torch.randperm(len(others), generator=generator).to(others.device)
        others = others[chosen[: len(self.reference) - len(self.known)]]
        self.reference.copy_(torch.cat([self.known, others]))
        codes = self.encode(self.reference)
        if not self.size:
            self.size.copy_(size_of(codes))
        mean = codes.mean(0)
        return (codes - mean) / self.size, mean

    @torch.no_grad()
    def encode(self, index: Tensor) -> Tensor:
        """Codes (len(index), k) of rows, in evaluation mode and without a gradient."""
        training = self.training
        self.eval()
        codes = [self.model.autoencoder.encode(self.rows[i]) for i in index.split(CHUNK)]
        self.train(training)
        return torch.cat(codes)

    def validation_loss(self) -> Tensor:
        """Mean squared error of a feature of held-out rows."""
        x = self.rows[self.held_out]
        return (self.model.autoencoder(x) - x).square().mean()


class CoTrainingObjective(Objective):
    """Two autoencoders on mini-batches of rows, and the discrepancy of their codes.

    Parameters
    ----------
    sides : pair of Side
    options : CoTrainingOptions
    matcher : callable
        Matches the reference rows by their codes; see `Matcher`.
    """

    plan: Tensor  # (r, s), of the reference rows
    rotation: Tensor  # (kx, ky)
    contrast: Tensor  # ()
    n_updates: Tensor  # ()

    def __init__(
        self, sides: tuple[Side, Side], options: CoTrainingOptions, matcher: Matcher
    ) -> None:
        super().__init__()
        self.sides, self.options, self.matcher = nn.ModuleList(sides), options, matcher
        one, other = self.pair
        dims = one.model.autoencoder.latent_dim, other.model.autoencoder.latent_dim
        self.register_buffer("plan", torch.zeros(len(one.reference), len(other.reference)))
        self.register_buffer("rotation", torch.zeros(dims))
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

    def match(self, generator: torch.Generator) -> tuple[Pair, Pair]:
        """Match reference rows, drawn anew: their normal codes, and the means of the codes."""
        one, other = self.pair
        (z, mean_z), (w, mean_w) = (side.draw_reference(generator) for side in self.pair)
        rows = one.rows[one.reference], other.rows[other.reference]
        known = self.rotation if self.plan.any() else None
        found = self.matcher((z, w), rows, known)
        self.plan.copy_(found.plan)
        self.rotation.copy_(found.rotation)
        if known is None:
            self.contrast.fill_(found.contrast)
        return (z, w), (mean_z, mean_w)

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
        """Positions of rows of the first domain, and of a partner of each, drawn from the plan."""
        n = min(self.options.batch_size, len(self.plan))
        drawn = torch.randperm(len(self.plan), generator=generator)[:n]
        rows = self.plan[drawn.to(self.plan.device)].cpu()  # the generator is on the CPU
        partner = torch.multinomial(rows, 1, generator=generator)[:, 0]
        one, other = (side.reference for side in self.pair)
        return one[drawn.to(one.device)], other[partner.to(other.device)]

    def _cross_term(self, D: Tensor, E: Tensor) -> Tensor:
        D0, E0, epsilon = D.detach(), E.detach(), self.options.epsilon
        problem = uniform_problem(D0, E0)
        start = matched_start(problem, D0[None], E0[None], loss="L2")
        solution = start_solve(problem, start, epsilon, max_iter=MATCHED_STEPS)
        return cross_term(solution, D, E, epsilon)


def size_of(codes: Tensor) -> Tensor:
    """Root mean square distance of codes (n, k), of a row to itself included."""
    return (2 * (codes - codes.mean(0)).square().sum(1).mean()).sqrt().clamp_min(MIN_SIZE)
