"""Training of a Gaussian mixture by least squares: coefficients eliminated where the problem is linear."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from pdesolve.approximators import GaussianMixture
from pdesolve.least_squares.dense.gauss_newton import GaussNewtonSettings, gauss_newton
from pdesolve.least_squares.dense.levenberg_marquardt import LevenbergMarquardtSettings, levenberg_marquardt
from pdesolve.least_squares.dense.linear import solve_rank_revealing
from pdesolve.least_squares.dense.projected import projected_problem, solved_for
from pdesolve.least_squares.dense.stopping import Tolerances
from pdesolve.least_squares.dense.variable_projection import variable_projection
from pdesolve.runs.answer import Answer, Findings
from pdesolve.trained.exchange import exchange
from pdesolve.trained.mixture import SeparableMixture
from pdesolve.trained.mixture_start import best_start
from pdesolve.trained.networks import fold_sizes
from pdesolve.trained.rows import Group
from pdesolve.trained.sampling import GRID_DIMENSIONS, MOST_BOUNDARY, Sampling, start_parameters
from pdesolve.trained.system import System
from pdesolve.trained.task import Task

PARAMETERS = 256
ITERATIONS = 500
# Iterations where a time limit ends the run.
UNLIMITED = 10_000_000
ROWS_PER_PARAMETER = 4.0
# A row of prescribed values as heavy as one of the equation leaves smooth errors, harmonic functions for -Δ, well
# above what the equation's rows allow.
VALUE_WEIGHT = 10.0
# Measured on poisson_5d, 420 parameters, 10 s: 4e-8 to 1.3e-6 over three seeds, 1.6e-6 to 3e-6 with 1.
SCALE_MEMORY = 0.95

# Iterations.
EXCHANGE_EVERY = 30


def train_mixture(task: Task) -> Answer:
    """Train a mixture, in the units of the problem."""
    statement = task.statement
    budget = task.budget
    parameters = budget.parameters or PARAMETERS
    redraw = Redraw(task, _sampling(task, parameters), EXCHANGE_EVERY)
    mixture = best_start(
        statement,
        parameters,
        ridge(statement.dtype),
        task.seed,
        budget.start,
        VALUE_WEIGHT,
        task.monitor.out_of_time,
    )
    if statement.linear:
        train = train_linear
    else:
        train = _train_nonlinear
    answer = train(task, mixture, redraw.rows(0), redraw)
    fold_sizes(mixture, statement.sizes)
    return answer


class Redraw:
    """Rows at fresh points every few iterations, by the iteration's number alone.

    At fixed points narrow Gaussians settle between them: the loss falls while the error grows (from 0.28 to 1.6
    in 3 s on problems/fitting/peaks.py, 259 parameters, 777 points, measured).

    Args:
        task: whose problem.
        sampling: of the first rows; later ones are quasi-random.
        every: iterations at the same points.
    """

    def __init__(self, task: Task, sampling: Sampling, every: int):
        self.task = task
        self.sampling = sampling
        self.every = every
        self.drawn = 0

    def rows(self, draw: int) -> tuple[Group, ...]:
        """The rows of one draw."""
        if draw:
            sampling = replace(self.sampling, sampler="sobol")
        else:
            sampling = self.sampling
        return self.task.statement.sample(sampling, self.task.seed + 7919 * draw)

    def __call__(self, iteration: int) -> tuple[Group, ...] | None:
        """New rows, or None where those there are stay."""
        draw = iteration // self.every
        if draw == self.drawn:
            return None
        self.drawn = draw
        return self.rows(draw)


def _sampling(task: Task, parameters: int) -> Sampling:
    """Gauss points in few dimensions; in many, quasi-random ones of which the boundary gets its share."""
    d = task.statement.problem.domain.dimension
    if d <= GRID_DIMENSIONS:
        share = 1.0
    else:
        share = 1 / (1 + MOST_BOUNDARY)
    points = task.budget.points or max(200, round(share * ROWS_PER_PARAMETER * parameters))
    if d <= GRID_DIMENSIONS:
        sampler = "gauss"
    else:
        sampler = "sobol"
    return Sampling(points, sampler=sampler, value_weight=VALUE_WEIGHT)


def ridge(dtype: torch.dtype) -> float:
    """μ = ε^0.7, 1e-11 in double and 1e-5 in single precision.

    Rows are of size one and the coefficients of wide Gaussians reach 1e6, which the ridge must not feel, and must not
    exceed ε^-0.7, beyond which rounding stalls the iteration.
    """
    return torch.finfo(dtype).eps ** 0.7


def lm_settings(task: Task) -> LevenbergMarquardtSettings:
    """Limits of Levenberg–Marquardt on any approximator."""
    most = ITERATIONS
    window = 50
    if task.monitor.time_limit is not None:
        most = UNLIMITED
        # It may stall for hundreds of iterations and then go on
        window = 0
    return LevenbergMarquardtSettings(
        iterations=task.budget.iterations or most,
        loss_tolerance=task.loss_tolerance,
        stagnation_window=window,
        stagnation=0.05,
    )


def train_linear(
    task: Task,
    mixture: GaussianMixture,
    groups: tuple[Group, ...],
    redraw: Redraw,
) -> Answer:
    """Variable projection: Levenberg–Marquardt on centres and widths alone.

    Args:
        task: what to solve, how long.
        mixture: where to start; it is trained in place.
        groups: rows to start with.
        redraw: gives rows at other points now and then; checkpoints, which hold no coefficients, are measured with
            those of the last rows.

    Returns:
        The mixture, in the units of its rows.
    """
    separable = SeparableMixture(mixture, groups, task.statement.sizes)
    monitor = task.monitor
    problem = separable.problem(ridge(task.statement.dtype))
    problem.basis = monitor.counted(problem.basis)
    twin = SeparableMixture(copy.deepcopy(mixture), groups, task.statement.sizes)
    twin_problem = twin.problem(problem.ridge)
    task.watch(partial(twin.values, twin_problem))
    monitor.resolved |= {"rows": len(problem.target), "optimisers": ["vp"], "ridge": problem.ridge}

    def resample(iteration: int) -> bool:
        fresh = redraw(iteration)
        if fresh is None:
            return False
        for one, its in ((separable, problem), (twin, twin_problem)):
            one.replace_groups(fresh)
            one.refresh(its)
        return True

    def renew(iteration: int, alpha: Tensor) -> Tensor | None:
        if iteration % EXCHANGE_EVERY:
            return None
        return exchange(separable, problem, alpha, task.seed + iteration)

    settings = replace(
        lm_settings(task),
        on_iteration=resample,
        renew=renew,
        tolerances=Tolerances(
            step=0.0, loss=0.0
        ),  # after a small step an exchange may still find a larger one
        stagnation_window=5 * EXCHANGE_EVERY,
        scale_memory=SCALE_MEMORY,
        factorisation="cholesky",
    )
    result = variable_projection(problem, separable.alpha, monitor, settings)
    separable.set_solution(result.alpha, result.coefficients, result.fixed_coefficients)
    return Answer(mixture, None, result.converged, result.status)


def _train_nonlinear(
    task: Task, mixture: GaussianMixture, groups: tuple[Group, ...], redraw: Redraw
) -> Answer:
    """Gauss–Newton on the coefficients, then Levenberg–Marquardt on the shapes, coefficients eliminated from each step.

    Centres and widths that move without their coefficients spoil what wide Gaussians cancel: every trial is solved
    for the coefficients again.
    """
    statement = task.statement
    κ = start_parameters(statement.problem, statement.dtype, statement.device)
    system = System(mixture, groups, statement.sizes, κ)
    θ0 = _fit_guess(task, mixture, system.theta)
    penalty = _ridge_rows(mixture, θ0, ridge(statement.dtype))

    def residual(θ: Tensor) -> Tensor:
        task.monitor.evaluations += 1
        return torch.cat([system.residual(θ), penalty @ θ])

    def jacobian(θ: Tensor) -> Tensor:
        task.monitor.evaluations += 1
        return torch.cat([system.jacobian(θ), penalty])

    linear = _linear_mask(mixture, θ0)

    def full(c: Tensor) -> Tensor:
        θ = θ0.clone()
        θ[linear] = c
        return θ

    warm = gauss_newton(
        lambda c: residual(full(c)),
        lambda c: jacobian(full(c))[:, linear],
        θ0[linear],
        task.monitor,
        GaussNewtonSettings(iterations=20),
    )
    twin = System(copy.deepcopy(mixture), (), statement.sizes, κ)
    task.watch(twin.values)
    task.monitor.resolved |= {
        "rows": len(penalty) + sum(g.weights.numel() for g in groups),
        "optimisers": ["vp"],
    }

    def resample(iteration: int) -> bool:
        fresh = redraw(iteration)
        if fresh is not None:
            system.replace_groups(fresh)
        return fresh is not None

    settings = replace(
        lm_settings(task),
        on_iteration=resample,
        stagnation_window=5 * EXCHANGE_EVERY,
        scale_memory=SCALE_MEMORY,
        linearised=lambda J, r, D: projected_problem(J, r, D, linear),
        corrected=lambda θ: solved_for(residual, lambda θ: jacobian(θ)[:, linear], θ, linear),
    )
    result = levenberg_marquardt(residual, jacobian, full(warm.theta), task.monitor, settings)
    identified = {name: float(value) for name, value in system.set(result.theta).items()}
    return Answer(mixture, None, result.converged, result.status, Findings(identified))


def _linear_mask(mixture: GaussianMixture, θ: Tensor) -> Tensor:
    """Which entries of θ are coefficients, (p,)."""
    mask = torch.zeros(len(θ), dtype=torch.bool, device=θ.device)
    start = 0
    for name, parameter in mixture.named_parameters():
        mask[start : start + parameter.numel()] = name in ("coefficients", "skip")
        start += parameter.numel()
    return mask


def _ridge_rows(mixture: GaussianMixture, θ: Tensor, μ: float) -> Tensor:
    """The matrix of the rows μ c = 0, (number of coefficients, p)."""
    return μ * torch.eye(len(θ), dtype=θ.dtype, device=θ.device)[_linear_mask(mixture, θ)]


def _fit_guess(task: Task, mixture: GaussianMixture, θ: Tensor) -> Tensor:
    """θ with coefficients that fit the problem's guess; unchanged without one."""
    problem = task.statement.problem
    statement = task.statement
    if not problem.guess:
        return θ
    x = problem.domain.sample(4 * mixture.components, seed=task.seed)
    values = problem.values(problem.guess, x, "guess").nan_to_num(0.0)
    distance = torch.ones_like(values)
    if statement.lift is not None:
        values = values - statement.lift.extension(x)
        distance = statement.lift.distance(x)
    table = mixture.basis_jet(x, ((0,) * x.shape[1],))[:, :, 0].detach()
    columns = [
        solve_rank_revealing(d[:, None] * table, v[:, None], cutoff=1e-8).solution
        for d, v in zip(distance.to(table).T, (values / statement.sizes).to(table).T, strict=True)
    ]
    mixture.set_linear_coefficients(torch.cat(columns, dim=1))
    size = len(θ) - len(problem.parameters)
    return torch.cat([torch.nn.utils.parameters_to_vector(mixture.parameters()).detach(), θ[size:]])
