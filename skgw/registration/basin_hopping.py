"""Basin hopping: a search for the similarity between clouds whose points may have no match.

Where groups have different shares in the two clouds, Gromov-Wasserstein plans between the points
take large groups to large groups, and the right similarity is not a local minimum near them. The
search has three parts.

1. Centres of k-means stand for the points. They are less noisy and few, so that many unbalanced
   plans between them cost little, each plan between other centres. The penalty on their marginals
   is small, as a good plan needs to match some groups only. Each plan gives a similarity.
2. The objective of `unbalanced` ranks the similarities. The best similarities that differ are
   perturbed at random, improved, and kept where the objective falls (basin hopping; Wales, Doye
   1997). A similarity is often right for some groups only. So every other perturbation fits it to
   the matches of a random part of the groups and down-weights the other groups; the perturbations
   between rotate it as a whole.
3. Mirror images of the best similarity are improved, too, and the best similarities that differ are
   registered on all points.

References
----------
:cite:t:`wales1997`.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from skgw.exceptions import (
    GWConvergenceWarning,
    without_foreign_warnings,
    without_warnings,
)
from skgw.nn import polar_factor
from skgw.registration.initial_similarities import mirror_images
from skgw.registration.multistart import BestSimilarity, ComparisonSettings, differ, select_best
from skgw.registration.procrustes import Pair
from skgw.registration.similarity import Similarity, first_distinct, similarity_of_plan
from skgw.registration.unbalanced import (
    UnbalancedMatch,
    UnbalancedSettings,
    alternate,
    register_unbalanced,
)
from skgw.solvers import solve_gromov


@dataclass(frozen=True)
class SearchSettings:
    """Settings of `search`.

    Attributes
    ----------
    n_init : int
        Number of plans between centres.
    n_points : int
        Number of points of either cloud on which similarities are compared: more points are slower
        and more reliable.
    n_centres, min_points_per_centre : int
        Number of centres of a cloud, and points per centre in small clouds.
    centre_rho_factor : float
        Penalty on the marginals of centres, relative to the penalty on the marginals of points.
    centre_reg, centre_tol, centre_max_iter : float, float and int
        Entropic regularisation, tolerance and outer steps of the plans between centres.
    n_hopping : int
        Number of similarities that are perturbed.
    n_perturbations : int
        Number of successive perturbations of each similarity.
    rotation_noise : tuple of float
        Norms of the noise that is added to unit vectors in rotations of all points, cyclic.
    refit_rotation_noise : float
        Norm of the noise after a fit to a part of the groups.
    n_groups : int
        Number of clusters of points that are kept or down-weighted together.
    kept_shares : tuple of float
        Shares of the groups that a similarity is fitted to, in cyclic order.
    dropped_weight : float
        Weight of the other groups.
    n_final : int
        Number of similarities that are registered on all points; they give the margin.
    unbalanced : UnbalancedSettings
    comparison : ComparisonSettings
    """

    n_init: int = 16
    n_points: int = 500
    n_centres: int = 250
    min_points_per_centre: int = 4
    centre_rho_factor: float = 0.1
    centre_reg: float = 3e-3
    centre_tol: float = 1e-2
    centre_max_iter: int = 50
    n_hopping: int = 3
    n_perturbations: int = 20
    rotation_noise: tuple[float, ...] = (0.6, 1.2)
    refit_rotation_noise: float = 0.3
    n_groups: int = 12
    kept_shares: tuple[float, ...] = (0.3, 0.5, 0.7)
    dropped_weight: float = 0.02
    n_final: int = 5
    unbalanced: UnbalancedSettings = field(default_factory=UnbalancedSettings)
    comparison: ComparisonSettings = field(default_factory=ComparisonSettings)


def search(
    points: Pair,
    start: Similarity[Tensor] | None = None,
    *,
    n_pairs: int = 0,
    settings: SearchSettings = SearchSettings(),
    seed: int = 0,
) -> BestSimilarity:
    """Search the best similarity between two clouds of which some points may have no match.

    Parameters
    ----------
    points : pair of Tensors of shapes (n, k) and (m, l)
        In random order, but for the anchor pairs.
    start : Similarity, optional
        One more start.
    n_pairs : int
        Number of anchor pairs, the first points of both clouds: one more start.
    settings : SearchSettings
    seed : int
    """
    hopping = BasinHopping(points, settings, seed)
    starts = [_similarity_of_centres(points, settings, seed + k) for k in range(settings.n_init)]
    if n_pairs:
        source, target = (z[:n_pairs] for z in points)
        starts.append(similarity_of_plan(source, target, torch.eye(n_pairs).to(source)))
    starts += [] if start is None else [start]
    schedule = settings.unbalanced
    coarse = schedule.restricted(None, 3)
    found = sorted((hopping.improve(each, coarse) for each in starts), key=_objective)
    hopped = [hopping.run(each) for each in hopping.distinct(found, settings.n_hopping)]
    mirrored = hopping.mirror_images(min(hopped, key=_objective).similarity)
    candidates = sorted(hopped + found + mirrored, key=_objective)
    final = [
        register_unbalanced(*points, each.similarity, schedule.restricted(1, None))
        for each in hopping.distinct(candidates, settings.n_final)
    ]
    return select_best(points, final, n_pairs, settings.comparison)


class BasinHopping:
    """Successive random perturbations of similarities on a part of the points.

    Parameters
    ----------
    points : pair of Tensors of shapes (n, k) and (m, l)
        In random order.
    settings : SearchSettings
    seed : int
    """

    def __init__(self, points: Pair, settings: SearchSettings, seed: int) -> None:
        self.source, self.target = (z[: settings.n_points] for z in points)
        self.settings = settings
        self.generator = torch.Generator().manual_seed(seed)
        self.groups = _clusters(self.source, settings.n_groups, settings, seed)

    def improve(
        self, start: Similarity[Tensor], settings: UnbalancedSettings | None = None
    ) -> UnbalancedMatch:
        """Improve a similarity; by default in the middle of the schedule."""
        settings = settings or self.settings.unbalanced.restricted(1, 3)
        return alternate(self.source, self.target, start, settings)

    def distinct(self, matches: Iterable[UnbalancedMatch], n_max: int) -> list[UnbalancedMatch]:
        """The first matches whose similarities take points to different places."""

        def take_elsewhere(first: UnbalancedMatch, second: UnbalancedMatch) -> bool:
            places = first.similarity(self.source), second.similarity(self.source)
            return differ(*places, self.settings.comparison)

        return first_distinct(matches, n_max, take_elsewhere)

    def mirror_images(self, similarity: Similarity[Tensor]) -> list[UnbalancedMatch]:
        """Improved mirror images of a similarity."""
        n_axes = self.settings.comparison.n_mirror_axes
        images = mirror_images(self.source, similarity.rotation, n_axes)
        return [self.improve(similarity._replace(rotation=image)) for image in images]

    def run(self, best: UnbalancedMatch) -> UnbalancedMatch:
        """The best match of all perturbations, each from the best match before."""
        settings = self.settings
        for k in range(settings.n_perturbations):
            if k % 2:
                share = settings.kept_shares[k // 2 % len(settings.kept_shares)]
                similarity = self.refit(best, share)
                noise = settings.refit_rotation_noise
            else:
                similarity = best.similarity
                noise = settings.rotation_noise[k // 2 % len(settings.rotation_noise)]
            best = min(best, self.improve(self.rotate(similarity, noise)), key=_objective)
        return best

    def refit(self, match: UnbalancedMatch, share: float) -> Similarity[Tensor]:
        """Fit the similarity to the matches of a random share of the groups."""
        n_groups = int(self.groups.max()) + 1
        kept = torch.rand(n_groups, generator=self.generator, dtype=torch.float32) < share
        kept = kept.to(self.groups.device)[self.groups]
        dropped = torch.full_like(kept, self.settings.dropped_weight, dtype=torch.float32)
        weights = dropped.masked_fill(kept, 1.0)
        plan = weights[:, None].to(match.plan) * match.plan
        return similarity_of_plan(
            self.source, self.target, plan, max_scale=self.settings.unbalanced.max_scale
        )

    def rotate(self, similarity: Similarity[Tensor], noise: float) -> Similarity[Tensor]:
        """Perturb the rotation by Gaussian noise, of this norm relative to unit vectors."""
        rotation = similarity.rotation
        gaussian = torch.randn(rotation.shape, generator=self.generator, dtype=torch.float32)
        k = max(rotation.shape)
        scale = rotation.norm() / min(rotation.shape) ** 0.5
        perturbed = polar_factor(rotation / scale + noise / k**0.5 * gaussian.to(rotation))
        return similarity._replace(rotation=scale * perturbed)


def _similarity_of_centres(points: Pair, settings: SearchSettings, seed: int) -> Similarity[Tensor]:
    """The similarity of an unbalanced Gromov-Wasserstein plan between centres."""
    A, B = (_centres(z, settings, seed) for z in points)
    C, D = (torch.cdist(X, X) for X in (A, B))
    C, D = (E / E.square().mean().sqrt().clamp_min(torch.finfo(E.dtype).tiny) for E in (C, D))
    with without_warnings(GWConvergenceWarning):  # a start need not converge
        result = solve_gromov(
            C, D, reg=settings.centre_reg, tol=settings.centre_tol,
            unbalanced=settings.centre_rho_factor * settings.unbalanced.rho,
            max_iter=settings.centre_max_iter,
        )  # fmt: skip
    plan = torch.as_tensor(result.plan).to(A)
    return similarity_of_plan(A, B, plan, max_scale=settings.unbalanced.max_scale)


def _centres(Z: Tensor, settings: SearchSettings, seed: int) -> Tensor:
    """Means (c, k) of the clusters of points."""
    labels = _clusters(Z, settings.n_centres, settings, seed)
    one_hot = torch.nn.functional.one_hot(labels).T.to(Z)  # (c, n)
    return one_hot / one_hot.sum(1, keepdim=True) @ Z


def _clusters(Z: Tensor, n_clusters: int, settings: SearchSettings, seed: int) -> Tensor:
    """The cluster of each point, (n,), counted from 0 without gaps."""
    n_clusters = max(2, min(n_clusters, len(Z) // settings.min_points_per_centre))
    with without_foreign_warnings(ConvergenceWarning, "sklearn"):  # points may coincide
        clusters = KMeans(n_clusters, n_init=1, random_state=seed)
        labels = clusters.fit_predict(Z.double().cpu().numpy())
    return torch.as_tensor(np.unique(labels, return_inverse=True)[1], device=Z.device)


_objective = operator.attrgetter("objective")
