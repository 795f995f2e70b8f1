"""Method `network` with modules, classes and functions of the user's own, and with torch's optimisers."""

import pytest
import torch

from pdesolve import Dirichlet, Problem, Rectangle, UsageError, laplace, solve
from pdesolve.training.minimiser import Settings
from pdesolve.training.torch_optimiser import using

SQUARE = Rectangle((0, 0), (1, 1))
PROBLEM = Problem(SQUARE, lambda u: -laplace(u) - 1, [Dirichlet(0, on=SQUARE.boundary)])


class MyNet(torch.nn.Module):
    def __init__(self, inputs, outputs=1, width=8):
        super().__init__()
        self.first = torch.nn.Linear(inputs, width)
        self.last = torch.nn.Linear(width, outputs)

    def forward(self, x):
        return self.last(torch.tanh(self.first(x)))


def made(inputs, outputs):
    return MyNet(inputs, outputs)


def trained(approximator, optimiser="ssbroyden", **settings):
    settings = {"iterations": 20, "points": 100, **settings}
    return solve(PROBLEM, "network", approximator=approximator, optimiser=optimiser, **settings)


@pytest.mark.parametrize("approximator", [MyNet, made, MyNet(2)], ids=["class", "function", "instance"])
def test_a_module_or_what_makes_one_is_trained(approximator):
    rows = []
    solution = trained(approximator, adam_iterations=20, on_record=rows.append)
    assert rows == solution.history
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert 0.0 < solution(0.5, 0.5) < 0.2


def test_an_instance_is_left_as_it_is_so_that_a_second_solve_gives_the_same():
    net = MyNet(2)
    before = [p.clone() for p in net.parameters()]
    first, second = (trained(net, adam_iterations=5, iterations=5) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    assert first(0.3, 0.6) == second(0.3, 0.6)


def adam(parameters):
    return torch.optim.Adam(parameters, lr=1e-2)


def falling(parameters):
    optimiser = torch.optim.SGD(parameters, lr=1e-2, momentum=0.9)
    return optimiser, torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.99)


def lbfgs(parameters):
    return torch.optim.LBFGS(parameters, line_search_fn="strong_wolfe")


@pytest.mark.parametrize("optimiser", [adam, falling, lbfgs])
def test_optimisers_of_torch_lower_the_loss(optimiser):
    solution = trained(MyNet, optimiser, iterations=40)
    losses = [row["loss"] for row in solution.history]
    assert losses[-1] < losses[0]
    assert {row["optimiser"] for row in solution.history} == {"torch"}


def quadratic(theta):
    scales = torch.arange(1.0, 4.0, dtype=theta.dtype)
    return 0.5 * (scales * theta**2).sum(), scales * theta


def test_the_steps_are_those_of_torch():
    ours = using(adam)(quadratic, torch.ones(3, dtype=torch.float64), None, Settings(iterations=7))
    theta = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
    optimiser = adam([theta])
    for _ in range(7):
        theta.grad = quadratic(theta.detach())[1]
        optimiser.step()
    assert torch.equal(ours.theta, theta.detach())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"approximator": 3}, "expected a word, or what makes one"),
        ({"approximator": torch.nn.Linear(3, 1)}, r"Linear cannot take points \(3, 2\)"),
        ({"approximator": torch.nn.Tanh()}, "Tanh has no trainable parameters"),
        ({"approximator": lambda inputs: inputs}, "made a int; expected a torch.nn.Module"),
        ({"approximator": MyNet, "depth": 3}, "give them to your own where you make it"),
        ({"approximator": MyNet, "optimiser": lambda p: p}, "expected a torch.optim.Optimizer"),
        ({"approximator": MyNet, "optimiser": torch.optim.lr_scheduler.StepLR}, "could not be made"),
    ],
)
def test_what_cannot_be_trained_gets_a_sentence(settings, sentence):
    with pytest.raises(UsageError, match=sentence):
        solve(PROBLEM, "network", iterations=1, **settings)


def test_a_solution_whose_network_is_in_no_file_says_so_when_it_is_saved(tmp_path):
    solution = trained(MyNet, adam_iterations=1, iterations=1)
    with pytest.raises(UsageError, match="put its class into a file"):
        solution.save(tmp_path)
