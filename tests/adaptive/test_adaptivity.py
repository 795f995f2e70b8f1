"""A tolerance asked for is a tolerance met, or the result says why not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from clocks import just_late
from discretised import assemble, error_of, patches_over, solve_on

from pdesolve import Dirichlet, Disk, Ellipse, Integral, Interval, Neumann, Problem, Rectangle, laplace
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.adaptive.solve import run, solve_adaptively
from pdesolve.adaptive.strategy import Forward
from pdesolve.benchmarking.manufactured import manufactured
from pdesolve.patches.discretise import discretise
from pdesolve.patches.newton import carried, gauss_newton
from pdesolve.runs.answer import Answer
from pdesolve.runs.monitor import Monitor
from pdesolve.solution.measures import error_rule, relative_l2
from pdesolve.solution.norms import estimated_errors
from pdesolve.statement.loading import load_problem

PROBLEMS = Path(__file__).parents[2] / "problems"
TOLERANCES = (1e-3, 1e-6, 1e-9)
QUICK = [
    "advection_diffusion_1d",
    "poisson_1d",
    "poisson_2d",
    "annulus_robin",
    "poisson_disk",
    "reaction_diffusion_2d",
]
SMOOTH = [*QUICK, "helmholtz_2d", "kovasznay", "nonlinear_poisson_2d"]


def errors_of(problem: Problem, result: Answer) -> list[float]:
    points, weights = error_rule(problem, result.expansion)
    exact = problem.values(problem.exact, points, "exact")
    return relative_l2(result.expansion(points) - exact, exact, weights)


def assert_honest(problem: Problem, result: Answer, tol: float) -> None:
    """Certified, error within 3 tol, and every estimate within a factor of ten unless both are rounding."""
    assert result.converged, result.status
    for error, estimate in zip(errors_of(problem, result), result.estimates, strict=True):
        assert error <= 3 * tol
        assert estimate <= tol
        assert 0.1 <= estimate / error <= 10 or max(estimate, error) < 1e-13


@pytest.mark.parametrize("name", ["advection_diffusion_1d", "poisson_1d", "poisson_2d", "annulus_robin"])
@pytest.mark.parametrize("tol", [1e-6])
def test_the_tolerance_is_met_and_the_estimate_true(name, tol):
    problem = load_problem(PROBLEMS / f"{name}.py")
    assert_honest(problem, solve_adaptively(problem, tol), tol)


@pytest.mark.slow
@pytest.mark.parametrize("tol", TOLERANCES)
@pytest.mark.parametrize("name", SMOOTH)
def test_every_tolerance_is_met_and_every_estimate_true(name, tol):
    problem = load_problem(PROBLEMS / f"{name}.py")
    assert_honest(problem, solve_adaptively(problem, tol, Monitor(time_limit=60)), tol)


@pytest.mark.slow
def test_patches_shrink_toward_a_reentrant_corner_and_orders_grow_away_from_it():
    """Where its singular functions are not used, as where they are not known."""
    problem = load_problem(PROBLEMS / "poisson_lshape.py")
    result = solve_adaptively(problem, 1e-4, Monitor(time_limit=60), corners=False)
    assert_honest(problem, result, 1e-4)
    partition, q = result.expansion.partition, result.expansion.q
    distance = np.linalg.norm(partition.centre, axis=1)  # the corner is the origin
    size = partition.half.max(axis=1)
    assert size[distance.argmin()] == size.min() < 0.1 * size.max()
    assert (size < 2.5 * distance).all()
    assert q[distance > 0.5].mean() >= q[distance < 0.05].mean()


def square_problem(exact, source) -> Problem:
    square = Rectangle((0, 0), (1, 1))

    def equation(u, x, y):
        return -laplace(u) - source(x, y)

    return Problem(square, equation, [Dirichlet(exact, on=square.boundary)], exact=exact)


def smooth_problem() -> Problem:
    def exact(x, y):
        return torch.sin(3 * x) * torch.exp(y)

    return square_problem(exact, lambda x, y: 8 * exact(x, y))


def test_the_exact_solution_is_never_looked_at():
    """A lie about the exact solution changes nothing."""
    honest, lying = smooth_problem(), smooth_problem()
    lying.exact = {"u": lambda x, y: 1e6 * x * y}
    found, other = (solve_adaptively(p, 1e-8) for p in (honest, lying))
    assert torch.equal(found.expansion.coefficients, other.expansion.coefficients)
    assert found.estimates == other.estimates


def test_the_same_problem_gives_the_same_answer():
    problem = smooth_problem()
    first, second = (solve_adaptively(problem, 1e-6).expansion.coefficients for _ in range(2))
    assert torch.equal(first, second)


def test_tighter_tolerances_cost_more_unknowns_and_give_smaller_errors():
    problem = load_problem(PROBLEMS / "advection_diffusion_1d.py")
    results = [solve_adaptively(problem, tol) for tol in (1e-3, 1e-6, 1e-9)]
    unknowns = [len(r.expansion.coefficients) for r in results]
    errors = [max(errors_of(problem, r)) for r in results]
    assert unknowns == sorted(unknowns)
    assert errors == sorted(errors, reverse=True)


def test_a_solution_that_vanishes_is_found():
    problem = square_problem(lambda x, y: 0 * x * y, lambda x, y: 0 * x * y)
    result = solve_adaptively(problem, 1e-6)
    assert result.converged
    assert not bool(result.expansion.coefficients.any())


def test_a_peak_draws_the_patches_to_it():
    def exact(x, y):
        return torch.exp(-300 * ((x - 0.3) ** 2 + (y - 0.7) ** 2))

    def source(x, y):
        r2 = (x - 0.3) ** 2 + (y - 0.7) ** 2
        return (1200 - 360000 * r2) * exact(x, y)

    problem = square_problem(exact, source)
    result = solve_adaptively(problem, 1e-4)
    assert_honest(problem, result, 1e-4)
    mixture = result.expansion
    distance = np.linalg.norm(mixture.partition.centre - [0.3, 0.7], axis=1)
    size, near = mixture.partition.half.max(axis=1), distance < 0.2
    per_area = (mixture.layout.sizes.numpy() / (4 * mixture.partition.half.prod(axis=1)))[near].mean()
    assert per_area > 1.5 * len(mixture.coefficients)  # unknowns in the mean over the unit square
    assert (distance[size == size.max()] > 0.3).all()
    assert distance[mixture.q == mixture.q.max()].max() < 0.2


def test_settings_choose_the_first_level():
    problem = smooth_problem()
    monitor = Monitor()
    solve_adaptively(problem, 1e-2, monitor, cells=5, degree=6)
    assert monitor.history[0]["patches"] == 25
    assert monitor.history[0]["unknowns"] == 25 * 21


def test_every_level_is_recorded_and_the_last_has_the_estimate():
    monitor = Monitor()
    result = solve_adaptively(smooth_problem(), 1e-8, monitor)
    assert [row["level"] for row in monitor.history] == list(range(1, len(monitor.history) + 1))
    assert monitor.history[-1]["estimate"] == max(result.estimates)
    assert all(row["residual"] >= 0 and row["predicted"] >= 0 for row in monitor.history)


def test_running_out_of_time_is_said_and_not_certified():
    monitor = Monitor(time_limit=0.0, clock=just_late())
    result = solve_adaptively(load_problem(PROBLEMS / "helmholtz_2d_10.py"), 1e-3, monitor)
    assert not result.converged
    assert "time limit of 0 s passed" in result.status


def test_too_many_unknowns_are_said_and_not_certified():
    result = solve_adaptively(load_problem(PROBLEMS / "helmholtz_2d_10.py"), 1e-9, max_unknowns=300)
    assert not result.converged
    assert "raise max_unknowns" in result.status


def test_what_rounding_forbids_is_not_certified():
    """1e-13 of a solution hidden under constants: either it is reached, or the result says it stalled."""
    interval = Interval(0, 1)

    def exact(x):
        return torch.sin(7 * x) * 1e3 + 1e3

    problem = Problem(
        interval,
        lambda u, x: u.xx + 49e3 * torch.sin(7 * x),
        [Dirichlet(exact, on=interval.boundary)],
        exact=exact,
    )
    result = solve_adaptively(problem, 1e-15, Monitor(time_limit=10))
    error = errors_of(problem, result)[0]
    assert error < 1e-11
    assert result.converged == (max(result.estimates) <= 1e-13)


def test_a_warm_start_saves_gauss_newton_steps():
    monitor = Monitor()
    solve_adaptively(load_problem(PROBLEMS / "nonlinear_poisson_2d.py"), 1e-5, monitor)
    steps = [row["steps"] for row in monitor.history]
    assert steps[-1] < steps[0]


def test_as_many_unknowns_on_uniform_patches_are_worse_in_a_layer():
    width = 0.02
    interval = Interval(0, 1)

    def exact(x):
        return torch.exp(-x / width)

    problem = Problem(
        interval,
        lambda u, x: u.xx - exact(x) / width**2,
        [Dirichlet(exact, on=interval.boundary)],
        exact=exact,
    )
    result = solve_adaptively(problem, 1e-6)
    assert_honest(problem, result, 1e-6)
    unknowns = len(result.expansion.coefficients)
    uniform = solve_on(problem, patches_over(problem, unknowns // 8), 8)
    points, weights = error_rule(problem, uniform.mixture)
    reference = problem.values(problem.exact, points, "exact")
    assert relative_l2(uniform.mixture(points) - reference, reference, weights)[0] > max(
        errors_of(problem, result)
    )


def test_a_solution_is_carried_over_exactly_to_other_orders_of_the_same_patches():
    disk = Disk((0, 0), 1)

    def poisson(u, x, y):
        return -laplace(u) - x * y

    solver = Discretisation(
        Problem(disk, poisson, [Dirichlet(0, on=disk.boundary)]), 1e-6, Monitor(), "cpu", {}
    )
    patches, q = solver.start()
    coarse = solver.solve(patches, q, None)
    finer = discretise(solver.statement, patches, q + 2)
    x = disk.sample(200, seed=3)
    lifted = finer.mixture(carried(finer, coarse, solver.problem))
    torch.testing.assert_close(lifted(x), coarse.mixture(x), rtol=0, atol=1e-14)


class TooLate(Forward):
    """A verification that finds a thousand times the tolerance, after which there is no time."""

    def errors(self, coarse, fine):
        del coarse, fine
        self.space.limit = lambda _: "no time"
        return np.array([1e3 * self.space.tol])


def test_time_that_runs_out_in_a_verification_leaves_its_estimate():
    problem = load_problem(PROBLEMS / "poisson_disk.py")
    result = run(TooLate(Discretisation(problem, 1e-9, Monitor(), "cpu", {})))
    assert (result.converged, result.status) == (False, "stopped early: no time")
    assert result.estimates == pytest.approx((1e-6,))


def test_gauss_newton_ends_where_the_function_within_the_domain_stands_still():
    """Coefficients of cut cells went on to move by 1e-7, and 25 steps were taken without an end."""
    ellipse = Ellipse((0, 0), (1, 0.69), 0.94)

    def exact(x, y):
        return 1 / (1 + 25 * (x - 0.2) ** 2 + 25 * (y + 0.1) ** 2)

    equation = manufactured(lambda u: -laplace(u) + u**3, {"u": exact}, ("x", "y"))
    problem = Problem(ellipse, equation, [Dirichlet(exact, on=ellipse.boundary)], exact=exact)
    found = gauss_newton(assemble(problem, patches_over(problem, 2), 18), None, 1e-11, Monitor())
    assert found.converged
    assert found.steps <= 5
    assert error_of(found) < 1e-3


@pytest.mark.parametrize(("name", "levels"), [("annulus_robin", 1), ("peak_2d", 2)])
def test_a_solve_that_is_stopped_tells_the_error_of_what_it_returns(name, levels):
    """It told that of the level before: up to a million times as much, of what is smooth."""
    problem = load_problem(PROBLEMS / f"{name}.py")
    monitor = Monitor()
    monitor.why_over = lambda: "no time" if len(monitor.history) > levels else None
    result = solve_adaptively(problem, 1e-9, monitor)
    assert result.status == "stopped early: no time"
    (error,) = errors_of(problem, result)
    assert 0.5 < result.estimates[0] / error < 6
    told = estimated_errors(problem, result.expansion, result.verification, "l2")
    assert float(told[0]) == pytest.approx(result.estimates[0], rel=0.2)


def test_sources_that_no_flux_balances_are_not_certified():
    """-Δu = 1 with ∂u/∂n = 0 all around has no solution, and least squares finds something smooth all the same."""
    square = Rectangle((0, 0), (1, 1))
    contradictory = Problem(square, lambda u: -laplace(u) - 1, [Neumann(0, on=square.boundary), Integral(0)])
    result = solve_adaptively(contradictory, 1e-3, Monitor(time_limit=20))
    assert not result.converged
    assert "cannot all be met" in result.status
