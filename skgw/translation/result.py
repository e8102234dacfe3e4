"""The fitted translator of co-training, and its diagnostics."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skgw.exceptions import AmbiguousMatchingWarning, warn_user
from skgw.nn import FittedNetwork
from skgw.nn.residual import ResidualMap, ResidualSpec
from skgw.registration.split_half import POOR_COST_RATIO
from skgw.solvers import LazyPlan
from skgw.spaces.finite import Array
from skgw.training import TrainingOptions, train
from skgw.translation.autoencoded_domain import rms_distance
from skgw.translation.code_map import CodeMap
from skgw.translation.matches import LatentMatches, nearest
from skgw.translation.objective import CoTrainingObjective, MatchedBy
from skgw.translation.parameters import TranslationNetwork
from skgw.translation.setup import DomainSetup
from skgw.translation.translation_network import TranslationObjective
from skgw.translation.translator import RowMap, Translator

# Margin below which a matching is ambiguous: samples of rings, squares and normal distributions
# have margins of 0 to 0.17, samples of most shapes without symmetry 0.2 and more.
AMBIGUOUS_MARGIN = 0.2

ArrayPair = tuple[Array, Array]
Networks = tuple[FittedNetwork[ResidualMap], FittedNetwork[ResidualMap]]


class CoTrained(NamedTuple):
    """Two domains that were trained together.

    Attributes
    ----------
    translator : Translator
    mass : tuple of arrays of shapes (r,) and (s,)
        Matched mass of each row of the two pools, relative to the mean.
    cost, cost_ratio, margin : float
        As in the attributes of `GWCoTrainedAutoencoders`.
    """

    translator: Translator
    mass: ArrayPair
    cost: float
    cost_ratio: float
    margin: float


def conclude(
    objective: CoTrainingObjective,
    domains: tuple[DomainSetup, DomainSetup],
    noise: torch.Generator,
    *,
    n_reference: int,
    unbalanced: bool,
    network: TranslationNetwork | None,
) -> CoTrained:
    """Match the final codes, and keep the maps between the domains.

    Parameters
    ----------
    objective : CoTrainingObjective
        After the training.
    domains : pair of DomainSetup
    noise : torch.Generator
    n_reference : int
        Number of rows that are matched at once.
    unbalanced : bool
        Whether rows may be matched with less than their mass.
    network : TranslationNetwork or None
        Maps to train between the codes, if any.
    """
    codes, means = objective.match(noise)
    pools = [domain.pool.cpu().numpy() for domain in objective.pair]
    in_common = _arrays(*objective.in_common_space(codes))
    points = _arrays(
        codes[0] @ objective.code_similarity.rotation, codes[1] - objective.code_similarity.offset
    )
    mass = _arrays(*objective.mass.split([len(pool) for pool in pools]))
    matches = LatentMatches.of(in_common, n_reference, mass if unbalanced else None)
    networks = None
    if network is not None:
        targets = (
            matches.means(in_common[0], points[1], 0),
            matches.means(in_common[1], points[0], 1),
        )
        networks = _train_networks(network, objective, points, targets, noise)
    translator = Translator(
        domains=(domains[0].coded_domain(), domains[1].coded_domain()),
        code_map=_code_map(objective, means),
        row_map=_row_map(objective, domains),
        displacement=objective.displacement(codes),
        matches=matches,
        rows=(domains[0].rows[pools[0]], domains[1].rows[pools[1]]),
        points=points,
        positions=(pools[0], pools[1]),
        networks=networks,
    )
    return CoTrained(
        translator,
        mass,
        objective.cost(codes),
        float(objective.cost_ratio),
        float(objective.margin),
    )


class RowDescription(NamedTuple):
    """Codes and matches of the training rows.

    Attributes
    ----------
    codes : tuple of arrays of shapes (n, kx) and (m, ky)
    mass : array of shape (n,)
        Matched mass of each row of the first domain, relative to the mean.
    plan : LazyPlan of shape (n, m)
    confidence : array of shape (n,)
        Confidence in the match of each row of the first domain.
    matches : tuple of arrays of int of shapes (n,) and (m,)
        Positions among the training rows of the other domain.
    diagnostics : dict
        `GWCoTrainedAutoencoders.diagnostics_`.
    """

    codes: ArrayPair
    mass: Array
    plan: LazyPlan
    confidence: Array
    matches: ArrayPair
    diagnostics: dict[str, float]


def describe_rows(
    found: CoTrained, points: ArrayPair, device: torch.device, *, unbalanced: bool
) -> RowDescription:
    """Encode and match all training rows, given by what the encoders read of the rows."""
    fitted, matches = found.translator, found.translator.matches
    x, y = (fitted.in_common_space(Z, domain, device) for domain, Z in enumerate(points))
    mass = found.mass[0][nearest(x, matches.points[0])]
    codes = (
        fitted.domains[0].encode(points[0], device),
        fitted.domains[1].encode(points[1], device),
    )
    return RowDescription(
        codes=codes,
        mass=mass,
        plan=matches.plan(x, y, 0, mass if unbalanced else None),
        confidence=matches.confidence(x, 0),
        matches=(
            fitted.positions[1][matches.nearest(x, 0)],
            fitted.positions[0][matches.nearest(y, 1)],
        ),
        diagnostics=diagnostics(found, codes),
    )


def diagnostics(found: CoTrained, codes: ArrayPair) -> dict[str, float]:
    """`GWCoTrainedAutoencoders.diagnostics_`, from the codes of all training rows."""
    figures = {"cost": found.cost, "cost_ratio": found.cost_ratio}
    for name, z, scale in zip("xy", codes, found.translator.code_map.scales, strict=True):
        figures[f"scale_{name}"] = float(rms_distance(torch.as_tensor(z))) / scale
        figures[f"rank_{name}"] = effective_rank(z)
    return figures


def effective_rank(codes: Array) -> float:
    """Effective number of dimensions of codes: 1 on a line, k for equal variances."""
    variances = np.linalg.eigvalsh(np.atleast_2d(np.cov(codes.T))).clip(0)
    return float(variances.sum() ** 2 / max(np.square(variances).sum(), np.finfo(float).tiny))


def warn_of_doubts(found: CoTrained) -> None:
    """Warn if the matching is ambiguous or poor."""
    faults = []
    if found.margin < AMBIGUOUS_MARGIN:
        faults.append(
            "The matching is ambiguous: a different matching fits nearly as well "
            f"(`margin_` is {found.margin:.2g}, below {AMBIGUOUS_MARGIN})."
        )
    if found.cost_ratio > POOR_COST_RATIO:
        faults.append(
            f"The matching is poor: its cost is {found.cost_ratio:.2g} times the cost of "
            "matching halves of one domain. The domains may differ in their distances."
        )
    if faults:
        faults.append("A few anchor pairs (`pairs` or `labels`) can decide.")
        warn_user(" ".join(faults), AmbiguousMatchingWarning)


def _code_map(objective: CoTrainingObjective, means: tuple[Tensor, Tensor]) -> CodeMap:
    x, y = objective.pair
    return CodeMap(
        _arrays(means[0], means[1] + y.scale * objective.code_similarity.offset),
        (float(x.scale), float(y.scale)),
        _array(objective.code_similarity.rotation),
    )


def _row_map(
    objective: CoTrainingObjective, domains: tuple[DomainSetup, DomainSetup]
) -> RowMap | None:
    """The similarity of principal coordinates, if rows are matched by them."""
    if objective.matched_by is not MatchedBy.ROWS:
        return None
    axes = domains[0].axes, domains[1].axes
    return RowMap(
        axes, _array(objective.row_similarity.rotation), _array(objective.row_similarity.offset)
    )


def _train_networks(
    network: TranslationNetwork,
    trained: CoTrainingObjective,
    points: ArrayPair,
    targets: ArrayPair,
    noise: torch.Generator,
) -> Networks:
    """Maps between the codes of both domains, trained on the means of matched codes."""
    spec = ResidualSpec(points[0].shape[1])
    maps = spec.build(0), spec.build(1)
    objective = TranslationObjective(
        maps,
        points,
        targets,
        cycle_weight=network.cycle_weight,
        batch_size=trained.options.batch_size,
    )
    objective.to(trained.mass.device)
    train(objective, TrainingOptions(max_iter=network.n_updates), noise)
    return FittedNetwork.of(maps[0], spec), FittedNetwork.of(maps[1], spec)


def _arrays(x: Tensor, y: Tensor) -> ArrayPair:
    return _array(x), _array(y)


def _array(x: Tensor) -> Array:
    return np.asarray(x.double().cpu())
