"""A solution as a notebook shows it, drawn into axes of one's own, its patches, and an animation."""

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from pdesolve import (
    Dirichlet,
    Initial,
    Interval,
    Problem,
    Rectangle,
    Solution,
    TimeInterval,
    check,
    convergence,
    laplace,
    plot,
    solve,
    sweep,
)
from pdesolve.errors import UsageError
from pdesolve.output import panels
from pdesolve.output.cells import grid


@pytest.fixture(scope="module")
def membrane():
    square = Rectangle((0, 0), (1, 1))
    problem = Problem(
        square, lambda u: -laplace(u) - 1, [Dirichlet(0, on=square.boundary)], constants={"k": 2.0}
    )
    return solve(problem, tol=1e-2)


@pytest.fixture(scope="module")
def heat():
    rod = Interval(0, 1)
    conditions = [Initial(lambda x: torch.sin(torch.pi * x)), Dirichlet(0, on=rod.boundary)]
    return solve(Problem(rod * TimeInterval(0, 1), lambda u: u.t - 0.1 * u.xx, conditions), tol=1e-2)


def test_what_is_shown_has_at_most_ten_lines(membrane, heat):
    for thing in (membrane, membrane.problem, heat, heat.problem):
        assert 1 <= len(repr(thing).splitlines()) <= 10
        assert len(repr(thing)) < 1000
    assert "estimated error" in repr(membrane)
    assert membrane.status in repr(membrane)


def test_a_notebook_shows_a_table_and_the_picture(membrane):
    shown = membrane._repr_html_()
    assert "<table>" in shown
    assert "data:image/png;base64," in shown
    assert len(shown) < 300_000
    assert "<th>domain</th>" in membrane.problem._repr_html_()
    assert "&lt;lambda&gt;" in membrane.problem._repr_html_()


def test_a_notebook_shows_reports_as_tables(membrane):
    report = check(membrane.problem)._repr_html_()
    assert "can be solved as written" in report
    study = convergence(membrane.problem, cells=[1, 2], degree=4)._repr_html_()
    assert study.count("<tr>") == 3
    assert "data:image/png;base64," in study
    rod = Interval(0, 1)
    equation = {"equation": lambda u, k: -u.xx - k, "constants": {"k": 1.0}}
    table = sweep(Problem(rod, conditions=[Dirichlet(0, on=rod.boundary)], **equation), k=[1, 2], tol=1e-2)
    shown = table._repr_html_()
    assert "Over k: 2 of 2 points solved" in shown
    assert "<td>solved</td>" in shown


def test_without_a_path_the_figure_comes_back(membrane):
    figure = plot(membrane)
    assert isinstance(figure, Figure)
    assert len(figure.axes) >= 2


def test_the_first_unknown_is_drawn_into_axes_of_ones_own(membrane):
    figure = Figure()
    axes = figure.add_subplot()
    assert plot(membrane, ax=axes) is figure
    assert axes.get_aspect() == 1.0
    assert axes.collections
    with pytest.raises(UsageError, match="expected one of them"):
        plot(membrane, "u.png", ax=axes)


def test_patches_are_drawn_with_their_degrees(membrane, heat, tmp_path):
    assert plot(membrane, tmp_path / "patches.png", mesh=True).stat().st_size > 5_000
    cells = plot(membrane, mesh=True).axes[0].collections[0]
    mixture = membrane.approximator
    assert len(cells.get_paths()) == len(mixture.partition)
    assert set(cells.get_array()) == {q - 1 for q in mixture.q[mixture.host]}
    # A march has patches in space.
    assert plot(heat, mesh=True).axes[0].get_xlabel() == "$x$"


def test_an_evolution_becomes_an_animation(heat, membrane, tmp_path):
    with Image.open(plot(heat, tmp_path / "heat.gif")) as picture:
        assert picture.n_frames > 10
    with pytest.raises(UsageError, match="expected a problem with time"):
        plot(membrane, tmp_path / "u.gif")


def test_a_solution_of_a_problem_without_a_file_is_loaded_with_the_problem(membrane, tmp_path):
    membrane.save(tmp_path)
    with pytest.raises(UsageError, match="pass it, Solution"):
        Solution.load(tmp_path)
    assert Solution.load(tmp_path, membrane.problem)(0.3, 0.4) == membrane(0.3, 0.4)


def test_panels_of_one_domain_are_numbered_at_the_left_and_the_bottom_only(membrane):
    first, second = [axes for axes in plot(membrane, points=200).axes if axes.get_aspect() == 1.0]
    assert (first.get_ylabel(), second.get_ylabel()) == ("y", "")
    assert first.get_xlabel() == second.get_xlabel() == "x"
    assert not any(label.get_visible() and label.get_text() for label in second.get_yticklabels())


@pytest.mark.parametrize(
    ("largest", "power"), [(3e-5, "×10⁻⁵"), (3e6, "×10⁶"), (0.5, "")], ids=["small", "large", "usual"]
)
def test_a_common_power_of_ten_is_written_beside_the_colours(largest, power):
    figure = Figure()
    mesh = grid(np.zeros(2), np.ones(2), (5, 5), ("x", "y"))
    with matplotlib.rc_context(panels.STYLE):
        panels.surface(figure.add_subplot(), mesh, np.linspace(0, largest, 25))
        figure.draw_without_rendering()
    bar = figure.axes[-1].yaxis
    assert bar.get_offset_text().get_text() == power
