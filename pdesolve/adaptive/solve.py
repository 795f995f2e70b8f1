"""Solve, look at the decay of the coefficients, refine, and stop when a better solution confirms the tolerance.

On every level the problem is solved on the current patches. Where the local expansion decays fast, the order of a
patch is raised; where it does not, the patch is split. Once the predicted truncation error is below the tolerance, the
problem is solved again with all orders raised by two. The difference of the two solutions is the error estimate of the
first, and nothing is returned as converged without it. The exact solution is never looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from pdesolve.adaptive.estimation import (
    MOST_SHARED,
    Decay,
    at_rounding,
    beyond,
    bulk_of,
    change,
    cheapest,
    difference,
    left_over,
    overlooked,
    predict,
    shared,
)
from pdesolve.adaptive.uniqueness import undetermined
from pdesolve.errors import OutOfMemoryError, OutOfTimeError, SolveError
from pdesolve.least_squares.sparse.normal_equations import Factors
from pdesolve.patches.compiled import Statement
from pdesolve.patches.cover import Frame, Patches
from pdesolve.patches.discretise import discretise
from pdesolve.patches.grading import LOCAL, Singularities, Target, halve_toward
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.patches.newton import Discrete, carried, gauss_newton
from pdesolve.patches.partition import Partition
from pdesolve.runs.monitor import Monitor
from pdesolve.statement.problem import Problem
from pdesolve.statement.subdomains import subdomains_of

FIRST_ORDER = {1: 10, 2: 8, 3: 8}
HIGHEST_ORDER = {1: 22, 2: 20, 3: 16}
FIRST_CELLS = {1: 3, 2: 3, 3: 2}
SAFETY = 0.3  # predicted truncation error over tolerance that refinement aims at
ALIKE = 0.2  # of the largest predicted error: patches above it are refined together
HELPED = 0.9  # a refinement that leaves more of the residual was of no use
SURPRISED = 2.0  # times the residual at a higher order: it sees what fell between the points of the lower one
FINEST_TOLERANCE = 1e-13
LOOSEST_TOLERANCE = 3e-3  # what is solved more coarsely sees too little of narrow data to know its error
DOUBTFUL = 0.25  # σ above which two orders on the same patches are not trusted alone
# Of the terms of the equation: more of them left over, all over the domain, contradicts the problem.
UNMET = 0.1
UNSEEN_POINTS = {
    1: 2**15,  # three in a source as wide as 1e-4 of the interval
    2: 2**14,
    3: 2**14,
}  # at which the equation is checked before a solution is certified
MOST_UNKNOWNS = 250_000
THREADED_UNKNOWNS = 6_000


class NonlinearFailure(SolveError):
    """Gauss–Newton ends where the equation is not met."""

    def __init__(self, residual: float):
        super().__init__(
            f"Gauss–Newton ends at a residual of {residual:.1e} that no refinement lowers; start nearer with guess=, "
            "or reach the solution through an easier constant: --set continuation=NAME"
        )


@dataclass(frozen=True)
class AdaptiveResult:
    """What `solve_adaptively` returns; estimates are relative L2 errors per unknown."""

    mixture: Any  # a PartitionedMixture, or what a march makes of several
    estimates: tuple[float, ...]
    converged: bool
    status: str
    residual: float


def solve_adaptively(
    problem: Problem,
    tol: float,
    monitor: Monitor | None = None,
    device: str = "cpu",
    near: PartitionedMixture | None = None,
    **settings: int,
) -> AdaptiveResult:
    """Solve to an estimated relative L2 error of at most `tol`.

    Args:
        problem: the problem.
        tol: relative L2 tolerance for every unknown, at least 1e-13 in double precision.
        monitor: progress and time limit.
        device: where the linear algebra runs.
        near: a solution nearby, whose patches and orders are the first.
        **settings: `cells` (root cells on the longest side), `order` (first order), `max_order`, `max_unknowns`.

    Returns:
        The solution on the last level that could be estimated, its estimate, and why it stopped.
    """
    threads = torch.get_num_threads()
    try:
        solver = Solver(
            problem,
            min(max(tol, FINEST_TOLERANCE), LOOSEST_TOLERANCE),
            monitor or Monitor(),
            device,
            settings,
            near=near,
        )
        return solver.run()
    finally:
        torch.set_num_threads(threads)


@dataclass
class Solver:
    """Adaptive least squares for one problem to one tolerance; `run` is the whole loop, the rest its steps.

    Attributes:
        problem, tol, monitor, device, settings: as for `solve_adaptively`.
        near: a solution whose patches and orders are the first, or None.
        factors: those of other slabs, if they are to be used again.
        duration: of the whole problem, where this is a slab of it; a slab has a single cell in time.
    """

    problem: Problem
    tol: float
    monitor: Monitor
    device: str
    settings: dict[str, int]
    level: int = 0
    residual_goal: float = np.inf
    estimate: float | None = None
    before: Discrete | None = None
    duration: float = 0.0
    near: PartitionedMixture | None = None
    factors: Factors | None = None
    threads: int = field(default_factory=torch.get_num_threads)
    frame: Frame = field(init=False)
    statement: Statement = field(init=False)

    def __post_init__(self) -> None:
        d = self.problem.domain.dimension
        # A periodic axis is one of the grid.
        rotation = torch.eye(d, dtype=torch.float64) if self.problem.seams else None
        self.frame = Frame.of(self.problem.domain, subdomains_of(self.problem), self.duration, rotation)
        self.statement = Statement.of(self.problem, self.frame.rotation)
        self.by_error, self.by_residual = Singularities(self.frame.reach), Singularities(self.frame.reach)
        self.first_order = self.settings.get("order", FIRST_ORDER.get(d, 5))
        self.highest_order = max(self.first_order, self.settings.get("max_order", HIGHEST_ORDER.get(d, 8)))
        self.most_unknowns = self.settings.get("max_unknowns", MOST_UNKNOWNS)

    def run(self) -> AdaptiveResult:
        """The loop: solve, predict, then refine or verify."""
        with self.monitor.enforce(ready=lambda: False):
            current = self.solve(*self.start(), None)
        try:
            with self.monitor.enforce():
                while not isinstance(result := self._advance(current), AdaptiveResult):
                    current, self.before = result, current
        except (KeyboardInterrupt, OutOfMemoryError, OutOfTimeError, NonlinearFailure) as stop:
            why = "interrupted" if isinstance(stop, KeyboardInterrupt) else str(stop)
            return self._give_up(current, why)
        return result

    def _advance(self, current: Discrete) -> Discrete | AdaptiveResult:
        """One round of the loop: the next level, or the end."""
        self.estimate = None  # that of another level is no news of this one
        decay = predict(current)
        predicted = float(np.sqrt((decay.error**2).sum()))
        self._record(current, predicted)
        if (why := self._must_stop(current)) is not None:
            return self._give_up(current, why)
        refined = None
        if predicted > self.tol:
            refined = self._refine(current, decay)
        elif current.residual > self.residual_goal and not at_rounding(current):
            refined = self._refine_by_residual(current, decay)
        elif current.converged:
            refined = self._look_again(current)
        if refined is not None:
            return self.solve(*refined, current)
        finer = self.solve(current.assembly.patches, current.assembly.q + 2, current)
        estimates = self.difference(current, finer)
        if self._is_doubtful(current, finer, estimates):
            finer, estimates = self._look_sharper(current, finer)
        self.estimate = _finite(estimates)
        free = undetermined(current, finer)
        if free is not None and not np.isfinite(estimates).all():
            # Refinement would follow whichever of the solutions each level happens to find.
            return self._finish(current, estimates, False, free)
        if estimates.max() <= self.tol and current.converged:
            self._record(current, predicted)
            if free is not None:
                return self._finish(current, estimates, False, free)
            return self._finish(current, estimates, True, "tolerance met: confirmed by the next order")
        if (why := self._must_stop(current)) is not None:
            return self._finish(current, estimates, False, f"stopped early: {why}")
        following = self._after_failure(current, finer, estimates)
        if following is not None:
            return following
        return self._finish(current, estimates, False, free or self._why_stalled(current, estimates))

    def _is_doubtful(self, current: Discrete, finer: Discrete, estimates: np.ndarray) -> bool:
        """Whether the difference is within the tolerance, but the two solutions share much of their error."""
        sigma = shared(current, finer)
        if not np.isfinite(estimates).all():
            return False
        within = estimates.max() * (1 - sigma**0.5) <= self.tol
        return bool(
            within and DOUBTFUL < sigma <= MOST_SHARED and current.converged and not self.problem.data
        )

    def _look_sharper(self, current: Discrete, finer: Discrete) -> tuple[Discrete, np.ndarray]:
        """A solution with patches halved where the residual is, and orders raised; and the estimate from it."""
        self.residual_goal = 0.5 * current.residual
        patches, q = self._refine_by_residual(current, predict(current))
        sharper = self.solve(patches, q + 2, finer)
        return sharper, beyond(change(current, sharper), shared(current, sharper), sharp=True)

    def _why_stalled(self, current: Discrete, estimates: np.ndarray) -> str:
        """Why no refinement goes on, and where."""
        known = (
            f"at an estimate of {estimates.max():.1e}"
            if np.isfinite(estimates).all()
            else "without a verdict"
        )
        if at_rounding(current):
            return f"stalled {known}: the residual is at rounding; ask for a looser --tol"
        if (left := left_over(current)) > UNMET:
            return (
                f"equation and conditions cannot all be met: {left:.1e} of the terms of the equation is left over "
                f"whatever the order, most of it near {self._worst_place(current)}; pdesolve check says where they "
                "contradict each other"
            )
        return (
            f"stalled {known}: neither higher orders nor smaller patches lower the residual, most of which is near "
            f"{self._worst_place(current)}; look there for a jump of the data or a kink, and state it as an Interface"
        )

    def _worst_place(self, current: Discrete) -> str:
        """Coordinates of the patch with the largest residual, in words."""
        patches = current.assembly.patches
        y = torch.from_numpy(patches.centre[current.residual_of_patch.argmax()])
        return f"({', '.join(f'{v:.4g}' for v in (self.frame.rotation @ y).tolist())})"

    def _look_again(self, current: Discrete) -> tuple[Patches, np.ndarray] | None:
        """Split where the equation fails between the points of the solve; demand continuity that was overlooked."""
        samples = UNSEEN_POINTS.get(current.assembly.dimension, 2**15)
        missed, orders = overlooked(current, self.tol, samples, seed=self.level)
        if (orders > self.statement.orders).any():
            self.statement = replace(self.statement, orders=np.maximum(orders, self.statement.orders))
            return current.assembly.patches, current.assembly.q
        if not missed.any():
            return None
        axes = np.repeat(missed[:, None], current.assembly.dimension, axis=1)
        return self.split(current, axes, current.assembly.q)

    def difference(self, current: Discrete, finer: Discrete) -> np.ndarray:
        """Estimated relative errors of the unknowns, from the solution of the next order."""
        return difference(current, finer)

    def _after_failure(self, current: Discrete, finer: Discrete, estimates: np.ndarray) -> Discrete | None:
        """Go on from a verification that did not confirm the tolerance.

        Where raising the orders has lowered the residual, the finer solution is the next level. Else the error is
        carried in from patches that the truncation does not show (pollution from a singular corner): they have the
        large residuals, and must be split until the residual has fallen by the root of what is missing, since
        pollution goes with its square. Where splitting does not lower the residual either, only rounding is left.
        """
        if not (current.converged or finer.converged) and finer.residual > HELPED * current.residual:
            raise NonlinearFailure(finer.residual)
        if finer.residual > SURPRISED * current.residual and not at_rounding(finer):
            return finer
        exhausted = (finer.assembly.q > self.highest_order + 6).any()
        helped = finer.residual < 0.5 * current.residual
        if not current.converged or (helped and not exhausted):
            return finer
        missing = float(estimates.max() / self.tol) if np.isfinite(estimates).all() else 4.0
        self.residual_goal = current.residual / max(missing, 1.0) ** 0.5
        halved = self.solve(*self._refine_by_residual(current, predict(current)), current)
        left, before = left_over(halved), left_over(current)
        if left > UNMET and left > HELPED * before:
            if not self.statement.linear:
                raise NonlinearFailure(halved.residual)
            return None
        return halved if halved.residual < HELPED * current.residual else None

    def _refine_by_residual(self, current: Discrete, decay: Decay) -> tuple[Patches, np.ndarray]:
        """Split the patches that hold most of the residual."""
        residual = current.residual_of_patch
        bulk = bulk_of(residual)
        targets = self.by_residual.targets(
            current.assembly.patches.partition, bulk, residual, 0.7 * self.residual_goal
        )
        return self.split(current, bulk[:, None] & decay.directions, current.assembly.q, targets)

    def split(
        self, current: Discrete, axes: np.ndarray, q: np.ndarray, targets: Sequence[Target] = ()
    ) -> tuple[Patches, np.ndarray]:
        """Halve patches along the axes marked (e, d), toward targets many times; children inherit the orders q (e,)."""
        partition, parent = halve_toward(current.assembly.patches.partition, axes, targets)
        patches, kept = Patches.over(self.frame, partition)
        return patches, q[parent[kept]]

    def start(self) -> tuple[Patches, np.ndarray]:
        """The root patches and their orders."""
        problem, d = self.problem, self.problem.domain.dimension
        torch.set_num_threads(1)
        if self.near is not None:
            patches, kept = Patches.over(self.frame, self.near.partition)
            return patches, self.near.q[kept]
        breaks = self.frame.breaks(self.settings.get("cells", FIRST_CELLS.get(d, 1)), problem.periodic_axes)
        if self.duration:
            breaks[-1] = breaks[-1][[0, -1]]
        periodic, shift = [i in problem.periodic_axes for i in range(d)], np.zeros((d, d))
        for seam in problem.seams:
            shift[seam.axis] = seam.shift
        roots = Partition.grid(breaks, periodic, len(self.frame.subdomains), shift)
        patches, _ = Patches.over(self.frame, roots)
        return patches, np.full(len(patches), self.first_order)

    def solve(
        self, patches: Patches, q: np.ndarray, previous: Discrete | None, max_steps: int = 25
    ) -> Discrete:
        """Solve on given patches; from an earlier solution where the problem is nonlinear or cells are cut."""
        assembly = discretise(self.statement, patches, q, self.device)
        start = None
        # Cut cells hold functions that are zero to rounding, and what a solve from zero puts there does not go away.
        if not self.statement.linear or (previous is not None and patches.cut.any()):
            start = carried(assembly, previous, self.problem)
        # Small dense blocks lose more to waking threads than they gain, above all on a busy machine.
        torch.set_num_threads(self.threads if assembly.layout.total > THREADED_UNKNOWNS else 1)
        if self.factors is not None:
            self.factors.origin = patches.partition, q
        stop = max(1e-2 * self.tol, 1e-13)
        # Where a verdict may follow; a slab begins with values that determine it.
        examine = not self.duration and previous is not None and previous.assembly.patches is patches
        return gauss_newton(assembly, start, stop, self.monitor, max_steps, self.factors, examine)

    def _record(self, current: Discrete, predicted: float) -> None:
        self.level += 1
        self.monitor.record(
            level=self.level,
            patches=len(current.assembly.patches),
            unknowns=current.assembly.layout.total,
            predicted=predicted,
            estimate=self.estimate,
            residual=current.residual,
            steps=current.steps,
        )

    def _must_stop(self, current: Discrete) -> str | None:
        if self.monitor.out_of_time():
            limit = self.monitor.time_limit
            return (
                "interrupted"
                if limit is None
                else f"the time limit of {limit:g} s passed; raise --time-limit"
            )
        if current.assembly.layout.total > self.most_unknowns:
            return f"{current.assembly.layout.total} unknowns passed the limit; raise --set max_unknowns"
        return None

    def _give_up(self, current: Discrete, why: str) -> AdaptiveResult:
        """Return what there is, with the estimate of the level before, which has a larger error; none if σ forbids."""
        estimates = np.full(len(self.problem.unknowns), np.nan)
        if self.before is not None:
            found = beyond(change(self.before, current), shared(self.before, current))
            estimates = np.where(np.isfinite(found), found, np.nan)
        return self._finish(current, estimates, False, f"stopped early: {why}")

    def _finish(self, current: Discrete, estimates: np.ndarray, met: bool, status: str) -> AdaptiveResult:
        known = np.where(np.isfinite(estimates), estimates, np.nan)
        return AdaptiveResult(current.mixture, tuple(known.tolist()), met, status, current.residual)

    def _refine(self, current: Discrete, decay: Decay) -> tuple[Patches, np.ndarray] | None:
        """Mark the patches that hold the error back; raise their order or split them, whichever is cheaper.

        While something is not resolved yet, what lies around it may be its echo: then only the worst patches are
        marked. There, and where few patches hold most of the error, the aim is two digits less, not the tolerance.
        """
        assembly = current.assembly
        goal = SAFETY * self.tol
        bulk = bulk_of(decay.error, 0.9)
        unresolved = decay.slow[bulk].any()
        modest = max(goal, 0.01 * float(np.sqrt((decay.error**2).sum())))
        if unresolved:
            goal = modest
        order = np.argsort(decay.error)
        harmless = np.sqrt(np.cumsum(decay.error[order] ** 2)) <= 0.7 * (
            modest if bulk.sum() <= LOCAL * len(bulk) else goal
        )
        marked = np.ones(len(order), dtype=bool)
        marked[order[harmless]] = False
        if not marked.any():
            return None
        if unresolved:
            marked &= bulk | (decay.error >= ALIKE * decay.error.max())
        target = 0.7 * goal / np.sqrt(len(order))
        split, wanted = cheapest(decay, assembly.q, target, assembly.dimension, self.highest_order)
        split &= marked
        q = np.where(marked, wanted, assembly.q)
        if not split.any():
            return assembly.patches, q
        aim = 0.5 * SAFETY * self.tol
        targets = self.by_error.targets(assembly.patches.partition, split, decay.error, aim)
        return self.split(current, split[:, None] & decay.directions, q, targets)


def _finite(estimates: np.ndarray) -> float | None:
    """The largest, None where there is no verdict."""
    largest = float(estimates.max())
    return largest if np.isfinite(largest) else None
