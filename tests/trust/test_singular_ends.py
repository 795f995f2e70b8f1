"""Conditions at an end of a line where the equation is singular: what no solution meets is not verified."""

import math

import numpy as np
import pytest
from torch import cos, sin
from verdicts import LINE

from pdesolve import Dirichlet, Neumann, Problem, div, grad, solve
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.adaptive.singular_ends import singular_ends
from pdesolve.runs.monitor import Monitor

CLAMPED = [Dirichlet(0, on=LINE.boundary), Neumann(0, on=LINE.boundary)]
ENDS = [Dirichlet(0, on=LINE.boundary)]


def conducting(a):
    """-(x^a u')' = f, whose solution with bounded flux is cos 2x."""

    def equation(u, x):
        source = 2 * a * x ** (a - 1) * sin(2 * x) + 4 * x**a * cos(2 * x)
        return -div(x**a * grad(u)) - source

    return equation


def bending(a):
    """(x^a u'')'' = 1."""
    return lambda u, x: a * (a - 1) * x ** (a - 2) * u.xx + 2 * a * x ** (a - 1) * u.xxx + x**a * u.xxxx - 1


def ends_of(equation, conditions):
    space = Discretisation(Problem(LINE, equation, conditions), 1e-2, Monitor(), "cpu", {})
    return singular_ends(space.solve(*space.roots(), None))


@pytest.mark.parametrize("a", [0.5, 1.0, 1.5, 2.5])
def test_exponents_of_solutions_at_a_singular_end_are_those_of_theory(a):
    (end,) = ends_of(conducting(a), ENDS)
    assert end.place == 0
    np.testing.assert_allclose(np.sort(end.roots.real), sorted([0, 1 - a]), atol=1e-3)
    (end,) = ends_of(bending(a), CLAMPED)
    np.testing.assert_allclose(np.sort(end.roots.real), sorted([0, 1, 2 - a, 3 - a]), atol=1e-3)


def test_at_the_upper_end_distances_are_counted_inward():
    (end,) = ends_of(lambda u, x: -(u.xx * (1 - x) ** 2) + 3 * (1 - x) * u.x, ENDS)
    assert end.place == 1
    np.testing.assert_allclose(np.sort(end.roots.real), [-2, 0], atol=1e-3)


def test_an_end_is_regular_where_the_coefficients_are():
    assert not ends_of(lambda u, x: -u.xx + 5 * u.x + cos(x) * u, ENDS)


@pytest.mark.parametrize("a", [2.0, 3.0])
def test_a_value_that_no_solution_takes_at_a_singular_end_is_not_verified(a):
    conditions = [Dirichlet(2, on=LINE.left), Dirichlet(math.cos(2), on=LINE.right)]
    solution = solve(Problem(LINE, conducting(a), conditions), tol=1e-2)
    assert not solution.converged
    assert "met by a jump at 0" in solution.status


def test_a_slope_that_a_vanishing_stiffness_cannot_hold_is_not_verified():
    solution = solve(Problem(LINE, bending(1.5), CLAMPED), tol=1e-2)
    assert not solution.converged
    assert "Neumann" in solution.status
    assert "met by a jump at 0" in solution.status


@pytest.mark.parametrize("a", [0.5, 1.0, 2.0])
def test_the_value_that_a_solution_takes_by_itself_is_verified(a):
    conditions = [Dirichlet(1, on=LINE.left), Dirichlet(math.cos(2), on=LINE.right)]
    solution = solve(Problem(LINE, conducting(a), conditions, exact=lambda x: cos(2 * x)), tol=1e-4)
    assert solution.converged, solution.status
    assert solution.relative_l2_error() <= 1e-4


def test_a_solution_that_is_steep_at_its_end_is_no_jump():
    """x^0.1 beside x^-0.1, which its value excludes."""
    conditions = [Dirichlet(0, on=LINE.left), Dirichlet(1, on=LINE.right)]
    (end,) = ends_of(lambda u, x: x**2 * u.xx + x * u.x - 0.01 * u, conditions)
    np.testing.assert_allclose(np.sort(end.roots.real), [-0.1, 0.1], atol=1e-3)
    assert not end.excludes(0)
