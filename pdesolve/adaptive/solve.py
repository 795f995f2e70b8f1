"""Solve, look at the decay of the coefficients, refine, and stop when a better solution confirms the tolerance.

On every level the problem is solved on the current patches. Where the local expansion decays fast, the degree of a
patch is raised; where it does not, the patch is split. Once the predicted truncation error is below the tolerance, the
problem is solved again with all degrees raised by two. The difference of the two solutions is the error estimate of the
first, and nothing is returned as converged without it. The exact solution is never looked at.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from pdesolve.adaptive.decay import fallen
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.adaptive.estimation import change, estimates_of, shared
from pdesolve.adaptive.marking import (
    Marked,
    aimed_residual,
    by_decay,
    by_residual,
    everywhere_in,
    unchanged,
)
from pdesolve.adaptive.rules import State, judge
from pdesolve.adaptive.states import Halving, Level, Verification, same_discretisation
from pdesolve.adaptive.strategy import Forward, Strategy
from pdesolve.adaptive.tuning import FINEST_TOLERANCE, TUNING, Tuning
from pdesolve.adaptive.verdicts import (
    Accept,
    By,
    DemandContinuity,
    Halve,
    Interrupt,
    NoSolution,
    Refine,
    Sharpen,
    Stop,
    TakeFiner,
    TakeHalved,
    Verdict,
    Verify,
)
from pdesolve.errors import OutOfMemoryError, OutOfTimeError
from pdesolve.patches.corners.find import corner_functions
from pdesolve.patches.grading import Singularities
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.patches.newton import Discrete
from pdesolve.runs.answer import Answer, SecondSolution
from pdesolve.runs.monitor import Monitor
from pdesolve.statement.problem import Problem

LOG = logging.getLogger(__name__)
# Of the tolerance: an error below it is rounding, as far as a verdict is concerned.
AT_ROUNDING = 1e-3


def solve_adaptively(
    problem: Problem,
    tol: float,
    monitor: Monitor | None = None,
    device: str = "cpu",
    near: PartitionedMixture | None = None,
    tuning: Tuning = TUNING,
    corners: bool = True,
    **settings: int,
) -> Answer:
    """Solve to an estimated relative L2 error of at most `tol`.

    Args:
        problem: the problem.
        tol: relative L2 tolerance for every unknown, at least 1e-13 in double precision.
        monitor: progress and time limit.
        device: where the linear algebra runs.
        near: a solution nearby, whose patches and degrees are the first.
        tuning: numbers that decide.
        corners: whether singular functions of corners stand beside those of the patches, where they are known.
        **settings: `cells` (root cells on the longest side), `degree` (the first), `max_degree`, `max_unknowns`.

    Returns:
        The solution on the last level that could be estimated, its estimate, and why it stopped.
    """
    goal = min(max(tol, FINEST_TOLERANCE), tuning.loosest_tolerance)
    space = Discretisation(problem, goal, monitor or Monitor(), device, settings, near=near, tuning=tuning)
    if corners:
        with space.monitor.enforce(ready=lambda: False):
            space.corners = corner_functions(space.statement, space.frame)
    return run(Forward(space))


def run(strategy: Strategy) -> Answer:
    """The adaptive loop of a strategy; threads are as before at its end."""
    threads = torch.get_num_threads()
    try:
        return AdaptiveLoop(strategy).run()
    finally:
        torch.set_num_threads(threads)


class AdaptiveLoop:
    """SOLVE, ESTIMATE, MARK, REFINE, until a verdict ends it.

    Attributes:
        current: the solution on the level that was reached.
        before: that on the level before, or None.
    """

    def __init__(self, strategy: Strategy):
        self.strategy = strategy
        self.space = strategy.space
        self.monitor = self.space.monitor
        self.errors_at_corners = Singularities(self.space.frame.reach)
        self.residuals_at_corners = Singularities(self.space.frame.reach)
        self.residual_goal = np.inf
        self.rows = 0  # of the history
        self.current: Discrete | None = None
        self.before: Discrete | None = None
        self.measured: dict[str, float] = {}  # true error of the level, for the history alone
        self.condition: float | None = None  # of the rows of the last verification on the same patches
        self.doubted = (np.inf, 1.0)  # likely error and residual of the level that it could not be trusted of

    def run(self) -> Answer:
        """The loop, within the limits of time and memory."""
        with self.monitor.enforce(ready=lambda: False):
            first = self.strategy.solve(*self.space.start(), None)
        try:
            with self.monitor.enforce():
                return self._loop(first)
        except KeyboardInterrupt:
            return self._interrupted("interrupted")
        except (OutOfMemoryError, OutOfTimeError) as stop:
            return self._interrupted(str(stop))

    def _loop(self, first: Discrete) -> Answer:
        state: State = self._level(first)
        while True:
            match state, self._judged(state):
                case Level() as level, Refine(by):
                    state = self._refined(level, by)
                case Level() as level, DemandContinuity():
                    self.space.demand_continuity(level.orders)
                    state = self._next(unchanged(level.current))
                case Level() as level, Verify():
                    state = self._verified(level)
                case (Level() | Verification()) as tried, Sharpen():
                    state = self._sharpened(tried)
                case Verification() as tried, TakeFiner():
                    state = self._level(self.strategy.adopted(tried.finer))
                case Verification() as tried, Halve():
                    state = self._halved(tried)
                case Halving() as tried, TakeHalved():
                    state = self._level(tried.halved)
                case _, verdict:
                    return self._ended(state, verdict)

    def _judged(self, state: State) -> Verdict:
        verdict = judge(state)
        LOG.debug("level %d: a %s makes the verdict %s", self.rows, type(state).__name__, verdict)
        return verdict

    # ---------------------------------------------------------------- SOLVE and ESTIMATE

    def _refined(self, level: Level, by: By) -> Level:
        """The level on patches refined where that is asked for, or the same one where none can be halved any more."""
        patches, q = self.space.refined(level.current, self._marked(level, by))
        if same_discretisation(level.current, patches, q):
            return replace(level, finest=True)
        return self._level(self.strategy.solve(patches, q, level.current))

    def _next(self, marked: Marked) -> Level:
        """The level on refined patches."""
        return self._level(self._solved(marked))

    def _solved(self, marked: Marked) -> Discrete:
        assert self.current is not None
        patches, q = self.space.refined(self.current, marked)
        LOG.debug(
            "refining: %d patches become %d, of degrees %d to %d",
            len(self.current.assembly.patches),
            len(patches),
            q.min(),
            q.max(),
        )
        return self.strategy.solve(patches, q, self.current)

    def _level(self, solution: Discrete) -> Level:
        """A solution as the level that was reached; it is recorded."""
        self.before = self.current
        self.current = solution
        self.condition = None
        error, residual = self.doubted
        expected = error * (solution.residual / residual) ** 2
        level = Level(self.space, solution, self.residual_goal, self.rows + 1, expected=expected)
        self.measured = self.monitor.measured(partial(self.strategy.expansion, solution))
        self._record(level, None)
        return level

    def _verified(self, level: Level) -> Verification:
        """A level beside the solution with all degrees raised by two on the same patches."""
        assembly = level.current.assembly
        finer = self.strategy.solve(assembly.patches, assembly.q + 2, level.current)
        self.condition = finer.condition
        tried = Verification(level, finer, self.strategy.errors(level.current, finer))
        self.doubted = (tried.likely, level.residual) if tried.doubtful else (np.inf, 1.0)
        return tried

    def _sharpened(self, tried: Level | Verification) -> Verification:
        """A level beside a solution with patches halved where the residual is, and degrees raised."""
        level, start = (tried, tried.current) if isinstance(tried, Level) else (tried.level, tried.finer)
        self.residual_goal = level.tuning.sharper * level.residual
        marked = self._marked(level, By.RESIDUAL)
        raised = np.where(marked.axes.any(axis=1), level.raised_if_halved, 2)
        patches, q = self.space.refined(level.current, replace(marked, q=marked.q + raised))
        sharper = self.strategy.solve(patches, q, start)
        moved = change(level.current, sharper, level.tuning)
        sigma = shared(level.current, sharper, level.tuning)
        estimates = estimates_of(moved, sigma, level.current, sharper, sharp=True, tuning=level.tuning)
        return Verification(level, sharper, estimates, sharp=True)

    def _halved(self, tried: Verification) -> Halving:
        """A verification that failed, and a solution on patches halved where the residual is.

        The error is carried in from patches that the truncation does not show (pollution from a singular corner): they
        have the large residuals.
        """
        self.residual_goal = aimed_residual(tried.residual, tried.likely, tried.tol, self.space.tuning)
        return Halving(tried, self._solved(self._marked(tried.level, By.RESIDUAL)))

    # ---------------------------------------------------------------- MARK

    def _marked(self, level: Level, by: By) -> Marked:
        current = level.current
        match by:
            case By.DECAY:
                seen = self.errors_at_corners
                return by_decay(current, level.decay, level.tol, self.space.highest_order, seen, level.tuning)
            case By.RESIDUAL:
                return by_residual(
                    current, level.decay, self.residual_goal, self.residuals_at_corners, level.tuning
                )
            case By.UNSEEN:
                return everywhere_in(current, level.missed)

    # ---------------------------------------------------------------- the end

    def _ended(self, state: State, verdict: Verdict) -> Answer:
        match state, verdict:
            case _, Interrupt(why):
                return self._interrupted(why)
            case _, NoSolution(residual):
                return self._interrupted(self.strategy.failure(residual))
            case Verification() as tried, Accept(but):
                self._record(tried.level, tried.worst)
                status = but or "tolerance met: confirmed by the next order"
                return self._result(
                    tried.errors, but is None, status, self._second(tried.finer, tried.shared, tried.errors)
                )
            case Verification() as tried, Stop(why):
                return self._result(
                    tried.errors, False, why, self._second(tried.finer, tried.shared, tried.errors)
                )
            case Halving(tried), Stop(why):
                return self._result(
                    tried.errors, False, why, self._second(tried.finer, tried.shared, tried.errors)
                )
        message = f"no end of a {type(state).__name__} is a {type(verdict).__name__}"
        raise TypeError(message)

    def _interrupted(self, why: str) -> Answer:
        """Return what there is, with what is left of the error of the level before; no estimate if σ forbids.

        Where Gauss–Newton is stuck, finer patches begin with the same function and end with it: a difference of 3e-12
        was seen of what solves nothing.
        """
        assert self.current is not None
        estimates = np.full(len(self.space.problem.unknowns), np.nan)
        second = None
        if self.before is not None and self.current.converged:
            tuning = self.space.tuning
            sigma = shared(self.before, self.current, tuning)
            moved = change(self.before, self.current, tuning)
            part = fallen(self.before, self.current, tuning)
            estimates = estimates_of(
                part * moved, sigma, self.before, self.current, tuning=tuning, of=self.current
            )
            second = self._second(self.before, sigma, estimates, part)
        return self._result(estimates, False, f"stopped early: {why}", second)

    def _second(
        self, other: Discrete, sigma: float, estimates: np.ndarray, part: float = 1.0
    ) -> SecondSolution:
        """What tells the errors of quantities: the solution that the estimates come from.

        Args:
            other: that solution.
            sigma: σ of the pair.
            estimates: (u,).
            part: of the difference, that the error is.
        """
        second = SecondSolution(
            self.strategy.expansion(other), sigma, self.condition, (part,) * len(estimates)
        )
        if not self.space.problem.interfaces:
            return second
        assert self.current is not None
        found = second.times(0) * change(self.current, other, self.space.tuning)
        # Of an unknown at rounding the ratio says nothing.
        counts = (found > 0) & (estimates > AT_ROUNDING * self.space.tol)
        ratio = np.where(counts, estimates / np.where(found > 0, found, 1.0), 1.0)
        widened = part * np.maximum(np.nan_to_num(ratio, nan=1.0, posinf=1.0), 1.0)
        return replace(second, widened=tuple(widened.tolist()))

    def _result(self, estimates: np.ndarray, met: bool, status: str, second: SecondSolution | None) -> Answer:
        assert self.current is not None
        known = np.where(np.isfinite(estimates), estimates, np.nan)
        result = self.strategy.result(self.current, known, met, status)
        # Without a verdict on the unknowns there is none on what is computed from them.
        return replace(result, verification=second if np.isfinite(known).all() else None)

    def _record(self, level: Level, estimate: float | None) -> None:
        self.rows += 1
        self.monitor.record(
            level=self.rows,
            patches=len(level.current.assembly.patches),
            unknowns=level.current.assembly.layout.total,
            predicted=level.predicted,
            estimate=estimate,
            residual=level.residual,
            steps=level.current.steps,
            **self.measured,
        )
