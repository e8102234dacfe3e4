"""Co-training: two autoencoders whose codes agree in their distances across the domains.

The loss is the loss of both autoencoders plus the normalised Gromov-Wasserstein discrepancy of
their codes (Chevalley, equation 3.1). Three measures keep the discrepancy from misleading the
encoders:

- *A late start.* Each autoencoder first learns alone. A matching of codes that still change at
  random is wrong, and training would preserve it.
- *Batches of matched rows.* Between two independent mini-batches the discrepancy is mostly noise,
  and the encoders would be deformed to lower it. So the similarity between the domains is fitted to
  many rows, at regular intervals, and batches are drawn with their nearest matches.
- *A fixed scale.* The discrepancy falls when codes shrink. So it compares distances relative to
  their root mean square in the batch, and a penalty holds this number at its first value.

`GWLoss` switches the second and the third off; independent batches need no matching.

References
----------
:cite:t:`chevalley`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, cast

import torch
from torch import Tensor, nn

from skgw.nn import pairwise_distances
from skgw.registration.displacement import Displacement
from skgw.registration.procrustes import Pair
from skgw.registration.similarity import Similarity, similarity_of_matches
from skgw.solvers.initializers import matched_start
from skgw.training.gw_loss import (
    MAX_COLD_STEPS,
    cold_solve,
    cross_term,
    self_term,
    solve_from,
    uniform_problem,
)
from skgw.training.objective import Objective, Phase
from skgw.translation.autoencoded_domain import MIN_RMS_DISTANCE, AutoencodedDomain, rms_distance
from skgw.translation.latent_matching import LatentMatcher
from skgw.translation.matches import nearest
from skgw.translation.parameters import GWLoss

N_MATCHINGS = 10  # during the second part of the training
MIN_MASS = 1e-6  # mass of a row in the drawing of batches, relative to the mean


@dataclass(frozen=True)
class CoTrainingOptions:
    """Options of the co-training of two autoencoders.

    Attributes
    ----------
    gw_weight : float
        Weight of the discrepancy, relative to the squared error of a feature.
    epsilon : float
        Entropic regularisation of the discrepancy, relative to the mean squared distance of codes
        if the loss is normalised.
    batch_size : int
    n_alone : int
        Number of updates before the domains are matched for the first time.
    match_every : int
        Number of updates from one matching to the next.
    scale_weight : float
        Weight of the penalty on changes of the codes' RMS distance.
    n_gw_steps : int
        Outer steps of the discrepancy, from the matching that a batch was drawn from.
    loss : GWLoss
        Batches and unit of the discrepancy.
    """

    gw_weight: float
    epsilon: float
    batch_size: int
    n_alone: int
    match_every: int
    scale_weight: float = 1.0
    n_gw_steps: int = 2
    loss: GWLoss = field(default_factory=GWLoss)

    @classmethod
    def of(cls, params: Any, n_updates: int) -> CoTrainingOptions:
        """The parameters of a `GWCoTrainedAutoencoders`, for a number of updates.

        The autoencoders learn alone at first. Then the domains are matched at regular intervals.
        """
        n_alone = round(params.warm_up * n_updates)
        return cls(
            gw_weight=params.gw_weight,
            epsilon=params.epsilon,
            batch_size=params.batch_size,
            n_alone=n_alone,
            match_every=max(1, -(-(n_updates - n_alone) // N_MATCHINGS)),
            loss=GWLoss.read(params.gw_loss),
        )


class MatchedBy(IntEnum):
    """The points whose similarity gives the matches of the rows."""

    NOTHING = 0  # not matched yet
    CODES = 1
    ROWS = 2  # by their principal coordinates


class StoredSimilarity(nn.Module):
    """A similarity in the state of an objective; zero until it is assigned."""

    rotation: Tensor  # (kx, ky)
    offset: Tensor  # (ky,)

    def __init__(self, kx: int, ky: int) -> None:
        super().__init__()
        self.register_buffer("rotation", torch.zeros(kx, ky, dtype=torch.float32))
        self.register_buffer("offset", torch.zeros(ky, dtype=torch.float32))

    @property
    def value(self) -> Similarity[Tensor]:
        """The similarity."""
        return Similarity(self.rotation, self.offset)

    def assign(self, similarity: Similarity[Tensor]) -> None:
        """Store a similarity."""
        self.rotation.copy_(similarity.rotation)
        self.offset.copy_(similarity.offset)

    def forward(self, points: Tensor) -> Tensor:
        """Transform points (n, kx) to (n, ky)."""
        return self.value(points)


class CoTrainingObjective(Objective):
    """The loss of two autoencoders on mini-batches of rows, and the discrepancy of their codes.

    Parameters
    ----------
    domains : pair of AutoencodedDomain
    options : CoTrainingOptions
    matcher : LatentMatcher
    """

    matches: Tensor  # (P + P', 2), positions in both pools, for each row of x and then of y
    mass: Tensor  # (P + P'), matched mass of each of these rows, relative to the mean
    margin: Tensor  # ()
    cost_ratio: Tensor  # ()
    matched_by_code: Tensor  # (), a `MatchedBy`
    displaced: Tensor  # (), whether anchor pairs displace the points after the similarity
    n_updates: Tensor  # ()

    def __init__(
        self,
        domains: tuple[AutoencodedDomain, AutoencodedDomain],
        options: CoTrainingOptions,
        matcher: LatentMatcher,
    ) -> None:
        super().__init__()
        self.domains, self.options, self.matcher = nn.ModuleList(domains), options, matcher
        x, y = self.pair
        self.code_similarity = StoredSimilarity(
            x.model.autoencoder.latent_dim, y.model.autoencoder.latent_dim
        )
        self.row_similarity = StoredSimilarity(x.coordinates.shape[1], y.coordinates.shape[1])
        n_pool = len(x.pool) + len(y.pool)
        self.register_buffer("matches", torch.zeros(n_pool, 2, dtype=torch.long))
        self.register_buffer("mass", torch.ones(n_pool, dtype=torch.float32))
        self.register_buffer("margin", torch.zeros((), dtype=torch.float32))
        self.register_buffer("cost_ratio", torch.zeros((), dtype=torch.float32))
        self.register_buffer("matched_by_code", torch.tensor(int(MatchedBy.NOTHING)))
        self.register_buffer("displaced", torch.tensor(False))
        self.register_buffer("n_updates", torch.tensor(0))

    @property
    def pair(self) -> tuple[AutoencodedDomain, AutoencodedDomain]:
        """Both domains."""
        x, y = self.domains
        return cast(AutoencodedDomain, x), cast(AutoencodedDomain, y)

    @property
    def matched_by(self) -> MatchedBy:
        """The points that the current matches rest on."""
        return MatchedBy(int(self.matched_by_code))

    def phases(self) -> Sequence[Phase]:
        """Both autoencoders in one phase, and the critics if there are any."""
        models = [domain.model for domain in self.pair]
        phases = [Phase("autoencoders", [p for m in models for p in m.own_parameters()])]
        critics = [p for m in models for a in m.adversarial for p in a.adversary.parameters()]
        return phases + ([Phase("critics", critics)] if critics else [])

    def losses(self, phase: str, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of both models on the next batches and, after the warm-up, of their codes."""
        batches = [domain.draw(self.options.batch_size, generator) for domain in self.pair]
        models = [domain.model for domain in self.pair]
        if phase == "critics":
            parts = [m.adversary_loss(x, generator) for m, x in zip(models, batches, strict=True)]
        else:
            parts = [m(x, generator)[1] for m, x in zip(models, batches, strict=True)]
        losses = {name: parts[0][name] + parts[1][name] for name in parts[0]}
        if phase == "critics":
            return losses
        age = int(self.n_updates) - self.options.n_alone
        self.n_updates += 1
        if age >= 0 and self.options.gw_weight:
            if self.options.loss.batches == "matched":
                if age % self.options.match_every == 0:
                    self.match(generator)
                matched = zip(self.pair, self._draw_matched(generator), strict=True)
                batches = [domain.rows[index] for domain, index in matched]
            losses["gw"], drift = self._discrepancy(batches)
            further = self.options.gw_weight * losses["gw"] + self.options.scale_weight * drift
            losses["loss"] = losses["loss"] + further
        return losses

    @torch.no_grad()
    def validation_loss(self) -> float | None:
        """Sum of both domains' mean squared errors per feature on held-out rows."""
        if any(not len(domain.held_out) for domain in self.pair):
            return None
        return float(sum(domain.validation_loss() for domain in self.pair))

    @torch.no_grad()
    def match(self, generator: torch.Generator) -> tuple[Pair, Pair]:
        """Match the domains anew.

        Returns
        -------
        codes : tuple of Tensors of shapes (P, kx) and (P', ky)
            Normal codes of both pools.
        means : tuple of Tensors of shapes (kx,) and (ky,)
            Means of the codes.
        """
        (z, mean_z), (w, mean_w) = (domain.normal_codes() for domain in self.pair)
        i, j = (domain.draw_reference(generator) for domain in self.pair)
        if self.matched_by is MatchedBy.NOTHING:
            self._match_first((z, w))
        elif self.matched_by is MatchedBy.CODES:
            refined = self.matcher.refine((z[i], w[j]), self.code_similarity.value)
            self.code_similarity.assign(refined.similarity)
            self._update_matches(refined.transport.marginals, (z, w))
        if self.matched_by is MatchedBy.ROWS:
            matched = z[self.matches[:, 0]], w[self.matches[:, 1]]
            self.code_similarity.assign(similarity_of_matches(*matched, self.mass))
        return (z, w), (mean_z, mean_w)

    def in_common_space(self, codes: Pair) -> Pair:
        """Both pools in the space in which near points match."""
        x, y = self.registered(codes)
        displacement = self.displacement(codes)
        return (x if displacement is None else displacement(x)), y

    def registered(self, codes: Pair) -> Pair:
        """Both pools after the similarity."""
        x, y = self.pair
        if self.matched_by is MatchedBy.ROWS:
            return self.row_similarity(x.coordinates), y.coordinates
        return self.code_similarity(codes[0]), codes[1]

    def displacement(self, codes: Pair) -> Displacement | None:
        """The displacement of registered points by anchor pairs, the first rows of both pools."""
        if not self.displaced:
            return None
        return self.matcher.displacement(*self.registered(codes))

    def cost(self, codes: Pair) -> float:
        """Mean squared distance of normal codes of matched rows, relative to all pairs of codes."""
        i, j = self.matches.T
        z, w = self.code_similarity(codes[0]), codes[1]
        matched = (z[i] - w[j]).square().sum(1) @ self.mass / self.mass.sum()
        within = 0.5 * (rms_distance(z) ** 2 + rms_distance(w) ** 2)
        between = (z.mean(0) - w.mean(0)).square().sum()
        return float(matched / (within + between))

    def _match_first(self, codes: Pair) -> None:
        """Match without an initial similarity. Matches by rows are final: rows do not change."""
        x, y = self.pair
        i, j = x.reference, y.reference
        rows = x.rows[x.pool[i]], y.rows[y.pool[j]]
        coordinates = x.coordinates[i], y.coordinates[j]
        found = self.matcher.match((codes[0][i], codes[1][j]), rows, coordinates)
        self.margin.fill_(found.margin)
        self.cost_ratio.fill_(found.cost_ratio)
        self.displaced.fill_(found.displaced)
        self.matched_by_code.fill_(MatchedBy.ROWS if found.by_rows else MatchedBy.CODES)
        stored = self.row_similarity if found.by_rows else self.code_similarity
        stored.assign(found.similarity)
        self._update_matches(found.mass, codes)

    def _update_matches(self, mass: Pair, codes: Pair) -> None:
        """Match the pools by the new similarity; rows get the nearest reference row's mass."""
        common = self.in_common_space(codes)
        self.matches.copy_(nearest_both_ways(*common))
        of_pools = [
            (len(m) * m)[nearest(points, points[domain.reference])]
            for points, m, domain in zip(common, mass, self.pair, strict=True)
        ]
        self.mass.copy_(torch.cat(of_pools))

    def _discrepancy(self, batches: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Discrepancy of the codes of two batches of rows, and the drift of the codes' scales."""
        D, E = (
            pairwise_distances(domain.model.autoencoder.encode(rows))
            for domain, rows in zip(self.pair, batches, strict=True)
        )
        rms = [C.square().mean().clamp_min(MIN_RMS_DISTANCE**2).sqrt() for C in (D, E)]
        if not self.options.loss.normalized:
            return self._raw_discrepancy(D, E, rms), D.new_zeros(())
        drift = D.new_zeros(())
        for r, domain in zip(rms, self.pair, strict=True):
            if not domain.scale:  # no matching has measured it
                domain.scale.copy_(r.detach())
            drift = drift + (r / domain.scale - 1).square()
        return self._divergence(D / rms[0], E / rms[1], self.options.epsilon), drift

    def _raw_discrepancy(self, D: Tensor, E: Tensor, rms: list[Tensor]) -> Tensor:
        """The divergence with an absolute epsilon, solved in units of the root mean square."""
        unit = float(torch.stack(rms).detach().square().mean().sqrt())
        epsilon = self.options.epsilon / unit**2
        return unit**2 * self._divergence(D / unit, E / unit, epsilon)

    def _divergence(self, D: Tensor, E: Tensor, epsilon: float) -> Tensor:
        """2 GW(D, E) - GW(D, D) - GW(E, E)."""
        matched = self.options.loss.batches == "matched"
        n_steps = self.options.n_gw_steps if matched else MAX_COLD_STEPS
        self_terms = [self_term(C, epsilon, max_iter=n_steps) for C in (D, E)]
        return 2 * self._cross_term(D, E, epsilon) - sum(self_terms)

    def _draw_matched(self, generator: torch.Generator) -> Pair:
        """Positions of rows of both domains and of their matches, half of a batch from each."""
        x, y = self.pair
        n = self.options.batch_size // 2
        masses = self.mass.cpu().clamp_min(MIN_MASS).split([len(x.pool), len(y.pool)])
        drawn = [torch.multinomial(m, min(n, len(m)), generator=generator) for m in masses]
        i, j = self.matches[torch.cat([drawn[0], len(x.pool) + drawn[1]])].T
        return x.pool[i], y.pool[j]

    def _cross_term(self, D: Tensor, E: Tensor, epsilon: float) -> Tensor:
        D0, E0 = D.detach(), E.detach()
        problem = uniform_problem(D0, E0)
        if self.options.loss.batches == "independent":
            return cross_term(cold_solve(problem, epsilon), D, E, epsilon)
        start = matched_start(problem, D0[None], E0[None], loss="L2")
        solution = solve_from(problem, start, epsilon, max_iter=self.options.n_gw_steps)
        return cross_term(solution, D, E, epsilon)


def nearest_both_ways(x: Tensor, y: Tensor) -> Tensor:
    """The nearest of the other points for each point of x (n, d) and of y (m, d).

    Returns
    -------
    Tensor of int of shape (n + m, 2)
        Positions in x and in y.
    """
    in_y, in_x = nearest(x, y), nearest(y, x)
    i, j = (torch.arange(len(points), device=points.device) for points in (x, y))
    return torch.cat([torch.stack([i, in_y], 1), torch.stack([in_x, j], 1)])
