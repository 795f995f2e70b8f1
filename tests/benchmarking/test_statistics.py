"""Medians that failures cannot improve, and verdicts on two result sets."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdesolve.benchmarking.compare import compare
from pdesolve.benchmarking.statistics import by_problem, curve, quantile, rows

FINITE = st.lists(st.floats(1e-16, 1e3), min_size=1, max_size=9)


def record(error=1e-3, outcome="finished", method="a", problem="p", seed=0, **more):
    history = [
        {"seconds": 1.0, "iteration": 10, "error": 0.1},
        {"seconds": 2.0, "iteration": 20, "error": error},
    ]
    found = {
        "problem": problem,
        "method": method,
        "seed": seed,
        "outcome": outcome,
        "relative_l2_error": error,
    }
    return {**found, "seconds": 2.0, "parameters": 100, "evaluations": 7, "history": history, **more}


@given(FINITE, st.floats(0, 1))
def test_quantiles_of_finite_values_are_numpys(values, q):
    assert quantile(values, q) == pytest.approx(float(np.quantile(values, q)), rel=1e-9)


@given(FINITE)
def test_a_failure_never_improves_a_median(values):
    assert quantile([*values, math.inf], 0.5) >= quantile(values, 0.5)


@pytest.mark.parametrize("outcome", ["crashed", "timed out", "out of memory", "not finite", "refused"])
def test_a_failed_run_counts_as_infinitely_wrong_whatever_error_it_left(outcome):
    (row,) = rows([record(1e-9, outcome), record(1e-3), record(1e-9, outcome)])
    assert row.error == math.inf
    assert row.failures == 2
    (row,) = rows([record(1e-9, outcome), record(1e-3), record(1e-4)])
    assert row.error == 1e-3


def test_an_unknown_solution_is_unknown_not_zero():
    (row,) = rows([record(None)])
    assert not row.known
    assert math.isnan(row.error)


def test_methods_are_ordered_by_error_failures_last():
    records = [record(1e-3, method="b"), record(method="c", outcome="crashed"), record(1e-5, method="a")]
    assert [row.method for row in by_problem(records)["p"]] == ["a", "b", "c"]


def test_curves_step_at_copies_and_know_nothing_before_the_first():
    (row,) = rows([record(1e-3), record(1e-5), record(1e-4)])
    low, middle, high = curve(row, "seconds", [0.5, 1.5, 2.5])
    assert math.isnan(middle[0])
    assert middle[1:] == [0.1, 1e-4]
    assert low[2] <= middle[2] <= high[2]
    (row,) = rows([record(1e-3), record(outcome="crashed"), record(outcome="crashed")])
    assert curve(row, "iterations", [15])[1] == [math.inf]


@pytest.mark.parametrize(
    ("second", "regression", "verdict"),
    [
        ([record(2e-3)], False, "same"),
        ([record(4e-3)], True, "error 4 times larger"),
        ([record(1e-5)], False, "better"),
        ([record(outcome="crashed")], True, "1 of 1 runs fail (crashed 1), before 0"),
        ([record(method="b")], True, "missing from the second set"),
    ],
)
def test_a_regression_is_a_larger_error_a_failure_or_a_missing_row(second, regression, verdict):
    change = compare([record(1e-3)], second)[0]
    assert (change.regression, change.verdict) == (regression, verdict)


def test_errors_at_rounding_level_and_new_rows_are_no_regression():
    assert not compare([record(1e-16)], [record(2e-14)])[0].regression
    assert [c.verdict for c in compare([record()], [record(), record(method="b")])] == ["same", "new"]


def test_time_counts_only_where_it_is_asked_for():
    slow = [record(seconds=9.0)]
    assert not compare([record()], slow)[0].regression
    assert compare([record()], slow, time_factor=2.0)[0].verdict == "4.5 times slower"
    assert not compare([record(seconds=0.01)], [record(seconds=0.9)], time_factor=2.0)[0].regression
