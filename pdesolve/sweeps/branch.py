"""A branch of solutions of a nonlinear steady problem over one constant, past turning points."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq

from pdesolve.errors import ProblemError, SolveError, UsageError, did_you_mean
from pdesolve.patches.family import Family
from pdesolve.runs import html
from pdesolve.runs.answer import SecondSolution
from pdesolve.runs.goal import require_time_limit, require_tolerance
from pdesolve.runs.monitor import Monitor
from pdesolve.solution.solution import Solution
from pdesolve.solver import solve
from pdesolve.statement.loading import load_problem
from pdesolve.statement.problem import Problem
from pdesolve.sweeps.curve import FINEST, Curve, Place
from pdesolve.sweeps.table import table_lines, write_columns

FIRST_LENGTH = 0.02  # of the first step, of the range of λ
LONGEST = 0.1  # of a step: the branch is drawn through its points
SHORTEST = 1e-5  # below it, Newton will not find the next point either
TURN = 0.15  # radians that the tangent turns from point to point: a full turn has 40 of them
MOST_TURN = 3 * TURN  # beyond it a step is taken again at half its length
ROUGHLY = 1e-3  # of the tolerance, to which Newton solves
WITHIN = 1e-9  # of a step, within which a fold, or an end of the range, is found
HIGHEST_ORDER = {1: 22, 2: 20, 3: 16}  # degrees beyond which patches are halved instead
MOST_REFINEMENTS = 8  # of one point: each lowers the residual to a half at least, or is the last
# Of the largest so far, by which a smaller one is measured: a solution that goes through zero, as where a buckled state
# meets the straight one, would be approached in ever smaller steps.
LEAST_SIZE = 0.1
# Of the size that the branch is measured by: an unknown that is smaller vanishes, and has no relative error.
VANISHING = 1e-6
MOST_SHARED = 0.75  # part of the error that two solutions share, above which their difference says nothing
# The difference of one number, unlike that of a norm, may be small by chance: of the fold of Bratu's problem on a
# square, asked for to 1e-4, it was a quarter of the error.
OF_ONE_NUMBER = 3.0
ROUNDING = 1e-11  # of the size of a solution: residuals below it are rounding
BULK = 0.75  # of the squares of the residuals: patches that hold it are halved


@dataclass(frozen=True, eq=False)
class Found:
    """A point of the branch, what is known of its errors, and whether λ turns back there."""

    curve: Curve
    place: Place
    estimates: tuple[float, ...]
    value_error: float
    beside: SecondSolution | None
    fold: bool = False


class Branch(Mapping[str, NDArray[Any]]):
    """Columns of equal length (n,), a row for each point in the order in which the branch goes through them.

    They are the constant and the estimated error of it, the root mean square of each unknown, the estimated error of
    the solution, whether the point is a fold (1) or not (0), the unknowns and the verdict.

    Attributes:
        name: of the constant.
        status: why the branch ends where it ends.
    """

    def __init__(self, problem: Problem, name: str, tol: float, found: list[Found], status: str):
        self.problem = problem
        self.name = name
        self.tol = tol
        self.status = status
        self._found = tuple(found)
        self._columns = self._made()

    def _made(self) -> dict[str, NDArray[Any]]:
        found = self._found
        sizes = self._sizes()
        columns: dict[str, NDArray[Any]] = {
            self.name: np.array([f.place.value for f in found]),
            f"{self.name}_error": np.array([f.value_error for f in found]),
        }
        columns |= {f"rms_{name}": sizes[:, i] for i, name in enumerate(self.problem.unknowns)}
        estimates = np.array([max(f.estimates) for f in found])
        columns["estimated_error"] = estimates
        columns["fold"] = np.array([float(f.fold) for f in found])
        columns["degrees_of_freedom"] = np.array([float(len(f.place.c)) for f in found])
        columns["verdict"] = self._verdicts()
        return columns

    def _sizes(self) -> NDArray[Any]:
        """Root mean squares (n, u) of the unknowns."""
        found = self._found
        space = found[0].curve.family.space
        volume = sum(float(space.volume_weights(points).sum()) for points in space.interior)
        return np.array([(f.curve.family.space.norms(f.place.c) / volume**0.5).tolist() for f in found])

    def _verdicts(self) -> NDArray[Any]:
        verdicts = np.full(len(self._found), "not verified", dtype=object)
        verdicts[[self._is_solved(f) for f in self._found]] = "estimated"
        return verdicts

    def _is_solved(self, found: Found) -> bool:
        return max(*found.estimates, found.value_error / found.curve.unit) <= self.tol

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        """Number of columns, as of any mapping."""
        return len(self._columns)

    @property
    def points(self) -> int:
        """Number of points."""
        return len(self._found)

    @property
    def folds(self) -> list[tuple[float, float]]:
        """Values of the constant where the branch turns back, with their estimated errors."""
        return [(f.place.value, f.value_error) for f in self._found if f.fold]

    def solution(self, number: int) -> Solution:
        """The solution at a point.

        Raises:
            UsageError: there is no such point.
        """
        if not 0 <= number < self.points:
            message = f"there is no point {number}; the points are 0 to {self.points - 1}"
            raise UsageError(message)
        found = self._found[number]
        problem = self.problem.with_constants({self.name: found.place.value})
        mixture = found.curve.family.space.mixture(found.place.c)
        solved = self._is_solved(found)
        status = "on a branch: not confirmed"
        if solved:
            status = "on a branch: confirmed by the next order"
        solution = Solution(problem, mixture, "gmnm", self.tol, status, solved, found.estimates)
        solution.verification = found.beside
        solution.residual_rms = solution.measure_residual()
        return solution

    def write_csv(self, path: str | Path) -> Path:
        """Write a line for each point; numbers read back to the bit."""
        return write_columns(self, Path(path))

    def __repr__(self) -> str:
        folds = ", ".join(f"{value:.10g}" for value, _ in self.folds) or "none"
        return f"Branch(over {self.name}: {self.points} points, folds at {folds}; {self.status})"

    def _repr_html_(self) -> str:
        return html.columns(repr(self), list(self), table_lines(self))


def follow_branch(
    problem: Problem | str | Path,
    name: str,
    first: float,
    last: float,
    *,
    tol: float = 1e-6,
    points: int = 200,
    time_limit: float | None = None,
    show: Callable[[int, float, float], None] | None = None,
) -> Branch:
    """Follow the solutions of a nonlinear steady problem over a constant, past turning points.

    It begins with the solution that `solve` finds at the first value, and goes toward the last by steps along the
    curve (pseudo-arclength continuation). Where the constant turns back, in a fold, the branch goes on. It ends where
    the constant leaves the range between the two values, at either end.

    Args:
        problem: the problem, or the path of its file.
        name: of the constant.
        first: its first value.
        last: the value toward which the branch goes.
        tol: relative L2 error of each solution, and error of the constant relative to the range, both estimated from
            the next order.
        points: the most that are looked for.
        time_limit: seconds.
        show: called after each point with the number of points, the constant, and the estimated error.

    Returns:
        A table, a mapping of arrays with a row for each point.

    Raises:
        UsageError: an argument is not what it should be, or the problem evolves in time.
        ProblemError: there is no such constant.
        SolveError: there is no solution to begin with.
    """
    if not isinstance(problem, Problem):
        problem = load_problem(problem)
    require_tolerance(tol)
    require_time_limit(time_limit)
    _check(problem, name)
    _check_range(name, first, last, points)
    monitor = Monitor(time_limit=time_limit)
    # The first point needs the whole search for a solution; all others begin with the one before.
    begin = solve(problem.with_constants({name: first}), tol=tol, time_limit=time_limit)
    if not begin.converged:
        message = f"there is no solution to begin with at {name} = {first:g}: {begin.status}"
        raise SolveError(message)
    family = Family.of(begin.problem, begin.approximator)
    c = begin.approximator.coefficients
    curve = Curve(family, name, abs(last - first), goal=max(FINEST, ROUGHLY * tol))
    curve, place = curve.sized(curve.start(c, first, last))
    walk = _Walk(tol, (min(first, last), max(first, last)), show)
    status = walk.go(curve, place, points, monitor)
    return Branch(problem, name, tol, walk.found, status)


def _check_range(name: str, first: Any, last: Any, points: Any) -> None:
    if not all(isinstance(end, Real) and math.isfinite(end) for end in (first, last)) or first == last:
        message = f"{name} from {first!r} to {last!r}; expected two finite values that differ"
        raise UsageError(message)
    if isinstance(points, bool) or not isinstance(points, Integral) or points < 2:
        message = f"points={points!r}; expected a whole number, 2 or more"
        raise UsageError(message)


def _check(problem: Problem, name: str) -> None:
    if name not in problem.constants:
        known = ", ".join(problem.constants) or "none"
        message = f"{name} is no constant of this problem; its constants are: {known}"
        raise ProblemError(message + did_you_mean(str(name), problem.constants))
    if "t" in problem.coordinates:
        message = (
            "a branch consists of steady solutions, and this problem evolves in time: sweep over the constant"
        )
        raise UsageError(message)
    if problem.eigenvalues is not None:
        message = (
            "a branch is one of solutions, and this problem asks for eigenvalues: sweep over the constant"
        )
        raise UsageError(message)
    if problem.data or problem.parameters:
        message = "a branch cannot be followed while something is identified from data"
        raise UsageError(message)


@dataclass
class _Walk:
    """The walk along a branch; `found` grows."""

    tol: float
    range: tuple[float, float]
    show: Callable[[int, float, float], None] | None
    found: list[Found] = field(default_factory=list)

    def go(self, curve: Curve, place: Place, points: int, monitor: Monitor) -> str:
        """Walk until the end; say which it was."""
        curve, place = self._keep(curve, place)
        length = FIRST_LENGTH
        largest = 0.0
        while len(self.found) < points:
            if monitor.out_of_time():
                return str(monitor.why_over())
            # Measured anew at each point, since the solution may grow by orders along the branch.
            largest = max(largest, curve.norm(place.c))
            curve, place = curve.sized(place, LEAST_SIZE * largest)
            after, length = _next(curve, place, length)
            if after is None:
                return (
                    f"stopped at {curve.name} = {place.value:.6g}: Newton finds no point beyond, however near"
                )
            # The constant turns back between the two points.
            if place.speed * after.speed < 0:
                self._keep(curve, _located(curve, place, length, lambda p: p.speed), fold=True)
            low, high = self.range
            if not low <= after.value <= high:
                # The end itself is a point of the branch, and the step went past it.
                bound = high
                if after.value < low:
                    bound = low
                self._keep(curve, _located(curve, place, length, _beyond(bound)))
                return f"{curve.name} has come to {bound:g}, the end of its range"
            turn = _angle(curve, place, after)
            curve, place = self._keep(curve, after)
            # By a factor of two at most: one tangent says little of what comes.
            length = min(LONGEST, length * min(2.0, max(0.5, TURN / max(turn, 1e-6))))
        return f"{points} points were found; raise points to go on"

    def _keep(self, curve: Curve, place: Place, fold: bool = False) -> tuple[Curve, Place]:
        """Add a point, on a finer space where its errors ask for that; return where it is now."""
        point = _verified(curve, place, self.tol, fold)
        self.found.append(point)
        if self.show is not None:
            self.show(len(self.found), point.place.value, max(point.estimates))
        return point.curve, point.place


def _next(curve: Curve, place: Place, length: float) -> tuple[Place | None, float]:
    """The next point and the length of the step to it, which is halved while Newton fails or the tangent turns far."""
    while length >= SHORTEST:
        after = curve.step(place, length)
        if after is not None and _angle(curve, place, after) <= MOST_TURN:
            return after, length
        length /= 2
    return None, length


def _angle(curve: Curve, a: Place, b: Place) -> float:
    """Between two tangents of length one, by the distance of their ends."""
    # By the chord and not the product of the tangents, whose arccosine has half the digits where the angle is small.
    apart = math.hypot(curve.norm(a.direction - b.direction) / curve.size, (a.speed - b.speed) / curve.unit)
    return 2 * math.asin(min(1.0, apart / 2))


def _beyond(bound: float) -> Callable[[Place], float]:
    return lambda place: place.value - bound


def _located(curve: Curve, place: Place, length: float, what: Callable[[Place], float]) -> Place:
    """The place between two points where something that changes sign between them is zero."""

    def at(s: float) -> float:
        found = curve.step(place, s)
        if found is None:
            return math.nan
        return what(found)

    found = curve.step(place, float(brentq(at, 0.0, length, xtol=WITHIN * length)))
    if found is None:
        message = f"a turn of the branch near {curve.name} = {place.value:.6g} could not be located"
        raise SolveError(message)
    return found


def _verified(curve: Curve, place: Place, tol: float, fold: bool) -> Found:
    """The point with its errors, from the solution of the next order in its plane; refined until they are small."""
    for _ in range(MOST_REFINEMENTS):
        finer = replace(curve, family=curve.family.raised)
        start = curve.carried(finer, place)
        better = finer.step(start, 0.0)
        if better is None:
            break
        sigma = _shared(curve, place, better)
        estimates, value_error = _errors(finer, sigma, start, better)
        if max(*estimates, value_error / curve.unit) <= tol:
            beside = SecondSolution(finer.family.space.mixture(better.c), sigma)
            return Found(curve, place, estimates, value_error, beside, fold)
        # A higher order that does not even halve the residual meets something that is not smooth: patches are halved.
        helped = better.residual < 0.5 * place.residual
        highest = HIGHEST_ORDER[curve.family.space.dimension]
        if helped and curve.family.space.q.max() < highest:
            curve, place = finer, better
            continue
        split = replace(curve, family=curve.family.halved(_worst(curve, place)))
        again = split.step(curve.carried(split, place), 0.0)
        if again is None or not again.residual < place.residual:
            return Found(curve, place, estimates, value_error, None, fold)
        curve, place = split, again
    unknown = (math.inf,) * curve.family.space.unknowns
    return Found(curve, place, unknown, math.inf, None, fold)


def _shared(curve: Curve, place: Place, better: Place) -> float:
    """The part of the error that two solutions share, (‖r_finer‖/‖r‖)²; where both are rounding, none."""
    if place.residual <= ROUNDING * curve.size:
        return 0.0
    return (better.residual / max(place.residual, 1e-300)) ** 2


def _errors(finer: Curve, sigma: float, start: Place, better: Place) -> tuple[tuple[float, ...], float]:
    """Relative L2 errors of the unknowns and the error of λ: differences, less what both solutions share."""
    space = finer.family.space
    # The factor below would be above seven, and the difference it multiplies says little.
    if sigma > MOST_SHARED:
        return (math.inf,) * space.unknowns, math.inf
    factor = 1 / (1 - sigma**0.5)
    difference = space.norms(better.c - start.c)
    size = space.norms(better.c)
    # An unknown that vanishes is measured by the largest one, and all by the branch where all do.
    size = torch.where(size > 0, size, size.max()).clamp_min(VANISHING * finer.size)
    value_error = OF_ONE_NUMBER * factor * abs(better.value - start.value)
    return tuple((factor * difference / size).tolist()), value_error


def _worst(curve: Curve, place: Place) -> NDArray[np.bool_]:
    """The fewest patches (e,) that hold most of the residual (Dörfler 1996)."""
    assembly = curve.family.at({curve.name: place.value})
    _, residuals, _ = assembly.linearise(place.c)
    parts = assembly.residual_of_patch(residuals) ** 2
    order = np.argsort(-parts)
    sums = np.cumsum(parts[order])
    marked = np.zeros(len(parts), dtype=bool)
    marked[order[: int(np.searchsorted(sums, BULK * sums[-1])) + 1]] = True
    return marked
