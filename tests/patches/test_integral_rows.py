"""Integral conditions: rows over all patches, the constant they fix, and the border of the factorisation."""

from math import pi

import numpy as np
import pytest
import torch
from discretised import assemble, patches_over
from torch import cos, exp, sin

from pdesolve import (
    Condition,
    Dirichlet,
    Disk,
    Initial,
    Integral,
    Interface,
    Interval,
    Neumann,
    Periodic,
    Piecewise,
    Problem,
    Rectangle,
    TimeInterval,
    div,
    grad,
    laplace,
    solve,
)
from pdesolve.least_squares.sparse.border import DenseRows
from pdesolve.least_squares.sparse.normal_equations import NormalEquations
from pdesolve.least_squares.sparse.row_blocks import RowBlocks
from pdesolve.patches.newton import project
from pdesolve.patches.rows.integrals import IntegralRows

SQUARE, DISK, LINE = Rectangle((0, 0), (1, 1)), Disk((0, 0), 1), Interval(0, 1)


def wave(x, y):
    return cos(pi * x) * cos(2 * pi * y)


def neumann(mean=0.0):
    def poisson(u, x, y):
        return -laplace(u) - 5 * pi**2 * wave(x, y)

    conditions = [Neumann(0, on=SQUARE.boundary), Integral(mean)]
    return Problem(SQUARE, poisson, conditions, exact=lambda x, y: wave(x, y) + mean)


@pytest.mark.parametrize("mean", [0.0, -3.0])
def test_a_mean_fixes_the_constant_of_a_pure_neumann_problem(mean):
    solution = solve(neumann(mean), tol=1e-8, time_limit=30)
    assert solution.converged
    assert solution.relative_l2_error() < 1e-8
    assert solution.integral() == pytest.approx(mean, abs=1e-12)


def test_a_mean_fixes_the_constant_on_a_torus():
    def exact(x, y):
        return sin(2 * pi * x) * cos(4 * pi * y)

    conditions = [Periodic("x"), Periodic("y"), Integral(0)]
    problem = Problem(SQUARE, lambda u, x, y: -laplace(u) - 20 * pi**2 * exact(x, y), conditions, exact=exact)
    solution = solve(problem, tol=1e-10, time_limit=30)
    assert solution.converged
    assert solution.relative_l2_error() < 1e-10


def test_the_mean_is_taken_over_a_curved_domain_exactly():
    """r⁴ + xy - 1/3 has mean zero over the unit disk."""

    def exact(x, y):
        return (x**2 + y**2) ** 2 + x * y - 1 / 3

    conditions = [Neumann(lambda x, y: 4 + 2 * x * y, on=DISK.boundary), Integral(0)]
    problem = Problem(DISK, lambda u, x, y: laplace(u) - 16 * (x**2 + y**2), conditions, exact=exact)
    solution = solve(problem, tol=1e-8, time_limit=30)
    assert solution.converged
    assert solution.max_error() < 1e-8
    assert abs(solution.integral()) < 1e-10


def test_the_mean_is_taken_over_both_sides_of_an_interface():
    """u = x (1 + c/r²) outside and x (1 + c/ρ²) inside a disk of radius ρ, shifted: a potential flow past it."""
    disk, square = Disk((0, 0), 0.5), Rectangle((-1, -1), (1, 1))
    k = Piecewise({disk: 3.0}, otherwise=1.0)
    c = 0.25 * (1 - 3) / (1 + 3)

    def exact(x, y):
        r2 = x**2 + y**2
        return 0.5 + torch.where(r2 < 0.25, x * (1 + 4 * c), x * (1 + c / r2.clamp_min(1e-9)))

    outer = lambda x, y: x * (1 + c / (x**2 + y**2))  # noqa: E731
    flux = Condition(lambda u, n, x, y: n @ (grad(u) - grad(outer(x, y))), on=square.boundary)
    conditions = [flux, Interface(k, on=disk.boundary), Integral(2)]
    problem = Problem(square, lambda u, x, y: div(k(x, y) * grad(u)), conditions, exact=exact)
    solution = solve(problem, tol=1e-6, time_limit=30)
    assert solution.converged
    assert solution.max_error() < 1e-5
    assert solution.integral() == pytest.approx(2, abs=1e-8)


def test_a_mean_holds_at_all_times_of_a_march():
    """The mean of p, of which the equation knows the gradient only."""

    def exact_p(x, t):
        return sin(t) * cos(pi * x) + t

    def system(u, p, x, t):
        return u.t + pi**2 * u, p.xx + pi**2 * sin(t) * cos(pi * x)

    conditions = [
        Initial(lambda x: sin(pi * x), unknown="u"),
        Neumann(0, on=LINE.boundary, unknown="p"),
        Integral(lambda t: t, unknown="p"),
    ]
    exact = {"u": lambda x, t: exp(-(pi**2) * t) * sin(pi * x), "p": exact_p}
    problem = Problem(LINE * TimeInterval(0, 0.5), system, conditions, exact=exact)
    solution = solve(problem, tol=1e-7, time_limit=30)
    assert solution.converged, solution.status
    assert solution.relative_l2_error() < 1e-7


def test_the_rows_integrate_polynomials_exactly():
    problem = Problem(SQUARE, lambda u: laplace(u), [Dirichlet(0, on=SQUARE.boundary), Integral(2)])
    assembly = assemble(problem, patches_over(problem, 3, hanging=True), 8)
    (rows,) = assembly.source(IntegralRows).blocks
    square = Problem(SQUARE, lambda u: laplace(u), [Dirichlet(0, on=SQUARE.boundary)], guess=lambda x: x**2)
    c = project(assembly, None, square)
    assert float(rows.apply(c)[0, 0]) == pytest.approx(10 / 3, rel=1e-9)
    assert float(rows.residual(c)[0, 0]) == pytest.approx(10 * (1 / 3 - 2), rel=1e-9)


def dense_matrix(rows, p):
    eye = torch.eye(p, dtype=torch.float64)
    return torch.stack([torch.cat([block.apply(e).flatten() for block in rows]) for e in eye], dim=1)


def test_bordered_normal_equations_solve_the_dense_least_squares_problem():
    """A without C has a null vector; the factor is made regular by a row on one patch and corrected."""
    assembly = assemble(neumann(), patches_over(neumann(), 3), 6)
    rows, residuals, _ = assembly.linearise(torch.zeros(assembly.layout.total, dtype=torch.float64))
    assert isinstance(rows[-1], DenseRows)
    found = NormalEquations(assembly.layout, assembly.patches.centre, rows).solve([-r for r in residuals])
    A, b = dense_matrix(rows, assembly.layout.total), -torch.cat([r.flatten() for r in residuals])
    expected = torch.linalg.lstsq(A, b).solution
    assert found.steps <= 10
    assert float((found.x - expected).norm() / expected.norm()) < 1e-9
    sparse = [block for block in rows if isinstance(block, RowBlocks)]
    without = torch.linalg.svdvals(dense_matrix(sparse, assembly.layout.total))
    assert float(without[-1] / without[0]) < 1e-6  # the envelope makes a constant nearly representable


def test_without_integrals_there_is_no_border():
    problem = Problem(SQUARE, lambda u: laplace(u), [Dirichlet(0, on=SQUARE.boundary)])
    assembly = assemble(problem, patches_over(problem, 2), np.full(4, 6))
    rows, _, _ = assembly.linearise(torch.zeros(assembly.layout.total, dtype=torch.float64))
    with pytest.raises(LookupError, match="no IntegralRows"):
        assembly.source(IntegralRows)
    assert all(isinstance(block, RowBlocks) for block in rows)
