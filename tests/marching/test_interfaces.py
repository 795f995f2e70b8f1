"""Evolutions in two materials: values and fluxes go through, whatever the jump of k."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from torch import cos, exp

from pdesolve import (
    Dirichlet,
    Disk,
    Initial,
    Interface,
    Interval,
    Piecewise,
    Problem,
    Rectangle,
    Solution,
    TimeInterval,
    div,
    grad,
    solve,
)
from pdesolve.marching.march import can_march

ROD = Interval(0, 1)
BORDER = 0.4


def mode_of(k1, k2):
    """Frequency ω and shape X of the first mode of (k X')' = -ω² X in a rod of two materials."""
    a, b = 1 / math.sqrt(k1), 1 / math.sqrt(k2)

    def mismatch(w):
        left = math.cos(w * a * BORDER) * math.sin(w * b * (1 - BORDER)) / a
        return left + math.sin(w * a * BORDER) * math.cos(w * b * (1 - BORDER)) / b

    w = np.linspace(1e-3, 20, 4001)
    values = [mismatch(x) for x in w]
    first = next(i for i in range(4000) if values[i] * values[i + 1] < 0)
    omega = brentq(mismatch, w[first], w[first + 1], xtol=1e-14)
    size = math.sin(omega * a * BORDER) / math.sin(omega * b * (1 - BORDER))
    return omega, lambda x: torch.where(
        x < BORDER, torch.sin(omega * a * x), size * torch.sin(omega * b * (1 - x))
    )


def in_two_materials(k1, k2, waves=False):
    omega, shape = mode_of(k1, k2)
    k = Piecewise({Interval(0, BORDER): k1}, otherwise=k2)
    interface = Interface(k, on=Interval(0, BORDER).right)
    conditions = [Initial(shape), Dirichlet(0, on=ROD.boundary), interface]
    if waves:
        return Problem(
            ROD * TimeInterval(0, 2),
            lambda u, x: u.tt - div(k(x) * grad(u)),
            [*conditions, Initial(0, order=1)],
            exact=lambda x, t: cos(omega * t) * shape(x),
        )
    return Problem(
        ROD * TimeInterval(0, 1 / omega**2),
        lambda u, x: u.t - div(k(x) * grad(u)),
        conditions,
        exact=lambda x, t: exp(-(omega**2) * t) * shape(x),
    )


@pytest.mark.parametrize(("k1", "k2"), [(1.0, 10.0), (1.0, 1e4), (1e-3, 1.0)])
@pytest.mark.parametrize("tol", [1e-4, 1e-8])
def test_heat_goes_through_two_materials(k1, k2, tol):
    problem = in_two_materials(k1, k2)
    assert can_march(problem)
    solution = solve(problem, tol=tol)
    assert solution.converged
    assert solution.relative_l2_error() <= 3 * tol
    assert 0.3 <= solution.estimated_error / solution.relative_l2_error() <= 3
    t = 0.5 / mode_of(k1, k2)[0] ** 2
    before, behind = (solution.derivative("x")(BORDER + side, t) for side in (-1e-9, 1e-9))
    assert k1 * before == pytest.approx(k2 * behind, rel=100 * tol)


def test_waves_go_through_two_materials():
    solution = solve(in_two_materials(1.0, 4.0, waves=True), tol=1e-6)
    assert solution.converged
    assert solution.relative_l2_error() <= 3e-6


@pytest.mark.slow
def test_a_round_inclusion_in_a_plate(tmp_path):
    """u = (r² - R²)/k e^{-t}: no value at the border, the same flux 2 R e^{-t} on both sides."""
    plate = Rectangle((-1, -1), (1, 1))
    disk = Disk((0.1, 0.05), 0.5)
    k = Piecewise({disk: 10.0}, otherwise=1.0)

    def exact(x, y, t):
        square = (x - 0.1) ** 2 + (y - 0.05) ** 2
        return exp(-t) * (square - 0.25) / torch.where(square < 0.25, 10.0, 1.0)

    problem = Problem(
        plate * TimeInterval(0, 1),
        lambda u, x, y, t: u.t - div(k(x, y) * grad(u)) + exact(x, y, t) + 4 * exp(-t),
        [
            Initial(lambda x, y: exact(x, y, torch.zeros_like(x))),
            Dirichlet(exact, on=plate.boundary),
            Interface(k, on=disk.boundary),
        ],
        exact=exact,
    )
    solution = solve(problem, tol=1e-5)
    assert solution.converged
    assert solution.relative_l2_error() <= 3e-5
    solution.save(tmp_path)
    points = problem.domain.sample(100)
    assert torch.equal(Solution.load(tmp_path, problem).evaluate(points), solution.evaluate(points))


def test_a_ratio_of_coefficients_that_changes_in_time_is_not_marched():
    """Rows of continuity are made once for all times."""
    k = Piecewise({Interval(0, BORDER): lambda x, t: 1 + t + 0 * x}, otherwise=1.0)
    both = Piecewise(
        {Interval(0, BORDER): lambda x, t: 2 + 2 * t + 0 * x}, otherwise=lambda x, t: 1 + t + 0 * x
    )
    for coefficient, lasting in ((k, False), (both, True)):
        problem = Problem(
            ROD * TimeInterval(0, 1),
            lambda u, x, t, k=coefficient: u.t - div(k(x, t) * grad(u)),
            [Initial(0), Dirichlet(0, on=ROD.boundary), Interface(coefficient, on=Interval(0, BORDER).right)],
        )
        assert can_march(problem) == lasting
