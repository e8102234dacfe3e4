"""scikit-learn's own checks, strict: those that run by themselves, and those that do not."""

import pytest
from common_estimators import ESTIMATORS
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgw import GWGenerativeEmbedding
from skgw.registration.basin_hopping import SearchSettings
from skgw.translation.latent_matching import LatentMatchingSettings

AT_RANDOM = "batches are drawn at random: weights and repeated rows agree in distribution"
EQUAL_WEIGHTS = "check_sample_weight_equivalence_on_{}_data"
EXPECTED_FAILURES = {  # by the metric of GWGenerativeEmbedding: name of a check, and the reason
    "euclidean": {EQUAL_WEIGHTS.format(kind): AT_RANDOM for kind in ("dense", "sparse")},
    "geodesic": {EQUAL_WEIGHTS.format("dense"): AT_RANDOM},
}


def expected_failures(estimator):
    if not isinstance(estimator, GWGenerativeEmbedding):
        return {}
    return EXPECTED_FAILURES.get(estimator.metric, {})


# scikit-learn runs these on its own estimators only; others have to ask for them.
BY_HAND = [
    "check_dataframe_column_names_consistency",
    "check_inplace_ensure_writeable",
    "check_param_validation",
]
FOR_TRANSFORMERS = [
    "check_get_feature_names_out_error",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]


@pytest.fixture(autouse=True)
def short_search(monkeypatch):
    """Noise has no right similarity, however long the search."""
    settings = LatentMatchingSettings(search=SearchSettings(n_perturbations=1))
    monkeypatch.setattr("skgw.translation.latent_matching.SETTINGS", settings)


# The checks hand out labels and noise: that is what these warn of.
pytestmark = [
    pytest.mark.filterwarnings("ignore::skgw.exceptions.LabelsAsDomainWarning"),
    pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning"),
]


@parametrize_with_checks(
    list(ESTIMATORS.values()),
    expected_failed_checks=expected_failures,
    xfail_strict=True,
)
def test_checks_that_run_by_themselves(estimator, check):
    check(estimator)


# The checks of set_output themselves fit to a data frame and transform an array, and the reverse.
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")
@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (kind, check)
        for kind, estimator in ESTIMATORS.items()
        for check in BY_HAND + FOR_TRANSFORMERS * hasattr(estimator, "transform")
    ],
)
def test_checks_to_be_asked_for(kind, check):
    estimator = clone(ESTIMATORS[kind])
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)
