"""Method `network`: sizes that can be compared, and every approximator under every optimiser."""

import re

import pytest
import torch
from statements import poisson

from pdesolve import Dirichlet, Problem, Rectangle, laplace, solve
from pdesolve.errors import UsageError
from pdesolve.methods import METHODS
from pdesolve.runs.monitor import Monitor
from pdesolve.trained.networks import NETWORKS, SHAPES, build_network, builder, fold_sizes
from pdesolve.trained.solve import solve_trained
from pdesolve.trained.train_any import OPTIMISERS, REDRAW

BOUNDS = torch.tensor([[0.0, -1.0], [2.0, 1.0]], dtype=torch.float64)


def network(name, parameters=480, outputs=1):
    return build_network(builder(name), parameters, 2, outputs, BOUNDS, 0, torch.float64)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_approximator_comes_in_about_the_size_asked_for(name):
    assert sum(p.numel() for p in network(name).parameters()) == pytest.approx(480, rel=0.05)


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in SHAPES.items() for key in keys])
def test_what_can_be_set_of_a_shape_changes_the_network_and_not_its_size(name, key):
    x = torch.rand(5, 2, dtype=torch.float64)
    one, other = (
        build_network(builder(name, **{key: v}), 480, 2, 1, BOUNDS, 0, torch.float64) for v in (1, 3)
    )
    assert one(x).tolist() != other(x).tolist()
    for network in (one, other):
        assert sum(p.numel() for p in network.parameters()) == pytest.approx(480, rel=0.08)


@pytest.mark.parametrize("name", NETWORKS)
def test_folding_sizes_multiplies_the_outputs(name):
    approximator, x = network(name, 100, outputs=2), torch.rand(5, 2, dtype=torch.float64)
    before, sizes = approximator(x).detach(), torch.tensor([3.0, 0.25], dtype=torch.float64)
    fold_sizes(approximator, sizes)
    torch.testing.assert_close(approximator(x).detach(), before * sizes)


@pytest.mark.parametrize("name", NETWORKS)
def test_levenberg_marquardt_lowers_the_loss_of_every_approximator(name):
    monitor = Monitor(time_limit=20)
    settings = {"approximator": name, "optimiser": "lm", "parameters": 40, "iterations": 4}
    solve_trained(poisson(), "network", settings, monitor)
    losses = [row["loss"] for row in monitor.history]
    assert losses[-1] < 0.9 * losses[0]
    assert losses == sorted(losses, reverse=True)
    assert monitor.evaluations >= len(losses)


def best(state):
    return state.get("best_theta", state["theta"]).clone()  # states are handed over by reference


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_every_optimiser_trains_a_mixture_and_its_values_can_be_asked_for(optimiser):
    problem, monitor = poisson(), Monitor(time_limit=20)
    seen = []
    monitor.on_checkpoint = lambda state: seen.append(best(state.get("stage_state", state)))
    settings = {"approximator": "gmnm-diagonal", "optimiser": optimiser, "parameters": 40}
    trained = solve_trained(problem, "network", {**settings, "iterations": 12}, monitor)
    x = problem.domain.sample(50)
    with torch.no_grad():
        values = trained.expansion(x)
    torch.testing.assert_close(monitor.values_at(seen[-1], x), values, rtol=1e-9, atol=1e-9)


def test_what_does_not_go_together_is_refused():
    with pytest.raises(UsageError, match="needs an approximator that is linear in some parameters"):
        solve_trained(poisson(), "network", {"approximator": "mlp-tanh", "optimiser": "vp"})
    with pytest.raises(UsageError, match="there is no approximator 'mlp'; they are gmnm-isotropic"):
        solve_trained(poisson(), "network", {"approximator": "mlp"})
    with pytest.raises(UsageError, match="gabor has no depth; what can be set of its shape: nothing"):
        solve_trained(poisson(), "network", {"approximator": "gabor", "depth": 2})
    with pytest.raises(UsageError, match="learning_rate=-1; expected a positive number"):
        solve_trained(poisson(), "network", {"learning_rate": -1})
    with pytest.raises(UsageError, match="unknown optimiser 'sgd': known are lm, vp, adam"):
        solve_trained(poisson(), "network", {"optimiser": "sgd"})
    square = Rectangle((0, 0), (1, 1))
    cubic = Problem(square, lambda u: -laplace(u) + u**3 - 1, [Dirichlet(0, on=square.boundary)])
    with pytest.raises(UsageError, match="vp needs a linear problem"):
        solve_trained(cubic, "network", {"approximator": "gmnm-full", "optimiser": "vp"})


def test_both_least_squares_optimisers_draw_new_points_every_few_iterations():
    for optimiser in ("lm", "vp"):
        drawn = []
        problem, original = poisson(), type(poisson().domain).sample

        def sample(domain, n, drawn=drawn, original=original, **how):
            drawn.append(how.get("seed"))
            return original(domain, n, **how)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(problem.domain), "sample", sample)
            settings = {"approximator": "gmnm-ridge", "optimiser": optimiser, "parameters": 30}
            solve_trained(problem, "network", {**settings, "iterations": 3 * REDRAW}, Monitor(time_limit=20))
        assert len({seed for seed in drawn if seed is not None}) >= 3, optimiser


def test_the_list_of_methods_names_every_approximator_and_optimiser():
    settings = METHODS["network"].settings
    for name in NETWORKS:
        family, _, kind = name.partition("-")
        assert name in settings["approximator"] or f"-{kind}" in settings["approximator"], name
        assert family in settings["approximator"]
    assert set(OPTIMISERS) == set(
        re.findall(r"\b(adam|lbfgs|bfgs|ssbfgs|ssbroyden|lm|vp)\b", settings["optimiser"])
    )


def test_random_waves_fit_an_analytic_solution_to_rounding():
    """Half of the digits would be lost by normal equations: the rows are of a condition beyond 1e8."""
    square = Rectangle((0, 0), (1, 1))

    def exact(x, y):
        return torch.sin(torch.pi * x) * torch.sin(torch.pi * y)

    problem = Problem(
        square,
        lambda u, x, y: -laplace(u) - 2 * torch.pi**2 * exact(x, y),
        [Dirichlet(0, on=square.boundary)],
        exact=exact,
    )
    waves = {"approximator": "random-waves", "optimiser": "lm", "parameters": 150, "iterations": 15}
    assert solve(problem, "network", tol=1e-12, **waves).relative_l2_error() < 1e-11
