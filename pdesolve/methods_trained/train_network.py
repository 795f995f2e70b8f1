"""Training of networks: Adam to come near, a quasi-Newton method to become accurate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from pdesolve.approximators import KAN, MLP
from pdesolve.methods_trained.sampling import Sampling, start_parameters
from pdesolve.methods_trained.solve import Task
from pdesolve.methods_trained.system import System
from pdesolve.training import sequence
from pdesolve.training.registry import minimiser


@dataclass(frozen=True)
class Recipe:
    """How one kind of network is trained.

    Attributes:
        build: (inputs, outputs, width, bounds, seed) → network.
        parameters: default number of parameters.
        learning_rate: of Adam.
        adam: iterations of Adam.
        optimiser: what follows.
        iterations: its most iterations.
        resample_every: iterations after which the points are drawn anew.
    """

    build: Callable[..., MLP | KAN]
    parameters: int
    learning_rate: float
    adam: int = 500
    optimiser: str = "ssbroyden"
    iterations: int = 10_000
    resample_every: int = 500


def _mlp(inputs: int, outputs: int, width: int, **common: Any) -> MLP:
    return MLP(inputs, outputs, hidden=(width,) * 3, **common)


def _kan(inputs: int, outputs: int, width: int, **common: Any) -> KAN:
    return KAN(inputs, outputs, hidden=(width,) * 2, **common)


# Compact networks, Adam and then SSBroyden as in Urbán, Stefanou & Pons 2024 (arXiv:2405.04230: 2 or 3 layers
# of 20 to 30) and, for KANs, Kiyani et al. 2025 (arXiv:2501.16371).
RECIPES = {
    "pinn": Recipe(_mlp, parameters=1300, learning_rate=5e-3),
    "kan": Recipe(_kan, parameters=800, learning_rate=5e-3),
}
# Fewer rows than parameters can be met between the points and missed beside them: Burgers, ν = 0.01/π, ends at
# 3e-3 with 0.8 points per parameter, at 3e-4 with 1.5 and at 4e-5 with 2.3 (measured, 80 s).
POINTS_PER_PARAMETER = 1.5
STAGNATION_WINDOW, STAGNATION = 1000, 0.05


def train_network(task: Task, method: str):
    """Train an MLP or KAN; returns approximator, status, converged, None, identified parameters."""
    recipe, statement, budget = RECIPES[method], task.statement, task.budget
    problem = statement.problem
    name = budget.optimiser or recipe.optimiser
    minimiser(name)  # a wrong name is refused before anything is computed
    network = build_network(task, recipe)
    size = sum(p.numel() for p in network.parameters())
    sampling = Sampling(interior=budget.points or max(200, round(POINTS_PER_PARAMETER * size)))
    parameters = start_parameters(problem, statement.dtype, statement.device)
    system = System(network, statement.sample(sampling, task.seed), statement.sizes, parameters)
    stages = []
    for stage, (optimiser, most) in enumerate(
        [("adam", budget.adam_iterations or recipe.adam), (name, budget.iterations or recipe.iterations)]
    ):
        settings = {
            "iterations": most,
            "loss_tolerance": task.loss_tolerance,
            "on_iteration": _Resampling(task, sampling, system, stage, recipe.resample_every),
        }
        if optimiser == "adam":
            settings |= {"learning_rate": recipe.learning_rate, "time_share": 0.3}
        else:
            settings |= {"stagnation_window": STAGNATION_WINDOW, "stagnation": STAGNATION}
        stages.append((optimiser, settings))
    result = sequence.minimise(system.loss_and_gradient, system.theta, task.monitor, stages)
    identified = {k: float(v) for k, v in system.set(result.theta).items()}
    fold_sizes(network, statement.sizes)
    return network, result.status, result.converged, None, identified


def build_network(task: Task, recipe: Recipe) -> MLP | KAN:
    """The network whose number of parameters is nearest to the one asked for."""
    problem = task.statement.problem
    d, u = problem.domain.dimension, len(problem.unknowns)
    lower, upper = (corner.tolist() for corner in problem.domain.bounds)
    common = {"lower": lower, "upper": upper, "seed": task.seed, "dtype": task.statement.dtype}
    wanted = task.budget.parameters or recipe.parameters

    def miss(width: int) -> float:
        network = recipe.build(d, u, width, lower=lower, upper=upper)
        return abs(math.log(sum(p.numel() for p in network.parameters()) / wanted))

    width = 2
    while miss(width + 1) < miss(width):
        width += 1
    return recipe.build(d, u, width, **common).to(task.statement.device)


@torch.no_grad()
def fold_sizes(network: MLP | KAN, sizes: torch.Tensor) -> None:
    """Multiply the last linear map by U, so that the network of û = u / U becomes one of u."""
    last: Any = network.steps[-1]
    last.weight.mul_(sizes.to(last.weight)[:, None])
    if last.bias is not None:
        last.bias.mul_(sizes.to(last.bias))


class _Resampling:
    """Draws the points of an iteration, from stage and iteration alone: so a run can be resumed."""

    def __init__(self, task: Task, sampling: Sampling, system: System, stage: int, every: int):
        self.task, self.sampling, self.system = task, sampling, system
        self.stage, self.every = stage, every
        self.drawn: int | None = None

    def __call__(self, iteration: int) -> bool:
        draw = iteration // self.every
        if draw == self.drawn:
            return False
        self.drawn = draw
        seed = self.task.seed + 7919 * (1 + draw) + 104_729 * self.stage
        self.system.replace_groups(self.task.statement.sample(self.sampling, seed))
        return True
