import math

import pytest
import torch
from objectives import f64, with_gradient

from pdesolve.training.line_search import WolfeConstants, strong_wolfe
from pdesolve.training.minimiser import Point

# Test functions of Moré & Thuente 1994, §5, as f(t) along one axis; t = 0 is the start.
FUNCTIONS = {
    "rational": lambda t: -t / (t**2 + 2),
    "power": lambda t: (t + 0.004) ** 5 - 2 * (t + 0.004) ** 4,
    "oscillating": lambda t: 1 - t + 0.02 * torch.sin(40 * t),
    "yanai": lambda t: 0.9 * torch.sqrt(1 + 1e-6 * (1 - t) ** 2 / 1e-6) + 0.1 * torch.sqrt(1 + (t - 3) ** 2),
    "quartic": lambda t: (t - 1) ** 4,
    "wall": lambda t: -torch.log(5 - t) - t + torch.exp(t),
}


def along(f):
    """(evaluate, start, direction) for f of one number, with t the step length."""
    gradient = with_gradient(lambda θ: f(θ[0]))

    def evaluate(θ):
        loss, g = gradient(θ)
        return Point(θ, float(loss), g)

    return evaluate, evaluate(torch.zeros(1, dtype=f64)), torch.ones(1, dtype=f64)


@pytest.mark.parametrize("name", ["rational", "power", "oscillating", "yanai", "quartic"])
@pytest.mark.parametrize("first", [1e-3, 1e-1, 1.0, 10.0, 1e3])
@pytest.mark.parametrize("c2", [0.1, 0.9])
def test_strong_wolfe_conditions_hold(name, first, c2):
    if name == "oscillating":

        def f(t):
            return FUNCTIONS["oscillating"](t) + 0.05 * t**2  # bounded below
    else:
        f = FUNCTIONS[name]
    evaluate, start, direction = along(f)
    constants = WolfeConstants(c2=c2)
    t, point, _ = strong_wolfe(evaluate, start, direction, first, constants)
    slope0 = float(start.gradient[0])
    assert point.loss <= start.loss + constants.c1 * t * slope0
    assert abs(float(point.gradient[0])) <= c2 * abs(slope0)
    assert float(point.theta[0]) == t


def test_values_that_are_not_finite_bound_the_search():
    evaluate, start, direction = along(
        lambda t: -torch.log(5 - t) * 0 + (t - 4.9) ** 2 + 0 * torch.sqrt(5 - t)
    )
    t, point, _ = strong_wolfe(evaluate, start, direction, 100.0)
    assert 0 < t < 5
    assert math.isfinite(point.loss)


def test_direction_of_ascent_is_refused():
    evaluate, start, direction = along(lambda t: (t - 1) ** 2)
    assert not strong_wolfe(evaluate, start, -direction).success


def test_unbounded_descent_ends_with_a_decrease():
    evaluate, start, direction = along(lambda t: -t)
    t, point, _ = strong_wolfe(evaluate, start, direction)
    assert t >= 1e8
    assert point.loss < start.loss


def test_minimum_of_a_parabola_is_found_beside_rounding_of_the_loss():
    # f(0) - min f is far below the rounding of f: only the slope tells where the minimum is.
    evaluate, start, direction = along(lambda t: 1 + 1e-18 * (t - 1) ** 2)
    t, point, _ = strong_wolfe(evaluate, start, direction, 1.2, WolfeConstants(c2=0.5))
    assert t == pytest.approx(1.0, abs=0.5)
    assert abs(float(point.gradient[0])) <= 0.5 * abs(float(start.gradient[0]))
