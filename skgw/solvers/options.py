"""Validation of the options of `solve_gromov` that need no arrays."""

from __future__ import annotations

import numbers
from typing import Any

from skgw.solvers.pot import LOSSES


def check_options(loss: str, alpha: float | None, fused: bool, tol: Any, max_iter: Any) -> float:
    """Validate loss, alpha, tolerance and budget; return the value of alpha."""
    if loss not in ("L2", "KL"):
        here = LOSSES.get(loss) if isinstance(loss, str) else None
        hint = f", which is {here!r} here" if here else ""
        raise ValueError(f"loss must be 'L2' or 'KL', got {loss!r}{hint}.")
    if alpha is None:
        alpha = 0.5 if fused else 1.0
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be a number from 0 to 1, got {alpha!r}.")
    if alpha < 1 and not fused:
        raise ValueError(f"alpha={alpha} without M: below 1 the problem is fused and needs M.")
    if tol is not None and (not isinstance(tol, numbers.Real) or not float(tol) > 0):
        raise ValueError(f"tol must be a positive number, got {tol!r}.")
    if not isinstance(max_iter, numbers.Integral) or int(max_iter) < 1:
        raise ValueError(f"max_iter must be an integer of at least 1, got {max_iter!r}.")
    return alpha


def check_plan(plan: Any, rank: int | None, loss: str, fused: bool, unbalanced: bool) -> None:
    """Raise a ValueError for options that exclude each other."""
    if not isinstance(plan, str) or plan not in ("dense", "lazy"):
        raise ValueError(f"plan must be 'dense' or 'lazy', got {plan!r}.")
    if plan == "dense" and rank is not None:
        raise ValueError("rank is an option of lazy plans: use plan='lazy', or rank=None.")
    if plan == "lazy" and (loss != "L2" or fused or unbalanced):
        raise ValueError(
            "plan='lazy' is for the balanced problem with the square loss and without M: "
            "use plan='dense', on a sample of the points if there are too many."
        )


def check_n_init(n_init: Any, unbalanced: bool) -> None:
    """Raise a ValueError unless `n_init` is a positive integer, and 1 with free marginals."""
    if not isinstance(n_init, numbers.Integral) or int(n_init) < 1:
        raise ValueError(f"n_init must be an integer of at least 1, got {n_init!r}.")
    if unbalanced and n_init != 1:
        raise ValueError("n_init must be 1 with unbalanced or mass: init='auto' is a multistart.")


def check_mass(mass: Any) -> None:
    """Raise a ValueError unless `mass` is None or a number in (0, 1]."""
    if mass is not None and (not isinstance(mass, numbers.Real) or not 0 < float(mass) <= 1):
        raise ValueError(
            "mass must be a number above 0 and at most 1, the mass of a and b, for all problems of "
            f"a batch, got {mass!r}."
        )
