"""Gauss–Newton over θ on one space; every step solves the problem for its own θ.

Minimised over θ, with u(θ) the solution of the problem for given scalars and fields, is

    Σ_g Σ_i ((u(θ)(x_i) - d_i)/σ_g)² + Σ_a α_a ‖R η_a + r_a‖² .

The equation is a constraint, not one misfit among others: u(θ) is solved for at every θ, to the tolerance, and noise
enters through θ alone. Its sensitivity follows from the factor of the same rows, A ∂u/∂θ = -∂r/∂θ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import SolveError
from pdesolve.inverse.determined import require_determined, require_regular
from pdesolve.inverse.observations import Observations
from pdesolve.inverse.rows import ParametricRows
from pdesolve.inverse.selection import Choice, choose
from pdesolve.least_squares.newton import Linearisation, Point, Rows, Step, backtrack, newton
from pdesolve.least_squares.sparse.normal_equations import NormalEquations
from pdesolve.least_squares.sparse.row_blocks import squared_norm
from pdesolve.patches.assembly import Assembly
from pdesolve.patches.newton import Discrete, gauss_newton
from pdesolve.runs.monitor import Monitor

MOST_STEPS = 40
SHORTEST = 1e-6  # step length
CHOOSING = 8  # steps during which weights are chosen anew
SETTLED = 1e-2  # step, in standard deviations, below which they stay
SMALL = 0.3  # step, in standard deviations, that is certainly near the end
AT_REST = 1e-4  # step, in standard deviations, that is none
AT_ONCE = 32  # sensitivities solved for together
SENSITIVITY = 1e-9  # to which ∂u/∂θ is solved for
ROUNDING = 1e-9  # relative rise of the objective that is none


@dataclass(frozen=True, eq=False)
class Identified(Discrete):
    """A discrete solution with what was identified.

    Attributes:
        rows: of the problem, as functions of θ.
        theta: (θ,) values.
        choice: weights they belong to.
        spread: L (θ, θ), of the covariance L Lᵀ.
        response: ∂c/∂θ (p, θ).
        freedom: degrees of freedom of the noise; infinite where every sigma is given.
        chi: χ² of the data, and its expectation.
        used: degrees of freedom of the data that fields take up.
    """

    rows: ParametricRows
    theta: Tensor
    choice: Choice
    spread: Tensor
    response: Tensor
    freedom: float
    chi: tuple[float, float]
    used: float


# ---------------------------------------------------------------- the solution for one θ


@dataclass(frozen=True, eq=False)
class Forward:
    """The solution for one θ; where the problem is linear in it, with the linearisation and the factor that gave it."""

    discrete: Discrete
    linearisation: _Linearisation | None

    @property
    def coefficients(self) -> Tensor:
        """Of the solution."""
        return self.discrete.coefficients


@dataclass(frozen=True, eq=False)
class _Linearisation:
    equations: NormalEquations
    residuals: list[Tensor]
    scales: list[object]

    @classmethod
    def of(cls, assembly: Assembly, c: Tensor) -> _Linearisation:
        rows, residuals, scales = assembly.linearise(c)
        return cls(NormalEquations(assembly.layout, assembly.patches.centre, rows), residuals, scales)


def forward(
    rows: ParametricRows, start: Tensor | None, theta: Tensor, stop: float, monitor: Monitor
) -> Forward:
    """u(θ), where the problem is nonlinear by Gauss–Newton from the coefficients `start`."""
    assembly = rows.at(theta)
    # A linear problem needs one solve, whose factor gives the sensitivities as well.
    if not assembly.linear:
        return Forward(gauss_newton(assembly, start, stop, monitor), None)
    if start is None:
        start = assembly.space.zero()
    at = _Linearisation.of(assembly, start)
    move = at.equations.solve([-r for r in at.residuals]).x
    c = start + move
    residuals = [r + block.apply(move) for r, block in zip(at.residuals, at.equations.rows, strict=True)]
    size = squared_norm(residuals) ** 0.5
    of_patch = assembly.residual_of_patch(residuals)
    return Forward(Discrete(assembly, c, True, size, 1, of_patch), at)


def response_of(rows: ParametricRows, state: Forward) -> Tensor:
    """∂c/∂θ (p, θ) from A ∂c/∂θ = -∂r/∂θ."""
    assembly = state.discrete.assembly
    c = state.coefficients
    at = state.linearisation or _Linearisation.of(assembly, c)
    columns = rows.derivatives(assembly, c, at.scales, at.residuals)
    found = []
    for start in range(0, rows.parameters.size, AT_ONCE):
        chosen = [-part[..., start : start + AT_ONCE] for part in columns]
        found.append(at.equations.solve_many(chosen, SENSITIVITY))
    return torch.cat(found, dim=1)


# ---------------------------------------------------------------- the iteration


@dataclass(frozen=True, eq=False)
class _Seen:
    """What the data see of u(θ): misfits e (n,), ∂e/∂θ (n, θ), ∂c/∂θ (p, θ)."""

    e: Tensor
    J: Tensor
    response: Tensor


def identify(
    rows: ParametricRows,
    start: Tensor | None,
    theta: Tensor,
    stop: float,
    monitor: Monitor,
    choice: Choice | None = None,
) -> Identified:
    """Gauss–Newton over θ on one space.

    Args:
        rows: of the problem.
        start: coefficients to begin a nonlinear solve with.
        theta: where to begin.
        stop: relative change of θ at which to stop.
        monitor: time limit.
        choice: weights to be kept; None: they are chosen by the data.

    Raises:
        UsageError: the data do not determine the scalars.
    """
    theta_rows = _ThetaRows(rows, stop, monitor, choice)
    solution = forward(rows, start, theta, stop, monitor)
    ending = _Stop(theta_rows, stop, monitor)
    # The merit at the start is that of its linearisation, which chooses the weights.
    last, converged = newton(theta_rows, Point(theta, solution, np.inf), ending, theta_rows.search)
    return theta_rows.identified(last, converged)


class _ThetaRows:
    """Misfits and penalties as rows in θ; the weights are chosen anew while steps are long.

    Attributes:
        deviations: size of the last step, in standard deviations.
        fixed: whether the weights stay.
        seen: what the data see of the point of the last linearisation.
    """

    seen: _Seen

    def __init__(self, rows: ParametricRows, stop: float, monitor: Monitor, choice: Choice | None):
        self.rows = rows
        self.parameters = rows.parameters
        self.deviations = np.inf
        self.fixed = choice is not None
        self._data = Observations(rows)
        self._stop = stop
        self._monitor = monitor
        self._choice = choice
        self._last: Forward | None = None

    @property
    def choice(self) -> Choice:
        """The weights, known from the first linearisation on."""
        assert self._choice is not None
        return self._choice

    def linearise(self, point: Point[Forward]) -> Linearisation[Forward]:
        theta = point.c
        first = self._last is None
        self._look(point)
        if first:
            require_determined(self.seen.J, self.seen.response, self.rows, theta)
        # Weights that change with every step would move the objective, and the iteration need not end.
        if not self.fixed:
            before = self._choice
            self._choice = choose(self._data, self.seen.e, self.seen.J, self.parameters, theta, before)
        move, root = self._step(theta)
        if first:
            require_regular(root, self.rows)
        self.deviations = float((root @ move).norm())
        merit = self._merit(point.residual.coefficients, theta)
        # rᵀJδ = -|Jδ|² of an exact solve.
        return Linearisation(Point(theta, point.residual, merit), move, -(self.deviations**2))

    def _look(self, point: Point[Forward]) -> None:
        """Take up what the data see of a point, unless it is known."""
        solution = point.residual
        if solution is self._last:
            return
        response = response_of(self.rows, solution)
        e = self._data.residual(solution.coefficients, point.c)
        self.seen = _Seen(e, self._data.apply(response) + self._data.direct, response)
        self._last = solution

    def along(self, model: Linearisation[Forward], t: float) -> Point[Forward]:
        theta = model.point.c + t * model.direction
        solution = model.point.residual
        # To first order this is the solution at the new θ: a nonlinear solve then takes few steps.
        guess = solution.coefficients + t * (self.seen.response @ model.direction)
        try:
            reached = forward(self.rows, guess, theta, self._stop, self._monitor)
        except SolveError:
            # Too far: a shorter step may have a solution.
            return Point(theta, solution, np.inf)
        return Point(theta, reached, self._merit(reached.coefficients, theta))

    def search(self, _: Rows[Forward], model: Linearisation[Forward]) -> Step[Forward] | None:
        """The first of 1, ½, ¼, … at which the objective does not rise.

        Where patches do not resolve u yet, ∂u/∂θ misses what the residual contributes, and near the end a full step
        may raise the misfit by as little as it promises to lower it: by the square of its standard deviations.
        """
        slack = ROUNDING * model.point.merit
        if self.deviations < SMALL:
            slack += 0.5 * self.deviations**2
        shortest = max(SHORTEST, AT_REST / max(self.deviations, AT_REST))
        return backtrack(self, model, sufficient=0.0, slack=slack, shortest=shortest)

    def _step(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The Gauss–Newton step, and the root R of its Hessian RᵀR."""
        rows, values = self.parameters.penalty(theta, self.choice.alpha)
        weight = 1 / self.choice.sigma[self._data.group]
        A = torch.cat([self.seen.J * weight[:, None], rows])
        # The factor comes from the rows, not from AᵀA, which would square the condition number.
        Q, root = torch.linalg.qr(A)
        rhs = Q.T @ torch.cat([self.seen.e * weight, values])
        return -torch.linalg.solve_triangular(root, rhs[:, None], upper=True)[:, 0], root

    def _merit(self, c: Tensor, theta: Tensor) -> float:
        """Half of the objective."""
        e = self._data.residual(c, theta) / self.choice.sigma[self._data.group]
        roughness = self.parameters.penalty(theta, self.choice.alpha)[1]
        return 0.5 * float(e.square().sum() + roughness.square().sum())

    def identified(self, point: Point[Forward], converged: bool) -> Identified:
        """The end of the iteration with its covariance and degrees of freedom."""
        self._look(point)
        _, root = self._step(point.c)
        inverse = torch.linalg.solve_triangular(root, torch.eye(len(root), dtype=root.dtype), upper=True)
        sigma = self.choice.sigma[self._data.group]
        hat = (self.seen.J / sigma[:, None]) @ inverse  # of the hat matrix S = hat hatᵀ
        expected = len(self.seen.e) - float(hat.square().sum())
        known = not bool(self._data.sigma.isnan().any())
        discrete = point.residual.discrete
        of_fields = hat[:, len(self.parameters.names) :]
        return Identified(
            **{**vars(discrete), "converged": converged and discrete.converged},
            rows=self.rows,
            theta=point.c,
            choice=self.choice,
            spread=inverse,
            response=self.seen.response,
            freedom=np.inf if known else max(expected, 1.0),
            chi=(float((self.seen.e / sigma).square().sum()), expected),
            used=float(of_fields.square().sum()) if self.parameters.fields else 0.0,
        )


class _Stop:
    """When Gauss–Newton over θ ends; a verdict says whether it has converged."""

    def __init__(self, rows: _ThetaRows, stop: float, monitor: Monitor):
        self.rows = rows
        self.stop = stop
        self.monitor = monitor
        self.steps = 0

    def before(self, point: Point[Forward]) -> bool | None:
        del point
        if self.steps >= MOST_STEPS:
            return False
        return None

    def after(self, step: Step[Forward]) -> bool | None:
        rows = self.rows
        change = self._change(step.after, step.direction)
        settled = rows.deviations < SETTLED
        rows.fixed = rows.fixed or self.steps >= CHOOSING or settled
        self.steps += 1
        # A step much below the standard deviation changes nothing that the data can tell.
        resting = step.length < 1.0 and step.length * rows.deviations < AT_REST
        if resting or change <= self.stop or self.monitor.out_of_time():
            return change <= self.stop or settled
        return None

    def stuck(self, model: Linearisation[Forward]) -> bool:
        # No length lowers the objective: that is the end, unless the step is still large.
        return self._change(model.point, model.direction) <= self.stop or self.rows.deviations < SETTLED

    def _change(self, point: Point[Forward], move: Tensor) -> float:
        rows = self.rows
        return rows.parameters.change(point.c, move, point.residual.coefficients, rows.seen.response)
