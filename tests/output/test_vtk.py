from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from analytic import AnalyticSolution
from test_guarded_meshio import read
from vtkmodules.util.numpy_support import vtk_to_numpy

from pdesolve.errors import SolveError, UsageError
from pdesolve.geometry import Ball, Box, Disk, Interval, Rectangle, TimeInterval
from pdesolve.output import export

SQUARE = Rectangle((0, 0), (1, 1))
LINE = Interval(-1, 1)
CELLS = {"line": 3, "triangle": 5, "quad": 9, "tetra": 10, "hexahedron": 12}


def points_of(grid):
    return vtk_to_numpy(grid.GetPoints().GetData())


@pytest.mark.parametrize("suffix", [".vtu", ".vtk"])
@pytest.mark.parametrize(
    ("domain", "formula", "kind"),
    [
        (LINE, "sin(3*x)", "line"),
        (SQUARE, "sin(3*x)*exp(y)", "quad"),
        (SQUARE - Disk((0.5, 0.5), 0.2), "x**2*y", "triangle"),
        (Box((0, 0, 0), (1, 1, 1)), "x*y**2*z**3", "hexahedron"),
        (Ball((0, 0, 0), 1), "x*y + z", "tetra"),
    ],
    ids=["line", "square", "hole", "box", "ball"],
)
def test_a_file_holds_the_values_the_solution_has_at_its_points(tmp_path, suffix, domain, formula, kind):
    solution = AnalyticSolution(domain, {"u": formula}, error="x/1024")
    (path,) = export(solution, tmp_path / f"u{suffix}", points=600)
    grid, arrays = read(path)
    assert {grid.GetCellType(i) for i in range(grid.GetNumberOfCells())} == {CELLS[kind]}
    assert set(arrays) == {"u", "u_exact", "u_error", "grad_u", "residual"}
    x, d = points_of(grid), domain.dimension
    points = torch.as_tensor(x[:, :d].copy())
    np.testing.assert_array_equal(arrays["u"], solution.evaluate(points)[:, 0])
    np.testing.assert_array_equal(arrays["u_exact"], solution.exact_values(points)[:, 0])
    np.testing.assert_array_equal(arrays["u_error"], arrays["u"] - arrays["u_exact"])
    np.testing.assert_array_equal(arrays["residual"], x[:, 0] / 1024)
    steps = tuple(map(tuple, np.eye(d, dtype=int)))
    np.testing.assert_array_equal(arrays["grad_u"][:, :d], solution.jet(points, steps)[:, 0])
    assert arrays["grad_u"].shape == (len(x), 3)
    assert (arrays["grad_u"][:, d:] == 0).all()


def test_cells_fill_the_domain(tmp_path):
    (path,) = export(AnalyticSolution(SQUARE, {"u": "x"}), tmp_path / "u.vtu", points=121)
    grid, _ = read(path)
    assert grid.GetNumberOfPoints() == 121
    assert grid.GetNumberOfCells() == 100
    assert grid.GetBounds() == (0, 1, 0, 1, 0, 0)


def test_a_system_has_every_array_for_every_unknown_and_equation(tmp_path):
    solution = AnalyticSolution(SQUARE, {"v": "x*y", "p": "x - y"}, error="x")
    (path,) = export(solution, tmp_path / "u.vtu", points=100)
    _, arrays = read(path)
    kinds = {f"{a}{u}{b}" for u in "vp" for a, b in [("", ""), ("", "_exact"), ("", "_error"), ("grad_", "")]}
    assert set(arrays) == kinds | {"residual", "residual_1", "residual_2"}
    np.testing.assert_array_equal(arrays["residual_2"], 2 * arrays["residual_1"])
    np.testing.assert_allclose(arrays["residual"], np.sqrt(5) * arrays["residual_1"], rtol=1e-15)


def test_without_an_exact_solution_there_are_no_errors(tmp_path):
    (path,) = export(AnalyticSolution(SQUARE, {"u": "x"}, exact=False), tmp_path / "u.vtu", points=100)
    assert set(read(path)[1]) == {"u", "grad_u", "residual"}


@pytest.mark.parametrize("space", [LINE, Disk((0, 0), 1), Box((0, 0, 0), (1, 1, 1))], ids=["1", "2", "3"])
def test_a_collection_has_the_right_times_and_the_values_of_each(tmp_path, space):
    domain = space * TimeInterval(1, 3)
    solution = AnalyticSolution(domain, {"u": "x*t"})
    written = export(solution, tmp_path / "run" / "u.pvd", points=60, steps=5)
    sets = ElementTree.parse(written[0]).getroot().findall("Collection/DataSet")
    assert [float(s.get("timestep")) for s in sets] == [1, 1.5, 2, 2.5, 3]
    for s in sets:
        assert not Path(s.get("file")).is_absolute()
        grid, arrays = read(written[0].parent / s.get("file"))
        x, t = points_of(grid), float(s.get("timestep"))
        np.testing.assert_array_equal(arrays["u"], x[:, 0] * t)
        np.testing.assert_array_equal(arrays["grad_u"], np.array([[t, 0, 0]]).repeat(len(x), axis=0))


def test_one_space_dimension_and_time_also_gives_the_surface_over_both(tmp_path):
    solution = AnalyticSolution(LINE * TimeInterval(0, 2), {"u": "x*t**2"})
    *_, surface = export(solution, tmp_path / "u.pvd", points=20, steps=3)
    assert surface.name == "u-spacetime.vtu"
    for path in (surface, *export(solution, tmp_path / "v.vtu")):
        grid, arrays = read(path)
        x = points_of(grid)
        assert grid.GetBounds() == (-1, 1, 0, 2, 0, 0)
        assert grid.GetCellType(0) == CELLS["quad"]
        np.testing.assert_array_equal(arrays["u"], x[:, 0] * x[:, 1] ** 2)


def test_one_time_of_many_can_be_written(tmp_path):
    solution = AnalyticSolution(SQUARE * TimeInterval(0, 2), {"u": "x*t"})
    (path,) = export(solution, tmp_path / "u.vtu", points=100, time=1.5)
    grid, arrays = read(path)
    np.testing.assert_array_equal(arrays["u"], points_of(grid)[:, 0] * 1.5)


def test_a_shorter_collection_leaves_no_steps_of_the_longer_one(tmp_path):
    solution = AnalyticSolution(LINE * TimeInterval(0, 1), {"u": "x*t"})
    export(solution, tmp_path / "u.pvd", points=10, steps=6)
    (tmp_path / "u" / "notes.vtu").write_text("mine")
    export(solution, tmp_path / "u.pvd", points=10, steps=3)
    names = sorted(p.name for p in (tmp_path / "u").iterdir())
    assert names == ["notes.vtu", "u_0000.vtu", "u_0001.vtu", "u_0002.vtu"]


def test_a_steady_problem_is_a_collection_of_one(tmp_path):
    written = export(AnalyticSolution(SQUARE, {"u": "x"}), tmp_path / "u.pvd", points=100)
    assert [p.relative_to(tmp_path).as_posix() for p in written] == ["u.pvd", "u/u_0000.vtu"]


def test_what_is_singular_at_a_corner_is_taken_just_inside(tmp_path):
    solution = AnalyticSolution(SQUARE, {"u": "log(x**2 + y**2)"})
    with np.errstate(divide="ignore", invalid="ignore"):
        (path,) = export(solution, tmp_path / "u.vtu", points=100)
    grid, arrays = read(path)
    corner = np.argmin(np.linalg.norm(points_of(grid), axis=1))
    np.testing.assert_allclose(arrays["u"][corner], np.log(2 * (1e-6 / 18) ** 2), rtol=1e-12)
    assert np.isfinite(arrays["grad_u"]).all()


def test_values_that_are_not_finite_are_refused_and_nothing_is_written(tmp_path):
    solution = AnalyticSolution(SQUARE, {"u": "sqrt(x - 1/2)"}, exact=False)
    with np.errstate(invalid="ignore"), pytest.raises(SolveError, match="'u' has 50 values of 100"):
        export(solution, tmp_path / "u.vtu", points=100)
    assert list(tmp_path.iterdir()) == []


def test_a_reference_that_is_not_known_everywhere_is_left_out_with_a_warning(tmp_path):
    solution = AnalyticSolution(SQUARE, {"u": "x"})
    solution.exact_values = lambda x: (x[:, :1] - 0.5).sqrt()
    with pytest.warns(UserWarning, match="'u_exact' is not finite at 50 of 100 points"):
        (path,) = export(solution, tmp_path / "u.vtu", points=100)
    assert set(read(path)[1]) == {"u", "grad_u", "residual"}


@pytest.mark.parametrize(
    ("domain", "name", "options", "words"),
    [
        (SQUARE * TimeInterval(0, 1), "u.vtu", {}, r"holds one time and the problem has many.*u\.pvd"),
        (SQUARE, "u.vtu", {"time": 1.0}, "has no time"),
        (SQUARE * TimeInterval(0, 1), "u.vtu", {"time": 2.0}, "lies outside.*0 to 1"),
        (SQUARE * TimeInterval(0, 1), "u.vtu", {"steps": 3}, "holds one time, received steps=3"),
        (Box((0,) * 4, (1,) * 4), "u.vtu", {}, "4 space dimensions"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_with_what_to_try(tmp_path, domain, name, options, words):
    with pytest.raises(UsageError, match=words):
        export(AnalyticSolution(domain, {"u": "1"}), tmp_path / name, **options)


def test_unknowns_whose_arrays_would_have_one_name_are_refused(tmp_path):
    with pytest.raises(UsageError, match="two arrays would be called 'u_exact'"):
        export(AnalyticSolution(SQUARE, {"u": "x", "u_exact": "y"}), tmp_path / "u.vtu", points=100)
