"""Starts that do not match, with coefficients of the unknown: no linearisation serves all stages of the first slab."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_bvp
from torch import exp

from pdesolve import Dirichlet, Initial, Interval, Neumann, Problem, TimeInterval, solve
from pdesolve.errors import SolveError
from pdesolve.marching.newton_krylov import MOST_CORRECTIONS, NewtonKrylov

WALL = Interval(0, 1)
SHORT = TimeInterval(0, 0.004)  # heat gets to 0.2 of the wall at most


def similar(capacity, start):
    """T(x, t) = f(x/√t) with -η/2 c(f) f' = f'', f(0) = 1, f(∞) = start: an ordinary boundary value problem."""
    eta = np.linspace(0, 16, 400)
    guess = np.array([start + (1 - start) * np.exp(-eta), -(1 - start) * np.exp(-eta)])
    found = solve_bvp(
        lambda e, y: np.array([y[1], -e / 2 * capacity(y[0]) * y[1]]),
        lambda a, b: np.array([a[0] - 1, b[0] - start]),
        eta,
        guess,
        tol=1e-8,
        max_nodes=20_000,
    )
    assert found.success
    return lambda x, t: found.sol(np.minimum(x / np.sqrt(t), 16.0))[0]


def test_a_wall_that_is_heated_at_once_has_the_solution_of_the_half_space():
    problem = Problem(
        WALL * SHORT,
        lambda u: exp(2 * u) * u.t - u.xx,
        [Initial(0), Dirichlet(1, on=WALL.left), Neumann(0, on=WALL.right)],
    )
    found = solve(problem, tol=1e-2)
    assert found.converged
    exact = similar(lambda u: np.exp(2 * u), 0.0)
    x, t = np.meshgrid((np.arange(400) + 0.5) / 400, 0.004 * (np.arange(50) + 0.5) / 50)
    truth = exact(x, t)
    assert np.linalg.norm(found(x, t) - truth) <= 0.03 * np.linalg.norm(truth)


def small(residual, preconditioner, interrupted=lambda: False, factorise=lambda stages: None):  # noqa: ARG005
    """An algebraic system in place of a slab: two stages of one patch, one unknown, three coefficients."""
    return NewtonKrylov(
        lambda u: -(residual(u).flatten() @ preconditioner.T).view_as(u),
        factorise,
        lambda delta, u: float(delta.norm() / u.norm()),
        torch.ones(1, 1, dtype=torch.float64),
        interrupted,
    )


STAGES = torch.linspace(0.5, 3, 6, dtype=torch.float64).view(2, 1, 1, 3)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_it_converges_where_the_preconditioner_is_off_by_twenty(scale):
    """Passes diverge: P is 1/20 to 20 of the inverse of the Jacobian."""
    target = STAGES.flip(0)
    off = torch.diag(torch.logspace(-1.3, 1.3, 6, dtype=torch.float64))
    solver = small(lambda u: (u / scale) ** 3 - target, off * scale)
    found, changes = solver.solve(STAGES * scale, 1e-9)
    assert len(changes) <= 12
    torch.testing.assert_close(found, target ** (1 / 3) * scale, rtol=1e-8, atol=0)


def test_it_begins_at_rest():
    """Differences are taken in units of what the stages become: from zero they were 0/ε, and passes alone ascend."""
    target = STAGES.flip(0)
    off = -torch.diag(torch.logspace(-1.3, 1.3, 6, dtype=torch.float64))
    found, changes = small(lambda u: u + u**3 / 10 - target, off).solve(torch.zeros_like(STAGES), 1e-9)
    assert len(changes) <= 10
    torch.testing.assert_close(found + found**3 / 10, target, rtol=1e-8, atol=0)


def test_a_step_to_where_nothing_is_finite_is_halved():
    def residual(u):
        if bool((u <= 0).any()):
            message = "the root of a negative number"
            raise SolveError(message)
        return u.sqrt() - 0.1

    found, _ = small(residual, torch.eye(6, dtype=torch.float64)).solve(STAGES, 1e-9)
    torch.testing.assert_close(found, torch.full_like(STAGES, 0.01))


def test_a_step_that_overshoots_is_halved():
    """Newton's own steps for arctan diverge from a distance of 1.4 on."""
    solver = small(lambda u: torch.atan(u - 1), torch.eye(6, dtype=torch.float64) * 10)
    found, _ = solver.solve(1 + STAGES, 1e-9)
    torch.testing.assert_close(found, torch.ones_like(STAGES))


def test_what_has_no_solution_ends_without_one():
    found, _ = small(lambda u: u**2 + 1, torch.eye(6, dtype=torch.float64)).solve(STAGES, 1e-6)
    assert found is None


def test_it_ends_where_time_is_over_and_where_there_are_no_factors():
    eye = torch.eye(6, dtype=torch.float64)
    calls = []
    stopped = small(lambda u: u**3 - 1, eye, interrupted=lambda: bool(calls.append(1)) or len(calls) > 1)
    assert stopped.solve(STAGES, 1e-14)[0] is None
    assert stopped.corrections < 60 < MOST_CORRECTIONS

    def singular(stages):
        del stages
        message = "no factors"
        raise SolveError(message)

    assert small(lambda u: u, eye, factorise=singular).solve(STAGES, 1e-6) == (None, ())
