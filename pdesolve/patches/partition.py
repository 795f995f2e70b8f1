"""Partitions of a bounding box into cells: a tensor grid of roots, each a bintree, quadtree or octree.

Cells are exact in integers: cell e covers, along axis i, `span[e, i]` intervals from number `index[e, i]` on, of the
root grid refined `level[e, i]` times. Halves, their halves and so on cover one interval; cells that were cut unevenly,
towards a layer, or merged with a neighbour that is no sibling cover several. Point location and face neighbours are
searches for integer keys; there are no pointers.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

MAX_LEVEL = 26
ARRAYS = ("level", "index", "part", "shift", "span")  # what a partition is made of, beside its breaks
SLACK = 1e-9  # of the whole box: points that are farther outside are in no cell
SLIVER = 1e-9  # of the whole box: cells that share less of a seam do not meet there


@dataclass(frozen=True, eq=False)
class Partition:
    """Cells of a refined tensor grid.

    Attributes:
        breaks: per axis the increasing break points of the root grid.
        level: (e, d) how often each cell was halved along each axis.
        index: (e, d) its first interval among the refined intervals of that axis.
        periodic: per axis whether the two ends are neighbours.
        part: (e,) the sub-domain each cell belongs to; cells of different sub-domains may overlap, and share no face.
        shift: (d, d) row i: how far the upper end of a periodic axis i lies from the lower one along the other axes.
        span: (e, d) how many intervals of its level each cell covers.
    """

    breaks: tuple[np.ndarray, ...]
    level: np.ndarray
    index: np.ndarray
    periodic: tuple[bool, ...]
    part: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    shift: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    span: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))

    def __post_init__(self) -> None:
        if len(self.span) != len(self.level):
            object.__setattr__(self, "span", np.ones_like(self.index))
        if len(self.part) != len(self.level):
            object.__setattr__(self, "part", np.zeros(len(self.level), dtype=np.int64))
        if len(self.shift) != self.dimension:
            object.__setattr__(self, "shift", np.zeros((self.dimension, self.dimension)))

    @classmethod
    def grid(
        cls,
        breaks: Sequence[ArrayLike],
        periodic: Sequence[bool] | None = None,
        parts: int = 1,
        shift: np.ndarray | None = None,
    ) -> Partition:
        """The unrefined tensor grid with these break points, once for every sub-domain."""
        arrays = tuple(np.asarray(b, dtype=float) for b in breaks)
        ranges = [np.arange(len(b) - 1) for b in arrays]
        index = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, len(breaks))
        part = np.repeat(np.arange(parts), len(index))
        index = np.tile(index, (parts, 1))
        wrapped = tuple(periodic or [False] * len(breaks))
        if shift is None:
            shift = np.zeros((0, 0))
        return cls(arrays, np.zeros_like(index), index, wrapped, part, shift)

    def state(self) -> dict[str, Any]:
        """Everything needed to rebuild it, as tensors and numbers."""
        arrays = {name: torch.from_numpy(getattr(self, name)) for name in ARRAYS}
        return {
            "breaks": [torch.from_numpy(b) for b in self.breaks],
            "periodic": list(self.periodic),
            **arrays,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Partition:
        """Rebuild from `state()`; older files know neither sub-domains nor shifts nor spans."""
        breaks = tuple(b.numpy() for b in state["breaks"])
        known = {name: state[name].numpy() for name in ARRAYS[2:] if name in state}
        return cls(breaks, state["level"].numpy(), state["index"].numpy(), tuple(state["periodic"]), **known)

    def __len__(self) -> int:
        return len(self.level)

    @property
    def dimension(self) -> int:
        """Number of axes d."""
        return len(self.breaks)

    @cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corners of all cells, (e, d) each."""
        return self._edge(self.index), self._edge(self.index + self.span)

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
            # The upper end of the last root cell is the beginning of no other: it is counted as its end.
            root = np.minimum(index[:, i] >> self.level[:, i], len(b) - 2)
            fraction = index[:, i] / scale - root
            # A convex combination returns the break points themselves at 0 and 1; b + f·(b' - b) might round.
            columns.append(b[root] * (1 - fraction) + b[root + 1] * fraction)
        return np.stack(columns, axis=1)

    @cached_property
    def _single(self) -> np.ndarray:
        """(e,) which cells span one interval along each axis, as all do that come from halving alone."""
        return (self.span == 1).all(axis=1)

    @cached_property
    def _wide(self) -> _WideCells:
        """Where the other cells are found."""
        return _WideCells.of(self, np.flatnonzero(~self._single))

    @cached_property
    def _tables(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Per distinct level: (level vector, sorted keys, cells in that order)."""
        tables = []
        for level in np.unique(self.level[self._single], axis=0):
            cells = np.flatnonzero((self.level == level).all(axis=1) & self._single)
            keys = self._key(self.index[cells], level, self.part[cells])
            order = np.argsort(keys)
            tables.append((level, keys[order], cells[order]))
        return tables

    def _key(self, index: np.ndarray, level: np.ndarray, part: np.ndarray) -> np.ndarray:
        key = part.astype(np.int64)
        for i, b in enumerate(self.breaks):
            key = key * ((len(b) - 1) << int(level[i])) + index[:, i]
        return key

    def locate(self, points: np.ndarray, part: np.ndarray | None = None) -> np.ndarray:
        """The cell that contains each point (n, d), of sub-domain `part` (n,); -1 where there is none."""
        n = len(points)
        if part is None:
            part = np.zeros(n, dtype=np.int64)
        root = np.empty((n, self.dimension), dtype=np.int64)
        fraction = np.empty((n, self.dimension))
        outside = np.zeros(n, dtype=bool)
        for i, b in enumerate(self.breaks):
            x = points[:, i]
            root[:, i] = np.clip(np.searchsorted(b, x, side="right") - 1, 0, len(b) - 2)
            fraction[:, i] = (x - b[root[:, i]]) / (b[root[:, i] + 1] - b[root[:, i]])
            slack = SLACK * (b[-1] - b[0])
            outside |= (x < b[0] - slack) | (x > b[-1] + slack)
        found = np.full(n, -1, dtype=np.int64)
        open_points = np.flatnonzero(~outside)
        # Each level has its own keys, since the same integers mean other places on other levels.
        for level, keys, cells in self._tables:
            scale = np.int64(1) << level
            # Rounding may put a point on a border one interval too far, also beyond the root cell: it is clipped.
            inner = np.floor(fraction[open_points] * scale).astype(np.int64)
            index = root[open_points] * scale + np.clip(inner, 0, scale - 1)
            place = np.minimum(
                np.searchsorted(keys, key := self._key(index, level, part[open_points])), len(keys) - 1
            )
            hit = keys[place] == key
            found[open_points[hit]] = cells[place[hit]]
            open_points = open_points[~hit]
        if len(open_points) and not self._single.all():
            found[open_points] = self._wide.locate(points[open_points], part[open_points])
        return found

    def locate_closed(self, points: np.ndarray, part: np.ndarray | None = None) -> np.ndarray:
        """As `locate`, with cells that contain their upper faces where no other cell begins there.

        A point on a face belongs to the cell above it. Where the domain ends at the face there is no such cell: on
        re-entrant edges, and to rounding on any boundary. There, the cells a slack away in all directions are asked.
        A point on the boundary of a sub-domain is as near to it as to the next one: where that has no cell there, such
        as on the outer boundary of a block in a square, the cells of all are asked.
        """
        if part is None:
            return self._located_closed(points, np.zeros(len(points), dtype=np.int64))
        found = self._located_closed(points, part)
        for other in np.unique(self.part):
            lost = np.flatnonzero(found < 0)
            found[lost] = self._located_closed(points[lost], np.full(len(lost), other))
        return found

    def _located_closed(self, points: np.ndarray, part: np.ndarray) -> np.ndarray:
        found = self.locate(points, part)
        slack = np.array([SLACK * (b[-1] - b[0]) for b in self.breaks])
        for direction in itertools.product((0.0, -1.0, 1.0), repeat=self.dimension):
            lost = np.flatnonzero(found < 0)
            if not len(lost):
                break
            found[lost] = self.locate(points[lost] + direction * slack, part[lost])
        return found

    def keep(self, cells: np.ndarray) -> Partition:
        """Only these cells (a mask or indices)."""
        return replace(
            self,
            level=self.level[cells],
            index=self.index[cells],
            part=self.part[cells],
            span=self.span[cells],
        )

    def split(self, axes: np.ndarray, eighths: np.ndarray | None = None) -> tuple[Partition, np.ndarray]:
        """Cut cells in two along the axes marked in the (e, d) mask.

        Args:
            axes: where to cut.
            eighths: (e, d) where, after 1 to 7 eighths of the cell or nearly so; without it in the middle.

        Returns:
            The new partition and, per new cell, the cell it came from.
        """
        # Four eighths are the middle, and eighths of intervals are three levels, still exact in integers.
        if eighths is None:
            eighths = np.full(self.level.shape, 4)
        level = self.level
        index = self.index
        span = self.span
        parent = np.arange(len(self))
        # What counts is the size of the cell, hence its level less the doublings of its span.
        axes = axes & (self.level - np.frexp(self.span)[1] + 1 < MAX_LEVEL)
        for i in range(self.dimension):
            mark = axes[parent, i]
            # In eighths of the intervals: [8 i, m) and [m, 8 (i + s)). Of a cell of many intervals m is rounded, so
            # that its parts do not need finer and finer levels.
            s = span[mark, i]
            grain = 1 << (np.frexp(s)[1] - 1)
            wanted = 8 * index[mark, i] + eighths[parent[mark], i] * s
            first = (wanted + grain // 2) // grain * grain - 8 * index[mark, i]
            low = index.copy()
            low[mark, i] *= 8
            high = low[mark]
            high[:, i] += first
            narrow = span.copy()
            narrow[mark, i] = first
            rest = span[mark]
            rest[:, i] = 8 * s - first
            level = level.copy()
            level[mark, i] += 3
            level = np.concatenate([level, level[mark]])
            index = np.concatenate([low, high])
            span = np.concatenate([narrow, rest])
            parent = np.concatenate([parent, parent[mark]])
            level, index, span = shortest(level, index, span, i)
        order = np.argsort(parent, kind="stable")
        parent = parent[order]
        new = replace(self, level=level[order], index=index[order], part=self.part[parent], span=span[order])
        return new, parent

    @cached_property
    def faces(self) -> Faces:
        """All faces between two cells; where sizes differ, one face for every pair that shares some of it."""
        finest = self.level.max(axis=0)
        low = self.index << (finest - self.level)
        high = (self.index + self.span) << (finest - self.level)
        found = [self._faces_across(axis, low, high) for axis in range(self.dimension)]
        found += [self._seam(axis) for axis in range(self.dimension) if self.periodic[axis]]
        minus, plus, axes, shift = (np.concatenate(column) for column in zip(*found, strict=True))
        lower, upper = self.bounds
        face_low = np.maximum(lower[minus], lower[plus] + shift)
        face_high = np.minimum(upper[minus], upper[plus] + shift)
        place = np.arange(len(minus)), axes
        face_low[place] = face_high[place] = upper[minus, axes]
        return Faces(minus, plus, axes, face_low, face_high, shift)

    def _faces_across(self, axis: int, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, ...]:
        """Pairs of cells (minus, plus) that share part of a plane across the axis, the axis, and no shift.

        Cells that end at a plane are compared with cells that begin there, plane by plane, in exact integers.
        """
        end = high[:, axis]
        begin = low[:, axis]
        enders = np.argsort(end, kind="stable")
        beginners = np.argsort(begin, kind="stable")
        planes = np.intersect1d(end, begin)
        cut = [
            (np.searchsorted(x[o], planes), np.searchsorted(x[o], planes, side="right"), o)
            for x, o in ((end, enders), (begin, beginners))
        ]
        lateral = [i for i in range(self.dimension) if i != axis]
        pairs = [(np.empty(0, dtype=np.int64),) * 2]
        for k in range(len(planes)):
            a, b = (order[start[k] : stop[k]] for start, stop, order in cut)
            meet = self.part[a][:, None] == self.part[b]
            for other in lateral:
                meet &= (low[a, other][:, None] < high[b, other]) & (low[b, other] < high[a, other][:, None])
            i, j = np.nonzero(meet)
            pairs.append((a[i], b[j]))
        minus, plus = (np.concatenate(column) for column in zip(*pairs, strict=True))
        return minus, plus, np.full(len(minus), axis), np.zeros((len(minus), self.dimension))

    def _seam(self, axis: int) -> tuple[np.ndarray, ...]:
        """Pairs of cells that meet over the period of an axis, the axis, and the shifts (f, d) from plus to minus.

        What the shift moves beyond the end of another periodic axis comes in again at its beginning: every cell is
        compared with up to two images of another along each such axis.
        """
        lower, upper = self.bounds
        first = np.array([b[0] for b in self.breaks])
        last = np.array([b[-1] for b in self.breaks])
        period = last - first
        lateral = np.arange(self.dimension) != axis
        # A shift is a real number: over the seam, borders agree to rounding only.
        slack = SLIVER * period[lateral]
        a = np.flatnonzero(upper[:, axis] == last[axis])
        b = np.flatnonzero(lower[:, axis] == first[axis])
        images = []
        for i, s in enumerate(self.shift[axis]):
            if i == axis:
                images.append([period[axis]])
            elif self.periodic[i] and s != 0:
                images.append([s % period[i], s % period[i] - period[i]])
            else:
                images.append([s])
        found = []
        for image in itertools.product(*images):
            low, high = (corner[b][:, lateral] + np.array(image)[lateral] for corner in (lower, upper))
            shared = np.minimum(upper[a][:, None, lateral], high) - np.maximum(
                lower[a][:, None, lateral], low
            )
            touching = (shared > slack).all(axis=2) & (self.part[a][:, None] == self.part[b])
            below, above = np.nonzero(touching)
            count = len(below)
            found.append((a[below], b[above], np.full(count, axis), np.tile(image, (count, 1))))
        return tuple(np.concatenate(column) for column in zip(*found, strict=True))


@dataclass(frozen=True)
class _WideCells:
    """Cells that cover several intervals, found in the tensor grid of all their ends.

    Attributes:
        edges: per axis all coordinates at which one of them begins or ends.
        cell: the cell, or -1, in each box (part, …) between neighbouring edges.
        slack: (d,) how far outside of them a point may be.
    """

    edges: list[np.ndarray]
    cell: np.ndarray
    slack: np.ndarray

    @classmethod
    def of(cls, partition: Partition, wide: np.ndarray) -> _WideCells:
        """The cells of these numbers."""
        lower, upper = partition.bounds
        edges = [np.unique(np.r_[lower[wide, i], upper[wide, i]]) for i in range(partition.dimension)]
        table = np.full([int(partition.part.max()) + 1, *(len(e) - 1 for e in edges)], -1, dtype=np.int64)
        for cell in wide:
            box = [slice(*np.searchsorted(e, (lower[cell, i], upper[cell, i]))) for i, e in enumerate(edges)]
            table[(partition.part[cell], *box)] = cell
        return cls(edges, table, np.array([SLACK * (b[-1] - b[0]) for b in partition.breaks]))

    def locate(self, points: np.ndarray, part: np.ndarray) -> np.ndarray:
        """The one that contains each point (n, d) of sub-domain `part` (n,); -1 where there is none."""
        place = [part]
        inside = np.ones(len(points), dtype=bool)
        for i, edges in enumerate(self.edges):
            x = points[:, i]
            inside &= (x >= edges[0] - self.slack[i]) & (x <= edges[-1] + self.slack[i])
            place.append(np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2))
        return np.where(inside, self.cell[tuple(place)], -1)


def shortest(
    level: np.ndarray, index: np.ndarray, span: np.ndarray, axis: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same cells with their coarsest level along an axis: first interval and span are not both even."""
    level = level.copy()
    index = index.copy()
    span = span.copy()
    while True:
        even = (level[:, axis] > 0) & (index[:, axis] % 2 == 0) & (span[:, axis] % 2 == 0)
        if not even.any():
            return level, index, span
        level[even, axis] -= 1
        index[even, axis] //= 2
        span[even, axis] //= 2


@dataclass(frozen=True)
class Faces:
    """Faces between cells.

    Attributes:
        minus, plus: (f,) the cells below and above along the axis.
        axis: (f,) direction of the face normal.
        lower, upper: (f, d) corners of the face (equal along the axis), in the coordinates of `minus`.
        shift: (f, d) subtract from a face point to see it in `plus`: zero, or over a seam a period and its shift.
    """

    minus: np.ndarray
    plus: np.ndarray
    axis: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    shift: np.ndarray

    def __len__(self) -> int:
        return len(self.minus)
