"""Weights of the parts of a loss, points that are drawn anew: what they do, and what they refuse."""

import pytest
import torch

from pdesolve import Dirichlet, Interval, Problem, solve
from pdesolve.errors import UsageError
from pdesolve.trained.networks import NETWORKS, build_network
from pdesolve.trained.sampling import Sampling, compile_statement, start_parameters
from pdesolve.trained.system import System
from pdesolve.trained.weighing import weighted

LINE = Interval(0, 1)
PROBLEM = Problem(LINE, lambda u, x: u.xx + 1 + 0 * x, [Dirichlet(3, on=LINE.boundary)])


@pytest.fixture(scope="module")
def parts():
    """Groups of the loss, and a group ↦ the loss that it alone makes, for a small network."""
    statement = compile_statement(PROBLEM, torch.float64, torch.device("cpu"), 0, False)
    network = build_network(
        NETWORKS["mlp-tanh"], 40, 1, 1, PROBLEM.domain.bounds, seed=0, dtype=torch.float64
    )
    start = start_parameters(PROBLEM, torch.float64, torch.device("cpu"))
    groups = statement.sample(Sampling(interior=50), 0)
    return groups, lambda group: System(network, [group], statement.sizes, start)


def gradient(alone, group):
    system = alone(group)
    return system.loss_and_gradient(system.theta)[1]


def test_a_weight_multiplies_the_loss_of_its_part(parts):
    groups, alone = parts
    for before, after in zip(groups, weighted(groups, "dirichlet=100", alone), strict=True):
        times = {"dirichlet": 100.0}.get(before.kind, 1.0)
        assert torch.allclose(gradient(alone, after), times * gradient(alone, before), rtol=1e-12)


def test_adaptive_weights_make_the_gradients_of_all_parts_equally_large(parts):
    groups, alone = parts
    sizes = [float(gradient(alone, group).norm()) for group in weighted(groups, "adaptive", alone)]
    before = [float(gradient(alone, group).norm()) for group in groups]
    assert max(before) > 2 * min(before)
    assert max(sizes) == pytest.approx(min(sizes), rel=1e-10)
    assert max(sizes) == pytest.approx(sum(before), rel=1e-10)


def test_points_are_drawn_anew_as_often_as_asked(monkeypatch):
    drawn = []
    replace_groups = System.replace_groups
    monkeypatch.setattr(
        System, "replace_groups", lambda self, groups: drawn.append(groups) or replace_groups(self, groups)
    )
    options = {"optimiser": "adam", "iterations": 12, "parameters": 30, "points": 40}
    solve(PROBLEM, "network", resample_every=3, **options)
    often = len([groups for groups in drawn if len(groups)])
    drawn.clear()
    solve(PROBLEM, "network", **options)
    assert often >= len([groups for groups in drawn if len(groups)]) + 3


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"weights": "boundary=10"},
            "no part 'boundary' of the loss; expected adaptive, or one of dirichlet, equation",
        ),
        ({"weights": {"equation": 0}}, "expected a number above 0"),
        ({"weights": "equation"}, "expected a number above 0"),
        ({"weights": "adaptive", "optimiser": "lm"}, "solves least squares of all rows"),
        ({"resample_every": 1, "optimiser": "lm"}, "solves least squares of all rows"),
        ({"resample_every": 0}, "expected a positive whole number"),
    ],
)
def test_settings_without_sense_are_refused_in_a_sentence(settings, sentence):
    with pytest.raises(UsageError, match=sentence):
        solve(PROBLEM, "network", iterations=2, parameters=30, **settings)
