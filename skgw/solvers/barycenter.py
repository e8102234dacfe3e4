"""Gromov-Wasserstein barycenters: the space of least mean discrepancy from several spaces.

Plans between the spaces and the barycenter, and the barycenter itself, are found in turn [1]_. With
plans T_s of the spaces C_s, weights l_s and node weights b, the best matrix and the best features
[2]_ of the barycenter are

    C = sum_s l_s T_s' C_s T_s / (b b'),     F = sum_s l_s T_s' F_s / b.

Each plan is the start of the next one; after the first updates annealed plans are compared with it,
as the first barycenter may have led to a poor minimum. Free node weights are moved along the
derivative of the objective, which the dual potentials give, by steps of mirror descent.

References
----------
.. [1] :cite:t:`peyre2016`, Algorithm 1.
.. [2] :cite:t:`vayer2020`, Section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from skgw.exceptions import GWConvergenceWarning, warn_user, without_warnings
from skgw.solvers.gromov import solve_gromov
from skgw.solvers.inputs import Array, are_tensors, check_square, read_tensor, read_weights
from skgw.solvers.options import check_integer, check_options, check_real
from skgw.solvers.precision import full_precision

FIRST_STEP = 0.5  # of mirror descent, in units of the mean squared entry
STEP_DECAY = 0.9  # factor from one step to the next
COLD_STARTS = 5  # updates after which annealed plans are compared with warm-started ones
FIXED = (None, "structure", "features")


@dataclass(frozen=True, eq=False, repr=False)
class GromovBarycenter:
    """A barycenter of several spaces; arrays have the kind of the input.

    Attributes
    ----------
    structure : array of shape (size, size)
        The matrix of the barycenter.
    features : array of shape (size, n_features) or None
        Its features, in a fused problem.
    weights : array of shape (size,)
        Its node weights.
    plans : list of arrays of shapes (n_s, size)
        The coupling of each space and the barycenter.
    values : array of shape (n_spaces,)
        The objective of each coupling, as ``GromovResult.value``.
    value : 0-d array
        The weighted mean of `values`.
    converged : bool
        Whether the last iteration lowered the value by less than `tol`, relative to the first one.
    n_iter : int
        Updates of the barycenter.
    """

    structure: Array
    features: Array | None
    weights: Array
    plans: list[Array]
    values: Array
    value: Array
    converged: bool
    n_iter: int

    def __repr__(self) -> str:
        return (
            f"GromovBarycenter(structure of shape {tuple(self.structure.shape)} of "
            f"{len(self.plans)} spaces, value={float(self.value):.4g}, "
            f"converged={self.converged}, n_iter={self.n_iter})"
        )


@full_precision()
def gw_barycenter(
    Cs: Sequence[Array],
    weights: Array | None = None,
    *,
    size: int | None = None,
    a: Sequence[Array] | None = None,
    b: str | Array = "uniform",
    structure: Array | None = None,
    features: Sequence[Array] | None = None,
    node_features: Array | None = None,
    fixed: str | None = None,
    alpha: float | None = None,
    reg: float = 0.0,
    reg_scale: str | None = "auto",
    n_init: int = 1,
    tol: float = 1e-5,
    max_iter: int = 50,
    random_state: Any = None,
) -> GromovBarycenter:
    r"""Barycenter of several spaces, under the square loss.

    Minimises :math:`\sum_s \lambda_s \, GW(C_s, C)` over the matrix :math:`C` of `size` points
    [1]_, with features the fused objective [2]_ over matrix and features, where the cost between
    the spaces is the squared Euclidean distance of the features.

    Parameters
    ----------
    Cs : sequence of n_spaces arrays of shapes (n_s, n_s)
        Symmetric matrices of distances or other relations, numpy or torch, of any sizes.
    weights : array of shape (n_spaces,), optional
        Weights of the spaces, of sum one; uniform by default.
    size : int, optional
        Number of points of the barycenter: by default that of `structure`, `node_features` or `b`,
        else the largest of the spaces.
    a : sequence of n_spaces arrays of shapes (n_s,), optional
        Weights of the points of each space, of sum one; uniform by default.
    b : "uniform", "free", or array of shape (size,), default="uniform"
        Node weights of the barycenter. "free" minimises over them, too.
    structure : array of shape (size, size), optional
        First matrix of the barycenter. By default points of the space of `size` points, or else of
        the largest space, that are far from each other, or repeated points.
    features : sequence of n_spaces arrays of shapes (n_s, n_features), optional
        Features of the points: a fused problem.
    node_features : array of shape (size, n_features), optional
        First features of the barycenter; by default of the points that `structure` starts with.
    fixed : {None, "structure", "features"}, default=None
        What is kept as it is given: `structure` or `node_features`.
    alpha : float in [0, 1], optional
        Weight of the matrices, 1 without features, 0.5 with them by default, see `solve_gromov`.
    reg : float, default=0
        Weight of the entropy, see `solve_gromov`. A positive one blurs the barycenter.
    reg_scale : {"auto", None}, default="auto"
        Unit of `reg`, see `solve_gromov`.
    n_init : int, default=1
        Number of starts of the first plans, see `solve_gromov`.
    tol : float, default=1e-5
        The iteration ends where an update lowers the value by less than `tol` times the mean
        squared entry of the spaces.
    max_iter : int, default=50
        Updates of the barycenter.
    random_state : int, numpy Generator or RandomState, optional
        Seed of random starts.

    Returns
    -------
    GromovBarycenter

    Raises
    ------
    ValueError, TypeError
        For invalid input; the message says what to do.

    Warns
    -----
    GWConvergenceWarning
        If `max_iter` updates do not suffice.

    See Also
    --------
    solve_gromov : The plan between two spaces.

    Notes
    -----
    The result is a local minimum. The points of a barycenter have no coordinates: an embedding of
    its matrix, such as `sklearn.manifold.MDS` with precomputed distances, draws it. A mean of
    distance matrices need not be Euclidean, and for more than two spaces need not satisfy the
    triangle inequality.

    References
    ----------
    .. [1] :cite:t:`peyre2016`.
    .. [2] :cite:t:`vayer2020`.

    Examples
    --------
    The barycenter of shuffled copies of a space is that space:

    >>> import numpy as np
    >>> from skgw.solvers import gw_barycenter, solve_gromov
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(30, 2))
    >>> C = np.linalg.norm(x[:, None] - x[None], axis=2)
    >>> orders = [rng.permutation(30) for _ in range(3)]
    >>> mean = gw_barycenter([C[np.ix_(order, order)] for order in orders])
    >>> mean.structure.shape, bool(mean.value < 1e-9)
    ((30, 30), True)
    """
    is_torch = are_tensors(*Cs, weights, structure, *(features or ()))
    spaces = _spaces(Cs)
    like = spaces[0]
    lambdas = read_weights(weights, len(spaces), "weights", like.dtype, like.device)
    masses = None if a is None else _listed(a, spaces, "a")
    parts = None if features is None else _listed(features, spaces, "features")
    alpha = check_options("L2", alpha, parts is not None, tol, max_iter)
    check_integer(n_init, "n_init")
    check_real(reg, "reg must be a number of at least 0", at_least=0)
    at = _first(spaces, parts, size, b, structure, node_features, fixed, like)
    unit = (
        torch.stack([(C**2).mean() for C in spaces]).mean().clamp_min(torch.finfo(like.dtype).tiny)
    )
    options = {"alpha": alpha, "reg": reg, "reg_scale": reg_scale}
    first: dict[str, Any] = {"init": "anneal", "n_init": n_init, "random_state": random_state}
    start = first
    is_free = isinstance(b, str) and b == "free"
    step, best, converged, n_iter = FIRST_STEP, torch.inf, False, 0
    while True:
        plans, values, slope = _plans(
            spaces, masses, parts, at, lambdas, is_free, **options, **start
        )
        if 0 < n_iter <= COLD_STARTS:
            cold = _plans(spaces, masses, parts, at, lambdas, is_free, **options, **first)
            plans, values, slope = _lower(Couplings(plans, values, slope), cold)
        value = float((lambdas * values).sum())
        if value <= best:  # a step of the node weights may raise it
            lowest = at, plans, values
        converged = best - value < tol * float(unit)
        if converged or n_iter == max_iter:
            break
        best, n_iter = value, n_iter + 1
        start = {"init": plans}
        weights_b = at.weights
        at = _updated(at, spaces, parts, plans, lambdas, fixed)
        if is_free:
            moved = weights_b * torch.exp(-step * slope / unit)
            at = at._replace(weights=moved / moved.sum())
            step *= STEP_DECAY
    if not converged:
        warn_user(
            f"The barycenter did not converge in {max_iter} updates: raise max_iter or tol.",
            GWConvergenceWarning,
        )
    return _packed(*lowest, lambdas, bool(converged), n_iter, is_torch)


class Barycenter(NamedTuple):
    """The barycenter of one iteration."""

    structure: Tensor  # (N, N)
    features: Tensor | None  # (N, d)
    weights: Tensor  # (N,)


class Couplings(NamedTuple):
    """The plans between the spaces and a barycenter."""

    plans: list[Tensor]  # (n_s, N) each
    values: Tensor  # (S,)
    slope: Tensor  # (N,), derivative of the weighted mean by the node weights


def _plans(
    spaces: list[Tensor],
    masses: list[Tensor] | None,
    parts: list[Tensor] | None,
    at: Barycenter,
    lambdas: Tensor,
    is_free: bool,
    **options: Any,
) -> Couplings:
    """Couplings of all spaces with the barycenter."""
    costs = None
    if parts is not None and at.features is not None:
        costs = [torch.cdist(part, at.features) ** 2 for part in parts]
    weights = at.weights.clone().requires_grad_(is_free)
    if isinstance(options["init"], list) and len({len(plan) for plan in options["init"]}) == 1:
        options["init"] = torch.stack(options["init"])
    with without_warnings(GWConvergenceWarning), torch.enable_grad():
        result = solve_gromov(spaces, at.structure, costs, masses, weights, **options)
        slope = torch.zeros_like(weights)
        if is_free:
            (slope,) = torch.autograd.grad((lambdas * result.value).sum(), weights)
    return Couplings(list(result.plan), result.value.detach(), slope)


def _lower(one: Couplings, other: Couplings) -> Couplings:
    """For each space the plan of lower value, and the derivative of the lower mean."""
    is_lower = one.values <= other.values
    pairs = zip(is_lower.tolist(), one.plans, other.plans, strict=True)
    plans = [first if lower else second for lower, first, second in pairs]
    slope = one.slope if one.values.sum() <= other.values.sum() else other.slope
    return Couplings(plans, torch.minimum(one.values, other.values), slope)


@torch.no_grad()
def _updated(
    at: Barycenter,
    spaces: list[Tensor],
    parts: list[Tensor] | None,
    plans: list[Tensor],
    lambdas: Tensor,
    fixed: str | None,
) -> Barycenter:
    """The best matrix and features at fixed plans."""
    structure, features = at.structure, at.features
    inverse = 1 / at.weights.clamp_min(torch.finfo(at.weights.dtype).tiny)
    if fixed != "structure":
        images = (w * (T.mT @ C @ T) for w, C, T in zip(lambdas, spaces, plans, strict=True))
        structure = inverse[:, None] * sum(images) * inverse
        structure = (structure + structure.mT) / 2
    if parts is not None and fixed != "features":
        sums = (w * (T.mT @ F) for w, F, T in zip(lambdas, parts, plans, strict=True))
        features = inverse[:, None] * sum(sums)
    return Barycenter(structure, features, at.weights)


def _spaces(Cs: Sequence[Array]) -> list[Tensor]:
    """The matrices as constants of one dtype."""
    if len(Cs) == 0:
        raise ValueError("Cs holds no space.")
    read = [read_tensor(C, f"Cs[{s}]").detach() for s, C in enumerate(Cs)]
    dtype = torch.float32
    for s, C in enumerate(read):
        if C.ndim != 2:
            raise ValueError(f"Cs[{s}] must be a square matrix, got shape {tuple(C.shape)}.")
        check_square(C, f"Cs[{s}]", "L2")
        dtype = torch.promote_types(dtype, C.dtype)
    return [C.to(dtype) for C in read]


def _listed(arrays: Sequence[Array], spaces: list[Tensor], name: str) -> list[Tensor]:
    """One array for each space, of as many rows as it has points."""
    if len(arrays) != len(spaces):
        raise ValueError(f"{name} holds {len(arrays)} arrays for {len(spaces)} spaces.")
    read = [
        read_tensor(x, f"{name}[{s}]").detach().to(C)
        for s, (x, C) in enumerate(zip(arrays, spaces, strict=True))
    ]
    for s, (x, C) in enumerate(zip(read, spaces, strict=True)):
        if len(x) != len(C) or x.ndim != (1 if name == "a" else 2):
            raise ValueError(f"{name}[{s}] has shape {tuple(x.shape)}, Cs[{s}] {len(C)} points.")
    return read


def _first(
    spaces: list[Tensor],
    parts: list[Tensor] | None,
    size: int | None,
    b: str | Array,
    structure: Array | None,
    node_features: Array | None,
    fixed: str | None,
    like: Tensor,
) -> Barycenter:
    """The barycenter before the first iteration."""
    if fixed not in FIXED:
        raise ValueError(f"fixed must be None, 'structure' or 'features', got {fixed!r}.")
    if fixed == "structure" and structure is None:
        raise ValueError("fixed='structure' needs structure, the matrix that is kept.")
    if fixed == "features" and node_features is None:
        raise ValueError("fixed='features' needs node_features, the features that are kept.")
    if node_features is not None and parts is None:
        raise ValueError("node_features without features: give the features of the spaces, too.")
    if isinstance(b, str) and b not in ("uniform", "free"):
        raise ValueError(f"b must be 'uniform', 'free' or an array of weights, got {b!r}.")
    given = [
        None if x is None else read_tensor(x, name).detach().to(like)
        for x, name in (
            (structure, "structure"),
            (node_features, "node_features"),
            (None if isinstance(b, str) else b, "b"),
        )
    ]
    sizes = {len(x) for x in given if x is not None} | ({size} if size is not None else set())
    if len(sizes) > 1:
        raise ValueError(f"size, structure, node_features and b differ in size: {sorted(sizes)}.")
    largest = max(range(len(spaces)), key=lambda s: len(spaces[s]))
    n = check_integer(sizes.pop() if sizes else len(spaces[largest]), "size")
    source = next((s for s, C in enumerate(spaces) if len(C) == n), largest)
    points = _spread_points(spaces[source], n)
    C, F, w = given
    if C is None:
        C = spaces[source][points][:, points]
    else:
        check_square(C, "structure", "L2")
    if F is None and parts is not None:
        F = parts[source][points]
    return Barycenter(C, F, read_weights(w, n, "b", like.dtype, like.device))


def _spread_points(C: Tensor, n: int) -> Tensor:
    """Indices (n,) of points that are far from each other, or of repeated points."""
    if n >= len(C):
        return torch.arange(n, device=C.device) % len(C)
    chosen = [int(C.sum(1).argmax())]
    nearest = C[chosen[0]].clone()
    for _ in range(n - 1):
        nearest[chosen[-1]] = -torch.inf
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, C[chosen[-1]])
    return torch.tensor(chosen, device=C.device)


def _packed(
    at: Barycenter,
    plans: list[Tensor],
    values: Tensor,
    lambdas: Tensor,
    converged: bool,
    n_iter: int,
    is_torch: bool,
) -> GromovBarycenter:
    def kind(x: Tensor) -> Array:
        return x.detach() if is_torch else x.detach().cpu().numpy()[()]

    return GromovBarycenter(
        structure=kind(at.structure), features=None if at.features is None else kind(at.features),
        weights=kind(at.weights), plans=[kind(plan) for plan in plans], values=kind(values),
        value=kind((lambdas * values).sum()), converged=converged, n_iter=n_iter,
    )  # fmt: skip
