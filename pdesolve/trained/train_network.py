"""Training of networks: Adam to come near, a quasi-Newton method to become accurate."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from pdesolve.approximators import TrainableApproximator
from pdesolve.runs.answer import Answer, Findings
from pdesolve.trained.networks import NETWORKS, Build, build_network, fold_sizes
from pdesolve.trained.rows import Group
from pdesolve.trained.sampling import Sampling, start_parameters
from pdesolve.trained.shared import SharedSystem
from pdesolve.trained.system import System
from pdesolve.trained.task import Task
from pdesolve.trained.weighing import weighted
from pdesolve.training import sequence
from pdesolve.training.registry import minimiser
from pdesolve.training.torch_optimiser import Factory


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

    build: Build
    parameters: int
    learning_rate: float
    adam: int = 500
    optimiser: str = "ssbroyden"
    iterations: int = 10_000
    resample_every: int = 500


# Compact networks, Adam and then SSBroyden as in Urbán, Stefanou & Pons 2024 (arXiv:2405.04230: 2 or 3 layers
# of 20 to 30) and, for KANs, Kiyani et al. 2025 (arXiv:2501.16371).
RECIPES = {
    "pinn": Recipe(NETWORKS["mlp-tanh"], parameters=1300, learning_rate=5e-3),
    "kan": Recipe(NETWORKS["kan-spline"], parameters=800, learning_rate=5e-3),
}
# Fewer rows than parameters can be met between the points and missed beside them: Burgers, ν = 0.01/π, ends at
# 3e-3 with 0.8 points per parameter, at 3e-4 with 1.5 and at 4e-5 with 2.3 (measured, 80 s).
POINTS_PER_PARAMETER = 1.5
STAGNATION_WINDOW = 1000
STAGNATION = 0.05


def train_network(task: Task, method: str) -> Answer:
    """Train an MLP or KAN."""
    recipe = RECIPES[method]
    budget = task.budget
    name = budget.optimiser or recipe.optimiser
    # A wrong name is refused before anything is computed
    minimiser(name)
    network = network_of(task, recipe.build, recipe.parameters)
    points = budget.points or rows_for(network, POINTS_PER_PARAMETER)
    stages = [("adam", budget.adam_iterations or recipe.adam), (name, budget.iterations or recipe.iterations)]
    return train_by(task, network, points, stages, recipe)


def train_by(
    task: Task,
    network: TrainableApproximator,
    points: int,
    optimisers: Sequence[tuple[str | Factory, int]],
    recipe: Recipe,
) -> Answer:
    """Train a network by optimisers one after the other, each (name or factory, most iterations).

    Returns:
        The network, in the units of the problem.
    """
    statement = task.statement
    sampling = Sampling(interior=points)
    parameters = start_parameters(statement.problem, statement.dtype, statement.device)
    # A weight of what the problem has not is refused before anything is computed.
    groups = weighted(statement.sample(sampling, task.seed), task.budget.weights, _alone(network, task))
    system = System(network, groups, statement.sizes, parameters)
    every = task.budget.resample_every or recipe.resample_every
    stages = []
    for stage, (optimiser, most) in enumerate(optimisers):
        settings = {
            "iterations": most,
            "loss_tolerance": task.loss_tolerance,
            "on_iteration": _Resampling(task, sampling, system, stage, every),
        }
        if optimiser == "adam":
            settings |= {"learning_rate": recipe.learning_rate}
            if stage < len(optimisers) - 1:
                settings |= {"time_share": 0.3}
        elif not callable(optimiser):
            settings |= {"stagnation_window": STAGNATION_WINDOW, "stagnation": STAGNATION}
        stages.append((optimiser, settings))
    task.watch(values_along_the_way(system))
    task.monitor.resolved |= {
        "points": points,
        "optimisers": [f"{getattr(name, '__name__', name)} {most}" for name, most in optimisers],
        "learning_rate": recipe.learning_rate,
    }
    shared = SharedSystem(system, statement.ranks)
    gradient = task.monitor.counted(shared.loss_and_gradient)
    result = sequence.minimise(gradient, system.theta, task.monitor, stages)
    identified = {k: float(v) for k, v in system.set(result.theta).items()}
    fold_sizes(network, statement.sizes)
    return Answer(network, None, result.converged, result.status, Findings(identified))


def _alone(network: TrainableApproximator, task: Task) -> Callable[[Group], System]:
    """A group ↦ the loss that it alone makes."""
    statement = task.statement
    parameters = start_parameters(statement.problem, statement.dtype, statement.device)
    return lambda group: System(network, [group], statement.sizes, parameters)


def values_along_the_way(system: System) -> Callable[[Tensor, Tensor], Tensor]:
    """(θ of a checkpoint, points (n, d)) → values (n, u), by a twin of the network that is trained."""
    return System(copy.deepcopy(system.approximator), (), system.sizes, system.start).values


def network_of(task: Task, build: Build, parameters: int) -> TrainableApproximator:
    """The network of the size asked for, else of about so many parameters."""
    problem = task.statement.problem
    statement = task.statement
    network = build_network(
        build,
        task.budget.parameters or parameters,
        problem.domain.dimension,
        len(problem.unknowns),
        problem.domain.bounds,
        task.seed,
        statement.dtype,
    )
    return network.to(statement.device)


def rows_for(network: TrainableApproximator, per_parameter: float) -> int:
    """Interior points: so many for each parameter, at least 200."""
    return max(200, round(per_parameter * sum(p.numel() for p in network.parameters())))


class _Resampling:
    """Draws the points of an iteration, from stage and iteration alone: so a run can be resumed."""

    def __init__(self, task: Task, sampling: Sampling, system: System, stage: int, every: int):
        self.task = task
        self.sampling = sampling
        self.system = system
        self.stage = stage
        self.every = every
        self.drawn: int | None = None

    def __call__(self, iteration: int) -> bool:
        draw = iteration // self.every
        if draw == self.drawn:
            return False
        self.drawn = draw
        seed = self.task.seed + 7919 * (1 + draw) + 104_729 * self.stage
        groups = self.task.statement.sample(self.sampling, seed)
        alone = _alone(self.system.approximator, self.task)
        self.system.replace_groups(weighted(groups, self.task.budget.weights, alone))
        return True
