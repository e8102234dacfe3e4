"""Lazy problems: `solve_gromov` between spaces, with a plan that is never held as an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from skgw.exceptions import warn_user
from skgw.solvers.geometry.point_cloud import LowRank, PointCloud, Space, low_rank
from skgw.solvers.inputs import are_tensors, as_like, read_tensor, read_weights
from skgw.solvers.lazy_plan import LazyPlan
from skgw.solvers.precision import full_precision
from skgw.solvers.quadratic.multiscale import (
    FactoredProblem,
    StreamedIterate,
    center,
    refine,
    solve_multiscale,
)
from skgw.solvers.quadratic.multistart import generator_from
from skgw.solvers.quadratic.outer_step import judged, status_of
from skgw.solvers.quadratic.package import package
from skgw.solvers.quadratic.sensitivity import needs_gradient
from skgw.solvers.resolution import Accuracy, attainable
from skgw.solvers.result import Array, GromovResult, State
from skgw.solvers.scales import absolute_reg
from skgw.solvers.settings import MULTISCALE, MultiscaleSettings

DEFAULT_TOLERANCE = 1e-2  # L1; each further digit takes about twenty sweeps over all pairs
MAX_DENSE_SIZE = 5000  # points of a space whose matrix `as_matrix` computes


class LazyInputs(NamedTuple):
    """A problem between two spaces, and the conversion of results."""

    problem: FactoredProblem
    restore: Callable[[Tensor], Any]  # from a batch of one problem to the kind of the input


def as_matrix(space: Any, name: str) -> Any:
    """The matrix of a space of at most 5,000 points; other objects are returned unchanged.

    A list of spaces gives a list of matrices.

    Raises
    ------
    ValueError
        For a space of more than 5,000 points.
    """
    if isinstance(space, list | tuple):
        return [as_matrix(part, f"{name}[{k}]") for k, part in enumerate(space)]
    if not isinstance(space, PointCloud | LowRank):
        return space
    if len(space) > MAX_DENSE_SIZE:
        raise ValueError(
            f"{name} has {len(space)} points: above {MAX_DENSE_SIZE} use solve_gromov with "
            f"plan='lazy', or pass {name}.toarray() if memory allows."
        )
    return space.toarray()


def warn_of_gradients(*inputs: Any) -> None:
    """Warn if one of the spaces or arrays requires a gradient, which a lazy plan does not give."""
    arrays = (_array(x) if isinstance(x, PointCloud | LowRank) else x for x in inputs)
    if needs_gradient(*(x for x in arrays if isinstance(x, Tensor))):
        warn_user(
            "plan='lazy' gives no gradients: use plan='dense', on a sample of the points if there "
            "are too many, or detach the input.",
            UserWarning,
        )


@torch.no_grad()
@full_precision()
def solve_lazy(
    Ca: Any,
    Cb: Any,
    M: Any,
    a: Array | None,
    b: Array | None,
    *,
    alpha: float,
    reg: float | Array,
    reg_scale: str | None,
    init: str | Array | State,
    n_init: int,
    tol: float | None,
    max_iter: int,
    rank: int | None,
    backend: str,
    random_state: Any,
    settings: MultiscaleSettings = MULTISCALE,
) -> GromovResult:
    """As `solve_gromov` with ``plan="lazy"``, without a warning."""
    noise = generator_from(random_state)
    problem, restore = read_spaces(
        Ca, Cb, a, b, rank, noise, settings.n_landmarks, features=M, alpha=alpha
    )
    scale = torch.tensor([problem.scale or 1.0], dtype=torch.float64)
    absolute = float(absolute_reg(reg, reg_scale, scale))
    regs, scales = (problem.x.weights.new_tensor([float(x)]) for x in (absolute, scale))
    accuracy = attainable(tol, regs, scales, default=DEFAULT_TOLERANCE)
    absolute = max(absolute, float(accuracy.reg))
    budget: dict[str, Any] = {
        "tol": float(accuracy.tol), "max_iter": max_iter, "settings": settings,
    }  # fmt: skip
    if isinstance(init, State):
        moment, g = _given(init, problem)
        outcome = refine(problem, absolute, moment, g / absolute, **budget)
    elif isinstance(init, str) and init in ("auto", "anneal"):
        draws = max(n_init, settings.n_draws)
        outcome = solve_multiscale(
            problem, absolute, n_draws=draws, noise=noise, backend=backend, **budget
        )
    else:
        raise ValueError("init must be 'auto', 'anneal' or the state of an earlier lazy result.")
    return _package(problem, absolute, accuracy, *outcome, restore)


def read_spaces(
    Ca: Any,
    Cb: Any,
    a: Array | None,
    b: Array | None,
    rank: int | None,
    noise: torch.Generator,
    n_landmarks: int = MULTISCALE.n_landmarks,
    *,
    features: Any = None,
    alpha: float = 1.0,
) -> LazyInputs:
    """Validate two spaces and their weights; compute the factors of point clouds.

    `features`, a pair of arrays (n, d) and (m, d), make a fused problem.

    Raises
    ------
    TypeError
        For anything but spaces, and for numpy arrays mixed with torch tensors.
    ValueError
        For weights that do not fit.
    """
    for name, space in (("Ca", Ca), ("Cb", Cb)):
        if not isinstance(space, PointCloud | LowRank):
            raise TypeError(
                f"plan='lazy' takes one pair of spaces, PointCloud(X) or LowRank(F), but {name} is "
                f"a {type(space).__name__}. Matrices and batches take plan='dense'."
            )
    pair = _features(features, (len(Ca), len(Cb)))
    is_torch = are_tensors(_array(Ca), _array(Cb), a, b, *(() if features is None else features))
    parts = [low_rank(space, rank, noise, n_landmarks) for space in (Ca, Cb)]
    dtype = torch.promote_types(parts[0][0].dtype, parts[1][0].dtype)
    device = parts[0][0].device
    spaces, means = [], []
    for (factors, residual), p, x, name in zip(parts, (a, b), pair, "ab", strict=True):
        weights = read_weights(p, len(factors), name, dtype, device)
        if tuple(weights.shape) != (len(factors),):
            raise ValueError(
                f"{name} has shape {tuple(weights.shape)}, expected {(len(factors),)}."
            )
        features = None if x is None or alpha == 1 else x.to(device, dtype)
        if features is not None:
            means.append(weights @ features)
        factors, residual = factors.to(device, dtype), residual.to(device, dtype)
        spaces.append(center(factors, residual, weights, features))

    def restore(x: Tensor) -> Any:
        return x[0] if is_torch else x[0].cpu().numpy()[()]

    first, second = spaces
    if not means:
        return LazyInputs(FactoredProblem(first, second), restore)
    gap = float((means[0] - means[1]).square().sum())
    problem = FactoredProblem(first, second, alpha, len(means[0]), gap)
    return LazyInputs(problem, restore)


def _features(pair: Any, sizes: tuple[int, int]) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """The features of both spaces, validated."""
    if pair is None:
        return None, None
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ValueError(
            "With plan='lazy' M is a pair of arrays (n, d) and (m, d), the features of both "
            "spaces, whose squared distances are the cost."
        )
    x, y = (read_tensor(part, f"M[{k}]") for k, part in enumerate(pair))
    for k, (part, size) in enumerate(zip((x, y), sizes, strict=True)):
        if part.ndim != 2 or len(part) != size or part.shape[1] != x.shape[-1]:
            raise ValueError(
                f"M[{k}] has shape {tuple(part.shape)}, expected ({size}, d), with the same d in "
                "both spaces."
            )
        if not torch.isfinite(part).all():
            raise ValueError(f"M[{k}] contains NaN or infinity; remove or impute those entries.")
    return x.detach(), y.detach()


def _array(space: Space) -> Array:
    return space.points if isinstance(space, PointCloud) else space.factors


def _given(init: State, problem: FactoredProblem) -> tuple[Tensor, Tensor]:
    """Moment and column potential of a state, validated."""
    shape = tuple(space.factors.shape[1] for space in problem[:2])
    if tuple(init.cost.shape) != shape:
        raise ValueError(
            f"init.cost has shape {tuple(init.cost.shape)}, expected {shape}: only the state of a "
            "lazy result between the same spaces, at the same rank, is a start."
        )
    b = problem.y.weights
    g = torch.zeros_like(b) if init.potential is None else as_like(init.potential, b)
    if g.shape != b.shape:
        raise ValueError(f"init.potential has shape {tuple(g.shape)}, expected {tuple(b.shape)}.")
    return as_like(init.cost, b.new_empty(0, dtype=torch.float64)), g


def _package(
    problem: FactoredProblem,
    reg: float,
    accuracy: Accuracy,
    at: StreamedIterate,
    change: float,
    n_iter: int,
    restore: Callable[[Tensor], Any],
) -> GromovResult:
    linear = at.linear
    energy, cost = problem.energy(at.moment), problem.linear_cost(at.moment)

    def number(x: float) -> Tensor:
        return problem.x.weights.new_tensor([x])

    value, error, tols = number(at.value(energy, reg)), number(at.error), accuracy.tol
    status = judged(status_of(value, number(change), error, tols), accuracy)
    fields = (linear.left, linear.right, linear.scores(at.g), linear.a)
    return package(
        plan=LazyPlan(*(restore(x[None]) for x in fields)),
        value=value, value_linear=number(cost), value_quad=number(max(energy - cost, 0.0)),
        potentials=(reg * at.f[None], reg * at.g[None]),
        marginals=(linear.a[None], at.columns[None]), marginal_error=error,
        status=status, n_iter=torch.tensor([n_iter]),
        reg=number(reg), tol=tols, gradient=at.moment[None], restore=restore,
    )  # fmt: skip
