"""Eigenvalues of complex fields: those of complex numbers, each as often as it is one; waves in lattices."""

import cmath
import math

import numpy as np
import pytest
from scipy.special import mathieu_a, mathieu_b
from torch import cos, pi

from pdesolve import (
    Complex,
    Condition,
    Dirichlet,
    Eigenvalues,
    Interval,
    Periodic,
    Problem,
    ProblemError,
    Rectangle,
    TimeInterval,
    check,
    laplace,
    normal_derivative,
    solve,
)

LINE = Interval(0, 1)


def hill(psi: Complex, x, lam):
    return -psi.xx + (10 * cos(2 * pi * x) - lam) * psi


def free(u: Complex, lam):
    return -laplace(u) - lam * u


def assert_true(solution, exact, factor=3.0):
    error = np.abs(solution.eigenvalues - exact)
    assert solution.converged, solution.status
    assert len(solution.eigenvalues) == len(exact)
    assert (error <= np.maximum(factor * solution.eigenvalue_errors, 1e-12 * np.abs(exact))).all(), error


def bloch(k, count=3):
    conditions = [Periodic("x", phase=lambda k: k)]
    problem = Problem(LINE, hill, conditions, constants={"k": k}, eigenvalues=Eigenvalues("lam", count=count))
    return solve(problem, tol=1e-7)


@pytest.mark.parametrize("k", [0.0, math.pi, 1.0])
def test_bands_of_mathieus_equation(k):
    """With z = πx it is y'' + (a - 2 q cos 2z) y = 0, q = 5/π², λ = π² a; for other k the series of Fourier."""
    q = 5 / math.pi**2
    if k == 0:
        exact = math.pi**2 * np.array([mathieu_a(0, q), mathieu_b(2, q), mathieu_a(2, q)])
    elif k == math.pi:
        # The sign of q exchanges a₁ and b₁, which the two are here in either order.
        exact = math.pi**2 * np.sort([mathieu_a(1, q), mathieu_b(1, q), mathieu_b(3, q)])
    else:
        n = np.arange(-15, 16)
        exact = np.linalg.eigvalsh(
            np.diag((k + 2 * math.pi * n) ** 2) + 5 * (np.eye(31, k=1) + np.eye(31, k=-1))
        )[:3]
    found = bloch(k)
    assert_true(found, exact)
    mode = found.mode(1)
    assert abs(mode(1.0) - cmath.exp(1j * k) * mode(0.0)) < 1e-6
    assert abs(mode.derivative("x")(1.0) - cmath.exp(1j * k) * mode.derivative("x")(0.0)) < 1e-5


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_free_waves_in_a_lattice_have_the_squares_of_their_wave_vectors(shift):
    """q · a = θ + 2πn for both edges a of the cell, square or oblique, where the shift goes round the other axis."""
    cell = Rectangle((0, 0), (1, 0.8))
    one, two = 1.0, 0.5
    conditions = [Periodic("x", phase=one), Periodic("y", shift={"x": shift}, phase=two)]
    n = np.arange(-3, 4)
    q_x = (one + 2 * math.pi * n)[:, None]
    q_y = (two + 2 * math.pi * n - shift * q_x) / 0.8
    exact = np.sort((q_x**2 + q_y**2).ravel())[:3]
    found = solve(Problem(cell, free, conditions, eigenvalues=Eigenvalues("lam", count=3)), tol=1e-4)
    assert_true(found, exact)


def test_a_damped_string_has_complex_eigenvalues():
    """λ² u + 2 d λ u = u'': λ = -d ± i √((nπ)² - d²)."""

    def damped(u: Complex, v: Complex, lam, d):
        return v - lam * u, lam * v + 2 * d * v - u.xx

    ends = [Dirichlet(0, on=LINE.boundary, unknown="u")]
    problem = Problem(LINE, damped, ends, constants={"d": 1.0}, eigenvalues=Eigenvalues("lam", count=4))
    found = solve(problem, tol=1e-6)
    exact = np.sort_complex(
        [-1 + s * 1j * math.sqrt((n * math.pi) ** 2 - 1) for n in (1, 2) for s in (-1, 1)]
    )
    assert found.converged
    assert np.allclose(np.sort_complex(np.round(found.eigenvalues, 9)), np.round(exact, 9), rtol=1e-9)


def test_an_eigenvalue_whose_conjugate_is_none_is_there_alone():
    """-u'' + 5i u = λ u, and a wall that absorbs: u' = i u at the end, tan √λ' = -i √λ'."""

    def absorbing(u: Complex, lam):
        return -u.xx + (5j - lam) * u

    ends = [Dirichlet(0, on=LINE.left), Condition(lambda u: normal_derivative(u) - 1j * u, on=LINE.right)]
    found = solve(Problem(LINE, absorbing, ends, eigenvalues=Eigenvalues("lam", count=3)), tol=1e-7)
    root = np.sqrt(found.eigenvalues - 5j)
    assert found.converged
    assert np.abs(root * np.cos(root) - 1j * np.sin(root)).max() < 1e-8
    assert np.abs(root.real - (np.arange(3) + 0.5) * math.pi).max() < 0.5
    assert found.residual_rms < 1e-3
    assert abs(found.mode(1)(0.0)) < 1e-7


def test_an_equation_with_the_conjugate_is_one_of_two_real_unknowns():
    """-u'' + 4 ū = λ u: λ = (nπ)² ± 4 for real and imaginary fields."""

    def mixed(u: Complex, lam):
        return -u.xx + 4 * u.conj() - lam * u

    ends = [Dirichlet(0, on=LINE.boundary)]
    found = solve(Problem(LINE, mixed, ends, eigenvalues=Eigenvalues("lam", count=3)), tol=1e-6)
    assert_true(found, [math.pi**2 - 4, math.pi**2 + 4, 4 * math.pi**2 - 4])


def test_a_wave_that_is_driven_has_the_phase_of_its_source():
    """-u'' + u = f with f = exp(i k x) in an array of cells: u = f / (1 + k²)."""

    def driven(u: Complex, x, k):
        return -u.xx + u - (1j * k * x).exp() * (1 + k**2)

    problem = Problem(
        LINE,
        driven,
        [Periodic("x", phase=lambda k: k)],
        constants={"k": 2.0},
        exact=lambda x, k: (1j * k * x).exp(),
    )
    assert check(problem).ok
    found = solve(problem, tol=1e-8)
    assert found.relative_l2_error() < 1e-8
    off = Problem(LINE, driven, [Periodic("x", phase=1.9)], constants={"k": 2.0}, exact=problem.exact)
    assert any("after the phase stated" in error for error in check(off).errors)


def test_what_cannot_be_a_phase_is_a_sentence():
    def real(u, lam):
        return -u.xx - lam * u

    def evolving(u: Complex):
        return 1j * u.t + u.xx

    for build, sentence in (
        (lambda: Periodic("x", phase="k"), "expected an angle"),
        (lambda: Periodic("x", phase=1.0, jump=1.0), "one of them"),
        (
            lambda: Problem(LINE, real, [Periodic("x", phase=1.0)], eigenvalues=Eigenvalues("lam")),
            "u: Complex",
        ),
        (lambda: Problem(LINE * TimeInterval(0, 1), evolving, [Periodic("x", phase=1.0)]), "equation of p"),
        (
            lambda: Problem(LINE, hill, [Periodic("x", phase=lambda x: x)], eigenvalues=Eigenvalues("lam")),
            "asks for",
        ),
    ):
        with pytest.raises(ProblemError, match=sentence):
            build()
