"""What outputs, quantities and solutions cannot answer gets a sentence, before anything is solved where that can be."""

import math

import numpy as np
import pytest
import torch
from torch import pi, sin

from pdesolve import (
    Dirichlet,
    Disk,
    Flux,
    Initial,
    Integral,
    Interval,
    Maximum,
    Mean,
    Minimum,
    Probe,
    Problem,
    ProblemError,
    Rectangle,
    SolveError,
    TimeInterval,
    UsageError,
    Vector,
    check,
    grad,
    laplace,
    plot,
    solve,
    vector,
)
from pdesolve.mechanics import lame

SQUARE = Rectangle((0, 0), (1, 1))
BESIDE = Rectangle((1, 0), (2, 1))
LINE = Interval(0, 1)


def bent(u, x, y):
    return -laplace(u) - 2 * pi**2 * sin(pi * x) * sin(pi * y)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"outputs": {"f": lambda: None}}, "returned a NoneType"),
        ({"outputs": {"f": lambda: True}}, "returned a bool"),
        ({"outputs": {"f": lambda: 1 / 0}}, "division by zero"),
        ({"outputs": {"f": lambda: ()}}, "returned nothing"),
        ({"outputs": {"f": lambda: math.nan}}, "expected a finite number"),
        ({"outputs": {"f": lambda u: u.t}}, "no derivative 't'"),
        ({"outputs": {"f": lambda u: np.sin(u)}}, "torch.sin"),
        ({"outputs": {"f": lambda u, n: n @ grad(u)}}, "asks for 'n'"),
        ({"outputs": {"f": lambda *u: u[0]}}, "write its arguments out"),
        ({"outputs": {"f": lambda u: u.sum()}}, "not pointwise"),
        ({"outputs": {"f": lambda u: u / u.max()}}, "not pointwise"),
        ({"outputs": {"f": lambda u, x: u * torch.rand(len(x))}}, "not pointwise"),
        ({"quantities": {"q": Integral(lambda u: u - u.mean())}}, "not pointwise"),
        ({"quantities": {"q": Mean(math.inf)}}, "expected a finite number"),
        ({"quantities": {"q": Mean(True)}}, "received True"),
        ({"quantities": {"": Mean("u")}}, "expected a name"),
        ({"quantities": {"q": Mean}}, "expected Integral, Mean"),
        ({"quantities": {"q": Flux(None)}}, "expected a part of the boundary"),
        ({"quantities": {"q": Flux("left")}}, "expected a part of the boundary"),
        ({"quantities": {"q": Flux(Disk((0.5, 0.5), 0.1).boundary)}}, "no part of the boundary"),
        ({"quantities": {"q": Flux(SQUARE.left, "w")}}, "unknown='w'"),
        (
            {"quantities": {"q": Integral("u", on=SQUARE.left.where(lambda y: y > 5))}},
            "no part of the boundary",
        ),
        ({"quantities": {"q": Integral("u", on=SQUARE)}}, "expected a part of the boundary"),
        ({"quantities": {"q": Integral("u", over=SQUARE.left)}}, "expected a sub-domain"),
        ({"quantities": {"q": Integral("u", over=Disk((9, 9), 1))}}, "nothing in common"),
        ({"quantities": {"q": Maximum("u", over=BESIDE)}}, "nothing in common"),
        ({"quantities": {"q": Probe("middle")}}, "expected numbers x, y"),
        ({"quantities": {"q": Probe((math.nan, 0))}}, "expected finite numbers x, y"),
        ({"quantities": {"q": Probe((0.5, 0.5), "w")}}, "speaks of 'w'"),
        ({"conditions": [Mean("u")]}, "contains a Mean"),
    ],
)
def test_what_is_stated_wrongly_is_said_before_anything_is_solved(more, sentence):
    conditions = [Dirichlet(0, on=SQUARE.boundary)]
    try:
        problem = Problem(SQUARE, bent, [*conditions, *more.pop("conditions", [])], **more)
    except ProblemError as error:
        said = [str(error)]
    else:
        said = check(problem).errors
    assert any(sentence in one for one in said), said


@pytest.fixture(scope="module")
def bump():
    return solve(Problem(SQUARE, bent, [Dirichlet(0, on=SQUARE.boundary)]), tol=1e-2)


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda s: s.flux(3), "expected a part of the boundary"),
        (lambda s: s.integral("u", over=LINE), "expected a sub-domain in 2 dimensions"),
        (lambda s: s.integral("u", unknown="w"), "give one of them"),
        (lambda s: s.integral(["u"]), "expected one of 'u'"),
        (lambda s: s.integral(lambda u: u / u.max()), "not pointwise"),
        (lambda s: s.maximum(lambda x: 1 / x), "there is no largest value"),
        (lambda s: s.maximum(lambda u: torch.log(u - 100)), "maximum is not finite at"),
        (lambda s: s.minimum(), None),
        (lambda s: s.probe((0.5, 0.5), lambda x: 1 / (x - 0.5)), "not finite at"),
        (lambda s: s.probe(torch.tensor([0.5, 0.5])), None),
        (lambda s: s.probe((np.int64(0), 1)), None),
        (lambda s: s.probe((True,)), "expected finite numbers x, y"),
        (lambda s: s.line((0, 0), (1, 1), np.int64(3)), None),
        (lambda s: s.line((0, 0), (1, 1), 10**12), "at most 10,000,000"),
        (lambda s: s.line((5, 5), (6, 6)), "none of 200 points"),
        (lambda s: s.line((0, 0), (1, math.nan)), "expected finite numbers x, y"),
        (lambda s: s.output(None), "the outputs of this problem are: none"),
        (lambda s: s.derivative("q"), "no derivative 'q'"),
        (lambda s: s.quantities_over([0, 1]), "no evolution in space"),
        (lambda s: s.at(0.0), "no time interval"),
        (lambda s: s.mode(1), "no eigenvalues"),
        (lambda s: plot(s, "u.png", deformed="u"), "expected 2 components|as many components"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(bump, ask, sentence):
    if sentence is None:
        ask(bump)
        return
    with pytest.raises((UsageError, ProblemError, SolveError), match=sentence):
        ask(bump)


def test_times_of_an_evolution_are_numbers_within_it():
    rod = Problem(
        LINE * TimeInterval(0, 0.1),
        lambda u: u.t - u.xx,
        [Initial(lambda x: sin(pi * x)), Dirichlet(0, on=LINE.boundary)],
    )
    solution = solve(rod, tol=1e-1)
    for time in ("end", [0, 0.1], True, math.nan, 3):
        with pytest.raises(UsageError, match=r"expected (a number from )?0 to 0\.1"):
            solution.integral("u", time=time)
    for times, sentence in (([5], "expected 0 to"), ("ab", "list of times"), (3, "list of times")):
        with pytest.raises(UsageError, match=sentence):
            solution.quantities_over(times)


def test_quantities_of_an_unknown_in_time_alone_are_those_over_all_times():
    """u = exp(-t): there is no space to integrate over, and no moment that is meant."""
    quantities = {"sum": Integral("u"), "least": Minimum("u"), "half": Probe((0.5,))}
    clock = Problem(TimeInterval(0, 1), lambda u: u.t + u, [Initial(1)], quantities=quantities)
    solution = solve(clock, tol=1e-4)
    exact = {"sum": 1 - math.exp(-1), "least": math.exp(-1), "half": math.exp(-0.5)}
    for name, found in solution.quantities().items():
        assert abs(found - exact[name]) <= 3 * found.estimated_error
    assert set(solution.summary()["quantities"]) == set(exact)
    with pytest.raises(UsageError, match="no evolution in space"):
        solution.integral("u", time=0.5)


def pulled(change):
    """An equation of a displacement with a term beside it."""

    def equation(u: Vector):
        return laplace(u) + change(u)

    return equation


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda _: vector(1, 0, 0), "different lengths"),
        (lambda u: vector(u, 0), "received a vector"),
        (grad, "multiplied with @"),
        (lambda u: u if u else -u, "truth value of a vector"),
        (lambda u: u.q * u, "components x, y, no 'q'"),
        (lambda u: u[5] * u, "out of range"),
        (lambda u: laplace(u).x, None),
    ],
)
def test_vectors_are_combined_with_vectors(change, sentence):
    problem = Problem(SQUARE, pulled(change), [Dirichlet(0, on=SQUARE.boundary, unknown="u")])
    said = check(problem).errors
    assert any(sentence in one for one in said) if sentence else not said


@pytest.mark.parametrize(
    ("value", "unknown", "sentence"),
    [((0, 0, 0), "u", "has 3 components"), (0, "u_z", "unknowns of the equation are u_x, u_y")],
)
def test_conditions_of_a_vector_have_its_components(value, unknown, sentence):
    condition = Dirichlet(value, on=SQUARE.boundary, unknown=unknown)
    with pytest.raises(ProblemError, match=sentence):
        solve(Problem(SQUARE, pulled(lambda _: vector(1, 0)), [condition]))


def test_constants_of_elasticity_are_numbers():
    for E, nu in ((1, 0.5), (-1, 0.3), ("steel", 0.3), (1, None)):
        with pytest.raises(ProblemError, match="expected E > 0"):
            lame(E, nu)
