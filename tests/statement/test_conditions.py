"""Conditions: what each accepts, the residual it becomes, and the sentence when it cannot be."""

import dataclasses

import pytest
import torch

from pdesolve import (
    Condition,
    Dirichlet,
    Disk,
    Initial,
    Integral,
    Interface,
    Interval,
    Neumann,
    Observation,
    Periodic,
    Piecewise,
    Point,
    Problem,
    Rectangle,
    Robin,
    TimeInterval,
    normal_derivative,
)
from pdesolve.errors import ProblemError
from pdesolve.statement.conditions import Condition as ConditionAtHome
from pdesolve.statement.residual import compile_term, sample_points

SQUARE, DISK, LINE, TIME = Rectangle((0, 0), (1, 2)), Disk((0.5, 1), 0.25), Interval(0, 1), TimeInterval(0, 3)


def poisson(u):
    return -u.xx - u.yy


def heat(u):
    return u.t - u.xx


def residual_of(condition, jets, domain=SQUARE, equation=poisson, points=16, **rest):
    """Residual (n,) of a condition at (points, normals), where jets are functions by multi-index."""
    problem = Problem(domain, equation, [condition], **rest)
    term = problem.terms[1]
    points, normals = sample_points(problem, term, points)
    operator = compile_term(problem, term, points, normals)
    columns = [jets[index](*points.unbind(1)) * torch.ones(len(points)) for _, index in operator.slots]
    r = operator.residual(points, torch.stack(columns, 1).double(), normals)
    return r[:, 0].detach(), points, normals


# u = x² y with ∇u = (2xy, x²)
JETS = {
    (0, 0): lambda x, y: x**2 * y,
    (1, 0): lambda x, y: 2 * x * y,
    (0, 1): lambda x, y: x**2 + 0 * y,
}
EVERYWHERE = SQUARE.boundary


def test_dirichlet_is_the_value_less_what_is_prescribed():
    r, p, _ = residual_of(Dirichlet(lambda y, x: x + 3 * y, on=EVERYWHERE), JETS)
    assert torch.allclose(r, p[:, 0] ** 2 * p[:, 1] - p[:, 0] - 3 * p[:, 1], atol=1e-15)


def test_neumann_is_the_outward_derivative():
    r, p, n = residual_of(Neumann(0.5, on=EVERYWHERE), JETS)
    assert torch.allclose(r, n[:, 0] * 2 * p[:, 0] * p[:, 1] + n[:, 1] * p[:, 0] ** 2 - 0.5, atol=1e-15)


def test_robin_adds_a_times_the_value():
    r, p, n = residual_of(Robin(lambda x: 1 + x, lambda y: y, on=EVERYWHERE), JETS)
    x, y = p.unbind(1)
    expected = n[:, 0] * 2 * x * y + n[:, 1] * x**2 + (1 + x) * x**2 * y - y
    assert torch.allclose(r, expected, atol=1e-14)


def test_a_condition_function_takes_what_it_names():
    def slip(n, c, u, y):
        return n @ n + c * u + y - normal_derivative(u)

    r, p, n = residual_of(Condition(slip, on=SQUARE.top), JETS, constants={"c": 4.0})
    x, y = p.unbind(1)
    assert torch.allclose(r, 1 + 4 * x**2 * y + y - x**2 * n[:, 1], atol=1e-14)


@pytest.mark.parametrize("order", [0, 1])
def test_initial_holds_at_the_start_for_the_derivative_of_its_order(order):
    jets = {(0, 0): lambda x, t: x - t, (0, 1): lambda x, t: -1 + 0 * x * t}
    condition = Initial(lambda x: x, order=order)
    r, p, _ = residual_of(condition, jets, LINE * TIME, lambda u: u.tt - u.xx)
    assert (p[:, 1] == 0).all()
    assert torch.allclose(r, (p[:, 0] if order == 0 else -1 + 0 * p[:, 0]) - p[:, 0], atol=1e-15)


def test_a_point_in_a_cylinder_holds_at_all_times():
    condition = Dirichlet(lambda t: t, on=Point(0.5))
    _, p, _ = residual_of(condition, {(0, 0): lambda x, t: x * t}, LINE * TIME, heat)
    assert (p[:, 0] == 0.5).all()
    assert float(p[:, 1].max() - p[:, 1].min()) > 2


@pytest.mark.parametrize("value", [1, 2.5, torch.tensor(2.0), lambda: 3.0, lambda x: 0 * x + 1, torch.cos])
def test_values_are_numbers_or_functions_and_broadcast(value):
    r, p, _ = residual_of(Dirichlet(value, on=EVERYWHERE), JETS)
    assert r.shape == (len(p),)


@pytest.mark.parametrize(
    ("make", "fragment"),
    [
        (lambda: Dirichlet("1", on=EVERYWHERE), "Dirichlet received a value of type str"),
        (lambda: Dirichlet(True, on=EVERYWHERE), "type bool"),
        (lambda: Neumann([1.0], on=EVERYWHERE), "Neumann received a value of type list"),
        (lambda: Dirichlet(torch.zeros(3), on=EVERYWHERE), "type Tensor"),
        (lambda: Robin("a", 0, on=EVERYWHERE), r"Robin \(a\) received"),
        (lambda: Dirichlet(0, on="left"), "received on='left'; expected a place"),
        (lambda: Dirichlet(0, on=SQUARE), "expected a place: square.boundary"),
        (lambda: Condition(3, on=EVERYWHERE), "Condition received a int"),
        (lambda: Initial(0, order=7), "order=7"),
        (lambda: Integral(None), "Integral received a value of type NoneType"),
        (lambda: Interface(1000.0, on=DISK.boundary), "Interface received k of type float"),
        (lambda: Piecewise([1, 2]), "expects a dict"),
        (lambda: Piecewise({"disk": 1.0}), "expects a dict"),
        (lambda: Piecewise({DISK: [1.0]}), "Piecewise received a value of type list"),
    ],
)
def test_a_condition_that_cannot_be_says_so_when_it_is_written(make, fragment):
    with pytest.raises(ProblemError, match=fragment):
        make()


@pytest.mark.parametrize(
    "condition",
    [Dirichlet(0, on=EVERYWHERE), Initial(0), Periodic("x"), Integral(0), Observation([[0.0]], [1.0])],
)
def test_conditions_are_frozen(condition):
    with pytest.raises(dataclasses.FrozenInstanceError):
        condition.unknown = "v"


def test_the_package_exports_the_same_class():
    assert Condition is ConditionAtHome


# ---------------------------------------------------------------- piecewise coefficients


def test_piecewise_takes_the_value_of_the_domain_a_point_lies_in():
    k = Piecewise({DISK: 1000.0}, otherwise=lambda x, y: x + y)
    x, y = torch.tensor([0.5, 0.0, 0.74]).double(), torch.tensor([1.0, 0.0, 1.0]).double()
    assert k(x, y).tolist() == [1000.0, 0.0, 1000.0]


def test_piecewise_in_a_cylinder_ignores_time():
    k = Piecewise({DISK: 2.0}, otherwise=1.0)
    one = torch.ones(1, dtype=torch.float64)
    assert k(0.5 * one, one, 17 * one).tolist() == [2.0]


def test_piecewise_may_multiply_a_field_in_an_equation():
    k = Piecewise({DISK: 2.0}, otherwise=1.0)
    problem = Problem(SQUARE, lambda u, x, y: -(k(x, y) * u.x).x - (k(x, y) * u.y).y)
    points, _ = sample_points(problem, problem.terms[0], 64)
    operator = compile_term(problem, problem.terms[0], points)
    _, dF = operator.linearise(points, torch.ones(len(points), len(operator.slots)).double())
    second = dF[:, 0, operator.slots.index((0, (2, 0)))]
    assert torch.equal(second, -torch.where(DISK.contains(points), 2.0, 1.0).double())


# ---------------------------------------------------------------- observations


@pytest.mark.parametrize(
    ("points", "values", "fragment"),
    [
        ([[0.5]], [1.0], r"shape \(1, 1\) and values of shape \(1,\), expected \(n, 2\)"),
        ([[0.5, 0.5]], [[1.0]], r"values of shape \(1, 1\)"),
        ("here", [1.0], "no array of numbers"),
        ([[0.5, float("inf")]], [1.0], "not finite"),
    ],
)
def test_observations_that_do_not_fit_are_refused(points, values, fragment):
    with pytest.raises(ProblemError, match=rf"data\[0\].*{fragment}"):
        Problem(SQUARE, poisson, data=[Observation(points, values)])


def test_observations_on_a_line_may_be_a_plain_list():
    observation = Observation([0.1, 0.2], [1.0, 2.0])
    Problem(LINE, lambda u: u.xx, data=[observation])
    points, values = observation.arrays
    assert points.tolist() == [[0.1], [0.2]]
    assert values.tolist() == [1.0, 2.0]


def test_a_standard_deviation_is_positive():
    with pytest.raises(ProblemError, match="sigma=0"):
        Problem(LINE, lambda u: u.xx, data=[Observation([0.1], [1.0], sigma=0)])
