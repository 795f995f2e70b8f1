"""Numbers that functions of the user make or refer to: double precision, or a warning."""

import warnings

import numpy as np
import pytest
import torch

from pdesolve import Dirichlet, Interval, Problem, check, solve

LINE = Interval(0, 1)


def rod(source):
    return Problem(LINE, lambda u, x: u.xx + source(x), [Dirichlet(0, on=LINE.boundary)])


def test_what_a_function_makes_is_in_double_precision_whatever_the_default():
    """-u'' = 0.1, u = 0.1 x (1 - x)/2: an error of 1e-9 would be that of a float32."""
    assert torch.get_default_dtype() == torch.float32
    solution = solve(rod(lambda x: torch.tensor(0.1) + 0 * x), tol=1e-12)
    assert solution(0.5) == pytest.approx(0.0125, rel=1e-12)
    assert torch.get_default_dtype() == torch.float32
    exact = Problem(
        LINE, lambda u: u.xx, [Dirichlet(0.1, on=LINE.boundary)], exact=lambda x: torch.full_like(x, 0.1)
    )
    assert solve(exact, tol=1e-12).relative_l2_error() < 1e-12


@pytest.mark.parametrize("number", [torch.tensor(0.1), np.float32(0.1), torch.tensor([0.5])], ids=str)
def test_single_precision_is_a_warning_of_check_and_of_solve(number):
    problem = rod(lambda x: number * x)
    assert any("number is of type float32" in sentence for sentence in check(problem).warnings)
    with pytest.warns(UserWarning, match="number is of type float32 and good to 7 digits only"):
        solve(problem, tol=1e-2)


@pytest.mark.parametrize(
    "number", [torch.tensor(0.5), np.float32(3), torch.tensor(0.1, dtype=torch.float64)], ids=str
)
def test_numbers_that_are_what_they_say_are_none(number):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solve(rod(lambda x: number * x), tol=1e-2)
