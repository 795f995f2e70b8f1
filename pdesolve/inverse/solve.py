"""Scalars and coefficient fields from observations, adaptively: every level identifies them anew.

The tolerance is that of the discretisation: of u, of fields and of scalars, for the data as they are. What is minimised
on each level says `newton`; how the data choose the weights says `selection`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from pdesolve.adaptive.estimation import difference
from pdesolve.adaptive.solve import FINEST_TOLERANCE, AdaptiveResult, NonlinearFailure, Solver
from pdesolve.errors import SolveError, UsageError
from pdesolve.inverse.expansion import joined
from pdesolve.inverse.fields import HIGHEST_DEGREE, unknown_parameters_of
from pdesolve.inverse.newton import Identified, identify
from pdesolve.inverse.rows import ParametricRows
from pdesolve.inverse.selection import Choice
from pdesolve.inverse.uncertainty import Findings, findings
from pdesolve.inverse.unknown_parameters import UnknownParameters
from pdesolve.patches.cells import Patches
from pdesolve.patches.newton import Discrete, carried
from pdesolve.runs.monitor import Monitor
from pdesolve.statement.problem import Problem

MOST_USED = 0.5  # part of the coefficients of fields that the data may determine


@dataclass(frozen=True)
class IdentifiedResult(AdaptiveResult):
    """As `AdaptiveResult`, for all unknowns, fields among them."""

    findings: Findings = field(kw_only=True)


class NotIdentified(NonlinearFailure):
    """Gauss–Newton over θ ends where no step lowers the misfit."""

    def __init__(self) -> None:
        SolveError.__init__(
            self,
            "no step lowers the misfit of the data any more; start nearer, with parameters={…} or guess=",
        )


@dataclass
class InverseSolver(Solver):
    """Adaptive least squares in which every level identifies θ anew, from that of the level before."""

    parameters: UnknownParameters = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parameters = unknown_parameters_of(self.statement, self.frame, 0.1 * self.tol)
        if not self.parameters.size:
            message = (
                "data= is given, but nothing is to be identified: the conditions determine every unknown; add "
                "parameters={…}, or leave one condition or equation to the data by a field (see Inverse problems)"
            )
            raise UsageError(message)

    def solve(
        self, patches: Patches, q: np.ndarray, previous: Discrete | None, max_steps: int = 25
    ) -> Identified:
        """Identify θ and solve on given patches; with all orders raised on the same patches, to the same weights.

        The degree of fields is raised until the data use less than half of their coefficients: then the penalty, hence
        the data, decide what is resolved.
        """
        del max_steps
        theta, choice = self.parameters.start, None
        if isinstance(previous, Identified):
            theta = previous.theta
            verifying = patches is previous.assembly.patches and bool((q == previous.assembly.q + 2).all())
            choice = previous.choice if verifying else None
        while True:
            found = self._identify(patches, q, previous, theta, choice)
            d = found.assembly.dimension
            enough = found.used <= MOST_USED * (self.parameters.size - len(self.parameters.names))
            highest = self.parameters.degree + 2 > HIGHEST_DEGREE[d] or self.monitor.out_of_time()
            if choice is not None or enough or highest:
                return found
            finer = unknown_parameters_of(
                self.statement, self.frame, 0.1 * self.tol, self.parameters.degree + 2
            )
            theta, self.parameters = finer.adopted(self.parameters, found.theta), finer

    def _after_failure(self, current: Discrete, finer: Discrete, estimates: np.ndarray) -> Discrete | None:
        """As for any problem; where the finer solution is the next level, its weights are chosen anew."""
        try:
            following = super()._after_failure(current, finer, estimates)
        except NonlinearFailure:
            raise NotIdentified from None
        if following is not finer:
            return following
        assert isinstance(finer, Identified)
        return self._identify(finer.assembly.patches, finer.assembly.q, finer, finer.theta, None)

    def _identify(
        self,
        patches: Patches,
        q: np.ndarray,
        previous: Discrete | None,
        theta: Tensor,
        choice: Choice | None,
    ) -> Identified:
        rows, start = ParametricRows(self.statement, patches, q, self.parameters, self.device), None
        if not self.statement.linear or (previous is not None and patches.cut.any()):
            start = carried(rows.at(theta), previous, self.problem)
        return identify(rows, start, theta, max(1e-2 * self.tol, 1e-13), self.monitor, choice)

    def difference(self, current: Discrete, finer: Discrete) -> np.ndarray:
        """Estimated errors of all unknowns; of scalars the largest counts for every one of them."""
        assert isinstance(current, Identified)
        assert isinstance(finer, Identified)
        moved = finer.theta - current.theta
        only = replace(self.parameters, fields=())
        scalars = only.change(finer.theta, moved, finer.coefficients, finer.response)
        estimates = np.full(len(self.problem.unknowns), np.nan)
        estimates[list(self.statement.states)] = difference(current, finer)
        a, b = (self.parameters.coefficients(d.theta) for d in (current, finer))
        for one, u, v in zip(self.parameters.fields, a, b, strict=True):
            estimates[one] = float((u - v).norm() / v.norm().clamp_min(1e-300)) + self.parameters.misfit
        return np.maximum(estimates, scalars)

    def _finish(self, current: Discrete, estimates: np.ndarray, met: bool, status: str) -> IdentifiedResult:
        assert isinstance(current, Identified)
        if len(estimates) < len(self.problem.unknowns):
            states, estimates = estimates, np.full(len(self.problem.unknowns), np.nan)
            estimates[list(self.statement.states)] = states
        found = findings(current)
        status = f"{status}, for the data as they are" if met else status
        if found.remark:
            status = f"{status}; {found.remark}"
        return IdentifiedResult(
            joined(current), tuple(estimates.tolist()), met, status, current.residual, findings=found
        )


def solve_inverse(
    problem: Problem, tol: float, monitor: Monitor | None = None, device: str = "cpu", **settings: int
) -> IdentifiedResult:
    """As `solve_adaptively`, for a problem with data and something to identify from them.

    The tolerance is that of the discretisation: of u, of fields and of scalars, for the data as they are.

    Raises:
        UsageError: nothing is to be identified, or the data do not determine it.
    """
    threads = torch.get_num_threads()
    try:
        solver = InverseSolver(problem, max(tol, FINEST_TOLERANCE), monitor or Monitor(), device, settings)
        result = solver.run()
        assert isinstance(result, IdentifiedResult)
        return result
    finally:
        torch.set_num_threads(threads)
