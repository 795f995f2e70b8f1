"""Marching: slabs hand over what the order in time asks for, and the second march sees the accumulated error."""

import io

import pytest
import torch
from evolutions import heat, ring, rod, second, wave
from torch import cos, exp, pi, sin

from pdesolve import (
    Dirichlet,
    Initial,
    Interval,
    Periodic,
    Problem,
    Rectangle,
    Solution,
    TimeInterval,
    laplace,
)
from pdesolve.errors import OutOfMemoryError
from pdesolve.least_squares.sparse.condensed_cholesky import CondensedCholesky
from pdesolve.marching.slabs import March, can_march, march
from pdesolve.runs.monitor import Monitor
from pdesolve.solver import solve


def test_only_evolutions_from_initial_values_march():
    assert can_march(heat())
    assert not can_march(
        heat(conditions=[Dirichlet(0, on=rod.boundary), Dirichlet(0, on=(rod * second).initial)], exact=None)
    )
    square = Rectangle((0, 0), (1, 1))
    steady = Problem(square, lambda u: laplace(u) - 1, [Dirichlet(0, on=square.boundary)])
    assert not can_march(steady)


@pytest.mark.parametrize(("problem", "handed"), [(heat(), (1,)), (wave(), (2,)), (ring(1), (1,))])
def test_a_slab_hands_over_as_many_time_derivatives_as_the_order_in_time(problem, handed):
    assert March(problem, 1e-6, Monitor(), "cpu", {}).orders == handed


@pytest.mark.parametrize("problem", [heat(), wave(), ring(3)], ids=["heat", "wave", "advection"])
@pytest.mark.parametrize("slabs", [1, 4])
def test_error_and_estimate_agree_whatever_the_number_of_slabs(problem, slabs):
    solution = solve(problem, tol=1e-6, slabs=slabs)
    assert solution.converged
    assert solution.relative_l2_error() <= 3e-6
    assert 0.1 <= solution.estimated_error / solution.relative_l2_error() <= 10
    assert len(solution.approximator.slabs) >= (slabs if slabs == 1 else 3)


def test_slabs_join_continuously_and_cover_the_interval():
    mixture = march(wave(), 1e-8, slabs=4).mixture
    assert mixture.times[0] == 0
    assert mixture.times[-1] == 1
    x = torch.linspace(0, 1, 21, dtype=torch.float64)[1:-1]
    for t in mixture.times[1:-1]:
        before, after = (
            mixture.jet(torch.stack([x, t.expand(19) + shift], 1), ((0, 0), (0, 1)))
            for shift in (-1e-12, 1e-12)
        )
        assert (before - after).abs().max() < 1e-5


def test_a_marched_solution_is_saved_and_loaded_to_the_bit(tmp_path):
    problem = heat()
    solution = solve(problem, tol=1e-5, slabs=2)
    solution.save(tmp_path)
    points = problem.domain.sample(100)
    assert torch.equal(Solution.load(tmp_path, problem).evaluate(points), solution.evaluate(points))


def test_growth_in_time_is_part_of_the_estimate():
    """u_t = u_xx/100 + 12 u amplifies every error e^12-fold: a local estimate would miss that."""
    growing = heat(
        equation=lambda u: u.t - u.xx / 100 - 12 * u,
        exact=lambda x, t: exp((12 - pi**2 / 100) * t) * sin(pi * x),
    )
    solution = solve(growing, tol=1e-6)
    assert 0.1 <= solution.estimated_error / solution.relative_l2_error() <= 10
    assert solution.converged == (solution.estimated_error <= 1e-6)
    assert solution.relative_l2_error() <= 3e-6


class StopAfter(Monitor):
    """The time is up after so many slabs; keeps the last checkpoint as a file would."""

    def __init__(self, slabs, **settings):
        super().__init__(**settings)
        self.most, self.checkpoint_every = slabs, 0.0
        self.on_checkpoint = self.keep

    def out_of_time(self):
        return len(self.history) >= self.most

    def keep(self, state):
        file = io.BytesIO()
        torch.save(state, file)
        file.seek(0)
        self.saved = torch.load(file, weights_only=True)


def burgers():
    return Problem(
        domain=Interval(-1, 1) * second,
        equation=lambda u: u.t + u * u.x - u.xx / 20,
        conditions=[Initial(lambda x: -sin(pi * x)), Dirichlet(0, on=Interval(-1, 1).boundary)],
    )


@pytest.mark.parametrize("problem", [wave(), burgers()], ids=["wave", "burgers"])
def test_a_march_that_is_resumed_ends_with_the_same_numbers(problem):
    whole = march(problem, 1e-6, slabs=6)
    assert len(whole.mixture.slabs) > 3
    stopped = StopAfter(2)
    assert not march(problem, 1e-6, stopped, slabs=6).converged
    resumed = march(problem, 1e-6, Monitor(resume_state=stopped.saved), slabs=6)
    assert resumed.estimates == whole.estimates
    assert torch.equal(resumed.mixture.coefficients, whole.mixture.coefficients)


def test_equal_slabs_of_a_linear_problem_share_their_factors(monkeypatch):
    made = []
    original = CondensedCholesky.__init__
    monkeypatch.setattr(
        CondensedCholesky, "__init__", lambda self, *a, **k: made.append(1) or original(self, *a, **k)
    )
    slabs = march(wave(), 1e-6, slabs=6).mixture
    assert len(slabs.slabs) >= 6
    assert torch.allclose(slabs.times.diff(), slabs.times.diff()[-1])
    assert len(made) < len(slabs.slabs)  # each was solved twice at least, for u and for v


def test_a_slab_whose_residual_would_carry_too_much_to_its_end_is_refined_before_it_is_verified():
    """What earlier slabs made of their residuals is known; the truncation alone may promise more."""
    found = March(burgers(), 1e-6, Monitor(), "cpu", {})
    done = found._beginning()
    plain, _ = found._slab(0.0, 0.1, None, done, 1.0)
    done.passed = 20 * found._allowed(0.1) / plain.residual
    careful, _ = found._slab(0.0, 0.1, None, done, 1.0)
    assert done.passed * careful.residual < 0.5 * done.passed * plain.residual


def test_a_march_that_runs_out_of_memory_keeps_the_slabs_that_it_has(monkeypatch):
    original, message = March._slab, "the factorisation needs 5 GB, 4 GB are free"

    def third_fails(self, a, b, before, done, share):
        if len(done.slabs) == 2:
            raise OutOfMemoryError(message)
        return original(self, a, b, before, done, share)

    monkeypatch.setattr(March, "_slab", third_fails)
    stopped = march(wave(), 1e-6, slabs=6)
    assert len(stopped.mixture.slabs) == 2
    assert not stopped.converged
    assert "needs 5 GB" in stopped.status


def test_slabs_have_the_threads_of_the_march():
    """Small solves set them to one; the next slab must not take that for what the user asked for."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        problem = wave()
        found = March(problem, 1e-6, Monitor(), "cpu", {})
        torch.set_num_threads(1)
        assert found._solver(problem, 1e-6).threads == 2
    finally:
        torch.set_num_threads(before)


def test_a_march_that_begins_again_gives_up_its_factors():
    """They are of slabs that a resumed march no longer knows."""
    found = March(wave(), 1e-6, Monitor(), "cpu", {})
    found._slab(0.0, 0.1, None, done := found._beginning(), 1.0)
    assert found.factors.kept
    done.ends, done.used, done.handed = [0.0, 0.1], [1e-3], 1e-3
    found._begin_again(done)
    assert not found.factors.kept


def test_patches_are_given_up_where_they_are_no_longer_needed():
    """A narrow pulse spreads: the last slab needs fewer unknowns than the first."""
    problem = heat(
        domain=rod * TimeInterval(0, 2),
        conditions=[Initial(lambda x: exp(-2000 * (x - 0.5) ** 2)), Dirichlet(0, on=rod.boundary)],
        exact=None,
    )
    slabs = march(problem, 1e-5).mixture.slabs
    assert len(slabs[-1].coefficients) < 0.5 * max(len(slab.coefficients) for slab in slabs)


@pytest.mark.slow
def test_slabs_are_short_where_a_kink_is_smoothed_out():
    """Periodic initial values x² have a kink at the ends: the error there falls with the length of the first slab."""
    kinked = Problem(
        Interval(-1, 1) * TimeInterval(0, 0.1),
        lambda u: u.t - u.xx,
        [Initial(lambda x: x**2), Periodic("x")],
        exact=lambda x, t: 1 / 3 + sum((-1) ** k * 4 / (k * pi) ** 2 * cos(k * pi * x) * exp(-((k * pi) ** 2) * t)
                                       for k in range(1, 200)),
    )  # fmt: skip
    solution = solve(kinked, tol=1e-4, monitor=Monitor(time_limit=60))
    ends = solution.approximator.times
    assert solution.converged
    assert solution.relative_l2_error() < 3e-4
    assert ends[1] - ends[0] < 0.01 * (ends[-1] - ends[-2])


@pytest.mark.slow
def test_an_unknown_that_begins_with_nothing_is_measured_by_what_it_becomes():
    """U = cos t, v = sin t: near t = 0 a relative error of v would be out of reach of any slab."""
    turning = Problem(
        rod * TimeInterval(0, 1),
        lambda u, v, x: (u.t + v + 0 * x, v.t - u),
        [Initial(1, unknown="u"), Initial(0, unknown="v")],
    )
    marching = March(turning, 1e-6, Monitor(), "cpu", {})
    mixture = march(turning, 1e-6, slabs=1000).mixture
    size = marching._size(marching._beginning(), mixture.slabs[0], 0.0, float(mixture.times[1]))
    assert mixture.times[1] < 0.01
    assert size == pytest.approx([1.0, 1.0], rel=0.01)


def test_a_march_that_is_stopped_claims_nothing_of_what_it_has_not_reached():
    solution = solve(ring(30), tol=1e-10, slabs=8, monitor=StopAfter(2, time_limit=1e9))
    assert not solution.converged
    assert "time limit" in solution.status
    assert solution.reached < 1
    assert solution.relative_l2_error() is None
    assert solution.estimated_error <= 1e-10  # of what it has reached
