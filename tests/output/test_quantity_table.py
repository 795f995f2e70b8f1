"""Quantities over time as a table."""

import csv
import math

import pytest
from torch import pi, sin

from pdesolve import (
    Dirichlet,
    Flux,
    Initial,
    Integral,
    Interval,
    Maximum,
    Problem,
    TimeInterval,
    UsageError,
    solve,
)
from pdesolve.output.quantity_table import write_quantities

ROD = Interval(0, 1)


def cooling(**quantities):
    conditions = [Initial(lambda x: sin(pi * x)), Dirichlet(0, on=ROD.boundary)]
    problem = Problem(ROD * TimeInterval(0, 0.1), lambda u: u.t - 2 * u.xx, conditions, quantities=quantities)
    return solve(problem, tol=1e-5)


def test_a_row_for_each_time_and_an_estimate_beside_each_value(tmp_path):
    solution = cooling(out=Flux(ROD.right), heat=Integral("u"))
    with write_quantities(solution, tmp_path / "q.csv", steps=5).open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["t", "out", "out_estimated_error", "heat", "heat_estimated_error"]
    for k, row in enumerate(rows):
        decay = math.exp(-2 * math.pi**2 * 0.025 * k)
        assert float(row["t"]) == pytest.approx(0.025 * k)
        assert float(row["heat"]) == pytest.approx(2 / math.pi * decay, rel=1e-4)
        assert float(row["out"]) == pytest.approx(-2 * math.pi * decay, rel=1e-4)
        assert 0 <= float(row["heat_estimated_error"]) < 1e-4


def test_extrema_are_taken_at_fewer_times(tmp_path):
    path = write_quantities(cooling(top=Maximum("u")), tmp_path / "q.csv")
    assert len(path.read_text().splitlines()) == 1 + 11


def test_a_problem_without_quantities_has_no_table(tmp_path):
    with pytest.raises(UsageError, match="has no quantities"):
        write_quantities(cooling(), tmp_path / "q.csv")
