"""Rows of continuity: unknowns and their normal derivatives below the order of the equation agree across faces.

∂^k/∂n^k is weighted with H^k times 10, 1, 0.3, 0.1, …, for k = 0 … order of that unknown along the face normal minus 1,
with H the smaller half width on the two sides, and a left factor, see `conservation`.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import count

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.least_squares.sparse.row_blocks import RowBlocks
from pdesolve.patches.basis import basis_size, degrees
from pdesolve.patches.points.faces import FacePoints, face_points
from pdesolve.patches.rows.conservation import LeftFactor
from pdesolve.patches.rows.equal import all_equal
from pdesolve.patches.rows.left_factors import LeftFactors
from pdesolve.patches.rows.source import FixedRows, Rows
from pdesolve.patches.rows.weights import FLUX_WEIGHTS
from pdesolve.patches.space import Space
from pdesolve.runs.deadline import check_deadline
from pdesolve.statement.calculus import MultiIndex
from pdesolve.statement.periodic import turned
from pdesolve.statement.problem import Problem

FACES_AT_ONCE = 8  # times as many faces as patches in a batch: a face has a power of the points less


class ContinuityRows(FixedRows):
    """Continuity across all faces of a space.

    Args:
        space: whose orders say which derivatives are continuous.
        problem: whose seams say what jumps there.
        states: numbers of the unknowns of the space among those of the problem.
    """

    def __init__(self, space: Space, problem: Problem, states: tuple[int, ...]):
        self.space = space
        self.problem = problem
        self.states = states
        self.left = LeftFactors(space)

    def make(self) -> list[Rows]:
        """A block of rows for every batch of faces across which anything is continuous."""
        faces = face_points(self.space.patches, self.space.q, self.space.batch * FACES_AT_ONCE)
        return [row for f in faces if (row := self._continuity(f)) is not None]

    def _continuity(self, f: FacePoints) -> RowBlocks | None:
        orders = self.space.orders[:, f.axis]
        # Along an axis without derivatives the equation relates nothing across faces.
        if orders.max() == 0:
            return None
        sides = []
        left = self.left.of_values(f), self.left.of_fluxes(f)
        y, weight, half = (a.to(self.space.device) for a in (f.y, f.weight, f.half))
        for cells, points, sign in (
            (f.minus, y, 1.0),
            (f.plus, y - f.shift.to(self.space.device)[:, None], -1.0),
        ):
            sides.append(self._traces(cells, points, f, orders, half, sign * weight, left))
        sides[1] = self._turned(f, orders, sides[1])
        groups = (torch.from_numpy(f.minus), torch.from_numpy(f.plus))
        jumps = self._jumps_over_seam(f, orders)
        beside = self._singular(f, orders, left)
        return RowBlocks.make(self.space.layout, groups, tuple(sides), jumps, beside, _degrees(f, orders))

    def _singular(
        self, f: FacePoints, orders: np.ndarray, left: tuple[LeftFactor, LeftFactor]
    ) -> Tensor | None:
        """What singular functions add to the rows, (b, rows, n): not zero where one counts on one side only."""
        enrichment = self.space.enrichment
        if enrichment is None:
            return None
        betas = _powers(self.space.dimension, f.axis, int(orders.max()))
        ends = enrichment.supports[f.minus].astype(float) - enrichment.supports[f.plus].astype(float)
        slots = [(u, beta) for u, order in enumerate(orders) for beta in betas[: int(order)]]
        if not ends.any():
            rows = f.y.shape[1] if f.modes is None else f.modes.shape[2]
            return f.y.new_zeros(len(f.y), len(slots) * rows, enrichment.count)
        table = torch.cat([corner.table(f.y, slots) for corner in enrichment.corners], dim=-1)
        table = table * torch.from_numpy(ends)[:, None] * f.weight[..., None]
        if f.modes is not None:
            table = f.modes.to(table).mT @ table
        traces = []
        for (_, beta), part in zip(slots, table, strict=True):
            power = sum(beta)
            traces.append(left[power > 0](part * (FLUX_WEIGHTS[power] * f.half**power)[:, None, None]))
        return torch.stack(traces, dim=1).flatten(1, 2)

    def _jumps_over_seam(self, f: FacePoints, orders: np.ndarray) -> Tensor | None:
        """What the rows of `_continuity` yield, (b, rows): jumps of values over a seam; None where there are none."""
        problem = self.problem
        seam = next((s for s in problem.seams if s.axis == f.axis), None)
        wrapped = f.shift[:, f.axis] != 0
        jumping = any(any(s.jumps.values()) for s in problem.seams)
        if seam is None or not jumping or not bool(wrapped.any()):
            return None
        b, m, d = f.y.shape
        jumps = problem.jumps(seam, f.y.reshape(-1, d) @ self.space.patches.frame.rotation.T)
        jumps = jumps[:, list(self.states)].view(b, m, -1) * wrapped[:, None, None]
        jumps = FLUX_WEIGHTS[0] * f.weight[..., None] * jumps
        if f.modes is not None:
            jumps = f.modes.mT @ jumps
        jumps = self.left.of_values(f)(jumps.to(self.space.device)).to(jumps)
        values = jumps.new_zeros(b, int(orders.sum()), jumps.shape[1])
        first = np.cumsum(orders) - orders  # row of each value; its derivatives follow
        for u in np.flatnonzero(orders):
            values[:, first[u]] = jumps[..., u]
        return values.view(b, -1).to(self.space.device)

    def _turned(self, f: FacePoints, orders: np.ndarray, traces: Tensor) -> Tensor:
        """Traces from below a seam (b, rows, u k), those of complex unknowns multiplied by its phase."""
        problem = self.problem
        seam = next((s for s in problem.seams if s.axis == f.axis), None)
        wrapped = torch.nonzero(f.shift[:, f.axis] != 0)[:, 0]
        if seam is None or not len(wrapped):
            return traces
        middle = f.y[wrapped].mean(1) @ self.space.patches.frame.rotation.T
        whole = turned(problem.seams, seam, middle, len(problem.unknowns))
        if whole is None:
            return traces
        among = list(self.states)
        rotation = whole[:, among][:, :, among].to(traces)
        blocks = traces.clone().unflatten(1, (int(orders.sum()), -1)).unflatten(3, (self.space.unknowns, -1))
        rows = [np.flatnonzero(np.repeat(np.arange(len(orders)), orders) == u) for u in range(len(orders))]
        own = blocks[wrapped]
        part = torch.zeros_like(own)
        for u, mine in enumerate(rows):
            for v, its in enumerate(rows):
                if not bool(rotation[:, u, v].any()):
                    continue
                if len(mine) != len(its):
                    message = (
                        "Periodic with a phase: the equation has derivatives of different orders of the real and the "
                        "imaginary part; expected the same"
                    )
                    raise ProblemError(message)
                # What row `mine` says of u it says of every v by the trace of v.
                part[:, mine, :, v] = rotation[:, u, v, None, None, None] * own[:, its, :, v]
        blocks[wrapped] = part
        return blocks.flatten(3, 4).flatten(1, 2)

    def _traces(
        self,
        cells: np.ndarray,
        y: Tensor,
        face: FacePoints,
        orders: np.ndarray,
        face_half: Tensor,
        weight: Tensor,
        left: tuple[LeftFactor, LeftFactor],
    ) -> Tensor:
        """Weighted traces of all normal derivatives of all unknowns from one side: (b, rows, u k)."""
        check_deadline()
        t, half = self.space.local(cells, y)
        # Most faces of a grid are alike: one table then serves the whole batch.
        if all(map(all_equal, (t, half, face_half, weight))):
            t, half, face_half, weight = (a[:1] for a in (t, half, face_half, weight))
        betas = _powers(self.space.dimension, face.axis, int(orders.max()))
        table = self.space.basis.table(t, half, int(self.space.q[cells[0]]), betas)  # (a, b, m, k)
        table = table * weight[..., None]
        if face.modes is not None:
            table = face.modes[: len(t)].to(table).mT @ table
        traces = [
            left[power > 0](part * (FLUX_WEIGHTS[power] * face_half**power)[:, None, None])
            for power, part in enumerate(table)
        ]
        b, m, k = max(map(len, traces)), *table.shape[2:]
        matrix = table.new_zeros(b, int(orders.sum()), m, self.space.unknowns, k)
        row = 0
        for u, order in enumerate(orders):
            for power in range(int(order)):
                matrix[:, row, :, u] = traces[power]
                row += 1
        return matrix.view(b, row * m, -1).expand(len(cells), -1, -1)


def _degrees(f: FacePoints, orders: np.ndarray) -> Tensor | None:
    """Degrees (rows,) along the face, where rows are moments."""
    if f.modes is None:
        return None
    m, across = f.modes.shape[2], f.y.shape[2] - 1
    # The lowest degree that has so many moments; they are in the order of their degrees.
    q = next(q for q in count(1) if basis_size(across, q) >= m)
    return torch.tensor(degrees(across, q)).sum(1)[:m].repeat(int(orders.sum()))


@lru_cache
def _powers(dimension: int, axis: int, count: int) -> tuple[MultiIndex, ...]:
    """Derivatives 0 … count - 1 along one axis."""
    return tuple(tuple(k if i == axis else 0 for i in range(dimension)) for k in range(count))
