"""Random calls, good, odd and bad: no crash, no foreign warning, no wrong result in silence."""

import numpy as np
import pytest

from benchmarks.reliability import solver_cases, solver_fuzz
from skgw.solvers import solve_gromov

N_CALLS = 300


@pytest.fixture(scope="module")
def counts():
    return solver_fuzz.run_calls(range(10**6, 10**6 + N_CALLS))[0]


def test_random_calls_have_no_faults(counts):
    total = counts["all"]
    assert total["calls"] == N_CALLS
    assert {fault: total[fault] for fault in solver_fuzz.FAULTS if total[fault]} == {}
    assert total["above the identity"] <= 0.02 * N_CALLS
    assert total["result"] > 0.4 * N_CALLS  # the calls are not all refused


def judged(**options):
    """The verdict on a call between 4 and 3 points."""
    rng = np.random.default_rng(0)
    call = solver_cases._clouds(rng)
    call.Ca, call.Cb = call.Ca[:4, :4], call.Cb[:3, :3]
    call.options = options
    return call, solver_fuzz.judge(call)


def test_the_judge_sees_good_and_bad_input():
    call, verdict = judged(reg=0.05)
    assert verdict[:2] == ("result", [])
    call.is_bad = True
    assert solver_fuzz.judge(call).faults == ["bad input accepted"]
    call, verdict = judged(reg=-1.0)
    assert verdict[:2] == ("refused", ["good input refused"])
    call.is_bad = True
    assert solver_fuzz.judge(call).faults == []


@pytest.mark.parametrize(
    ("field", "change", "fault"),
    [
        ("plan", lambda T: 0.9 * T, "wrong mass"),
        ("plan", lambda T: T[::-1] * np.nan, "not finite"),
        (
            "plan",
            lambda T: np.roll(T, 1, 0) * np.array([[2], [0.5], [0.5], [1]]),
            "wrong marginals",
        ),
        ("plan", lambda T: T - 0.5, "negative"),
        ("cost", lambda x: x + 1, "wrong value"),
        ("value", lambda x: x + 10, "above the product coupling"),
        ("converged", lambda _: False, "warnings and status disagree"),
    ],
)
def test_the_judge_sees_wrong_results(monkeypatch, field, change, fault):
    def spoilt(*arrays, **options):
        result = solve_gromov(*arrays, **options)
        right = getattr(result, field)
        if field == "cost":
            monkeypatch.setattr(type(result), "cost", property(lambda _: change(right)))
        else:
            object.__setattr__(result, field, change(right))
        return result

    monkeypatch.setitem(solver_fuzz.FUNCTIONS, "solve_gromov", spoilt)
    assert fault in judged(reg=0.05)[1].faults
