"""Continuation: a solution that is not found from zero is reached through easier values of a constant."""

import pytest
import torch

from pdesolve import Dirichlet, Interval, Problem, solve
from pdesolve.adaptive.continuation import starting_value
from pdesolve.errors import SolveError, UsageError

LINE = Interval(0, 1)


def carrier(eps=1e-3):
    """ε u'' + u u' - u = 0, u(0) = -1, u(1) = 3/2: slope one at both ends, joined by a layer (O'Malley 1991)."""
    return Problem(
        LINE,
        lambda u, eps: eps * u.xx + u * u.x - u,
        [Dirichlet(-1, on=LINE.left), Dirichlet(1.5, on=LINE.right)],
        constants={"eps": eps},
    )


def bratu(lam):
    """-u'' = λ e^u, u = 0 at the ends: two solutions below λ = 3.5138, none above."""
    return Problem(
        LINE,
        lambda u, lam: -u.xx - lam * torch.exp(u),
        [Dirichlet(0, on=LINE.boundary)],
        constants={"lam": lam},
    )


@pytest.mark.slow
def test_what_fails_from_zero_is_reached():
    assert not solve(carrier(), tol=1e-6, time_limit=5).converged
    solution = solve(carrier(), tol=1e-6, continuation="eps:0.1", time_limit=60)
    assert solution.converged, solution.status
    x = torch.tensor([0.1, 0.9], dtype=torch.float64)
    outer = torch.tensor([-0.9, 1.4], dtype=torch.float64)  # u = x - 1 and u = x + 1/2 away from the layer
    assert torch.allclose(torch.as_tensor(solution(x)), outer, atol=1e-3)


def test_beyond_a_fold_there_is_a_sentence_and_no_solution():
    with pytest.raises(SolveError, match="a fold"):
        solve(bratu(5.0), tol=1e-6, continuation="lam:0.5", time_limit=60)


def test_the_end_of_the_path_is_the_problem_as_stated():
    plain, continued = (solve(bratu(3.0), tol=1e-8, **extra) for extra in ({}, {"continuation": "lam:0.1"}))
    assert continued.converged
    x = torch.linspace(0, 1, 11, dtype=torch.float64)
    assert torch.allclose(torch.as_tensor(plain(x)), torch.as_tensor(continued(x)), atol=1e-7)


@pytest.mark.parametrize(
    ("setting", "sentence"), [("nu", "is no constant"), ("eps:fast", "expected a number")]
)
def test_a_wrong_setting_is_refused_with_a_sentence(setting, sentence):
    with pytest.raises(UsageError, match=sentence):
        starting_value(carrier(), setting)
