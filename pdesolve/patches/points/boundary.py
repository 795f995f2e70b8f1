"""Collocation points of a solve on boundaries: every piece cut at the cells it passes through.

A curve is cut, at the walls of the cells and by bisection, until each parameter interval lies in one cell; each
interval gets Gauss points by arc length. A surface in a grid plane takes Gauss points on the cell faces in that plane;
any other surface is divided into panels smaller than the cells they lie in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import SolveError
from pdesolve.geometry.place import Piece, Place
from pdesolve.patches.cover import Patches, Points, gauss_grid, once

NUDGE = 1e-8  # relative step inwards that decides which of two cells a boundary point belongs to
DEPTHS = (NUDGE, 1e-6, 1e-4, 1e-3, 3e-3, 1e-2, 2e-2, 4e-2)
REACH = 0.1  # of the domain: how far from all cells a boundary point may lie
PANEL_LENGTH = 1.06  # of panels on surfaces, in half widths of their cells
MOST_HALVINGS = 24
EXIT_STEPS = 8  # of order 1.44, from a sixteenth of a curve to rounding


def boundary_points(patches: Patches, place: Place, q: np.ndarray, batch: int) -> list[Points]:
    """Points of one place, batched by the patches they belong to.

    Args:
        patches: the patches.
        place: where a condition holds.
        q: (e,) orders of the patches.
        batch: at most so many cells in a batch.
    """
    domain, frame = patches.frame.domain, patches.frame
    n = int(q.max())
    pieces = frame.pieces_on(place)
    if not pieces:
        return _point_batches(patches, place, q)
    parts = []
    for piece in pieces:
        plane = frame.plane(piece)
        if domain.dimension == 1:
            parts.append(_ends(patches, piece))
        elif domain.dimension == 2:
            parts.append(_on_curve(patches, piece, n))
        elif plane is not None and not _between_grid_planes(patches, plane):
            parts.append(_on_plane(patches, piece, plane, n))
        else:
            parts.append(_on_surface(patches, piece, n))
    x, normals, cells, weight = (torch.cat(column) for column in zip(*parts, strict=True))
    return _batches(x @ frame.rotation, normals, cells, weight, q, batch)


def owners(patches: Patches, x: Tensor, normals: Tensor) -> Tensor:
    """The patch against the normal of each boundary point, or the nearest one where a sliver of the domain has none.

    Raises:
        SolveError: part of the domain is so thin and so far from all cells that it has been lost.
    """
    frame = patches.frame
    found = torch.full((len(x),), -1, dtype=torch.long)
    size = float(frame.extent.max())
    for depth in DEPTHS:
        lost = torch.nonzero(found < 0)[:, 0]
        if not len(lost):
            break
        y = (x[lost] - depth * size * normals[lost]) @ frame.rotation
        y = y.clamp(torch.from_numpy(frame.lower), torch.from_numpy(frame.upper))
        found[lost] = torch.from_numpy(patches.partition.locate(y.numpy(), frame.part_of(y)))
    lost = torch.nonzero(found < 0)[:, 0]
    found[lost] = _nearest(patches, x[lost])
    return found


def _nearest(patches: Patches, x: Tensor) -> Tensor:
    """The cell nearest to each point (n, d)."""
    frame, found = patches.frame, torch.zeros(len(x), dtype=torch.long)
    lower, upper = (torch.from_numpy(corner) for corner in patches.partition.bounds)
    for part in torch.split(torch.arange(len(x)), max(1, 1_000_000 // len(patches))):
        y = (x[part] @ frame.rotation)[:, None]
        distance, found[part] = (torch.maximum(lower - y, y - upper).clamp_min(0).norm(dim=2)).min(dim=1)
        if bool((far := distance > REACH * float(frame.extent.max())).any()):
            where = ", ".join(f"{v:.4g}" for v in x[part][far][0].tolist())
            message = f"the domain near ({where}) is thinner than the cells can see; raise --set cells"
            raise SolveError(message)
    return found


Part = tuple[Tensor, Tensor, Tensor, Tensor]


def _ends(patches: Patches, piece: Piece) -> Part:
    nothing = torch.zeros(1, 0, dtype=torch.float64)
    x, normals = piece.map(nothing), piece.normal(nothing)
    keep = piece.active(x)
    x, normals = x[keep], normals[keep]
    return x, normals, owners(patches, x, normals), torch.ones(len(x), dtype=torch.float64)


def _on_curve(patches: Patches, piece: Piece, n: int, both: bool = False) -> Part:
    """Cut parameter intervals until both ends and the inside lie in one cell, then Gauss points.

    With `both`, intervals lie in one cell on the other side, too.
    """
    intervals, cells = _intervals_in_cells(patches, piece)
    if both:
        intervals, cells = _common(intervals, cells, _intervals_in_cells(patches, piece, -1.0)[0])
    t, w = gauss_grid(1, n)
    a, b = intervals[:, :1], intervals[:, 1:]
    parameter = (a + b) / 2 + (b - a) / 2 * t[:, 0]
    flat = parameter.reshape(-1, 1)
    x, normals, cells = piece.map(flat), piece.normal(flat), cells.repeat_interleave(len(t))
    area = piece.area(flat) * ((b - a) / 2 * w).reshape(-1)
    return x, normals, cells, (area * _stretch(patches, cells, normals)).sqrt()


def _common(intervals: Tensor, cells: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Cut intervals (k, 2) at the ends of others; the parts, with the cells (k,) of what they were cut from."""
    ends = torch.unique(torch.cat([intervals.flatten(), others.flatten()]))
    ends = ends[torch.cat([torch.tensor([True]), ends.diff() > 1e-10])]
    middle = (ends[1:] + ends[:-1]) / 2
    place = torch.searchsorted(intervals[:, 0].contiguous(), middle) - 1
    covered = (place >= 0) & (middle < intervals[place.clamp_min(0), 1])
    return torch.stack([ends[:-1], ends[1:]], dim=1)[covered], cells[place[covered]]


def _stretch(patches: Patches, cells: Tensor, normals: Tensor) -> Tensor:
    """Area in reference units over true area (n,): |H∘n| / Π H, since dA' = det(A) |A^{-T} n| dA for A = diag(1/H)."""
    half = torch.from_numpy(patches.half)[cells]
    return (half * (normals @ patches.frame.rotation)).norm(dim=1) / half.prod(1)


def _intervals_in_cells(patches: Patches, piece: Piece, side: float = 1.0) -> tuple[Tensor, Tensor]:
    """Maximal parameter intervals (k, 2) inside one cell, no longer than a cell, and those cells (k,).

    With side = -1, cells on the other side of the piece.
    """
    return once(patches.memo, ("intervals", piece, side), lambda: _find_intervals(patches, piece, side))


def _find_intervals(patches: Patches, piece: Piece, side: float) -> tuple[Tensor, Tensor]:
    pending = torch.cat([_first_intervals(patches, piece, a, b) for a, b in piece.intervals.tolist()])
    inner = torch.tensor([1e-6, 0.3, 0.5, 0.7, 1 - 1e-6], dtype=torch.float64)
    done, owner = [], []
    for depth in range(44):
        parameter = (pending[:, :1] + (pending[:, 1:] - pending[:, :1]) * inner).reshape(-1, 1)
        x, normals = piece.map(parameter), piece.normal(parameter)
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
        cut, leaving = rest.mean(1), ~alike[~same]
        if depth % 2 == 0 and bool(leaving.any()):
            cut[leaving] = _exits(patches, piece, rest[leaving], cell[~same, 0][leaving], side)
        pending = torch.stack([rest[:, 0], cut, cut, rest[:, 1]], 1).reshape(-1, 2)
    found, cells = torch.cat(done), torch.cat(owner)
    order = torch.argsort(found[:, 0])
    return _join(patches, piece, found[order], cells[order])


def _exits(patches: Patches, piece: Piece, intervals: Tensor, cells: Tensor, side: float) -> Tensor:
    """Where in intervals (k, 2) a curve leaves the cells (k,) they begin in (k,); the middle where it does not.

    By the Illinois method (Dowell & Jarratt 1971) on the coordinate across the wall that is met first.
    """
    frame = patches.frame
    lower, upper = (torch.from_numpy(corner)[cells] for corner in patches.partition.bounds)
    ends = intervals.reshape(-1, 1)
    shift = -NUDGE * float(frame.extent.max()) * side * (piece.normal(ends) @ frame.rotation)
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

    a, b = begin, end
    g_a, g_b = ((y - wall).gather(1, axis)[:, 0] for y in (y_a, y_b))
    leaves = outside.any(1) & (g_a * g_b < 0)
    for _ in range(EXIT_STEPS):
        s = torch.where(g_b == g_a, b, b - g_b * (b - a) / (g_b - g_a))
        g = beyond(s)
        crossed = g * g_b < 0
        a, g_a = torch.where(crossed, b, a), torch.where(crossed, g_b, g_a / 2)
        b, g_b = s, g
    return torch.where(leaves, b, (begin + end) / 2)


def _first_intervals(patches: Patches, piece: Piece, a: float, b: float) -> Tensor:
    """Intervals (k, 2) to begin with: between the grid lines that a straight piece crosses, else sixteen equal ones."""
    ends = torch.tensor([[a], [(a + b) / 2], [b]], dtype=torch.float64)
    y = piece.map(ends) @ patches.frame.rotation
    extent = torch.from_numpy(patches.frame.extent)
    span, sag = (y[2] - y[0]) / extent, (y[1] - (y[0] + y[2]) / 2) / extent
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
    a, b, cells = intervals[first, 0], intervals[last, 1], cells[first]
    middle = ((a + b) / 2)[:, None]
    length = piece.area(middle) * (b - a)
    size = 2 * torch.from_numpy(patches.half)[cells].amax(1)
    keep = length > 1e-7 * size
    a, b, cells, length, size = a[keep], b[keep], cells[keep], length[keep], size[keep]
    count = (length / size / 1.2).ceil().clamp_min(1).long()
    index = torch.repeat_interleave(torch.arange(len(count)), count)
    position = torch.arange(len(index)) - torch.repeat_interleave(torch.cumsum(count, 0) - count, count)
    step = ((b - a) / count)[index]
    start = a[index] + position * step
    return torch.stack([start, start + step], 1), cells[index]


def _between_grid_planes(patches: Patches, plane: tuple[int, float, int]) -> bool:
    """Whether a plane runs through the inside of cells."""
    axis, value, _ = plane
    lower, upper = patches.partition.bounds
    slack = 1e-9 * patches.frame.extent[axis]
    return bool(((lower[:, axis] < value - slack) & (upper[:, axis] > value + slack)).any())


def _on_plane(patches: Patches, piece: Piece, plane: tuple[int, float, int], n: int) -> Part:
    axis, value, sign = plane
    frame, d = patches.frame, patches.dimension
    lower, upper = patches.partition.bounds
    edge = upper[:, axis] if sign > 0 else lower[:, axis]
    cells = np.flatnonzero(np.abs(edge - value) < 1e-9 * frame.extent[axis])
    low, high = lower[cells].copy(), upper[cells].copy()
    low[:, axis] = high[:, axis] = value
    crowded = patches.cut[cells]
    parts = []
    for cut in (False, True):
        mine = cells[crowded == cut]
        if not len(mine):
            continue
        t, w = gauss_grid(d - 1, 2 * n if cut else n)
        full = torch.zeros(len(t), d, dtype=torch.float64)
        full[:, [i for i in range(d) if i != axis]] = t
        a, b = torch.from_numpy(low[crowded == cut]), torch.from_numpy(high[crowded == cut])
        y = ((a + b)[:, None] / 2 + (b - a)[:, None] / 2 * full).reshape(-1, d)
        x = y @ frame.rotation.T
        keep = piece.claims(x) & piece.active(x)  # cell faces may reach beyond the piece
        owner = torch.from_numpy(mine).repeat_interleave(len(t))
        normal = torch.zeros(d, dtype=torch.float64)
        normal[axis] = sign
        normals = (normal @ frame.rotation.T).expand(len(x), -1)
        parts.append((x[keep], normals[keep], owner[keep], w.sqrt().repeat(len(mine))[keep]))
    x, normals, owner, weight = (torch.cat(column) for column in zip(*parts, strict=True))
    return x, normals, owner, weight


def _on_surface(patches: Patches, piece: Piece, n: int) -> Part:
    """Gauss points on panels of the parameter square, each no longer than the cell it lies in."""
    k = piece.dimension - 1
    low, high = once(patches.memo, ("panels", piece), lambda: _panels(patches, piece))
    t, w = gauss_grid(k, max(3, round(0.6 * n)))
    parameter = ((low + high)[:, None] / 2 + (high - low)[:, None] / 2 * t).reshape(-1, k)
    x = piece.map(parameter)
    keep = piece.active(x)
    x, parameter = x[keep], parameter[keep]
    normals = piece.normal(parameter)
    cells = owners(patches, x, normals)
    area = ((high - low).prod(1)[:, None] * w / 2**k).reshape(-1)[keep] * piece.area(parameter)
    return x, normals, cells, (area * _stretch(patches, cells, normals)).sqrt()


def _panels(patches: Patches, piece: Piece) -> tuple[Tensor, Tensor]:
    """Lower and upper corners (b, d - 1) of panels, halved along an axis while long along it."""
    d = piece.dimension
    low, high = torch.zeros(1, d - 1, dtype=torch.float64), torch.ones(1, d - 1, dtype=torch.float64)
    for _ in range(MOST_HALVINGS):
        middle = (low + high) / 2
        cell = owners(patches, piece.map(middle), piece.normal(middle))
        half = torch.from_numpy(patches.half)[cell.clamp_min(0)]
        long = _edges(patches, piece, low, high, half) > PANEL_LENGTH
        if not bool(long.any()):
            break
        for axis in range(d - 1):
            mark = long[:, axis]
            left_high, right_low = high.clone(), low[mark].clone()
            left_high[mark, axis] = right_low[:, axis] = (low[mark, axis] + high[mark, axis]) / 2
            low, high = torch.cat([low, right_low]), torch.cat([left_high, high[mark]])
            long = torch.cat([long, long[mark]])
    return low, high


def _edges(patches: Patches, piece: Piece, low: Tensor, high: Tensor, half: Tensor) -> Tensor:
    """Length of every panel along each parameter (b, d - 1), in half widths (b, d) of its cell."""
    b, k = low.shape
    lengths = []
    for axis in range(k):
        steps = [torch.linspace(0, 1, 5 if i == axis else 3, dtype=torch.float64) for i in range(k)]
        grid = torch.stack(torch.meshgrid(*steps, indexing="ij"), dim=-1)
        parameter = low.view(b, *[1] * k, k) + (high - low).view(b, *[1] * k, k) * grid
        y = (piece.map(parameter.reshape(-1, k)) @ patches.frame.rotation).view(b, *grid.shape[:-1], k + 1)
        step = y.diff(dim=axis + 1) / half.view(b, *[1] * k, k + 1)
        lengths.append(step.norm(dim=-1).sum(dim=axis + 1).reshape(b, -1).amax(1))
    return torch.stack(lengths, dim=1)


@dataclass(frozen=True)
class InterfacePoints:
    """Points on interfaces, in batches: b pairs of patches with m points each.

    Attributes:
        minus, plus: (b,) patches; the normals point from minus to plus.
        y: (b, m, d) in grid coordinates.
        normals: (b, m, d) unit normals in x coordinates.
        weight: (b, m) square roots of reference weights.
    """

    minus: np.ndarray
    plus: np.ndarray
    y: Tensor
    normals: Tensor
    weight: Tensor


def interface_points(
    patches: Patches, pieces: Sequence[Piece], q: np.ndarray, batch: int
) -> list[InterfacePoints]:
    """Points on pieces between two sub-domains, batched by the patches on both sides."""
    n, parts = int(q.max()), []
    for piece in pieces:
        if piece.dimension == 2 and not len(piece.intervals):
            continue
        if piece.dimension == 1:
            part = _ends(patches, piece)
        elif piece.dimension == 2:
            part = _on_curve(patches, piece, n, both=True)
        else:
            part = _on_surface(patches, piece, n)
        if len(part[0]):
            parts.append((*part, owners(patches, part[0], -part[1])))
    if not parts:
        return []
    x, normals, minus, weight, plus = (torch.cat(column) for column in zip(*parts, strict=True))
    pairs, place = torch.unique(torch.stack([minus, plus], dim=1), dim=0, return_inverse=True)
    # Pairs of patches are numbered like cells, with both orders in one key.
    key = q[pairs[:, 0].numpy()] * 1000 + q[pairs[:, 1].numpy()]
    return [
        InterfacePoints(
            pairs[found.cells, 0].numpy(), pairs[found.cells, 1].numpy(), found.y, found.normals, found.weight
        )
        for found in _batches(x @ patches.frame.rotation, normals, place, weight, key, batch)
    ]


def _point_batches(patches: Patches, place: Place, q: np.ndarray) -> list[Points]:
    rule = place.rule(patches.frame.domain, int(q.max()))
    x = rule.points
    y = (x @ patches.frame.rotation).numpy()
    middle = (patches.frame.lower + patches.frame.upper) / 2
    y = y + 1e-7 * (middle - y)
    cells = torch.from_numpy(patches.partition.locate(y, patches.frame.part_of(torch.from_numpy(y))))
    weight = torch.ones(len(x), dtype=torch.float64)
    return _batches(x @ patches.frame.rotation, torch.zeros_like(x), cells, weight, q, len(x) + 1)


def _batches(
    y: Tensor, normals: Tensor, cells: Tensor, weight: Tensor, q: np.ndarray, batch: int
) -> list[Points]:
    """Group points by cell; cells of one order with the same number of points share a batch."""
    known = cells >= 0
    y, normals, cells, weight = y[known], normals[known], cells[known], weight[known]
    order = torch.argsort(cells, stable=True)
    y, normals, cells, weight = y[order], normals[order], cells[order], weight[order]
    unique, count = torch.unique_consecutive(cells, return_counts=True)
    start = torch.cumsum(count, 0) - count
    result = []
    kinds = torch.stack([count, torch.from_numpy(q)[unique]], dim=1)
    for kind in torch.unique(kinds, dim=0):
        m, chosen = int(kind[0]), torch.nonzero((kinds == kind).all(1))[:, 0]
        for part in torch.split(chosen, max(1, batch)):
            index = start[part][:, None] + torch.arange(m)
            result.append(Points(unique[part].numpy(), y[index], weight[index], normals=normals[index]))
    return result
