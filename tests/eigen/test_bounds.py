"""Bounds contain the known eigenvalues, also of modes that are poor; where nothing is proved, there are none."""

import numpy as np
import pytest
from scipy.special import jn_zeros

from pdesolve import (
    Dirichlet,
    Disk,
    Eigenvalues,
    Interval,
    Neumann,
    Polygon,
    Problem,
    Rectangle,
    laplace,
    solve,
)
from pdesolve.eigen.bounds import eigenvalue_bounds

LINE = Interval(0, 1)
SQUARE = Rectangle((0, 0), (1, 1))
DISC = Disk((0, 0), 1)
L_SHAPE = Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])
FIRST, SECOND, THIRD = (jn_zeros(n, 1)[0] ** 2 for n in range(3))


def membrane(u, lam):
    return -laplace(u) - lam * u


def fixed(domain, count, equation=membrane):
    held = [Dirichlet(0, on=domain.boundary)]
    return Problem(domain, equation, held, eigenvalues=Eigenvalues("lam", count=count))


def oscillator(power, below=0.0):
    line = Interval(-6, 6)
    return fixed(line, 3, lambda u, x, lam: -u.xx + (x**power - below) * u - lam * u)


def weighted(u, x, lam):
    return laplace(u) + lam * (1 + x) * u


@pytest.mark.parametrize(
    ("problem", "tol", "exact", "width"),
    [
        (fixed(SQUARE, 4), 1e-4, np.pi**2 * np.array([2, 5, 5, 8]), 0.01),
        (fixed(DISC, 4), 1e-5, [FIRST, SECOND, SECOND, THIRD], 0.01),
        (fixed(L_SHAPE, 1), 1e-4, [9.63972384402194], 0.6),
        (oscillator(2), 1e-6, [1, 3, 5], 1e-3),
        (oscillator(2, below=3.0), 1e-6, [0, -2, 2], 1e-3),
        (oscillator(4), 1e-5, [1.0603620904841829, 3.7996730298013941, 7.4556979379867384], 1e-2),
        (fixed(LINE, 2, lambda u, lam: -3 * u.xx - lam * u), 1e-6, 3 * np.pi**2 * np.array([1, 4]), 1e-4),
    ],
    ids=["square", "disc", "L", "harmonic", "moved", "anharmonic", "string"],
)
def test_bounds_contain_the_known_eigenvalues(problem, tol, exact, width):
    bounds = solve(problem, tol=tol).eigenvalue_bounds
    assert (bounds[:, 0] <= exact).all(), bounds
    assert (exact <= bounds[:, 1]).all(), bounds
    assert (bounds[:, 1] - bounds[:, 0]).max() <= width * np.abs(exact).max()


def test_bounds_contain_an_eigenvalue_whatever_the_modes_are():
    """The bounds of modes to 1e-3 contain the eigenvalues, and those of a wrong λ contain them, too."""
    problem = fixed(LINE, 2)
    solution = solve(problem, tol=3e-3)
    exact = np.pi**2 * np.array([1, 4])
    for wrong in (1.0, 1.001, 0.98):
        found = eigenvalue_bounds(problem, solution.approximator, wrong * solution.eigenvalues)
        assert (found[:, 0] <= exact).all(), found
        assert (exact <= found[:, 1]).all(), found


def test_bounds_of_a_weight_agree_with_a_finer_solve():
    problem = fixed(LINE, 2, weighted)
    bounds = solve(problem, tol=1e-4).eigenvalue_bounds
    finer = solve(problem, tol=1e-9).eigenvalues
    assert (bounds[:, 0] <= finer).all()
    assert (finer <= bounds[:, 1]).all()


@pytest.mark.parametrize(
    "problem",
    [
        Problem(LINE, membrane, [Neumann(0, on=LINE.boundary)], eigenvalues=Eigenvalues("lam", count=2)),
        fixed(LINE, 2, lambda u, lam: -u.xx + u.x - lam * u),
    ],
    ids=["free ends", "not self-adjoint"],
)
def test_where_nothing_is_proved_there_are_none(problem):
    assert solve(problem, tol=1e-4).eigenvalue_bounds is None
