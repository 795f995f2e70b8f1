import ast
from pathlib import Path

import numpy as np
import pytest
from analytic import AnalyticSolution, history
from matplotlib.collections import TriMesh
from PIL import Image

import pdesolve
from pdesolve import Initial, Problem, solve
from pdesolve.errors import UsageError
from pdesolve.geometry import Ball, Box, Disk, Interval, Rectangle, TimeInterval
from pdesolve.output import panels, plotting
from pdesolve.output.fields import mesh_fields
from pdesolve.output.plotting import plot, plot_history

SQUARE, LINE = Rectangle((0, 0), (1, 1)), Interval(-1, 1)
HOLE = SQUARE - Disk((0.5, 0.5), 0.2)
CASES = {
    "line": AnalyticSolution(LINE, {"u": "sin(7*x)"}, error="x/1000"),
    "two lines": AnalyticSolution(Interval(0, 1) - Interval(0.4, 0.5), {"u": "x"}, exact=False),
    "square": AnalyticSolution(SQUARE, {"u": "sin(3*x)*y"}, error="x*y/1000"),
    "hole": AnalyticSolution(HOLE, {"u": "x*y"}, error="x*y/1000"),
    "exactly solved": AnalyticSolution(SQUARE, {"u": "3"}),
    "long": AnalyticSolution(Rectangle((0, 0), (1000, 1)), {"u": "x*y"}),
    "system": AnalyticSolution(SQUARE, {"u": "x", "p_total": "y"}, error="x/1000", exact=False),
    "line in time": AnalyticSolution(LINE * TimeInterval(0, 1), {"u": "x*t"}, error="x/1000"),
    "hole in time": AnalyticSolution(HOLE * TimeInterval(0, 1), {"u": "x*t"}, error="x/1000"),
    "ball": AnalyticSolution(Ball((0, 0, 0), 1), {"u": "x*y*z"}, error="x/1000"),
    "box in time": AnalyticSolution(Box((0,) * 3, (1,) * 3) * TimeInterval(0, 1), {"u": "x*y*z*t"}),
    "ten dimensions": AnalyticSolution(Box((0,) * 10, (1,) * 10), {"u": "x1*x10"}, error="x2/1000"),
}


def colours(path):
    return len(Image.open(path).convert("RGB").getcolors(1 << 24))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_problem_is_drawn_in_full(tmp_path, monkeypatch, name):
    monkeypatch.setattr(plotting, "_SLICE", 41)
    path = plot(CASES[name], tmp_path / "u.png", points=500)
    width, height = Image.open(path).size
    assert width >= 900
    assert height >= 450
    assert colours(path) > 100


def test_a_march_that_was_stopped_is_drawn_up_to_where_it_came(tmp_path, monkeypatch):
    solution, drawn = AnalyticSolution(SQUARE * TimeInterval(0, 1), {"u": "x*t"}), []
    solution.reached, solution.relative_l2_error, solution.estimated_error = 0.3, lambda: None, np.nan
    monkeypatch.setattr(plotting, "mesh_fields", lambda *a: drawn.append(a[2]) or mesh_fields(*a))
    plot(solution, tmp_path / "u.png", points=200)
    assert max(drawn) == pytest.approx(0.3)
    assert "stopped at $t$ = 0.3" in plotting._headline(solution)


def test_a_singular_corner_and_a_missing_history_do_not_stop_a_picture(tmp_path):
    solution = AnalyticSolution(SQUARE, {"u": "log(x**2 + y**2)"}, error="x")
    solution.history, solution.estimated_error = [], None
    with np.errstate(all="ignore"):
        assert colours(plot(solution, tmp_path / "u.png", points=200)) > 100


def test_the_layout_needs_no_path_of_every_triangle(tmp_path, monkeypatch):
    monkeypatch.setattr(TriMesh, "convert_mesh_to_paths", lambda *_: pytest.fail("paths were made"))
    assert colours(plot(CASES["line in time"], tmp_path / "u.png", points=200)) > 100


def test_only_pictures_are_drawn_and_nothing_else_is_written(tmp_path):
    with pytest.raises(UsageError, match=r"'\.txt', expected a picture: \.png, \.pdf, \.svg"):
        plot(CASES["line"], tmp_path / "u.txt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg", ".PNG"])
def test_a_history_is_a_picture_of_its_own(tmp_path, suffix):
    assert plot_history(history(), tmp_path / f"h{suffix}").stat().st_size > 1000


def test_a_history_without_figures_is_refused(tmp_path):
    with pytest.raises(UsageError, match="expected two or more with an error"):
        plot_history(
            [{"seconds": 1.0, "loss": 0.5}, {"seconds": 2.0, "loss": float("nan")}], tmp_path / "h.png"
        )


def drawn_history(rows):
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    panels.history(axes, rows, tolerance=1e-6)
    return axes


def test_an_adaptive_history_is_drawn_over_unknowns_on_two_logarithmic_axes():
    axes = drawn_history(history())
    lines = {line.get_label(): line for line in axes.lines}
    assert set(lines) == {"estimated error", "residual", "tolerance"}
    np.testing.assert_array_equal(lines["estimated error"].get_xdata(), [100 * 2**k for k in range(1, 8)])
    np.testing.assert_array_equal(lines["estimated error"].get_ydata(), [10.0**-k for k in range(1, 8)])
    assert (axes.get_xscale(), axes.get_yscale(), axes.get_xlabel()) == ("log", "log", "unknowns")


def test_a_training_history_is_drawn_over_seconds():
    axes = drawn_history([{"seconds": k / 10, "iteration": k, "loss": 2.0**-k} for k in range(5)])
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), np.arange(5) / 10)
    assert (axes.get_xscale(), axes.get_yscale(), axes.get_xlabel()) == ("linear", "log", "seconds")


def test_colour_scales_span_the_values_and_at_most_six_decades_of_an_error():
    assert panels.value_limits(np.array([1.0, np.nan, 3.0]), np.array([-2.0])) == (-2, 3)
    assert panels.value_limits(np.array([3.0, 3.0])) == (1.5, 4.5)
    assert panels.log_limits(np.array([0.0, -1e-3, 1e-12])) == pytest.approx((1e-9, 1e-3))
    low, high = panels.log_limits(np.zeros(3))
    assert 0 < low < high


def test_matplotlib_is_not_imported_before_something_is_drawn():
    """It takes half a second: no file of the package names it outside of a function."""
    for path in Path(pdesolve.__file__).parent.rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not [name for name in names if name.startswith("matplotlib")], path.name


def test_an_unknown_of_time_alone_is_drawn_over_time():
    problem = Problem(TimeInterval(0, 1), lambda u: u.t + u, [Initial(1)])
    assert plot(solve(problem, tol=1e-3)).axes[0].get_xlabel() == "$t$"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1e-5, "10⁻⁵"),
        (2e-12, "2·10⁻¹²"),
        (0.01, "0.01"),
        (1000.0, "1000"),
        (1e4, "10⁴"),
        (0.0, ""),
        (1e-3, "10⁻³"),
    ],
)
def test_powers_of_ten_are_written_in_plain_text(value, shown):
    assert panels.power_of_ten(value) == shown


def test_a_logarithmic_scale_has_few_numbers_and_a_short_one_enough():
    from matplotlib.figure import Figure

    for smallest, fewest, most in ((1e-12, 3, 8), (3e-7, 2, 5)):
        axes = Figure().subplots()
        panels.magnitude_curve(axes, np.linspace(0, 1, 20), np.geomspace(smallest, 1e-6, 20))
        low, high = axes.get_ylim()
        shown = [t for t in axes.yaxis.get_majorticklocs() if low <= t <= high]
        assert fewest <= len(shown) <= most


def test_a_png_is_cut_to_what_is_drawn(tmp_path):
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    figure = Figure(figsize=(4, 2))
    figure.add_artist(plt_rectangle(0.25, 0.25, 0.5, 0.5))
    plotting._write_png(figure, tmp_path / "a.png")
    height, width, _ = imread(tmp_path / "a.png").shape
    pad = 2 * round(0.08 * 160)
    assert abs(width - (320 + pad)) <= 3
    assert abs(height - (160 + pad)) <= 3


def plt_rectangle(x, y, width, height):
    from matplotlib.patches import Rectangle as Patch

    return Patch((x, y), width, height, color="black", linewidth=0)
