"""A `.pvd` that grows while a march is under way, so that ParaView can open an unfinished run."""

from __future__ import annotations

import copy
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any

from pdesolve.marching.expansion import KINDS
from pdesolve.output.cells import OutputMesh
from pdesolve.output.mesh import output_mesh, output_times
from pdesolve.output.vtk import step_name, write_collection, write_step
from pdesolve.solution.solution import Solution
from pdesolve.statement.problem import Problem
from pdesolve.statement.subdomains import subdomains_of

# Of the time of a run that writing may take before the next step waits: a twentieth is not felt.
LARGEST_SHARE = 0.05


@dataclass
class GrowingSeries:
    """The steps that `write_pvd` writes in the end, each as soon as the march has passed its time.

    They hold no exact values and errors: a reference may take long to compute.

    Attributes:
        problem: with a time interval.
        path: the collection.
        asked: the times of its steps; by default equally spaced ones.
        written: how many of its steps are there.
        reached: the time up to which the march had come.
        spent: seconds that writing took.
    """

    problem: Problem
    path: Path
    asked: Sequence[float] | None = None
    written: int = 0
    reached: float = float("-inf")
    spent: float = 0.0

    @cached_property
    def moments(self) -> list[float]:
        """Times of all steps, a number that does not depend on that of the slabs."""
        if self.asked is not None:
            return list(self.asked)
        return output_times(self.problem.domain).tolist()

    @cached_property
    def mesh(self) -> OutputMesh:
        """The same for all steps."""
        return output_mesh(self.problem.domain)

    def extend(self, ends: Sequence[float], slabs: Sequence[Mapping[str, Any]], elapsed: float) -> None:
        """Write the steps that have been passed, as long as that takes little of the time.

        Args:
            ends: (k + 1,) borders of the slabs.
            slabs: states of their k mixtures.
            elapsed: seconds of the run so far.
        """
        begin = perf_counter()
        if ends[-1] < self.reached:  # the march began again: its steps are better
            self.written = 0
        self.reached = ends[-1]
        first = self.written
        passed = bisect_right(self.moments, self.reached)
        while self.written < passed and self.spent + perf_counter() - begin <= LARGEST_SHARE * elapsed:
            moment = self.moments[self.written]
            slab = slabs[max(bisect_left(ends, moment) - 1, 0)]
            write_step(self._solution(slab), step_name(self.path, self.written), self.mesh, moment)
            self.written += 1
        if self.written > first:
            write_collection(self.path, self.moments[: self.written])
        self.spent += perf_counter() - begin

    def _solution(self, slab: Mapping[str, Any]) -> Solution:
        """One slab as a solution, of the problem without what it is compared with."""
        # The run goes on with its own problem.
        problem = copy.copy(self.problem)
        problem.exact = problem.reference = None
        mixture = KINDS[slab["kind"]].from_state(dict(slab), subdomains_of(problem))
        return Solution(problem, mixture, "gmnm", 0.0, "under way", False)
