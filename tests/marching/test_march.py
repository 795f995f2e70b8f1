"""The adaptive march: estimates that are the error, starts that do not match, pulses, nothing, stops and resumption."""

import io
import math

import numpy as np
import pytest
import torch
from evolutions import driven_heat, heat, klein_gordon, ring, rod, second, wave
from scipy.special import j0, j1, jn_zeros
from torch import cos, exp, pi, sin

from pdesolve import (
    Ball,
    Box,
    Dirichlet,
    Disk,
    Initial,
    Interval,
    Neumann,
    Problem,
    ProblemError,
    Rectangle,
    Solution,
    TimeInterval,
    laplace,
)
from pdesolve.marching.march import can_march, march
from pdesolve.marching.state import State
from pdesolve.runs.monitor import Monitor
from pdesolve.solver import solve


def true_error(problem, mixture, exact=None):
    """Relative L2 at Sobol points in space and time."""
    points = problem.domain.sample(2048, sampler="sobol", seed=1)
    stated = problem.values({"u": exact} if exact else problem.exact, points)
    found = mixture.jet(points, ((0,) * points.shape[1],))[:, :, 0]
    return float((found - stated).norm() / stated.norm())


@pytest.mark.parametrize(
    "problem",
    [heat(), wave(), ring(3), driven_heat(), klein_gordon()],
    ids=["heat", "wave", "ring", "driven", "KG"],
)
@pytest.mark.parametrize("tol", [1e-3, 1e-5, 1e-7])
def test_the_estimate_is_the_error(problem, tol):
    assert can_march(problem)
    result = march(problem, tol)
    error = true_error(problem, result.expansion)
    assert result.converged
    assert error <= 3 * tol
    assert error <= 3 * result.estimates[0] + 1e-13


def cooling(x, t):
    x, t = np.asarray(x), np.asarray(t)
    n = np.arange(1, 400, 2)[:, None]
    terms = 4 / (n * np.pi) * np.sin(n * np.pi * x) * np.exp(-((n * np.pi) ** 2) * t)
    return torch.as_tensor(terms.sum(0))


def flux_step(x, t):
    x, t = np.asarray(x), np.asarray(t)
    n = np.arange(1, 400)[:, None]
    terms = (-1.0) ** n / n**2 * np.exp(-((n * np.pi) ** 2) * t) * np.cos(n * np.pi * x)
    return torch.as_tensor(t + (3 * x**2 - 1) / 6 - 2 / np.pi**2 * terms.sum(0))


MISMATCHED = {
    "values that jump": (
        [Initial(1.0), Dirichlet(0, on=rod.boundary)],
        cooling,
    ),
    "a flux switched on at rest": (
        [Initial(0.0), Neumann(0, on=rod.left), Neumann(1, on=rod.right)],
        flux_step,
    ),
}


@pytest.mark.parametrize("name", MISMATCHED)
def test_starts_that_do_not_match_are_solved_to_the_tolerance(name):
    conditions, exact = MISMATCHED[name]
    problem = Problem(rod * TimeInterval(0, 0.2), lambda u: u.t - u.xx, conditions)
    result = march(problem, 1e-4)
    assert result.converged
    assert true_error(problem, result.expansion, exact) <= 3e-4


@pytest.mark.slow
def test_a_disc_put_on_ice_is_graded_towards_its_curved_wall():
    disc = Disk((0, 0), 1)
    conditions = [Initial(1.0), Dirichlet(0, on=disc.boundary)]
    problem = Problem(disc * TimeInterval(0, 0.1), lambda u: u.t - laplace(u), conditions)
    zeros = jn_zeros(0, 300)

    def exact(x, y, t):
        x, y, t = map(np.asarray, (x, y, t))
        terms = 2 / (zeros * j1(zeros)) * j0(np.outer(np.hypot(x, y), zeros))
        return torch.as_tensor((terms * np.exp(-np.outer(t, zeros**2))).sum(1))

    result = march(problem, 3e-2)
    assert result.converged
    assert true_error(problem, result.expansion, exact) <= 3e-2


def test_a_start_from_rest_is_measured_by_what_the_solution_becomes():
    """u begins like t^{3/4}: relative to what there is so far, the first slab would be 1e-15 long."""
    conditions, _ = MISMATCHED["a flux switched on at rest"]
    result = march(Problem(rod * TimeInterval(0, 0.2), lambda u: u.t - u.xx, conditions), 1e-6)
    assert result.converged
    assert float(result.expansion.times[1]) > 1e-8


def test_one_try_alone_says_nothing_of_the_size_of_a_solution():
    """A stage may lie within a pulse of the data; two tries of different lengths do not both."""
    one = torch.ones(1, dtype=torch.float64)
    state = State(0.0, None, None, 1.0, 0.1 * one, 0.7)
    state.expect(1e3 * one)
    assert float(state.size) == 0.1
    state.expect(2 * one)
    assert float(state.size) == 2
    assert state.overrated == pytest.approx(20)


def test_a_source_that_acts_for_a_thousandth_of_the_time_is_found():
    """u = a(t) sin πx with a' + a = 400 exp(-((t - c)/w)²/2): a grows by 400 w √(2π) at t = c."""
    centre, width = 0.7315, 1e-3

    def a(t):
        t = np.asarray(t)
        step = 0.5 * (1 + np.vectorize(math.erf)((t - centre - width**2) / width / 2**0.5))
        pulse = 400 * width * np.sqrt(2 * np.pi) * np.exp(-(t - centre) + width**2 / 2) * step
        return np.exp(-t) + pulse

    problem = Problem(
        rod * second,
        lambda u, x, t: u.t - u.xx / pi**2 - 400 * exp(-(((t - centre) / width) ** 2) / 2) * sin(pi * x),
        [Initial(lambda x: sin(pi * x)), Dirichlet(0, on=rod.boundary)],
    )
    result = march(problem, 1e-5)
    exact = lambda x, t: torch.as_tensor(a(t)) * sin(pi * x)  # noqa: E731
    assert result.converged
    assert true_error(problem, result.expansion, exact) <= 3e-5


def test_nothing_stays_nothing():
    result = march(heat(conditions=[Initial(0.0), Dirichlet(0, on=rod.boundary)], exact=None), 1e-6)
    assert result.converged
    assert float(result.expansion.coefficients.abs().max()) == 0


def test_growth_in_time_is_part_of_the_estimate():
    growing = heat(
        equation=lambda u: u.t - u.xx / 100 - 12 * u,
        exact=lambda x, t: exp((12 - pi**2 / 100) * t) * sin(pi * x),
    )
    result = march(growing, 1e-6)
    assert result.converged == (result.estimates[0] <= 1e-6)
    assert true_error(growing, result.expansion) <= 3 * result.estimates[0]


def steepening():
    """Burgers' equation; no exact solution is needed."""
    line = Interval(-1, 1)
    return Problem(
        line * TimeInterval(0, 0.4),
        lambda u: u.t + u * u.x - u.xx / 20,
        [Initial(lambda x: -sin(pi * x)), Dirichlet(0, on=line.boundary)],
    )


class StopAfter(Monitor):
    """The time is up after so many slabs; keeps the last checkpoint as a file would."""

    def __init__(self, slabs, **settings):
        super().__init__(**settings)
        self.most, self.checkpoint_every = slabs, 0.0
        self.on_checkpoint = self.keep
        self.kept = None

    def keep(self, state):
        buffer = io.BytesIO()
        torch.save(state, buffer)
        self.kept = buffer.getvalue()

    def out_of_time(self):
        return len(self.history) >= self.most


def test_a_stopped_march_keeps_its_slabs_with_their_estimate():
    result = march(steepening(), 1e-6, StopAfter(3))
    assert not result.converged
    assert "stopped at t =" in result.status
    assert len(result.expansion.slabs) == 3
    assert 0 < result.estimates[0] < 1e-5


def test_a_stopped_march_knows_nothing_of_later_times():
    """The polynomials of the last slab went on: a largest value of 100 was returned of a solution below one."""
    expansion = march(steepening(), 1e-6, StopAfter(3)).expansion
    x = torch.tensor(
        [[0.3, 0.999 * expansion.end], [0.3, expansion.end], [0.3, 1.001 * expansion.end]],
        dtype=torch.float64,
    )
    values = expansion.jet(x, ((0, 0), (1, 0), (0, 1)))
    assert bool(values[:2].isfinite().all())
    assert bool(values[2].isnan().all())


@pytest.mark.parametrize("slabs", [1, 4])
def test_a_resumed_march_ends_with_the_same_bits(slabs):
    whole = march(steepening(), 1e-7)
    stopped = StopAfter(slabs)
    march(steepening(), 1e-7, stopped)
    state = torch.load(io.BytesIO(stopped.kept), weights_only=True)
    resumed = march(steepening(), 1e-7, Monitor(resume_state=state))
    assert torch.equal(resumed.expansion.coefficients, whole.expansion.coefficients)
    assert resumed.estimates == whole.estimates


def test_a_marched_solution_is_saved_and_loaded_to_the_bit(tmp_path):
    problem = heat()
    solution = solve(problem, tol=1e-5)
    solution.save(tmp_path)
    points = problem.domain.sample(100)
    assert torch.equal(Solution.load(tmp_path, problem).evaluate(points), solution.evaluate(points))
    assert solution.relative_l2_error() <= 1e-5
    assert solution.derivative("t")(0.5, 0.3) == pytest.approx(
        -(pi**2) / 4 * math.exp(-(pi**2) * 0.075), rel=1e-3
    )


def test_slabs_join_continuously():
    mixture = march(wave(), 1e-8, slabs=4).expansion
    x = torch.linspace(0, 1, 21, dtype=torch.float64)[1:-1]
    for t in mixture.times[1:-1]:
        before, after = (
            mixture.jet(torch.stack([x, t.expand(19) + shift], 1), ((0, 0),)) for shift in (-1e-12, 1e-12)
        )
        assert (before - after).abs().max() < 1e-9


def test_two_unknowns_of_which_one_has_no_time_derivative():
    """u_t = w_x, w = u_x: the flux as an unknown of its own."""
    problem = Problem(
        rod * second,
        lambda u, w: (u.t - w.x / 4, w - u.x),
        [Initial(lambda x: cos(pi * x), unknown="u"), Dirichlet(0, on=rod.boundary, unknown="w")],
        exact={
            "u": lambda x, t: cos(pi * x) * exp(-(pi**2) * t / 4),
            "w": lambda x, t: -pi * sin(pi * x) * exp(-(pi**2) * t / 4),
        },
    )
    result = march(problem, 1e-6)
    assert result.converged
    assert true_error(problem, result.expansion) <= 3e-6


def test_patches_that_the_boundary_cuts():
    disk = Disk((0, 0), 1.0)

    def exact(x, y, t):
        return exp(-t) * sin(x) * sin(y) + x * t

    problem = Problem(
        disk * TimeInterval(0, 0.5),
        lambda u, x: u.t - laplace(u) / 2 - x,
        [Initial(lambda x, y: sin(x) * sin(y)), Dirichlet(exact, on=disk.boundary)],
        exact=exact,
    )
    result = march(problem, 1e-5)
    assert result.converged
    assert true_error(problem, result.expansion) <= 3e-5


def test_a_rate_without_a_coefficient_at_the_start_is_refused():
    """Each c t sin πx solves t u_t = u + (u_xx + π² u) / 10, u(x, 0) = 0."""
    line = Interval(0, 1)
    problem = Problem(
        line * TimeInterval(0, 1),
        lambda u, t: t * u.t - u - 0.1 * (u.xx + pi**2 * u),
        [Initial(0), Dirichlet(0, on=line.boundary)],
    )
    with pytest.raises(ProblemError, match="start after that time"):
        solve(problem, tol=1e-3)


def warm_body(body, k=0.1):
    """Heat in three space coordinates, with the exact values on all of the boundary."""

    def exact(x, y, z, t):
        return exp(-3 * pi**2 * k * t) * sin(pi * x) * sin(pi * y) * sin(pi * z)

    start = Initial(lambda x, y, z: sin(pi * x) * sin(pi * y) * sin(pi * z))
    walls = Dirichlet(exact, on=body.boundary)
    return Problem(body * TimeInterval(0, 1), lambda u: u.t - k * laplace(u), [start, walls], exact=exact)


@pytest.mark.slow
@pytest.mark.parametrize("hole", [False, True], ids=["cube", "cube less a ball"])
def test_three_space_coordinates_and_time_march_as_well(hole):
    cube = Box((0, 0, 0), (1, 1, 1))
    body = cube - Ball((0.5, 0.5, 0.5), 0.25) if hole else cube
    solution = solve(warm_body(body), tol=1e-3)
    error = solution.relative_l2_error()
    assert solution.converged
    assert error < 1e-3
    assert 0.3 < solution.estimated_error / error < 3


def test_patches_that_meet_no_other_are_solved_beside_those_that_do():
    """Four cells in a row, of which the second is no part of the domain: one has no neighbour, two have one."""
    apart = Rectangle((0, 0), (4, 1)) - Rectangle((1, -1), (2, 2))

    def exact(x, y, t):
        return exp(-2 * pi**2 * t / 10) * sin(pi * x) * sin(pi * y)

    start = Initial(lambda x, y: sin(pi * x) * sin(pi * y))
    walls = Dirichlet(exact, on=apart.boundary)
    problem = Problem(
        apart * TimeInterval(0, 1), lambda u: u.t - laplace(u) / 10, [start, walls], exact=exact
    )
    result = march(problem, 1e-4, cells=4)
    assert result.converged
    assert true_error(problem, result.expansion) < 3e-4
