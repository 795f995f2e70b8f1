"""Parameters that are eliminated take the step that is best for them, and no damping."""

from dataclasses import replace

import pytest
import torch

from pdesolve.least_squares.dense.damped import decompose
from pdesolve.least_squares.dense.levenberg_marquardt import LevenbergMarquardtSettings, levenberg_marquardt
from pdesolve.least_squares.dense.linear import column_norms, column_space, solve_rank_revealing
from pdesolve.least_squares.dense.projected import projected_problem, solved_for
from pdesolve.least_squares.dense.variable_projection import SeparableProblem

f64 = torch.float64
LINEAR = torch.tensor([False, False, True, True, True])


def linearised(m=30, p=5):
    generator = torch.Generator().manual_seed(5)
    J, r = (torch.randn(*shape, dtype=f64, generator=generator) for shape in ((m, p), (m,)))
    return J, r


@pytest.mark.parametrize("damping", [1e-6, 1e-2, 1.0])
def test_the_step_minimises_the_damped_model_in_which_the_eliminated_are_free(damping):
    J, r = linearised()
    D = column_norms(J)
    problem = projected_problem(J, r, D, LINEAR)
    free = torch.where(LINEAR, torch.zeros_like(D), D)
    exact = torch.linalg.solve(J.T @ J + damping * torch.diag(free**2), -J.T @ r)
    torch.testing.assert_close(problem.step(damping), exact, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(problem.scale, free)
    moved = r + J @ exact
    assert problem.predicted_decrease(damping) == pytest.approx(0.5 * float(r @ r - moved @ moved), rel=1e-9)


def test_without_damping_it_is_the_gauss_newton_step():
    J, r = linearised()
    newton = solve_rank_revealing(J, -r).solution
    torch.testing.assert_close(projected_problem(J, r, column_norms(J), LINEAR).step(1e-15), newton)


def test_where_the_eliminated_are_at_their_best_it_is_kaufmans_variable_projection():
    x = torch.linspace(0, 2, 40, dtype=f64)
    y = torch.exp(-x) - 0.5 * torch.exp(-3 * x) + 0.1 * torch.sin(7 * x)

    def basis(a):
        return torch.exp(-x[:, None] * a)

    a = torch.tensor([0.7, 2.5], dtype=f64)
    jacobian = lambda a: -x[:, None, None] * basis(a)[:, :, None]  # noqa: E731
    separable = SeparableProblem(basis, jacobian, y, kaufman=True)
    c, _, _ = separable.coefficients(a)
    whole = torch.cat([jacobian(a)[:, :, 0] * c.T, basis(a)], dim=1)
    r, D = separable.residual(a), column_norms(whole)
    mask = torch.tensor([False, False, True, True])
    step = projected_problem(whole, r, D, mask).step(0.1)[:2]
    torch.testing.assert_close(step, decompose(separable.jacobian(a), r, D[:2]).step(0.1))


def test_the_chosen_parameters_are_solved_for_and_never_to_a_larger_loss():
    J, r = linearised()

    def residual(θ):
        return J @ θ + r + 0.05 * (J @ θ) ** 2

    start = torch.ones(5, dtype=f64)
    found = solved_for(residual, lambda θ: ((1 + 0.1 * (J @ θ))[:, None] * J)[:, LINEAR], start, LINEAR, 50)
    torch.testing.assert_close(found[~LINEAR], start[~LINEAR])
    columns = ((1 + 0.1 * (J @ found))[:, None] * J)[:, LINEAR]
    gradient = columns.T @ residual(found)
    assert float(gradient.norm()) < 0.05 * float(columns.norm() * residual(found).norm())
    assert residual(found).norm() < residual(start).norm()


def test_elimination_finds_in_few_iterations_what_damping_of_everything_does_not():
    """Two nearly equal exponentials with large coefficients that cancel, squared so that nothing is linear."""
    x = torch.linspace(0, 3, 60, dtype=f64)
    data = 1 + (200 * (torch.exp(-x) - torch.exp(-1.02 * x))) ** 2

    def parts(θ):
        e = torch.exp(-x[:, None] * θ[:2])
        return e, e @ θ[2:]

    def residual(θ):
        return 1 + parts(θ)[1] ** 2 - data

    def jacobian(θ):
        e, u = parts(θ)
        return 2 * u[:, None] * torch.cat([-x[:, None] * e * θ[2:], e], dim=1)

    mask = torch.tensor([False, False, True, True])
    plain = LevenbergMarquardtSettings(iterations=15)
    settings = replace(
        plain,
        linearised=lambda J, r, D: projected_problem(J, r, D, mask),
        corrected=lambda θ: solved_for(residual, lambda θ: jacobian(θ)[:, mask], θ, mask),
    )
    start = torch.tensor([0.5, 1.5, 5.0, -5.0], dtype=f64)
    damped, projected = (levenberg_marquardt(residual, jacobian, start, None, s) for s in (plain, settings))
    assert projected.loss < 1e-3 * damped.loss


def test_a_column_space_reproduces_its_columns_and_inverts_them():
    J, r = linearised()
    J = torch.cat([J, J[:, :1] + J[:, 1:2]], dim=1)
    space = column_space(J)
    assert space.Q.shape == (30, 5)
    torch.testing.assert_close(space.Q @ (space.Q.T @ J), J)
    torch.testing.assert_close(J @ space.solve(r), J @ torch.linalg.pinv(J) @ r)
