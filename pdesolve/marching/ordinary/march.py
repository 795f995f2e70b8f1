"""Ordinary differential and algebraic equations in time: collocation step by step, verified by a second march.

    F(u, u', …, t) = 0,   u polynomial of degree s on each step,   F = 0 at the s stages of Radau IIA

The unknowns of a step are the stage values of all unknowns; Newton's matrix couples them all. The second march has one
stage more on the same steps. The difference of the two, relative to each unknown's own L2 norm in time, is the
estimate; where it exceeds the tolerance the march is repeated with a smaller tolerance of its steps.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import OutOfTimeError, SolveError
from pdesolve.marching.ordinary.between import overlooked
from pdesolve.marching.ordinary.branching import several_ways
from pdesolve.marching.ordinary.polynomials import TimePolynomials
from pdesolve.marching.ordinary.step import Trial, attempt, defect
from pdesolve.marching.ordinary.system import MORE_TIMES, System, compiled
from pdesolve.marching.radau import Radau, lagrange, legendre_transform, radau
from pdesolve.runs.answer import Answer, SecondSolution
from pdesolve.runs.monitor import Monitor
from pdesolve.runs.wording import named
from pdesolve.statement.problem import Problem

LOG = logging.getLogger(__name__)
LOCAL = 0.1  # first tolerance of a step over that of the solution: errors of steps add up
FINEST = 2e-15  # tolerance of a step: a digit above rounding
LOOSEST = 3e-3  # what is solved more coarsely steps over too much to know its error
ATTEMPTS = 6  # marches with smaller and smaller steps
MOST_STEPS = 200_000
FIRST_STEP = 1e-3  # of the whole time; the first step is retried until it is short enough
SHORTEST_STEP = 1e-14  # of the whole time
SHRINK, GROW = 0.2, 3.0  # bounds of the change of the length from step to step (Hairer & Wanner, §IV.8)
SAFETY = 0.8
ROUGHLY = 0.1  # error of a step that tells the sizes of unknowns
FEW = 20  # unknowns: with 9 stages a matrix of 180 rows, factored within a millisecond
LOOSE = 1e-5  # tolerance of a step: above it few stages suffice for the longest steps there are
# Relative error that the residual between stages may show, in tolerances of the step: (DEFECT s²)^r at order r, since
# every derivative of a polynomial magnifies its error by up to s², and the first stage is at 1/s² of the step.
DEFECT = 4
BETWEEN = 1.0  # tolerances of a step: what is left of the residual without that of collocation is an error
_SOLVED = "tolerance met: confirmed by a march with one stage more, in {} steps"


def march_in_time(problem: Problem, tol: float, monitor: Monitor | None = None) -> Answer:
    """Solve ordinary differential (and algebraic) equations to a relative L2 tolerance of every unknown.

    Args:
        problem: on a time axis, with initial values (`is_ordinary`).
        tol: relative L2 error in time, of every unknown.
        monitor: progress and time limit.

    Raises:
        ProblemError: initial values are missing or too many.
        SolveError: no step however short can be taken.
    """
    monitor = monitor or Monitor()
    system = compiled(problem, tol)
    last = float(problem.domain.bounds[1, 0])
    local = LOCAL * min(tol, LOOSEST)
    before = math.inf
    best = Attempt.unfinished(system)
    for tried in range(ATTEMPTS + 1):
        if not _may_try(tried, system):
            break
        local = max(local, FINEST)
        found = _attempted(system, problem, local, monitor)
        if monitor.out_of_time() and best.solution is not None:
            break  # what was reached before goes further
        best = found
        if best.verified:
            _record(monitor, best)
        if best.worst <= tol:
            if _is_seen(system, best):
                return best.result(*_verdict(system, best))
            # Steps may have passed over what is narrow: once more, looking between the stages more closely.
            system = replace(system, times=MORE_TIMES)
            continue
        if _is_hopeless(best, before, local, tol, last):
            break
        before = best.worst
        local = local * _tighter(best, tol)
    return best.result(False, _why(best, last, local, monitor))


def _may_try(tried: int, system: System) -> bool:
    """Whether there is another attempt; the last one is for a closer look."""
    return tried < ATTEMPTS or system.times >= MORE_TIMES


def _is_seen(system: System, best: Attempt) -> bool:
    """Whether what happens between the stages of a march is known."""
    return system.times >= MORE_TIMES or not system.passes_narrow(best.path)


def _is_hopeless(best: Attempt, before: float, local: float, tol: float, last: float) -> bool:
    """Whether no march with smaller steps is worth the while."""
    if not best.reaches(last) or local <= FINEST:
        return True
    # A first repetition may be spent on a switch whose place moves with the steps.
    return best.worst > 0.5 * before and local < 1e-3 * LOCAL * tol


def _tighter(best: Attempt, tol: float) -> float:
    """Factor of the tolerance of the steps; a tenth where the march with one stage more did not solve every step."""
    if not best.verified:
        return 0.1
    return min(max(0.3 * tol / max(best.worst, 1e-300), 1e-6), 0.1)


@dataclass(frozen=True, eq=False)
class Attempt:
    """A march with its estimates (u,), which are NaN where the second march did not follow it to the end."""

    solution: TimePolynomials | None
    estimates: np.ndarray
    finer: TimePolynomials | None = None

    @classmethod
    def unfinished(cls, system: System, solution: TimePolynomials | None = None) -> Attempt:
        """One without estimates."""
        return cls(solution, np.full(system.unknowns, np.nan))

    @property
    def path(self) -> TimePolynomials:
        """The solution that there is."""
        assert self.solution is not None
        return self.solution

    @property
    def verified(self) -> bool:
        """Whether there are estimates."""
        return not bool(np.isnan(self.estimates).any())

    def reaches(self, last: float) -> bool:
        """Whether the march came to the last time."""
        return self.solution is not None and float(self.solution.times[-1]) >= last

    @property
    def worst(self) -> float:
        """The largest estimate."""
        return float(self.estimates.max())

    def result(self, met: bool, status: str) -> Answer:
        """What `march_in_time` returns."""
        beside = None if self.finer is None else SecondSolution(self.finer)
        return Answer(self.solution, tuple(self.estimates.tolist()), met, status, verification=beside)


def _attempted(system: System, problem: Problem, local: float, monitor: Monitor) -> Attempt:
    """March with steps of a tolerance, and again with one stage more."""
    stages = _stages(local, system.unknowns)
    u = March(system, problem, local, stages, monitor).run()
    unfinished = Attempt.unfinished(system, u)
    if not unfinished.reaches(float(problem.domain.bounds[1, 0])):
        return unfinished
    v = verified(system, u, stages + 1, local, monitor)
    if v is None:
        return unfinished
    return Attempt(u, difference(u, v), v)


def _record(monitor: Monitor, attempt: Attempt) -> None:
    assert attempt.solution is not None
    values = attempt.solution.values
    level = len(monitor.history) + 1
    monitor.record(level=level, patches=len(values), unknowns=values.numel(), estimate=attempt.worst)


def _verdict(system: System, best: Attempt) -> tuple[bool, str]:
    """Whether a solution within the tolerance is the only one, and the sentence."""
    assert best.solution is not None
    t = degenerate_at(system, best.solution)
    if t is not None:
        return False, _DEGENERATE.format(t)
    many = several_ways(system, best.solution, best.worst)
    if many is not None:
        return False, many
    return True, _SOLVED.format(len(best.solution.values))


@dataclass
class March:
    """One march from the first time to the last; `run` returns the solution as far as it has come."""

    system: System
    problem: Problem
    local: float
    stages: int
    monitor: Monitor
    size: Tensor = field(init=False)  # (u,) integral of squares so far
    ahead: Tensor = field(init=False)  # (u,) root mean squares on a longer first step that was refused

    def __post_init__(self) -> None:
        self.size = torch.zeros(self.system.unknowns, dtype=torch.float64)
        self.ahead = torch.zeros_like(self.size)

    def run(self) -> TimePolynomials:
        """March with steps that the error of each decides."""
        first, last = self.problem.domain.bounds[:, 0].tolist()
        method = radau(self.stages)
        t = first
        start = self.system.start
        times = [first]
        values: list[Tensor] = []
        step = FIRST_STEP * (last - first)
        while t < last and not self.monitor.out_of_time():
            end = self.system.resolution.furthest(t, min(t + step, last))
            if last - end < SHORTEST_STEP * (last - first):
                end = last
            guess = _extrapolated(method, times, values, t, end, start)
            trial = attempt(self.system, method, t, end - t, start, guess, self.local, self._scale(guess, t))
            error = self._error(method, trial, t) if trial.met else math.inf
            factor = SAFETY * (self.local / max(error, 1e-300)) ** (1 / (self.stages + 1))
            if error <= self.local and self._missed(method, trial, t, end - t, start, error):
                error = math.inf
            if error > self.local:
                if t == first and error <= ROUGHLY:
                    self.ahead = torch.maximum(self.ahead, _root_mean_squares(trial.values))
                LOG.debug(
                    "a step of %g from t = %g is refused: error %.2g, allowed %.2g",
                    end - t,
                    t,
                    error,
                    self.local,
                )
                step = (end - t) * min(max(factor, SHRINK), 0.7)
                if step < SHORTEST_STEP * (last - first):
                    raise SolveError(_stuck(t, trial.met))
                continue
            t = end
            times.append(t)
            values.append(trial.values)
            self.size += (end - times[-2]) * (_legendre(method) @ trial.values).square().sum(0)
            start = trial.end
            step = (end - times[-2]) * min(max(factor, SHRINK), GROW)
            if len(values) > MOST_STEPS:
                break
        return _joined(times, values)

    def _scale(self, values: Tensor, t: float) -> Tensor:
        """(u,) sizes that errors of a step are relative to: root mean square so far, or what the step has itself.

        Before anything is known, sizes on a longer step count, too: what begins as t⁴ has the same relative error on a
        step of any length.
        """
        passed = t - float(self.problem.domain.bounds[0, 0])
        before = self.ahead
        if passed > 0:
            before = (self.size / passed).sqrt()
        found = torch.maximum(before, _root_mean_squares(values))
        largest = float(found.max())
        return torch.where(found > 0, found, largest if largest > 0 else 1.0)

    def _missed(
        self, method: Radau, trial: Trial, t: float, step: float, start: Tensor, error: float
    ) -> bool:
        """Whether the residual elsewhere than at the stages, or what grows of the error of a step, is too much."""
        scale = self._scale(trial.values, t)
        missed = defect(self.system, method, trial, t, step, scale)
        magnified = (DEFECT * self.stages**2) ** max(self.system.orders)
        rounding = 4 * torch.finfo(scale.dtype).eps
        if missed > magnified * max(self.local, rounding):
            return True
        interval = float(self.problem.domain.bounds[:, 0].diff())
        between, growth = overlooked(self.system, method, trial, t, step, start, scale, interval)
        return max(between, error * growth) > BETWEEN * max(self.local, rounding)

    def _error(self, method: Radau, trial: Trial, t: float) -> float:
        """Size of the first neglected Legendre coefficients, relative to the unknowns.

        Coefficients are taken in pairs, since every second one vanishes where u is even about the middle of the step.
        """
        scale = self._scale(trial.values, t)
        a = (_legendre(method) @ trial.values) / scale
        high = a[-2:].norm(dim=0)
        below = a[-4:-2].norm(dim=0).clamp_min(1e-300)
        rate = (high / below).clamp_max(1.0)
        error = high * rate
        # A hundredth of rounding: coefficients of it have no decay.
        error = torch.where(high < 4 * torch.finfo(high.dtype).eps, 0.0, error)
        return float(error.max())


def _root_mean_squares(values: Tensor) -> Tensor:
    """(u,) of stage values (s + 1, u)."""
    return values.square().mean(0).sqrt()


def verified(
    system: System, u: TimePolynomials, stages: int, local: float, monitor: Monitor
) -> TimePolynomials | None:
    """The march with so many stages on the steps of another; None where a step is not solved or time is up."""
    method = radau(stages)
    between = torch.from_numpy(lagrange(radau(u.stages).nodes, method.nodes))
    start = system.start
    found = []
    for k in range(len(u.values)):
        if monitor.out_of_time():
            return None
        t = float(u.times[k])
        step = float(u.times[k + 1]) - t
        guess = between @ u.values[k]
        scale = guess.square().mean(0).sqrt().clamp_min(1e-300)
        trial = attempt(system, method, t, step, start, guess, local, scale)
        if not trial.met:
            return None
        found.append(trial.values)
        start = trial.end
    return TimePolynomials(u.times, torch.stack(found))


def difference(u: TimePolynomials, v: TimePolynomials) -> np.ndarray:
    """‖v - u‖/‖v‖ in L2 over time for each unknown (u,); the absolute norm of one that vanishes."""
    t, w = u.rule(v.stages + 2)
    zero = ((0,),)
    first = u.jet(t[:, None], zero)[:, :, 0]
    second = v.jet(t[:, None], zero)[:, :, 0]
    error = ((second - first).square() * w[:, None]).sum(0).sqrt()
    size = (second.square() * w[:, None]).sum(0).sqrt()
    return torch.where(size > 0, error / size.clamp_min(1e-300), error).numpy()


_DEGENERATE = (
    "the highest derivatives lose their coefficients at t = {:.6g}, so that solutions through it may be many, as those "
    "of t u' = 2 u are at t = 0; start after that time"
)


def degenerate_at(system: System, u: TimePolynomials) -> float | None:
    """The first end of a step at which ∂F/∂u^{(r)}, r the order of each unknown, has a lower rank than in most."""
    slots = system.operator.slots
    indices = tuple(dict.fromkeys(index for _, index in slots))
    jets = u.jet(u.times[:, None], indices)
    columns = torch.stack([jets[:, v, indices.index(index)] for v, index in slots], dim=1)
    _, sensitivity = system.operator.linearise(u.times[:, None], columns)
    highest = [i for i, (v, index) in enumerate(slots) if index[0] == system.orders[v] > 0]
    if not highest:
        return None
    matrix = sensitivity[..., highest]
    # In units of each column's largest entry over all times: rank is then free of the units of the unknowns.
    matrix = matrix / matrix.abs().amax((0, 1)).clamp_min(1e-300)
    ranks = torch.linalg.matrix_rank(matrix, atol=1e-12)
    low = torch.nonzero(ranks < ranks.mode().values)[:, 0]
    if not len(low):
        return None
    return float(u.times[low[0]])


def _stages(local: float, unknowns: int) -> int:
    """More stages for smaller tolerances: with many unknowns the cheapest count moves little around these."""
    # Newton's matrix of few unknowns costs nothing beside the evaluation of the equations, which a pass makes once for
    # all stages: few long steps are cheapest (Lorenz to 1e-6: 346 steps of 5 stages in 4.6 s, 107 of 9 in 1.5 s).
    if unknowns <= FEW and local < LOOSE:
        return 9
    if local >= 1e-7:
        return 5
    if local >= 1e-10:
        return 7
    return 9


def _legendre(method: Radau) -> Tensor:
    """(s + 1, s + 1): values at the nodes ↦ coefficients of Legendre polynomials that are orthonormal on [0, 1]."""
    norms = np.sqrt(2 * np.arange(method.stages + 1) + 1)
    return torch.from_numpy(legendre_transform(method.stages) / norms[:, None])


def _extrapolated(
    method: Radau, times: Sequence[float], values: Sequence[Tensor], t: float, end: float, start: Tensor
) -> Tensor:
    """Values (s + 1, u) at the nodes of the next step: the last polynomial, or its end where the step is far longer."""
    u = values[-1].shape[1] if values else start.shape[1]
    own = start[0] if len(start) else torch.zeros(u, dtype=torch.float64)
    constant = own.expand(method.stages + 1, u).clone()
    if not values:
        return constant
    last = times[-1] - times[-2]
    differential = values[-1][-1]
    if end - t > 2 * last:
        return differential.expand(method.stages + 1, u).clone()
    ahead = lagrange(method.nodes, 1 + method.nodes * (end - t) / last)
    return torch.from_numpy(ahead) @ values[-1]


def _joined(times: Sequence[float], values: Sequence[Tensor]) -> TimePolynomials:
    """The steps that were taken, one at least."""
    if not values:
        message = f"the time limit passed before the first step was solved; raise {named('time_limit')}"
        raise OutOfTimeError(message)
    return TimePolynomials(torch.tensor(times, dtype=torch.float64), torch.stack(list(values)))


def _stuck(t: float, met: bool) -> str:
    why = (
        "its steps shrink without end" if met else "Newton's method finds no solution of a step however short"
    )
    return (
        f"the march stops at t = {t:.6g}: {why}; the solution may end there, as 1/(1 - t) does at t = 1, or the "
        "equation may not determine it, as u' = √|u| does not at u = 0"
    )


def _why(best: Attempt, last: float, local: float, monitor: Monitor) -> str:
    """Why there is no verdict."""
    assert best.solution is not None
    reached = float(best.solution.times[-1])
    if monitor.out_of_time():
        return f"stopped early: the time limit passed at t = {reached:.6g} of {last:g}"
    if reached < last:
        return f"stopped early: {MOST_STEPS} steps reach t = {reached:.6g} of {last:g} only"
    if not best.verified:
        return "not verified: the march with one stage more does not solve every step"
    if local <= FINEST:
        return (
            f"steps at rounding still leave an estimate of {best.worst:.1e}: the solution magnifies errors so much "
            "that this is what double precision can tell; ask for less, or for a shorter time"
        )
    return f"stalled at an estimate of {best.worst:.1e}: shorter steps do not lower it as they should"
