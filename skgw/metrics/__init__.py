"""Measures of embeddings, codes and generated samples, for arrays, and scorers of estimators.

Measures of an embedding compare distances. Measures of an alignment compare the matches of rows, or
their labels, with the true matches or labels. Measures of generated points compare point sets;
`rigid_alignment` first removes the rigid transformation that distances leave free. Measures of
codes compare codes with the known factors of the rows. Scorers go into ``scoring=`` of
scikit-learn's searches.
"""

from .alignment import (
    foscttm,
    gw_ratio,
    label_transfer_accuracy,
    match_rate,
    permuted_accuracy,
)
from .copies import memorization, spread_ratio
from .disentanglement import (
    DCIScores,
    dci_scores,
    factorvae_score,
    mutual_information_gap,
)
from .embedding import (
    distance_distribution_error,
    distance_rank_correlation,
    relative_distortion,
    trustworthiness,
)
from .gromov import gw_discrepancy
from .images import image_sharpness
from .mean_discrepancy import maximum_mean_discrepancy
from .modes import ModeCoverage, mode_coverage, reverse_kl_of_modes
from .pairwise import GWDistances, gw_distance, pairwise_gromov
from .rigid import rigid_alignment
from .scorers import gw_scorer, rank_correlation_scorer
from .support import SampleSupport, frechet_distance, sample_support
from .two_sample import (
    ClassifierTwoSample,
    classifier_two_sample_test,
    nearest_neighbor_two_sample,
)
from .wasserstein import sliced_wasserstein_distance, wasserstein_distance

__all__ = [
    "ClassifierTwoSample",
    "DCIScores",
    "GWDistances",
    "ModeCoverage",
    "SampleSupport",
    "classifier_two_sample_test",
    "dci_scores",
    "distance_distribution_error",
    "distance_rank_correlation",
    "factorvae_score",
    "foscttm",
    "frechet_distance",
    "gw_discrepancy",
    "gw_distance",
    "gw_ratio",
    "gw_scorer",
    "image_sharpness",
    "label_transfer_accuracy",
    "match_rate",
    "maximum_mean_discrepancy",
    "memorization",
    "mode_coverage",
    "mutual_information_gap",
    "nearest_neighbor_two_sample",
    "pairwise_gromov",
    "permuted_accuracy",
    "rank_correlation_scorer",
    "relative_distortion",
    "reverse_kl_of_modes",
    "rigid_alignment",
    "sample_support",
    "sliced_wasserstein_distance",
    "spread_ratio",
    "trustworthiness",
    "wasserstein_distance",
]
