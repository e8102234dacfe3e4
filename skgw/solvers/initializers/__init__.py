"""Starts of a solve: named starts, plans, states, and invariants of isometries."""

from skgw.solvers.initializers.basic import (
    ANNEALING_START,
    identity_start,
    matched_start,
    warm_start,
)

__all__ = ["ANNEALING_START", "identity_start", "matched_start", "warm_start"]
