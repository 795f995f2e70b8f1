"""What the package tells a program that listens: levels and slabs, and every decision where that is asked for."""

import logging

import torch

from pdesolve import Dirichlet, Initial, Interval, Problem, Rectangle, TimeInterval, laplace, solve

SQUARE = Rectangle((0, 0), (1, 1))
POISSON = Problem(SQUARE, lambda u: -laplace(u) - 1, [Dirichlet(0, on=SQUARE.boundary)], name="membrane")
LINE = Interval(0, 1)
# The first slabs from data that do not match the boundary are refused.
HEAT = Problem(
    LINE * TimeInterval(0, 1),
    lambda u: u.t - u.xx,
    [Initial(lambda x: 1 + 0 * x), Dirichlet(0, on=LINE.boundary)],
)


def lines(caplog, level):
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_nothing_is_printed_unless_a_program_listens():
    handlers = logging.getLogger("pdesolve").handlers
    assert any(isinstance(handler, logging.NullHandler) for handler in handlers)
    assert logging.getLogger("pdesolve").level == logging.NOTSET


def test_every_row_of_the_history_is_a_line_between_the_first_and_the_last(caplog):
    with caplog.at_level(logging.INFO, "pdesolve"):
        solution = solve(POISSON, tol=1e-4)
    told = lines(caplog, logging.INFO)
    assert told[0] == "membrane: method gmnm to 0.0001"
    assert told[-1] == f"membrane: {solution.status}"
    assert len(told) == 2 + len(solution.history)
    assert told[1].startswith("level 1, patches ")
    assert not lines(caplog, logging.DEBUG)


def test_decisions_are_told_where_they_are_asked_for(caplog):
    with caplog.at_level(logging.DEBUG, "pdesolve"):
        solve(POISSON, tol=1e-4)
    told = lines(caplog, logging.DEBUG)
    assert any(line.endswith("makes the verdict Verify()") for line in told)
    assert told[-1].endswith("makes the verdict Accept(but=None)")


def test_a_refused_step_says_where_and_why(caplog):
    with caplog.at_level(logging.DEBUG, "pdesolve"):
        solve(HEAT, tol=1e-2)
    refused = [line for line in lines(caplog, logging.DEBUG) if " is refused: " in line]
    assert refused
    assert all(line.startswith("the slab of length ") and "next length" in line for line in refused)


# ---------------------------------------------------------------- random numbers


class Net(torch.nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.inner = torch.nn.Sequential(
            torch.nn.Linear(inputs, 4), torch.nn.Tanh(), torch.nn.Linear(4, outputs)
        )

    def forward(self, x):
        return self.inner(x)


def trained(seed):
    options = {"iterations": 3, "points": 50, "adam_iterations": 2, "seed": seed}
    return solve(POISSON, "network", approximator=Net, **options)(0.3, 0.4)


def test_a_solve_leaves_the_generator_of_torch_where_it_was():
    before = torch.get_rng_state()
    first = trained(0)
    solve(POISSON, tol=1e-2)
    assert torch.equal(torch.get_rng_state(), before)
    # What is drawn in between is drawn from the seed all the same.
    torch.rand(3)
    assert trained(0) == first
    assert trained(1) != first
