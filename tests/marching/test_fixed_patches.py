"""Fixed patches and equal slabs: exact solutions to rounding, the order in time, and no growth."""

import numpy as np
import pytest
import torch
from evolutions import advanced, driven_heat, even, heat, klein_gordon, relative_error, ring, space_on, wave
from torch import pi, sin

from pdesolve import (
    Condition,
    Dirichlet,
    Disk,
    Initial,
    Integral,
    Interface,
    Interval,
    Mean,
    Periodic,
    Piecewise,
    Problem,
    Rectangle,
    Scalar,
    TimeInterval,
    div,
    grad,
    laplace,
)
from pdesolve.marching.radau import radau
from pdesolve.marching.semi_discrete import SemiDiscrete
from pdesolve.marching.step import Stepper


@pytest.mark.parametrize(
    ("problem", "cells", "q", "stages", "slabs", "most"),
    [
        (heat(), 2, 16, 9, 4, 1e-12),
        (wave(), 4, 16, 13, 8, 1e-12),
        (ring(3), 2, 18, 11, 2, 1e-11),
        (driven_heat(), 1, 16, 9, 6, 1e-11),
        (klein_gordon(), 2, 8, 9, 2, 1e-11),
    ],
    ids=["heat", "wave", "advection", "driven heat", "Klein–Gordon"],
)
def test_smooth_solutions_are_found_to_many_digits(problem, cells, q, stages, slabs, most):
    assert relative_error(problem, advanced(problem, even(problem, cells), q, stages, slabs)) < most


@pytest.mark.parametrize("stages", [2, 3, 5])
def test_the_error_over_space_and_time_is_of_order_s_plus_1_though_boundary_values_move(stages):
    problem, count = driven_heat(), {2: 24, 3: 12, 5: 4}[stages]
    errors = [
        relative_error(problem, advanced(problem, even(problem, 1), 14, stages, slabs))
        for slabs in (count, 2 * count)
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(stages + 1, abs=0.5)


def periodic(equation, initial=0.0, more=()):
    line = Interval(-1, 1)
    return Problem(line * TimeInterval(0, 1), equation, [Initial(initial), *more, Periodic("x")])


def fixed(equation, *more):
    line = Interval(-1, 1)
    return Problem(line * TimeInterval(0, 1), equation, [Initial(0.0), *more, Dirichlet(0, on=line.boundary)])


def inflow(equation):
    line = Interval(-1, 1)
    return Problem(line * TimeInterval(0, 1), equation, [Initial(0.0), Dirichlet(0, on=line.left)])


def pair(equation):
    line = Interval(-1, 1)
    start = [Initial(0.0, unknown="u"), Initial(0.0, unknown="v")]
    return Problem(line * TimeInterval(0, 1), equation, [*start, Periodic("x")])


def membrane():
    plate = Rectangle((-1, -1), (1, 1))
    start = [Initial(0.0), Initial(0.0, order=1)]
    return Problem(
        plate * TimeInterval(0, 1), lambda u: u.tt - laplace(u), [*start, Dirichlet(0, on=plate.boundary)]
    )


def turning():
    plate = Rectangle((-1, -1), (1, 1))
    return Problem(
        plate * TimeInterval(0, 1),
        lambda u: u.t + u.x + u.y / 2,
        [Initial(0.0), Periodic("x"), Periodic("y")],
    )


CONSERVING = {
    "advection": periodic(lambda u: u.t + u.x),
    "inflow": inflow(lambda u: u.t + u.x),
    "variable speed": periodic(lambda u, x: u.t + (1 + sin(pi * x) / 2) * u.x),
    "Airy": periodic(lambda u: u.t + u.xxx),
    "Schrödinger": pair(lambda u, v: (u.t + v.xx, v.t - u.xx)),
    "wave": fixed(lambda u: u.tt - u.xx, Initial(0.0, order=1)),
    "wave as a system": pair(lambda u, v: (u.t - v.x, v.t - u.x)),
    "heat": fixed(lambda u: u.t - u.xx),
    "membrane": membrane(),
    "advection in the plane": turning(),
}


def in_two_materials(equation, k1, k2, *more):
    border = Interval(-1, 0.1)
    k = Piecewise({border: k1}, otherwise=k2)
    return fixed(lambda u, x: equation(u) - div(k(x) * grad(u)), *more, Interface(k, on=border.right))


def with_scalar(equation, scalar, quantity, *conditions):
    line = Interval(-1, 1)
    start = [Initial(0.0), Initial(0.0, unknown="q")]
    return Problem(
        line * TimeInterval(0, 1), equation, [*start, *conditions, Scalar("q", scalar, {"m": quantity})]
    )


def loaded_string():
    """A string with a mass at its end."""
    line = Interval(-1, 1)
    return with_scalar(
        lambda u: u.tt - u.xx,
        lambda q, m: 3 * q.tt + m,
        Integral(lambda u: u.x, on=line.right),
        *[Initial(0.0, unknown=name, order=1) for name in "uq"],
        Dirichlet(0, on=line.left),
        Condition(lambda u, q: u - q, on=line.right),
    )


def outflow():
    """Stokes flow that leaves a square on its right."""
    square = Rectangle((-1, -1), (1, 1))
    walls = [square.left, square.bottom, square.top]

    def stokes(u, v, p):
        return u.t + p.x - 0.01 * laplace(u), v.t + p.y - 0.01 * laplace(v), u.x + v.y

    return Problem(
        square * TimeInterval(0, 1),
        stokes,
        [
            *[Initial(0.0, unknown=name) for name in "uv"],
            *[Dirichlet(0, on=wall, unknown=name) for wall in walls for name in "uv"],
            Condition(lambda u, v, p: (0.01 * u.x - p, v.x), on=square.right),
        ],
    )


COUPLED = {
    "heat in two materials": in_two_materials(lambda u: u.t, 1, 1000),
    "waves in two materials": in_two_materials(lambda u: u.tt, 1, 9, Initial(0.0, order=1)),
    "string and mass": loaded_string(),
    "ring and oscillator": with_scalar(
        lambda u, q, x: u.t + u.x + q * sin(pi * x),
        lambda q, m: q.t - m,
        Integral(lambda u, x: u * sin(pi * x)),
        Periodic("x"),
    ),
    "nonlocal reaction": with_scalar(
        lambda u, q: u.t - u.xx - q,
        lambda q, m: q - m,
        Mean("u"),
        Dirichlet(0, on=Interval(-1, 1).boundary),
    ),
    "prescribed integral": Problem(
        Interval(-1, 1) * TimeInterval(0, 1),
        lambda u: u.t - u.xx,
        [Initial(0.0), Condition(lambda u: u.x, on=Interval(-1, 1).left), Integral(0)],
    ),
    "flow with an outlet": outflow(),
}


def spectral_radius(problem, breaks, q, stages, length):
    """Of the map from the start of a slab to its end."""
    space = space_on(problem, breaks, q)
    stepper = Stepper(SemiDiscrete(space), radau(stages))
    depth = space.evolution.depth
    number = torch.arange(depth * len(space) * space.width).view(depth, len(space), space.unknowns, -1)
    scalars = list(space.evolution.scalars)
    fields = list(range(space.unknowns - len(scalars)))
    scale = torch.ones(space.unknowns, dtype=torch.float64)
    columns = []
    free = torch.cat([number[:, :, fields].flatten(), number[:, 0, scalars, 0].flatten()])
    for column in free:
        start = (number == column).double()
        start[:, :, scalars] = start[:, :1, scalars].clone()  # a scalar is the same constant on all patches
        slab, _ = stepper.advance(start, 0.0, length, None, scale, 1e-14)
        columns.append(slab.following.flatten()[free])
    return float(np.abs(np.linalg.eigvals(torch.stack(columns).numpy())).max())


UNEVEN = np.array([-1.0, -0.75, 0.1, 0.3, 1.0])


LINES = [name for name, problem in CONSERVING.items() if problem.domain.space.dimension == 1]


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("breaks", [np.linspace(-1, 1, 3), UNEVEN[[0, 2, 4]]], ids=["even", "uneven"])
def test_no_slab_grows_what_the_equation_conserves(name, breaks):
    """A-stability in time carries over to space only with test functions that are the same for all stages."""
    assert spectral_radius(CONSERVING[name], [breaks], 8, 3, 0.2) <= 1 + 1e-6


@pytest.mark.parametrize("name", [name for name in COUPLED if "flow" not in name])
def test_no_slab_grows_where_an_interface_or_a_scalar_couples_patches(name):
    assert spectral_radius(COUPLED[name], [UNEVEN[[0, 2, 4]]], 6, 3, 0.2) <= 1 + 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", COUPLED)
def test_no_coupled_slab_grows_whatever_its_length_and_the_number_of_stages(name):
    problem = COUPLED[name]
    breaks = [UNEVEN[[0, 2, 4]]] * problem.domain.space.dimension
    settings = [(6, 3, 1.0), (6, 5, 0.02)]
    if problem.domain.space.dimension > 1:
        settings = [(4, 3, 2.0), (4, 3, 0.002)]
    for q, stages, length in settings:
        assert spectral_radius(problem, breaks, q, stages, length) <= 1 + 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", CONSERVING)
@pytest.mark.parametrize("uneven", [False, True], ids=["even", "uneven"])
def test_no_slab_grows_whatever_its_length_and_the_number_of_stages(name, uneven):
    problem = CONSERVING[name]
    d = problem.domain.space.dimension
    breaks = [UNEVEN if d == 1 else UNEVEN[[0, 2, 4]]] * d if uneven else even(problem, 4 if d == 1 else 2)
    settings = [(8, 5, 0.02), (8, 3, 0.2), (8, 9, 1.0)] if d == 1 else [(6, 3, 0.2), (6, 5, 1.0)]
    for q, stages, length in settings:
        assert spectral_radius(problem, breaks, q, stages, length) <= 1 + 1e-6


@pytest.mark.parametrize(("thin", "length"), [(1e-3, 0.3), (1e-4, 0.03)])
def test_a_thin_patch_costs_no_digits_and_no_passes(thin, length):
    """Its rows are 1e7 times those of the time derivative: with continuity as strong, the factors lose all digits."""
    start = Initial(lambda x, y: sin(pi * x) * sin(pi * y))
    square = Rectangle((0, 0), (1, 1))
    conditions = [start, Dirichlet(0, on=square.boundary)]
    problem = Problem(
        square * TimeInterval(0, length),
        lambda u: u.t - laplace(u),
        conditions,
        exact=lambda x, y, t: torch.exp(-2 * pi**2 * t) * sin(pi * x) * sin(pi * y),
    )
    space = space_on(problem, [[0, 0.6, 1 - thin, 1], [0, 0.4, 1]], 9)
    stepper = Stepper(SemiDiscrete(space), radau(11))
    u = space.project(0)[None]
    slab, iteration = stepper.advance(u, 0.0, length, None, space.norms(u)[0], 1e-8)
    assert slab is not None
    assert iteration.changes[1] < 1e-5 * iteration.changes[0]
    assert relative_error(problem, [slab]) < 1e-5


def channel_flow(unit=1.0):
    """Stokes flow through a channel that is switched on, its pressure in some unit."""
    channel = Rectangle((0, 0), (2, 1))

    def stokes(u, v, p):
        return u.t + unit * p.x - laplace(u), v.t + unit * p.y - laplace(v), u.x + v.y

    return Problem(
        channel * TimeInterval(0, 1),
        stokes,
        [
            *[Initial(0, unknown=name) for name in "uv"],
            Dirichlet(lambda y, t: t * y * (1 - y), on=channel.left, unknown="u"),
            Dirichlet(0, on=channel.left, unknown="v"),
            *[Dirichlet(0, on=wall, unknown=name) for wall in (channel.bottom, channel.top) for name in "uv"],
            Condition(lambda u, v, p: (u.x - unit * p, v.x), on=channel.right),
        ],
    )


@pytest.mark.parametrize("length", [1e-2, 1e-8])
@pytest.mark.parametrize("unit", [1.0, 1e-4])
def test_a_pressure_is_found_on_slabs_of_any_length_and_in_any_unit(length, unit):
    """Its gradient is 1e-8 of μ₀ u_t there: with faces as strong as those of u its traces would cancel."""
    space = space_on(channel_flow(unit), [[0, 0.1, 0.3, 2], [0, 0.1, 1]], 6)
    start = torch.zeros(1, len(space), space.unknowns, space.functions, dtype=torch.float64)
    stepper = Stepper(SemiDiscrete(space), radau(3))
    slab, iteration = stepper.advance(start, 0.0, length, None, torch.zeros(3, dtype=torch.float64), 1e-9)
    assert slab is not None
    # A linear problem takes one pass; what the next one changes is the rounding of the first.
    assert iteration.changes[1] < 1e-5
    assert iteration.changes[2] < 1e-11


def test_patches_that_the_boundary_cuts_are_solved_to_as_many_digits():
    plate = Rectangle((0, 0), (1, 1)) - Disk((0.5, 0.5), 0.27)
    problem = Problem(
        plate * TimeInterval(0, 0.1),
        lambda u: u.t - laplace(u),
        [Initial(0.0), Dirichlet(lambda x, y, t: sin(pi * x) + t * y, on=plate.boundary)],
    )
    space = space_on(problem, even(problem, 4), 9)
    assert space.patches.cut.any()
    stepper = Stepper(SemiDiscrete(space), radau(5))
    start = space.project(0)[None]
    slab, iteration = stepper.advance(start, 0.0, 0.1, None, space.norms(start)[0] + 1, 1e-12)
    assert slab is not None
    # A linear problem takes one pass; what the next ones change is the rounding of the first.
    assert iteration.changes[1] < 1e-5 * iteration.changes[0]
    assert all(change < 1e-10 * iteration.changes[0] for change in iteration.changes[2:])
    index, change = space.whitening
    for points in space.interior:
        if set(points.cells.tolist()) <= set(index.tolist()):
            mine = torch.stack([change[(index == cell).nonzero()[0, 0]] for cell in points.cells.tolist()])
            values = points.weight[..., None] * points.tables(9, ((0, 0),))[0] @ mine
            eye = torch.eye(space.functions, dtype=torch.float64).expand(len(values), -1, -1)
            torch.testing.assert_close(values.mT @ values, eye, rtol=0, atol=1e-7)
