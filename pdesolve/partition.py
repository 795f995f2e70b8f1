"""Partitions of a bounding box into cells: a tensor grid of roots, each a bintree, quadtree or octree.

Cells are exact in integers: cell e spans, along axis i, the interval number `index[e, i]` of the root grid refined
`level[e, i]` times. Point location and face neighbours are searches for integer keys; there are no pointers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

MAX_LEVEL = 26


@dataclass(frozen=True, eq=False)
class Partition:
    """Cells of a refined tensor grid.

    Attributes:
        breaks: per axis the increasing break points of the root grid.
        level: (e, d) how often each cell was halved along each axis.
        index: (e, d) its interval number among the refined intervals of that axis.
        periodic: per axis whether the two ends are neighbours.
    """

    breaks: tuple[np.ndarray, ...]
    level: np.ndarray
    index: np.ndarray
    periodic: tuple[bool, ...]

    @classmethod
    def grid(cls, breaks: Sequence[Sequence[float]], periodic: Sequence[bool] | None = None) -> Partition:
        """The unrefined tensor grid with these break points."""
        breaks = tuple(np.asarray(b, dtype=float) for b in breaks)
        ranges = [np.arange(len(b) - 1) for b in breaks]
        index = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, len(breaks))
        return cls(breaks, np.zeros_like(index), index, tuple(periodic or [False] * len(breaks)))

    def __len__(self) -> int:
        return len(self.level)

    @property
    def dimension(self) -> int:
        """Number of axes d."""
        return len(self.breaks)

    @cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corners of all cells, (e, d) each."""
        return self._edge(self.index), self._edge(self.index + 1)

    @cached_property
    def centre(self) -> np.ndarray:
        """Cell centres (e, d)."""
        lower, upper = self.bounds
        return (lower + upper) / 2

    @cached_property
    def half(self) -> np.ndarray:
        """Half widths H of the cells (e, d)."""
        lower, upper = self.bounds
        return (upper - lower) / 2

    def _edge(self, index: np.ndarray) -> np.ndarray:
        """Coordinate of refined interval borders, exact at root break points."""
        columns = []
        for i, b in enumerate(self.breaks):
            scale = 2.0 ** self.level[:, i]
            root = np.minimum(index[:, i] >> self.level[:, i], len(b) - 2)
            fraction = index[:, i] / scale - root
            columns.append(b[root] * (1 - fraction) + b[root + 1] * fraction)
        return np.stack(columns, axis=1)

    @cached_property
    def _tables(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Per distinct level: (level vector, sorted keys, cells in that order)."""
        tables = []
        for level in np.unique(self.level, axis=0):
            cells = np.flatnonzero((self.level == level).all(axis=1))
            keys = self._key(self.index[cells], level)
            order = np.argsort(keys)
            tables.append((level, keys[order], cells[order]))
        return tables

    def _key(self, index: np.ndarray, level: np.ndarray) -> np.ndarray:
        key = np.zeros(len(index), dtype=np.int64)
        for i, b in enumerate(self.breaks):
            key = key * ((len(b) - 1) << int(level[i])) + index[:, i]
        return key

    def locate(self, points: np.ndarray) -> np.ndarray:
        """The cell that contains each point (n, d); -1 where there is none."""
        n = len(points)
        root = np.empty((n, self.dimension), dtype=np.int64)
        fraction = np.empty((n, self.dimension))
        outside = np.zeros(n, dtype=bool)
        for i, b in enumerate(self.breaks):
            x = points[:, i]
            root[:, i] = np.clip(np.searchsorted(b, x, side="right") - 1, 0, len(b) - 2)
            fraction[:, i] = (x - b[root[:, i]]) / (b[root[:, i] + 1] - b[root[:, i]])
            slack = 1e-9 * (b[-1] - b[0])
            outside |= (x < b[0] - slack) | (x > b[-1] + slack)
        found = np.full(n, -1, dtype=np.int64)
        open_points = np.flatnonzero(~outside)
        for level, keys, cells in self._tables:
            scale = np.int64(1) << level
            inner = np.floor(fraction[open_points] * scale).astype(np.int64)
            index = root[open_points] * scale + np.clip(inner, 0, scale - 1)
            place = np.minimum(np.searchsorted(keys, key := self._key(index, level)), len(keys) - 1)
            hit = keys[place] == key
            found[open_points[hit]] = cells[place[hit]]
            open_points = open_points[~hit]
        return found

    def keep(self, cells: np.ndarray) -> Partition:
        """Only these cells (a mask or indices)."""
        return Partition(self.breaks, self.level[cells], self.index[cells], self.periodic)

    def split(self, axes: np.ndarray) -> tuple[Partition, np.ndarray]:
        """Halve cells along the axes marked in the (e, d) mask.

        Returns:
            The new partition and, per new cell, the cell it came from.
        """
        level, index, parent = self.level, self.index, np.arange(len(self))
        axes = axes & (self.level < MAX_LEVEL)
        for i in range(self.dimension):
            mark = axes[parent, i]
            step = np.zeros(self.dimension, dtype=np.int64)
            step[i] = 1
            low = index.copy()
            low[mark, i] *= 2
            new_level = level + mark[:, None] * step
            level = np.concatenate([new_level, new_level[mark]])
            index = np.concatenate([low, low[mark] + step])
            parent = np.concatenate([parent, parent[mark]])
        order = np.argsort(parent, kind="stable")
        return Partition(self.breaks, level[order], index[order], self.periodic), parent[order]

    @cached_property
    def faces(self) -> Faces:
        """All faces between two cells; a hanging face appears once for each finer cell."""
        lower, upper = self.bounds
        parts = []
        for axis in range(self.dimension):
            for side in (0, 1):
                parts.append(self._faces_across(axis, side, lower, upper))
        minus, plus, axes, low, up, shift = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Faces(minus, plus, axes, low, up, shift)

    def _faces_across(self, axis: int, side: int, lower: np.ndarray, upper: np.ndarray) -> tuple:
        """Faces of the cells' lower (0) or upper (1) side whose neighbour is as large or larger."""
        n, d = len(self), self.dimension
        b = self.breaks[axis]
        probe = self.centre.copy()
        edge = upper[:, axis] if side else lower[:, axis]
        nudge = 1e-3 * np.array([h for h in self.half[:, axis]]) * 2.0**-6
        probe[:, axis] = edge + (nudge if side else -nudge)
        period = np.zeros(n)
        if self.periodic[axis]:
            over = (probe[:, axis] > b[-1]).astype(float) - (probe[:, axis] < b[0])
            period = over * (b[-1] - b[0])
            probe[:, axis] -= period
        inside = (probe[:, axis] > b[0]) & (probe[:, axis] < b[-1])
        neighbour = np.where(inside, self.locate(probe), -1)
        own = np.flatnonzero(neighbour >= 0)
        other = neighbour[own]
        lateral = [i for i in range(d) if i != axis]
        deeper = (self.level[own][:, lateral] > self.level[other][:, lateral]).any(axis=1)
        coarser = (self.level[own][:, lateral] < self.level[other][:, lateral]).any(axis=1)
        take = deeper | (~coarser & (side == 1))
        own, other = own[take], other[take]
        low, up = lower[own].copy(), upper[own].copy()
        low[:, axis] = up[:, axis] = edge[own]
        shift = np.zeros((len(own), d))  # what to subtract from a point to reach it in `other`
        shift[:, axis] = period[own]
        minus, plus = (own, other) if side else (other, own)
        if not side:  # describe the face in the coordinates of the minus cell
            low, up = low - shift, up - shift
            shift = -shift
        return minus, plus, np.full(len(own), axis), low, up, shift


@dataclass(frozen=True)
class Faces:
    """Faces between cells.

    Attributes:
        minus, plus: (f,) the cells below and above along the axis.
        axis: (f,) direction of the face normal.
        lower, upper: (f, d) corners of the face (equal along the axis), in the coordinates of `minus`.
        shift: (f, d) subtract from a face point to see it in `plus` (a period, or zero).
    """

    minus: np.ndarray
    plus: np.ndarray
    axis: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    shift: np.ndarray

    def __len__(self) -> int:
        return len(self.minus)
