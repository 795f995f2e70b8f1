"""Evolutions, slab by slab: attempt, judge, go on; beside it a second march that tells the error.

Space is discretised by least-squares patches, time by Radau IIA collocation (`semi_discrete`, `step`). A slab that
is tried yields numbers: whether Newton's iteration converged, the predicted error in time and in space, what was
passed over between the stages. `control` makes a verdict of them. Every slab that is taken is solved again by a finer
march on the same patches, which has gone its own way from the beginning: the difference of the two is the error that
has accumulated, amplification and all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import OutOfTimeError, ProblemError, SolveError
from pdesolve.geometry.spacetime import TimeInterval
from pdesolve.marching.control import Accept, Numbers, Retry, Stop, Tuning, judge, tell_refused
from pdesolve.marching.evolution import MOST_ORDER, Evolution, missing_starts, rate_vanishes_at_the_start
from pdesolve.marching.expansion import CollocatedMixture
from pdesolve.marching.first_mesh import cheapest, resolving
from pdesolve.marching.foresight import ROUNDING, foreseen
from pdesolve.marching.functionals import is_linear
from pdesolve.marching.interfaces import change_in_time
from pdesolve.marching.kept import METHOD, checkpoint_of, resumed
from pdesolve.marching.refinement import coarsened, cuts, directions, split, tails, worst
from pdesolve.marching.shared import ratio_of
from pdesolve.marching.space import Space
from pdesolve.marching.state import State, Track, Trial, Tries
from pdesolve.marching.step import ROUGHLY, Slab
from pdesolve.marching.switches import FINEST, breaks_of, resolution_in_time
from pdesolve.marching.time_error import predicted_in_time
from pdesolve.marching.unseen import UnseenPlaces, UnseenTimes
from pdesolve.marching.verify import MORE_DEGREES, MORE_STAGES, handed_over, squared_norms, stages_near
from pdesolve.runs.answer import Answer, SecondSolution
from pdesolve.runs.monitor import Monitor
from pdesolve.runs.wording import named
from pdesolve.statement.evolving import cannot_march
from pdesolve.statement.problem import Problem

FINEST_TOLERANCE = 1e-13
ITERATED = 1e-3  # times the tolerance: change of the last pass of Newton's iteration
# Rounding of a pass: less cannot be reached.
FINEST_PASS = 1e-14
IN_SPACE = 0.1  # of the tolerance: predicted truncation of all patches together
# The same for the first slab after a start that does not match, which has as much of an error in time. For later ones
# 0.15 is too much: their errors add up, and a square on ice was begun again (1e-4: 40 s in place of 14).
FIRST_IN_SPACE = 0.4
# Weight of a first slab up to which its data are not looked at between stages and points: a hundredth of the time.
DIES_OUT = 0.1
# Of the tolerance: predicted error in time of a slab of waves in two dimensions or three. That error is not smooth in
# space, no damping ends it, and patches are cut for it as for a solution: a tenth costs 10^{1/(s+1)} times as many
# slabs and spares ten times as many patches.
IN_TIME_OF_WAVES = 0.1
NOISE = 3.0  # times what is known to be no event: no event either
_RAISE = f"raise {named('max_unknowns')}, or ask for less"
SLIVER = 1e-9  # of the interval: intervals of data that are shorter lie beside a jump
COARSENED = 4  # slabs from one attempt to merge patches to the next
GROWN = 1.3  # times the length of the last slab: the next one is longer
AT_ONCE = (
    0.3  # part of the tolerance that may be handed over at the start; the rest is released as time passes
)
TIGHTENED = 0.1  # times the local tolerance: a slab that hands over too much
RESTARTS = 2
AGAIN = 0.3  # of the tolerance: the error that a march begun again aims at
FIRST_SHARE = 0.7  # of the tolerance that local errors may have at first
DEGREES = {  # by space dimension: tolerances and the degree for them
    1: ((1e-4, 10), (1e-7, 14), (1e-10, 16), (0.0, 18)),
    2: ((1e-4, 9), (1e-8, 12), (1e-10, 14), (0.0, 16)),
    3: ((1e-4, 7), (1e-7, 9), (0.0, 11)),
}
# Radau IIA of s stages has the order s + 1 in the norm over space and time (the stage order): small tolerances
# want more stages, and around the best number the cost is flat.
STAGES = ((1e-7, 5), (1e-10, 7), (0.0, 9))
STAGES_OF_LINEAR = ((1e-4, 5), (1e-6, 7), (1e-8, 9), (1e-11, 11), (0.0, 13))  # few long slabs with one factor


@dataclass
class March:
    """An evolution, a tolerance, and how to get there."""

    problem: Problem
    tol: float
    monitor: Monitor
    settings: dict[str, int] = field(default_factory=dict)
    restarts: int = 0

    def __post_init__(self) -> None:
        evolution = Evolution.of(self.problem)
        self.evolution = replace(evolution, breaks=breaks_of(evolution, self.tol))
        self.interval = self.problem.domain.time
        self.linear = self.evolution.statement.linear and is_linear(self.evolution)
        self.q = self.settings.get("degree") or _chosen(DEGREES[self.evolution.dimension], self.tol)
        slabs = 1 if self.linear else 8
        self.first_length = self.interval.length / self.settings.get("slabs", slabs)
        self.lasting = self.interval.length
        self._places: UnseenPlaces | None = None

    def run(self) -> Answer:
        """March, and again with a tighter local tolerance where the accumulated error passed the tolerance."""
        state = self._resumed() or self._beginning(FIRST_SHARE)
        while True:
            why = self._until_late(state)
            ended = state.time >= self.interval.t1
            met = why is None and ended and state.error <= self.tol
            if met or why is not None or self.restarts == RESTARTS or not math.isfinite(state.error):
                return self._result(state, why, met)
            self.restarts += 1
            error, lasted = state.error, state.lasting(self.interval.length)
            if not ended:
                error, lasted = state.foretold(self.interval), self.lasting
            share = _share_again(state, error, self.tol, lasted / self.lasting)
            self.lasting = lasted
            state = self._beginning(share, state.scale)

    def _resumed(self) -> State | None:
        saved = self.monitor.resume_state
        if saved is None or saved.get("method") != METHOD:
            return None
        self.restarts = saved["restarts"]
        self.lasting = saved.get("lasting", self.interval.length)
        return resumed(saved, self.evolution, self.monitor.out_of_time)

    def _until_late(self, state: State) -> str | None:
        """March until the end, to what cannot be solved, or to a limit, which is heard within factorisations, too."""
        try:
            with self.monitor.enforce(lambda: bool(state.slabs)):
                return self._march(state)
        except (OutOfTimeError, SolveError) as over:
            if not state.slabs:
                raise
            return str(over)

    # ---------------------------------------------------------------- the loop

    def _march(self, state: State) -> str | None:
        """Slab after slab; returns why it stopped before the end, where it is not to begin again."""
        tries = Tries()
        target = self._tuning(state)
        while self._goes_on(state):
            trial = self._attempt(state, tries, target)
            target = replace(target, lasting=self.lasting)  # of which a first try tells
            if self.monitor.out_of_time():
                return _why_out_of_time(self.monitor)
            verdict = judge(trial.numbers, target)
            if isinstance(verdict, Accept) and not self._verified(state, trial, target):
                verdict = Retry(0.5 * trial.numbers.length, rough=state.rough)
                # For the slab at hand only: after it the tolerance is the share again.
                target = replace(target, tolerance=TIGHTENED * target.tolerance)
            if self.monitor.out_of_time():
                return _why_out_of_time(self.monitor)
            if isinstance(verdict, Stop):
                return verdict.why + state.coarse.reason
            if isinstance(verdict, Retry):
                tell_refused(state.time, trial.numbers, verdict)
                tries = tries.after(trial.numbers, verdict)
                why = self._prepare(state, trial, verdict)
                if why is not None:
                    return why
                continue
            self._go_on(state, trial, verdict)
            tries = Tries()
            target = self._tuning(state)
        return None

    def _goes_on(self, state: State) -> bool:
        """Whether the end is not reached, and there is no reason to begin again before."""
        again = self.restarts < RESTARTS and state.doomed(self.interval, self.tol)
        return state.time < self.interval.t1 and not again

    def _attempt(self, state: State, tries: Tries, target: Tuning) -> Trial:
        """Try a slab; what is known of it afterwards are numbers."""
        end = self._end(state)
        length = end - state.time
        # After a start that does not match all becomes smoother, and patches that serve need not be cut.
        if tries.count == 0 and not state.rough:
            self._foresee(state, end, target)
        # Only the coarse march searches; the finer one follows on the slabs and patches that it has found.
        track = state.coarse
        known = Numbers(
            length,
            state.coarse.stepper.method.stages,
            1 + tries.count,
            state.first,
            converged=False,
            rough=state.rough,
            elapsed=end - state.since,
            before=tries.before,
            shortened=tries.shortened,
            linear=self.linear,
            left=self.interval.t1 - end,
        )
        tolerance = max(ITERATED * target.tolerance, FINEST_PASS)
        slab, _ = track.advance(state.time, end, state.size, tolerance, track.nearby(length))
        if slab is None:
            return Trial(known, None)
        norms = track.space.norms(slab.stages).amax(0)
        scale = torch.maximum(state.size, norms)
        if not state.slabs:
            self.lasting = min(self.lasting, _lasts(state, slab, self.interval))
            state.expect(norms)
        time_error = _in_time(slab, scale)
        weight = state.weight(end, self.lasting)
        in_space, weights = _in_space(state, slab)
        tail = tails(track.space, slab.stages, scale, weights)
        # The tails of P patches add up as squares, so that each may have 1/√P of what all have together.
        limit = max(in_space * target.tolerance / weight / len(track.space) ** 0.5, ROUNDING)
        marked = worst(tail, limit * len(track.space) ** 0.5)
        numbers = replace(known, converged=True, time_error=time_error, unresolved=int(marked.sum()))
        starting = _dies_out(state, weight)
        # What lies between the stages is costly to look for: only where the slab would be taken otherwise.
        if isinstance(judge(numbers, target), Accept) and not starting:
            unseen = UnseenTimes(track.space).error(slab, scale, self.interval.length)
            if unseen <= NOISE * state.noise * length:
                unseen = 0.0
            numbers = replace(
                numbers,
                unseen=unseen,
                unseen_before=state.unseen,
                longest=track.longest(length, target.tolerance),
            )
            if isinstance(judge(numbers, target), Accept):
                marked = marked | self._missed(slab, scale, target.tolerance)
                numbers = replace(numbers, unresolved=int(marked.sum()))
        return Trial(numbers, slab, marked, scale, tail, limit)

    def _foresee(self, state: State, end: float, target: Tuning) -> None:
        """Cut patches that will not resolve what the last slab lets expect of the next one, before it is solved."""
        budget = IN_SPACE * target.tolerance / state.weight(end, self.lasting)
        finer = foreseen(state.coarse, end - state.time, state.size, budget / len(state.coarse.space) ** 0.5)
        if finer is not None:
            state.change(*finer)

    def _missed(self, slab: Slab, scale: Tensor, tolerance: float) -> Tensor:
        """Patches in which something lies between the points."""
        if self._places is None or self._places.space is not slab.space:
            self._places = UnseenPlaces(slab.space)
        return self._places.missed(slab, scale, tolerance)

    def _prepare(self, state: State, trial: Trial, verdict: Retry) -> str | None:
        """Other patches, or another length, for the next try; why there can be none."""
        if verdict.rough and not state.rough:
            state.since = state.time
            state.weighted = True
        state.length = verdict.length
        state.rough = verdict.rough
        state.unseen = trial.numbers.unseen or None
        if trial.numbers.time_error <= ROUGHLY:
            state.coarse.tried = trial.slab
        if verdict.refine:
            space = state.coarse.space
            finer = _finer(space, trial)
            most = self.settings.get("max_unknowns", math.inf)
            if finer is not None and len(finer[0]) * space.width > most:
                return (
                    f"{len(finer[0]) * space.width:,} unknowns in space would be more than {most:,}; {_RAISE}"
                )
            if finer is not None:
                state.change(*finer)
        return None

    def _verified(self, state: State, trial: Trial, target: Tuning) -> bool:
        """Solve an accepted slab by the finer march, too; false where it hands over too much of an error."""
        u = trial.slab
        assert u is not None
        # Only now: a slab with a stage in a pulse, which is not taken, may be far too large.
        state.scale = torch.maximum(state.scale, u.space.norms(u.stages).amax(0))
        fine = state.fine
        tolerance = max(0.1 * ITERATED * target.tolerance, FINEST_PASS)
        near = stages_near(u, fine.start[0], fine.stepper.method)
        v, _ = fine.advance(u.begin, u.end, state.size, tolerance, near)
        if v is None:
            return False
        handed = handed_over(u, v, state.size)
        passed = (u.end - self.interval.t0) / self.interval.length
        allowed = self.tol * (AT_ONCE + (1 - AT_ONCE) * passed) / state.weight(u.end, self.lasting)
        again = (
            handed > allowed > 2 * state.handed
            and target.tolerance > 0.5 * TIGHTENED * self.tol * state.share
        )
        starting = state.rough and state.first
        if again and not starting and u.length > 1e-6 * self.interval.length:
            return False
        state.squares = state.squares + squared_norms(u, v)
        state.shared = state.shared.after(u.length, state.handed, handed, ratio_of(u, v, state.size))
        state.handed = handed
        state.fine.take(v)
        return True

    def _go_on(self, state: State, trial: Trial, verdict: Accept) -> None:
        """Take a slab."""
        slab = trial.slab
        assert slab is not None
        assert trial.tail is not None
        state.slabs.append(slab)
        assert state.fine.before is not None
        state.verifying.append(state.fine.before)
        state.coarse.take(slab)
        state.time, state.length, state.first = slab.end, verdict.length, False
        # The polynomial of a slab knows nothing of what data do beyond a jump.
        if slab.end in self.evolution.breaks:
            self._begin_anew(state)
        if trial.numbers.unseen > self.tol * state.share:  # it was taken though: noise
            state.noise = max(state.noise, trial.numbers.unseen / slab.length)
        state.unseen = None
        self.monitor.record(**_told(state, slab, self.interval))
        self._coarsen(state, trial)
        self.monitor.checkpoint(partial(checkpoint_of, state, self.restarts, self.lasting))

    def _begin_anew(self, state: State) -> None:
        """Beyond a break nothing is extrapolated, and what does not match there is graded into it."""
        state.first = True
        state.rough = False
        state.coarse.before = None
        state.fine.before = None
        left = self.interval.t1 - state.time
        state.length = min(max(state.length, self.first_length), left)

    def _coarsen(self, state: State, trial: Trial) -> None:
        """Merge patches now and then."""
        slab = trial.slab
        assert slab is not None
        assert trial.tail is not None
        # Where the length changes, the factors are made again anyway.
        often = state.length > GROWN * slab.length
        if (often or len(state.slabs) % COARSENED == 0) and state.time < self.interval.t1:
            coarser = coarsened(slab.space, slab.stages[-1:], state.size, trial.limit)
            if coarser is not None:
                state.change(*coarser)

    # ---------------------------------------------------------------- numbers

    def _end(self, state: State) -> float:
        """Where the next slab ends: what is left up to a break, or the last time, is not left with a sliver."""
        last = next((b for b in self.evolution.breaks if b > state.time), self.interval.t1)
        resolution = resolution_in_time(self.evolution, max(self.tol, FINEST))
        if resolution is not None:  # what the data of a Scalar do must not lie between the stages
            furthest = float(resolution.furthest(state.time, last))
            if last - furthest >= SLIVER * self.interval.length:
                last = furthest
        left = last - state.time
        if state.length >= 0.999 * left:
            return last
        # Two equal slabs share their factors, where a long one and a short one would need two.
        if state.length > 0.5 * left:
            return state.time + 0.5 * left
        return state.time + state.length

    def _tuning(self, state: State) -> Tuning:
        return Tuning(self.tol * state.share, self.interval.length, self.lasting)

    def _beginning(self, share: float, expected: Tensor | None = None) -> State:
        # A degree that the user states is kept; otherwise higher ones may be cheaper on the first patches.
        start = cheapest
        if "degree" in self.settings:
            start = resolving
        space = start(self.evolution, self.q, IN_SPACE * self.tol * share, self.settings.get("cells"))
        interrupted = self.monitor.out_of_time
        # A march begun again for errors that add up over thousands of slabs needs slabs that are far better.
        stages = _stages(self.evolution, self.linear, self.tol * min(1.0, share / FIRST_SHARE))
        coarse = Track.beginning(space, stages, interrupted)
        fine = Track.beginning(space.raised(MORE_DEGREES), stages + MORE_STAGES, interrupted)
        # Errors are relative to the largest norm so far: a solution that dies out need not keep its digits.
        scale = space.norms(coarse.start[:1])[0]
        squares = np.zeros((2, space.unknowns))
        begin, length = self.interval.t0, self.first_length
        return State(begin, coarse, fine, length, scale, share, squares=squares, expected=expected)

    # ---------------------------------------------------------------- what is kept and told

    def _result(self, state: State, why: str | None, met: bool) -> Answer:
        if not state.slabs:
            message = f"stopped at t = {state.time:.6g}: {why}; no slab could be solved"
            raise SolveError(message)
        beside = SecondSolution(CollocatedMixture.of(state.verifying), state.shared_part)
        mixture = CollocatedMixture.of(state.slabs)
        estimates = tuple(state.estimates.tolist())
        return Answer(mixture, estimates, met, _status(state, why, met), verification=beside)


def _why_out_of_time(monitor: Monitor) -> str:
    if monitor.time_limit is None:
        return "interrupted"
    return f"the time limit of {monitor.time_limit:g} s passed"


def _status(state: State, why: str | None, met: bool) -> str:
    """How a march ended."""
    slabs = len(state.slabs)
    how = f"{slabs} slab{'s' * (slabs > 1)} in time"
    if why is not None:
        return f"stopped at t = {state.time:.6g}: {why}"
    if met:
        return f"tolerance met: verified by a finer march, in {how}"
    return f"the estimate {state.error:.1e} stayed above the tolerance, in {how}; raise {named('tol')}"


def _told(state: State, slab: Slab, interval: TimeInterval) -> dict[str, Any]:
    """What is recorded of a slab that was taken."""
    return {
        "slab": len(state.slabs),
        "time": slab.end,
        "until": interval.t1,
        "passed": (slab.end - interval.t0) / interval.length,
        "patches": len(slab.space),
        "unknowns": len(slab.space) * slab.space.width,
        "estimate": float(state.estimates.max()),
        "length": slab.length,
    }


def _share_again(state: State, error: float, tol: float, lasted: float) -> float:
    """Of local errors in a march begun again after this error.

    The solution lasts for `lasted` of the time supposed before.
    """
    # Weights by the time that the solution really lasts lower the error by themselves.
    lowered = 1.0
    if state.weighted:
        lowered = math.sqrt(lasted)
    # So does the size that the solution really has, where a larger one was expected.
    lowered /= state.overrated
    return state.share * min(1.0, AGAIN * tol / (error * lowered))


def _finer(space: Space, trial: Trial) -> tuple[Space, tuple[Tensor, Tensor]] | None:
    """Smaller patches where a trial marked them, and everywhere where it marked none; None: they are the smallest."""
    if trial.slab is None or trial.scale is None:
        everywhere = torch.ones(len(space), dtype=torch.bool)
        return split(space, everywhere, np.ones((len(space), space.d), dtype=bool))
    assert trial.marked is not None
    stages = trial.slab.stages
    return split(space, trial.marked, directions(space, stages, trial.scale), cuts(space, stages))


def _stages(evolution: Evolution, linear: bool, tol: float) -> int:
    if linear or _waves(evolution):
        return _chosen(STAGES_OF_LINEAR, tol)
    return _chosen(STAGES, tol)


def _lasts(state: State, slab: Slab, interval: TimeInterval) -> float:
    """For how long a solution as large as the largest lasts, as far as a first try tells; it stays as at its end."""
    squares = (slab.space.norms(slab.nodes) ** 2).sum(1)
    largest = squares.max()
    if state.foreseen is not None or not bool(largest > 0):
        return interval.length
    weights = torch.from_numpy(slab.method.integration[-1])
    whole = slab.length * (weights * squares[1:]).sum() + (interval.t1 - slab.end) * squares[-1]
    return float(whole / largest)


def _in_space(state: State, slab: Slab) -> tuple[float, Tensor | None]:
    """Part of the tolerance for the truncation in space, and weights (s,) of the stages in it; None: the largest."""
    if not (state.rough and state.first):
        return IN_SPACE, None
    # In the mean over the slab, as the tolerance counts: at its first stage a layer is far thinner.
    return FIRST_IN_SPACE, torch.from_numpy(slab.method.integration[-1])


def _dies_out(state: State, weight: float) -> bool:
    """Whether most of what a slab holds does: at a start that does not match nothing is smooth, for a short time."""
    return state.rough and state.first and weight <= DIES_OUT


def _waves(evolution: Evolution) -> bool:
    """Whether it is of second order in time, in two dimensions or three."""
    return evolution.dimension > 1 and evolution.depth > 1


def _in_time(slab: Slab, scale: Tensor) -> float:
    """The predicted error in time, in units in which all of the tolerance may be used up."""
    error = predicted_in_time(slab, scale)
    if _waves(slab.space.evolution):
        return error / IN_TIME_OF_WAVES
    return error


def _chosen(table: tuple[tuple[float, int], ...], tol: float) -> int:
    """The entry of the first tolerance that is not above the one asked for."""
    return next(value for least, value in table if tol >= least)


def can_march(problem: Problem) -> bool:
    """Whether `march` can solve it."""
    if cannot_march(problem) is not None:
        return False
    if problem.interfaces and change_in_time(problem):
        return False
    evolution = Evolution.of(problem)
    return 1 <= evolution.depth <= MOST_ORDER and not missing_starts(evolution) and evolution.dimension <= 3


def march(
    problem: Problem, tol: float, monitor: Monitor | None = None, device: str = "cpu", **settings: int
) -> Answer:
    """Solve an evolution problem to an estimated relative L2 error over space–time of at most `tol`.

    Args:
        problem: with a time interval and initial values (`can_march`).
        tol: relative L2 tolerance.
        monitor: progress and time limit.
        device: unused: the linear algebra runs on the CPU.
        **settings: `cells`, root cells along the longest side; `degree`; `slabs` to begin with; `max_unknowns`.

    Raises:
        ProblemError: the initial values do not determine what follows.
        SolveError: no slab could be solved.
    """
    del device
    found = March(problem, max(tol, FINEST_TOLERANCE), monitor or Monitor(), dict(settings))
    if rate_vanishes_at_the_start(found.evolution):
        message = (
            "the highest time derivatives lose their coefficients at the first time, so that many solutions begin with "
            "the same values, as those of t u_t = u do at t = 0; start after that time"
        )
        raise ProblemError(message)
    return found.run()
