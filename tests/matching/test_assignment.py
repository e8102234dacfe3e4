"""One-to-one assignments by a plan."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skgw.base.coupling import Coupling
from skgw.matching.assignment import MAX_ROWS, assign, check_size


def test_the_product_of_masses_is_largest():
    plan = np.array([[0.5, 0.3], [0.6, 0.1]])
    assert plan.argmax(1).tolist() == [0, 0]
    assert assign(plan).tolist() == [1, 0]


def test_surplus_rows_and_rows_without_mass_are_left_out():
    assert assign(np.array([[0.1], [0.7], [0.2]])).tolist() == [-1, 0, -1]
    assert assign(np.array([[0.0, 0.0], [0.2, 0.8]])).tolist() == [-1, 1]
    assert assign(np.array([[0.0, 0.2], [0.0, 0.8]])).tolist() == [-1, 1]


def test_one_to_one_repairs_a_blurred_plan(quick, copies):
    matcher = quick(epsilon=0.05).fit(copies.X, copies.Y)
    assert len(np.unique(matcher.match())) < 58
    assert_array_equal(matcher.match(assignment="one-to-one"), copies.match)
    backward = matcher.match(domain="y", assignment="one-to-one")
    assert_array_equal(backward, copies.order)


@pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning")
def test_domains_of_different_size(quick, copies):
    matcher = quick(method="reference").fit(copies.X, copies.Y[:50])
    once = matcher.match(assignment="one-to-one")
    assert_array_equal(np.sort(once), np.r_[[-1] * 10, :50])
    assert_array_equal(once[matcher.match(domain="y", assignment="one-to-one")], np.arange(50))
    new = matcher.match(copies.X[:20], copies.Y[:30], assignment="one-to-one")
    assert len(np.unique(new)) == 20
    assert_array_equal(
        np.sort(matcher.match(copies.X[:3], copies.Y[:2], assignment="one-to-one")), [-1, 0, 1]
    )


def test_unmatched_rows_stay_unmatched(quick, copies):
    matcher = quick().fit(copies.X, copies.Y)
    plan = np.array(matcher.plan_)
    plan[3] *= 1e-12
    plan[:, 7] *= 1e-12
    matcher.plan_ = Coupling(plan)
    once = matcher.match(assignment="one-to-one")
    assert once[3] == -1
    assert 7 not in once
    assert matcher.match(domain="y", assignment="one-to-one")[7] == -1


def test_what_cannot_be_assigned(quick, copies):
    matcher = quick().fit(copies.X, copies.Y)
    with pytest.raises(ValueError, match="needs y with X"):
        matcher.match(copies.X, assignment="one-to-one")
    with pytest.raises(ValueError, match="assignment must be one of"):
        matcher.match(assignment="hungarian")
    with pytest.raises(ValueError, match=f"up to {MAX_ROWS} rows"):
        check_size(10, MAX_ROWS + 1)


def test_large_plans_are_not_assigned(monkeypatch, quick, copies):
    monkeypatch.setattr("skgw.matching.assignment.MAX_ROWS", 50)
    matcher = quick().fit(copies.X, copies.Y)
    for arguments in ((), (copies.X, copies.Y)):
        with pytest.raises(ValueError, match="up to 50 rows"):
            matcher.match(*arguments, assignment="one-to-one")
