"""What both marches lack is part of the estimate; a march whose error will pass the tolerance begins again at once."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import pi

from pdesolve import Initial, Interval, Periodic, Problem, TimeInterval, solve
from pdesolve.marching.shared import Shared
from pdesolve.marching.state import State


def kinked():
    """i h_t + h_xx/2 = 0 from cos πx and a triangle wave; its solution is a series: Σ c_n cos nπx e^{-i(nπ)²t/2}."""
    k = pi * torch.arange(1, 4001, 2, dtype=torch.float64)
    c = -0.04 / k**2
    c[0] += 1

    def series(along):
        def exact(x, t):
            parts = zip(x.split(4000), t.split(4000), strict=True)
            return torch.cat(
                [(torch.cos(a[:, None] * k) * along(b[:, None] * k**2 / 2)) @ c for a, b in parts]
            )

        return exact

    def start(x):
        return torch.cos(pi * x) + 0.01 * (abs(x) - 0.5)

    conditions = [Initial(start, unknown="u"), Initial(0, unknown="v"), Periodic("x")]
    exact = {"u": series(torch.cos), "v": series(lambda z: -torch.sin(z))}
    line = Interval(-1, 1)
    return Problem(
        line * TimeInterval(0, 0.5), lambda u, v: (u.t + v.xx / 2, v.t - u.xx / 2), conditions, exact=exact
    )


def test_waves_of_a_kink_that_neither_march_resolves_are_in_the_estimate():
    # Without what both share, the estimate is 0.42 of the error.
    solution = solve(kinked(), tol=1e-3, time_limit=60)
    assert solution.converged
    assert 0.7 < solution.relative_l2_error() / solution.estimated_error < 1.4


def test_shared_errors_are_orthogonal_to_the_difference():
    # Errors of 5 and 4 that are orthogonal differ by 3.
    found = Shared().after(1.0, 0.0, 3.0, 0.8)
    assert found.square == pytest.approx(16)
    assert found.integral == 0
    # They last as the difference does, and die out with it.
    assert found.after(0.5, 3.0, 3.0, 0.0) == Shared(pytest.approx(16), pytest.approx(8))
    assert found.after(0.5, 3.0, 0.3, 0.0).square == pytest.approx(0.16)


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_an_error_that_grows_as_a_power_of_time_is_foretold(power):
    c, t, end = 1e-4, 1.0, 10.0
    space = SimpleNamespace(evolution=SimpleNamespace(begins=np.array([True])))
    squares = np.array([[c**2 * t ** (2 * power + 1) / (2 * power + 1)], [t]])
    state = State(
        t, SimpleNamespace(space=space), None, 0.1, torch.ones(1), 0.7, squares=squares, handed=c * t**power
    )
    at_the_end = c * end**power / (2 * power + 1) ** 0.5
    interval = TimeInterval(0, end)
    assert state.foretold(interval) == pytest.approx(at_the_end)
    # Ten units of a solution of size one allow an error ∫ e² = 10 tol² in all.
    so_far = float((squares[0, 0] / end) ** 0.5)
    assert state.doomed(interval, so_far / 2.1)
    assert not state.doomed(interval, so_far / 1.9)
