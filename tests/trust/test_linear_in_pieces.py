"""Equations that are linear in pieces are not linear: a semismooth Newton method solves them as what they are."""

import math

import pytest
import torch
from torch import pi, sin
from verdicts import LINE, SQUARE, require_right, require_right_or_refused, stated

from pdesolve import Dirichlet, Problem, laplace
from pdesolve.statement.residual import compile_problem


def wave(x):
    return sin(2 * pi * x)


BENT = {
    "where, cubic below": lambda u: torch.where(u > 0.01, u, u**3),
    "absolute value": lambda u: abs(u),
    "absolute value that grows": lambda u: -5 * abs(u),
    "relu": lambda u: 50 * torch.relu(u),
    "clamp": lambda u: 10 * u.clamp(-0.3, 0.3),
    "maximum": lambda u: 10 * torch.maximum(u, 0.2 * u),
    "mask": lambda u: 20 * (u > 0) * u,
    "slope": lambda u: 3 * abs(u.x),
}


@pytest.mark.parametrize("name", BENT)
def test_a_reaction_that_is_linear_in_pieces_is_solved(name):
    require_right(stated(lambda u: -u.xx + BENT[name](u), wave), 1e-6)


def test_a_reaction_that_is_linear_in_pieces_is_solved_in_the_plane():
    exact = lambda x, y: sin(2 * pi * x) * sin(pi * y)  # noqa: E731
    require_right(stated(lambda u: -laplace(u) + torch.where(u > 0.01, u, u**3), exact, SQUARE), 1e-4)


def test_a_branch_far_from_where_the_solve_begins_is_not_overlooked():
    exact = lambda x: 1000 * sin(pi * x)  # noqa: E731
    require_right_or_refused(stated(lambda u: -u.xx + torch.where(u < 100, u, u**3), exact), 1e-4)


def parabola(x):
    return -0.2 + 2 * x - 2 * x**2


def string_over_a_parabola(x):
    """Touches where the tangent from the end does: at a = √0.1."""
    a = math.sqrt(0.1)
    slope = 2 - 4 * a
    beside = torch.where(x < a, slope * x, slope * (1 - x))
    return torch.where((x < a) | (x > 1 - a), beside, parabola(x))


def obstacle(guess):
    return Problem(
        LINE,
        lambda u, x: torch.minimum(-u.xx, u - parabola(x)),
        [Dirichlet(0, on=LINE.boundary)],
        exact=string_over_a_parabola,
        guess=guess,
    )


def test_an_obstacle_is_met_by_complementarity():
    require_right(obstacle(None), 1e-3)


def test_an_obstacle_from_a_guess_that_touches_everywhere_is_right_or_refused():
    require_right_or_refused(obstacle(parabola), 1e-3)


LINEAR = {
    "where of the place": lambda u, x: torch.where(x > 0.5, u.xx, 2 * u.xx),
    "mask of the place": lambda u, x: (x > 0.3) * u - u.xx,
    "flux": lambda u, x: ((1 + x**2) * u.x).x + (sin(x) * u).x,
    "quotient": lambda u, x: (u.x / (1 + x)).x,
    "tiny and huge": lambda u, x: 1e-18 * u.xx + 1e3 * u - 5e7 * x,
}


@pytest.mark.parametrize("name", LINEAR)
def test_what_is_linear_is_proved_to_be(name):
    (equation, _) = compile_problem(Problem(LINE, LINEAR[name], [Dirichlet(0, on=LINE.boundary)]))
    assert equation.linear


NOT_LINEAR = {
    **{name: (lambda u, bend=bend: bend(u) - u.xx) for name, bend in BENT.items()},
    "under a derivative": lambda u: abs(u.x).x,
    "quotient": lambda u, x: (x / (1 + u)).x + u.xx,
    "small square": lambda u: 1e-9 * u**2 - u.xx,
    "far branch": lambda u: torch.where(u < 1e9, u, u**3) - u.xx,
    "detached": lambda u: u.detach() ** 3 - u.xx,
    "through numpy": lambda u: torch.as_tensor(abs(u.tensor.detach().numpy())) - u.xx,
}


@pytest.mark.parametrize("name", NOT_LINEAR)
def test_what_is_not_linear_is_not_taken_for_it(name):
    (equation, _) = compile_problem(Problem(LINE, NOT_LINEAR[name], [Dirichlet(0, on=LINE.boundary)]))
    assert not equation.linear
