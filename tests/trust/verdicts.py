"""Problems of one kind, and the one thing that must be true of each: right, or refused, never verified and wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import Tensor

from pdesolve import Dirichlet, Interval, Problem, Rectangle, solve
from pdesolve.benchmarking.manufactured import manufactured
from pdesolve.checks.check import check
from pdesolve.errors import ProblemError

LINE, SQUARE = Interval(0, 1), Rectangle((0, 0), (1, 1))
MISSED = 3.0  # error over tolerance from which on a verdict is wrong


def stated(operator: Callable[..., Any], exact: Callable[..., Tensor], domain: Any = LINE) -> Problem:
    """L(u) = L(u*) with u = u* on the boundary."""
    equation = manufactured(operator, {"u": exact}, domain.coordinates)
    return Problem(domain, equation, [Dirichlet(exact, on=domain.boundary)], exact=exact)


def require_right(problem: Problem, tol: float, seconds: float = 20.0) -> None:
    """Verified, and as accurate as it says."""
    solution = solve(problem, tol=tol, time_limit=seconds)
    assert solution.converged, solution.status
    assert solution.relative_l2_error() <= MISSED * tol


def require_right_or_refused(problem: Problem, tol: float, seconds: float = 20.0) -> None:
    """Not verified and wrong."""
    try:
        solution = solve(problem, tol=tol, time_limit=seconds)
    except ProblemError:
        return
    assert not solution.converged or solution.relative_l2_error() <= MISSED * tol


def require_refused(problem: Problem, *fragments: str) -> None:
    """Refused by `check` and `solve` with the same sentence."""
    report = check(problem)
    found = [s for s in report.errors if all(fragment in s for fragment in fragments)]
    assert found, report
    with pytest.raises(ProblemError) as raised:
        solve(problem, tol=1e-3)
    assert found[0] in str(raised.value)


def require_undetermined(problem: Problem, *fragments: str) -> None:
    """Solved without a verdict, and the reason named."""
    solution = solve(problem, tol=1e-4, time_limit=20.0)
    assert not solution.converged
    assert all(fragment in solution.status for fragment in ("not determined", *fragments)), solution.status
