"""Sources that jump across the edge of a domain in `Piecewise`: patches end there without an Interface."""

import math
from pathlib import Path

import pytest
import torch
from torch import pi, sin
from verdicts import LINE, SQUARE, require_right

from pdesolve import (
    Dirichlet,
    Disk,
    Interval,
    Piecewise,
    Problem,
    Rectangle,
    TimeInterval,
    laplace,
    solve,
)
from pdesolve.benchmarking.transformed import Transformation, transformed
from pdesolve.solution.solution import Solution
from pdesolve.statement.borders import with_borders
from pdesolve.statement.loading import load_problem

PROBLEMS = Path(__file__).resolve().parents[2] / "problems"
PLATE = Disk((0, 0), 1)


def heater(radius):
    """-Δu = 1 for r < R, u = 0 at r = 1."""
    q = Piecewise({Disk((0, 0), radius): 1.0}, otherwise=0.0)

    def exact(x, y):
        r2 = x * x + y * y
        inside = radius**2 / 4 * (1 - 2 * math.log(radius)) - r2 / 4
        return torch.where(r2 < radius**2, inside, -(radius**2) / 4 * torch.log(r2.clamp_min(1e-9)))

    return Problem(
        PLATE, lambda u, x, y: -laplace(u) - q(x, y), [Dirichlet(0, on=PLATE.boundary)], exact=exact
    )


@pytest.mark.parametrize(("radius", "tol"), [(0.3, 1e-2), (0.3, 1e-5), (0.7, 1e-6), (0.15, 1e-3)])
def test_a_round_heater_is_solved(radius, tol):
    require_right(heater(radius), tol)


def test_a_reaction_in_a_part_of_an_interval_is_solved():
    k = Piecewise({Interval(0.3123, 0.61): 50.0}, otherwise=1.0)
    exact = lambda x: sin(2 * pi * x)  # noqa: E731
    problem = Problem(
        LINE,
        lambda u, x: -u.xx + k(x) * u - (4 * pi**2 + k(x)) * exact(x),
        [Dirichlet(0, on=LINE.boundary)],
        exact=exact,
    )
    require_right(problem, 1e-9)


def test_a_heater_with_corners_is_solved():
    spot = Rectangle((0.21, 0.33), (0.55, 0.71))
    q = Piecewise({spot: 1.0}, otherwise=0.0)
    zero = [Dirichlet(0, on=SQUARE.boundary)]
    coarse = solve(Problem(SQUARE, lambda u, x, y: -laplace(u) - q(x, y), zero), tol=1e-3)
    fine = solve(Problem(SQUARE, lambda u, x, y: -laplace(u) - q(x, y), zero), tol=1e-5)
    x = SQUARE.sample(500)
    difference = (coarse.approximator(x) - fine.approximator(x)).norm() / fine.approximator(x).norm()
    assert coarse.converged
    assert fine.converged
    assert difference <= 3e-3


def test_what_was_solved_with_borders_is_loaded_with_them(tmp_path):
    problem = heater(0.3)
    solution = solve(problem, tol=1e-3)
    solution.save(tmp_path)
    again = Solution.load(tmp_path, problem)
    x = PLATE.sample(300)
    assert torch.equal(again.approximator(x), solution.approximator(x))


STEP = Piecewise({Interval(0, 0.5): 1.0}, otherwise=2.0)
WITHOUT = {
    "of first order": Problem(LINE, lambda u, x: u.x - STEP(x), [Dirichlet(0, on=LINE.left)]),
    "in time": Problem(
        LINE * TimeInterval(0, 1), lambda u, x: u.t - u.xx - STEP(x), [Dirichlet(0, on=LINE.boundary)]
    ),
    "no jump": Problem(LINE, lambda u: -u.xx - 1, [Dirichlet(0, on=LINE.boundary)]),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_no_border_is_made_where_it_would_say_what_the_equation_does_not(name):
    assert with_borders(WITHOUT[name]) is WITHOUT[name]


def test_no_border_is_added_where_an_interface_is_stated_in_other_units():
    """The equation looks its coefficient up in metres, the interface stands in millimetres: was wrong by 12 %."""
    problem = load_problem(PROBLEMS / "interface_2d.py")
    scaled = transformed(problem, Transformation(length=1e3, time=1e-3, value=1e6))
    require_right(scaled, 1e-4)
