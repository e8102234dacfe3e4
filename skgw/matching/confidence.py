"""Confidence in the match of each row.

A plan is sharper than the data allow: its regularisation is chosen for a good translation. What is
known of a row's true match is therefore drawn from a wider plan. The match of a row differs from
the place of the row by noise, whose size is the cost of the row's matches. If the noise is Gaussian
in k dimensions, a match of cost c has the density ``exp(-k c / (2 noise))``. Squared distances of
Gaussian points have the relative variance ``2 / k``, so that the costs of all pairs tell k. A row
draws a row of the other domain with the probability of this plan, and the other row draws it in
turn. The true match of a row is a draw on which both agree.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp, softmax
from sklearn.utils import gen_batches

from skgw.matching.out_of_sample import PlanExtension
from skgw.matching.registered_extension import BATCH, Mixture, RegisteredExtension
from skgw.solvers.linear import Extension
from skgw.spaces.finite import Array, Index

RowExtension = PlanExtension | RegisteredExtension


def row_confidence(
    extension: RowExtension, rows: Array, reference: tuple[Array, Array], squares: Array
) -> Array:
    """Confidence in the match of each training row of the first space, (n,), between 0 and 1.

    It is the expected share of the reference rows of the other space that are farther from the
    row's matches than its true match is.

    Parameters
    ----------
    extension : PlanExtension or RegisteredExtension
    rows : array of shape (n, v)
        What the extension reads of the training rows.
    reference : tuple of arrays of shapes (r, v) and (s, w)
        What it reads of the reference rows of both spaces.
    squares : array of shape (s, s)
        Squared distances between the reference rows of the other space.
    """
    here, there = reference
    n, _, _, s, *_ = extension.shape
    scales = [_relative_variance(costs) for costs in extension.costs(here, there)]
    back = _NoisyPlan.of(extension.reversed(), there, here, scales)
    matches, (_, columns) = extension.onto_reference(), extension.reference
    confidence = np.empty(n)
    for batch in gen_batches(n, BATCH):
        forth = _NoisyPlan.of(extension, rows[batch], there, scales)
        agreed = softmax(forth.logarithms(columns) + back.logarithms(np.r_[batch]).T, axis=1)
        nearest = np.argsort(matches.rows(rows[batch]) @ squares, axis=1)
        nearer = np.take_along_axis(agreed, nearest, axis=1) @ np.arange(s)
        confidence[batch] = 1 - nearer / max(s - 1, 1)
    return confidence.clip(0, 1)


def _relative_variance(costs: Array) -> float:
    """Variance over the squared mean; zero if all are zero."""
    mean = float(costs.mean())
    return float(costs.var()) / mean**2 if mean > 0 else 0.0


class _NoisyPlan(NamedTuple):
    """Conditional plans whose regularisation is the noise of each row.

    Attributes
    ----------
    plans : Mixture
        Over all training rows of the second space.
    rows : array of shape (b, v)
        What the plans read of the rows.
    noise : array of shape (c, b)
        Regularisation of each row in each part of the mixture.
    totals : array of shape (c, b)
        Logarithms of the sums over the reference rows of the second space.
    """

    plans: Mixture
    rows: Array
    noise: Array
    totals: Array

    @classmethod
    def of(
        cls, extension: RowExtension, rows: Array, others: Array, scales: Iterable[float]
    ) -> _NoisyPlan:
        """The plans of rows (b, v); the reference rows (s, w) of the second space are others.

        `scales` turns the cost of a row's matches into its regularisation, for each part.
        """
        noise, totals = [], []
        reference = _mixture(extension.onto_reference())
        for part, costs, scale in zip(
            reference.parts, extension.costs(rows, others), scales, strict=True
        ):
            logits = part.logits(rows)
            cost = np.einsum("ij,ij->i", softmax(logits, axis=1), costs)
            noise.append(np.maximum(scale * cost, part.reg))
            totals.append(logsumexp(logits * (part.reg / noise[-1])[:, None], axis=1))
        return cls(_mixture(extension.to_y), rows, np.stack(noise), np.stack(totals))

    def logarithms(self, columns: Index) -> Array:
        """Logarithms (b, c) of the plan over some training rows of the second space."""
        plans = self.plans.at(columns)
        parts = (
            part.logits(self.rows) * (part.reg / noise)[:, None] + (np.log(weight) - total)[:, None]
            for part, weight, noise, total in zip(*plans, self.noise, self.totals, strict=True)
        )
        return functools.reduce(np.logaddexp, parts)


def _mixture(plans: Mixture | Extension) -> Mixture:
    return plans if isinstance(plans, Mixture) else Mixture((plans,), np.ones(1))


def distances_of_means(W: Array, V: Array, between: Array) -> Array:
    """Distances (b, c) between weighted means of points.

    The distances are exact for points of a Euclidean space of any dimension. For other distances
    the formula is a definition, and negative squares count as zero.

    Parameters
    ----------
    W, V : array of shapes (b, s) and (c, s)
        Weights; each row has the sum one.
    between : array of shape (s, s)
        Distances between the points.
    """
    squares = between * between
    cross = W @ squares  # (b, s)
    within_W = 0.5 * np.einsum("ij,ij->i", cross, W)[:, None]
    within_V = 0.5 * np.einsum("ij,ij->i", V @ squares, V)
    return np.sqrt(np.maximum(cross @ V.T - within_W - within_V, 0))
