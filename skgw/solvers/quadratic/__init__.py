"""Quadratic problems by successive linearisation: balanced, unbalanced, partial, lazy."""

from skgw.solvers.quadratic.descent import CONVERGED, Solution, entropic_value, minimize
from skgw.solvers.quadratic.envelope import envelope_value, self_value

__all__ = [
    "CONVERGED",
    "Solution",
    "entropic_value",
    "envelope_value",
    "minimize",
    "self_value",
]
