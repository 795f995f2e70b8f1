"""Evolution problems slab by slab, with an estimate of the error accumulated so far.

A slab is a space–time cylinder one cell thick, solved like any other domain by adaptive least squares; it takes its
initial values from the end of the slab before. Its patches are those of the slab before, refined where the solution
is about to need it and coarsened where it has become simpler. A slab that is unresolved in time is halved, and where
refinement in space no longer helps, cut to the length at which it would; the next is as long as the decay in time
allows. Two marches run side by side: u, and v with all orders raised by two, each handing over its own
values. Their difference is the accumulated error of u, amplification and all. It may grow linearly to the tolerance:
a slab that adds too much is solved again to a tighter share, and where that cannot help the march starts again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from pdesolve.adaptive.decay import Decay, predict, sufficient_orders
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.adaptive.estimation import difference_norms, relative
from pdesolve.adaptive.hp import cheapest, joined_orders, work
from pdesolve.adaptive.marking import Marked, bulk_of
from pdesolve.adaptive.strategy import AdaptiveResult
from pdesolve.adaptive.tuning import FINEST_TOLERANCE, TUNING
from pdesolve.errors import OutOfMemoryError, OutOfTimeError, SolveError
from pdesolve.geometry import TimeInterval
from pdesolve.least_squares.sparse.normal_equations import Factors
from pdesolve.marching.expansion import MarchedMixture
from pdesolve.patches.cover import Patches
from pdesolve.patches.discretise import discretise
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.patches.newton import Discrete, project
from pdesolve.patches.partition import Partition
from pdesolve.patches.trace import Trace
from pdesolve.runs.answer import SecondSolution
from pdesolve.runs.monitor import Monitor
from pdesolve.statement.conditions import Initial
from pdesolve.statement.problem import Problem

RESTARTS = 3
SHORTEST = 1e-6  # of the whole interval
FORGIVEN = 1e-3  # of the whole interval: shorter slabs are taken though Gauss–Newton has not converged
OWED = 0.9 * FORGIVEN
SLOWEST = 12  # Gauss–Newton steps after which a slab counts as too long
AT_ONCE = 0.3  # part of the tolerance that may be used up at the start; the rest is released as time passes
SPARE = 0.1  # predicted error over goal that the patches of the next slab aim at
COARSE = 0.03  # predicted error over goal up to which they are coarsened
UNEXPLAINED = 50  # times the predicted error: more than that was not truncated, but carried in from data
REUSED = 0.2  # part of the work of a slab that is left where its factors are at hand
ANEW = 2  # times the work of a slab, where patches and length are others: they may turn out not to do
GROWN = 2  # times the work that a slab began with: more of it, and shorter slabs come cheaper if time matters
STALLED = 0.7  # refinement in space that leaves more of the predicted error, twice, does not help
SHORTENING = 0.3  # least power of the length with which an error must fall for shorter slabs to help
BEGINNING = 0.1  # size at the start of the first slab, over that at its end, of what begins with nothing
HANDED_POINTS = 512  # at which the two marches are compared at the end of a slab
MOST_PATCHES = 100  # times the first order: a slab that wants more is cut in time first
PROBES = 4096  # points at which the first patches are compared with the initial values


def can_march(problem: Problem) -> bool:
    """Whether the problem is an evolution from initial values, with nothing prescribed at the final time."""
    if "t" not in problem.coordinates or not any(isinstance(c, Initial) for c in problem.conditions):
        return False
    ends = {problem.domain.initial.name, problem.domain.final.name}
    return not any(getattr(getattr(c, "on", None), "name", None) in ends for c in problem.conditions)


Hint = tuple[Partition, np.ndarray]


def _state_of(hint: Hint) -> dict[str, Any]:
    """Tensors and numbers of patches and their orders."""
    partition, q = hint
    return {**partition.state(), "q": torch.from_numpy(q)}


def _hint_of(state: dict[str, Any]) -> Hint:
    """Rebuild from `_state_of`."""
    return Partition.from_state(state), state["q"].numpy()


@dataclass
class TooLong(Exception):
    """The slab needs resolution in time: by this factor it is too long, and these patches are worth keeping."""

    factor: float = 0.5
    hint: Hint | None = None


@dataclass
class Progress:
    """How far a march has come; all that the next slab depends on.

    Attributes:
        ends: times of the slab ends reached, the start first.
        slabs: the accepted mixtures.
        finer: the mixtures of the second march.
        squares: (2, u) squared norms of v - u and of v so far.
        dt: length of the next slab.
        share: by which the tolerance of the next slab is tightened.
        hint: patches and orders for the next slab.
        residual: the largest so far.
        handed: relative difference of u and v at the last slab end.
        expected: (u,) root mean squares in the first slab, or those that unknowns will have which begin with nothing.
        used: what was handed over after each slab.
        passed: error at the end of a slab over its residual, the least that was seen; 0 while nothing is known.
    """

    ends: list[float]
    slabs: list[PartitionedMixture]
    finer: list[PartitionedMixture]
    squares: np.ndarray
    dt: float
    expected: np.ndarray
    share: float = 1.0
    hint: Hint | None = None
    residual: float = 0.0
    handed: float = 0.0
    used: list[float] = field(default_factory=list)
    passed: float = 0.0

    @property
    def estimates(self) -> np.ndarray:
        """Relative error of each unknown up to the last slab end."""
        return relative(*np.sqrt(self.squares))

    def state(self) -> dict[str, Any]:
        """Tensors and numbers from which `from_state` rebuilds it."""
        return {
            "ends": self.ends,
            "slabs": [slab.state() for slab in self.slabs],
            "finer": [slab.state() for slab in self.finer],
            "squares": torch.from_numpy(self.squares.copy()),
            "dt": self.dt,
            "share": self.share,
            "expected": torch.from_numpy(self.expected.copy()),
            "hint": None if self.hint is None else _state_of(self.hint),
            "residual": self.residual,
            "handed": self.handed,
            "used": self.used,
            "passed": self.passed,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], subdomains: tuple) -> Progress:
        """Rebuild from `state()`."""
        rebuild = PartitionedMixture.from_state
        return cls(
            ends=list(state["ends"]),
            slabs=[rebuild(slab, subdomains) for slab in state["slabs"]],
            finer=[rebuild(slab, subdomains) for slab in state["finer"]],
            squares=state["squares"].numpy().copy(),
            dt=state["dt"],
            share=state["share"],
            expected=state["expected"].numpy().copy(),
            hint=None if state["hint"] is None else _hint_of(state["hint"]),
            residual=state["residual"],
            handed=state["handed"],
            used=list(state["used"]),
            passed=state["passed"],
        )


@dataclass
class March:
    """State of a march; `run` returns the result."""

    problem: Problem
    tol: float
    monitor: Monitor
    device: str
    settings: dict[str, int]
    share: float = 1.0  # by which the tolerance is tightened from the beginning on
    restarts: int = 0
    threads: int = field(default_factory=torch.get_num_threads)
    orders: tuple[int, ...] = field(init=False)
    # Kind of error ↦ length of a slab, and error that refinement in space did not lower.
    stalled: dict[str, tuple[float, float]] = field(default_factory=dict)
    factors: Factors | None = None  # of u and of v, where the problem is linear

    def __post_init__(self) -> None:
        solver = Discretisation(self.problem, self.tol, self.monitor, self.device, self.settings)
        self.orders = tuple(int(k) for k in solver.statement.orders[:, -1])
        self.range_of_orders = solver.first_order, solver.highest_order
        self.subdomains = solver.frame.subdomains if len(solver.frame.subdomains) > 1 else ()
        self.time, self.linear = self.problem.domain.time, solver.statement.linear
        self.factors = Factors() if self.linear else None

    def run(self) -> AdaptiveResult:
        """March, and again more carefully where the accumulated error passed the tolerance."""
        progress = self._resumed() or self._beginning()
        try:
            with self.monitor.enforce(ready=lambda: bool(progress.slabs)):
                while not isinstance(result := self._march(progress), AdaptiveResult):
                    progress = result
        except (OutOfMemoryError, OutOfTimeError) as short:
            if not progress.slabs:
                raise
            return self._stopped(progress, f"at t = {progress.ends[-1]:.6g}: {short}")
        return result

    def _beginning(self) -> Progress:
        squares = np.zeros((2, len(self.problem.unknowns)))
        length = self.time.length / self.settings.get("slabs", 1)
        return Progress([self.time.t0], [], [], squares, length, np.zeros(len(self.problem.unknowns)))

    def _resumed(self) -> Progress | None:
        saved = self.monitor.resume_state
        if saved is None or saved.get("method") != "march":
            return None
        self.share, self.restarts = saved["share"], saved["restarts"]
        progress = Progress.from_state(saved["progress"], self.subdomains)
        for hint in map(_hint_of, saved["factors"]):
            self._make_factor(hint, progress)
        return progress

    def _make_factor(self, hint: Hint, done: Progress) -> None:
        """Solve a slab that was solved before the march was interrupted, whose factor serves for others."""
        a, b = hint[0].breaks[-1].tolist()
        slab = done.ends.index(a)
        problem = self._slab_problem(a, b, done.slabs[slab - 1] if slab else None)
        solver = self._solver(problem, FINEST_TOLERANCE)
        solver.solve(*self._moved(solver, hint, a, b), None)

    def _march(self, done: Progress) -> AdaptiveResult | Progress:
        """Slab after slab to the end; a fresh beginning where the error passed the tolerance on the way."""
        length, again = self.time.length, 1.0
        while done.ends[-1] < self.time.t1 - 1e-12 * length:
            a = done.ends[-1]
            b = self._end_of_slab(a, done.dt)
            before = done.slabs[-1] if done.slabs else None
            try:
                u, decay = self._slab(a, b, before, done, again)
            except TooLong as cut:
                if self._out_of_time() and done.slabs:
                    return self._stopped(done, f"at t = {a:.6g}: {self._why_stop()}")
                # A first slab is owed even then: one so short that it is taken as it comes.
                shorter = cut.factor * (b - a)
                done.dt = min(shorter, OWED * length) if self._out_of_time() else shorter
                done.hint = cut.hint or done.hint
                if done.dt < SHORTEST * length:
                    return self._stopped(
                        done, f"at t = {a:.6g}: slabs became too short; look at the solution there"
                    )
                continue
            if self._out_of_time() and done.slabs:  # the slab may not be refined to the end
                return self._stopped(done, f"at t = {a:.6g}: {self._why_stop()}")
            v = self._verify(a, b, u, done.finer[-1] if done.finer else None)
            squares = done.squares + np.stack(difference_norms(u, v)) ** 2
            estimate = float(relative(*np.sqrt(squares)).max())
            allowed = self._allowed(b)
            size = self._size(done, v.mixture, a, b)
            handed = self._handed_over(u.mixture, v.mixture, b, size)
            if handed > 1.1 * done.handed:  # else it may be what was handed over to it
                passed = (handed**2 - done.handed**2) ** 0.5 / max(u.residual, 1e-300)
                done.passed = min(passed, done.passed or passed)
            factor, tighter = self._again(done, decay, b - a, handed, allowed, again)
            if min(factor, tighter) < 1:
                done.dt, again = factor * (b - a), again * tighter
                done.hint = u.assembly.patches.partition, u.assembly.q
                continue
            self.stalled, again = {}, 1.0
            done.expected = done.expected if done.slabs else size
            done.squares = squares
            done.finer.append(v.mixture)
            done.ends.append(b)
            done.slabs.append(u.mixture)
            done.used.append(handed)
            added, done.handed = handed - done.handed, handed
            done.residual = max(done.residual, u.residual)
            self._record(u, b, estimate, len(done.slabs))
            left = (self.time.t1 - b) / length  # in what is left, the error will not be less than it is now
            if handed * left**0.5 > self.tol and self.restarts < RESTARTS and not self._out_of_time():
                return self._begin_again(done)
            if handed > allowed and added > 2 * self.tol * (b - a) / length:
                done.share *= 0.5
            self._prepare_next(done, u, decay, b - a)
            self.monitor.checkpoint(partial(self._state, done))
            if self._out_of_time() and b < self.time.t1:
                return self._stopped(done, f"at t = {b:.6g}: {self._why_stop()}")
        return self._finished(done)

    def _allowed(self, b: float) -> float:
        """Error that may be handed over at time b: it may use up the tolerance in proportion to time."""
        return self.tol * (AT_ONCE + (1 - AT_ONCE) * (b - self.time.t0) / self.time.length)

    def _again(
        self, done: Progress, decay: Decay, dt: float, handed: float, allowed: float, again: float
    ) -> tuple[float, float]:
        """By what a slab that hands over too much is shortened, and its goal tightened; 1 and 1 if it is taken."""
        if handed <= allowed or done.handed >= 0.7 * allowed:
            return 1.0, 1.0
        room, predicted = 0.5 * (allowed - done.handed), float(np.sqrt((decay.error**2).sum()))
        if handed > max(UNEXPLAINED * predicted, 3 * done.handed):
            factor = self._shortened("handed over", dt, handed, room)
            return (factor if factor * dt > SHORTEST * self.time.length else 1.0), 1.0
        if again < 1:
            return 1.0, 1.0
        return 1.0, max(0.03, room / handed * min(1.0, predicted / self._goal(done.share)))

    def _state(self, done: Progress) -> dict[str, Any]:
        """All that a resumed march needs."""
        origins = [made.origin for made in self.factors.kept] if self.factors is not None else []
        return {
            "method": "march",
            "progress": done.state(),
            "share": self.share,
            "restarts": self.restarts,
            "factors": [_state_of(hint) for hint in origins],
        }

    def _at(self, mixture: PartitionedMixture, time: float) -> np.ndarray:
        """Values (n, u) at Sobol points of the space domain."""
        space = self.problem.domain.space.sample(HANDED_POINTS, sampler="sobol", seed=1).to(mixture.centre)
        x = torch.cat([space, space.new_full((len(space), 1), time)], dim=1)
        return mixture.jet(x, ((0,) * x.shape[1],))[..., 0].nan_to_num(0.0).cpu().numpy()

    def _size(self, done: Progress, mixture: PartitionedMixture, a: float, b: float) -> np.ndarray:
        """Root mean squares (u,) that errors on the slab [a, b] are relative to.

        They are those at its end. An unknown that begins with nothing is expected to go on growing as in the first
        slab, at most to the size of the largest.
        """
        last = self._at(mixture, b)
        size = _root_mean_square(last)
        if done.slabs:
            return np.maximum(size, done.expected)
        first = self._at(mixture, a)
        grown = _root_mean_square(last - first) * self.time.length / (b - a)
        begins = _root_mean_square(first) < BEGINNING * size
        return np.where(begins, np.clip(grown, size, size.max()), size)

    def _handed_over(
        self, u: PartitionedMixture, v: PartitionedMixture, time: float, size: np.ndarray
    ) -> float:
        """Relative difference of the two marches at the end of a slab, for unknowns handed over."""
        mine = [i for i, order in enumerate(self.orders) if order]
        if not mine:
            return 0.0
        error = _root_mean_square(self._at(u, time) - self._at(v, time))
        return float(relative(error[mine], size[mine]).max())

    def _begin_again(self, done: Progress) -> Progress:
        """Tighten the share by what is missing at the end, if the error goes on growing as it did.

        And by two digits more: they cost a fifth of the time, and another beginning all of it.
        """
        begin, last = self.time.t0, done.ends[-1]
        half = np.interp((begin + last) / 2, done.ends[1:], done.used)
        power = np.clip(np.log2(max(done.used[-1] / max(half, 1e-300), 1.0)), 0, 3)
        final = max(done.handed, done.estimates.max()) * (self.time.length / (last - begin)) ** power
        self.restarts += 1
        self.share *= max(0.01 * self.tol / final, 1e-5)
        if self.factors is not None:
            self.factors.kept.clear()  # a resumed march could not make them again: their slabs are given up
        fresh = self._beginning()
        fresh.dt = done.ends[1] - done.ends[0]
        return fresh

    def _prepare_next(self, done: Progress, u: Discrete, decay: Decay, dt: float) -> None:
        """Length and patches of the next slab, from the decay in this one."""
        goal = self._goal(done.share)
        in_time = float(np.sqrt((decay.error**2 * decay.share[:, -1]).sum()))
        order = float(np.average(u.assembly.q, weights=decay.error + 1e-300))
        factor = (0.3 * goal / max(in_time, 1e-300)) ** (1 / order)
        done.dt = dt * float(np.clip(factor, 0.5, 2.0)) if not 0.9 < factor < 1.1 else dt
        longer = min(done.dt, self.time.t1 - done.ends[-1]) > dt
        done.hint = self._anticipated(u, decay, goal, longer)
        if self.linear and np.sqrt((decay.error**2).sum()) <= goal:
            d, same = u.assembly.dimension, (u.assembly.patches.partition, u.assembly.q)
            left, fewer = (self._slabs_left(done.ends[-1], length) for length in (dt, done.dt))
            changed = (ANEW + REUSED * (fewer - 1)) * work(d, done.hint[1])
            if REUSED * left * work(d, same[1]) <= changed:
                done.dt, done.hint = dt, same

    def _slabs_left(self, a: float, dt: float) -> int:
        """How many slabs of about this length lead from a to the end."""
        return max(1, int(np.ceil((self.time.t1 - a) / dt - 0.01)))

    def _end_of_slab(self, a: float, dt: float) -> float:
        """Where the slab from a ends; slabs of a linear problem are of equal length, as their factors then are."""
        slabs = self._slabs_left(a, dt)
        if slabs == 1:
            return self.time.t1
        return a + ((self.time.t1 - a) / slabs if self.linear else dt)

    def _anticipated(self, u: Discrete, decay: Decay, goal: float, longer: bool) -> Hint:
        """Patches and orders for what follows a slab: more where it has no digit to spare, fewer where it has many.

        A longer slab needs all orders; only halvings in space are undone then.
        """
        assembly, (first, highest) = u.assembly, self.range_of_orders
        q, time = assembly.q, assembly.dimension - 1
        target = max(SPARE * goal, 0.1 * FINEST_TOLERANCE) / np.sqrt(len(q))
        coarse = COARSE * goal / np.sqrt(len(q))
        close = decay.error > target
        split, wanted = cheapest(decay, q, target, assembly.dimension, highest)
        split &= close & (decay.strongest != time)
        order = np.where(close & ~split, wanted, q)
        if not longer:
            enough = np.maximum(sufficient_orders(u, coarse), first)
            order = np.where(close, order, np.minimum(q, enough))
        joinable = ~close
        partition, origin = assembly.patches.partition, np.arange(len(q))
        for axis in range(time):
            wide = joined_orders(decay, q, axis, coarse, highest) * joinable
            partition, number = partition.join(axis, wide[origin] > 0)
            pair = np.bincount(number)[number] > 1
            joinable[origin[pair]] = False
            taken, order = np.where(pair, wide[origin], order), np.zeros(len(partition), dtype=int)
            np.maximum.at(order, number, taken)
            origin = origin[np.unique(number, return_index=True)[1]]
        axes = (split[:, None] & decay.directions)[origin]
        axes[:, time] = False
        partition, parent = partition.split(axes)
        return partition, order[parent]

    def _out_of_time(self) -> bool:
        return self.monitor.out_of_time()

    def _why_stop(self) -> str:
        limit = self.monitor.time_limit
        return "interrupted" if limit is None else f"the time limit of {limit:g} s passed"

    def _stopped(self, done: Progress, where: str) -> AdaptiveResult:
        if not done.slabs:
            message = f"stopped {where}: no slab could be solved; raise --time-limit"
            raise OutOfTimeError(message) if self._out_of_time() else SolveError(message)
        unknown = np.full(len(self.orders), np.nan)
        return self._result(done, unknown, False, f"stopped {where}")

    def _finished(self, done: Progress) -> AdaptiveResult | Progress:
        estimates = done.estimates
        met = bool(estimates.max() <= self.tol)
        if not met and self.restarts < RESTARTS and not self._out_of_time() and np.isfinite(estimates.max()):
            return self._begin_again(done)
        how = f"{len(done.slabs)} space-time slabs" if len(done.slabs) > 1 else "one space-time block"
        if met:
            status = f"tolerance met: confirmed by the next order, in {how}"
        else:
            status = f"the estimate {estimates.max():.1e} stayed above the tolerance, in {how}; raise --tol"
        return self._result(done, estimates, met, status)

    def _result(self, done: Progress, estimates: np.ndarray, met: bool, status: str) -> AdaptiveResult:
        times = torch.tensor(done.ends, dtype=torch.float64)
        mixture = MarchedMixture(times, tuple(done.slabs))
        beside = SecondSolution(MarchedMixture(times, tuple(done.finer)))
        return AdaptiveResult(mixture, tuple(estimates.tolist()), met, status, done.residual, beside)

    def _record(self, u: Discrete, time: float, estimate: float, slab: int) -> None:
        self.monitor.record(
            slab=slab,
            time=time,
            patches=len(u.assembly.patches),
            unknowns=u.assembly.layout.total,
            estimate=estimate,
            residual=u.residual,
            steps=u.steps,
        )

    # ---------------------------------------------------------------- one slab

    def _slab_problem(self, a: float, b: float, before: PartitionedMixture | None) -> Problem:
        """The problem on [a, b], continuing `before` (the problem's own initial values at the start)."""
        p = self.problem
        domain = p.domain.space * TimeInterval(a, b)
        if before is None:
            conditions, guess = list(p.conditions), p.guess
            if guess is None:
                known = {
                    p.unknown_of(c): c.value for c in conditions if isinstance(c, Initial) and not c.order
                }
                guess = {name: known.get(name, 0.0) for name in p.unknowns}
        else:
            mixture, names = before, p.domain.space_coordinates
            traces = [
                Initial(Trace(mixture, i, names, a, order), unknown=name, order=order)
                for i, name in enumerate(p.unknowns)
                for order in range(self.orders[i])
            ]
            conditions = [c for c in p.conditions if not isinstance(c, Initial)] + traces
            guess = {name: Trace(mixture, i, names, a) for i, name in enumerate(p.unknowns)}
        return Problem(
            domain,
            p.equation,
            conditions,
            guess=guess,
            constants=p.constants,
            parameters=p.parameters,
            name=p.name,
        )

    def _goal(self, share: float) -> float:
        return max(TUNING.safety * self.tol * self.share * share, 0.3 * FINEST_TOLERANCE)

    def _slab(
        self, a: float, b: float, before: PartitionedMixture | None, done: Progress, share: float
    ) -> tuple[Discrete, Decay]:
        """Adapt one slab until its predicted truncation error meets the goal.

        And until its residual does: where the equation carries more to the end than the truncation shows, a slab that
        would hand over too much, as earlier ones did, is not worth verifying.

        Raises:
            TooLong: it lacks resolution in time.
        """
        problem = self._slab_problem(a, b, before)
        goal = self._goal(done.share * share)
        solver = self._solver(problem, goal)
        if done.hint is None:
            patches, q = self._resolving(solver, goal)
        else:
            patches, q = self._moved(solver, done.hint, a, b)
        current = solver.solve(patches, q, None, SLOWEST)
        idle = 0
        last = np.inf
        room = max(self._allowed(b) ** 2 - done.handed**2, 0.0) ** 0.5
        seen, begun = np.inf, work(current.assembly.dimension, q) if done.slabs else np.inf
        for _ in range(40):
            decay = predict(current, self._size(done, current.mixture, a, b))
            predicted = float(np.sqrt((decay.error**2).sum()))
            aim, passed = goal, done.passed * current.residual
            if predicted <= goal and 0 < room < passed < 0.5 * seen:
                seen, aim = passed, max(0.5 * predicted * room / passed, 0.3 * FINEST_TOLERANCE)
            if predicted <= aim or self.monitor.out_of_time():
                break
            if not current.converged and b - a > FORGIVEN * self.time.length:
                raise TooLong
            idle = idle + 1 if predicted > STALLED * last else 0
            last = predicted
            if idle == 2 and predicted <= done.handed:
                break
            if idle == 2 and (factor := self._shortened("predicted", b - a, predicted, goal)) < 1:
                raise TooLong(factor, (current.assembly.patches.partition, current.assembly.q))
            refined = self._refine(solver, current, decay, aim)
            if refined is None:
                break
            dimension = current.assembly.dimension
            in_time = np.average(decay.share[:, -1], weights=decay.error**2)
            grown = work(dimension, refined[1]) > GROWN * begun and in_time > 1 / dimension
            if grown or len(refined[1]) > MOST_PATCHES * solver.first_order:
                raise TooLong
            current = solver.solve(*refined, current, SLOWEST)
        if not current.converged and b - a > FORGIVEN * self.time.length:
            raise TooLong
        return current, decay

    def _shortened(self, kind: str, dt: float, error: float, goal: float, least: float = 1 / 64) -> float:
        """How much shorter a slab must be where refinement in space does not lower its error, as the last one shows.

        An error falls like dt^p: with p the order where the solution is smooth, with p near one where a kink in the
        data is smoothed out. Where it does not fall, what shows in time is unresolved in space: then the factor is 1.
        """
        last, self.stalled[kind] = self.stalled.get(kind), (dt, error)
        if last is None or last[0] <= dt:
            return 0.5
        power = np.log(last[1] / error) / np.log(last[0] / dt)
        return 1.0 if power < SHORTENING else float(np.clip((0.5 * goal / error) ** (1 / power), least, 0.5))

    def _solver(self, problem: Problem, tol: float) -> Discretisation:
        return Discretisation(
            problem,
            tol,
            self.monitor,
            self.device,
            self.settings,
            duration=self.time.length,
            factors=self.factors,
            threads=self.threads,
        )

    def _moved(self, solver: Discretisation, hint: Hint, a: float, b: float) -> tuple[Patches, np.ndarray]:
        """Patches of another slab, moved in time."""
        partition, q = hint
        moved = replace(partition, breaks=(*partition.breaks[:-1], np.array([a, b])))
        patches, kept = Patches.over(solver.frame, moved)
        return patches, q[kept] if len(kept) != len(q) else q

    def _resolving(self, solver: Discretisation, goal: float) -> tuple[Patches, np.ndarray]:
        """Patches and orders that resolve the initial values, as far as a hundred patches go: they may have jumps."""
        patches, q = solver.start()
        for _ in range(24):
            if q.sum() > MOST_PATCHES * solver.first_order:
                break
            assembly = discretise(solver.statement, patches, q, self.device)
            coefficients = project(assembly, None, solver.problem)
            if coefficients is None:
                break
            fit = Discrete(assembly, coefficients, True, 0.0, 0, np.zeros(len(patches)))
            decay = predict(fit)
            marked = bulk_of(decay.error, 0.99) & (decay.error > 0.3 * goal / np.sqrt(len(q)))
            if float(np.sqrt((decay.error**2).sum())) <= goal or not marked.any():
                missed = self._misfit(solver, fit, goal)
                if not missed.any():
                    break
                split, marked, wanted = missed, missed, q
            else:
                # Orders are raised by two at most: values alone decay faster than what evolves from them.
                target = 0.3 * goal / np.sqrt(len(q))
                split, wanted = cheapest(decay, q, target, patches.dimension, solver.highest_order)
                split &= decay.strongest < patches.dimension - 1  # halving in space does not help in time
                wanted = np.where(split, q, np.clip(wanted, q, q + 2))
            axes = (split & marked)[:, None] & (decay.directions | split[:, None])
            axes[:, -1] = False
            q = np.where(marked, wanted, q)
            if axes.any():
                patches, q = solver.refined(fit, Marked(axes, q))
            elif (q == assembly.q).all():
                break
        return patches, q

    def _misfit(self, solver: Discretisation, fit: Discrete, goal: float) -> np.ndarray:
        """Patches (e,) in which the initial values differ from their fit at points that it has not seen."""
        problem, missed = solver.problem, np.zeros(len(fit.assembly.patches), dtype=bool)
        x = problem.domain.sample(PROBES, sampler="sobol", seed=1)
        stated = problem.values(problem.guess or {}, x, "guess").nan_to_num(0.0)
        patch = fit.mixture.patch_of(x @ fit.assembly.space.rotation)
        known = patch >= 0
        found = fit.mixture.jet(x[known], ((0,) * x.shape[1],))[:, :, 0].cpu()
        size = stated.square().mean(0).sqrt().clamp_min(1e-300)
        wrong = ((found - stated[known]).abs() / size).amax(1).numpy() > max(1e3 * goal, 1e-9)
        missed[patch[known][wrong]] = True
        return missed

    def _refine(
        self, solver: Discretisation, current: Discrete, decay: Decay, goal: float
    ) -> tuple[Patches, np.ndarray] | None:
        assembly = current.assembly
        time_axis = assembly.dimension - 1
        marked = bulk_of(decay.error, 0.99) & (decay.error > 0.3 * goal / np.sqrt(len(decay.error)))
        if not marked.any():
            return None
        target = 0.7 * goal / np.sqrt(len(decay.error))
        split, wanted = cheapest(decay, assembly.q, target, assembly.dimension, solver.highest_order)
        split &= marked
        weight = decay.error[split] ** 2
        in_time = split.any() and weight[decay.strongest[split] == time_axis].sum() > 0.5 * weight.sum()
        if in_time:
            predicted = float(np.sqrt((decay.error**2).sum()))
            if (factor := self._shortened("in time", solver.frame.extent[-1], predicted, goal, 0.5)) < 1:
                raise TooLong(factor)
        axes = split[:, None] & decay.directions
        q = np.where(marked, wanted, assembly.q)
        axes[:, time_axis] = False
        if in_time or not (axes.any() or (q != assembly.q).any()):
            # Carried in from where the equation is not met: what the residual shows, not the decay.
            axes = np.repeat(bulk_of(current.residual_of_patch)[:, None], assembly.dimension, axis=1)
            axes[:, time_axis], q = False, assembly.q
        return solver.refined(current, Marked(axes, q))

    def _verify(self, a: float, b: float, u: Discrete, before: PartitionedMixture | None) -> Discrete:
        """The same slab with all orders raised by two, continuing the finer march."""
        problem = self._slab_problem(a, b, before)
        solver = self._solver(problem, FINEST_TOLERANCE)
        return solver.solve(u.assembly.patches, u.assembly.q + 2, u)


def _root_mean_square(values: np.ndarray) -> np.ndarray:
    """Of each column (n, u)."""
    return np.sqrt((values**2).mean(axis=0))


def march(
    problem: Problem, tol: float, monitor: Monitor | None = None, device: str = "cpu", **settings: Any
) -> AdaptiveResult:
    """Solve an evolution problem to an estimated relative L2 error over space–time of at most `tol`.

    Args:
        problem: with a time interval and initial values (`can_march`).
        tol: relative L2 tolerance.
        monitor: progress and time limit.
        device: where the linear algebra runs.
        **settings: as for `solve_adaptively`, and `slabs`, the number of slabs to begin with.
    """
    threads = torch.get_num_threads()
    try:
        return March(problem, max(tol, FINEST_TOLERANCE), monitor or Monitor(), device, settings).run()
    finally:
        torch.set_num_threads(threads)
