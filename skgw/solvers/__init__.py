"""Entropic Gromov-Wasserstein solvers: pure functions from arrays to one frozen result."""

from skgw.solvers.affine_map import AffineMap, gaussian_gw_map, plan_map
from skgw.solvers.barycenter import GromovBarycenter, gw_barycenter
from skgw.solvers.divergence import gw_divergence
from skgw.solvers.geometry import LowRank, PointCloud
from skgw.solvers.gromov import solve_gromov
from skgw.solvers.lazy_plan import LazyPlan
from skgw.solvers.plan import DensePlan, Plan, as_plan
from skgw.solvers.precision import cpu_by_default, full_precision
from skgw.solvers.result import GromovResult, StartsReport, State

__all__ = [
    "AffineMap",
    "DensePlan",
    "GromovBarycenter",
    "GromovResult",
    "LazyPlan",
    "LowRank",
    "Plan",
    "PointCloud",
    "StartsReport",
    "State",
    "as_plan",
    "cpu_by_default",
    "full_precision",
    "gaussian_gw_map",
    "gw_barycenter",
    "gw_divergence",
    "plan_map",
    "solve_gromov",
]
