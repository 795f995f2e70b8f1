"""Coefficients that name constants: the same as with numbers, and a sentence for a name that is none."""

import pytest
import torch

from pdesolve import Dirichlet, Interface, Interval, Piecewise, Problem, div, grad, solve
from pdesolve.errors import ProblemError

ROD, RIGHT = Interval(0, 1), Interval(0.5, 1)
K = Piecewise({RIGHT: "inner"}, otherwise=1.0)


def rod(k, **constants):
    def conduction(u, x, inner=0.0):
        return div(k(x, inner=inner) * grad(u))

    conditions = [Dirichlet(0, on=ROD.left), Dirichlet(1, on=ROD.right), Interface(k, on=RIGHT.boundary)]
    return Problem(ROD, conduction, conditions, constants=constants)


def test_a_named_constant_is_its_number():
    x = torch.linspace(0, 1, 7)
    assert torch.equal(K(x, inner=3.0), Piecewise({RIGHT: 3.0}, otherwise=1.0)(x))


def test_an_interface_takes_its_coefficient_from_the_constants():
    solution = solve(rod(K, inner=3.0), tol=1e-10)
    # Fluxes are equal: the slope is 3/2 on the left, 1/2 on the right.
    assert solution(0.25) == pytest.approx(0.375, rel=1e-9)
    harder = solve(rod(K, inner=3.0).with_constants({"inner": 9.0}), tol=1e-10)
    assert harder(0.25) == pytest.approx(0.45, rel=1e-9)


def test_a_name_that_is_no_constant_gets_a_sentence():
    with pytest.raises(
        ProblemError, match="'inner', which is no constant here; expected one of iner; did you mean"
    ):
        rod(K, iner=3.0).interfaces  # noqa: B018
    with pytest.raises(ProblemError, match="needs its constant inner"):
        K(torch.linspace(0, 1, 3))
