"""What `check` sees in problems that no file of the collection states."""

import math

import pytest
import torch
from torch import cos, pi, sin

from pdesolve import (
    Box,
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
    TimeInterval,
    div,
    grad,
    laplace,
)
from pdesolve.checks.check import check, check_file
from pdesolve.checks.exactness import exact_jets
from pdesolve.errors import ProblemError

SQUARE, DISK, TIME = Rectangle((0, 0), (1, 1)), Disk((0, 0), 1), TimeInterval(0, 1)
CIRCLE = Interval(0, 2 * math.pi)
ZERO = Dirichlet(0, on=SQUARE.boundary)


def poisson(u):
    return -laplace(u) - 1


def steady(*conditions, domain=SQUARE, equation=poisson, **rest):
    return check(Problem(domain, equation, list(conditions), **rest))


def only(sentences, *fragments):
    assert len(sentences) == 1, sentences
    assert all(fragment in sentences[0] for fragment in fragments), sentences[0]


def nothing_to_say(report):
    return not report.errors and not report.warnings


def advection(u):
    return u.t + 30 * u.x


def test_a_periodic_exact_solution_is_accepted():
    problem = Problem(
        CIRCLE * TIME, advection, [Initial(sin), Periodic("x")], exact=lambda x, t: sin(x - 30 * t)
    )
    assert nothing_to_say(check(problem))


def test_an_exact_solution_must_agree_at_both_ends_of_a_periodic_axis():
    conditions = [Initial(lambda x: x), Periodic("x")]
    report = check(Problem(CIRCLE * TIME, advection, conditions, exact=lambda x, t: x - 30 * t))
    only(report.errors, "exact", "Periodic('x')", "u differs by 6.28")
    only(report.warnings, "jumps at the periodic seam in x", "0 at one end", "6.283 at the other")


@pytest.mark.parametrize("dimension", [5, 10])
def test_coordinates_of_high_dimension_arrive_as_a_matrix(dimension):
    box = Box((0,) * dimension, (1,) * dimension)

    def exact(x):
        return cos(pi * x).sum(dim=1)

    def equation(u, x):
        return -laplace(u) - pi**2 * exact(x)

    report = steady(Dirichlet(exact, on=box.boundary), domain=box, equation=equation, exact=exact)
    assert nothing_to_say(report), report


def neumann_problem(*more):
    def equation(u, x, y):
        return -laplace(u) - 2 * pi**2 * cos(pi * x) * cos(pi * y)

    flux = Neumann(0, on=SQUARE.boundary)
    return steady(flux, *more, equation=equation, exact=lambda x, y: cos(pi * x) * cos(pi * y))


def test_fluxes_alone_leave_a_constant_free():
    only(neumann_problem().warnings, "u", "up to a constant", "Integral")


@pytest.mark.parametrize("pin", [Integral(0), Dirichlet(0, on=Point((0.5, 0.5)))], ids=["integral", "point"])
def test_a_mean_or_a_point_value_fixes_the_constant(pin):
    assert nothing_to_say(neumann_problem(pin))


def test_an_exact_solution_must_have_the_stated_integral():
    only(neumann_problem(Integral(1)).errors, "exact", "Integral of u", "expected 1")


def test_a_function_to_be_fitted_needs_no_condition():
    report = check(Problem(SQUARE, lambda u, x, y: u - x * y, []))
    assert report.ok
    assert not report.warnings
    (error,) = check(Problem(SQUARE, lambda u, x, y: u.x - x * y, [])).errors
    assert "no condition at all" in error


def test_a_plate_needs_two_conditions_on_its_edge():
    def plate(u):
        return laplace(laplace(u)) - 1

    clamped = steady(ZERO, Neumann(0, on=SQUARE.boundary), equation=plate)
    assert nothing_to_say(clamped)
    assert "u_xxxx, u_xxyy, u_yyyy" in clamped.notes[0]
    only(steady(ZERO, equation=plate).warnings, "fewer than the 2 conditions on u", "order 4", "'left'")


def test_general_conditions_count_where_they_mention_the_unknown():
    report = steady(
        Condition(lambda u: u, on=SQUARE.left),
        Condition(lambda u, n: n.x * u.x + n.y * u.y, on=SQUARE.right),
        Dirichlet(0, on=SQUARE.bottom | SQUARE.top),
    )
    assert nothing_to_say(report), report


def test_an_interface_with_a_piecewise_coefficient_is_accepted():
    disk = Disk((0.5, 0.5), 0.2)
    k = Piecewise({disk: 1000.0}, otherwise=1.0)

    def diffusion(u, x, y):
        return -div(k(x, y) * grad(u)) - 1

    assert nothing_to_say(steady(ZERO, Interface(k, on=disk.boundary), equation=diffusion))


def unknown_conductivity(u, kappa):
    return -kappa * laplace(u) - 1


MEASURED = [Observation([[0.5, 0.5]], [0.07])]


def test_observations_make_a_parameter_identifiable():
    report = steady(
        ZERO,
        equation=unknown_conductivity,
        parameters={"kappa": 1.0},
        data=[Observation([[0.5, 0.5]], [0.07])],
    )
    assert nothing_to_say(report), report


@pytest.mark.parametrize(
    ("points", "values", "fragments"),
    [
        ([0.5, 0.5], [0.07], ("shape (2,)", "expected (n, 2)")),
        ([[0.5, 0.5]], [0.07, 0.1], ("values of shape (2,)",)),
        ([[0.5, 0.5]], [math.nan], ("not finite",)),
    ],
)
def test_observations_of_a_wrong_shape_are_refused(points, values, fragments):
    data = [Observation(points, values)]
    with pytest.raises(ProblemError) as caught:
        steady(ZERO, equation=unknown_conductivity, parameters={"kappa": 1.0}, data=data)
    only([str(caught.value)], "data[0]", *fragments)


def conductivity_from(data, equation=unknown_conductivity, **parameters):
    return steady(ZERO, equation=equation, parameters=parameters or {"kappa": 1.0}, data=data)


def test_observations_outside_the_domain_are_refused():
    report = conductivity_from([Observation([[0.5, 0.5], [3.0, 0.5]], [0.07, 0.0])])
    only(report.errors, "data[0]", "1 of 2 points outside")


def test_data_from_which_nothing_is_to_be_identified_are_mentioned():
    only(steady(ZERO, data=MEASURED).warnings, "there is data", "nothing is to be identified")


def test_fewer_observations_than_parameters_are_refused():
    def reaction(u, kappa, rate):
        return -kappa * laplace(u) + rate * u - 1

    only(conductivity_from(MEASURED, reaction, kappa=1.0, rate=1.0).errors, "1 observations for 2 parameters")


def test_a_parameter_without_effect_is_refused():
    def nothing(u, kappa):
        return -laplace(u) - 1 + 0 * kappa

    only(conductivity_from(MEASURED, nothing).errors, "nothing depends on the parameter kappa")


def test_a_coefficient_field_needs_neither_equation_nor_initial_values():
    def diffusion(u, a):
        return -div(a * grad(u)) - 1

    def evolution(u, a):
        return u.t - div(a * grad(u)) - 1, a.t

    known = [Dirichlet(0, on=SQUARE.boundary, unknown="u"), Dirichlet(1, on=SQUARE.boundary, unknown="a")]
    data = [Observation([[0.5, 0.5]], [0.07], unknown="u")]
    assert nothing_to_say(steady(*known, equation=diffusion, data=data))
    data = [Observation([[0.5, 0.5, 0.5]], [0.07], unknown="u")]
    domain, known = SQUARE * TimeInterval(0, 1), [*known, Initial(0, unknown="u")]
    assert nothing_to_say(steady(*known, equation=evolution, domain=domain, data=data))


def test_too_few_equations_for_the_states_are_an_error_with_data_too():
    def incomplete(u, v):
        return u.xx + v.x

    problem = Problem(SQUARE, incomplete, [], data=[Observation([[0.5, 0.5]], [0.07], unknown="u")])
    assert any("1 equations for the unknowns u, v" in error for error in check(problem).errors)


def heat(u):
    return u.t - laplace(u)


@pytest.mark.parametrize("space", [SQUARE, DISK], ids=["square", "disc"])
def test_a_start_that_does_not_fit_the_wall_jumps_there(space):
    report = check(Problem(space * TIME, heat, [Initial(1), Dirichlet(0, on=space.boundary)]))
    only(report.warnings, "u jumps", "t) = ", "from 1 (Initial of u) to 0")


def test_a_start_that_fits_the_wall_does_not_jump():
    conditions = [Initial(lambda x, y: 1 - x**2 - y**2), Dirichlet(0, on=DISK.boundary)]
    assert nothing_to_say(check(Problem(DISK * TIME, heat, conditions)))


def test_values_jump_along_the_edges_of_a_cube():
    cube = Box((0, 0, 0), (1, 1, 1))
    rest = cube.left | cube.right | cube.bottom | cube.front | cube.back
    report = steady(Dirichlet(1, on=cube.top), Dirichlet(0, on=rest), domain=cube)
    only(report.warnings, "u jumps at (x, y, z)", "from 1", "to 0")


def test_values_jump_where_one_part_of_a_circle_ends_and_another_begins():
    circle = DISK.boundary
    report = steady(
        Dirichlet(1, on=circle.where(lambda x: x < 0)),
        Dirichlet(0, on=circle.where(lambda x: x >= 0)),
        domain=DISK,
    )
    only(report.warnings, "u jumps at (x, y) = (0, 1) from 1", "to 0")


def test_a_point_value_may_not_contradict_the_edge_it_lies_on():
    report = steady(ZERO, Dirichlet(1, on=Point((0, 0.5))))
    only(report.errors, "different values of u on 'left'", "0 and 1", "(0, 0.5)")


def test_conditions_that_say_the_same_twice_are_mentioned():
    only(steady(ZERO, Dirichlet(0, on=SQUARE.left)).warnings, "say the same", "'left'")


def test_a_singular_source_is_mentioned_only_if_a_simple_point_meets_it():
    def singular(u, x, y):
        return -laplace(u) - 1 / (x**2 + y**2).sqrt()

    report = steady(Dirichlet(0, on=DISK.boundary), domain=DISK, equation=singular)
    assert report.ok
    only(report.warnings, "not finite", "(x, y) = (0, 0)")
    away = Rectangle((1, 1), (2, 2))
    assert nothing_to_say(steady(Dirichlet(0, on=away.boundary), domain=away, equation=singular))


def test_an_equation_may_be_finite_for_some_states_only():
    interval = Interval(0, 1)

    def circle(u):
        return u.x - (1 - u**2) ** 0.5

    report = steady(Dirichlet(0, on=interval.left), domain=interval, equation=circle, exact=lambda x: sin(x))
    assert nothing_to_say(report), report


def test_random_numbers_in_an_equation_are_refused():
    def noisy(u, x):
        return -laplace(u) - torch.rand(len(x), dtype=torch.float64)

    only(steady(ZERO, equation=noisy).errors, "not pointwise", "random")


def test_a_reference_must_be_finite_but_need_not_satisfy_anything():
    assert nothing_to_say(steady(ZERO, reference=lambda x, y: x + y))
    only(steady(ZERO, reference=lambda x, y: x / 0.0 - y).errors, "reference is not finite", "inf")


def test_a_reference_may_be_made_with_numpy():
    import numpy

    report = steady(ZERO, reference=lambda x, y: torch.from_numpy(numpy.sin(x.numpy() * y.numpy())))
    assert nothing_to_say(report), report


def test_exact_jets_are_the_derivatives_of_the_exact_solution():
    problem = Problem(SQUARE, poisson, [ZERO], exact=lambda x, y: sin(2 * x) * y**3)
    points = SQUARE.sample(50)
    x, y = points.unbind(1)
    jets = exact_jets(problem, points, [(0, (0, 0)), (0, (1, 2)), (0, (2, 0)), (0, (0, 4))])
    expected = [sin(2 * x) * y**3, 12 * cos(2 * x) * y, -4 * sin(2 * x) * y**3, 0 * x]
    torch.testing.assert_close(jets, torch.stack(expected, dim=1), rtol=1e-13, atol=1e-13)


def test_a_missing_file_is_an_error_of_the_report(tmp_path):
    report = check_file(tmp_path / "no_such_problem.py")
    assert report.exit_code == 2
    only(report.errors, "there is no file", "no_such_problem.py")


def test_a_report_reads_as_lines_errors_first():
    report = steady(ZERO, Dirichlet(1, on=SQUARE.left))
    assert str(report).splitlines()[0].startswith("error: Dirichlet")
    assert str(report).endswith("cannot be solved as written")


def source(x, y):
    return 2 * pi**2 * cos(pi * x) * cos(pi * y)


def test_a_balanced_pure_neumann_problem_is_accepted_whatever_its_form():
    pin = Dirichlet(0, on=Point((0.5, 0.5)))
    flat = Neumann(0, on=SQUARE.boundary)
    assert nothing_to_say(steady(flat, pin, equation=lambda u, x, y: -laplace(u) - source(x, y)))
    # u = x² + y: ∇·((1 + x) ∇u) = 2 + 4x inside, ∂u/∂n = 2 on the right, ∓1 below and above.
    graded = steady(
        Neumann(0, on=SQUARE.left),
        Neumann(2, on=SQUARE.right),
        Neumann(-1, on=SQUARE.bottom),
        Neumann(1, on=SQUARE.top),
        pin,
        equation=lambda u, x: -div((1 + x) * grad(u)) + 2 + 4 * x,
    )
    assert nothing_to_say(graded)


@pytest.mark.parametrize("domain", [SQUARE, DISK, Box((0, 0, 0), (1, 2, 1))], ids=["square", "disk", "box"])
def test_sources_that_no_flux_carries_away_are_an_error(domain):
    pin = Dirichlet(0, on=Point((0.5,) * domain.dimension))
    report = steady(Neumann(0, on=domain.boundary), pin, domain=domain)
    only(report.errors, "do not balance", f"add up to {domain.measure:.4g}")
    share = -domain.measure / float(domain.boundary.rule(domain, 8).weights.sum())
    assert nothing_to_say(steady(Neumann(share, on=domain.boundary), pin, domain=domain))


def test_an_imbalance_is_no_error_where_something_else_takes_up_the_sources():
    flat = Neumann(0, on=SQUARE.boundary)
    assert nothing_to_say(steady(flat, equation=lambda u: -laplace(u) + u - 1))
    assert nothing_to_say(
        steady(Neumann(0, on=SQUARE.left), Dirichlet(0, on=SQUARE.right | SQUARE.top | SQUARE.bottom))
    )
    assert not steady(flat, equation=lambda u: -laplace(u) + u.x - 1).errors


def test_first_order_equations_need_data_where_characteristics_enter():
    def transport(u):
        return u.x + 0.5 * u.y - 1

    inflow, outflow = SQUARE.left | SQUARE.bottom, SQUARE.right | SQUARE.top
    assert nothing_to_say(steady(Dirichlet(0, on=inflow), equation=transport))
    assert nothing_to_say(steady(Dirichlet(0, on=outflow), equation=transport))  # backwards: as good
    only(steady(Dirichlet(0, on=SQUARE.left), equation=transport).warnings, "flows in through 'bottom'")
    moving = SQUARE * TIME
    start = Initial(0)
    evolution = {"domain": moving, "equation": lambda u: u.t - u.x}
    assert nothing_to_say(steady(start, Dirichlet(0, on=SQUARE.right), **evolution))
    only(steady(start, Dirichlet(0, on=SQUARE.left), **evolution).warnings, "flows in through 'right'")
    backwards = {"domain": moving, "equation": lambda u: u.x - u.t}  # the same, with its sign turned
    only(steady(start, Dirichlet(0, on=SQUARE.left), **backwards).warnings, "flows in through 'right'")
    half = SQUARE.right.where(lambda y: y < 0.5)
    only(steady(start, Dirichlet(0, on=half), **evolution).warnings, "% of 'right'")


def acoustics(*conditions):
    start = [Initial(0, unknown="p"), Initial(0, unknown="v")]
    return check(Problem(CIRCLE * TIME, lambda p, v: (p.t + v.x, v.t + 4 * p.x), [*start, *conditions]))


def test_systems_of_first_order_need_a_value_for_each_characteristic_that_enters():
    left, right = CIRCLE.left, CIRCLE.right
    closed = Dirichlet(0, on=right, unknown="v")
    assert nothing_to_say(acoustics(Dirichlet(0, on=left, unknown="p"), closed))
    incoming = Condition(lambda p, v: 2 * p + v, on=left)
    assert nothing_to_say(acoustics(incoming, closed))
    leaving = Condition(lambda p, v: 2 * p - v, on=left)
    only(acoustics(leaving, closed).warnings, "come in through 'left'", "fixes only what leaves")
    only(acoustics(closed).warnings, "come in through 'left'")
    only(acoustics().warnings, "'left', 'right'")


def test_walls_of_a_linear_wave_need_the_normal_velocity():
    def waves(p, u, v):
        return p.t + u.x + v.y, u.t + p.x, v.t + p.y

    start = [Initial(0, unknown=name) for name in "puv"]
    sides, ends = SQUARE.left | SQUARE.right, SQUARE.top | SQUARE.bottom
    across = [Dirichlet(0, on=sides, unknown="u"), Dirichlet(0, on=ends, unknown="v")]
    along = [Dirichlet(0, on=sides, unknown="v"), Dirichlet(0, on=ends, unknown="v")]
    assert nothing_to_say(check(Problem(SQUARE * TIME, waves, [*start, *across])))
    only(check(Problem(SQUARE * TIME, waves, [*start, *along])).warnings, "'left', 'right'")


def test_a_system_that_is_not_hyperbolic_is_left_alone():
    start = [Initial(0, unknown="a"), Initial(0, unknown="b")]
    report = check(Problem(CIRCLE * TIME, lambda a, b: (a.t + b.x, b.t - a.x), start))
    assert not any("characteristics" in w for w in report.warnings)


def test_a_condition_written_twice_as_a_function_is_noticed():
    def hot(u, x):
        return u - x

    twice = steady(Condition(hot, on=SQUARE.boundary), Condition(hot, on=SQUARE.left))
    only(twice.warnings, "say the same on one part")
    other = Condition(lambda u, n: n @ grad(u), on=SQUARE.left)
    assert not any("say the same" in w for w in steady(Condition(hot, on=SQUARE.boundary), other).warnings)


def test_the_tail_of_a_peak_on_the_wall_is_no_jump():
    rod = Interval(0, 1)
    peak = Initial(lambda x: torch.exp(-100 * (x - 0.5) ** 2))  # 1.4e-11 at the ends
    problem = Problem(rod * TimeInterval(0, 1), lambda u: u.t - u.xx, [peak, Dirichlet(0, on=rod.boundary)])
    assert not check(problem).warnings
