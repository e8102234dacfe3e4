"""Measures of embeddings and generated samples that need no fitted model.

All of them take arrays. Those of an embedding compare distances; those of generated points compare
point sets, of which `rigid_alignment` first removes the rotation that no distance can see.
"""

from .embedding import (
    distance_distribution_error,
    distance_rank_correlation,
    relative_distortion,
    trustworthiness,
)
from .modes import ModeCoverage, mode_coverage
from .rigid import rigid_alignment
from .two_sample import nearest_neighbor_two_sample

__all__ = [
    "ModeCoverage",
    "distance_distribution_error",
    "distance_rank_correlation",
    "mode_coverage",
    "nearest_neighbor_two_sample",
    "relative_distortion",
    "rigid_alignment",
    "trustworthiness",
]
