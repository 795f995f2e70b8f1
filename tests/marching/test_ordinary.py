"""Ordinary differential equations: true errors within the estimate's reach, and refusals that say why."""

import math

import numpy as np
import pytest
import torch
from clocks import looks
from scipy.integrate import solve_ivp

from pdesolve import (
    Initial,
    Integral,
    Problem,
    ProblemError,
    SolveError,
    TimeInterval,
    UsageError,
    check,
    solve,
)
from pdesolve.errors import OutOfTimeError
from pdesolve.runs.monitor import Monitor

TOLERANCES = (1e-3, 1e-6, 1e-9)


def true_error(solution, reference):
    """Relative L2 errors in time (u,) against reference(t) → (n, u)."""
    points, weights = solution.approximator.quadrature(solution.problem)
    e = torch.as_tensor(reference(points[:, 0].numpy()).reshape(len(points), -1))
    u = solution.evaluate(points)
    return (((u - e) ** 2).T @ weights).sqrt() / ((e**2).T @ weights).sqrt()


def decay(**_):
    return Problem(TimeInterval(0, 3), lambda u: u.t + u, [Initial(1)]), lambda t: np.exp(-t)


def oscillator(**_):
    problem = Problem(TimeInterval(0, 100), lambda u: u.tt + u, [Initial(0), Initial(1, order=1)])
    return problem, np.sin


def third_order(**_):
    start = [Initial(1), Initial(1, order=1), Initial(1, order=2)]
    return Problem(TimeInterval(0, 2), lambda u: u.ttt - u, start), np.exp


def algebraic(**_):
    problem = Problem(TimeInterval(0, 2), lambda u, v: (u.t + v, v - u**2), [Initial(1, unknown="u")])
    return problem, lambda t: np.stack([1 / (1 + t), 1 / (1 + t) ** 2], 1)


def switched(**_):
    problem = Problem(TimeInterval(0, 10), lambda u, t: u.t + u - torch.where(t < 5, 0.0, 1.0), [Initial(0)])
    return problem, lambda t: np.where(t < 5, 0.0, 1 - np.exp(-(t - 5)))


def switched_elsewhere(**_):
    """The switch is at no fraction of the interval that halving meets."""
    at = math.pi
    problem = Problem(TimeInterval(0, 10), lambda u, t: u.t + u - torch.where(t < at, 0.0, 1.0), [Initial(0)])
    return problem, lambda t: np.where(t < at, 0.0, 1 - np.exp(-(t - at)))


def pulse(**_):
    """A source that acts for some ten-thousandth of the time."""
    centre, width = 0.83, 1e-4
    problem = Problem(
        TimeInterval(0, 1),
        lambda u, t: u.t - 1 - torch.exp(-(((t - centre) / width) ** 2)) / width,
        [Initial(0)],
    )
    step = np.vectorize(lambda z: math.sqrt(math.pi) / 2 * (1 + math.erf(z)))
    return problem, lambda t: t + step((t - centre) / width)


def stiff(**_):
    """Prothero and Robinson's: a transient of 1e-4, then the slow solution."""
    k = 1e4
    problem = Problem(TimeInterval(0, 10), lambda u, t: u.t + k * (u - torch.cos(t)), [Initial(0)])

    def exact(t):
        slow = (k * k * np.cos(t) + k * np.sin(t)) / (1 + k * k)
        return slow - k * k / (1 + k * k) * np.exp(-k * t)

    return problem, exact


ALL = (decay, oscillator, third_order, algebraic, switched, switched_elsewhere, pulse, stiff)


@pytest.mark.parametrize("ratio", [1.0, 1e-3])
def test_waiting_in_rooms_begins_as_a_power_of_time(ratio):
    """The fifth begins as t⁴, of which a first step of any length has the same relative error: it was refused."""

    def equation(u0, u1, u2, u3, u4):
        u = (0.0, u0, u1, u2, u3, u4)
        return tuple(u[i].t + u[i] - ratio * u[i - 1] for i in range(1, 6))

    starts = [Initial(float(i == 0), unknown=f"u{i}") for i in range(5)]
    solution = solve(Problem(TimeInterval(0, 2), equation, starts), tol=1e-4)

    def exact(t):
        return np.stack([(ratio * t) ** i * np.exp(-t) / math.factorial(i) for i in range(5)], axis=-1)

    assert solution.converged, solution.status
    assert float(true_error(solution, exact).max()) <= 1e-4


@pytest.mark.parametrize("tol", TOLERANCES)
@pytest.mark.parametrize("case", ALL, ids=lambda case: case.__name__)
def test_the_error_is_below_the_tolerance_and_near_its_estimate(case, tol):
    problem, exact = case()
    solution = solve(problem, tol=tol)
    assert solution.converged, solution.status
    true = true_error(solution, exact)
    assert float(true.max()) <= tol
    estimate = torch.tensor(solution.estimates)
    # Below a thousandth of the tolerance both may be rounding.
    assert bool((true <= 3 * estimate.clamp_min(1e-3 * tol)).all())


def lorenz(end):
    def equation(a, b, c):
        return a.t - 10 * (b - a), b.t - a * (28 - c) + b, c.t - a * b + 8 / 3 * c

    return Problem(TimeInterval(0, end), equation, [Initial(1.0, unknown=name) for name in "abc"])


def test_a_chaotic_solution_is_followed_as_far_as_double_precision_goes():
    solution = solve(lorenz(15), tol=1e-6)
    exact = solve_ivp(
        lambda _, y: [10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]],
        (0, 15),
        [1, 1, 1],
        method="DOP853",
        rtol=1e-13,
        atol=1e-13,
        dense_output=True,
    )
    assert solution.converged
    assert float(true_error(solution, lambda t: exact.sol(t).T).max()) <= 1e-6


def test_beyond_that_nothing_is_called_solved():
    """u = cos t, but rounding grows by e^40: no step however short gives a digit of it at the end."""
    problem = Problem(
        TimeInterval(0, 4), lambda u, t: u.t - 10 * (u - torch.cos(t)) + torch.sin(t), [Initial(1)]
    )
    solution = solve(problem, tol=1e-3)
    assert not solution.converged
    assert "stalled" in solution.status


def test_every_unknown_is_measured_against_its_own_size():
    """Robertson's reaction: one unknown is a hundred thousand times smaller than the others."""

    def equation(a, b, c):
        return (
            a.t + 0.04 * a - 1e4 * b * c,
            b.t - 0.04 * a + 1e4 * b * c + 3e7 * b * b,
            c.t - 3e7 * b * b,
        )

    start = [Initial(1.0, unknown="a"), Initial(0.0, unknown="b"), Initial(0.0, unknown="c")]
    solution = solve(Problem(TimeInterval(0, 1e5), equation, start), tol=1e-6)
    exact = solve_ivp(
        lambda _, y: [
            -0.04 * y[0] + 1e4 * y[1] * y[2],
            0.04 * y[0] - 1e4 * y[1] * y[2] - 3e7 * y[1] ** 2,
            3e7 * y[1] ** 2,
        ],
        (0, 1e5),
        [1, 0, 0],
        method="Radau",
        rtol=1e-10,
        atol=1e-16,
        dense_output=True,
    )
    assert solution.converged
    assert float(true_error(solution, lambda t: exact.sol(t).T).max()) <= 1e-6


def test_zero_stays_zero():
    solution = solve(Problem(TimeInterval(0, 10), lambda u: u.t + u, [Initial(0)]))
    assert solution.converged
    assert solution(3.0) == 0.0


def test_a_solution_that_ends_is_said_to_end():
    with pytest.raises(SolveError, match="stops at t = 1"):
        solve(Problem(TimeInterval(0, 2), lambda u: u.t - u**2, [Initial(1)]))


@pytest.mark.parametrize(
    ("equation", "conditions", "word"),
    [
        (lambda u: u.t - u, [], "1 initial value is needed"),
        (lambda u: u.tt + u, [Initial(1)], "2 initial values are needed"),
        (lambda u, t: u - t, [Initial(1)], "never differentiated"),
        (lambda u: u.t - u, [Initial(math.inf)], "not finite"),
    ],
)
def test_initial_values_are_counted(equation, conditions, word):
    problem = Problem(TimeInterval(0, 1), equation, conditions)
    with pytest.raises(ProblemError, match=word):
        solve(problem)
    assert any(word in sentence for sentence in check(problem).errors)


def test_solutions_that_are_not_unique_are_not_verified():
    """Each u = C t² solves t u' = 2 u, u(0) = 0."""
    solution = solve(Problem(TimeInterval(0, 1), lambda u, t: t * u.t - 2 * u, [Initial(0)]))
    assert not solution.converged
    assert "may be many" in solution.status


def test_a_solution_in_time_is_saved_and_loaded_to_the_bit(tmp_path):
    problem, _ = oscillator()
    solution = solve(problem, tol=1e-6)
    solution.save(tmp_path)
    again = type(solution).load(tmp_path, problem)
    t = np.linspace(0, 100, 57)
    assert np.array_equal(again(t), solution(t))
    assert np.isnan(solution(101.0))
    slope = solution.derivative("t")(t)
    assert np.abs(slope - np.cos(t)).max() < 1e-4


def test_a_time_limit_keeps_what_was_reached():
    solution = solve(lorenz(2000), tol=1e-6, monitor=Monitor(time_limit=300, clock=looks()))
    assert not solution.converged
    assert "time limit" in solution.status
    assert 0 < solution.reached < 2000


def test_a_time_limit_before_the_first_step_is_said_in_a_sentence():
    with pytest.raises(OutOfTimeError, match="before the first step was solved; raise time_limit"):
        solve(lorenz(2000), tol=1e-6, time_limit=1e-6)


def test_an_integral_is_refused_on_a_time_axis():
    problem = Problem(TimeInterval(0, 1), lambda u: u.t + u, [Initial(1), Integral(1)])
    with pytest.raises(UsageError, match="initial values only"):
        solve(problem)


@pytest.mark.parametrize("tol", [1e-5, 1e-8])
def test_a_switch_by_the_state_before_the_first_stage_is_not_passed_over(tol):
    """u' = -u falls to 1/2 at t = ln 2, then u' = -1/4: all stages may lie beyond the switch, and agree."""
    problem = Problem(TimeInterval(0, 2), lambda u: u.t + torch.where(u > 0.5, u, 0.25), [Initial(1)])
    solution = solve(problem, tol=tol)
    fall = math.log(2)
    true = true_error(solution, lambda t: np.where(t < fall, np.exp(-t), 0.5 - 0.25 * (t - fall)))
    assert not solution.converged or float(true.max()) <= 3 * tol
    assert float(true.max()) <= 1e-6
