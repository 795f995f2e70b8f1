"""Uniform refinement converges as theory says, and the study says what it measured against."""

import math

import pytest
from torch import cos, pi, sin

from pdesolve import (
    Dirichlet,
    Initial,
    Interval,
    Observation,
    Problem,
    Rectangle,
    TimeInterval,
    UsageError,
    convergence,
    laplace,
)

LINE = Interval(0, 1)
SQUARE = Rectangle((0, 0), (1, 1))


def poisson(**known):
    return Problem(
        SQUARE,
        lambda u, x, y: -laplace(u) - 2 * pi**2 * sin(pi * x) * sin(pi * y),
        [Dirichlet(0, on=SQUARE.boundary)],
        name="poisson",
        **known,
    )


def exact(x, y):
    return sin(pi * x) * sin(pi * y)


def test_halving_gains_one_order_more_in_values_than_in_gradients():
    study = convergence(poisson(exact=exact), cells=[2, 4, 8], degree=5)
    assert [step.unknowns for step in study.steps] == [60, 240, 960]
    # Polynomials below degree 5: h⁵ in L2, h⁴ in H1.
    assert study.rates()[-1] == pytest.approx(5, abs=0.5)
    assert study.rates("h1")[-1] == pytest.approx(4, abs=0.5)
    assert study.beside == "exact"


def test_the_condition_number_of_scaled_rows_grows_with_the_degree_and_hardly_with_the_cells():
    by_cells = [step.condition for step in convergence(poisson(exact=exact), cells=[4, 8], degree=5).steps]
    by_degree = [step.condition for step in convergence(poisson(exact=exact), cells=4, degree=[4, 8]).steps]
    assert by_cells[1] < 1.5 * by_cells[0]
    assert by_degree[1] > 5 * by_degree[0]


def test_each_degree_gains_digits_where_the_solution_is_smooth():
    study = convergence(poisson(exact=exact), cells=4, degree=[4, 6, 8])
    assert study.by_degree
    assert all(1 < digits < 2 for digits in study.rates())
    assert "digits per degree" in str(study)


@pytest.mark.parametrize("known", [{}, {"reference": exact}])
def test_errors_are_nearly_those_beside_the_exact_solution(known):
    truth = convergence(poisson(exact=exact), cells=[2, 4], degree=5)
    found = convergence(poisson(**known), cells=[2, 4], degree=5)
    for a, b in zip(truth.steps, found.steps, strict=True):
        assert b.l2 == pytest.approx(a.l2, rel=1e-3)
        assert math.isnan(b.h1) == ("reference" in known)


def test_a_nonlinear_problem_is_solved_to_the_end_on_each_grid():
    problem = Problem(
        LINE,
        lambda u, x: -u.xx + u**3 - pi**2 * cos(pi * x) - cos(pi * x) ** 3,
        [Dirichlet(lambda x: cos(pi * x), on=LINE.boundary)],
        exact=lambda x: cos(pi * x),
    )
    assert convergence(problem, cells=[2, 4, 8], degree=5).rates()[-1] == pytest.approx(5, abs=0.7)


def test_the_picture_has_a_line_for_each_measure(tmp_path):
    study = convergence(poisson(exact=exact), cells=[1, 2], degree=4)
    figure = study.plot(tmp_path / "study.png")
    assert (tmp_path / "study.png").stat().st_size > 5_000
    assert [line.get_label() for line in figure.axes[0].lines] == [
        "relative $L^2$",
        "relative $H^1$",
        "largest",
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"cells": 4, "degree": 6}, r"expected several numbers for one of them, such as cells=\[2, 4, 8\]"),
        ({"cells": [2, 4], "degree": [4, 6]}, "expected several numbers for one of them"),
        ({"cells": [2, 2.5], "degree": 4}, "at least two whole numbers above zero"),
        ({"cells": [0, 2], "degree": 4}, "at least two whole numbers above zero"),
        ({"cells": [4], "degree": 4}, "at least two"),
    ],
)
def test_what_is_no_study_is_refused(arguments, sentence):
    with pytest.raises(UsageError, match=sentence):
        convergence(poisson(), **arguments)


def test_evolutions_and_inverse_problems_are_refused():
    heat = Problem(
        LINE * TimeInterval(0, 1), lambda u: u.t - u.xx, [Initial(0), Dirichlet(0, on=LINE.boundary)]
    )
    with pytest.raises(UsageError, match="takes steady problems"):
        convergence(heat, cells=[2, 4])
    seen = Observation([[0.5]], [0.1])
    inverse = Problem(
        LINE, lambda u, k: k * u.xx + 1, [Dirichlet(0, on=LINE.boundary)], parameters={"k": 1.0}, data=[seen]
    )
    with pytest.raises(UsageError, match="nothing to identify"):
        convergence(inverse, cells=[2, 4])
