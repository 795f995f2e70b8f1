"""What falls between the collocation points leaves no trace in a solution; the check before certifying sees it."""

import numpy as np
import pytest
from torch import exp, pi, sin

from pdesolve import Dirichlet, Problem, Rectangle, laplace
from pdesolve.adaptive.decay import predict
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.adaptive.estimation import overlooked
from pdesolve.runs.monitor import Monitor

square = Rectangle((0, 0), (1, 1))
needle = (0.3123, 0.6077)


def needle_problem(height: float) -> Problem:
    width = 1e-3

    def poisson(u, x, y):
        r2 = ((x - needle[0]) ** 2 + (y - needle[1]) ** 2) / width**2
        narrow = height * exp(-r2 / 2) * (r2 - 2) / width**2
        return -laplace(u) - 2 * pi**2 * sin(pi * x) * sin(pi * y) + narrow

    return Problem(square, poisson, [Dirichlet(0, on=square.boundary)])


@pytest.fixture(params=[0.0, 1.0], ids=["smooth", "needle"])
def solved(request):
    solver = Discretisation(needle_problem(request.param), 1e-6, Monitor(), "cpu", {"order": 12})
    return request.param, solver.solve(*solver.roots(), None)


def test_the_truncation_shows_no_sign_of_a_narrow_feature(solved):
    _, discrete = solved
    assert np.sqrt((predict(discrete).error ** 2).sum()) < 1e-6


def test_the_residual_at_unseen_points_shows_the_patch_of_a_narrow_feature_and_no_other(solved):
    height, discrete = solved
    lower, upper = discrete.assembly.patches.partition.bounds
    holds_it = ((lower < needle) & (upper > needle)).all(axis=1)
    missed, _ = overlooked(discrete, 1e-6, 2**14)
    np.testing.assert_array_equal(missed, holds_it & (height > 0))
