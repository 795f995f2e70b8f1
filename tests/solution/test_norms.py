"""Errors in the norm that was asked for: what is verified is true in it, measured here on grids of our own."""

import math
from dataclasses import replace

import pytest
import torch
from torch import cos, exp, pi, sin

from pdesolve import (
    Dirichlet,
    Eigenvalues,
    Initial,
    Interval,
    Problem,
    Rectangle,
    Solution,
    TimeInterval,
    laplace,
    solve,
)
from pdesolve.errors import SolveError, UsageError
from pdesolve.runs.goal import Goal
from pdesolve.solution.reach import reach

LINE = Interval(0, 1)
TOL = 1e-4
WAVES = Problem(
    LINE,
    lambda u, x: u.xx + (30 * pi) ** 2 * sin(30 * pi * x),
    [Dirichlet(300, on=LINE.boundary)],
    exact=lambda x: 300 + sin(30 * pi * x),
)
COOLING = LINE * TimeInterval(0, 1)
COOLS = Problem(
    COOLING,
    lambda u: u.t - 0.1 * u.xx,
    [Dirichlet(300, on=COOLING.boundary), Initial(lambda x: 300 + sin(3 * pi * x))],
    exact=lambda x, t: 300 + exp(-0.9 * pi**2 * t) * sin(3 * pi * x),
)
DECAYS = Problem(TimeInterval(0, 5), lambda u: u.t + u - 300, [Initial(301)], exact=lambda t: 300 + exp(-t))
THIN = 1e-4
LAYER = Problem(
    LINE,
    lambda u, x: THIN**2 * u.xx - u + 1 + 0 * x,
    [Dirichlet(2, on=LINE.left), Dirichlet(1, on=LINE.right)],
    exact=lambda x: 1 + exp(-x / THIN),
)


def grid(domain, n=400):
    """Points of the closed bounding box, ends included, that the domain contains."""
    lower, upper = domain.bounds
    axes = [
        torch.linspace(float(a), float(b), n, dtype=torch.float64) for a, b in zip(lower, upper, strict=True)
    ]
    points = torch.cartesian_prod(*axes).reshape(n ** len(axes), -1)
    return points[domain.contains(points, domain.rounding)]


def measured(solution, norm, points):
    """The error in a norm from values at evenly spaced points."""
    problem = solution.problem
    true = problem.values(problem.exact, points)[:, 0]
    error = solution.evaluate(points)[:, 0] - true
    if norm == "max":
        return float(error.abs().max() / true.abs().max())
    size = true - true.mean() if norm == "range" else true
    return float((error.norm() / size.norm()).item())


def test_a_tolerance_of_the_range_resolves_what_one_of_the_values_is_blind_to():
    """Waves of a third of a per cent, which no source tells of."""
    k = 20.3 * pi
    exact = lambda x: 300 + sin(k * x)  # noqa: E731
    waves = Problem(
        LINE, lambda u: u.xx + k**2 * (u - 300), [Dirichlet(exact, on=LINE.boundary)], exact=exact
    )
    points = grid(LINE, 5000)
    tol = 1e-3
    blind = solve(waves, tol=tol)
    seen = solve(waves, tol=tol, norm="range")
    assert blind.converged
    assert measured(blind, "range", points) > 0.5
    assert seen.converged
    assert measured(seen, "range", points) <= tol
    assert seen.estimate("range") <= tol
    assert measured(seen, "range", points) <= 3 * seen.estimate("range")
    assert seen.error("range") == pytest.approx(measured(seen, "range", points), rel=0.1)


@pytest.mark.parametrize("norm", ["range", "max"])
@pytest.mark.parametrize("problem", [COOLS, DECAYS], ids=["march", "ordinary"])
def test_evolutions_meet_a_tolerance_in_other_norms(problem, norm):
    solution = solve(problem, tol=1e-6, norm=norm)
    error = measured(solution, norm, grid(problem.domain, 150))
    assert solution.converged
    assert error <= 1e-6
    assert error <= 3 * solution.estimate(norm)


def test_gradients_of_a_march_meet_their_tolerance():
    solution = solve(COOLS, tol=1e-5, norm="h1")
    points = grid(COOLING, 100)
    x, t = points.T
    true = 3 * pi * exp(-0.9 * pi**2 * t) * cos(3 * pi * x)
    error = float((solution.jet(points, ((1, 0),))[:, 0, 0] - true).norm() / true.norm())
    assert solution.converged
    assert error <= min(1e-5, 3 * solution.estimate("h1"))


@pytest.mark.parametrize("norm", ["h1", "max"])
def test_in_a_thin_layer_the_estimate_in_a_sharper_norm_is_true(norm):
    """There the error is many times that of the mean square, which hardly knows of the layer."""
    solution = solve(LAYER, tol=1e-4, norm=norm)
    x = THIN * torch.linspace(0, 20, 20_001, dtype=torch.float64)[:, None]
    values = solution.jet(x, ((0,), (1,)))[:, 0]
    layer = exp(-x[:, 0] / THIN)
    if norm == "max":
        error = float((values[:, 0] - 1 - layer).abs().max()) / 2
    else:
        error = float((values[:, 1] + layer / THIN).norm() / (layer / THIN).norm())
    assert solution.converged
    assert error <= 3 * solution.estimate(norm)
    assert error <= 1e-4
    assert solution.relative_l2_error() < 0.1 * error


def test_an_absolute_error_is_one_in_the_units_of_the_unknown():
    loose = solve(WAVES, absolute={"u": 0.03})
    sharp = solve(WAVES, absolute={"u": 3e-6}, norm="max")
    points = grid(LINE, 5000)
    true = WAVES.values(WAVES.exact, points)
    assert float((loose.evaluate(points) - true).square().mean().sqrt()) <= 0.03
    assert float((sharp.evaluate(points) - true).abs().max()) <= 3e-6
    assert loose.degrees_of_freedom < sharp.degrees_of_freedom
    stated = sharp.summary()["goal"]["unknowns"]["u"]
    assert (stated["tolerance"], stated["absolute"]) == (3e-6, True)
    assert stated["error"] <= 3 * stated["estimated_error"] <= 9e-6


def test_what_has_no_range_but_rounding_is_said_to_have_none():
    flat = Problem(LINE, lambda u: u.xx, [Dirichlet(300, on=LINE.boundary)])
    solution = solve(flat, norm="range")
    assert solution.converged
    assert "u has nothing but rounding in this norm" in solution.status
    assert solution.estimate("range") is None


def test_a_range_that_double_precision_cannot_resolve_is_not_verified():
    faint = Problem(LINE, lambda u, x: u.xx + 1e-7 * pi**2 * sin(pi * x), [Dirichlet(300, on=LINE.boundary)])
    solution = solve(faint, norm="range", tol=1e-6)
    assert not solution.converged
    assert "above the tolerance" in solution.status


def test_a_solution_keeps_its_norm_in_files(tmp_path):
    solution = solve(DECAYS, tol=1e-5, norm="range", absolute={})
    solution.save(tmp_path)
    again = Solution.load(tmp_path, DECAYS)
    assert again.summary()["goal"] == solution.summary()["goal"]
    assert "goal" not in solve(DECAYS, tol=1e-5).summary()


def test_an_attempt_that_fails_leaves_the_answer_before_it_unverified():
    answers = []

    def attempt(_, before):
        if before is not None:
            message = "no slab could be solved"
            raise SolveError(message)
        found = solve(WAVES, tol=1e-3)
        answers.append(found)
        return _answer_of(found)

    found = reach(WAVES, Goal(1e-9, "max"), attempt)
    assert not found.converged
    assert "no slab could be solved" in found.status
    assert found.expansion is answers[0].approximator


def test_a_better_answer_that_is_not_verified_replaces_none():
    first = _answer_of(solve(WAVES, tol=1e-3))
    found = reach(
        WAVES,
        Goal(1e-9, "max"),
        lambda _, before: first if before is None else replace(first, converged=False),
    )
    assert found.expansion is first.expansion
    assert not found.converged
    assert math.isfinite(found.estimates[0])


def _answer_of(solution):
    from pdesolve.runs.answer import Answer

    return Answer(
        solution.approximator, solution.estimates, True, solution.status, verification=solution.verification
    )


def test_what_widens_the_error_of_one_unknown_leaves_the_others(tmp_path):
    """A flux that a body of u loses tells nothing of v: errors in norms and of quantities are of their own unknowns."""
    problem = Problem(
        LINE,
        lambda u, v: (u.xx + u, v.xx + 2 * v),
        [Dirichlet(1, on=LINE.boundary, unknown="u"), Dirichlet(1, on=LINE.boundary, unknown="v")],
        outputs={"both": lambda u, v: u + v, "second": lambda v: v},
    )
    solution = solve(problem, tol=1e-2)
    wide = replace(solution, verification=replace(solution.verification, widened=(50.0, 1.0)))
    wide.save(tmp_path)
    for found in (wide, Solution.load(tmp_path, problem)):
        for norm in ("l2", "max"):
            assert found.estimate(norm, "u") == pytest.approx(50 * solution.estimate(norm, "u"))
            assert found.estimate(norm, "v") == solution.estimate(norm, "v")
        before = solution.integral("both").estimated_error
        assert found.integral("both").estimated_error == pytest.approx(50 * before, rel=1e-3)
        assert found.integral("second").estimated_error == solution.integral("second").estimated_error


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"norm": "rnge"}, "did you mean 'range'"),
        ({"absolute": {"v": 1.0}}, "there is no unknown 'v'"),
        ({"absolute": {"u": -1.0}}, "expected a number above 0"),
        ({"absolute": 0.1}, "expected errors by unknown"),
        ({"absolute": {"u": 1.0}, "norm": "h1"}, "norm h1 measures gradients"),
        ({"norm": "max", "method": "pinn"}, "does not estimate its error"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_a_sentence(asked, sentence):
    with pytest.raises(UsageError, match=sentence):
        solve(WAVES, **asked)


def test_eigenvalues_have_a_tolerance_of_their_own():
    drum = Problem(
        LINE,
        lambda u, lam: u.xx + lam * u,
        [Dirichlet(0, on=LINE.boundary)],
        eigenvalues=Eigenvalues("lam", count=1, near=0),
    )
    with pytest.raises(UsageError, match="that of its eigenvalues"):
        solve(drum, norm="max")


def test_the_residual_is_told_beside_the_largest_term():
    """In other units of length the residual changes by their square, and beside the largest term not at all."""
    shares = []
    for length in (1.0, 1000.0):
        line = Interval(0, length)
        problem = Problem(line, lambda u, x: u.xx + 1 + 0 * x, [Dirichlet(0, on=line.boundary)])
        found = solve(problem, tol=1e-3, cells=3).summary()
        shares.append(found["relative_residual"])
    assert max(shares) < 1e-8


def test_an_infinite_norm_is_never_met():
    """|∇T|² ~ r^-2 beside values that jump; in L2 the same answer is verified."""
    square = Rectangle((0, 0), (1, 1))
    cold = Dirichlet(0, on=square.left | square.right | square.bottom)
    problem = Problem(square, lambda T: -laplace(T), [Dirichlet(1, on=square.top), cold])
    assert solve(problem, tol=1e-2).converged
    solution = solve(problem, tol=1e-2, norm="h1")
    assert not solution.converged
    assert "no estimate in the h1 norm is known" in solution.status
