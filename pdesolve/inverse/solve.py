"""Scalars and coefficient fields from observations, adaptively: every level identifies them anew.

The tolerance is that of the discretisation: of u, of fields and of scalars, for the data as they are. What is minimised
on each level says `newton`; how the data choose the weights says `selection`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor

from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.adaptive.estimation import difference
from pdesolve.adaptive.solve import run
from pdesolve.adaptive.tuning import FINEST_TOLERANCE
from pdesolve.errors import UsageError
from pdesolve.inverse.expansion import joined
from pdesolve.inverse.fields import HIGHEST_DEGREE, unknown_parameters_of
from pdesolve.inverse.newton import Identified, identify
from pdesolve.inverse.rows import ParametricRows
from pdesolve.inverse.selection import Choice
from pdesolve.inverse.uncertainty import findings, misfit
from pdesolve.inverse.unknown_parameters import UnknownParameters
from pdesolve.patches.cells import Patches
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.patches.newton import Discrete, carried
from pdesolve.runs.answer import Answer
from pdesolve.runs.monitor import Monitor
from pdesolve.statement.problem import Problem

MOST_USED = 0.5  # part of the coefficients of fields that the data may determine


class Identification:
    """Least squares on patches in which every level identifies θ anew, from that of the level before."""

    def __init__(self, space: Discretisation):
        self.space = space
        self.parameters = self._parameters(0)
        if not self.parameters.size:
            message = (
                "data= is given, but nothing is to be identified: the conditions determine every unknown; add "
                "parameters={…}, or leave one condition or equation to the data by a field (see Inverse problems)"
            )
            raise UsageError(message)

    def _parameters(self, degree: int) -> UnknownParameters:
        """All that is to be identified, with fields of that degree at least."""
        return unknown_parameters_of(self.space.statement, self.space.frame, 0.1 * self.space.tol, degree)

    def solve(self, patches: Patches, q: np.ndarray, previous: Discrete | None) -> Identified:
        """Identify θ and solve on given patches; with all degrees raised on the same patches, to the same weights.

        The degree of fields is raised until the data use less than half of their coefficients: then the penalty, hence
        the data, decide what is resolved.
        """
        theta = self.parameters.start
        choice = None
        if isinstance(previous, Identified):
            theta = previous.theta
            # A verification compares two solutions of one objective: other weights would count as an error.
            if _verifies(patches, q, previous):
                choice = previous.choice
        while True:
            found = self._identify(patches, q, previous, theta, choice)
            if choice is not None or self._resolves_fields(found):
                return found
            finer = self._parameters(self.parameters.degree + 2)
            theta = finer.adopted(self.parameters, found.theta)
            self.parameters = finer

    def _resolves_fields(self, found: Identified) -> bool:
        """Whether fields have more coefficients than the data determine, or as many as they may have."""
        coefficients = self.parameters.size - len(self.parameters.names)
        enough = found.used <= MOST_USED * coefficients
        highest = self.parameters.degree + 2 > HIGHEST_DEGREE[found.assembly.dimension]
        return enough or highest or self.space.monitor.out_of_time()

    def adopted(self, fine: Discrete) -> Discrete:
        """The solution that verified, with its weights chosen anew."""
        assert isinstance(fine, Identified)
        return self._identify(fine.assembly.patches, fine.assembly.q, fine, fine.theta, None)

    def failure(self, residual: float) -> str:
        """What to try where Gauss–Newton over θ ends at no solution."""
        del residual  # of the equation: it says nothing of the data
        return "no step lowers the misfit of the data any more; start nearer, with parameters={…} or guess="

    def _identify(
        self,
        patches: Patches,
        q: np.ndarray,
        previous: Discrete | None,
        theta: Tensor,
        choice: Choice | None,
    ) -> Identified:
        space = self.space
        rows = ParametricRows(space.statement, patches, q, self.parameters, space.device)
        start = None
        if not space.statement.linear or (previous is not None and patches.cut.any()):
            start = carried(rows.at(theta), previous, space.problem)
        return identify(rows, start, theta, space.stop, space.monitor, choice)

    def errors(self, coarse: Discrete, fine: Discrete) -> np.ndarray:
        """Estimated errors of all unknowns; of scalars the largest counts for every one of them."""
        assert isinstance(coarse, Identified)
        assert isinstance(fine, Identified)
        moved = fine.theta - coarse.theta
        only = replace(self.parameters, fields=())
        scalars = only.change(fine.theta, moved, fine.coefficients, fine.response)
        estimates = self._of_all(difference(coarse, fine))
        before = self.parameters.coefficients(coarse.theta)
        after = self.parameters.coefficients(fine.theta)
        for one, u, v in zip(self.parameters.fields, before, after, strict=True):
            estimates[one] = float((u - v).norm() / v.norm().clamp_min(1e-300)) + self.parameters.misfit
        # A wrong scalar makes every unknown wrong, so that its error counts for all of them.
        return np.maximum(estimates, scalars)

    def _of_all(self, estimates: np.ndarray) -> np.ndarray:
        """Estimates of all unknowns from those of the unknowns of the patches; NaN for fields."""
        found = np.full(len(self.space.problem.unknowns), np.nan)
        found[list(self.space.statement.states)] = estimates
        return found

    def expansion(self, discrete: Discrete) -> PartitionedMixture:
        """All unknowns, fields among them."""
        assert isinstance(discrete, Identified)
        return joined(discrete)

    def result(self, current: Discrete, estimates: np.ndarray, met: bool, status: str) -> Answer:
        """All unknowns on the same patches, with what was identified."""
        assert isinstance(current, Identified)
        if len(estimates) < len(self.space.problem.unknowns):
            estimates = self._of_all(estimates)
        found = findings(current)
        if met:
            status = f"{status}, for the data as they are"
        remark = misfit(current)
        if remark:
            status = f"{status}; {remark}"
        return Answer(joined(current), tuple(estimates.tolist()), met, status, found)


def _verifies(patches: Patches, q: np.ndarray, previous: Discrete) -> bool:
    """Whether these are the patches of an earlier solution with all degrees raised by two."""
    return patches is previous.assembly.patches and bool((q == previous.assembly.q + 2).all())


def solve_inverse(
    problem: Problem, tol: float, monitor: Monitor | None = None, device: str = "cpu", **settings: int
) -> Answer:
    """As `solve_adaptively`, for a problem with data and something to identify from them.

    The tolerance is that of the discretisation: of u, of fields and of scalars, for the data as they are.

    Raises:
        UsageError: nothing is to be identified, or the data do not determine it.
    """
    goal = max(tol, FINEST_TOLERANCE)
    space = Discretisation(problem, goal, monitor or Monitor(), device, settings)
    return run(Identification(space))
