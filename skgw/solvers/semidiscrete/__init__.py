"""Semi-discrete optimal transport: from a continuous source to weighted atoms, squared cost."""

from skgw.solvers.semidiscrete.cells import CellLookup, marginal_error
from skgw.solvers.semidiscrete.facets import facet_angles, facet_normals
from skgw.solvers.semidiscrete.plane import has_planar_cells
from skgw.solvers.semidiscrete.settings import METHODS, STARTS, SemiDiscreteOptions
from skgw.solvers.semidiscrete.solve import SemiDiscreteResult, solve_semidiscrete
from skgw.solvers.semidiscrete.sources import NormalSource, SampledSource, Source, UniformSource

__all__ = [
    "METHODS",
    "STARTS",
    "CellLookup",
    "NormalSource",
    "SampledSource",
    "SemiDiscreteOptions",
    "SemiDiscreteResult",
    "Source",
    "UniformSource",
    "facet_angles",
    "facet_normals",
    "has_planar_cells",
    "marginal_error",
    "solve_semidiscrete",
]
