"""What a slab has not seen: events between its stages, sources between the points of its patches."""

import math

import numpy as np
import pytest
import torch
from torch import cos, erf, exp, pi, sin

from pdesolve import Dirichlet, Initial, Interval, Problem, TimeInterval, solve
from pdesolve.marching.unseen import without_collocation

LINE = Interval(0, 1)
MISSED = 3.0  # error over tolerance from which on a verdict is wrong


def pulsed(size, width, centre=0.8317, k=0.01):
    """Heat (1 + S(t)) sin πx, where S rises to `size` within `width`."""

    def rise(t):
        return 1 + size * (1 + erf((t - centre) / width)) / 2

    def pulse(t):
        return size / (width * math.sqrt(pi)) * exp(-(((t - centre) / width) ** 2))

    return Problem(
        LINE * TimeInterval(0, 1),
        lambda u, x, t: u.t - k * u.xx - (pulse(t) + k * pi**2 * rise(t)) * sin(pi * x),
        [Initial(lambda x: sin(pi * x)), Dirichlet(0, on=LINE.boundary)],
        exact=lambda x, t: rise(t) * sin(pi * x),
    )


def narrowly_heated(width, centre=0.5317):
    """A source of a given width is switched on gradually: (1 - e^{-t}) B(x), -B'' a bell curve of area one."""

    def second(y):
        z = (y - centre) / width
        return width / 2 * (z * erf(z) + exp(-(z**2)) / math.sqrt(pi))

    def shape(x):
        return (1 - x) * second(torch.zeros_like(x)) + x * second(torch.ones_like(x)) - second(x)

    def bell(x):
        return exp(-(((x - centre) / width) ** 2)) / (width * math.sqrt(pi))

    return Problem(
        LINE * TimeInterval(0, 2),
        lambda u, x, t: u.t - u.xx - exp(-t) * shape(x) - (1 - exp(-t)) * bell(x) - 0.1 * pi**2 * sin(pi * x),
        [Initial(lambda x: 0.1 * sin(pi * x)), Dirichlet(0, on=LINE.boundary)],
        exact=lambda x, t: 0.1 * sin(pi * x) + (1 - exp(-t)) * shape(x),
    )


def kicked(width, size=20.0, centre=0.5317):
    """A string at rest is kicked: its velocity rises by `size` sin πx within `width`."""

    def way(t):
        z = (t - centre) / width
        return 1 + size * width / 2 * (z * (1 + erf(z)) + exp(-z * z) / math.sqrt(pi))

    def kick(t):
        return size / (width * math.sqrt(pi)) * exp(-(((t - centre) / width) ** 2))

    return Problem(
        LINE * TimeInterval(0, 1),
        lambda u, x, t: u.tt - u.xx - (kick(t) + pi**2 * way(t)) * sin(pi * x),
        [Initial(lambda x: sin(pi * x)), Initial(0, order=1), Dirichlet(0, on=LINE.boundary)],
        exact=lambda x, t: way(t) * sin(pi * x),
    )


def conducting_for_a_moment(centre=0.777, width=1e-4):
    """A conductivity that is large for a moment: sin πx exp(-π² ∫k)."""

    def conductivity(t):
        return 0.01 + 500 * exp(-(((t - centre) / width) ** 2))

    def integral(t):
        return 0.01 * t + 250 * width * math.sqrt(pi) * (erf((t - centre) / width) + 1)

    return Problem(
        LINE * TimeInterval(0, 1),
        lambda u, t: u.t - conductivity(t) * u.xx,
        [Initial(lambda x: sin(pi * x)), Dirichlet(0, on=LINE.boundary)],
        exact=lambda x, t: sin(pi * x) * exp(-(pi**2) * integral(t)),
    )


def inflow(size=10.0, width=0.01, centre=0.6283):
    """A pulse comes in at the left end: g(t - x)."""

    def g(s):
        return 1 + size * exp(-(((s - centre) / width) ** 2))

    return Problem(
        LINE * TimeInterval(0, 1.5),
        lambda u: u.t + u.x,
        [Initial(lambda x: g(-x)), Dirichlet(lambda x, t: g(t - x), on=LINE.left)],
        exact=lambda x, t: g(t - x),
    )


def test_what_collocation_leaves_is_taken_out_and_an_event_stays():
    stages = np.array([0.2, 0.6, 1.0])
    fractions = (np.arange(1000) + 0.5) / 1000
    t = torch.from_numpy(fractions)
    smooth = (t - 0.2) * (t - 0.6) * (t - 1) * (2 - t + 5 * t**2)
    event = torch.where((t > 0.4) & (t < 0.403), 1.0, 0.0)
    assert without_collocation(smooth[:, None], stages, fractions).abs().max() < 1e-12
    left = without_collocation((smooth + event)[:, None], stages, fractions)[:, 0]
    assert float((left - event).norm()) < 0.2 * float(event.norm())
    assert float(left[401]) > 0.9


@pytest.mark.parametrize("tol", [1e-1, 1e-2, 1e-3])
@pytest.mark.parametrize(
    "problem",
    [
        pytest.param(pulsed(0.6, 1e-2), id="pulse of a hundredth"),
        pytest.param(pulsed(0.6, 1e-4), id="pulse of a ten thousandth"),
        pytest.param(pulsed(10, 1e-5), id="strong pulse of a hundred thousandth"),
        pytest.param(pulsed(0.05, 1e-3), id="weak pulse"),
        pytest.param(narrowly_heated(1e-3), id="narrow source"),
        pytest.param(conducting_for_a_moment(), id="conductivity"),
        pytest.param(kicked(1e-3), id="kick", marks=pytest.mark.slow),
        pytest.param(kicked(1e-4), id="short kick", marks=pytest.mark.slow),
        pytest.param(narrowly_heated(1e-4), id="very narrow source", marks=pytest.mark.slow),
    ],
)
def test_what_lies_between_stages_or_points_is_seen(problem, tol):
    solution = solve(problem, tol=tol, time_limit=20)
    assert not solution.converged or solution.relative_l2_error() <= MISSED * tol


@pytest.mark.slow
def test_a_pulse_that_flows_in_is_seen():
    solution = solve(inflow(), tol=1e-1, time_limit=20)
    assert solution.converged
    assert solution.relative_l2_error() <= MISSED * 1e-1


def test_smooth_data_cost_no_slabs_for_what_is_not_there():
    problem = Problem(
        LINE * TimeInterval(0, 1),
        lambda u, x, t: u.t - u.xx + (sin(t) - pi**2 * cos(t)) * sin(pi * x),
        [Initial(lambda x: sin(pi * x)), Dirichlet(0, on=LINE.boundary)],
        exact=lambda x, t: cos(t) * sin(pi * x),
    )
    solution = solve(problem, tol=1e-3)
    assert solution.relative_l2_error() <= 1e-3
    assert "in 1 slab" in solution.status
