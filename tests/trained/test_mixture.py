import math

import pytest
import torch
from statements import CPU, f64, poisson, system

from pdesolve import Dirichlet, Problem, Rectangle, laplace
from pdesolve.approximators import GaussianMixture
from pdesolve.trained.mixture import SeparableMixture
from pdesolve.trained.mixture_start import _grids, best_start
from pdesolve.trained.sampling import Sampling, compile_statement

KINDS = [("isotropic", None), ("diagonal", None), ("full", None), ("ridge", None), ("low-rank", 1)]


def coupled():
    """Two unknowns that enter each other's equation."""
    square = Rectangle((0, 0), (1, 1))
    return Problem(
        square,
        lambda u, v, x, y: (-laplace(u) + 3 * v - x, -laplace(v) + u.x - y),
        [Dirichlet(0, on=square.boundary, unknown="u"), Dirichlet(1, on=square.boundary, unknown="v")],
    )


def separable(problem, kind="isotropic", rank=None, skip=False):
    statement = compile_statement(problem, f64, CPU)
    groups = statement.sample(Sampling(interior=30), 0)
    mixture = GaussianMixture(
        2, len(problem.unknowns), 4, kind, rank, skip=skip, lower=(0, 0), upper=(1, 1), seed=2
    )
    return SeparableMixture(mixture, groups, statement.sizes), statement, groups


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(("kind", "rank"), KINDS)
def test_reduced_residual_is_that_of_the_mixture_with_its_best_coefficients(kind, rank, skip):
    problem = coupled()
    parts, _, _ = separable(problem, kind, rank, skip)
    reduced = parts.problem(ridge=0.0)
    α = parts.alpha
    parts.set_solution(α, *reduced.coefficients(α)[:2])
    rows = system(problem, parts.mixture, points=30)
    rows.replace_groups(parts.groups)
    ours, theirs = reduced.residual(α), rows.residual(rows.theta)
    assert float(ours.norm()) == pytest.approx(float(theirs.norm()), rel=1e-8)
    # No other coefficients do better.
    for seed in range(3):
        shifted = rows.theta
        noise = torch.randn(parts.mixture.coefficients.numel(), generator=torch.Generator().manual_seed(seed))
        place = [n for n, _ in parts.mixture.named_parameters()].index("coefficients")
        start = sum(p.numel() for p in list(parts.mixture.parameters())[:place])
        shifted[start : start + len(noise)] += 1e-3 * noise.double()
        assert rows.residual(shifted).norm() > ours.norm()


@pytest.mark.parametrize(("kind", "rank"), KINDS)
def test_moved_columns_equal_differences_of_the_basis_times_coefficients(kind, rank):
    parts, _, _ = separable(coupled(), kind, rank)
    α, h = parts.alpha, 1e-6
    c = torch.randn(4, 2, generator=torch.Generator().manual_seed(1), dtype=f64)
    moved = parts.moved(α, c)
    assert moved.shape == (len(parts.target), 4, len(α) // 4)
    for j in range(len(α)):
        e = torch.zeros_like(α)
        e[j] = h
        change = torch.einsum("mku,ku->mk", (parts.basis(α + e) - parts.basis(α - e)) / (2 * h), c)
        k, q = divmod(j, len(α) // 4)
        torch.testing.assert_close(moved[:, k, q], change[:, k], rtol=1e-5, atol=1e-7)
        assert not change[:, [i for i in range(4) if i != k]].any()  # a component has parameters of its own


@pytest.mark.parametrize(("kind", "rank"), KINDS)
def test_projected_jacobian_has_the_gradient_of_the_reduced_loss(kind, rank):
    parts, _, _ = separable(poisson(), kind, rank)
    reduced = parts.problem(ridge=1e-3)
    α, h = parts.alpha, 1e-5
    gradient = reduced.jacobian(α).T @ reduced.residual(α)
    for j in range(len(α)):
        e = torch.zeros_like(α)
        e[j] = h
        losses = [0.5 * float(reduced.residual(α + s * e).square().sum()) for s in (1, -1)]
        assert float(gradient[j]) == pytest.approx((losses[0] - losses[1]) / (2 * h), rel=1e-4, abs=1e-7)


def test_shape_parameters_survive_a_round_trip():
    parts, _, _ = separable(poisson(), "diagonal")
    α = parts.alpha + 0.1
    parts.set_alpha(α)
    assert torch.equal(parts.alpha, α)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("components", [1, 7, 64])
def test_grids_use_at_most_the_components_they_may(d, components):
    grids = _grids(components, d)
    assert grids
    assert all(1 <= math.prod(counts) <= components for counts in grids)
    assert max(math.prod(counts) for counts in grids) > components / 2


def test_start_spends_its_components_where_the_solution_oscillates():
    square = Rectangle((0, 0), (1, 1))

    def equation(u, x, y):
        return -laplace(u) - torch.sin(torch.pi * x) * torch.sin(6 * torch.pi * y)

    problem = Problem(square, equation, [Dirichlet(0, on=square.boundary)])
    statement = compile_statement(problem, f64, CPU)
    mixture = best_start(statement, 160, 1e-9, 0)
    distinct = [len(torch.unique(mixture.centres[:, i].detach().round(decimals=9))) for i in range(2)]
    assert distinct[1] > distinct[0]
