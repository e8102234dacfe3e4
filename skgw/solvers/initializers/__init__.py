"""Where a solve starts: named starts, plans and states, and invariants of isometries."""

from skgw.solvers.initializers.basic import (
    ANNEALING_START,
    carried_start,
    identity_start,
    matched_start,
)

__all__ = ["ANNEALING_START", "carried_start", "identity_start", "matched_start"]
