import numpy as np
import pytest
import torch

from pdesolve.errors import SolveError
from pdesolve.least_squares.dense.linear import default_cutoff, solve_rank_revealing

f64 = torch.float64


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=f64, generator=torch.Generator().manual_seed(seed))


def deficient(m, p, rank, seed=0):
    return random(m, rank, seed=seed) @ random(rank, p, seed=seed + 1)


@pytest.mark.parametrize(("m", "p"), [(30, 7), (8, 7), (7, 7), (5, 9)])
def test_residual_is_orthogonal_to_the_range(m, p):
    A, b = random(m, p), random(m, seed=3)
    found = solve_rank_revealing(A, b)
    assert found.rank == min(m, p)
    assert (A.T @ (A @ found.solution - b)).abs().max() < 1e-12


@pytest.mark.parametrize(("m", "p"), [(40, 12), (10, 12)])
def test_rank_deficient_problem_gives_the_minimal_norm_solution(m, p):
    A, b = deficient(m, p, 5), random(m, seed=9)
    found = solve_rank_revealing(A, b, scale_columns=False)
    expected = np.linalg.pinv(A.numpy(), rcond=1e-10) @ b.numpy()
    assert found.rank == 5
    np.testing.assert_allclose(found.solution, expected, atol=1e-12)


def test_scaled_solution_has_the_smallest_scaled_norm_among_the_minimisers():
    A, b = deficient(40, 12, 5), random(40, seed=9)
    D = torch.linalg.vector_norm(A, dim=0)
    found = solve_rank_revealing(A, b).solution
    null = torch.linalg.svd(A).Vh[5:]  # rows span the null space
    # Optimality: D c ⟂ D n for every n in the null space.
    assert (null @ (D**2 * found)).abs().max() < 1e-10
    plain = solve_rank_revealing(A, b, scale_columns=False).solution
    assert torch.linalg.vector_norm(A @ found - b) == pytest.approx(
        float(torch.linalg.vector_norm(A @ plain - b))
    )


def test_solution_does_not_depend_on_the_units_of_the_unknowns():
    A, b = deficient(30, 8, 6), random(30, seed=4)
    units = 10.0 ** torch.arange(-8, 8, 2, dtype=f64)
    plain, scaled = solve_rank_revealing(A, b), solve_rank_revealing(A * units, b)
    assert plain.rank == scaled.rank == 6
    torch.testing.assert_close(scaled.solution * units, plain.solution, rtol=1e-9, atol=1e-11)


def test_several_right_hand_sides_are_solved_like_single_ones():
    A, B = random(20, 6), random(20, 3, seed=2)
    together = solve_rank_revealing(A, B).solution
    apart = torch.stack([solve_rank_revealing(A, B[:, i]).solution for i in range(3)], dim=1)
    torch.testing.assert_close(together, apart, rtol=1e-12, atol=1e-14)


def test_singular_values_of_a_tall_matrix_survive_the_reduction_by_qr():
    A = random(200, 10) @ torch.diag(10.0 ** -torch.arange(10, dtype=f64))
    found = solve_rank_revealing(A, random(200, seed=1), scale_columns=False)
    expected = torch.linalg.svdvals(A)
    torch.testing.assert_close(found.singular_values, expected, rtol=1e-6, atol=1e-15)
    assert found.condition == pytest.approx(float(expected[0] / expected[-1]), rel=1e-5)


def test_hilbert_matrix_is_solved_to_a_small_residual_although_it_is_singular_to_rounding():
    i = torch.arange(1, 31, dtype=f64)
    H = 1 / (i[:, None] + i[None, :] - 1)
    found = solve_rank_revealing(H, H.sum(1))
    assert found.rank < 30
    assert torch.linalg.vector_norm(H @ found.solution - H.sum(1)) < 1e-12
    assert found.solution.abs().max() < 10  # c = 1 solves it; no noise was amplified


def test_zero_matrix_has_rank_zero_and_the_zero_solution():
    found = solve_rank_revealing(torch.zeros(5, 3, dtype=f64), torch.ones(5, dtype=f64))
    assert (found.rank, found.condition) == (0, 1.0)
    assert not found.solution.any()


def test_cutoff_follows_the_precision_and_the_size():
    assert default_cutoff(torch.zeros(100, 3, dtype=f64)) == pytest.approx(2.22e-14, rel=1e-2)
    assert default_cutoff(torch.zeros(100, 3)) == pytest.approx(1.19e-5, rel=1e-2)


def test_mismatched_shapes_and_values_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match=r"shape \(4, 2\) and the right-hand side \(3,\)"):
        solve_rank_revealing(torch.ones(4, 2), torch.ones(3))
    with pytest.raises(SolveError, match="not finite"):
        solve_rank_revealing(torch.full((4, 2), torch.nan), torch.ones(4))
