"""Problems: arguments by name, unknowns, values, and the sentence for everything that is refused."""

import math

import pytest
import torch

from pdesolve import (
    Box,
    Condition,
    Dirichlet,
    Disk,
    Initial,
    Interval,
    Neumann,
    Observation,
    Periodic,
    Problem,
    Rectangle,
    TimeInterval,
    grad,
    laplace,
)
from pdesolve.errors import ProblemError
from pdesolve.statement.calculus import Frame

SQUARE, LINE, TIME = Rectangle((0, 0), (1, 1)), Interval(0, 1), TimeInterval(0, 1)
ZERO = Dirichlet(0, on=SQUARE.boundary)


def poisson(u):
    return laplace(u)


def refused(fragment, *args, **kwargs):
    with pytest.raises(ProblemError, match=fragment):
        Problem(*args, **kwargs)


# ---------------------------------------------------------------- arguments by name


def seen_by(function, domain=SQUARE, normals=None, parameters=None, **rest):
    """What a Condition-like function receives, by name."""
    problem = Problem(domain, rest.pop("equation", poisson), **rest)
    points = domain.sample(4)
    frame = Frame(problem.coordinates, points, lambda *_: points[:, 0], normals=normals)
    with frame:
        return points, problem.call(function, frame, parameters)


def test_coordinates_constants_and_unknowns_arrive_by_name_in_any_order():
    points, (y, c, u, x) = seen_by(lambda y, c, u, x: (y, c, u, x), constants={"c": 2.5})
    assert torch.equal(x, points[:, 0])
    assert torch.equal(y, points[:, 1])
    assert c == 2.5
    assert torch.equal(u.tensor, points[:, 0])


def test_a_parameter_of_the_frame_wins_over_its_starting_value():
    equation = {"equation": lambda u, kappa: kappa * u.xx}
    _, value = seen_by(lambda kappa: kappa, parameters={"kappa": torch.tensor(7.0)}, **equation)
    assert isinstance(value, torch.Tensor)
    problem = Problem(SQUARE, equation["equation"], parameters={"kappa": 2.0})
    assert problem.unknowns == ("u",)
    with Frame(("x", "y"), SQUARE.sample(2)) as frame:
        assert problem.call(lambda kappa: kappa, frame) == 2.0


def test_a_name_with_a_default_is_neither_unknown_nor_required():
    problem = Problem(SQUARE, lambda u, power=3: u.x**power)
    assert problem.unknowns == ("u",)
    assert seen_by(lambda x, scale=2: (x, scale))[1][1] == 2


def test_a_default_gives_way_to_a_constant_of_that_name():
    _, value = seen_by(lambda c=1.0: c, constants={"c": 4.0})
    assert value == 4.0


def test_a_torch_function_receives_the_first_coordinate():
    points, value = seen_by(torch.sin)
    assert torch.equal(value, points[:, 0].sin())


def test_from_four_dimensions_on_x_is_the_matrix():
    box = Box((0,) * 5, (1,) * 5)
    points, (x, x3) = seen_by(lambda x, x3: (x, x3), box)
    assert torch.equal(x, points)
    assert torch.equal(x3, points[:, 2])


def test_the_normal_is_known_on_boundaries_only():
    normals = torch.tensor([[0.0, 1.0]]).double().expand(4, 2)
    _, n = seen_by(lambda n: n, normals=normals)
    assert torch.equal(n.y, normals[:, 1])
    with pytest.raises(ProblemError, match="'n' is not available"):
        seen_by(lambda n: n)


def test_unknowns_keep_the_order_of_the_equation():
    problem = Problem(
        SQUARE, lambda p, x, v, u, y, nu: (u * x, v * y, nu * p), constants={"nu": 1}, name="flow"
    )
    assert problem.unknowns == ("p", "v", "u")
    assert "p, v, u" in repr(problem)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("name", ["x", "t", "n", "z", "x1", "x12"])
@pytest.mark.parametrize("kind", ["constants", "parameters"])
def test_reserved_names_are_refused_as_constants(kind, name):
    refused(f"{kind} has the key '{name}', a reserved name", SQUARE, poisson, **{kind: {name: 1.0}})


@pytest.mark.parametrize("name", ["z", "t", "n", "x1"])
def test_a_reserved_name_the_domain_lacks_is_no_unknown(name):
    equation = eval(f"lambda u, {name}: u")
    refused(f"asks for '{name}', a reserved name that this domain lacks", SQUARE, equation)


@pytest.mark.parametrize(
    ("fragment", "args", "kwargs"),
    [
        ("domain is a list", ([0, 1], poisson), {}),
        ("equation is a int", (SQUARE, 3), {}),
        ("conditions is a Dirichlet; expected a list", (SQUARE, poisson, ZERO), {}),
        ("conditions contains a int", (SQUARE, poisson, [3]), {}),
        ("no unknown among its arguments", (SQUARE, lambda x: x), {}),
        (r"\*args", (SQUARE, lambda *u: u), {}),
        (r"constants\['c'\] is a str", (SQUARE, poisson), {"constants": {"c": "1"}}),
        (r"constants\['c'\] is a bool", (SQUARE, poisson), {"constants": {"c": True}}),
        ("Initial needs a time interval", (SQUARE, poisson, [Initial(0)]), {}),
        ("the space coordinates are x, y", (SQUARE, poisson, [Periodic("t")]), {}),
        ("the space coordinates are x$", (LINE * TIME, lambda u: u.t, [Periodic("t")]), {}),
        ("asks for 'z'", (SQUARE, poisson, [Dirichlet(lambda z: z, on=SQUARE.top)]), {}),
        ("asks for 'w'", (SQUARE, poisson, [Condition(lambda u, w: u + w, on=SQUARE.top)]), {}),
        ("asks for 'u'", (SQUARE, poisson, [Neumann(lambda u: u, on=SQUARE.top)]), {}),
        ("exact of 'u' asks for 't'", (SQUARE, poisson), {"exact": lambda x, t: x * t}),
        ("exact of 'u' is a str", (SQUARE, poisson), {"exact": "x"}),
        ("guess of 'u' is a list", (SQUARE, poisson), {"guess": [1]}),
        ("data is a Observation; expected a list", (SQUARE, poisson), {"data": Observation([[0, 0]], [1])}),
        (r"data\[0\] is a tuple", (SQUARE, poisson), {"data": [(1, 2)]}),
        ("two opposite flat ends, at x = -1 and 1", (Disk((0, 0), 1), poisson, [Periodic("x")]), {}),
    ],
)
def test_what_is_no_problem_is_a_sentence(fragment, args, kwargs):
    refused(fragment, *args, **kwargs)


def two(u, v):
    return u.x - v, v.y + u


@pytest.mark.parametrize(
    ("fragment", "kwargs"),
    [
        ("does not say which unknown", {"conditions": [ZERO]}),
        ("has unknown='w'; the unknowns of the equation are u, v", {"conditions": [
            Dirichlet(0, on=SQUARE.top, unknown="w")]}),
        ("exact must be a dict", {"exact": lambda x: x}),
        ("exact has the keys u; the unknowns are u, v", {"exact": {"u": lambda x: x}}),
        ("the keys u, v, w", {"exact": dict.fromkeys("uvw", lambda x: x)}),
        ("guess has the keys w", {"guess": {"w": 1.0}}),
        ("does not say which unknown", {"data": [Observation([[0, 0]], [1.0])]}),
        ("leaves out v: an axis is periodic for every unknown", {"conditions": [Periodic("x", unknown="u")]}),
    ],
)  # fmt: skip
def test_a_system_must_say_which_unknown_it_means(fragment, kwargs):
    refused(fragment, SQUARE, two, **kwargs)


def test_an_axis_may_be_periodic_unknown_by_unknown():
    conditions = [Periodic("x", unknown="u"), Periodic("x", unknown="v")]
    assert set(Problem(SQUARE, two, conditions).periodic_axes) == {0}
    assert Problem(SQUARE - Disk((0.5, 0.5), 0.2), two, [Periodic("y")]).periodic_axes == (1,)
    assert Problem(LINE * TIME, lambda u: u.t + u.x, [Periodic("x")]).periodic_axes == (0,)


# ---------------------------------------------------------------- constants


def test_constants_are_overridden_and_nothing_else_changes():
    problem = Problem(
        SQUARE, lambda u, c: c * u.x, [ZERO], exact=lambda x, c: c * x, constants={"c": 1.0}, name="p"
    )
    other = problem.with_constants({"c": 5.0})
    assert (problem.constants, other.constants) == ({"c": 1.0}, {"c": 5.0})
    assert (other.name, other.unknowns, other.conditions) == ("p", ("u",), problem.conditions)
    points = SQUARE.sample(3)
    assert torch.equal(other.values(other.exact, points), 5 * points[:, :1])


def test_a_constant_that_does_not_exist_is_named_with_those_that_do():
    problem = Problem(SQUARE, lambda u, c: c * u.x, constants={"c": 1.0})
    with pytest.raises(ProblemError, match="param k: the constants of this problem are: c"):
        problem.with_constants({"k": 1.0})
    with pytest.raises(ProblemError, match="are: none"):
        Problem(SQUARE, poisson).with_constants({"k": 1.0})


# ---------------------------------------------------------------- values


def test_solutions_given_as_functions_numbers_or_in_part():
    problem = Problem(SQUARE, two, guess={"v": 3.0})
    values = problem.values(problem.guess, SQUARE.sample(5), "guess")
    assert values.shape[1] == 2
    assert values[:, 0].isnan().all()
    assert (values[:, 1] == 3).all()


def test_an_exact_solution_may_use_the_gradient_of_what_it_knows():
    problem = Problem(SQUARE, two, exact={"u": lambda x, y: x**3 * y, "v": lambda x, y: grad(x**3 * y).x})
    points = SQUARE.sample(5)
    x, y = points.unbind(1)
    assert torch.allclose(problem.values(problem.exact, points)[:, 1], 3 * x**2 * y, rtol=1e-14)
    assert not problem.values(problem.exact, points).requires_grad


@pytest.mark.parametrize(
    ("value", "fragment"),
    [
        (lambda x: x[:, None], r"returned shape \(\d+, 1\), expected \(\d+,\): one value per point"),
        (lambda x: x[:2], r"returned shape \(2,\)"),
        (lambda: "much", "returned a str; expected a number or a tensor"),
    ],
)
def test_a_value_of_the_wrong_shape_is_a_sentence(value, fragment):
    problem = Problem(SQUARE, poisson, exact=value)
    with pytest.raises(ProblemError, match=fragment):
        problem.values(problem.exact, SQUARE.sample(5))


def test_values_have_the_precision_of_the_points():
    problem = Problem(SQUARE, poisson, exact=lambda x: torch.linspace(0, 1, len(x)))
    fine = problem.values(problem.exact, SQUARE.sample(7))
    assert fine.dtype == torch.float64
    assert float(fine[1]) == pytest.approx(1 / (len(fine) - 1), abs=1e-16)
    assert problem.values(problem.exact, SQUARE.sample(7).float()).dtype == torch.float32


# ---------------------------------------------------------------- terms


def test_terms_are_the_equation_and_then_every_pointwise_condition():
    problem = Problem(
        SQUARE * TIME,
        lambda u: u.t - laplace(u),
        [Initial(0), Dirichlet(0, on=SQUARE.left), Neumann(1, on=SQUARE.right), Periodic("y")],
    )
    assert [term.kind for term in problem.terms] == ["equation", "initial", "dirichlet", "neumann"]
    assert problem.terms[0].place is None
    assert "left" in problem.terms[2].name
    assert problem.periodic_axes == (1,)


def test_a_failing_condition_names_itself():
    problem = Problem(SQUARE, poisson, [Condition(lambda u, x: u + math.sin(x), on=SQUARE.top)])
    term = problem.terms[1]
    points = SQUARE.sample(3)
    with pytest.raises(ProblemError, match=r"Condition on .*top.*failed.*torch.sin, not math.sin"):
        term.evaluate(Frame(problem.coordinates, points, lambda *_: points[:, 0]))
