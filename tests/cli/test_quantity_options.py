"""Quantities that are asked for on the command line, and those of the problem file."""

import json
from pathlib import Path

import pytest

PROBLEMS = Path(__file__).parents[2] / "problems"
SOLVE = ("solve", PROBLEMS / "poisson_1d.py", "--no-picture", "--tol", "1e-4", "--out")
HEAT = '''"""A rod cools."""

from torch import pi, sin

from pdesolve import Dirichlet, Initial, Integral, Interval, Problem, TimeInterval

rod = Interval(0, 1)
problem = Problem(
    rod * TimeInterval(0, 0.1),
    lambda u: u.t - u.xx,
    [Initial(lambda x: sin(pi * x)), Dirichlet(0, on=rod.boundary)],
    quantities={"heat": Integral("u")},
)
'''


def test_they_are_printed_and_recorded(run, tmp_path):
    asked = ("--integral", "u", "--flux", "u@right", "--probe", "0.5", "--maximum", "u")
    done = run(*SOLVE, tmp_path / "run", *asked)
    assert done.code == 0
    assert "integral u          0.6366" in done.out
    record = json.loads((tmp_path / "run" / "summary.json").read_text())["quantities"]
    assert list(record) == ["integral u", "maximum u", "flux u@right", "u@0.5"]
    assert record["u@0.5"]["value"] == pytest.approx(1, abs=1e-4)
    assert all(0 < one["estimated_error"] < 1e-2 for one in record.values())


def test_those_of_an_evolution_are_a_table_over_time(run, tmp_path):
    (tmp_path / "heat.py").write_text(HEAT)
    done = run(
        "solve", tmp_path / "heat.py", "--out", tmp_path / "run", "--no-picture", "--json", "--tol", "1e-4"
    )
    assert json.loads(done.out)["quantities"]["heat"]["time"] == 0.1
    lines = (tmp_path / "run" / "quantities.csv").read_text().splitlines()
    assert lines[0] == "t,heat,heat_estimated_error"
    assert len(lines) == 1 + 41


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (("--integral", "v"), "'v'"),
        (("--integral", "u@top"), "no part 'top'; expected one of left, right, boundary"),
        (("--flux", "u"), "expected @ and a part"),
        (("--integral", "u@"), "expected a part of the boundary after @"),
        (("--probe", "0.5,0.5"), "expected numbers x"),
        (("--probe", "2"), "outside the domain"),
    ],
)
def test_what_cannot_be_asked_for_is_a_sentence(run, tmp_path, asked, sentence):
    done = run(*SOLVE, tmp_path / "run", *asked)
    assert done.code == 2
    assert sentence in done.err
