"""The first grid resolves data that oscillate everywhere, and is left alone where they do not."""

import math

import pytest
import torch

from pdesolve import Dirichlet, Interval, Problem, Rectangle, gauss_legendre, laplace, solve
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.adaptive.solve import solve_adaptively
from pdesolve.runs.monitor import Monitor

SQUARE = Rectangle((0, 0), (1, 1))


def poisson(source, exact=None):
    conditions = [Dirichlet(0, on=SQUARE.boundary)]
    return Problem(SQUARE, lambda u, x, y: -laplace(u) - source(x, y), conditions, exact=exact)


def waves(frequency):
    k = frequency * math.pi

    def exact(x, y):
        return torch.sin(k * x) * torch.sin(k * y)

    return poisson(lambda x, y: 2 * k**2 * exact(x, y), exact)


def first_grid(problem, tol, **settings):
    patches, q = Discretisation(problem, tol, Monitor(), "cpu", settings).roots()
    return len(patches), set(q.tolist())


@pytest.mark.parametrize("frequency", [2, 7])
@pytest.mark.parametrize("tol", [1e-4, 1e-9])
def test_waves_are_solved_to_the_tolerance_on_the_first_grid(frequency, tol):
    problem = waves(frequency)
    monitor = Monitor()
    result = solve_adaptively(problem, tol, monitor)
    x = problem.domain.sample(512, sampler="sobol")
    exact = problem.values(problem.exact, x)[:, 0]
    assert result.converged
    assert len({row["unknowns"] for row in monitor.history}) == 1
    assert tol / 1e4 < float((result.expansion(x)[:, 0] - exact).norm() / exact.norm()) <= tol


@pytest.mark.parametrize(
    "source",
    [
        lambda x, y: 1 + 0 * x * y,  # resolved by any degree
        lambda x, y: torch.exp(-4e4 * ((x - 0.4) ** 2 + (y - 0.6) ** 2)),  # local
        lambda x, y: torch.sin(400 * x) + 0 * y,  # finer than any grid that is tried
        lambda x, y: (x - 0.31).abs() + 0 * y,  # resolved by patches that end at the bend
    ],
    ids=["constant", "peak", "fine", "bend"],
)
def test_a_grid_that_would_be_waste_is_not_taken(source):
    cells, degrees = first_grid(poisson(source), 1e-6)
    assert cells <= 12
    assert degrees == {8}


def test_a_coefficient_that_oscillates_along_a_line_is_resolved():
    """-((2 + sin 63·2πx) u')' = 1: "stalled … look for a kink" at 174 unknowns. u' = (c - x)/a, and ∫ u' = 0."""

    def a(x):
        return 2 + torch.sin(126 * math.pi * x)

    line = Interval(0, 1)
    problem = Problem(line, lambda u, x: -(a(x) * u.x).x - 1, [Dirichlet(0, on=line.boundary)])
    solution = solve(problem, tol=1e-4)
    assert solution.converged, solution.status
    x, w = gauss_legendre(4000, 0.0, 1.0)
    c = (w * x / a(x)).sum() / (w / a(x)).sum()
    # ∫ u = -∫ x u', as u vanishes at both ends.
    assert float(solution.integral()) == pytest.approx(float((w * x * (x - c) / a(x)).sum()), rel=2e-4)


def test_a_grid_that_is_asked_for_is_taken():
    assert first_grid(waves(7), 1e-9, cells=2) == (4, {8})
    assert first_grid(waves(7), 1e-9, degree=6) == (9, {6})
