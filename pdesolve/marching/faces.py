"""Rows of continuity: jumps of normal derivatives over the faces between patches, and what interfaces ask for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.marching.continuity import VALUE_WEIGHT, used_rows, weights_of
from pdesolve.marching.interfaces import Block, interface_blocks
from pdesolve.marching.space import BATCH, Space, reference_table
from pdesolve.patches.cover import FacePoints, face_points
from pdesolve.runs.deadline import check_deadline
from pdesolve.statement.periodic import PeriodicAxis


@dataclass(eq=False)
class Faces:
    """f faces with r rows for each unknown, filled up with zeros: what holds is  T₋ u₋ - T₊ u₊ = jump.

    Attributes:
        minus, plus: (f,) patches.
        traces: T₋ and T₊, (2, f, u, r, k).
        used: (f, u, r) which rows are in use.
        seams: what makes jumps of values over seams, where there are any: (faces, function of times).
    """

    minus: Tensor
    plus: Tensor
    traces: Tensor
    used: Tensor
    space: Space
    jumping: list[tuple[Tensor, FacePoints, np.ndarray, PeriodicAxis]]

    def __len__(self) -> int:
        return len(self.minus)

    def residual(self, u: Tensor, times: Tensor) -> Tensor:
        """T₋ u₋ - T₊ u₊ - jump of functions (S, e, u, k) at their times (S,): (S, f, u, r)."""
        jump = torch.einsum("furk,sfuk->sfur", self.traces[0], u[:, self.minus])
        jump -= torch.einsum("furk,sfuk->sfur", self.traces[1], u[:, self.plus])
        for number, face, orders, seam in self.jumping:
            for i, t in enumerate(times.tolist()):
                value = self._jump(face, orders, seam, t)
                jump[i, number, :, : value.shape[2]] -= value
        return jump

    def _jump(self, f: FacePoints, orders: np.ndarray, seam: PeriodicAxis, time: float) -> Tensor:
        """What the rows of values of faces on a seam yield at a time (b, u, r)."""
        problem, (b, m, d) = self.space.evolution.problem, f.y.shape
        x = f.y.reshape(-1, d) @ self.space.rotation.T
        points = torch.cat([x, torch.full_like(x[:, :1], time)], dim=1)
        jumps = problem.jumps(seam, points).view(b, m, -1) * f.weight[..., None] * VALUE_WEIGHT
        if f.modes is not None:
            jumps = f.modes.mT @ jumps
        return torch.where(torch.from_numpy(orders > 0)[:, None], jumps.mT, 0.0)


def faces_of(space: Space) -> Faces:
    """All faces on which some unknown or a derivative of it is continuous."""
    blocks: list[Block] = []
    jumping = []
    count = 0
    problem = space.evolution.problem
    for f in face_points(space.patches, space.degrees, BATCH):
        check_deadline()
        orders = space.evolution.orders[:, f.axis]
        if not orders.any():
            continue
        sides = [_traces(space, f, f.minus, f.y, orders)]
        sides.append(_traces(space, f, f.plus, f.y - f.shift[:, None], orders))
        used = used_rows(orders, sides[0].shape[2])
        blocks.append((torch.from_numpy(f.minus), torch.from_numpy(f.plus), torch.stack(sides), used))
        number = torch.arange(count, count + len(f.minus))
        count += len(f.minus)
        wrapped = torch.nonzero(f.shift[:, f.axis] != 0)[:, 0]
        for seam in problem.seams:
            if seam.axis == f.axis and len(wrapped) and any(any(s.jumps.values()) for s in problem.seams):
                jumping.append((number[wrapped], _some(f, wrapped), orders, seam))
    return _joined(space, blocks + interface_blocks(space), jumping)


def _joined(
    space: Space, blocks: list[Block], jumping: list[tuple[Tensor, FacePoints, np.ndarray, PeriodicAxis]]
) -> Faces:
    """Blocks of faces as one, filled up to the most rows of any."""
    count = sum(len(block[0]) for block in blocks)
    most = max((block[2].shape[3] for block in blocks), default=0)
    traces = torch.zeros(2, count, space.unknowns, most, space.functions, dtype=torch.float64)
    used = torch.zeros(count, space.unknowns, most, dtype=torch.bool)
    none = torch.zeros(0, dtype=torch.long)
    minus = torch.cat([none, *(block[0] for block in blocks)])
    plus = torch.cat([none, *(block[1] for block in blocks)])
    start = 0
    for _, _, t, rows in blocks:
        end = start + t.shape[1]
        traces[:, start:end, :, : t.shape[3]] = t
        used[start:end, :, : t.shape[3]] = rows
        start = end
    return Faces(minus, plus, traces, used, space, jumping)


def _some(f: FacePoints, chosen: Tensor) -> FacePoints:
    modes = f.modes
    if modes is not None:
        modes = modes[chosen]
    index = chosen.numpy()
    return FacePoints(
        f.minus[index],
        f.plus[index],
        f.axis,
        f.y[chosen],
        f.shift[chosen],
        f.weight[chosen],
        f.half[chosen],
        f.area[chosen],
        modes,
    )


def _traces(space: Space, f: FacePoints, cells: np.ndarray, y: Tensor, orders: np.ndarray) -> Tensor:
    """Weighted traces h^k ∂^k/∂n^k, k below the order of each unknown, from one side: (b, u, r, k)."""
    index = torch.from_numpy(cells)
    half = space.half[index]
    local = (y - space.centre[index][:, None]) / half[:, None]
    powers = range(int(orders.max()))
    betas = tuple(tuple(k * int(i == f.axis) for i in range(space.d)) for k in powers)
    table = reference_table(local, space.q, betas) * f.weight[..., None]  # (a, b, m, k)
    # Legendre modes along the face: fewer rows than points, and the same least squares.
    if f.modes is not None:
        table = f.modes.mT @ table
    ratio = f.half / half[:, f.axis]
    b, m, k = table.shape[1:]
    matrix = table.new_zeros(b, space.unknowns, len(powers), m, k)
    for u, order in enumerate(orders):
        for power, weight in enumerate(weights_of(int(order))[: int(order)]):
            matrix[:, u, power] = weight * ratio[:, None, None] ** power * table[power]
    return matrix.flatten(2, 3)
