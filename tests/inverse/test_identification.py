"""Inverse problems: the equation is a constraint, the data decide, and intervals say how far."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import cos, pi, sin

from pdesolve import (
    Condition,
    Dirichlet,
    Disk,
    Initial,
    Integral,
    Interval,
    Neumann,
    Observation,
    Problem,
    Rectangle,
    Solution,
    TimeInterval,
    div,
    grad,
    laplace,
    solve,
)
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.errors import UsageError
from pdesolve.inverse.fields import unknown_parameters_of
from pdesolve.inverse.newton import forward, response_of
from pdesolve.inverse.rows import ParametricRows
from pdesolve.inverse.solve import Identification
from pdesolve.patches.compiled import Statement
from pdesolve.runs.monitor import Monitor
from pdesolve.statement.coefficient_fields import coefficient_fields
from pdesolve.statement.loading import load_problem

PROBLEMS = Path(__file__).parents[2] / "problems"
LINE, SQUARE, DISK = Interval(0, 1), Rectangle((0, 0), (1, 1)), Disk((0, 0), 1)
ZERO = Dirichlet(0, on=LINE.boundary)
PLACES = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)


def noise(n, seed=0):
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def conductivity(data, start=1.0):
    return Problem(
        LINE,
        lambda u, x, kappa: -kappa * u.xx - pi**2 * sin(pi * x),
        [ZERO],
        parameters={"kappa": start},
        data=data,
    )


def measured(sigma=0.0, seed=0, told=None, truth=0.5):
    return Observation(PLACES, sin(pi * PLACES) / truth + sigma * noise(19, seed), sigma=told)


# ---------------------------------------------------------------- scalars


@pytest.mark.parametrize("start", [1e-3, 1.0, 1e4])
def test_exact_data_give_the_constant_to_rounding_from_far_away(start):
    solution = solve(conductivity([measured()], start), tol=1e-8, time_limit=20)
    assert solution.converged
    assert solution.parameters["kappa"] == pytest.approx(0.5, rel=1e-9)
    low, high = solution.intervals["kappa"]
    assert high - low < 1e-8


def test_a_constant_that_is_zero_is_found():
    """-u'' = 1 + q sin πx with the data of q = 0: no relative accuracy can be asked for."""
    data = [Observation(PLACES, PLACES * (1 - PLACES) / 2)]
    problem = Problem(
        LINE, lambda u, x, q: -u.xx - 1 - q * sin(pi * x), [ZERO], parameters={"q": 1.0}, data=data
    )
    solution = solve(problem, tol=1e-6, time_limit=20)
    assert solution.converged, solution.status
    assert abs(solution.parameters["q"]) < 1e-10


def test_the_interval_is_that_of_linear_regression():
    """u = s sin πx with s = 1/κ: regression on one function, and dκ = -κ² ds."""
    data = measured(0.02, seed=3)
    solution = solve(conductivity([data]), tol=1e-8, time_limit=20)
    shape = sin(pi * PLACES)
    s = float(shape @ data.values / (shape @ shape))
    sigma = float(((data.values - s * shape).square().sum() / 18).sqrt())
    half = stats.t.ppf(0.975, 18) * sigma / float(shape.norm()) / s**2
    low, high = solution.intervals["kappa"]
    assert solution.parameters["kappa"] == pytest.approx(1 / s, rel=1e-8)
    assert (high - low) / 2 == pytest.approx(half, rel=1e-6)
    assert solution.noise[0] == pytest.approx(sigma, rel=1e-6)


def test_a_sigma_that_is_told_makes_the_interval_and_a_wrong_one_is_mentioned():
    told = solve(conductivity([measured(0.02, told=0.02)]), tol=1e-6, time_limit=20)
    half = (told.intervals["kappa"][1] - told.intervals["kappa"][0]) / 2
    shape = sin(pi * PLACES)
    expected = 1.959964 * 0.02 / float(shape.norm()) * told.parameters["kappa"] ** 2
    assert half == pytest.approx(expected, rel=1e-5)
    assert "sigma" not in told.status
    wrong = solve(conductivity([measured(0.02, told=0.002)]), tol=1e-6, time_limit=20)
    assert "times their sigma" in wrong.status


def test_groups_of_data_with_different_noise_are_weighted_by_it():
    """Ten times the noise: its observations count a hundredth, told or estimated."""
    good, bad = measured(0.001, seed=1), measured(0.1, seed=2)
    alone = solve(conductivity([good]), tol=1e-6, time_limit=20)
    both = solve(conductivity([good, bad]), tol=1e-6, time_limit=20)
    assert both.noise[0] == pytest.approx(alone.noise[0], rel=0.2)
    assert 0.07 < both.noise[1] < 0.14
    shift = abs(both.parameters["kappa"] - alone.parameters["kappa"])
    assert shift < alone.intervals["kappa"][1] - alone.intervals["kappa"][0]


def test_noise_does_not_leak_into_the_equation():
    solution = solve(conductivity([measured(0.3, seed=5)]), tol=1e-8, time_limit=20)
    assert solution.converged
    assert solution.residual_rms < 1e-7
    assert solution.degrees_of_freedom == solve(conductivity([measured()]), tol=1e-8).degrees_of_freedom


@pytest.mark.slow
def test_the_truth_is_in_its_interval_for_at_least_17_of_20_seeds():
    problem = load_problem(PROBLEMS / "kappa_1d.py")
    held = 0
    for seed in range(20):
        places = problem.data[0].points
        values = sin(pi * places.double()) / 0.7 + 0.01 / 0.7 * noise(len(places), seed)
        low, high = solve(problem.with_data([Observation(places, values)])).intervals["kappa"]
        held += low <= 0.7 <= high
    assert held >= 17


def test_two_constants_of_a_nonlinear_evolution():
    """u_t = κ u_xx - ρ u², with data made by solving at the true constants."""

    def equation(u, kappa, rho):
        return u.t - kappa * u.xx + rho * u**2

    domain = LINE * TimeInterval(0, 0.5)
    conditions = [Initial(lambda x: sin(pi * x)), ZERO]
    true = {"kappa": 0.3, "rho": 2.0}
    truth = solve(Problem(domain, lambda u: equation(u, **true), conditions), tol=1e-7, time_limit=20)
    places = domain.sample(200, seed=1)
    values = truth.evaluate(places)[:, 0] + 1e-3 * noise(200)
    start = {"kappa": 1.0, "rho": 0.5}
    problem = Problem(domain, equation, conditions, parameters=start, data=[Observation(places, values)])
    solution = solve(problem, tol=1e-5, time_limit=40)
    assert solution.converged
    for name, value in true.items():
        low, high = solution.intervals[name]
        assert low - (high - low) / 2 < value < high + (high - low) / 2
        assert high - low < 0.1 * value


def test_a_constant_in_a_boundary_condition():
    """-u'' = 1, u(0) = 0, u'(1) + β u(1) = 0:  u(1) = 1/2/(1 + β)."""
    problem = Problem(
        LINE,
        lambda u: -u.xx - 1,
        [Dirichlet(0, on=LINE.left), Condition(lambda u, n, beta: n @ grad(u) + beta * u, on=LINE.right)],
        parameters={"beta": 0.2},
        data=[Observation([[1.0]], [0.5 / 4.0])],
    )
    assert solve(problem, tol=1e-8, time_limit=20).parameters["beta"] == pytest.approx(3.0, rel=1e-7)


def test_a_mean_and_a_constant_together():
    """The constant enters through the equation, the mean through the border of the factor."""
    problem = Problem(
        LINE,
        lambda u, x, kappa: -kappa * u.xx - pi**2 * cos(pi * x),
        [Neumann(0, on=LINE.boundary), Integral(1)],
        parameters={"kappa": 1.0},
        data=[Observation(PLACES, 1 + cos(pi * PLACES) / 0.25)],
    )
    assert solve(problem, tol=1e-8, time_limit=20).parameters["kappa"] == pytest.approx(0.25, rel=1e-7)


@pytest.mark.parametrize("nonlinear", [False, True])
def test_the_response_is_the_derivative_of_the_solution(nonlinear):
    problem = Problem(
        LINE,
        lambda u, x, kappa: -kappa * u.xx + nonlinear * u**3 - pi**2 * sin(pi * x),
        [ZERO],
        parameters={"kappa": 0.7},
        data=[measured()],
    )
    space = Discretisation(problem, 1e-8, Monitor(), "cpu", {})
    parameters = Identification(space).parameters
    patches, q = space.start()
    theta = parameters.start
    rows = ParametricRows(space.statement, patches, q + 4, parameters)
    state, up, down = (forward(rows, None, theta + h, 1e-13, Monitor()) for h in (0, 1e-4, -1e-4))
    expected = (up.coefficients - down.coefficients) / 2e-4
    found = response_of(rows, state)[:, 0]
    assert float((found - expected).norm() / expected.norm()) < 1e-6


# ---------------------------------------------------------------- fields


def diffusion(u, a, x):
    """-(a u')' = f for u = sin πx, a = 1 + x²."""
    return -(a * u.x).x + 2 * x * pi * cos(pi * x) - (1 + x**2) * pi**2 * sin(pi * x)


def field_problem(sigma, seed=0):
    x = torch.linspace(0, 1, 101, dtype=torch.float64)
    values = sin(pi * x) + sigma * noise(101, seed)
    edge = Dirichlet(lambda x: 1 + x**2, on=LINE.boundary, unknown="a")
    return Problem(
        LINE,
        diffusion,
        [Dirichlet(0, on=LINE.boundary, unknown="u"), edge],
        data=[Observation(x, values, unknown="u")],
        exact={"u": lambda x: sin(pi * x), "a": lambda x: 1 + x**2},
    )


def test_exact_data_give_the_field():
    solution = solve(field_problem(0.0), tol=1e-5, time_limit=20)
    assert solution.relative_l2_error("a") < 1e-4
    assert solution(0.0)["a"] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("sigma", [1e-3, 1e-2])
def test_the_error_of_a_field_is_what_its_deviation_says_and_falls_with_the_noise(sigma):
    errors, deviations = [], []
    for seed in range(4):
        solution = solve(field_problem(sigma, seed), tol=1e-4, time_limit=20)
        errors.append(solution.relative_l2_error("a"))
        deviations.append(solution.uncertainty["a"])
    assert np.median(errors) < 20 * sigma**0.7
    assert 0.2 < np.sqrt(np.mean(np.square(errors)) / np.mean(np.square(deviations))) < 3


def test_what_is_stated_of_a_field_alone_holds_for_every_theta():
    """On the disk: a = 2 at the edge; ∂a/∂t = 0 in a cylinder."""
    cylinder = DISK * TimeInterval(0, 1)
    problem = Problem(
        cylinder,
        lambda u, a: (u.t - div(a * grad(u)), a.t),
        [
            Dirichlet(2, on=DISK.boundary, unknown="a"),
            Dirichlet(0, on=DISK.boundary, unknown="u"),
            Initial(1, unknown="u"),
        ],
        data=[Observation([[0.1, 0.1, 0.5]], [0.1], unknown="u")],
    )
    solver = Discretisation(problem, 1e-6, Monitor(), "cpu", {})
    assert solver.statement.fields == (1,)
    sought = unknown_parameters_of(solver.statement, solver.frame, 1e-6)
    theta = torch.randn(sought.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    angle = torch.linspace(0, 6, 30, dtype=torch.float64)
    edge = torch.stack([cos(angle), sin(angle), angle / 6], dim=1)
    constant, table = sought.tables(edge, ((0, (0, 0, 0)), (0, (0, 0, 1))))
    values = constant + table @ theta
    assert float((values[:, 0] - 2).abs().max()) < 1e-7
    assert float(values[:, 1].abs().max()) < 1e-7
    assert sought.size > 5


@pytest.mark.slow
@pytest.mark.parametrize(("name", "tol"), [("pinv_2d", 1e-4), ("hinv_2d", 1e-2)])
def test_fields_of_pinnacle_are_found_to_five_per_cent(name, tol):
    solution = solve(load_problem(PROBLEMS / f"{name}.py"), tol=tol)
    assert solution.converged
    assert solution.relative_l2_error("a") < 0.05
    assert 0.08 < solution.noise[0] < 0.12


def test_the_identified_solution_survives_saving(tmp_path):
    problem = load_problem(PROBLEMS / "kappa_1d.py")
    solution = solve(problem)
    solution.save(tmp_path)
    loaded = Solution.load(tmp_path)
    assert loaded.intervals == solution.intervals
    assert loaded.parameters == solution.parameters
    assert loaded(0.3) == solution(0.3)
    summary = solution.summary()
    assert summary["parameters"]["kappa"] == pytest.approx(0.7, abs=0.01)
    assert len(summary["intervals"]["kappa"]) == 2
    assert set(summary["uncertainty"]) == {"u"}


# ---------------------------------------------------------------- which unknowns are fields


def stokes(u, v, p, nu):
    return p.x - div(nu * grad(u)), p.y - div(nu * grad(v)), u.x + v.y


@pytest.mark.parametrize(
    ("equation", "observed", "fields"),
    [
        (lambda u, a: div(a * grad(u)), "u", "a"),
        (lambda u, a: div(a * grad(u)), "ua", "a"),
        (lambda u, a: div(a * grad(u)), "a", "a"),
        (lambda u, a, g: (div(a * grad(u)), 0 * g + a.x), "u", "ag"),
        (lambda u, v: (laplace(u) - v, laplace(v) + u), "u", ""),
        (stokes, "uv", ["nu"]),
    ],
)
def test_fields_are_the_coefficients_that_equations_leave_open(equation, observed, fields):
    data = [Observation([[0.5, 0.5]], [1.0], unknown=name) for name in observed]
    problem = Problem(SQUARE, equation, [], data=data)
    statement = Statement.of(problem, torch.eye(2, dtype=torch.float64))
    operators = [term.operator for term in statement.terms]
    found = [problem.unknowns[u] for u in coefficient_fields(problem, operators)]
    assert found == list(fields)


# ---------------------------------------------------------------- what cannot be identified


def reaction(u, kappa, rho):
    return -kappa * rho * u.xx - 1


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (
            Problem(LINE, reaction, [ZERO], parameters={"kappa": 1.0, "rho": 1.0}, data=[measured()]),
            "only a combination of the parameters kappa, rho",
        ),
        (
            Problem(
                LINE, lambda u, kappa: -u.xx - kappa**2, [ZERO], parameters={"kappa": 0.0}, data=[measured()]
            ),
            r"no observation depends on the parameter kappa at 0 \(it starts at 0\)",
        ),
        (
            Problem(
                LINE,
                reaction,
                [ZERO],
                parameters={"kappa": 1.0, "rho": 1.0},
                data=[Observation([0.5], [1.0])],
            ),
            "1 observations for 2 parameters",
        ),
        (
            Problem(
                LINE,
                lambda u, g: -u.xx - 1,  # noqa: ARG005
                [Condition(lambda u, g: u - g, on=LINE.right), Dirichlet(0, on=LINE.left, unknown="u")],
                data=[Observation([0.0], [0.0], unknown="u")],
            ),
            "no observation depends on the field g",
        ),
        (
            Problem(
                LINE,
                lambda u, a: (a * u.x).x,
                [Dirichlet(lambda x: x, on=LINE.boundary, unknown="u")],
                data=[Observation(PLACES, PLACES, unknown="u")],
            ),
            "a constant or a factor for instance",
        ),
        (conductivity([Observation([1.5], [1.0])]), r"data\[0\] has 1 of 1 points outside"),
        (Problem(LINE, lambda u: -u.xx - 1, [ZERO], data=[measured()]), "nothing is to be identified"),
    ],
)
def test_what_the_data_do_not_determine_is_said(problem, sentence):
    with pytest.raises(UsageError, match=sentence):
        solve(problem, time_limit=20)


def test_continuation_and_data_are_refused_together():
    problem = Problem(
        LINE,
        lambda u, kappa, nu: -kappa * nu * u.xx - 1,
        [ZERO],
        parameters={"kappa": 1.0},
        constants={"nu": 1.0},
        data=[measured()],
    )
    with pytest.raises(UsageError, match="continuation does not go together"):
        solve(problem, continuation="nu")
