"""A file and a picture of one solution are made of one evaluation, and nothing is kept beyond it."""

import numpy as np
import pytest
from analytic import AnalyticSolution
from PIL import Image

from pdesolve.geometry import Disk, Interval, Rectangle, TimeInterval
from pdesolve.output import export, fields
from pdesolve.output.plotting import plot
from pdesolve.output.sharing import once, shared

CASES = {
    "line": AnalyticSolution(Interval(-1, 1), {"u": "sin(7*x)"}, error="x/1000"),
    "hole": AnalyticSolution(
        Rectangle((0, 0), (1, 1)) - Disk((0.5, 0.5), 0.2), {"u": "x*y"}, error="x*y/1000"
    ),
}


@pytest.fixture
def evaluations(monkeypatch):
    """How often a solution was evaluated so far, as the length of a list."""
    made, original = [], fields.point_fields
    monkeypatch.setattr(fields, "point_fields", lambda *a: made.append(a) or original(*a))
    return made


@pytest.mark.parametrize("name", CASES)
def test_the_picture_is_that_of_the_file_and_the_same_as_alone(tmp_path, evaluations, name):
    with shared():
        export(CASES[name], tmp_path / "u.vtu")
        together = plot(CASES[name], tmp_path / "together.png")
    assert len(evaluations) == 1
    alone = plot(CASES[name], tmp_path / "alone.png")
    assert len(evaluations) == 2
    assert np.array_equal(*(np.asarray(Image.open(path)) for path in (together, alone)))


def test_the_surface_of_a_line_in_time_is_shared_and_its_steps_are_not_kept(tmp_path, evaluations):
    solution = AnalyticSolution(Interval(0, 1) * TimeInterval(0, 1), {"u": "x*t"}, error="x/1000")
    with shared():
        export(solution, tmp_path / "u.pvd", steps=3)
        assert len(evaluations) == 4
        plot(solution, tmp_path / "u.png")
    assert len(evaluations) == 4


def test_what_is_made_once_depends_on_its_objects_and_its_options():
    first, second = [1], [1]
    with shared():
        made = [once(list, (of,), option) for of in (first, second) for option in (1, 2, 1)]
    assert made[0] is made[2]
    assert len({id(one) for one in made}) == 4
    assert once(list, (first,), 1) is not made[0]
