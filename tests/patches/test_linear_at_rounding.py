"""One step solves a linear problem, however much of its coefficients cancels."""

from pdesolve import Dirichlet, Disk, Problem, Rectangle, laplace
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.runs.monitor import Monitor


def test_coefficients_that_cancel_on_cut_cells_do_not_make_a_linear_problem_nonlinear():
    """On a cell of which the boundary leaves a corner, polynomials of degree 21 are dependent to rounding."""
    square = Rectangle((-0.5, -0.5), (0.5, 0.5))
    hole = Disk((-0.3, -0.3), 0.1)
    conditions = [Dirichlet(1, on=square.boundary), Dirichlet(0, on=hole.boundary)]
    problem = Problem(square - hole, lambda u: -laplace(u), conditions)
    space = Discretisation(problem, 1e-12, Monitor(), "cpu", {"cells": 4, "degree": 24})
    found = space.solve(*space.roots(), None)
    assert found.converged
    assert found.steps == 1
