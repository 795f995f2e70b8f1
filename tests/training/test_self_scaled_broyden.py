import pytest
import torch
from objectives import f64, quadratic

from pdesolve.errors import UsageError
from pdesolve.training.registry import minimiser
from pdesolve.training.self_scaled_broyden import Curvature, scaling_factors, update_inverse_hessian

UPDATES = ["ssbroyden", "ssbfgs", "bfgs"]


def random_update(seed, p=7):
    """H positive definite, s = -t H g for some g, and y with positive curvature along s."""
    generator = torch.Generator().manual_seed(seed)
    R = torch.randn(p, p, dtype=f64, generator=generator)
    H = R @ R.T + 0.1 * torch.eye(p, dtype=f64)
    s, y = torch.randn(2, p, dtype=f64, generator=generator)
    y = y * torch.sign(y @ s)
    return H, s, y


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("seed", range(8))
def test_secant_equation_symmetry_and_positive_definiteness(update, seed):
    H, s, y = random_update(seed)
    update_inverse_hessian(H, s, y, float(s @ torch.linalg.solve(H, s)), update)
    torch.testing.assert_close(H @ y, s, rtol=1e-9, atol=1e-9 * float(H.abs().max()))
    torch.testing.assert_close(H, H.T, rtol=1e-11, atol=1e-12 * float(H.abs().max()))
    assert torch.linalg.eigvalsh(H).min() > -1e-10 * float(H.abs().max())


@pytest.mark.parametrize("seed", range(4))
def test_bfgs_update_is_the_product_formula(seed):
    H, s, y = random_update(seed)
    ρ, I = 1 / (y @ s), torch.eye(len(s), dtype=f64)  # noqa: E741
    left = I - ρ * torch.outer(s, y)
    expected = left @ H @ left.T + ρ * torch.outer(s, s)
    update_inverse_hessian(H, s, y, 1.0, "bfgs")
    torch.testing.assert_close(H, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("update", ["ssbroyden", "ssbfgs"])
def test_update_follows_the_published_formula_term_by_term(update, seed):
    H, s, y = random_update(seed)
    b_ys = float(s @ torch.linalg.solve(H, s))
    ys, Hy = float(y @ s), H @ y
    yHy = float(y @ Hy)
    τ, φ = scaling_factors(Curvature(ys, yHy, b_ys / ys), update, len(s))
    v = yHy**0.5 * (s / ys - Hy / yHy)
    expected = (H - torch.outer(Hy, Hy) / yHy + φ * torch.outer(v, v)) / τ + torch.outer(s, s) / ys
    update_inverse_hessian(H, s, y, b_ys, update)
    torch.testing.assert_close(H, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))


def test_scaling_shrinks_a_matrix_only_where_curvature_was_overestimated():
    # sᵀBs > yᵀs: B was too large, H = B⁻¹ is enlarged (τ < 1); otherwise SSBFGS is BFGS.
    assert scaling_factors(Curvature(1.0, 3.0, 2.0), "ssbfgs", 5) == (0.5, 1.0)
    assert scaling_factors(Curvature(1.0, 3.0, 0.7), "ssbfgs", 5) == (1.0, 1.0)


def test_exact_inverse_hessian_is_left_as_it_is():
    function, A = quadratic(p=6, condition=100.0)
    H = torch.linalg.inv(A)
    before, s = H.clone(), torch.arange(1.0, 7.0, dtype=f64)
    y = function(s)[1] - function(torch.zeros(6, dtype=f64))[1]
    for update in UPDATES:
        update_inverse_hessian(H, s, y, float(s @ A @ s), update)
        torch.testing.assert_close(H, before, rtol=1e-8, atol=1e-10)


def test_unknown_update_and_too_many_parameters_are_refused():
    with pytest.raises(UsageError, match="known are ssbroyden, ssbfgs, bfgs"):
        scaling_factors(Curvature(1.0, 1.0, 1.0), "sr1", 3)
    with pytest.raises(UsageError, match="use the optimiser lbfgs"):
        minimiser("ssbroyden")(lambda θ: (θ @ θ, 2 * θ), torch.ones(20_000, dtype=f64))
