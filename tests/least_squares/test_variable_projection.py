import pytest
import torch

from pdesolve.least_squares.dense.levenberg_marquardt import LevenbergMarquardtSettings
from pdesolve.least_squares.dense.variable_projection import SeparableProblem, variable_projection

f64 = torch.float64
POINTS = torch.linspace(-3, 3, 60, dtype=f64)


def gaussians(alpha):
    """φ_k(x) = exp(-½ ((x - μ_k) / s_k)²), α = (μ_1, log s_1, μ_2, …); shape (m, k)."""
    μ, log_s = alpha.reshape(-1, 2).T
    return torch.exp(-0.5 * ((POINTS[:, None] - μ) / log_s.exp()) ** 2)


def gaussians_jacobian(alpha):
    """∂φ_k/∂(μ_k, log s_k), shape (m, k, 2)."""
    μ, log_s = alpha.reshape(-1, 2).T
    z = (POINTS[:, None] - μ) / log_s.exp()
    φ = torch.exp(-0.5 * z**2)
    return torch.stack([z / log_s.exp() * φ, z**2 * φ], dim=2)


def two_outputs(alpha):
    """Each Gaussian enters two blocks of rows with a coefficient each; shape (2n, k, 2)."""
    φ = gaussians(alpha)
    return torch.cat([torch.stack([φ, 0 * φ], 2), torch.stack([0.5 * φ, φ], 2)])


def two_outputs_jacobian(alpha):
    dφ = gaussians_jacobian(alpha)
    return torch.cat([torch.stack([dφ, 0 * dφ], 2), torch.stack([0.5 * dφ, dφ], 2)])


TRUE = torch.tensor([-1.0, -0.5, 0.4, 0.1, 1.7, -0.9], dtype=f64)
START = torch.tensor([-1.2, -0.3, 0.5, 0.0, 1.8, -0.7], dtype=f64)


def target(c=(1.0, -2.0, 0.7)):
    return gaussians(TRUE) @ torch.tensor(c, dtype=f64)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("fixed", [None, torch.stack([torch.ones_like(POINTS), POINTS], dim=1)])
def test_jacobian_equals_finite_differences_of_the_reduced_residual(fixed, ridge):
    problem = SeparableProblem(gaussians, gaussians_jacobian, torch.sin(3 * POINTS), fixed, ridge=ridge)
    J, h = problem.jacobian(START), 1e-5
    for j in range(len(START)):
        e = torch.zeros_like(START)
        e[j] = h
        difference = (problem.residual(START + e) - problem.residual(START - e)) / (2 * h)
        torch.testing.assert_close(J[:, j], difference, rtol=1e-6, atol=1e-8)


def test_jacobian_with_several_outputs_equals_finite_differences():
    y = torch.cat([torch.sin(3 * POINTS), torch.cos(2 * POINTS)])
    problem = SeparableProblem(two_outputs, two_outputs_jacobian, y)
    J, h = problem.jacobian(START), 1e-5
    for j in range(len(START)):
        e = torch.zeros_like(START)
        e[j] = h
        difference = (problem.residual(START + e) - problem.residual(START - e)) / (2 * h)
        torch.testing.assert_close(J[:, j], difference, rtol=1e-6, atol=1e-8)


def test_kaufman_drops_a_part_that_is_orthogonal_to_the_rest():
    full = SeparableProblem(gaussians, gaussians_jacobian, torch.sin(3 * POINTS))
    short = SeparableProblem(gaussians, gaussians_jacobian, torch.sin(3 * POINTS), kaufman=True)
    kept, dropped = short.jacobian(START), full.jacobian(START) - short.jacobian(START)
    assert dropped.abs().max() > 1e-3
    assert (kept.T @ dropped).abs().max() < 1e-10
    # Both give the same gradient, because r is orthogonal to the range of Φ.
    r = full.residual(START)
    torch.testing.assert_close(kept.T @ r, full.jacobian(START).T @ r, rtol=1e-9, atol=1e-11)


def test_reduced_residual_is_orthogonal_to_the_basis():
    problem = SeparableProblem(gaussians, gaussians_jacobian, torch.sin(3 * POINTS))
    assert (gaussians(START).T @ problem.residual(START)).abs().max() < 1e-12


@pytest.mark.parametrize("kaufman", [False, True])
def test_centres_widths_and_coefficients_of_gaussians_are_recovered(kaufman):
    problem = SeparableProblem(gaussians, gaussians_jacobian, target(), kaufman=kaufman)
    found = variable_projection(problem, START)
    assert found.converged
    torch.testing.assert_close(found.alpha, TRUE, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(
        found.coefficients[:, 0], torch.tensor([1.0, -2.0, 0.7], dtype=f64), rtol=1e-7, atol=0
    )
    assert found.rank == 3


def test_fixed_columns_take_their_part():
    line = torch.stack([torch.ones_like(POINTS), POINTS], dim=1)
    problem = SeparableProblem(gaussians, gaussians_jacobian, target() + 3 - 0.25 * POINTS, line)
    found = variable_projection(problem, START)
    torch.testing.assert_close(
        found.fixed_coefficients, torch.tensor([3.0, -0.25], dtype=f64), rtol=1e-6, atol=0
    )
    torch.testing.assert_close(found.alpha, TRUE, rtol=1e-6, atol=1e-6)


def test_coinciding_components_are_solved_at_reduced_rank():
    twins = torch.cat([TRUE[:2], TRUE[:2], TRUE[2:]])
    problem = SeparableProblem(gaussians, gaussians_jacobian, target())
    c, _, rank = problem.coefficients(twins)
    assert rank == 3
    assert torch.linalg.vector_norm(problem.residual(twins)) < 1e-13
    assert float(c[0, 0]) == pytest.approx(float(c[1, 0]), abs=1e-12)  # minimal norm shares equally


def test_ridge_gives_tikhonov_coefficients_and_its_own_rows_of_the_residual():
    y, μ = torch.sin(3 * POINTS), 0.3
    problem = SeparableProblem(gaussians, gaussians_jacobian, y, ridge=μ)
    Φ, c = gaussians(START), problem.coefficients(START)[0][:, 0]
    torch.testing.assert_close(c, torch.linalg.solve(Φ.T @ Φ + μ**2 * torch.eye(3, dtype=f64), Φ.T @ y))
    torch.testing.assert_close(problem.residual(START), torch.cat([Φ @ c - y, μ * c]))


def test_basis_that_is_not_finite_keeps_the_last_good_iterate():
    def brittle(alpha):
        return torch.where(alpha[0] > -1.2, torch.nan, 1.0) * gaussians(alpha)

    problem = SeparableProblem(brittle, gaussians_jacobian, target())
    found = variable_projection(problem, START, settings=LevenbergMarquardtSettings(iterations=50))
    assert torch.isfinite(found.alpha).all()
    assert torch.isfinite(found.coefficients).all()
    assert not found.converged
