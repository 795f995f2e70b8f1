"""Radau IIA: exact for polynomials, of order 2s - 1, A-stable and L-stable."""

import numpy as np
import pytest

from pdesolve.marching.radau import differentiation, lagrange, legendre_transform, radau

STAGES = [1, 2, 3, 5, 7, 9, 13]


def step(method, z):
    """R(z): what one step of y' = λy makes of y = 1, z = λΔ."""
    return np.linalg.solve(method.matrix - z * np.eye(method.stages), -method.start)[-1]


@pytest.mark.parametrize("stages", STAGES)
def test_the_diagonal_form_gives_back_the_matrix(stages):
    method = radau(stages)
    rebuilt = (method.vectors * (method.multiplicity * method.eigenvalues)) @ method.dual
    assert len(method.eigenvalues) == (stages + 1) // 2
    assert (method.eigenvalues.imag >= 0).all()
    assert (
        np.abs(rebuilt.real - method.matrix).max() < 1e-8 * np.abs(method.matrix).max()
    )  # cond(T) = 3e6 at s = 13


@pytest.mark.parametrize("stages", STAGES)
def test_polynomials_are_differentiated_and_interpolated_exactly(stages):
    method, t = radau(stages), np.linspace(0, 1, 7)
    values = method.nodes**stages
    slope = method.matrix @ values[1:] + method.start * values[0]
    assert np.allclose(slope, stages * method.nodes[1:] ** (stages - 1), atol=1e-11)
    assert np.allclose(lagrange(method.nodes, t) @ values, t**stages, atol=1e-13)
    assert np.allclose(differentiation(method.nodes) @ np.ones(stages + 1), 0, atol=1e-11)


@pytest.mark.parametrize("stages", STAGES)
def test_quadrature_of_the_stages_is_exact_to_degree_2s_minus_2(stages):
    """∫₀¹ f = (Â⁻¹ f)_s, the last row of the Runge–Kutta matrix."""
    method = radau(stages)
    weights = np.linalg.inv(method.matrix)[-1]
    for degree in range(2 * stages - 1):
        assert abs(weights @ method.nodes[1:] ** degree - 1 / (degree + 1)) < 1e-13


@pytest.mark.parametrize(("stages", "z"), [(2, -0.1), (3, -0.1), (4, -0.3)])
def test_the_order_at_the_end_of_a_step_is_2s_minus_1(stages, z):
    method = radau(stages)
    errors = [abs(step(method, z) - np.exp(z)) for z in (z, z / 2)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2 * stages, abs=0.3)  # of one step


@pytest.mark.parametrize("stages", STAGES)
def test_no_step_grows_where_the_solution_does_not_and_stiff_parts_vanish(stages):
    method = radau(stages)
    assert max(abs(step(method, 1j * y)) for y in np.linspace(0, 60, 241)) <= 1 + 1e-11
    assert abs(step(method, -1e8)) < 1e-6


@pytest.mark.parametrize("stages", [3, 7])
def test_legendre_coefficients_are_those_of_the_polynomial(stages):
    coefficients = np.arange(1.0, stages + 2)
    values = np.polynomial.legendre.legval(2 * radau(stages).nodes - 1, coefficients)
    assert np.allclose(legendre_transform(stages) @ values, coefficients)
