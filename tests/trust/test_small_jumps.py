"""Jumps and bends of the data, however small: right to the tolerance asked for, or refused, in space and in time."""

import math

import pytest
from torch import cos, exp, log, sigmoid, sin, where
from torch.nn.functional import softplus
from verdicts import LINE, SQUARE, require_refused, require_right, require_right_or_refused

from pdesolve import Dirichlet, Disk, Initial, Problem, TimeInterval, div, grad, laplace, solve
from pdesolve.checks.check import check
from pdesolve.errors import ProblemError

PLACE = 0.3717
TIME = TimeInterval(0, 1)


def with_values(equation, exact, domain=LINE):
    return Problem(domain, equation, [Dirichlet(exact, on=domain.boundary)], exact=exact)


def shape(x, jump):
    """u with k u' = cos 3x, where k is 1 before the place and 1 + jump after it."""
    before = sin(3 * x) / 3
    at = math.sin(3 * PLACE) / 3
    return where(x < PLACE, before, at + (before - at) / (1 + jump))


def step(x, jump):
    return where(x < PLACE, 1.0, 1 + jump)


def conductivity(jump):
    return with_values(lambda u, x: (step(x, jump) * u.x).x + 3 * sin(3 * x), lambda x: shape(x, jump))


def conductivity_in_the_plane(jump):
    return with_values(
        lambda u, x, y: div(step(x, jump) * grad(u)) + 3 * sin(3 * x) + 0 * y,
        lambda x, y: shape(x, jump) + 0 * y,
        SQUARE,
    )


def conductivity_in_time(jump):
    exact = lambda x, t: exp(-t) * shape(x, jump)  # noqa: E731
    return Problem(
        LINE * TIME,
        lambda u, x, t: u.t - (step(x, jump) * u.x).x + exp(-t) * (shape(x, jump) - 3 * sin(3 * x)),
        [Dirichlet(exact, on=LINE.boundary), Initial(lambda x: shape(x, jump))],
        exact=exact,
    )


FLUXES = {"line": conductivity, "plane": conductivity_in_the_plane, "time": conductivity_in_time}


@pytest.mark.parametrize("name", FLUXES)
@pytest.mark.parametrize(("jump", "tol"), [(1e-4, 1e-5), (1e-5, 1e-8), (1e-8, 1e-10)])
def test_a_flux_that_jumps_by_what_matters_is_refused(name, jump, tol):
    """A jump of 1e-4 was wrong by 2.4e-5 at any tolerance, with an estimate of 1.6e-14."""
    with pytest.raises(ProblemError, match="jumps at"):
        solve(FLUXES[name](jump), tol=tol)


@pytest.mark.parametrize("name", FLUXES)
def test_a_flux_that_jumps_by_less_than_matters_is_solved(name):
    require_right(FLUXES[name](1e-7), 1e-5)


def test_a_small_jump_is_warned_of_where_no_tolerance_is_given():
    report = check(conductivity(1e-6))
    assert report.ok
    assert [s for s in report.warnings if "jumps at" in s and "at tolerances below 1e-05" in s], report


@pytest.mark.parametrize("width", [1e-5, 1e-6, 1e-9, 1e-14])
@pytest.mark.parametrize("change", [1.0, 1e-3, 1e-6])
def test_a_conductivity_with_a_thin_layer(width, change):
    problem = with_values(
        lambda u, x: (u.x / (1 + change * sigmoid((x - PLACE) / width))).x,
        lambda x: x + change * width * softplus((x - PLACE) / width),
    )
    require_right_or_refused(problem, 1e-8, seconds=10.0)


def test_an_oblique_thin_layer_in_the_plane_is_refused():
    require_refused(
        with_values(
            lambda u, x, y: div(grad(u) / (1 + 0.01 * sigmoid((x + 2 * y - 1.234) / 1e-5))),
            lambda x, y: x + 2 * y,
            SQUARE,
        ),
        "a layer that no collocation point meets",
    )


def parabola(x, jump):
    """-u'' = 1 before the place, and 1 + jump after it."""
    return x - x**2 / 2 - where(x < PLACE, 0 * x, jump * (x - PLACE) ** 2 / 2)


def bent(x, slope):
    """k u' = 1 with k = 1 + slope |x - PLACE|."""
    distance = log(1 + slope * (x - PLACE).abs()) / slope
    return where(x < PLACE, -distance, distance)


def exponential(x, jump):
    """u'' = b u' with b = 1 before the place, and 1 + jump after it."""
    after = (exp(PLACE + (1 + jump) * (x - PLACE)) - math.exp(PLACE)) / (1 + jump)
    return where(x < PLACE, exp(x), math.exp(PLACE) + after)


BREAKS = {
    "source": lambda a: with_values(lambda u, x: -u.xx - step(x, a), lambda x: parabola(x, a)),
    "kink of a conductivity": lambda a: with_values(
        lambda u, x: ((1 + a * (x - PLACE).abs()) * u.x).x, lambda x: bent(x, a)
    ),
    "velocity": lambda a: with_values(lambda u, x: -u.xx + step(x, a) * u.x, lambda x: exponential(x, a)),
    "factor of the highest derivative": lambda a: with_values(
        lambda u, x: step(x, a) * u.xx + step(x, a) ** 2, lambda x: parabola(x, a)
    ),
    "source in the plane": lambda a: with_values(
        lambda u, x, y: -laplace(u) - step(x, a) + 0 * y, lambda x, y: parabola(x, a) + x * y, SQUARE
    ),
}


@pytest.mark.parametrize("name", BREAKS)
@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-5])
def test_patches_end_where_data_jump_or_bend(name, size):
    """A kink of 1e-3 was wrong by 3.8e-8 at 1e-8: the last jump lay between a face and the point next to it."""
    solution = solve(BREAKS[name](size), tol=1e-8, time_limit=20.0)
    assert solution.converged
    assert solution.relative_l2_error() <= 1e-8
    assert solution.degrees_of_freedom <= 500


@pytest.mark.parametrize("size", [1.0, 1e-3])
def test_patches_of_an_evolution_end_where_its_source_jumps(size):
    start = lambda x: parabola(x, size)  # noqa: E731
    exact = lambda x, t: exp(-t) * start(x)  # noqa: E731
    problem = Problem(
        LINE * TIME,
        lambda u, x, t: u.t - u.xx + exp(-t) * (start(x) - step(x, size)),
        [Dirichlet(exact, on=LINE.boundary), Initial(start)],
        exact=exact,
    )
    solution = solve(problem, tol=1e-8, time_limit=20.0)
    assert solution.converged
    assert solution.relative_l2_error() <= 1e-8
    assert solution.degrees_of_freedom <= 2000


def in_pieces(t, size):
    return t**2 + where(t < 0.4321, 0 * t, size * (t - 0.4321))


@pytest.mark.parametrize("size", [1.0, 1e-4])
def test_a_source_that_jumps_in_time(size):
    exact = lambda x, t: cos(x) * in_pieces(t, size)  # noqa: E731
    rate = lambda t: 2 * t + where(t < 0.4321, 0.0, size)  # noqa: E731
    problem = Problem(
        LINE * TIME,
        lambda u, x, t: u.t - u.xx - cos(x) * (rate(t) + in_pieces(t, size)),
        [Dirichlet(exact, on=LINE.boundary), Initial(0)],
        exact=exact,
    )
    require_right(problem, 1e-8)


@pytest.mark.parametrize("size", [1e-3, 1e-6])
def test_boundary_values_that_jump_by_little(size):
    """Beside u = xy, whose second derivatives are zero, a faint jump was called a contradiction."""
    exact = lambda x, y: x * y + size / math.pi * (y / (x - PLACE)).atan() + where(x < PLACE, size, 0.0)  # noqa: E731
    require_right(with_values(lambda u: laplace(u), exact, SQUARE), 1e-5)


def test_a_round_source_of_little_size():
    plate = Disk((0, 0), 1)

    def exact(x, y):
        r2 = (x * x + y * y).clamp_min(1e-300)
        inside = -(r2 - 0.43**2) / 4 - 0.43**2 / 2 * math.log(0.43)
        return (1 - r2) / 4 + 1e-4 * where(r2 < 0.43**2, inside, -(0.43**2) / 4 * log(r2))

    equation = lambda u, x, y: -laplace(u) - 1 - where(x * x + y * y < 0.43**2, 1e-4, 0.0)  # noqa: E731
    require_right(with_values(equation, exact, plate), 1e-6)


def test_the_tail_of_a_peak_on_a_wall_is_as_good_as_zero():
    """Values of 1e-272 were refused as beyond double precision, though the source is of size one."""
    exact = lambda x: exp(-(((x - 0.5) / 0.02) ** 2))  # noqa: E731
    equation = lambda u, x: u.xx - (4 * (x - 0.5) ** 2 / 1.6e-7 - 2 / 4e-4) * exact(x)  # noqa: E731
    require_right(with_values(equation, exact), 1e-5)


def test_the_tails_of_a_layer_are_no_jumps():
    """Where tanh is one but for rounding its derivative goes in steps, which were refused as jumps of a flux."""
    exact = lambda x, y: ((x - 0.5) / 0.02).tanh() + y  # noqa: E731
    require_right(with_values(lambda u, x, y: laplace(u) - laplace(exact(x, y)), exact, SQUARE), 1e-4)
