"""One step solves a linear problem, however much of its coefficients cancels."""

from dataclasses import replace

import torch

from pdesolve import Dirichlet, Disk, Problem, Rectangle, laplace
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.least_squares.sparse.normal_equations import NormalEquations
from pdesolve.patches.newton import gauss_newton
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


def test_a_start_that_is_worse_than_zero_is_none():
    """What is carried over to new cut cells may be 1e11 times the solution, and takes all digits with it."""
    square = Rectangle((0, 0), (1, 1))
    problem = Problem(square, lambda u: -laplace(u) - 1, [Dirichlet(0, on=square.boundary)])
    space = Discretisation(problem, 1e-8, Monitor(), "cpu", {"cells": 2, "degree": 6})
    right = space.solve(*space.roots(), None)
    far = 1e20 * torch.randn(right.coefficients.shape, generator=torch.Generator().manual_seed(0)).double()
    found = gauss_newton(right.assembly, far, 1e-10, Monitor())
    assert found.converged
    assert torch.equal(found.coefficients, right.coefficients)


def test_a_linear_solve_that_leaves_more_than_zero_does_has_not_converged(monkeypatch):
    square = Rectangle((0, 0), (1, 1))
    problem = Problem(square, lambda u: -laplace(u) - 1, [Dirichlet(0, on=square.boundary)])
    space = Discretisation(problem, 1e-8, Monitor(), "cpu", {"cells": 2, "degree": 6})
    patches, q = space.roots()
    assert space.solve(patches, q, None).converged
    solve = NormalEquations.solve

    def garbled(self, *args, **settings):
        found = solve(self, *args, **settings)
        return replace(found, x=1e3 * found.x)

    monkeypatch.setattr(NormalEquations, "solve", garbled)
    assert not space.solve(patches, q, None).converged
