"""Gauss rules on the parts of patches inside the domain, on slices that end where the boundary is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pdesolve.geometry.rules.planar_rule import graph, monotone_arcs
from pdesolve.geometry.surface import PieceLike
from pdesolve.patches.cells import Patches
from pdesolve.patches.frame import Frame, once
from pdesolve.patches.partition import Partition
from pdesolve.patches.points.faces import inside_intervals
from pdesolve.patches.points.grids import gauss_grid
from pdesolve.patches.points.interior import Points
from pdesolve.quadrature import clustered_gauss, distinct

# Of the width of a patch: a narrower panel holds nothing that counts.
NARROWEST = 1e-7
# Panels of a patch. The boundary of a mesh may have many corners there, which count one by one for little.
MOST_PANELS = 16
DENSER = 2  # times the points of a slice: slices across a solid, whose panels are not divided

Slices = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # cells (s,), ends (s, d) twice, weights (s,)


def sliced_points(
    patches: Patches, q: np.ndarray, per_axis: Callable[[int], int], batch: int
) -> list[Points]:
    """Points of rules in cut cells: slices along the last axis that end at the boundary.

    Where points of a grid that lie inside stand for a part of a cell, an integral of what oscillates, as residuals do,
    has no more than two digits.

    Args:
        patches: the patches.
        q: (e,) their orders.
        per_axis: order ↦ points on a slice, and slices in a panel.
        batch: at most so many cells in a batch.
    """
    found = []
    for order in np.unique(q[patches.cut]):
        cells = np.flatnonzero(patches.cut & (q == order))
        for part in np.array_split(cells, -(-len(cells) // batch)):
            found.append(_sliced(patches, part, per_axis(int(order))))
    return found


def _sliced(patches: Patches, cells: np.ndarray, n: int) -> Points:
    """Rules in cells of one order, padded to the same number of points."""
    plane = patches.dimension == 2
    owner, low, high, weight = (_planar_slices if plane else _slices)(patches, cells, n)
    part = patches.partition.part[cells[owner]]
    line, begin, end = (_between_arcs if plane else inside_intervals)(patches.frame, part, low, high)
    owner = owner[line]
    t, w = gauss_grid(1, n)
    begin_t, end_t = (torch.from_numpy(a)[:, None] for a in (begin, end))
    y = (begin_t + end_t) / 2 + (end_t - begin_t) / 2 * t  # (s, n, d)
    # Slices cross the cells, as boxes of patches may cut off a little of what lies inside; weights are of the boxes.
    length = (end - begin)[:, -1] / 2
    share = length * weight[line] / patches.half[cells[owner]].prod(1)
    return _padded(cells, owner, y, (torch.from_numpy(share)[:, None] * w).sqrt())


def _slices(patches: Patches, cells: np.ndarray, n: int) -> Slices:
    """Slices through Gauss points of the whole cell, and what they weigh."""
    d = patches.dimension
    partition = patches.partition
    t, w = gauss_grid(d - 1, DENSER * n)
    owner = np.repeat(np.arange(len(cells)), len(t))
    half = partition.half[cells, :-1]
    at = partition.centre[cells][:, None, :-1] + half[:, None] * t.numpy()
    low, high = _ends(partition, cells[owner], at.reshape(-1, d - 1))
    return owner, low, high, (half.prod(1)[:, None] * w.numpy()).reshape(-1)


def _planar_slices(patches: Patches, cells: np.ndarray, n: int) -> Slices:
    """Slices in panels that end where the boundary leaves a cell at its lower or upper side, turns, or has a corner."""
    lower, upper = patches.partition.bounds
    breaks = _breaks(patches, cells)
    owners, ats, weights = [], [], []
    for k in range(len(cells)):
        ends = _panels(lower[cells[k], 0], upper[cells[k], 0], breaks[k])
        at, w = clustered_gauss(n, ends[:-1], ends[1:])
        owners.append(np.full(at.numel(), k))
        ats.append(at.flatten().numpy())
        weights.append(w.flatten().numpy())
    owner = np.concatenate(owners)
    low, high = _ends(patches.partition, cells[owner], np.concatenate(ats)[:, None])
    return owner, low, high, np.concatenate(weights)


def _panels(left: float, right: float, breaks: np.ndarray) -> Tensor:
    """Ends of the panels from left to right, not too many and none too narrow."""
    gap = NARROWEST * (right - left)
    if len(breaks) >= MOST_PANELS:
        gap = (right - left) / MOST_PANELS
    within = breaks[(breaks > left + gap) & (breaks < right - gap)]
    return distinct(torch.from_numpy(np.concatenate([[left, right], within])), gap)


def _ends(partition: Partition, cells: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends (s, d) of slices through points (s, d - 1) across cells (s,)."""
    half = partition.half[cells, -1:]
    centre = partition.centre[cells, -1:]
    return np.concatenate([at, centre - half], axis=1), np.concatenate([at, centre + half], axis=1)


def _breaks(patches: Patches, cells: np.ndarray) -> list[np.ndarray]:
    """First coordinates at which slices of each cell change."""
    lower, upper = patches.partition.bounds
    sides = np.tile(cells, 2)
    low, high = lower[sides], upper[sides]
    high[: len(cells), 1] = low[: len(cells), 1]
    low[len(cells) :, 1] = high[len(cells) :, 1]
    side, begin, end = inside_intervals(patches.frame, patches.partition.part[sides], low, high)
    # Where boundaries are parallel to slices, and their corners.
    turns = torch.cat([arc.points for arc in _arcs(patches.frame)]).numpy()
    found = []
    for k, cell in enumerate(cells):
        mine = side % len(cells) == k
        within = ((lower[cell] <= turns) & (turns <= upper[cell])).all(1)
        found.append(np.concatenate([begin[mine, 0], end[mine, 0], turns[within, 0]]))
    return found


def _between_arcs(
    frame: Frame, part: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parts of slices inside, as `inside_intervals`; none is missed, however short it is."""
    at = torch.from_numpy(low[:, 0])
    bottom, top = low[:, 1], high[:, 1]
    heights = [bottom, top]
    for arc in _arcs(frame):
        over = ((arc.ends.min() < at) & (at < arc.ends.max())).numpy()
        if over.any():
            crossing = top.copy()
            v = graph(arc.piece, arc.parameters, frame.rotation, at[torch.from_numpy(over)]).numpy()
            crossing[over] = np.clip(v, bottom[over], top[over])
            heights.append(crossing)
    v = np.sort(np.stack(heights), axis=0)  # (arcs, s)
    middle = np.stack([np.broadcast_to(low[:, 0], v[1:].shape), (v[1:] + v[:-1]) / 2], axis=-1)
    inside = frame.inside(middle.swapaxes(0, 1), part) & (v[1:] > v[:-1]).T
    line, k = np.nonzero(inside)
    return line, np.stack([low[line, 0], v[k, line]], 1), np.stack([low[line, 0], v[k + 1, line]], 1)


class _Arc(NamedTuple):
    """A part of the boundary that is a graph over the first axis.

    Attributes:
        piece: in which it lies.
        parameters: (2,) of its ends there.
        ends: (2,) their first coordinates.
        points: (2, 2) they themselves.
    """

    piece: PieceLike
    parameters: Tensor
    ends: Tensor
    points: Tensor


def _arcs(frame: Frame) -> list[_Arc]:
    """All arcs of the boundaries of the domain and what interfaces divide it into, in grid coordinates."""

    def make() -> list[_Arc]:
        found = []
        for piece in (piece for part in frame.subdomains for piece in part.pieces):
            for parameters in monotone_arcs(piece, frame.rotation):
                points = piece.map(parameters[:, None]) @ frame.rotation
                found.append(_Arc(piece, parameters, points[:, 0], points))
        return found

    return once(frame.memo, ("arcs",), make)


def _padded(cells: np.ndarray, owner: np.ndarray, y: Tensor, weight: Tensor) -> Points:
    """Slices (s, n) of cells as (b, m) points; padding repeats a slice of the cell, without weight."""
    order = np.argsort(owner, kind="stable")
    count = np.bincount(owner, minlength=len(cells))
    kept = np.flatnonzero(count)
    start = np.cumsum(count) - count
    place = np.arange(count.max())[None]
    number = torch.from_numpy(order[start[kept, None] + np.minimum(place, count[kept, None] - 1)])
    real = torch.from_numpy(place < count[kept, None])
    return Points(cells[kept], y[number].flatten(1, 2), (weight[number] * real[..., None]).flatten(1))
