"""Eigenvalue problems in which λ stands before a derivative or in a denominator, or that are nonlinear in u."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import ellipk

from pdesolve import Condition, Dirichlet, Eigenvalues, Interval, Problem, follow_branch, load_problem, solve

PROBLEMS = Path(__file__).parents[2] / "problems"
LINE = Interval(0, 1)


def assert_true(solution, exact, factor=5.0):
    error = np.abs(solution.eigenvalues - exact)
    assert solution.converged, solution.status
    assert (error <= np.maximum(factor * solution.eigenvalue_errors, 1e-12 * np.abs(exact))).all(), error


def test_a_clamped_column_buckles_at_its_loads():
    between = 2 * brentq(lambda x: np.sin(x) - x * np.cos(x), 4.0, 4.7, xtol=1e-15)
    exact = [4 * np.pi**2, between**2, 16 * np.pi**2]
    assert_true(solve(load_problem(PROBLEMS / "buckling_1d.py"), tol=1e-7), exact)


def test_a_pinned_column_buckles_at_eulers_loads():
    def buckling(u, lam):
        return u.xxxx + lam * u.xx

    pins = [Dirichlet(0, on=LINE.boundary), Condition(lambda u: u.xx, on=LINE.boundary)]
    problem = Problem(LINE, buckling, pins, eigenvalues=Eigenvalues("lam", count=3))
    assert_true(solve(problem, tol=1e-7), np.pi**2 * np.array([1, 4, 9]))


def test_a_condition_may_have_the_eigenvalue_in_a_denominator():
    found = solve(load_problem(PROBLEMS / "loaded_string.py"), tol=1e-7)
    root = np.sqrt(found.eigenvalues)
    assert found.converged
    assert np.abs((1 - root**2) * np.cos(root) - root * np.sin(root)).max() < 1e-8
    assert np.allclose(found.eigenvalues, [0.4573183, 4.4820243, 24.2187014], rtol=1e-7)


@pytest.mark.parametrize("g", [0.0, 10.0])
def test_the_ground_state_of_a_condensate_obeys_the_virial_theorem(g):
    found = solve(load_problem(PROBLEMS / "gross_pitaevskii_1d.py").with_constants({"g": g}), tol=1e-7)
    x = np.linspace(-3, 3, 9)
    values = found(x)
    numbers = found.quantities()
    assert found.converged
    assert (values["u"] > 0).all()
    assert np.ptp(values["mu"]) < 1e-7
    assert abs(numbers["virial"]) < 1e-6
    assert abs(found.integral(lambda u: u**2) - 1) < 1e-6
    # μ = E + (g/2) ∫ u⁴, and both are 1 without interaction.
    interaction = found.integral(lambda u: u**4)
    assert values["mu"][4] == pytest.approx(numbers["energy"] + g / 2 * interaction, abs=1e-6)
    assert g or values["mu"][4] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.slow
def test_the_bent_states_of_a_rod_end_at_eulers_load_and_go_on_to_the_other_side():
    """λ = 4 K(m)², m = sin²(θ(0)/2): θ goes through zero at λ = π², where the branch turns back."""
    branch = follow_branch(PROBLEMS / "elastica.py", "load", 12.0, 5.0, tol=1e-4)
    ((value, error),) = branch.folds
    fold = int(branch["fold"].argmax())
    assert abs(value - math.pi**2) <= max(3 * error, 1e-10)
    assert branch["load"][-1] == pytest.approx(12.0, abs=1e-6)
    assert branch.points < 100
    for i, sign in ((0, 1), (fold // 2, 1), (branch.points - 1, -1)):
        angle = branch.solution(i)(0.0)
        assert math.copysign(1, angle) == sign
        assert branch["load"][i] == pytest.approx(4 * ellipk(math.sin(angle / 2) ** 2) ** 2, rel=1e-4)
