"""What begins far below the tolerance, and outgrows everything, is followed, whatever makes it grow."""

import math

import numpy as np
import pytest
import torch
from torch import pi, sin

from pdesolve import Dirichlet, Initial, Interval, Periodic, Problem, TimeInterval, solve
from pdesolve.marching.growth import _largest_rate, followed

line, ring = Interval(0, 1), Interval(0, 2 * math.pi)
SMALL = 1e-10


def wave():
    """u_tt = u_xx + 900 (u - 1)."""
    rate = math.sqrt(900 - pi**2)
    return Problem(
        line * TimeInterval(0, 1),
        lambda u: u.tt - u.xx - 900 * (u - 1),
        [Initial(lambda x: 1 + SMALL * sin(pi * x)), Initial(0, order=1), Dirichlet(1, on=line.boundary)],
        exact=lambda x, t: 1 + SMALL * sin(pi * x) * torch.cosh(rate * t),
    )


def fourth_order():
    """u_t = -u_xxxx - 20 u_xx, cos 3x grows by e^{99 t}."""
    return Problem(
        ring * TimeInterval(0, 0.25),
        lambda u: u.t + u.xxxx + 20 * u.xx,
        [Initial(lambda x: 1 + SMALL * torch.cos(3 * x)), Periodic("x")],
        exact=lambda x, t: 1 + SMALL * torch.cos(3 * x) * torch.exp(99 * t),
    )


def with_algebraic():
    """u_t = u_xx/100 + 30 (p - 1), p = u."""

    def exact(x, t):
        return 1 + SMALL * sin(pi * x) * torch.exp((30 - pi**2 / 100) * t)

    return Problem(
        line * TimeInterval(0, 1),
        lambda u, p: (u.t - 0.01 * u.xx - 30 * (p - 1), p - u),
        [
            Initial(lambda x: 1 + SMALL * sin(pi * x), unknown="u"),
            Dirichlet(1, on=line.boundary, unknown="u"),
        ],
        exact={"u": exact, "p": exact},
    )


@pytest.mark.parametrize(
    "problem", [wave(), fourth_order(), with_algebraic()], ids=["wave", "fourth", "algebraic"]
)
def test_what_grows_from_below_the_tolerance_is_followed(problem):
    # In one slab it is damped in both marches: 49 to 100 % wrong, and verified.
    solution = solve(problem, tol=1e-3, time_limit=60)
    assert solution.converged
    assert solution.relative_l2_error() < 1e-3


def test_a_method_follows_growth_as_far_as_its_stability_function():
    # R of one stage is 1/(1 - z); of s stages the Padé approximant, better by far.
    assert followed(1, 0.1) == pytest.approx(0.5, abs=0.02)
    assert followed(9, 1e-3) > followed(5, 1e-3) > 3
    assert followed(5, 1e-3) > followed(5, 1e-6)


def test_rates_of_waves():
    one = torch.eye(1, dtype=torch.complex128)[None]
    # λ - 7 = 0; λ² - 9 = 0; λ² + 9 = 0 does not grow.
    assert _largest_rate(torch.stack([-7 * one, one]), 2.0) == pytest.approx(7)
    assert _largest_rate(torch.stack([-9 * one, 0 * one, one]), 2.0) == pytest.approx(3)
    assert _largest_rate(torch.stack([9 * one, 0 * one, one]), 2.0) == pytest.approx(0, abs=1e-9)
    # u' = 5 p, p - u = 0: an equation without ∂_t.
    stiff = torch.tensor([[[0, -5], [-1, 1]]], dtype=torch.complex128)
    mass = torch.tensor(np.diag([1, 0])[None], dtype=torch.complex128)
    assert _largest_rate(torch.stack([stiff, mass]), 2.0) == pytest.approx(5)
