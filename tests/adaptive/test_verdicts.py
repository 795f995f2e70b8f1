"""Kinds of problems that were wrong and called verified: each is right, or refused, at every tolerance."""

import pytest
import torch
from torch import pi, sin

from pdesolve import Dirichlet, Interval, Problem
from pdesolve.adaptive.solve import solve_adaptively
from pdesolve.runs.monitor import Monitor

line = Interval(0, 1)
TOLERANCES = (1e-1, 1e-2, 1e-3)


def answer(problem: Problem, tol: float, seconds: float = 20.0):
    return solve_adaptively(problem, tol, Monitor(time_limit=seconds))


def error(result, exact, unknown: int = 0) -> float:
    """Relative L2 error of one unknown on (0, 1), exact(x) for x (n,)."""
    x = torch.linspace(0, 1, 4001, dtype=torch.float64)
    expected = torch.as_tensor(exact(x))
    return float((result.mixture(x[:, None])[:, unknown] - expected).norm() / expected.norm())


REACTIONS = {
    "where": lambda u: torch.where(u > 0.01, u, u**3),
    "abs": lambda u: torch.abs(u - 0.5),
    "relu": lambda u: 5 * torch.relu(u - 0.3),
    "clamp": lambda u: 3 * torch.clamp(u, 0.0, 0.4),
    "maximum": lambda u: torch.maximum(u, 2 * u - 0.2),
}


@pytest.mark.parametrize("tol", TOLERANCES)
@pytest.mark.parametrize("name", REACTIONS)
def test_an_equation_that_is_linear_in_pieces_is_no_linear_equation(name, tol):
    reaction = REACTIONS[name]
    problem = Problem(
        line,
        lambda u, x: -u.xx + reaction(u) - pi**2 * sin(pi * x) - reaction(sin(pi * x)),
        [Dirichlet(0, on=line.boundary)],
    )
    result = answer(problem, tol)
    assert result.converged
    assert error(result, lambda x: sin(pi * x)) < 3 * tol
