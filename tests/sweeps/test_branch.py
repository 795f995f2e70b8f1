"""Branches of solutions: folds at their known places, both solutions below them, estimates that hold."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq

from pdesolve import Dirichlet, Interval, Problem, Solution, TimeInterval, follow_branch, load_problem
from pdesolve.cli.main import main
from pdesolve.errors import ProblemError, SolveError, UsageError

PROBLEMS = Path(__file__).parents[2] / "problems"
BRATU = PROBLEMS / "bratu_1d.py"
# λ = 8 (t / cosh t)² is largest where t tanh t = 1.
TURN = brentq(lambda t: t * math.tanh(t) - 1, 1, 2)
FOLD = 8 * (TURN / math.cosh(TURN)) ** 2


def middle(lam, upper):
    """u(½) = 2 ln cosh t of the solution of Bratu's problem below or above the fold."""
    low, high = (TURN, 10) if upper else (0, TURN)
    return 2 * math.log(math.cosh(brentq(lambda t: 8 * (t / math.cosh(t)) ** 2 - lam, low, high, xtol=1e-15)))


@pytest.fixture(scope="module")
def bratu():
    return follow_branch(BRATU, "lam", 2.5, 4.0, tol=1e-6)


def test_the_fold_of_bratus_problem_is_where_it_is_known_to_be(bratu):
    ((value, error),) = bratu.folds
    assert abs(value - FOLD) <= max(3 * error, 1e-11)
    assert abs(value - 3.513830719) < 1e-9


def test_both_solutions_are_on_the_branch_within_their_estimates(bratu):
    fold = int(bratu["fold"].argmax())
    assert fold > 3
    assert bratu.points - fold > 3
    for i in range(0, bratu.points, 3):
        if i == fold:
            continue
        known = middle(bratu["lam"][i], upper=i > fold)
        error = abs(bratu.solution(i)(0.5) / known - 1)
        assert error <= 10 * (bratu["estimated_error"][i] + bratu["lam_error"][i]) + 1e-11
        assert bratu["estimated_error"][i] <= 1e-6


def test_a_branch_ends_at_the_end_of_its_range(bratu):
    assert bratu["lam"][-1] == pytest.approx(2.5, abs=1e-6)
    assert "has come to 2.5" in bratu.status
    up = follow_branch(BRATU, "lam", 1.0, 1.5, tol=1e-4)
    assert up["lam"][-1] == pytest.approx(1.5, abs=1e-6)
    assert not up.folds
    assert (np.diff(up["lam"]) > 0).all()


def test_a_linear_problem_has_a_branch_without_folds():
    rod = Interval(0, 1)
    problem = Problem(rod, lambda u, a: u.xx + a, [Dirichlet(0, on=rod.boundary)], constants={"a": 1.0})
    branch = follow_branch(problem, "a", 1.0, 3.0)
    assert not branch.folds
    assert branch.solution(branch.points - 1)(0.5) == pytest.approx(3 / 8, rel=1e-8)


def test_what_cannot_be_followed_gets_a_sentence():
    problem = load_problem(BRATU)
    with pytest.raises(ProblemError, match="its constants are: lam; did you mean 'lam'"):
        follow_branch(problem, "lamb", 1, 2)
    with pytest.raises(UsageError, match="two finite values that differ"):
        follow_branch(problem, "lam", 1, 1)
    with pytest.raises(SolveError, match="there is no solution to begin with at lam = 5"):
        follow_branch(problem, "lam", 5, 6)
    rod = Interval(0, 1)
    evolving = Problem(rod * TimeInterval(0, 1), lambda u, a: u.t - a, constants={"a": 1.0})
    with pytest.raises(UsageError, match="this problem evolves in time"):
        follow_branch(evolving, "a", 1, 2)


def test_the_command_writes_table_picture_and_solutions(tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["branch", str(BRATU), "--along", "lam=3:4", "--tol", "1e-4", "--out", str(out), "--quiet"]
    assert main(arguments) == 0
    assert "folds at lam = 3.51383" in capsys.readouterr().out
    lines = (out / "branch.csv").read_text().splitlines()
    assert lines[0] == "lam,lam_error,rms_u,estimated_error,fold,degrees_of_freedom,verdict"
    kept = Solution.load(out / "0001")
    assert kept.problem.constants["lam"] == float(lines[2].split(",")[0])
    assert (out / "branch.png").stat().st_size > 1000
    assert main(arguments) == 2
    for along in ("lam=1", "lam=a:b", "lam=1:1", "lamb=1:2"):
        assert main(["branch", str(BRATU), "--along", along, "--out", str(tmp_path / "other")]) == 2


@pytest.mark.slow
def test_the_fold_on_a_square_is_the_published_one():
    branch = follow_branch(PROBLEMS / "bratu_2d.py", "lam", 6.75, 7.0, tol=1e-4)
    ((value, error),) = branch.folds
    assert abs(value - 6.808124423) <= max(3 * error, 1e-8)
