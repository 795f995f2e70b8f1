"""What happens at one end of a periodic axis continues at the other, displaced and with a jump where stated."""

import numpy as np
import pytest
import torch
from torch import exp, pi, sin

from pdesolve import (
    Box,
    Dirichlet,
    Initial,
    Interval,
    Periodic,
    Polygon,
    Problem,
    Rectangle,
    TimeInterval,
    check,
    laplace,
    solve,
)
from pdesolve.benchmarking.transformed import Transformation, transformed
from pdesolve.errors import ProblemError
from pdesolve.patches.partition import Partition

LINE, SQUARE, CUBE = Interval(0, 1), Rectangle((0, 0), (1, 1)), Box((0, 0, 0), (1, 1, 1))
TIME = TimeInterval(0, 1)
SHIFT = 0.3
SKEWED = Polygon([(0, 0), (1, 0), (1.5, 1), (0.5, 1)])


def plane_wave(x, y):
    """Periodic on the lattice of (1, SHIFT) and (0, 1)."""
    return sin(2 * pi * (x + 2 * (y - SHIFT * x)))


def sheared(**changes):
    k2 = (2 * pi) ** 2 * ((1 - 2 * SHIFT) ** 2 + 4)
    ends = [Periodic("x", shift={"y": changes.get("shift", SHIFT)}), Periodic("y")]
    return Problem(
        SQUARE, lambda u, x, y: -laplace(u) + u - (k2 + 1) * plane_wave(x, y), ends, exact=plane_wave
    )


def sheared_with_mean_slope():
    def exact(x, y):
        return plane_wave(x, y) + 2 * y

    base = sheared()
    ends = [Periodic("x", shift={"y": SHIFT}, jump=2 * SHIFT), Periodic("y", jump=2)]
    return Problem(SQUARE, lambda u, x, y: base.equation(u, x, y) - 2 * y, ends, exact=exact)


def skewed():
    def exact(x, y):
        return sin(2 * pi * y) * exp(x - 0.5 * y)

    def equation(u, x, y):
        return laplace(u) - exp(x - 0.5 * y) * (
            (1.25 - 4 * pi**2) * sin(2 * pi * y) - 2 * pi * torch.cos(2 * pi * y)
        )

    sides = SKEWED.edges[1] | SKEWED.edges[3]
    return Problem(
        SKEWED, equation, [Periodic("y", shift={"x": 0.5}), Dirichlet(exact, on=sides)], exact=exact
    )


def with_mean_slope(jump=1.0):
    def equation(u, x):
        return -u.xx + u - x - (1 + 4 * pi**2) * sin(2 * pi * x)

    return Problem(LINE, equation, [Periodic("x", jump=jump)], exact=lambda x: x + sin(2 * pi * x))


def growing_jump():
    def equation(u, x, t):
        return u.t - u.xx - 2 * x * t - 1

    ends = Periodic("x", jump=lambda t: 1 + t**2)
    return Problem(LINE * TIME, equation, [Initial(lambda x: x), ends], exact=lambda x, t: t + x * (1 + t**2))


def shifted_in_two_axes():
    def exact(x, y, z):
        return sin(2 * pi * (0.5 * x + y + z))

    ends = [Periodic("x", shift={"y": 0.3, "z": 0.2}), Periodic("y"), Periodic("z")]
    return Problem(
        CUBE, lambda u, x, y, z: -laplace(u) + u - (9 * pi**2 + 1) * exact(x, y, z), ends, exact=exact
    )


@pytest.mark.parametrize(
    ("make", "tol"),
    [
        (sheared, 1e-8),
        (sheared_with_mean_slope, 1e-8),
        (skewed, 1e-8),
        (with_mean_slope, 1e-8),
        (growing_jump, 1e-6),
        pytest.param(shifted_in_two_axes, 1e-2, marks=pytest.mark.slow),
    ],
)
def test_shifts_and_jumps_are_met_and_certified(make, tol):
    problem = make()
    assert check(problem).ok
    solution = solve(problem, tol=tol, time_limit=50)
    assert solution.converged
    assert solution.relative_l2_error() < tol


@pytest.mark.parametrize("make", [sheared, with_mean_slope])
def test_other_units_change_nothing(make):
    solution = solve(transformed(make(), Transformation(1e3, 1e-3, 1e6)), tol=1e-8, time_limit=50)
    assert solution.converged
    assert solution.relative_l2_error() < 1e-8


def test_a_trained_mixture_meets_the_jump():
    solution = solve(with_mean_slope(), method="gmnm-trained", tol=1e-6, time_limit=40)
    assert solution.relative_l2_error() < 1e-6


@pytest.mark.parametrize("make", [lambda: sheared(shift=0.4), lambda: with_mean_slope(jump=2.0)])
def test_check_compares_the_exact_solution_with_shift_and_jump(make):
    (message,) = [m for m in check(make()).errors if "Periodic" in m]
    assert "after the shift and jump stated" in message


def test_initial_values_may_jump_at_the_seam_as_stated():
    assert not any("seam" in m for m in check(growing_jump()).warnings)
    ends = [Initial(lambda x: x), Periodic("x")]
    assert any("seam" in m for m in check(Problem(LINE * TIME, lambda u: u.t - u.xx, ends)).warnings)


@pytest.mark.parametrize("shift", [0.0, 0.25, 0.3, -0.3, 1.7])
@pytest.mark.parametrize("dimension", [2, 3])
def test_faces_over_a_shifted_seam_tile_it(dimension, shift):
    generator, table = np.random.default_rng(0), np.zeros((dimension, dimension))
    table[0, 1] = shift
    breaks = [[0.0, 0.3, 1.0], [-1.0, 0.2, 1.0], [0.0, 2.0]][:dimension]
    partition = Partition.grid(breaks, [True] * dimension, shift=table)
    for _ in range(3):
        partition, _ = partition.split(generator.random((len(partition), dimension)) < 0.4)
    faces = partition.faces
    seam = (faces.axis == 0) & (faces.shift[:, 0] != 0)
    area = (faces.upper - faces.lower)[seam, 1:].prod(axis=1).sum()
    assert np.isclose(area, np.prod([b[-1] - b[0] for b in breaks[1:]]), rtol=1e-12)
    middle = (faces.lower + faces.upper)[seam] / 2 - faces.shift[seam]
    assert (partition.locate(middle) == faces.plus[seam]).all()


@pytest.mark.parametrize(
    ("message", "domain", "conditions"),
    [
        ("expected a dict other axis", SQUARE, lambda: [Periodic("x", shift=0.3), Periodic("y")]),
        ("a shift along 'x'; it may be shifted along y", SQUARE, lambda: [Periodic("x", shift={"x": 0.3})]),
        ("since there is no other axis", LINE, lambda: [Periodic("x", shift={"y": 0.3})]),
        ("do not fit on each other.*make y periodic", SQUARE, lambda: [Periodic("x", shift={"y": 0.3})]),
        (
            "which is shifted itself",
            SQUARE,
            lambda: [Periodic("x", shift={"y": 0.3}), Periodic("y", shift={"x": 0.3})],
        ),
        ("do not fit", SQUARE - Polygon([(0, 0.2), (0.3, 0.5), (0, 0.8)]), lambda: [Periodic("x")]),
        ("do not fit", SKEWED, lambda: [Periodic("y", shift={"x": 0.4})]),
        ("jump.*expected a number or a function", LINE, lambda: [Periodic("x", jump="p")]),
        ("the value of Periodic asks for 'q'", LINE, lambda: [Periodic("x", jump=lambda q: q)]),
    ],
)
def test_ends_that_do_not_fit_are_refused_in_a_sentence(message, domain, conditions):
    with pytest.raises(ProblemError, match=message):
        Problem(domain, lambda u: -laplace(u) + u, conditions())


def test_a_jump_names_its_unknown_and_shifts_are_the_same_for_all():
    def two(u, v):
        return laplace(u) - u, laplace(v) - v

    with pytest.raises(ProblemError, match="does not say of which unknown"):
        Problem(LINE, two, [Periodic("x", jump=1.0)])
    ends = [Periodic("x", unknown="u", shift={"y": 0.2}), Periodic("x", unknown="v"), Periodic("y")]
    with pytest.raises(ProblemError, match="different shifts"):
        Problem(SQUARE, two, ends)
    problem = Problem(LINE, two, [Periodic("x", unknown="u"), Periodic("x", unknown="v", jump=-1)])
    assert problem.seams[0].jumps == {"u": 0.0, "v": -1}
