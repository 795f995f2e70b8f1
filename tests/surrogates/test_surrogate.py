"""Surrogates: true solutions lie within what is estimated, and there is no answer where the estimate is too large."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from pdesolve import (
    Dirichlet,
    Interval,
    Problem,
    Rectangle,
    Surrogate,
    TimeInterval,
    build_surrogate,
    laplace,
    load_problem,
    solve,
)
from pdesolve.cli.main import main
from pdesolve.errors import ProblemError, SolveError, UsageError
from pdesolve.surrogates.box import Box
from pdesolve.surrogates.dependence import find_dependence
from pdesolve.surrogates.regression import fit_regression, judge

PROBLEMS = Path(__file__).parents[2] / "problems"
ROD = Interval(0, 1)
ENDS = [Dirichlet(0, on=ROD.boundary)]
X = np.linspace(0, 1, 41)


def helmholtz(u, k):
    return -u.xx - k**2 * u - 1


def known(k):
    """Of helmholtz: 1/k² (cos(k (x - ½))/cos(k/2) - 1)."""
    return (np.cos(k * (X - 0.5)) / np.cos(k / 2) - 1) / k**2


@pytest.fixture(scope="module")
def surrogate():
    problem = Problem(ROD, helmholtz, ENDS, constants={"k": 1.0})
    return build_surrogate(problem, {"k": (0.5, 8)}, tol=1e-5)


def test_errors_lie_within_the_estimates_and_these_within_the_tolerance(surrogate):
    assert surrogate.converged
    for (k,) in surrogate.box.sample(50, seed=3):
        error = np.linalg.norm(surrogate(X, k=k) - known(k)) / np.linalg.norm(known(k))
        assert error <= 3 * surrogate.estimated_error(k=k)
        assert surrogate.estimated_error(k=k) <= 1e-5


def test_no_answer_is_given_at_a_resonance_and_outside_of_the_box(surrogate):
    assert surrogate.estimated_error(k=math.pi) > 1
    with pytest.raises(UsageError, match=r"no answer is given; least stretch of the operator .* resonance"):
        surrogate(0.5, k=math.pi)
    with pytest.raises(UsageError, match=r"k=8\.1 is outside of 0\.5 to 8"):
        surrogate(0.5, k=8.1)


def test_estimates_stay_above_the_errors_as_a_resonance_comes_near(surrogate):
    for distance in (1e-1, 1e-2, 1e-3, 1e-4, -1e-3):
        k = math.pi + distance
        found = surrogate.at({"k": k})
        c = torch.from_numpy(found.a) @ surrogate.functions
        values = surrogate.base.approximator.with_coefficients(c)(torch.from_numpy(X)[:, None])[:, 0].numpy()
        error = np.linalg.norm(values - known(k)) / np.linalg.norm(known(k))
        assert error <= 3 * found.error


def test_constants_are_asked_for_by_name(surrogate):
    with pytest.raises(UsageError, match=r"kk is no constant of this surrogate.*did you mean 'k'"):
        surrogate(0.5, kk=1)
    with pytest.raises(UsageError, match="needs k, too"):
        surrogate(0.5)
    with pytest.raises(UsageError, match="expected a number from"):
        surrogate(0.5, k="one")


def test_a_saved_surrogate_gives_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = PROBLEMS / "burgers_steady_1d.py"
    made = build_surrogate(file, {"nu": (0.2, 1)}, tol=1e-4)
    made.save("kept")
    found = Surrogate.load("kept")
    assert found(X, nu=0.33).tolist() == made(X, nu=0.33).tolist()
    assert found.estimated_error(nu=0.7) == made.estimated_error(nu=0.7)
    text = Path("kept/surrogate.pt").read_bytes()
    Path("kept/surrogate.pt").write_bytes(text[: len(text) // 2])
    with pytest.raises(UsageError, match="damaged"):
        Surrogate.load("kept")
    with pytest.raises(UsageError, match=r"holds no surrogate\.pt"):
        Surrogate.load(tmp_path)


def test_a_quadratic_problem_is_solved_by_newton():
    file = PROBLEMS / "burgers_steady_1d.py"
    made = build_surrogate(file, {"nu": (0.05, 1)}, tol=1e-4)
    for nu in (0.06, 0.6):
        exact = solve(load_problem(file, {"nu": nu}), tol=1e-7)
        error = np.linalg.norm(made(X, nu=nu) - exact(X)) / np.linalg.norm(exact(X))
        assert error <= 3 * made.estimated_error(nu=nu)
        assert made.estimated_error(nu=nu) <= 1e-4


def test_a_solution_of_a_surrogate_is_an_ordinary_one(surrogate):
    found = surrogate.solution(k=2.0)
    assert found.problem.constants == {"k": 2.0}
    assert found.residual_rms < 1e-2
    assert found(0.5) == surrogate(0.5, k=2.0)


def test_a_regression_learns_the_coefficients_and_can_be_exported(surrogate):
    problem = Problem(ROD, lambda u, a: -u.xx + a * u - 1, ENDS, constants={"a": 1.0})
    made = build_surrogate(problem, {"a": (1, 50)}, tol=1e-5)
    points = made.box.sample(100, seed=5)
    few, many = (fit_regression(made, samples) for samples in (12, 60))
    errors = [judge(made, r(torch.from_numpy(points)).detach().numpy(), points).worst for r in (few, many)]
    assert errors[1] < 1e-4
    assert errors[1] < errors[0]
    for point, a in zip(points[:20], few(torch.from_numpy(points[:20])).detach().numpy(), strict=True):
        error = judge(made, a[None], point[None]).worst
        assert error <= 3 * made.model.judge(point, a).error
    exported = torch.export.export(many, (torch.from_numpy(points),)).module()
    assert torch.equal(exported(torch.from_numpy(points)), many(torch.from_numpy(points)))
    with pytest.raises(UsageError, match="expected 10 or more"):
        fit_regression(surrogate, 3)


def test_systems_have_a_dict_of_values():
    problem = Problem(
        ROD,
        lambda u, v, a: (u.xx - a, v.xx - u),
        [Dirichlet(0, on=ROD.boundary, unknown=name) for name in "uv"],
        constants={"a": 1.0},
    )
    made = build_surrogate(problem, {"a": (1, 3)}, tol=1e-6)
    assert made.size == 1
    assert made(0.5, a=2.5)["u"] == pytest.approx(-2.5 / 8, rel=1e-6)


@pytest.mark.parametrize(
    ("function", "terms", "degree"),
    [
        (lambda k, q: [1.0, k, k**2, q * k, 3 * k - 2], 4, 2),
        (lambda k, q: [1 / k, 2 + 1 / k, q], 3, 1),
        (lambda k, q: [np.log(k) * q, 5.0], 2, 2),
        (lambda k, q: [np.exp(k * q / 4), np.sin(k), 1.0], 10, 16),
    ],
)
def test_the_functions_of_constants_are_found(function, terms, degree):
    box = Box.of({"k": (0.5, 2), "q": (-1, 1)})
    found = find_dependence(box, lambda point: np.array(function(*point)), 1e-9)
    assert len(found.magic) <= terms
    assert found.powers.sum(1).max() <= degree
    basis = np.array([function(*point) for point in found.magic])
    for point in box.sample(5, seed=30):
        assert found(point) @ basis == pytest.approx(np.array(function(*point)), rel=1e-8, abs=1e-8)


def test_a_dependence_that_is_none_is_refused():
    box = Box.of({"k": (0, 1)})
    with pytest.raises(SolveError, match="no sum of products of polynomials reproduces"):
        find_dependence(box, lambda point: np.sign(np.sin(20 * point + np.arange(60))), 1e-8)


def test_what_has_no_surrogate_gets_a_sentence():
    problem = Problem(ROD, helmholtz, ENDS, constants={"k": 1.0})
    with pytest.raises(ProblemError, match="its constants are: k"):
        build_surrogate(problem, {"q": (0, 1)})
    with pytest.raises(UsageError, match="two finite ends that differ"):
        build_surrogate(problem, {"k": (1, 1)})
    with pytest.raises(UsageError, match="needs a constant to vary"):
        build_surrogate(problem, {})
    with pytest.raises(UsageError, match="expected a relative error between 0 and 1"):
        build_surrogate(problem, {"k": (1, 2)}, tol=2)
    evolving = Problem(ROD * TimeInterval(0, 1), lambda u, a: u.t - a, constants={"a": 1.0})
    with pytest.raises(UsageError, match="evolves in time: sweep over its constants"):
        build_surrogate(evolving, {"a": (1, 2)})
    with pytest.raises(UsageError, match="linear or quadratic in its unknowns"):
        build_surrogate(PROBLEMS / "bratu_1d.py", {"lam": (0.5, 1)}, tol=1e-3)


def test_the_command_makes_one_and_refuses_what_is_wrong(tmp_path, capsys):
    file = str(PROBLEMS / "burgers_steady_1d.py")
    out = str(tmp_path / "out")
    assert main(["surrogate", file, "--over", "nu=0.3:1", "--tol", "1e-3", "--out", out, "--quiet"]) == 0
    assert capsys.readouterr().out.startswith("made: ")
    assert Surrogate.load(out).converged
    for over in ("nu=1:1", "nu=0.1", "mu=1:2", "nu=a:b", "nu"):
        assert main(["surrogate", file, "--over", over, "--out", str(tmp_path / "other")]) == 2
        assert capsys.readouterr().err.startswith("error: ")


def test_boundary_values_may_be_what_varies():
    square = Rectangle((0, 0), (1, 1))
    problem = Problem(
        square,
        lambda u: laplace(u),
        [
            Dirichlet(lambda x, a: a * x, on=square.boundary),
        ],
        constants={"a": 1.0},
    )
    made = build_surrogate(problem, {"a": (1, 2)}, tol=1e-6)
    assert made.size == 1
    assert made.estimated_error(a=1.7) <= 1e-6
    assert made(0.25, 0.5, a=1.7) == pytest.approx(0.25 * 1.7, rel=1e-6)


@pytest.mark.slow
def test_the_thermal_block_is_met_at_a_parameter_that_it_was_not_made_from():
    file = PROBLEMS / "thermal_block.py"
    made = build_surrogate(file, {"k2": (0.3, 1)}, tol=5e-3)
    assert made.converged
    exact = solve(load_problem(file, {"k2": 0.47}), tol=5e-4)
    x = torch.rand(400, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).numpy()
    values = exact(x[:, 0], x[:, 1])
    error = np.linalg.norm(made(x[:, 0], x[:, 1], k2=0.47) - values) / np.linalg.norm(values)
    assert error <= 3 * made.estimated_error(k2=0.47) <= 1.5e-2
