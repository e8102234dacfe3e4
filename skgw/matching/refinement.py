"""Refine a matching by near distances, where most of the information on single rows is.

Domains are often alike only locally: parts of a protein or of a mesh move, paths in a graph take
other ways. Far distances then find the right region, but not the row, and they are the many. So the
matching is improved under saturated distances, which tell near rows apart and take all others for
about as far. It gets colder as long as at least half of the nearest neighbours of a row go to
nearest neighbours of its partner; a matching that keeps fewer is one of regions, and a cold one
would only pretend to know more.

Where both domains have features, these may be related by more than distances tell. An orthogonal
map is fitted to the matching, and taken if it keeps clearly more neighbours than the matching
that was fitted to keep them.

Independent samples of many groups may have nothing near in common but noise. A matching that
keeps more neighbours as it was is left alone.
"""

from __future__ import annotations

import functools
import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skgw.exceptions import GWConvergenceWarning
from skgw.matching.side_information import Hints
from skgw.matching.training_domain import ReferenceDomain, TrainingDomain, reference_domains
from skgw.registration.procrustes import register
from skgw.solvers import GromovResult, solve_gromov
from skgw.spaces.finite import Metric

Array = NDArray[Any]
Domains = tuple[ReferenceDomain, ReferenceDomain]

NEIGHBORS = 40  # the reach of saturated distances: this neighbour's
LINEAR = "raw euclidean", "standard euclidean"  # distances that an orthogonal map keeps
TEMPERATURES = (0.1, 0.03, 0.01)  # in turn, over the product coupling's discrepancy
COLD = TEMPERATURES[-1:]
KEPT, NEAREST = 0.5, 5  # share of nearest neighbours from which on rows are matched, and how many
GAIN = 1.03  # by how much more a map has to keep: what differs less is about as good
COLDEST = 1e-5  # strength of the entropy
ROUGH, TOLERANCE = 1e-2, 1e-4
MAX_ROUGH, MAX_ITER = 10, 100
TIE = 1e-6  # relative difference of distances that are equal


class Refined(NamedTuple):
    """A matching by near distances.

    Attributes
    ----------
    metrics : tuple
    domains : tuple of ReferenceDomain
        Saturated.
    result : GromovResult
    kept : float
        Share of nearest neighbours that it keeps.
    """

    metrics: tuple[Metric, Metric]
    domains: Domains
    result: GromovResult
    kept: float


def refine_coupling(
    pair: tuple[TrainingDomain, TrainingDomain],
    metrics: tuple[Metric, Metric],
    domains: Domains,
    hints: Hints,
    plan: Tensor,
) -> Refined | None:
    """Improve a plan (r, s) between reference rows; None if it is better as it is.

    Parameters
    ----------
    pair : pair of TrainingDomain
    metrics : pair of str or callable
        Those of the domains.
    domains : pair of ReferenceDomain
    hints : Hints
    plan : Tensor of shape (r, s)
    """
    graphs = _graphs(domains, plan)
    kept = kept_neighbors(graphs, plan)
    best = refine(metrics, domains, hints, plan)
    if all(_has_rotation(domain) for domain in pair):
        best = _refine_by_maps(pair, graphs, hints, domains, best)
    if kept > max(best.kept, KEPT):  # warm, it lost what was right
        best = refine(metrics, domains, hints, plan, COLD)
    return best if best.kept >= kept else None


def _refine_by_maps(
    pair: tuple[TrainingDomain, TrainingDomain],
    graphs: tuple[Tensor, Tensor],
    hints: Hints,
    domains: Domains,
    best: Refined,
) -> Refined:
    """The best plan, or what an orthogonal map of features makes of it if that keeps more."""
    rows = domains[0].rows, domains[1].rows
    tries = []
    for metric in LINEAR:
        one, other = (domain.prepared(metric, i) for domain, i in zip(pair, rows, strict=True))
        moved = register_points((one, other), best.result.plan)
        tries.append((kept_neighbors(graphs, moved), metric, moved))
    kept, metric, moved = max(tries, key=lambda each: each[0])
    if kept <= GAIN * best.kept:
        return best
    flat = (metric, metric), reference_domains(pair, (metric, metric), rows)
    found = refine(*flat, hints, moved, COLD)
    found = found._replace(kept=kept_neighbors(graphs, found.result.plan))
    return max(best, found, key=lambda each: each.kept)


def refine(
    metrics: tuple[Metric, Metric],
    domains: Domains,
    hints: Hints,
    plan: Tensor,
    temperatures: tuple[float, ...] = TEMPERATURES,
) -> Refined:
    """Improve a plan by near distances; ever colder while it keeps neighbours."""
    near = domains[0].saturated(NEIGHBORS), domains[1].saturated(NEIGHBORS)
    A, B = (torch.from_numpy(np.asarray(d.between(), dtype=np.float64)).to(plan) for d in near)
    M = hints.cost(near[0].between(), near[1].between(), near[0].rows, near[1].rows)
    cost = None if M is None else torch.from_numpy(M).to(plan)
    product = float(A.square().mean() + B.square().mean() - 2 * A.mean() * B.mean())
    solve = functools.partial(solve_gromov, A, B, cost, alpha=hints.weight)
    graphs = _graphs(domains, plan)
    for temperature in temperatures:
        reg = max(temperature * product, COLDEST)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GWConvergenceWarning)  # it need not yet
            plan = solve(reg=reg, init=plan, tol=ROUGH, max_iter=MAX_ROUGH).plan
        if kept_neighbors(graphs, plan) < KEPT:
            break
    result = solve(reg=reg, init=plan, tol=TOLERANCE, max_iter=MAX_ITER)
    return Refined(metrics, near, result, kept_neighbors(graphs, result.plan))


def _has_rotation(domain: TrainingDomain) -> bool:
    """Whether the metric is free, and there are rows enough to tell an orthogonal map."""
    return set(LINEAR) <= set(domain.metrics) and domain.X.shape[1] < domain.X.shape[0]


def _graphs(domains: Domains, plan: Tensor) -> tuple[Tensor, Tensor]:
    one, other = (nearest_neighbors(torch.from_numpy(d.between()).to(plan)) for d in domains)
    return one, other


def register_points(points: tuple[Array, Array], plan: Tensor) -> Tensor:
    """The plan (r, s) between rows of features (r, p) and (s, q) after an orthogonal map."""
    Z, W = (_normalised(torch.from_numpy(np.asarray(x, dtype=np.float64))) for x in points)
    return register(Z.to(plan), W.to(plan), plan=plan).transport.plan


def _normalised(Z: Tensor) -> Tensor:
    Z = Z - Z.mean(0)
    return Z / Z.square().sum(1).mean().sqrt().clamp_min(torch.finfo(Z.dtype).tiny)


def nearest_neighbors(D: Tensor, k: int = NEAREST) -> Tensor:
    """Which rows are as near as the k-th nearest, (n, n), of 0 and 1; a row is none of its own."""
    k = max(1, min(k, len(D) // 3))
    D = D + torch.diag(torch.full_like(D[0], torch.inf))
    farthest = D.kthvalue(k, dim=1, keepdim=True).values
    return (farthest * (1 + TIE) >= D).to(D)


def kept_neighbors(graphs: tuple[Tensor, Tensor], plan: Tensor) -> float:
    """Share of nearest neighbours whose partners are nearest neighbours, mean of both ways.

    Parameters
    ----------
    graphs : pair of Tensors of shapes (n, n) and (m, m)
        As of `nearest_neighbors`.
    plan : Tensor of shape (n, m)
    """
    G, H = graphs
    return (_kept(G, H, plan.argmax(1)) + _kept(H, G, plan.argmax(0))) / 2


def _kept(G: Tensor, H: Tensor, partner: Tensor) -> float:
    """Cosine of a graph and the one that the partners of its nodes have, without loops."""
    images = H[partner][:, partner]
    return float((G * images).sum() / (G.sum() * images.sum()).sqrt().clamp_min(1))
