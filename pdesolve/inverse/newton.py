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
    if not assembly.linear:
        return Forward(gauss_newton(assembly, start, stop, monitor), None)
    c = assembly.space.zero() if start is None else start
    at = _Linearisation.of(assembly, c)
    move = at.equations.solve([-r for r in at.residuals]).x
    c = c + move
    residuals = [r + block.apply(move) for r, block in zip(at.residuals, at.equations.rows, strict=True)]
    size, of_patch = squared_norm(residuals) ** 0.5, assembly.residual_of_patch(residuals)
    return Forward(Discrete(assembly, c, True, size, 1, of_patch), at)


def response_of(rows: ParametricRows, state: Forward) -> Tensor:
    """∂c/∂θ (p, θ) from A ∂c/∂θ = -∂r/∂θ."""
    assembly, c = state.discrete.assembly, state.coefficients
    at = state.linearisation or _Linearisation.of(assembly, c)
    columns = rows.derivatives(assembly, c, at.scales, at.residuals)
    found = []
    for start in range(0, rows.parameters.size, AT_ONCE):
        chosen = [-part[..., start : start + AT_ONCE] for part in columns]
        found.append(at.equations.solve_many(chosen, SENSITIVITY))
    return torch.cat(found, dim=1)


# ---------------------------------------------------------------- the iteration


@dataclass(frozen=True, eq=False)
class _State:
    """Where the iteration is: θ, u(θ), and what the data see of it: misfits e (n,), ∂e/∂θ (n, θ), ∂c/∂θ (p, θ)."""

    theta: Tensor
    solution: Forward
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
    return _Iteration(rows, stop, monitor).run(start, theta, choice)


class _Iteration:
    """Gauss–Newton over θ with backtracking; the weights are chosen anew while steps are long."""

    def __init__(self, rows: ParametricRows, stop: float, monitor: Monitor):
        self.rows = rows
        self.parameters = rows.parameters
        self.data = Observations(rows)
        self.stop = stop
        self.monitor = monitor

    def run(self, start: Tensor | None, theta: Tensor, choice: Choice | None) -> Identified:
        """Iterate from θ."""
        fixed = choice is not None
        converged = False
        state = self._state(theta, forward(self.rows, start, theta, self.stop, self.monitor))
        require_determined(state.J, state.response, self.rows, theta)
        for step in range(MOST_STEPS):
            if not fixed:
                choice = choose(self.data, state.e, state.J, self.parameters, state.theta, choice)
            assert choice is not None
            move, root = self._step(state, choice)
            if step == 0:
                require_regular(root, self.rows)
            deviations = float((root @ move).norm())
            length, theta, solution = self._line_search(state, move, choice, deviations)
            change = self.parameters.change(theta, move, solution.coefficients, state.response)
            fixed = fixed or step >= CHOOSING or deviations < SETTLED
            if length > 0.0:
                state = self._state(theta, solution)
            if self._ends(length, deviations, change):
                converged = change <= self.stop or deviations < SETTLED
                break
        assert choice is not None
        return self._identified(state, choice, converged)

    def _ends(self, length: float, deviations: float, change: float) -> bool:
        resting = length < 1.0 and length * deviations < AT_REST
        return resting or change <= self.stop or self.monitor.out_of_time()

    def _state(self, theta: Tensor, solution: Forward) -> _State:
        response = response_of(self.rows, solution)
        e = self.data.residual(solution.coefficients, theta)
        return _State(theta, solution, e, self.data.apply(response) + self.data.direct, response)

    def _step(self, state: _State, choice: Choice) -> tuple[Tensor, Tensor]:
        """The Gauss–Newton step, and the root R of its Hessian RᵀR."""
        rows, values = self.parameters.penalty(state.theta, choice.alpha)
        weight = 1 / choice.sigma[self.data.group]
        A = torch.cat([state.J * weight[:, None], rows])
        Q, root = torch.linalg.qr(A)
        rhs = Q.T @ torch.cat([state.e * weight, values])
        return -torch.linalg.solve_triangular(root, rhs[:, None], upper=True)[:, 0], root

    def _line_search(
        self, state: _State, move: Tensor, choice: Choice, deviations: float
    ) -> tuple[float, Tensor, Forward]:
        """The first of 1, ½, ¼, … at which the objective does not rise; 0 and the old state where there is none.

        Where patches do not resolve u yet, ∂u/∂θ misses what the residual contributes, and near the end a full step
        may raise the misfit by as little as it promises to lower it: by the square of its standard deviations.
        """
        shortest = max(SHORTEST, AT_REST / max(deviations, AT_REST))
        slack = deviations**2 if deviations < SMALL else 0.0
        c = state.solution.coefficients
        before = self._objective(c, state.theta, choice)
        length = 1.0
        while length >= shortest:
            trial = state.theta + length * move
            guess = c + length * (state.response @ move)
            try:
                reached = forward(self.rows, guess, trial, self.stop, self.monitor)
                after = self._objective(reached.coefficients, trial, choice)
            except SolveError:
                after = float("inf")
            if after <= before * (1 + ROUNDING) + slack:
                return length, trial, reached
            length /= 2
        return 0.0, state.theta, state.solution

    def _objective(self, c: Tensor, theta: Tensor, choice: Choice) -> float:
        e = self.data.residual(c, theta) / choice.sigma[self.data.group]
        roughness = self.parameters.penalty(theta, choice.alpha)[1]
        return float(e.square().sum() + roughness.square().sum())

    def _identified(self, state: _State, choice: Choice, converged: bool) -> Identified:
        """The end of the iteration with its covariance and degrees of freedom."""
        _, root = self._step(state, choice)
        inverse = torch.linalg.solve_triangular(root, torch.eye(len(root), dtype=root.dtype), upper=True)
        sigma = choice.sigma[self.data.group]
        hat = (state.J / sigma[:, None]) @ inverse  # of the hat matrix S = hat hatᵀ
        expected = len(state.e) - float(hat.square().sum())
        known = not bool(self.data.sigma.isnan().any())
        discrete = state.solution.discrete
        of_fields = hat[:, len(self.parameters.names) :]
        return Identified(
            **{**vars(discrete), "converged": converged and discrete.converged},
            rows=self.rows,
            theta=state.theta,
            choice=choice,
            spread=inverse,
            response=state.response,
            freedom=np.inf if known else max(expected, 1.0),
            chi=(float((state.e / sigma).square().sum()), expected),
            used=float(of_fields.square().sum()) if self.parameters.fields else 0.0,
        )
