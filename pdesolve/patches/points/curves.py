"""Points on curves: cut at the cells they pass through.

A curve is cut, at the walls of the cells and by bisection, until each parameter interval lies in one cell; each
interval gets Gauss points by arc length.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pdesolve.geometry.place import Piece
from pdesolve.patches.cells import Patches
from pdesolve.patches.frame import once
from pdesolve.patches.points.grids import gauss_grid
from pdesolve.patches.points.interior import Rule
from pdesolve.patches.points.owners import Part, nudge, owners, stretch

EXIT_STEPS = 8  # of order 1.44, from a sixteenth of a curve to rounding


def on_curve(
    patches: Patches,
    piece: Piece,
    n: int,
    both: bool = False,
    rule: Rule = gauss_grid,
    chosen: Tensor | None = None,
) -> Part:
    """Cut parameter intervals until both ends and the inside lie in one cell, then points of a rule.

    With `both`, intervals lie in one cell on the other side, too; with a mask `chosen` (e,), in one of these cells.
    """
    intervals, cells = intervals_in_cells(patches, piece)
    if chosen is not None:
        intervals = intervals[chosen[cells]]
        cells = cells[chosen[cells]]
    if both:
        intervals, cells = _common(intervals, cells, intervals_in_cells(patches, piece, -1.0)[0])
    t, w = rule(1, n)
    a = intervals[:, :1]
    b = intervals[:, 1:]
    parameter = (a + b) / 2 + (b - a) / 2 * t[:, 0]
    flat = parameter.reshape(-1, 1)
    x = piece.map(flat)
    normals = piece.normal(flat)
    cells = cells.repeat_interleave(len(t))
    area = piece.area(flat) * ((b - a) / 2 * w).reshape(-1)
    return x, normals, cells, (area * stretch(patches, cells, normals)).sqrt()


def _common(intervals: Tensor, cells: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Cut intervals (k, 2) at the ends of others; the parts, with the cells (k,) of what they were cut from."""
    ends = torch.unique(torch.cat([intervals.flatten(), others.flatten()]))
    ends = ends[torch.cat([torch.tensor([True]), ends.diff() > 1e-10])]
    middle = (ends[1:] + ends[:-1]) / 2
    place = torch.searchsorted(intervals[:, 0].contiguous(), middle) - 1
    covered = (place >= 0) & (middle < intervals[place.clamp_min(0), 1])
    return torch.stack([ends[:-1], ends[1:]], dim=1)[covered], cells[place[covered]]


def intervals_in_cells(patches: Patches, piece: Piece, side: float = 1.0) -> tuple[Tensor, Tensor]:
    """Maximal parameter intervals (k, 2) inside one cell, no longer than a cell, and those cells (k,).

    With side = -1, cells on the other side of the piece.
    """
    return once(patches.memo, ("intervals", piece, side), lambda: _find_intervals(patches, piece, side))


def _find_intervals(patches: Patches, piece: Piece, side: float) -> tuple[Tensor, Tensor]:
    pending = torch.cat([_first_intervals(patches, piece, a, b) for a, b in piece.intervals.tolist()])
    inner = torch.tensor([1e-6, 0.3, 0.5, 0.7, 1 - 1e-6], dtype=torch.float64)
    done = []
    owner = []
    for depth in range(44):
        parameter = (pending[:, :1] + (pending[:, 1:] - pending[:, :1]) * inner).reshape(-1, 1)
        x = piece.map(parameter)
        normals = piece.normal(parameter)
        cell = owners(patches, x, side * normals).reshape(-1, len(inner))
        x = x.reshape(-1, len(inner), x.shape[1])
        chord = (x[:, -1] - x[:, 0]).norm(dim=1)
        size = torch.from_numpy(patches.half)[cell[:, 2].clamp_min(0)].norm(dim=1)
        alike = (cell == cell[:, :1]).all(1)
        same = alike & (cell[:, 0] >= 0) & (chord <= 1.5 * size)
        done.append(pending[same])
        owner.append(cell[same, 0])
        rest = pending[~same]
        if not len(rest) or depth == 43:
            break
        cut = rest.mean(1)
        leaving = ~alike[~same]
        if depth % 2 == 0 and bool(leaving.any()):
            cut[leaving] = _exits(patches, piece, rest[leaving], cell[~same, 0][leaving], side)
        pending = torch.stack([rest[:, 0], cut, cut, rest[:, 1]], 1).reshape(-1, 2)
    found = torch.cat(done)
    cells = torch.cat(owner)
    order = torch.argsort(found[:, 0])
    return _join(patches, piece, found[order], cells[order])


def _exits(patches: Patches, piece: Piece, intervals: Tensor, cells: Tensor, side: float) -> Tensor:
    """Where in intervals (k, 2) a curve leaves the cells (k,) they begin in (k,); the middle where it does not.

    By the Illinois method (Dowell & Jarratt 1971) on the coordinate across the wall that is met first.
    """
    frame = patches.frame
    lower, upper = (torch.from_numpy(corner)[cells] for corner in patches.partition.bounds)
    ends = intervals.reshape(-1, 1)
    shift = -nudge(patches) * float(frame.extent.max()) * side * (piece.normal(ends) @ frame.rotation)
    from_a, from_b = shift.view(len(intervals), 2, -1).unbind(1)
    y_a, y_b = ((piece.map(ends) @ frame.rotation) + shift).view(len(intervals), 2, -1).unbind(1)
    wall = torch.where(y_b > upper, upper, lower)
    outside = (y_b > upper) | (y_b < lower)
    axis = torch.where(outside, (wall - y_a) / (y_b - y_a), torch.inf).argmin(1, keepdim=True)
    begin, end = intervals.unbind(1)

    def beyond(s: Tensor) -> Tensor:
        at = ((s - begin) / (end - begin))[:, None]
        y = piece.map(s[:, None]) @ frame.rotation + from_a + at * (from_b - from_a)
        return (y - wall).gather(1, axis)[:, 0]

    a = begin
    b = end
    g_a, g_b = ((y - wall).gather(1, axis)[:, 0] for y in (y_a, y_b))
    leaves = outside.any(1) & (g_a * g_b < 0)
    for _ in range(EXIT_STEPS):
        s = torch.where(g_b == g_a, b, b - g_b * (b - a) / (g_b - g_a))
        g = beyond(s)
        crossed = g * g_b < 0
        a = torch.where(crossed, b, a)
        g_a = torch.where(crossed, g_b, g_a / 2)
        b = s
        g_b = g
    return torch.where(leaves, b, (begin + end) / 2)


def _first_intervals(patches: Patches, piece: Piece, a: float, b: float) -> Tensor:
    """Intervals (k, 2) to begin with: between the grid lines that a straight piece crosses, else sixteen equal ones."""
    ends = torch.tensor([[a], [(a + b) / 2], [b]], dtype=torch.float64)
    y = piece.map(ends) @ patches.frame.rotation
    extent = torch.from_numpy(patches.frame.extent)
    span = (y[2] - y[0]) / extent
    sag = (y[1] - (y[0] + y[2]) / 2) / extent
    if float(sag.abs().max()) > 1e-13 or float(span.abs().max()) < 1e-9:
        steps = torch.linspace(0, 1, 17, dtype=torch.float64)
    else:
        crossed = [
            (torch.from_numpy(np.unique(np.concatenate(patches.partition.bounds)[:, i])) - y[0, i])
            / (y[2, i] - y[0, i])
            for i in range(patches.dimension)
            if abs(float(span[i])) > 1e-9
        ]
        inside = torch.cat(crossed)
        inside = inside[(inside > 1e-12) & (inside < 1 - 1e-12)]
        steps = torch.cat([torch.zeros(1), torch.unique(inside), torch.ones(1)]).to(torch.float64)
    cuts = a + (b - a) * steps
    return torch.stack([cuts[:-1], cuts[1:]], dim=1)


def _join(patches: Patches, piece: Piece, intervals: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    """Merge neighbours in the same cell, then cut what is longer than the cell into equal parts."""
    fresh = torch.ones(len(cells), dtype=torch.bool)
    touching = (intervals[1:, 0] - intervals[:-1, 1]).abs() < 1e-11
    fresh[1:] = (cells[1:] != cells[:-1]) | ~touching
    first = torch.nonzero(fresh)[:, 0]
    last = torch.cat([first[1:] - 1, torch.tensor([len(cells) - 1])])
    a = intervals[first, 0]
    b = intervals[last, 1]
    cells = cells[first]
    middle = ((a + b) / 2)[:, None]
    length = piece.area(middle) * (b - a)
    size = 2 * torch.from_numpy(patches.half)[cells].amax(1)
    keep = length > 1e-7 * size
    a = a[keep]
    b = b[keep]
    cells = cells[keep]
    length = length[keep]
    size = size[keep]
    count = (length / size / 1.2).ceil().clamp_min(1).long()
    index = torch.repeat_interleave(torch.arange(len(count)), count)
    position = torch.arange(len(index)) - torch.repeat_interleave(torch.cumsum(count, 0) - count, count)
    step = ((b - a) / count)[index]
    start = a[index] + position * step
    return torch.stack([start, start + step], 1), cells[index]
