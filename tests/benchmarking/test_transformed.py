"""Problems in other coordinates and units: the exact solution in them solves the problem in them."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import exp, sin

from pdesolve import Dirichlet, Interval, Periodic, Problem, Rectangle, laplace
from pdesolve.benchmarking.transformed import Change, Transformation, transformed
from pdesolve.checks.check import check
from pdesolve.checks.exactness import exact_jets
from pdesolve.errors import UsageError
from pdesolve.statement.loading import load_problem
from pdesolve.statement.residual import compile_problem

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "problems"
UNITS = Transformation(length=1e3, time=1e-3, value=1e6)
TURNED = Transformation(2.0, 0.5, 3.0, angle=0.3, shift=(0.137, -0.071, 0.053))
NAMES = (
    "annulus_robin",
    "heat_1d",
    "interface_2d",
    "kovasznay",
    "poisson_3d",
    "poisson_four_holes",
    "schroedinger_soliton_1d",
    "wave_1d",
)


@pytest.fixture(scope="module")
def command():
    """The module of the command."""
    spec = importlib.util.spec_from_file_location("scaling", ROOT / "benchmarks" / "scaling.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("to", [UNITS, TURNED], ids=["units", "turned"])
@pytest.mark.parametrize("name", NAMES)
def test_the_transformed_exact_solution_solves_the_transformed_problem(name, to):
    base = load_problem(FOLDER / f"{name}.py")
    if to is TURNED and (base.periodic_axes or base.domain.space_dimension == 1):
        to = replace(to, angle=0.0)
    problem = transformed(base, to)
    report = check(problem)
    assert report.ok, report
    if not base.exact:
        return
    x = base.domain.sample(50)
    image = Change(base, to).points(x)
    assert bool(problem.domain.contains(image).all())
    expected = to.value * base.values(base.exact, x)
    assert torch.allclose(problem.values(problem.exact, image), expected, rtol=1e-9)


def test_derivatives_along_the_old_axes_are_those_before_the_motion():
    """∂/∂x of u'(x') = u(x) in a turned frame is u_x, with every factor of length and value."""
    square = Rectangle((0, 0), (1, 1))
    expected = {}

    def equation(u, x, y):
        expected.update(x=x, y=y, u_x=u.x.tensor, u_xy=u.xy.tensor, product=(x * u.y).y.tensor)
        return u.xx - u.y

    base = Problem(square, equation, exact=lambda x, y: sin(2 * x) * exp(y))
    problem = transformed(base, TURNED)
    x = problem.domain.sample(20)
    operator = compile_problem(problem)[0]
    operator.residual(x, exact_jets(problem, x, operator.slots))
    s, c, e = sin(2 * expected["x"]), torch.cos(2 * expected["x"]), exp(expected["y"])
    assert torch.allclose(expected["u_x"], 2 * c * e)
    assert torch.allclose(expected["u_xy"], 2 * c * e)
    assert torch.allclose(expected["product"], expected["x"] * s * e)


def test_a_periodic_problem_is_not_turned():
    strip = Rectangle((0, 0), (1, 1))
    problem = Problem(strip, lambda u: laplace(u), [Periodic("x"), Dirichlet(0, on=strip.top | strip.bottom)])
    with pytest.raises(UsageError, match="cannot be turned"):
        transformed(problem, TURNED)


def test_rescaling_by_one_changes_no_residual():
    base = load_problem(FOLDER / "annulus_robin.py")
    x = base.domain.sample(20)
    (first, *_), (second, *_) = (compile_problem(p) for p in (base, transformed(base, Transformation())))
    jets = torch.rand(20, len(first.slots), dtype=torch.float64)
    assert first.slots == second.slots
    assert torch.allclose(first.residual(x, jets), second.residual(x, jets), rtol=1e-13)


def test_a_wrong_power_of_the_length_would_be_found():
    square = Rectangle((0, 0), (1, 1))
    problem = Problem(square, lambda u, x: u.x - 3 * x**2, exact=lambda x: x**3)
    assert "does not satisfy" not in str(check(transformed(problem, UNITS)))
    wrong = Problem(square.scaled(1e3), lambda u, x: u.x - 3 * x**2, exact=lambda x: (x / 1e3) ** 3)
    assert "does not satisfy" in str(check(wrong))


def test_alike_needs_a_certificate_and_the_same_relative_error(command):
    row = {"error": 1e-5, "scaled_error": 2e-5, "scaled_certified": True}
    assert command.alike(row)
    assert not command.alike({**row, "scaled_error": 4e-5})
    assert not command.alike({**row, "scaled_certified": False})
    assert not command.alike({**row, "scaled_error": float("nan")})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["annulus_robin", "heat_1d", "interface_2d", "kovasznay", "wave_1d"])
def test_the_relative_error_does_not_depend_on_the_units(command, name):
    row = command.measure(FOLDER / f"{name}.py", tol=1e-4, limit=30.0)
    assert row["alike"], row


def test_a_time_interval_is_rescaled_by_the_time_alone():
    base = load_problem(FOLDER / "heat_1d.py")
    space, time = transformed(base, UNITS).domain.space, transformed(base, UNITS).domain.time
    assert isinstance(space, Interval)
    assert space.measure == pytest.approx(1e3 * base.domain.space.measure)
    assert time.length == pytest.approx(1e-3 * base.domain.time.length)
