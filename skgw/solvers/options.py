"""Validation of options that need no arrays."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from skgw.solvers.pot import LOSSES

ABSOLUTE_LOSSES = ("l1", "abs", "absolute", "absolute_loss", "absolute_error", "mae")
MIN_SEED, MAX_SEED = -(2**63), 2**64 - 1  # of a generator of torch


def is_integer(value: Any) -> bool:
    """Whether a value is an integer, of Python or numpy, and no boolean."""
    return not isinstance(value, bool) and isinstance(value, numbers.Integral)


def check_integer(value: Any, name: str, *, at_least: int = 1) -> int:
    """Return an integer; numpy's integers are taken, booleans and floats are not.

    Raises
    ------
    ValueError
        Unless `value` is an integer of at least `at_least`.
    """
    if not is_integer(value) or value < at_least:
        raise ValueError(f"{name} must be an integer of at least {at_least}, got {value!r}.")
    return int(value)


def check_real(
    value: Any,
    message: str,
    *,
    above: float = -math.inf,
    at_least: float = -math.inf,
    at_most: float = math.inf,
) -> float:
    """Return a finite number; arrays and tensors without axes are taken, booleans are not.

    `message` says what the number must be.

    Raises
    ------
    ValueError
        Unless `value` is a real number within the bounds.
    """
    given = value
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        given = value.item()  # of a numpy scalar, a 0-d array, a tensor
    is_number = isinstance(given, numbers.Real) and not isinstance(given, bool)
    number = float(given) if is_number else math.nan
    if not (math.isfinite(number) and above < number and at_least <= number <= at_most):
        raise ValueError(f"{message}, got {value!r}.")
    return number


def check_options(loss: str, alpha: Any, fused: bool, tol: Any, max_iter: Any) -> float:
    """Validate loss, alpha, tolerance and budget; return the value of alpha."""
    if not isinstance(loss, str) or loss not in ("L2", "KL"):
        here = LOSSES.get(loss) if isinstance(loss, str) else None
        hint = f", which is {here!r} here" if here else ""
        if isinstance(loss, str) and loss.lower() in ABSOLUTE_LOSSES:
            hint = (
                ": the absolute value does not split into functions of one distance each, and a "
                "step would take n^2 m^2 operations; use loss='L2', on square roots of the "
                "distances if large ones should count less"
            )
        raise ValueError(f"loss must be 'L2' or 'KL', got {loss!r}{hint}.")
    if alpha is None:
        alpha = 0.5 if fused else 1.0
    alpha = check_real(alpha, "alpha must be a number from 0 to 1", at_least=0, at_most=1)
    if alpha < 1 and not fused:
        raise ValueError(f"alpha={alpha} without M: below 1 the problem is fused and needs M.")
    if tol is not None:
        check_real(tol, "tol must be a positive number", above=0)
    check_integer(max_iter, "max_iter")
    return alpha


def check_plan(plan: Any, rank: Any, loss: str, unbalanced: bool) -> None:
    """Raise an error for options that exclude each other."""
    if not isinstance(plan, str) or plan not in ("dense", "lazy"):
        raise ValueError(f"plan must be 'dense' or 'lazy', got {plan!r}.")
    if rank is not None and not is_integer(rank):
        raise ValueError(f"rank must be an integer, got {rank!r}.")
    if plan == "dense" and rank is not None:
        raise ValueError("rank is an option of lazy plans: use plan='lazy', or rank=None.")
    if plan == "lazy" and (loss != "L2" or unbalanced):
        raise ValueError(
            "plan='lazy' is for the balanced problem with the square loss: "
            "use plan='dense', on a sample of the points if there are too many."
        )


def check_unregularised(plan: str, unbalanced: bool) -> None:
    """Raise an error for problems that have no solver without entropy."""
    if plan == "lazy":
        raise ValueError("reg=0 has no lazy plans, which are made of exponentials: give reg > 0.")
    if unbalanced:
        raise ValueError(
            "reg=0 is for balanced problems: give reg > 0 with unbalanced or mass; a small reg is "
            "close to the problem without entropy."
        )


def check_n_init(n_init: Any, unbalanced: bool) -> None:
    """Raise an error unless `n_init` is a positive integer, and 1 with free marginals."""
    if check_integer(n_init, "n_init") != 1 and unbalanced:
        raise ValueError("n_init must be 1 with unbalanced or mass: init='auto' is a multistart.")


def check_mass(mass: Any) -> float | None:
    """The mass as a float, or None; one number in (0, 1] for all problems of a batch."""
    message = (
        "mass must be a number above 0 and at most 1, the mass of a and b, for all problems of "
        "a batch"
    )
    return None if mass is None else check_real(mass, message, above=0, at_most=1)


def check_seed(random_state: Any) -> None:
    """Raise an error unless `random_state` is a seed or a generator of numpy, or None."""
    if random_state is None or isinstance(
        random_state, np.random.Generator | np.random.RandomState
    ):
        return
    if not is_integer(random_state):
        raise TypeError(
            "random_state must be None, an integer, or a Generator or RandomState of numpy, got "
            f"{random_state!r}."
        )
    if not MIN_SEED <= int(random_state) <= MAX_SEED:
        raise ValueError(f"random_state must be a 64-bit integer, got {random_state!r}.")
