"""A discrete solution: Gauss–Newton on the rows of an assembly, warm starts, and norms on its patches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from pdesolve.least_squares.sparse.normal_equations import Factors, NormalEquations
from pdesolve.least_squares.sparse.row_blocks import squared_norm
from pdesolve.patches.assembly import Assembly
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.patches.points.interior import Points
from pdesolve.runs.monitor import Monitor
from pdesolve.statement.problem import Problem

AT_ROUNDING = 1e-9  # relative step below which only rounding keeps Gauss–Newton from contracting
NEAR = 1e-2  # relative step below which the next may use the same linearisation
CONTRACTING = 0.1  # a step with the same linearisation that is not this much shorter is not taken
# Residuals and what a linear model says of them, over the norm of J c, differ by 1e-15 to 1e-12 by rounding (fourth
# order, degree 20); what differs by more is no linear problem.
AS_MODELLED = 1e-10


@dataclass(frozen=True, eq=False)
class Discrete:
    """A discrete solution: rows, coefficients, and how Gauss–Newton ended."""

    assembly: Assembly
    coefficients: Tensor
    converged: bool
    residual: float
    steps: int
    residual_of_patch: np.ndarray  # (e,) norms of the rows that touch each patch

    @property
    def mixture(self) -> PartitionedMixture:
        """The approximator."""
        return self.assembly.mixture(self.coefficients)


def gauss_newton(
    assembly: Assembly,
    start: Tensor | None,
    stop: float,
    monitor: Monitor,
    max_steps: int = 25,
    factors: Factors | None = None,
) -> Discrete:
    """Minimise ½‖r‖² over the coefficients; one step where the problem is linear.

    That it is linear is not taken for granted: the residual after the step is measured, and where it is not the one of
    the linear model, steps go on.
    Stops when a full step changes the coefficients by less than `stop`, relatively, or by what rounding leaves: tiny
    steps that do not shrink any more. Near the solution a linearisation serves for several steps, and the `factors` of
    earlier ones as long as they help.
    """
    c = assembly.space.zero() if start is None else start
    converged, smallest, step = False, 1e-300, 0
    factors = factors or Factors(1)
    energy, last, linear = 0.0, np.inf, assembly.linear
    while step < max_steps:
        step += 1
        rows, residuals, scales = assembly.linearise(c)
        equations = NormalEquations(assembly.layout, assembly.patches.centre, rows, factors)
        found = equations.solve([-r for r in residuals], energy=energy)
        move, energy = found.x, found.energy
        if linear:
            modelled = [r + block.apply(move) for r, block in zip(residuals, rows, strict=True)]
            c = c + move
            residuals = assembly.residuals(c, scales)
            size = squared_norm([block.apply(c) for block in rows])
            off = squared_norm([r - m for r, m in zip(residuals, modelled, strict=True)])
            linear = converged = off <= AS_MODELLED**2 * size
            if converged:
                break
            continue
        length, after, residuals = _line_search(assembly, c, move, residuals, scales)
        c = c + length * move
        change = float(move.norm() / c.norm().clamp_min(smallest))
        while length == 1.0 and stop < change <= NEAR:
            move = equations.solve([-r for r in residuals], energy=energy).x
            shorter = float(move.norm() / c.norm().clamp_min(smallest))
            if not shorter <= CONTRACTING * change:
                break
            c, change = c + move, shorter
            residuals = assembly.residuals(c, scales)
        if length == 0.0:  # no descent left: rounding, unless the step is still large
            converged = change <= max(1e3 * stop, 1e-10)
            break
        stagnant = last <= AT_ROUNDING and change > 0.5 * last
        converged = (length == 1.0 and (change <= stop or stagnant)) or after == 0.0
        last = change
        if converged or monitor.out_of_time():
            break
    if not linear:
        residuals = assembly.residuals(c, scales)
    return Discrete(
        assembly, c, converged, squared_norm(residuals) ** 0.5, step, assembly.residual_of_patch(residuals)
    )


def _line_search(
    assembly: Assembly, c: Tensor, move: Tensor, residuals: list[Tensor], scales: list[Tensor]
) -> tuple[float, float, list[Tensor]]:
    """Backtracking from the full step until the residual falls (Armijo): its length, the new ‖r‖² and r."""
    length, before = 1.0, squared_norm(residuals)
    while length > 1e-3:
        trial = assembly.residuals(c + length * move, scales)
        after = squared_norm(trial)
        if after <= (1 - 1e-4 * length) * before or (length == 1.0 and after <= before * (1 + 1e-6)):
            return length, after, trial
        length /= 2
    return 0.0, before, residuals


def carried(assembly: Assembly, previous: Discrete | None, problem: Problem) -> Tensor | None:
    """Coefficients that stand for an earlier solution, exactly on the same patches; else for the problem's `guess`."""
    if previous is None:
        return project(assembly, None, problem)
    return assembly.space.prolong(previous.assembly.space, previous.coefficients)


def project(assembly: Assembly, source: PartitionedMixture | None, problem: Problem) -> Tensor | None:
    """Coefficients of the best local fit to an earlier solution, or to the problem's `guess`."""
    space, states = assembly.space, list(assembly.statement.states)
    if source is not None:
        return space.fit_mixture(source)
    if problem.guess is None:
        return None
    guess = problem.guess
    return space.fit(lambda y: problem.values(guess, (y @ space.rotation.T).cpu(), "guess")[:, states])


def value_table(assembly: Assembly, points: Points, q: int | None = None) -> Tensor:
    """Basis values at the points of a batch: (b or 1, m, k)."""
    return assembly.space.value_table(points, q)


def coefficients_of(discrete: Discrete, cells: np.ndarray) -> Tensor:
    """Coefficients (b, u, k) of patches; those of lower order are filled up with zeros, since bases are nested."""
    return discrete.assembly.space.coefficients_on(discrete.coefficients, cells)


def volume_weights(assembly: Assembly, points: Points) -> Tensor:
    """Quadrature weights (b, m) of a batch of interior points."""
    return assembly.space.volume_weights(points)
