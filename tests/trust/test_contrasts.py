"""A body whose coefficient is far larger than that around it floats at a potential that weak rows settle."""

import pytest
import torch

from pdesolve import Dirichlet, Disk, Interface, Piecewise, Problem, Rectangle, laplace, solve

MISSED = 3.0  # error over tolerance from which on a verdict is wrong
RADIUS = 0.4


def in_a_field(k):
    """A disc of coefficient k in a field along x: u = x (1 + b/r²) outside, b = R² (1 - k)/(1 + k)."""
    disc, square = Disk((0, 0), RADIUS), Rectangle((-1, -1), (1, 1))
    b = (1 - k) / (1 + k) * RADIUS**2

    def exact(x, y):
        return x * (1 + b / (x**2 + y**2).clamp_min(RADIUS**2))

    coefficient = Piecewise({disc: k}, otherwise=1.0)
    conditions = [Dirichlet(exact, on=square.boundary), Interface(coefficient, on=disc.boundary)]
    return Problem(square, lambda u: -laplace(u), conditions, exact=exact)


@pytest.mark.parametrize(("k", "tol"), [(1e-4, 1e-2), (1e4, 1e-3), (1e4, 5e-3), (1e8, 3e-3)])
def test_a_disc_of_another_coefficient_is_right_or_not_verified(k, tol):
    solution = solve(in_a_field(k), tol=tol, time_limit=20.0)
    error = solution.relative_l2_error()
    assert not solution.converged or error <= MISSED * tol
    assert torch.isfinite(torch.tensor(error))


def test_a_moderate_contrast_is_estimated_as_before():
    solution = solve(in_a_field(100.0), tol=1e-4)
    assert solution.converged
    assert solution.relative_l2_error() <= 1e-4
