"""Objectives: the data of a problem, its energy and its gradient."""

from skgw.solvers.problems.quadratic import QuadraticProblem, plan_cost, quadratic_problem
from skgw.solvers.subnormals import smallest_entry

__all__ = ["QuadraticProblem", "plan_cost", "quadratic_problem", "smallest_entry"]
