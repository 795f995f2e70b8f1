"""Unknowns that live in time only beside fields, and prescribed integrals: exact solutions, conservation, sentences."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import j0, j1
from torch import cos, exp, pi, sin

from pdesolve import (
    Condition,
    Dirichlet,
    Disk,
    Initial,
    Integral,
    Interval,
    Mean,
    Neumann,
    Probe,
    Problem,
    ProblemError,
    Rectangle,
    Scalar,
    Solution,
    TimeInterval,
    UsageError,
    check,
    laplace,
    normal_derivative,
    solve,
)
from pdesolve.marching.march import march
from pdesolve.runs.monitor import Monitor

ROD = Interval(0, 1)
K = 0.2
RATE = K * pi**2


def decaying(rate, shape):
    return lambda x, t: exp(-rate * t) * shape(x)


def tank():
    """A rod that heats a lumped tank at its end: C T' = -∂u/∂x, with C w tan w = 1."""
    capacity = 2.0
    w = brentq(lambda w: capacity * w * math.sin(w) - math.cos(w), 0.01, 1.5, xtol=1e-15)
    return Problem(
        ROD * TimeInterval(0, 2),
        lambda u: u.t - u.xx,
        [
            Initial(lambda x: sin(w * x)),
            Initial(math.sin(w), unknown="T"),
            Dirichlet(0, on=ROD.left),
            Condition(lambda u, T: u - T, on=ROD.right),
            Scalar(
                "T", lambda T, flux: capacity * T.t + flux, {"flux": Integral(lambda u: u.x, on=ROD.right)}
            ),
        ],
        exact={"u": decaying(w**2, lambda x: sin(w * x)), "T": lambda t: exp(-(w**2) * t) * math.sin(w)},
    )


def nonlocal_reaction():
    """u_t = k u_xx - q sin πx with the mean q of u."""
    rate = RATE + 2 / pi
    return Problem(
        ROD * TimeInterval(0, 1),
        lambda u, q, x: u.t - K * u.xx + q * sin(pi * x),
        [
            Initial(lambda x: sin(pi * x)),
            Dirichlet(0, on=ROD.boundary),
            Scalar("q", lambda q, m: q - m, {"m": Mean("u")}),
        ],
        exact={"u": decaying(rate, lambda x: sin(pi * x)), "q": lambda t: 2 / pi * exp(-rate * t)},
    )


def quadratic():
    """u_t = k u_xx - u ∫u²: b = (amplitude)² solves b' = -2 k π² b - b²."""

    def b(t):
        return 2 * RATE / ((1 + 2 * RATE) * exp(2 * RATE * t) - 1)

    return Problem(
        ROD * TimeInterval(0, 1),
        lambda u, q: u.t - K * u.xx + q * u,
        [
            Initial(lambda x: sin(pi * x)),
            Dirichlet(0, on=ROD.boundary),
            Scalar("q", lambda q, e: q - e, {"e": Integral(lambda u: u**2)}),
        ],
        exact={"u": lambda x, t: torch.sqrt(b(t)) * sin(pi * x), "q": lambda t: b(t) / 2},
    )


def remembering():
    """u_t = k u_xx - sin πx ∫₀ᵗ u(½, s) ds: the memory is an unknown m with m' = u(½, t)."""
    roots = np.roots([1, RATE, 1])
    weights = np.linalg.solve([[1, 1], roots], [1, -RATE])

    def amplitude(t):
        return sum((complex(a) * exp(complex(r) * t)).real for a, r in zip(weights, roots, strict=True))

    def memory(t):
        return sum(
            (complex(a / r) * (exp(complex(r) * t) - 1)).real for a, r in zip(weights, roots, strict=True)
        )

    return Problem(
        ROD * TimeInterval(0, 3),
        lambda u, m, x: u.t - K * u.xx + m * sin(pi * x),
        [
            Initial(lambda x: sin(pi * x)),
            Initial(0, unknown="m"),
            Dirichlet(0, on=ROD.boundary),
            Scalar("m", lambda m, now: m.t - now, {"now": Probe((0.5,))}),
        ],
        exact={"u": lambda x, t: amplitude(t) * sin(pi * x), "m": memory},
    )


def identified_flux():
    """The flux q into the end of a rod is what makes its content m(t): an index-2 system."""
    rate = K * pi**2 / 4
    return Problem(
        ROD * TimeInterval(0, 1),
        lambda u: u.t - K * u.xx,
        [
            Initial(lambda x: sin(pi * x / 2)),
            Dirichlet(0, on=ROD.left),
            Condition(lambda u, q: u.x + u - q, on=ROD.right),
            Scalar("q", lambda m, t: m - 2 / pi * exp(-rate * t), {"m": Integral("u")}),
        ],
        exact={"u": decaying(rate, lambda x: sin(pi * x / 2)), "q": lambda t: exp(-rate * t)},
    )


CASES = [tank, nonlocal_reaction, quadratic, remembering, identified_flux]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
@pytest.mark.parametrize("tol", [1e-4, 1e-8])
def test_the_estimate_is_the_error_of_fields_and_scalars(case, tol):
    solution = solve(case(), tol=tol)
    assert solution.converged
    for name in solution.unknowns:
        error = solution.relative_l2_error(name)
        assert error <= 3 * tol
        assert error <= 3 * solution.estimates[solution.unknowns.index(name)] + 1e-13


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_their_problems_pass_the_check(case):
    report = check(case())
    assert not report.errors, report
    assert not report.warnings, report


@pytest.mark.slow
def test_a_disk_heats_its_shell(tmp_path):
    """C T' = -∮ ∂u/∂n on a boundary that cuts the patches: J₀(w r) with C w J₀ = -2π J₁."""
    disk = Disk((0, 0), 1)
    capacity = 3.0
    w = brentq(lambda w: capacity * w * j0(w) + 2 * math.pi * j1(w), 2.5, 3.5, xtol=1e-14)

    def bessel(square):
        term = total = torch.ones_like(square)
        for k in range(1, 30):
            term = -term * (w * w * square / 4) / k**2
            total = total + term
        return total

    problem = Problem(
        disk * TimeInterval(0, 0.3),
        lambda u: u.t - laplace(u),
        [
            Initial(lambda x, y: bessel(x * x + y * y)),
            Initial(float(j0(w)), unknown="T"),
            Condition(lambda u, T: u - T, on=disk.boundary),
            Scalar(
                "T",
                lambda T, flux: capacity * T.t + flux,
                {"flux": Integral(lambda u: normal_derivative(u), on=disk.boundary)},
            ),
        ],
        exact={
            "u": lambda x, y, t: exp(-w * w * t) * bessel(x * x + y * y),
            "T": lambda t: exp(-w * w * t) * float(j0(w)),
        },
    )
    solution = solve(problem, tol=1e-6)
    assert solution.converged
    assert solution.relative_l2_error() <= 3e-6
    solution.save(tmp_path)
    points = problem.domain.sample(50)
    assert torch.equal(Solution.load(tmp_path, problem).evaluate(points), solution.evaluate(points))


def test_energy_goes_from_the_rod_to_the_tank_and_nothing_is_lost():
    capacity = 3.0
    problem = Problem(
        ROD * TimeInterval(0, 2),
        lambda u: u.t - u.xx,
        [
            Initial(lambda x: cos(pi * x) ** 2),
            Initial(0.3, unknown="T"),
            Neumann(0, on=ROD.left),
            Condition(lambda u, T: u.x + u - T, on=ROD.right),
            Scalar("T", lambda T, end: capacity * T.t - (end - T), {"end": Integral("u", on=ROD.right)}),
        ],
    )
    solution = solve(problem, tol=1e-7)
    x, weights = np.polynomial.legendre.leggauss(60)
    x = (x + 1) / 2
    content = [
        0.5 * weights @ solution(x, t)["u"] + capacity * solution(0.5, t)["T"] for t in (0.0, 0.1, 0.5, 2.0)
    ]
    assert solution.converged
    assert content == pytest.approx([content[0]] * 4, rel=1e-6)


@pytest.mark.parametrize("tol", [1e-4, 1e-6])
def test_what_a_scalar_does_for_a_thousandth_of_the_time_is_seen(tol):
    """q' is a pulse; steps go around it."""

    def pulse(t):
        return 100 * exp(-(((t - 0.637) / 1e-3) ** 2))

    def total(t):
        return 1 + 0.05 * math.sqrt(pi) * (torch.erf((t - 0.637) / 1e-3) + 1)

    problem = Problem(
        ROD * TimeInterval(0, 1),
        lambda u: u.t - u.xx / 10,
        [
            Initial(lambda x: cos(pi * x)),
            Initial(1, unknown="q"),
            Neumann(0, on=ROD.boundary),
            Scalar("q", lambda q, t: q.t - pulse(t)),
        ],
        exact={"u": decaying(pi**2 / 10, lambda x: cos(pi * x)), "q": total},
    )
    solution = solve(problem, tol=tol)
    assert solution.converged
    assert solution.relative_l2_error() <= 3 * tol


def test_a_controller_whose_set_point_jumps_ends_a_step_there():
    jump = 1.2345
    problem = Problem(
        ROD * TimeInterval(0, 2),
        lambda u: u.t - u.xx,
        [
            Initial(0),
            Initial(0, unknown="q"),
            Condition(lambda u, q: u.x + q, on=ROD.left),
            Condition(lambda u: u.x + u, on=ROD.right),
            Scalar(
                "q",
                lambda q, m, t: 0.1 * q.t + q - 5 * (torch.where(t < jump, 0 * t, 0 * t + 1) - m),
                {"m": Mean("u")},
            ),
        ],
    )
    solution, finer = (solve(problem, tol=tol) for tol in (1e-4, 1e-5))
    assert solution.converged
    assert finer.converged
    assert min(abs(solution.approximator.times - jump)) < 1e-10
    x = np.linspace(0, 1, 9)
    for t in (1.3, 2.0):
        assert np.abs(solution(x, t)["u"] - finer(x, t)["u"]).max() < 1e-3


def test_a_prescribed_integral_stands_in_for_a_condition():
    """Heat with u(0) = 0 and the content m(t) in place of a condition at the other end."""
    rate = K * pi**2 / 4
    problem = Problem(
        ROD * TimeInterval(0, 1),
        lambda u: u.t - K * u.xx,
        [
            Initial(lambda x: sin(pi * x / 2)),
            Dirichlet(0, on=ROD.left),
            Integral(lambda t: 2 / pi * exp(-rate * t)),
        ],
        exact=decaying(rate, lambda x: sin(pi * x / 2)),
    )
    result = march(problem, 1e-8)
    points = problem.domain.sample(500)
    exact = problem.values(problem.exact, points)
    found = result.expansion.jet(points, ((0, 0),))[:, :, 0]
    assert result.converged
    assert (found - exact).norm() <= 3e-8 * exact.norm()


@pytest.mark.slow
def test_the_mean_of_a_pressure_is_what_an_integral_says():
    """Taylor–Green vortices in a square with walls that move along: p is known up to its mean."""
    square = Rectangle((0, 0), (1, 1))
    nu = 0.05

    def u(x, y, t):
        return -cos(pi * x) * sin(pi * y) * exp(-2 * nu * pi**2 * t)

    def v(x, y, t):
        return sin(pi * x) * cos(pi * y) * exp(-2 * nu * pi**2 * t)

    def p(x, y, t):
        return -(cos(2 * pi * x) + cos(2 * pi * y)) / 4 * exp(-4 * nu * pi**2 * t) + 0.5 + t

    def at_start(f):
        return lambda x, y: f(x, y, torch.zeros_like(x))

    def flow(u, v, p):
        return (
            u.t + u * u.x + v * u.y + p.x - nu * laplace(u),
            v.t + u * v.x + v * v.y + p.y - nu * laplace(v),
            u.x + v.y,
        )

    problem = Problem(
        square * TimeInterval(0, 0.5),
        flow,
        [
            Initial(at_start(u), unknown="u"),
            Initial(at_start(v), unknown="v"),
            Dirichlet(u, on=square.boundary, unknown="u"),
            Dirichlet(v, on=square.boundary, unknown="v"),
            Integral(lambda t: 0.5 + t, unknown="p"),
        ],
        exact={"u": u, "v": v, "p": p},
    )
    solution = solve(problem, tol=1e-4)
    assert solution.converged
    assert solution.relative_l2_error() <= 3e-4
    assert 0.2 <= solution.estimated_error / solution.relative_l2_error() <= 5


class StopAfter(Monitor):
    """The time is up after so many slabs; keeps the last checkpoint."""

    def __init__(self, slabs):
        super().__init__(checkpoint_every=0.0)
        self.slabs = slabs
        self.on_checkpoint = lambda state: setattr(self, "saved", state)

    def out_of_time(self):
        return len(self.history) >= self.slabs


def test_a_coupled_march_that_is_resumed_ends_with_the_same_numbers():
    problem = quadratic()
    whole = march(problem, 1e-3)
    stopped = StopAfter(2)
    assert not march(problem, 1e-3, stopped).converged
    resumed = march(problem, 1e-3, Monitor(resume_state=stopped.saved))
    assert resumed.estimates == whole.estimates
    assert torch.equal(resumed.expansion.coefficients, whole.expansion.coefficients)


def with_scalar(scalar, *conditions, equation=lambda u: u.t - u.xx, **stated):
    return Problem(
        ROD * TimeInterval(0, 1),
        equation,
        [Initial(0), Dirichlet(0, on=ROD.boundary), scalar, *conditions],
        **stated,
    )


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (lambda: Scalar("t", lambda t: t), "expected a name such as 'q'"),
        (lambda: Scalar("q", 3.0), "received a float as its equation"),
        (lambda: Scalar("q", lambda q: q.t, {"m": 3}), "quantity 'm' is a int"),
        (lambda: Scalar("q", lambda q: q.t, uses={"m": Mean("u")}), "did you mean 'quantities'"),
        (lambda: with_scalar(Scalar("k", lambda k: k.t), constants={"k": 1.0}), "that name is taken"),
        (
            lambda: with_scalar(Scalar("q", lambda q: q.t), Dirichlet(0, on=ROD.left, unknown="q")),
            "Dirichlet of 'q': that is a Scalar",
        ),
        (
            lambda: with_scalar(Scalar("q", lambda q: q.t), Initial(lambda x: x, unknown="q")),
            "a Scalar begins with a number",
        ),
        (
            lambda: Problem(TimeInterval(0, 1), lambda u: u.t, [Initial(0), Scalar("q", lambda q: q.t)]),
            "on a time axis",
        ),
        (lambda: require(with_scalar(Scalar("q", lambda q: q.t))), "1 initial value is needed"),
        (lambda: require(with_scalar(Scalar("q", lambda q, u: q - u))), "asks for 'u'; it may ask for q, t"),
        (
            lambda: require(with_scalar(Scalar("q", lambda q: (q, q)))),
            "returned 2 numbers; expected one",
        ),
        (
            lambda: require(with_scalar(Scalar("q", lambda q, m: q - m.t, {"m": Mean("u")}))),
            "differentiated in time; state another Scalar",
        ),
    ],
)
def test_what_is_no_scalar_gets_a_sentence(state, sentence):
    with pytest.raises(ProblemError, match=sentence):
        state()


def require(problem):
    """The same sentence from `check` and `solve`."""
    report = check(problem)
    with pytest.raises(ProblemError) as refused:
        solve(problem, tol=1e-2)
    assert str(refused.value) in report.errors
    raise refused.value


def test_methods_that_know_no_scalars_say_so():
    with pytest.raises(UsageError, match="Scalar"):
        solve(tank(), method="pinn", tol=1e-2)
