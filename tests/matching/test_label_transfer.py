"""Transfer of labels over plans and fitted matchers."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skgw.base.coupling import Coupling
from skgw.matching.label_transfer import transfer_over_plan
from skgw.solvers import LazyPlan

PLAN = Coupling(np.array([[0.3, 0.1, 0.0], [0.0, 0.1, 0.0], [0.0, 0.2, 0.3]]))


def test_probabilities_are_shares_of_the_mass():
    labels, probabilities = transfer_over_plan(PLAN, ["b", "b", "a"], 0)
    assert labels.tolist() == ["b", "a", "a"]
    assert_allclose(probabilities, [[0, 1], [0.5, 0.5], [1, 0]])
    labels, probabilities = transfer_over_plan(PLAN, [7, 3, 5], 1)
    assert_array_equal(labels, [7, 3, 5])
    assert_allclose(probabilities[2], [0.4, 0.6, 0])


@pytest.mark.parametrize(
    ("labels", "missing"),
    [
        ([1, -1, -1], -1),
        ([1.0, np.nan, -1.0], np.nan),
        (["a", None, np.nan], None),
        (pd.Series(["a", pd.NA, None], index=[5, 3, 1], dtype="string"), None),
        (pd.Categorical(["a", None, None], categories=["b", "a"]), None),
        (torch.tensor([1, -1, -1]).numpy(), -1),
    ],
)
def test_missing_labels_are_ignored(labels, missing):
    found, probabilities = transfer_over_plan(PLAN, labels, 0)
    assert found[0] == found[1] == np.asarray(labels, dtype=object)[0]
    assert_array_equal(probabilities, [[1.0], [1.0], [np.nan]])
    assert found[2] is None if missing is None else np.array_equal(found[2], missing, True)


def test_unmatched_rows_have_no_label():
    plan = Coupling(np.array([[0.5, 0.0], [0.5, 1e-20]]))
    labels, probabilities = transfer_over_plan(plan, [4, 2], 0)
    assert_array_equal(labels, [2, -1])
    assert np.isnan(probabilities[1]).all()


def test_lazy_plans_carry_labels_as_arrays_do():
    rng = np.random.default_rng(0)
    lazy = LazyPlan(
        rng.normal(size=(7, 2)), rng.normal(size=(5, 2)), np.zeros(5), np.full(7, 1 / 7)
    )
    for source, n in enumerate((7, 5)):
        labels = rng.integers(3, size=n)
        found = transfer_over_plan(Coupling(lazy), labels, source)
        expected = transfer_over_plan(Coupling(lazy.toarray()), labels, source)
        assert_array_equal(found[0], expected[0])
        assert_allclose(found[1], expected[1])


def test_wrong_labels_are_refused():
    with pytest.raises(ValueError, match="Got 2 labels for a domain of 3 rows"):
        transfer_over_plan(PLAN, ["a", "b"], 0)
    with pytest.raises(ValueError, match="All labels are missing"):
        transfer_over_plan(PLAN, [-1, -1, -1], 0)
    with pytest.raises(ValueError, match="all strings or all numbers"):
        transfer_over_plan(PLAN, ["a", 1, 2], 0)


@pytest.mark.parametrize("n_reference", [60, 45])
def test_a_matcher_carries_labels_to_training_rows_and_new_rows(
    quick, copies, few_rows, n_reference
):
    few_rows(n_reference)
    matcher = quick(method="reference").fit(copies.X, copies.Y)
    kind = np.where(copies.X[:, 0] > np.median(copies.X[:, 0]), "long", "short")
    labels, probabilities = matcher.transfer_labels(kind)
    assert (labels == kind[copies.order]).mean() > 0.85
    assert_allclose(probabilities.sum(1), 1)
    back, _ = matcher.transfer_labels(labels, domain="y")
    assert (back == kind).mean() > 0.85
    new = copies.X[::3] + 0.01
    expected = kind[::3]
    assert (matcher.transfer_labels(kind, copies.move(new))[0] == expected).mean() > 0.85
    of_tensor = matcher.transfer_labels(kind, torch.tensor(copies.move(new)))
    assert_array_equal(of_tensor[1], matcher.transfer_labels(kind, copies.move(new))[1])
    numbers = torch.as_tensor(kind == "long").long()
    assert isinstance(matcher.transfer_labels(numbers)[1], torch.Tensor)
    with pytest.raises(ValueError, match="Got 3 labels"):
        matcher.transfer_labels(kind[:3], new, domain="y")
