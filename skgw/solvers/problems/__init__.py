"""The objectives: data of a problem, its energy and its gradient; nothing is solved here."""

from skgw.solvers.problems.quadratic import QuadraticProblem, plan_cost, quadratic_problem

__all__ = ["QuadraticProblem", "plan_cost", "quadratic_problem"]
