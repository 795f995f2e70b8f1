"""Eigenvalues and modes to a tolerance: solve, look at the decay of the modes, refine, and confirm by the next degree.

As for a boundary value problem (see `adaptive.solve`), with all wanted modes at once: patches are refined where any of
them asks for it. Eigenvalues and modes are accepted when a solution with all degrees raised by two, computed from
other random vectors, has the same eigenvalues, no other nearer ones, and modes that differ by less than the tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from pdesolve.adaptive.decay import Decay, predict
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.adaptive.marking import by_decay, by_residual
from pdesolve.adaptive.tuning import FINEST_TOLERANCE, TUNING
from pdesolve.eigen.compare import ALIKE, Comparison, compare, distances, missed, residuals_of
from pdesolve.eigen.complex_modes import Estimates, Pairs, complex_pairs, counted_once
from pdesolve.eigen.modes import Modes
from pdesolve.eigen.pencil import Pencil
from pdesolve.eigen.search import CONVERGED, TooFewError, all_modes, next_modes
from pdesolve.eigen.shift import first_shift, is_good, shift_among
from pdesolve.eigen.stacked import carried, stacked, values
from pdesolve.errors import OutOfMemoryError, OutOfTimeError
from pdesolve.patches.cells import Patches
from pdesolve.patches.corners.find import corner_functions
from pdesolve.patches.grading import Singularities
from pdesolve.patches.newton import Discrete
from pdesolve.runs.answer import Answer, Findings
from pdesolve.runs.monitor import Monitor
from pdesolve.statement.eigenvalues import Eigenvalues
from pdesolve.statement.problem import Problem

# Of all patches, before as many eigenvalues as are wanted are said not to exist: 16 times as many on a line.
MOST_HALVINGS = 4
# Of a pair that is only looked for: its eigenvalue is right to about the square of it.
SEARCHED = 1e-6
ITERATED = 0.01  # of the tolerance, that iteration may leave of a pair
# Power of the error that residuals go with: at a corner where modes are r^α, what halvings leave of the rows goes as
# h^(α + 1/2) and the error that it pollutes as h^(2α), whose ratio is 1 for α = 1/2 and 7/8 for α = 2/3.
CARRIED = 0.9
# Degree of patches beside singular functions where some are cut. On a part of a patch, functions of degree 20 and these
# are so nearly dependent that solves left 1e-5 of ten modes of a drum; of degree 16 it is 1e-11.
MOST_WHERE_CUT = 16
WITHIN = 10.0  # times its error: eigenvalues that are nearer to each other, or to the real axis, may be alike


def solve_eigenvalues(
    problem: Problem, tol: float, monitor: Monitor | None = None, device: str = "cpu", **settings: int
) -> Answer:
    """The eigenvalues of a problem nearest to a number, and their modes.

    Args:
        problem: with `eigenvalues`.
        tol: relative error of every eigenvalue, and relative L2 error of every mode.
        monitor: progress and time limit.
        device: where the linear algebra runs.
        **settings: as for `solve_adaptively`.

    Raises:
        SolveError: there are fewer eigenvalues than are wanted.
    """
    threads = torch.get_num_threads()
    tol = min(max(tol, FINEST_TOLERANCE), TUNING.loosest_tolerance)
    try:
        space = Discretisation(problem, tol, monitor or Monitor(), device, settings)
        with space.monitor.enforce(ready=lambda: False):
            space.corners = corner_functions(space.statement, space.frame)
        return EigenSolver(space).run()
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True, eq=False)
class Level:
    """Modes on patches, those wanted first, and all of these as one function."""

    modes: Modes
    wanted: Modes
    stacked: Discrete

    @property
    def patches(self) -> Patches:
        """The patches."""
        return self.stacked.assembly.patches

    @property
    def q(self) -> np.ndarray:
        """Their degrees."""
        return self.stacked.assembly.q


@dataclass
class EigenSolver:
    """The adaptive loop for one problem.

    Attributes:
        space: patches, degrees, limits and refinement.
        shift: σ, near the wanted number.
        pairs: numbers of real and imaginary parts, where the problem is one of complex numbers.
        number: of the level.
    """

    space: Discretisation
    shift: float = 0.0
    number: int = 0
    seed: int = 0
    residual_goal: float = np.inf
    wanted: Eigenvalues = field(init=False)
    pairs: Pairs = field(init=False)

    def __post_init__(self) -> None:
        self.errors_at_corners = Singularities(self.space.frame.reach)
        self.residuals_at_corners = Singularities(self.space.frame.reach)
        assert self.space.problem.eigenvalues is not None
        self.wanted = self.space.problem.eigenvalues
        self.pairs = complex_pairs(self.space.statement)
        if self.pairs:  # the real problem has each twice, or with its conjugate
            self.wanted = replace(self.wanted, count=2 * self.wanted.count)

    def run(self) -> Answer:
        """Solve, refine, verify; within the limits of time and memory."""
        monitor = self.space.monitor
        with monitor.enforce(ready=lambda: False):
            current = self.begin()
        try:
            with monitor.enforce():
                while not isinstance(found := self._advance(current), Answer):
                    current = found
        except KeyboardInterrupt:
            return self._answer(current, None, "stopped early: interrupted")
        except (OutOfMemoryError, OutOfTimeError) as stop:
            return self._answer(current, None, f"stopped early: {stop}")
        return found

    # ---------------------------------------------------------------- SOLVE

    def begin(self) -> Level:
        """All wanted modes on the first patches, and a shift that keeps away from their eigenvalues."""
        near = self.wanted.near
        patches, q = self.space.start()
        if self.space.corners and patches.cut.any():
            self.space.highest_order = min(self.space.highest_order, MOST_WHERE_CUT)
            self.space.tuning = replace(self.space.tuning, overshoot=0)
        self.shift = first_shift(self._pencil(patches, q, near), near)
        level = self._searched_on_enough(patches, q)
        patches, q = level.patches, level.q
        found = level.modes.values
        if is_good(self.shift, found, near):
            return level
        self.shift = shift_among(found, near)
        return self.searched(patches, q)

    def _searched_on_enough(self, patches: Patches, q: np.ndarray) -> Level:
        """All wanted modes on the first patches, or on halves of them that can hold as many."""
        for _ in range(MOST_HALVINGS):
            try:
                return self.searched(patches, q)
            except TooFewError:
                partition, parent = patches.partition.split(np.ones(patches.half.shape, dtype=bool))
                patches, kept = Patches.over(self.space.frame, partition)
                q = q[parent[kept]]
        return self.searched(patches, q)

    def searched(self, patches: Patches, q: np.ndarray) -> Level:
        """All wanted modes on given patches, from vectors that were not used before."""
        self.seed += 1
        pencil = self._pencil(patches, q, self.shift)
        return _level(all_modes(pencil, self.wanted, self.seed), self.wanted.count)

    def searched_beside(self, level: Level) -> Level:
        """All wanted modes on the patches of a level, from its own and random vectors beside them."""
        self.seed += 1
        modes = all_modes(level.modes.pencil, self.wanted, self.seed, beside=level.modes.right)
        return _level(modes, self.wanted.count)

    def followed(self, current: Level, patches: Patches, q: np.ndarray, accuracy: float) -> Level:
        """The modes of a level on other patches."""
        pencil = self._pencil(patches, q, self.shift)
        known = carried(pencil.space, current.modes.pencil.space, current.modes.coefficients)
        return _level(next_modes(pencil, self.wanted, known, accuracy), self.wanted.count)

    def _pencil(self, patches: Patches, q: np.ndarray, shift: float) -> Pencil:
        space = self.space
        return Pencil(space.statement, patches, q, shift, space.device, space.corners)

    # ---------------------------------------------------------------- the loop

    def _advance(self, current: Level) -> Level | Answer:
        """One round of the loop: the next level, or the end."""
        decay = predict(current.stacked, self._sizes(current))
        predicted = float(np.sqrt((decay.error**2).sum()))
        self._record(current, predicted, None)
        if (why := self._limit(current)) is not None:
            return self._answer(current, None, f"stopped early: {why}")
        if predicted > self.space.tol:
            return self._by_decay(current, decay)
        if current.stacked.residual > self.residual_goal:
            return self._by_residual(current)
        return self._verified(current, predicted)

    def _by_decay(self, current: Level, decay: Decay) -> Level:
        """The modes on patches refined where their coefficients decay too slowly."""
        space = self.space
        # What corners leave of the residuals on every level tells how many halvings they take once these count.
        by_residual(current.stacked, decay, space.tol, self.residuals_at_corners, space.tuning)
        seen = self.errors_at_corners
        marked = by_decay(current.stacked, decay, space.tol, space.highest_order, seen, space.tuning)
        expected = max(space.tol, space.tuning.modest * decay.total)
        return self.followed(current, *space.refined(current.stacked, marked), ITERATED * expected)

    def _by_residual(self, current: Level) -> Level:
        """The modes on patches halved where the residual is."""
        decay = predict(current.stacked, self._sizes(current))
        space = self.space
        seen = self.residuals_at_corners
        marked = by_residual(current.stacked, decay, self.residual_goal, seen, space.tuning)
        return self.followed(current, *space.refined(current.stacked, marked), self._accuracy(current))

    def _accuracy(self, current: Level) -> float:
        """What iteration may leave of a pair whose residual in the rows is compared with that of a level."""
        # The part of another mode that is left in a pair is in its residual, too, and may be much larger there.
        left, size = residuals_of(current.wanted)
        return max(CONVERGED, ITERATED * min(self.space.tol, float((left / size).min())))

    def _sizes(self, current: Level) -> np.ndarray:
        """Sizes that components of modes are measured against where they are weaker: a part of those in all modes."""
        modes = current.wanted
        v = values(modes.pencil.space, modes.coefficients).square().sum(0)  # (u, k)
        volume = sum(float(modes.pencil.space.volume_weights(p).sum()) for p in modes.pencil.space.interior)
        faint = 1e-3 * (v.amax(1) / volume).sqrt().clamp_min(1e-300)
        return faint.repeat(len(modes.values)).cpu().numpy()

    def _verified(self, current: Level, predicted: float) -> Level | Answer:
        """What follows from the modes of the next degree: first of these alone, then of all that there are."""
        # A few steps of iteration are cheap, and enough to refuse; only what passes them is worth a whole search.
        finer = self.followed(current, current.patches, current.q + 2, self._accuracy(current))
        found, worst = self._compared(current, finer)
        if worst <= self.space.tol:
            found = self._searched_again(current, finer, found)
            worst = self._worst(current, found)
            if worst <= self.space.tol and not len(found.missed):
                self._record(current, predicted, worst)
                return self._answer(current, found, "tolerance met: confirmed by the next order", True)
        if (why := self._limit(finer)) is not None:
            return self._answer(current, found, f"stopped early: {why}")
        return self._after_failure(current, finer, found, worst)

    def _searched_again(self, current: Level, finer: Level, found: Comparison) -> Comparison:
        """What searches on the finer patches, from random vectors of their own, add to a comparison."""
        self.seed += 1
        pencil = finer.modes.pencil
        # Where there are no quotients, eigenvalues are what iteration and rounding leave of them. Of a matrix far from
        # normal, pairs that 1e-6 is left of may be off by all of their size.
        quotients = current.wanted.has_quotients
        accuracy = SEARCHED if quotients else min(SEARCHED, self._accuracy(current))
        try:
            whole = all_modes(pencil, self.wanted, self.seed, accuracy, finer.modes.right)
            beyond = missed(current.wanted, whole, self.wanted.near, self.space.tol)
            if quotients or len(beyond):
                return replace(found, missed=beyond)
            self.seed += 1
            other = all_modes(pencil, self.wanted, self.seed, accuracy)
        except TooFewError:  # nothing is confirmed, and what was found is kept
            return replace(found, eigenvalues=np.full_like(found.eigenvalues, np.inf))
        noise = distances(finer.modes, other, current.wanted)
        return replace(found, missed=beyond, eigenvalues=found.eigenvalues + noise)

    def _compared(self, current: Level, finer: Level) -> tuple[Comparison, float]:
        """What a finer level says, and the largest relative error of an eigenvalue or a mode."""
        found = compare(current.wanted, finer.modes, self.space.tol)
        return found, self._worst(current, found)

    def _worst(self, current: Level, found: Comparison) -> float:
        """The largest relative error of an eigenvalue or a mode."""
        return float(max(self._relative(current, found).max(), found.modes.max()))

    def _relative(self, current: Level, found: Comparison) -> np.ndarray:
        """Errors of eigenvalues, relative to their size, or to their distance from the shift where they are zero."""
        values = current.wanted.values
        return found.eigenvalues / np.maximum(np.abs(values), np.abs(values - self.shift))

    def _after_failure(self, current: Level, finer: Level, found: Comparison, worst: float) -> Level | Answer:
        """Go on with the finer solution where it is better, else on patches halved where the residual is."""
        tuning = self.space.tuning
        exhausted = (finer.q > self.space.highest_order + tuning.overshoot).any()
        before = current.stacked.residual
        enough = tuning.degrees_helped[self.space.problem.domain.dimension - 1] * before
        if len(found.missed):
            return self.searched_beside(finer)
        if finer.stacked.residual < enough and not exhausted:
            return finer
        self.residual_goal = self._aimed(before, worst)
        halved = self._by_residual(current)
        if halved.stacked.residual < tuning.helped * before:
            return halved
        return self._answer(
            current,
            found,
            "stalled: neither higher degrees nor smaller patches lower the residuals of the modes",
        )

    def _aimed(self, residual: float, worst: float) -> float:
        """Residual to halve patches down to, after an estimate that failed."""
        if not np.isfinite(worst):
            return self.space.tuning.sharper * residual
        return residual * (self.space.tol / worst) ** CARRIED

    def _limit(self, level: Level) -> str | None:
        """The limit that has passed, in a sentence: that of unknowns is for those of one mode."""
        one = replace(level.stacked, assembly=level.modes.pencil.assembly)
        return self.space.limit(one)

    def _record(self, current: Level, predicted: float, estimate: float | None) -> None:
        self.number += 1
        self.space.monitor.record(
            level=self.number,
            patches=len(current.patches),
            unknowns=current.modes.pencil.space.layout.total,
            predicted=predicted,
            estimate=estimate,
            residual=current.stacked.residual,
        )

    # ---------------------------------------------------------------- the end

    def _answer(self, current: Level, found: Comparison | None, status: str, met: bool = False) -> Answer:
        end = Estimates.unknown(current.wanted)
        if found is not None:
            modes = replace(current.wanted, values=found.values).untangled(WITHIN * found.eigenvalues)
            end = Estimates(modes, found.eigenvalues, found.modes, found.groups)
            # A pair that turned out to be a double eigenvalue can be cut.
            count = self.wanted.count
            end = end.first(count + int(len(modes.values) > count and modes.values[count - 1].imag > 0))
        if self.pairs:
            width = np.fmax(WITHIN * end.eigenvalues, ALIKE * np.abs(end.modes.values - self.shift))
            end = counted_once(end, width, self.pairs).first(self.wanted.count // 2)
        spectrum: dict[str, Any] = {
            "values": [[v.real, v.imag] for v in end.modes.values.tolist()],
            "errors": None if found is None else end.eigenvalues.tolist(),
            "groups": [list(group) for group in end.groups],
        }
        known = np.where(np.isfinite(end.of_modes), end.of_modes, np.nan)
        space = end.modes.pencil.space
        return Answer(
            stacked(space, end.modes.coefficients, 0.0, current.stacked.residual_of_patch).mixture,
            tuple(known.ravel().tolist()),
            met,
            status,
            Findings(spectrum=spectrum),
        )


def _level(modes: Modes, count: int) -> Level:
    """Modes of size one, those wanted, and what the rows leave of these."""
    pencil = modes.pencil
    v = values(pencil.space, modes.coefficients)[:, pencil.measured]
    # Positive where they are largest, so that a second run draws them alike.
    sign = torch.sign(v.flatten(0, 1).gather(0, v.flatten(0, 1).abs().argmax(0)[None])[0])
    modes = modes.scaled(sign / v.square().sum((0, 1)).sqrt())
    wanted = modes.first(count)
    left = wanted.residuals
    whole = float(sum(part.square().sum() for part in left)) ** 0.5
    of_patch = pencil.assembly.residual_of_patch([part.flatten(1) for part in left])
    return Level(modes, wanted, stacked(pencil.space, wanted.coefficients, whole, of_patch))
