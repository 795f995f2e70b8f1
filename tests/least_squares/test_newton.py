"""One driver and one line search, whatever the rows are."""

from dataclasses import dataclass

import pytest
import torch

from pdesolve.errors import OutOfTimeError
from pdesolve.least_squares.newton import Linearisation, Point, backtrack, newton
from pdesolve.runs.monitor import Monitor


@dataclass
class Blocks:
    """r = (c² - a, c - √a) in two blocks, as rows on patches come in lists."""

    a: torch.Tensor
    evaluations: int = 0

    def at(self, c):
        self.evaluations += 1
        r = [c**2 - self.a, c - self.a.sqrt()]
        return Point(c, r, 0.5 * float(sum(part.square().sum() for part in r)))

    def linearise(self, point):
        r, s = point.residual
        δ = -(2 * point.c * r + s) / (4 * point.c**2 + 1)
        return Linearisation(point, δ, float(r @ (2 * point.c * δ) + s @ δ))

    def along(self, model, t):
        return self.at(model.point.c + t * model.direction)


@dataclass
class Until:
    """Ends at a small step, or after so many."""

    most: int = 50
    steps: int = 0

    def before(self, _):
        return "limit" if self.steps >= self.most else None

    def after(self, step):
        self.steps += 1
        assert step.after.merit < step.before.merit
        return "converged" if float(step.direction.norm()) < 1e-9 else None

    def stuck(self, *_):
        return "stuck"


A = torch.tensor([2.0, 9.0, 0.25], dtype=torch.float64)


def test_rows_in_blocks_are_solved():
    rows, stop = Blocks(A), Until()
    last, verdict = newton(rows, rows.at(torch.ones_like(A)), stop)
    torch.testing.assert_close(last.c, A.sqrt())
    assert verdict in ("converged", "stuck")
    assert stop.steps < 10


def test_limits_are_asked_before_a_linearisation():
    rows, stop = Blocks(A), Until(most=2)
    _, verdict = newton(rows, rows.at(torch.ones_like(A)), stop)
    assert (verdict, stop.steps) == ("limit", 2)


def test_a_direction_that_does_not_descend_is_not_tried():
    rows = Blocks(A)
    point = rows.at(torch.ones_like(A))
    assert backtrack(rows, Linearisation(point, torch.ones_like(A), 0.0)) is None
    assert rows.evaluations == 1


def test_a_step_that_is_too_long_is_halved():
    rows = Blocks(A)
    point = rows.at(torch.ones_like(A))
    model = rows.linearise(point)
    step = backtrack(rows, Linearisation(point, 16 * model.direction, 16 * model.slope))
    assert step is not None
    assert 0 < step.length < 1
    assert step.after.merit < point.merit


def test_slack_lets_a_step_pass_that_gains_nothing():
    rows = Blocks(A)
    point = rows.at(A.sqrt())
    model = Linearisation(point, torch.full_like(A, 1e-9), -1e-30)
    assert backtrack(rows, model, shortest=0.5) is None
    assert backtrack(rows, model, slack=1e-12) is not None


def test_a_deadline_is_heard():
    rows = Blocks(A)
    with pytest.raises(OutOfTimeError), Monitor(time_limit=0.0).enforce():
        newton(rows, rows.at(torch.ones_like(A)), Until())
