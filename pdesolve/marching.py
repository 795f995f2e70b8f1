"""Evolution problems slab by slab, with an estimate of the error accumulated so far.

A slab is a space–time cylinder one cell thick, solved like any other domain by adaptive least squares; it takes its
initial values from the end of the slab before. Two marches run side by side: u, and v with all orders raised by two,
each handing over its own values. Their difference is the accumulated error of u, amplification and all. A slab that
is too long for its order is halved, and slabs grow again where they may. Where the difference passes the tolerance,
the march starts again with a tighter share for each slab.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.adaptivity import FINEST_TOLERANCE, SAFETY, AdaptiveResult, Solver
from pdesolve.approximators.marched_mixture import MarchedMixture
from pdesolve.approximators.partitioned_mixture import PartitionedMixture
from pdesolve.assembly import Assembly
from pdesolve.conditions import Initial
from pdesolve.discrete import Discrete
from pdesolve.errors import SolveError
from pdesolve.estimation import Decay, bulk_of, cheapest, difference_norms, predict, relative
from pdesolve.geometry import TimeInterval
from pdesolve.monitor import Monitor
from pdesolve.partition import Partition
from pdesolve.patches import Patches
from pdesolve.problem import Problem

GROWTH_AFTER = 3  # slabs without trouble before a longer one is tried
RESTARTS = 3
SHORTEST = 1e-6  # of the whole interval
FRESH_EVERY = 12  # slabs after which the patches are built anew, so that they also coarsen


def can_march(problem: Problem) -> bool:
    """Whether the problem is an evolution from initial values, with nothing prescribed at the final time."""
    if "t" not in problem.coordinates or not any(isinstance(c, Initial) for c in problem.conditions):
        return False
    ends = {problem.domain.initial.name, problem.domain.final.name}
    return not any(getattr(getattr(c, "on", None), "name", None) in ends for c in problem.conditions)


@dataclass(frozen=True)
class Trace:
    """Values of a mixture at one time, as a function of the space coordinates by name."""

    mixture: PartitionedMixture
    unknown: int
    order: int
    time: float
    names: tuple[str, ...]

    @property
    def __signature__(self) -> inspect.Signature:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature([inspect.Parameter(name, kind) for name in self.names])

    def __call__(self, **coordinates: Tensor) -> Tensor:
        """Values (n,) at space coordinates (n,) given by name."""
        columns = [coordinates[name] for name in self.names]
        points = torch.stack([*columns, torch.full_like(columns[0], self.time)], dim=1).detach()
        index = (*(0 for _ in self.names), self.order)
        return self.mixture.jet(points, (index,))[:, self.unknown, 0]


class TooLong(Exception):
    """The slab needs resolution in time: it is halved."""


@dataclass
class March:
    """State of a march; `run` returns the result."""

    problem: Problem
    tol: float
    monitor: Monitor
    device: str
    settings: dict[str, int]
    share: float = 1.0  # by which the tolerance of each slab is tightened
    restarts: int = 0
    orders: tuple[int, ...] = field(init=False)
    too_long: dict[int, float] = field(
        default_factory=dict
    )  # patches of a slab → its error when it was halved

    def __post_init__(self) -> None:
        solver = Solver(self.problem, self.tol, self.monitor, self.device, self.settings)
        self.orders = tuple(int(k) for k in solver.statement.orders[:, -1])
        self.time = self.problem.domain.time

    def run(self) -> AdaptiveResult:
        """March, and again more carefully where the accumulated error passed the tolerance."""
        while True:
            result = self._march()
            worst = max(result.estimates)
            stuck = worst == 0 or not np.isfinite(worst)  # nothing is known of what was not reached
            if result.converged or self.restarts >= RESTARTS or self.monitor.out_of_time() or stuck:
                return result
            self.restarts += 1
            self.share *= min(0.1, 0.1 * self.tol / worst)
            if SAFETY * self.tol * self.share < 1e-15:
                return result

    def _march(self) -> AdaptiveResult:
        begin, length = self.time.t0, self.time.length
        ends, slabs, squares = [begin], [], np.zeros((2, len(self.problem.unknowns)))
        u: Discrete | None = None
        v: Discrete | None = None
        dt, calm, hint = length / self.settings.get("slabs", 1), 0, None
        status, residual = "", 0.0
        while ends[-1] < self.time.t1 - 1e-12 * length:
            a = ends[-1]
            b = min(a + dt, self.time.t1)
            b = self.time.t1 if self.time.t1 - b < 1e-9 * length else b
            try:
                fresh = None if len(slabs) % FRESH_EVERY == 0 else hint
                u, hint = self._slab(a, b, u, fresh)
            except TooLong as stop:
                dt, calm, hint = dt / 2, 0, stop.args[0]
                if dt < SHORTEST * length:
                    status = f"stopped at t = {a:.6g}: slabs became too short; look at the solution there"
                    break
                continue
            self.too_long.clear()
            if self.monitor.out_of_time() and slabs:  # it may not be refined to the end
                status = (
                    f"stopped at t = {a:.6g}: the time limit of {self.monitor.time_limit or 0:g} s passed"
                )
                break
            v = self._verify(a, b, u, v)
            squares += np.stack(difference_norms(u, v)) ** 2
            estimates = relative(*np.sqrt(squares))
            ends.append(b)
            slabs.append(u.mixture)
            residual = max(residual, u.residual)
            self._record(u, b, float(estimates.max()), len(slabs))
            calm += 1
            if calm >= GROWTH_AFTER:
                dt, calm = 2 * dt, 0
            last_chance = self.restarts < RESTARTS and not self.monitor.out_of_time()
            if estimates.max() > self.tol and last_chance and b < self.time.t1:
                return self._result(ends, slabs, estimates, False, "", residual)
            if self.monitor.out_of_time():
                status = f"stopped at t = {b:.6g}: the time limit of {self.monitor.time_limit:g} s passed"
                break
        done = ends[-1] >= self.time.t1 - 1e-12 * length
        if not slabs:
            return self._nothing(status)
        estimates = relative(*np.sqrt(squares)) if done else np.full(len(self.orders), np.nan)
        met = done and bool(estimates.max() <= self.tol)
        how = f"{len(slabs)} space-time slabs" if len(slabs) > 1 else "one space-time block"
        if met:
            status = f"tolerance met: confirmed by the next order, in {how}"
        elif done:
            status = f"the estimate {estimates.max():.1e} stayed above the tolerance, in {how}; raise --tol"
        return self._result(ends, slabs, estimates, met, status, residual)

    def _result(
        self, ends: list[float], slabs: list, estimates: np.ndarray, met: bool, status: str, residual: float
    ) -> AdaptiveResult:
        mixture = MarchedMixture(torch.tensor(ends, dtype=torch.float64), tuple(slabs))
        return AdaptiveResult(mixture, tuple(estimates.tolist()), met, status, residual)

    def _nothing(self, status: str) -> AdaptiveResult:
        raise SolveError(status or "no slab could be solved within the time limit; raise --time-limit")

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

    def _slab_problem(self, a: float, b: float, before: Discrete | None) -> Problem:
        """The problem on [a, b], continuing `before` (the problem's own initial values at the start)."""
        p = self.problem
        domain = p.domain.space * TimeInterval(a, b)
        if before is None:
            conditions, guess = list(p.conditions), p.guess
        else:
            mixture, names = before.mixture, p.domain.space_coordinates
            traces = [
                Initial(Trace(mixture, i, order, a, names), unknown=name, order=order)
                for i, name in enumerate(p.unknowns)
                for order in range(self.orders[i])
            ]
            conditions = [c for c in p.conditions if not isinstance(c, Initial)] + traces
            guess = {name: Trace(mixture, i, 0, a, names) for i, name in enumerate(p.unknowns)}
        return Problem(
            domain,
            p.equation,
            conditions,
            guess=guess,
            constants=p.constants,
            parameters=p.parameters,
            name=p.name,
        )

    def _slab(
        self, a: float, b: float, before: Discrete | None, hint: tuple | None
    ) -> tuple[Discrete, tuple[Partition, np.ndarray]]:
        """Adapt one slab until its predicted truncation error meets its share of the tolerance.

        Raises:
            TooLong: it lacks resolution in time.
        """
        goal = max(SAFETY * self.tol * self.share * (b - a) / self.time.length, 0.3 * FINEST_TOLERANCE)
        solver = Solver(
            self._slab_problem(a, b, before), goal, self.monitor, self.device, self.settings, thin=True
        )
        patches, q = solver.start() if hint is None else self._from_hint(solver, hint, a, b)
        current = solver.solve(patches, q, None)
        for _ in range(40):
            decay = predict(current)
            if float(np.sqrt((decay.error**2).sum())) <= goal or self.monitor.out_of_time():
                break
            refined = self._refine(solver, current, decay, goal)
            if refined is None:
                break
            current = solver.solve(*refined, current)
        if not current.converged and (b - a) > 1e-3 * self.time.length:
            raise TooLong(None)
        return current, (current.assembly.patches.partition, current.assembly.q)

    def _from_hint(self, solver: Solver, hint: tuple, a: float, b: float) -> tuple[Patches, np.ndarray]:
        partition, q = hint
        breaks = (*partition.breaks[:-1], np.array([a, b]))
        moved = replace(partition, breaks=breaks)
        patches, kept = Patches.over(solver.frame, moved)
        return patches, q[kept] if len(kept) != len(q) else q

    def _refine(
        self, solver: Solver, current: Discrete, decay: Decay, goal: float
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
        if in_time and self._halving_helps(assembly, decay):
            raise TooLong((assembly.patches.partition, assembly.q))
        axes = split[:, None] & decay.directions
        axes[:, time_axis] = False
        q = np.where(marked, wanted, assembly.q)
        if axes.any():
            return solver.split(current, axes, q)
        if (q == assembly.q).all():
            raise TooLong((assembly.patches.partition, assembly.q))
        return assembly.patches, q

    def _halving_helps(self, assembly: Assembly, decay: Decay) -> bool:
        """Whether a shorter slab would be better: not where the last halving left as many patches the same error.

        In a short slab what is unresolved in space leaks into the highest degrees in time.
        """
        error, patches = float(np.sqrt((decay.error**2).sum())), len(assembly.patches)
        helps = error < 0.6 * self.too_long.get(patches, np.inf)
        if helps:
            self.too_long[patches] = error
        return helps

    def _verify(self, a: float, b: float, u: Discrete, before: Discrete | None) -> Discrete:
        """The same slab with all orders raised by two, continuing the finer march."""
        problem = self._slab_problem(a, b, before)
        solver = Solver(problem, FINEST_TOLERANCE, self.monitor, self.device, self.settings)
        return solver.solve(u.assembly.patches, u.assembly.q + 2, u)


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
