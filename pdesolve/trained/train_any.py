"""Method `network`: any approximator under any optimiser, so that the two can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pdesolve.approximators import GaussianMixture, TrainableApproximator
from pdesolve.errors import UsageError
from pdesolve.least_squares.dense.levenberg_marquardt import levenberg_marquardt
from pdesolve.runs.answer import Answer, Findings
from pdesolve.runs.wording import named
from pdesolve.trained.networks import builder, fold_sizes
from pdesolve.trained.sampling import Sampling, start_parameters
from pdesolve.trained.shared import SharedSystem
from pdesolve.trained.system import System
from pdesolve.trained.task import Task
from pdesolve.trained.train_mixture import UNLIMITED, Redraw, lm_settings, train_linear
from pdesolve.trained.train_network import (
    Recipe,
    network_of,
    rows_for,
    train_by,
    values_along_the_way,
)
from pdesolve.training.registry import MINIMISERS, own_optimiser
from pdesolve.training.torch_optimiser import Factory

PARAMETERS = 400
# For all alike; `train_network` says what fewer cost
ROWS_PER_PARAMETER = 3.0
# Iterations of Levenberg-Marquardt at the same points
REDRAW = 10
# Parameters above which a sketch of the normal matrix takes its place
DENSE = 800
# Parameters of Levenberg-Marquardt, whose Jacobian then takes about a gigabyte
LARGEST = 6000

# Of Adam, as for the networks with names of their own in `train_network`.
LEARNING_RATE = 5e-3
OPTIMISERS = {
    "lm": "Levenberg-Marquardt on all parameters",
    "vp": "variable projection: Levenberg-Marquardt on what is not linear (mixtures, linear problems)",
    "adam": "Adam",
    "lbfgs": "Adam, then L-BFGS",
    "bfgs": "Adam, then BFGS",
    "ssbfgs": "Adam, then self-scaled BFGS",
    "ssbroyden": "Adam, then self-scaled Broyden",
}


def train_any(task: Task) -> Answer:
    """Train what the settings name; in the units of the problem.

    Raises:
        UsageError: there is no such approximator or optimiser, or they do not go together.
    """
    budget = task.budget
    name = budget.approximator
    if name is None:
        name = "mlp-tanh"
    optimiser = own_optimiser(budget.optimiser or "ssbroyden")
    check_optimiser(optimiser)
    build = builder(name, **budget.shape)
    network = network_of(task, build, PARAMETERS)
    points = budget.points or rows_for(network, ROWS_PER_PARAMETER)
    if optimiser in ("vp", "lm"):
        _refuse_for_least_squares(task, str(optimiser))
    if optimiser == "vp":
        return _project(task, str(name), network, points)
    if optimiser == "lm":
        return _damp(task, network, points)
    recipe = Recipe(build, PARAMETERS, learning_rate=budget.learning_rate or LEARNING_RATE)
    return train_by(task, network, points, _stages(task, recipe, optimiser), recipe)


def _stages(task: Task, recipe: Recipe, optimiser: str | Factory) -> Sequence[tuple[str | Factory, int]]:
    """Optimisers with their most iterations, one after the other; one of the user's own begins at once."""
    assert callable(optimiser) or optimiser in MINIMISERS
    budget = task.budget
    most = recipe.iterations
    if task.monitor.time_limit is not None:
        # The time decides.
        most = UNLIMITED
    most = budget.iterations or most
    if optimiser == "adam" or callable(optimiser):
        return [(optimiser, most)]
    return [("adam", budget.adam_iterations or recipe.adam), (optimiser, most)]


def _refuse_for_least_squares(task: Task, optimiser: str) -> None:
    """What they would ignore is never ignored silently."""
    for name in ("weights", "resample_every"):
        if getattr(task.budget, name) is not None:
            message = (
                f"{named(name)}: optimiser {optimiser} solves least squares of all rows; take one that follows the "
                "gradient, such as ssbroyden, or leave it out"
            )
            raise UsageError(message)


def check_optimiser(name: str | Factory) -> None:
    """See that there is an optimiser of that name, also in a file of the user's own.

    Raises:
        UsageError: there is none; the message lists the known ones.
    """
    if not callable(own_optimiser(name)) and name not in OPTIMISERS:
        known = ", ".join(OPTIMISERS)
        message = f"unknown optimiser {name!r}: known are {known}, or my_module.py:my_optimiser of your own"
        raise UsageError(message)


def _project(task: Task, name: str, network: TrainableApproximator, points: int) -> Answer:
    """Variable projection from random centres."""
    if not isinstance(network, GaussianMixture):
        message = f"optimiser vp needs an approximator that is linear in some parameters: gmnm-…, not {name}"
        raise UsageError(message)
    if not task.statement.linear:
        message = "optimiser vp needs a linear problem without parameters to identify: take optimiser=lm"
        raise UsageError(message)
    redraw = Redraw(task, Sampling(interior=points), REDRAW)
    answer = train_linear(task, network, redraw.rows(0), redraw)
    fold_sizes(network, task.statement.sizes)
    return answer


def factorisation(network: TrainableApproximator, processes: int = 1) -> str:
    """Of Levenberg-Marquardt: "eigh" is faster than "svd", a sketch faster than both.

    Where all parameters are linear, few steps end it, and how far they come is decided by rounding: "eigh" squares the
    condition of the rows, and leaves half of the digits. Several processes share normal matrices, and have no rows.
    """
    if _size(network) > DENSE:
        return "sketch"
    if network.is_linear and processes == 1:
        return "svd"
    return "eigh"


def _size(network: TrainableApproximator) -> int:
    return sum(p.numel() for p in network.parameters())


def _damp(task: Task, network: TrainableApproximator, points: int) -> Answer:
    """Levenberg–Marquardt on all parameters."""
    size = _size(network)
    if size > LARGEST:
        message = f"optimiser lm holds a dense Jacobian: at most {LARGEST} parameters, received {size}"
        raise UsageError(message)
    statement = task.statement
    monitor = task.monitor
    redraw = Redraw(task, Sampling(interior=points), REDRAW)
    parameters = start_parameters(statement.problem, statement.dtype, statement.device)
    system = System(network, redraw.rows(0), statement.sizes, parameters)
    task.watch(values_along_the_way(system))
    monitor.resolved |= {"points": points, "optimisers": ["lm"]}

    def resample(iteration: int) -> bool:
        fresh = redraw(iteration)
        if fresh is not None:
            system.replace_groups(fresh)
        return fresh is not None

    settings = replace(
        lm_settings(task), on_iteration=resample, factorisation=factorisation(network, statement.ranks.size)
    )
    rows: System | SharedSystem = system
    if statement.ranks.size > 1:
        rows = SharedSystem(system, statement.ranks, DENSE)
        settings = replace(settings, linearised=rows.linearised)
    result = levenberg_marquardt(
        monitor.counted(rows.residual), monitor.counted(rows.jacobian), system.theta, monitor, settings
    )
    identified = {k: float(v) for k, v in system.set(result.theta).items()}
    fold_sizes(network, statement.sizes)
    return Answer(network, None, result.converged, result.status, Findings(identified))
