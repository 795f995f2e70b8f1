"""Problems in other units: the exact solution in new units solves them, with the same relative error."""

import importlib.util
from pathlib import Path

import pytest
import torch

from pdesolve import Interval, Problem, Rectangle
from pdesolve.benchmarking.rescaled import Units, rescaled
from pdesolve.check import check
from pdesolve.loading import load_problem

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "problems"
UNITS = Units(length=1e3, time=1e-3, value=1e6)
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


@pytest.mark.parametrize("name", NAMES)
def test_the_exact_solution_in_other_units_solves_the_problem_in_other_units(name):
    base = load_problem(FOLDER / f"{name}.py")
    problem = rescaled(base, UNITS)
    report = check(problem)
    assert report.ok, report
    if not base.exact:
        return
    x = base.domain.sample(50)
    factors = x.new_tensor([UNITS.of(coordinate) for coordinate in base.coordinates])
    expected = UNITS.value * base.values(base.exact, x)
    assert torch.allclose(problem.values(problem.exact, x * factors), expected, rtol=1e-9)


def test_rescaling_by_one_changes_no_residual():
    from pdesolve.residual import compile_problem

    base = load_problem(FOLDER / "annulus_robin.py")
    x = base.domain.sample(20)
    (first, *_), (second, *_) = (compile_problem(p) for p in (base, rescaled(base, Units())))
    jets = torch.rand(20, len(first.slots), dtype=torch.float64)
    assert first.slots == second.slots
    assert torch.allclose(first.residual(x, jets), second.residual(x, jets), rtol=1e-13)


def test_a_wrong_power_of_the_length_would_be_found():
    square = Rectangle((0, 0), (1, 1))
    problem = Problem(square, lambda u, x: u.x - 3 * x**2, exact=lambda x: x**3)
    assert "does not satisfy" not in str(check(rescaled(problem, UNITS)))
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
    space, time = rescaled(base, UNITS).domain.space, rescaled(base, UNITS).domain.time
    assert isinstance(space, Interval)
    assert space.measure == pytest.approx(1e3 * base.domain.space.measure)
    assert time.length == pytest.approx(1e-3 * base.domain.time.length)
