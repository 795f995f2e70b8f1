"""Rows of continuity: jumps of normal derivatives over the faces between patches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.marching.space import BATCH, Space, reference_table
from pdesolve.patches.cover import FacePoints, face_points
from pdesolve.statement.periodic import PeriodicAxis

VALUE_WEIGHT = 10.0  # of [u]: jumps of values rule the error
# Of h^k [∂^k u/∂n^k], k = 1, 2, …, for unknowns up to third order: with less at k = 2 (0.1) u_xxx on uneven patches
# grew by 4 % in a slab.
FLUX_WEIGHTS = (1.0, 0.3, 0.1)
# For higher orders: rows of high derivatives are large, q^{2k} in units of u, and with more weight the stage systems of
# u_xxxx lose all digits where slabs are short.
HIGH_FLUX_WEIGHTS = (1.0, 0.1, 0.01, 0.001, 0.0001)


def weights_of(order: int) -> tuple[float, ...]:
    """Weights of the jumps of an unknown and of its derivatives below its order."""
    flux = FLUX_WEIGHTS if order <= len(FLUX_WEIGHTS) else HIGH_FLUX_WEIGHTS
    return (VALUE_WEIGHT, *flux)


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
    blocks = []
    jumping = []
    count = 0
    problem = space.evolution.problem
    for f in face_points(space.patches, space.degrees, BATCH):
        orders = space.evolution.orders[:, f.axis]
        if not orders.any():
            continue
        sides = [_traces(space, f, f.minus, f.y, orders)]
        sides.append(_traces(space, f, f.plus, f.y - f.shift[:, None], orders))
        used = _used(orders, sides[0].shape[2])
        blocks.append((torch.from_numpy(f.minus), torch.from_numpy(f.plus), torch.stack(sides), used))
        number = torch.arange(count, count + len(f.minus))
        count += len(f.minus)
        wrapped = torch.nonzero(f.shift[:, f.axis] != 0)[:, 0]
        for seam in problem.seams:
            if seam.axis == f.axis and len(wrapped) and any(any(s.jumps.values()) for s in problem.seams):
                jumping.append((number[wrapped], _some(f, wrapped), orders, seam))
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
    modes = None if f.modes is None else f.modes[chosen]
    index = chosen.numpy()
    return FacePoints(
        f.minus[index],
        f.plus[index],
        f.axis,
        f.y[chosen],
        f.shift[chosen],
        f.weight[chosen],
        f.half[chosen],
        modes,
    )


def _traces(space: Space, f: FacePoints, cells: np.ndarray, y: Tensor, orders: np.ndarray) -> Tensor:
    """Weighted traces h^k ∂^k/∂n^k, k below the order of each unknown, from one side: (b, u, r, k)."""
    index = torch.from_numpy(cells)
    half = space.half[index]
    local = (y - space.centre[index][:, None]) / half[:, None]
    powers = range(int(orders.max()))
    betas = tuple(tuple(k if i == f.axis else 0 for i in range(space.d)) for k in powers)
    table = reference_table(local, space.q, betas) * f.weight[..., None]  # (a, b, m, k)
    if f.modes is not None:
        table = f.modes.mT @ table
    ratio = f.half / half[:, f.axis]
    b, m, k = table.shape[1:]
    matrix = table.new_zeros(b, space.unknowns, len(powers), m, k)
    for u, order in enumerate(orders):
        for power, weight in enumerate(weights_of(int(order))[: int(order)]):
            matrix[:, u, power] = weight * ratio[:, None, None] ** power * table[power]
    return matrix.flatten(2, 3)


def _used(orders: np.ndarray, rows: int) -> Tensor:
    """Which rows (u, r) of `_traces` are in use."""
    powers = torch.arange(int(orders.max())).repeat_interleave(rows // int(orders.max()))
    return torch.from_numpy(orders)[:, None] > powers
