"""A problem on patches: the first ones, the discrete solution on given ones, and their refinement."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from pdesolve.adaptive.marking import Marked
from pdesolve.adaptive.tuning import FINEST_TOLERANCE, TUNING, Tuning
from pdesolve.patches.assembly import Assembly
from pdesolve.patches.compiled import Statement
from pdesolve.patches.corners.enrichment import Singular
from pdesolve.patches.cover import Frame, Patches, once
from pdesolve.patches.discretise import discretise
from pdesolve.patches.grading import halve_toward
from pdesolve.patches.hidden import halve_where_data_hide
from pdesolve.patches.layers import halve_toward_layers
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.patches.newton import Discrete, carried, gauss_newton
from pdesolve.patches.partition import Partition
from pdesolve.patches.planes import planes_of_data
from pdesolve.patches.resolution import resolving_grid
from pdesolve.runs.monitor import Monitor
from pdesolve.runs.wording import named
from pdesolve.statement.problem import Problem
from pdesolve.statement.subdomains import subdomains_of

MOST_CELLS = 8  # on the longest side of a slender solid: those of a thin plate are as many on two sides


@dataclass
class Discretisation:
    """Least squares on patches for one problem to one tolerance.

    Attributes:
        problem, tol, monitor, device, settings: as for `solve_adaptively`.
        near: a solution whose patches and degrees are the first, or None.
        threads: of large solves.
        tuning: numbers that decide.
        corners: singular functions beside those of the patches.
        frame: grid coordinates.
        statement: the compiled problem.
    """

    problem: Problem
    tol: float
    monitor: Monitor
    device: str
    settings: dict[str, int]
    near: PartitionedMixture | None = None
    threads: int = field(default_factory=torch.get_num_threads)
    tuning: Tuning = TUNING
    corners: tuple[Singular, ...] = ()
    frame: Frame = field(init=False)
    statement: Statement = field(init=False)

    def __post_init__(self) -> None:
        d = self.problem.domain.dimension
        # A periodic axis is one of the grid.
        rotation = None
        if self.problem.seams:
            rotation = torch.eye(d, dtype=torch.float64)
        with self.monitor.enforce(ready=lambda: False):
            self.frame = Frame.of(self.problem.domain, subdomains_of(self.problem), rotation)
            self.statement = Statement.of(self.problem, self.frame.rotation)
        self.first_order = self.settings.get("degree", self.tuning.first_degree[d - 1])
        highest = self.settings.get("max_degree", self.tuning.highest_degree[d - 1])
        self.highest_order = max(self.first_order, highest)
        self.most_unknowns = self.settings.get("max_unknowns", self.tuning.most_unknowns)

    def start(self) -> tuple[Patches, np.ndarray]:
        """The first patches and their degrees: of a solution nearby, or a grid that is halved where data are narrow."""
        torch.set_num_threads(1)
        if self.near is not None:
            patches, kept = Patches.over(self.frame, self.near.partition)
            return patches, self.near.q[kept]
        patches, q = self.roots()
        patches, q = halve_toward_layers(patches, q, self.statement)
        return halve_where_data_hide(patches, q, self.statement, self.tol)

    def roots(self) -> tuple[Patches, np.ndarray]:
        """The patches of a uniform grid, which resolves the data where it can, and the first degree of each."""
        cells, degree = self._first()
        patches = self._spread(cells, None)
        return patches, np.full(len(patches), degree)

    def _first(self) -> tuple[int, int]:
        """Cells on the longest side, and degree, of the first grid."""
        d = self.problem.domain.dimension
        cells = self.settings.get("cells", self.tuning.first_cells[d - 1])
        asked = {"cells", "degree"} & set(self.settings)
        if d == 3 and self.corners and not asked:
            # Forces and torques balance on every patch, and what is left over within long ones bends a beam: of one of
            # five cubes two patches of degree 14 miss four per cent of the deflection, five of degree 8 three in 1,000.
            slender = math.ceil(float(self.frame.extent.max() / self.frame.extent.min()) * (1 - 1e-9))
            return max(cells, min(slender, MOST_CELLS)), self.first_order
        # In space dense blocks of high degrees are most of the work, and Newton's method is cheap from grid to grid.
        if d == 3 or asked or self.problem.data or not self.statement.linear:
            return cells, self.first_order
        return resolving_grid(
            self._spread,
            self.statement.terms[0],
            cells,
            (self.first_order, self.highest_order),
            self.tuning.safety * self.tol,
            self.most_unknowns,
        )

    def _spread(self, cells: int, most: int | None) -> Patches:
        """Patches of a uniform grid, or so many of them that are spread over it."""
        grid = self._grid(cells)
        if most is None or most >= len(grid):
            # The first grid is looked at before it is solved on, and what was found out about its cells is kept.
            return once(self.frame.memo, ("grid", cells), lambda: Patches.over(self.frame, grid)[0])
        # At random, as every third of them may be alike.
        chosen = np.random.default_rng(0).permutation(len(grid))[:most]
        return Patches.over(self.frame, grid.keep(np.sort(chosen)))[0]

    @cached_property
    def _planes(self) -> list[list[float]]:
        """Values along every axis at which data jump or bend."""
        if self.problem.data:
            return []
        return planes_of_data(self.frame, self.statement, self.tol)

    def _grid(self, cells: int) -> Partition:
        problem = self.problem
        d = problem.domain.dimension
        breaks = self.frame.breaks(cells, problem.periodic_axes, self._planes)
        periodic = [i in problem.periodic_axes for i in range(d)]
        shift = np.zeros((d, d))
        for seam in problem.seams:
            shift[seam.axis] = seam.shift
        return Partition.grid(breaks, periodic, len(self.frame.subdomains), shift)

    def solve(
        self, patches: Patches, q: np.ndarray, previous: Discrete | None, max_steps: int = 25
    ) -> Discrete:
        """Solve on given patches; from an earlier solution where the problem is nonlinear or cells are cut."""
        assembly = discretise(self.statement, patches, q, self.device, corners=self.corners)
        start = None
        # Cut cells hold functions that are zero to rounding, and what a solve from zero puts there does not go away.
        if not self.statement.linear or (previous is not None and patches.cut.any()):
            start = carried(assembly, previous, self.problem)
        self._use_threads(assembly)
        # Where a verdict may follow.
        examine = previous is not None and previous.assembly.patches is patches
        return gauss_newton(assembly, start, self.stop, self.monitor, max_steps, examine=examine)

    @property
    def stop(self) -> float:
        """Relative step at which Gauss–Newton ends."""
        return max(self.tuning.newton_stop * self.tol, FINEST_TOLERANCE)

    def _use_threads(self, assembly: Assembly) -> None:
        large = assembly.layout.total > self.tuning.threaded_unknowns
        torch.set_num_threads(self.threads if large else 1)

    def refined(self, current: Discrete, marked: Marked) -> tuple[Patches, np.ndarray]:
        """Patches halved along their marked axes, toward targets many times; children inherit the marked degrees."""
        patches = current.assembly.patches
        if not marked.axes.any():
            return patches, marked.q
        partition, parent = halve_toward(patches.partition, marked.axes, marked.targets)
        patches, kept = Patches.over(self.frame, partition)
        return patches, marked.q[parent[kept]]

    def demand_continuity(self, orders: np.ndarray) -> None:
        """Ask for continuity of derivatives below these orders (u, d), too."""
        self.statement = replace(self.statement, orders=np.maximum(orders, self.statement.orders))

    def limit(self, current: Discrete) -> str | None:
        """The limit that has passed, in a sentence, else None."""
        over = self.monitor.why_over()
        if over is not None:
            return over
        unknowns = current.assembly.layout.total
        if unknowns > self.most_unknowns:
            return f"{unknowns} unknowns passed the limit; raise {named('max_unknowns')}"
        return None
