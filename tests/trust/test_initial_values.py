"""Initial value problems on an interval, where a minimum of the residual may be far from the solution."""

import pytest
import torch
from verdicts import require_right_or_refused

from pdesolve import Dirichlet, Interval, Neumann, Problem, solve

LONG = Interval(0, 60)
START = Dirichlet(1e-3, on=LONG.left)

GROWING = {
    "logistic": Problem(
        LONG,
        lambda u: u.x - 0.5 * u * (1 - u),
        [START],
        exact=lambda x: 1 / (1 + 999 * torch.exp(-0.5 * x)),
    ),
    "exponential": Problem(LONG, lambda u: u.x - 0.5 * u, [START], exact=lambda x: 1e-3 * torch.exp(0.5 * x)),
    "approach": Problem(
        LONG, lambda u: u.x + u * (u - 1), [START], exact=lambda x: 1 / (1 + 999 * torch.exp(-x))
    ),
    "front": Problem(
        LONG,
        lambda u: u.x - (1 - u**2),
        [Dirichlet(-0.9999, on=LONG.left)],
        exact=lambda x: torch.tanh(x - 4.951718775643098),
    ),
    "second order": Problem(
        LONG,
        lambda u: u.xx - 0.04 * u,
        [START, Neumann(-2e-4, on=LONG.left)],
        exact=lambda x: 1e-3 * torch.exp(0.2 * x),
    ),
}


@pytest.mark.parametrize("name", GROWING)
@pytest.mark.parametrize("tol", [1e-1, 1e-2, 1e-4])
def test_what_grows_from_little_is_right_or_refused(name, tol):
    require_right_or_refused(GROWING[name], tol, seconds=5.0)


def test_an_epidemic_from_a_few_cases_is_not_verified_where_it_does_not_begin():
    """95 % have been infected in the end (R₀ = 3.2); a minimum of the residual has no epidemic at all."""
    states = [("S", 0.995), ("I", 0.005), ("R", 0.0)]
    problem = Problem(
        LONG,
        lambda S, I, R: (S.x + 0.8 * S * I, I.x - 0.8 * S * I + I / 4, R.x - I / 4),  # noqa: E741
        [Dirichlet(value, on=LONG.left, unknown=name) for name, value in states],
    )
    for tol in (1e-1, 1e-2, 1e-4):
        solution = solve(problem, tol=tol, time_limit=5.0)
        removed = float(solution.approximator(torch.tensor([[60.0]], dtype=torch.float64))[0, 2])
        assert not solution.converged or removed == pytest.approx(0.9527, abs=0.05)
