"""Entropic linear transport: balanced, unbalanced, streamed; out-of-sample extension."""

from skgw.solvers.linear.balanced import solve_linear
from skgw.solvers.linear.extension import Extension, extend_plan
from skgw.solvers.linear.unbalanced import solve_unbalanced_linear

__all__ = ["Extension", "extend_plan", "solve_linear", "solve_unbalanced_linear"]
