"""Make a surrogate: a common space, then a basis of solutions at the parameters where the estimate is worst.

The greedy choice of Veroy, Prud'homme, Rovas & Patera, AIAA Paper 2003-3847, on least-squares patches: every solution
that enters the basis is checked by that of the next order, and what the estimate says is checked again at parameters
that it was not made from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.adaptive.solve import solve_adaptively
from pdesolve.checks.check import require_sound
from pdesolve.errors import ProblemError, SolveError, UsageError, did_you_mean
from pdesolve.patches.family import Family
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.runs.goal import require_time_limit, require_tolerance
from pdesolve.runs.monitor import Monitor
from pdesolve.solution.solution import Solution
from pdesolve.statement.loading import load_problem
from pdesolve.statement.problem import Problem
from pdesolve.surrogates.basis import Basis
from pdesolve.surrogates.box import Array, Box
from pdesolve.surrogates.dependence import find_dependence
from pdesolve.surrogates.offline import Offline, Snapshot
from pdesolve.surrogates.reduced import Reduced
from pdesolve.surrogates.surrogate import Surrogate

TRUTH = 0.2  # of the tolerance: error of the solutions behind, which is added to the estimate
LOOSEST = 0.3  # of the tolerance: a solution on the common space that is worse refines it
ACCURATE = 1e-4  # of the tolerance, to which the dependence on constants is found
# Each step of the greedy choice solves the reduced model at all of them, so fewer than those that prove it.
TRAINING = 300  # parameters among which the worst is chosen
VALIDATION = 1000  # others at which the estimate must be met, too
MOST_CORNERS = 32  # of a box that are solved for the common space: those of five constants
MOST_FUNCTIONS = 80  # beyond, an answer takes more than a millisecond
MOST_SPACES = 6  # common spaces, each with all solutions again
NEAR = 1e-6  # of the box: parameters that are the same
Show = Callable[[str], None]


@dataclass(frozen=True)
class _Finer(Exception):
    """A solution on the common space is not accurate enough."""

    point: Array


def build_surrogate(
    problem: Problem | str | Path,
    over: Mapping[str, tuple[float, float]],
    *,
    tol: float = 1e-4,
    time_limit: float | None = None,
    show: Show | None = None,
) -> Surrogate:
    """Make a surrogate of a steady problem over ranges of its constants.

    Args:
        problem: the problem, or the path of its file.
        over: constant → its two ends.
        tol: relative L2 error at all parameters of the box, as estimated.
        time_limit: seconds.
        show: told what is done.

    Returns:
        The surrogate. Where the tolerance was not reached everywhere, `converged` is false, `status` says where, and
        it refuses to answer there.

    Raises:
        UsageError: an argument is not what it should be, or the problem evolves or is of a kind that has no surrogate.
        ProblemError: there is no such constant.
        SolveError: there is no solution in the middle of the box, or the dependence on the constants is not found.
    """
    if not isinstance(problem, Problem):
        problem = load_problem(problem)
    require_tolerance(tol, "1e-4")
    require_time_limit(time_limit)
    _check(problem, over)
    maker = _Maker(problem, Box.of(over), tol, Monitor(time_limit=time_limit), show or _silent)
    threads = torch.get_num_threads()
    try:
        return maker.make()
    finally:
        torch.set_num_threads(threads)


def _silent(text: str) -> None:
    """Tell nothing."""
    del text


def _check(problem: Problem, over: Any) -> None:
    if not isinstance(over, Mapping):
        message = f"over={over!r}; expected the two ends of each constant: over={{'k': (0.1, 10)}}"
        raise UsageError(message)
    for name in over:
        if name not in problem.constants:
            known = ", ".join(problem.constants) or "none"
            message = (
                f"{name} is no constant of this problem (which may enter all but the shape of the domain); its "
                f"constants are: {known}"
            )
            raise ProblemError(message + did_you_mean(str(name), problem.constants))
    if "t" in problem.coordinates:
        message = "a surrogate needs a steady problem, and this one evolves in time: sweep over its constants"
        raise UsageError(message)
    if problem.eigenvalues is not None:
        message = (
            "a surrogate is one of solutions, and this problem asks for eigenvalues: sweep over its constants"
        )
        raise UsageError(message)
    if problem.data or problem.parameters:
        message = "a surrogate needs a problem without data and parameters; identify what is unknown first"
        raise UsageError(message)


class _Maker:
    """The making of a surrogate; `points` are the parameters of the solutions so far."""

    def __init__(self, problem: Problem, box: Box, tol: float, monitor: Monitor, show: Show):
        self.problem = problem
        self.box = box
        self.tol = tol
        self.monitor = monitor
        self.show = show
        self.points: list[Array] = [box.centre]
        self.unreached: list[Array] = []
        self.corners = box.corners()
        if len(self.corners) > MOST_CORNERS:
            self.corners = box.sample(MOST_CORNERS, seed=4)
        self.training = np.concatenate([self.corners, box.sample(TRAINING, seed=2)])

    def make(self) -> Surrogate:
        """The whole of it."""
        # A wrong statement is told now, before many solves.
        require_sound(self._at(self.box.centre), self.tol)
        mixture = self._common(None, [self.box.centre, *self.corners])
        for _ in range(MOST_SPACES):
            try:
                return self._on(mixture)
            except _Finer as finer:
                self.show("a solution asks for a finer space")
                mixture = self._common(mixture, [finer.point])
        message = (
            f"no common space was found on which solutions are right to {LOOSEST * self.tol:.1e}: ask for a looser "
            "tolerance or narrower ranges"
        )
        raise SolveError(message)

    def _at(self, point: Array) -> Problem:
        return self.problem.with_constants(self.box.constants(point))

    def _common(self, mixture: PartitionedMixture | None, points: list[Array]) -> PartitionedMixture:
        """Patches on which the solutions at some parameters are accurate, each begun with those of the one before."""
        for point in points:
            result = solve_adaptively(
                self._at(point), TRUTH * self.tol, self.monitor, "cpu", mixture, corners=False
            )
            told = _told(self.box, point)
            if result.converged:
                mixture = result.expansion
                self.show(f"solved at {told}: {len(mixture.coefficients)} unknowns")
            elif mixture is None:
                message = f"there is no solution to begin with at {told}: {result.status}"
                raise SolveError(message)
            else:
                self.show(f"not solved at {told}: {result.status}")
                self.unreached.append(point)
        assert mixture is not None
        return mixture

    # ---------------------------------------------------------------- on one space

    def _on(self, mixture: PartitionedMixture) -> Surrogate:
        torch.set_num_threads(1)
        centre = self._at(self.box.centre)
        offline = Offline(Family.of(centre, mixture), self.box, self.tol)
        dependence = find_dependence(self.box, offline.sampler(), ACCURATE * self.tol)
        told = f"{len(dependence.magic)} terms of degree {dependence.powers.sum(1).max()}"
        self.show(f"the rows depend on {', '.join(self.box.names)} through {told}")
        first = self._solve(offline, self.box.centre, None)
        if not np.isfinite(first.error):
            message = f"the solution at {_told(self.box, first.point)} cannot be confirmed by the next order"
            raise SolveError(message)
        offline.refer(first.point, first.coefficients)
        units = offline.space.norms(first.coefficients)
        # An unknown that is zero in the middle would make its unit zero.
        units = units.clamp_min(1e-12 * float(units.max()))
        basis = Basis(offline, dependence, offline.degree(), units, self.tol)
        basis.add(first)
        for point in self.points[1:]:
            basis.add(self._solve(offline, point, basis))
        status = self._grow(offline, basis)
        model = basis.model()
        # Before anything is given out: an estimate from wrong rows would be certain and wrong.
        self._prove(offline, basis, model)
        base = self._base(centre, offline, first)
        functions = torch.stack(basis.functions)
        missed = status
        if missed is None:
            missed = self._missed(model)
        told = missed or f"tolerance met at {VALIDATION} parameters that it was not made from"
        return Surrogate(base, functions, model, self.tol, told, missed is None)

    def _base(self, problem: Problem, offline: Offline, first: Snapshot) -> Solution:
        mixture = offline.space.mixture(first.coefficients)
        estimates = (first.error,) * len(problem.unknowns)
        base = Solution(problem, mixture, "gmnm", self.tol, "the middle of a surrogate", True, estimates)
        base.residual_rms = base.measure_residual()
        return base

    def _solve(self, offline: Offline, point: Array, basis: Basis | None) -> Snapshot:
        start: Tensor | None = None
        if basis is not None and not offline.linear:
            a = basis.model().at(point).a
            if np.isfinite(a).all():
                start = torch.from_numpy(a) @ torch.stack(basis.functions)
        found = offline.solve(point, start, self.monitor)
        if LOOSEST * self.tol < found.error < np.inf:
            raise _Finer(point)
        return found

    def _grow(self, offline: Offline, basis: Basis) -> str | None:
        """Add solutions where the estimate is worst; None at the end, or why it came too soon."""
        training = self.training
        while True:
            model = basis.model()
            errors = np.array([model.at(point).error for point in training])
            errors[[self._is_unreached(point) for point in training]] = 0.0
            worst = int(errors.argmax())
            self.show(f"{len(basis)} functions: largest estimate {errors[worst]:.1e}")
            if errors[worst] <= self.tol:
                others = self._worst_of_others(model)
                if others is None:
                    return None
                # The estimate was met by what it was trained on; where others show more, they are trained on, too.
                training = np.concatenate([training, others[None]])
                continue
            if self.monitor.out_of_time():
                return f"{self.monitor.why_over()}: the estimate is {errors[worst]:.1e} still"
            if len(basis) >= MOST_FUNCTIONS:
                return f"the estimate is {errors[worst]:.1e} still with {MOST_FUNCTIONS} functions: narrow the ranges"
            self._add(offline, basis, training[worst])

    def _add(self, offline: Offline, basis: Basis, point: Array) -> None:
        known = any(self._same(point, other) for other in self.points)
        found = None if known else self._solve(offline, point, basis)
        if found is None or not math.isfinite(found.error) or not basis.add(found):
            # What is in the basis already and is not right all the same, no further function makes right.
            self.unreached.append(point)
            return
        self.points.append(point)

    def _worst_of_others(self, model: Reduced) -> Array | None:
        """The worst of new parameters, where its estimate is above the tolerance."""
        points = self.box.sample(VALIDATION, seed=8)
        errors = np.array([0.0 if self._is_unreached(p) else model.at(p).error for p in points])
        worst = int(errors.argmax())
        if not errors[worst] > self.tol:
            return None
        return points[worst]

    def _missed(self, model: Reduced) -> str | None:
        """Where the tolerance was not reached, None where it was."""
        points = self.box.sample(VALIDATION, seed=8)
        errors = np.array([model.at(point).error for point in points])
        bad = int((errors > self.tol).sum())
        if not bad and not self.unreached:
            return None
        place = points[int(errors.argmax())]
        if self.unreached:
            place = self.unreached[0]
        return (
            f"not reached at {bad} of {VALIDATION} parameters, such as {_told(self.box, place)} (a resonance, or no "
            "solution?): it gives no answer there"
        )

    def _prove(self, offline: Offline, basis: Basis, model: Reduced) -> None:
        """See that the reduced residual is the one of the rows themselves, at parameters that were not used.

        Raises:
            SolveError: it is not.
        """
        for point in self.box.sample(3, seed=12):
            found = model.at(point)
            if not np.isfinite(found.a).all():
                continue
            c = torch.from_numpy(found.a) @ torch.stack(basis.functions)
            blocks = offline.at(point).residuals(c, offline.scales)
            true = float(np.linalg.norm(offline.values(offline.preconditioned(blocks), basis.units)))
            told = (found.error - model.floor) * found.sigma * float(np.linalg.norm(found.a))
            # Measured by the tolerance, with which the estimate is compared: a tenth of it decides nothing.
            if abs(true - told) > 0.1 * self.tol * float(np.linalg.norm(found.a)):
                message = (
                    f"the dependence on {', '.join(self.box.names)} that was found is not that of the rows at "
                    f"{_told(self.box, point)}: residual {true:.1e}, by the reduced model {told:.1e}; narrow the ranges"
                )
                raise SolveError(message)

    def _is_unreached(self, point: Array) -> bool:
        return any(self._same(point, other) for other in self.unreached)

    def _same(self, a: Array, b: Array) -> bool:
        return bool((np.abs(a - b) <= NEAR * np.subtract(self.box.upper, self.box.lower)).all())


def _told(box: Box, point: Array) -> str:
    return ", ".join(f"{name}={value:.6g}" for name, value in zip(box.names, point, strict=True))
