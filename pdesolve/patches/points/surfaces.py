"""Points on surfaces: on the faces of cells in a grid plane, else on panels smaller than the cells they lie in."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pdesolve.geometry.place import Piece
from pdesolve.patches.cells import Patches
from pdesolve.patches.frame import once
from pdesolve.patches.points.grids import gauss_grid
from pdesolve.patches.points.interior import Rule
from pdesolve.patches.points.owners import Part, owners, stretch
from pdesolve.runs.deadline import check_deadline

PANEL_LENGTH = 1.06  # of panels on surfaces, in half widths of their cells
MOST_HALVINGS = 24


def between_grid_planes(patches: Patches, plane: tuple[int, float, int]) -> bool:
    """Whether a plane runs through the inside of cells."""
    axis, value, _ = plane
    lower, upper = patches.partition.bounds
    slack = 1e-9 * patches.frame.extent[axis]
    return bool(((lower[:, axis] < value - slack) & (upper[:, axis] > value + slack)).any())


def on_plane(
    patches: Patches,
    piece: Piece,
    plane: tuple[int, float, int],
    n: int,
    rule: Rule = gauss_grid,
    chosen: Tensor | None = None,
) -> Part:
    """Points of a rule on the cell faces in a grid plane; with a mask `chosen` (e,), of these cells."""
    axis, value, sign = plane
    frame = patches.frame
    d = patches.dimension
    lower, upper = patches.partition.bounds
    edge = upper[:, axis] if sign > 0 else lower[:, axis]
    at = np.abs(edge - value) < 1e-9 * frame.extent[axis]
    if chosen is not None:
        at &= chosen.numpy()
    cells = np.flatnonzero(at)
    low = lower[cells].copy()
    high = upper[cells].copy()
    low[:, axis] = high[:, axis] = value
    crowded = patches.cut[cells]
    parts = []
    for cut in (False, True):
        mine = cells[crowded == cut]
        if cut and not len(mine):
            continue
        t, w = rule(d - 1, 2 * n if cut else n)
        full = torch.zeros(len(t), d, dtype=torch.float64)
        full[:, [i for i in range(d) if i != axis]] = t
        a = torch.from_numpy(low[crowded == cut])
        b = torch.from_numpy(high[crowded == cut])
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


def on_surface(
    patches: Patches, piece: Piece, n: int, rule: Rule = gauss_grid, chosen: Tensor | None = None
) -> Part:
    """Points of a rule on panels of the parameter square, each no longer than the cell it lies in.

    With a mask `chosen` (e,), on those whose middle is in one of these cells.
    """
    k = piece.dimension - 1
    low, high = once(patches.memo, ("panels", piece), lambda: _panels(patches, piece))
    if chosen is not None and not bool(chosen.all()):
        middle = (low + high) / 2
        mine = chosen[owners(patches, piece.map(middle), piece.normal(middle))]
        low = low[mine]
        high = high[mine]
    t, w = rule(k, max(3, round(0.6 * n)))
    parameter = ((low + high)[:, None] / 2 + (high - low)[:, None] / 2 * t).reshape(-1, k)
    x = piece.map(parameter)
    check_deadline()  # of surfaces of many facets, each of these takes half a second
    keep = piece.active(x)
    check_deadline()
    x = x[keep]
    parameter = parameter[keep]
    normals = piece.normal(parameter)
    cells = owners(patches, x, normals)
    check_deadline()
    area = ((high - low).prod(1)[:, None] * w / 2**k).reshape(-1)[keep] * piece.area(parameter)
    check_deadline()
    return x, normals, cells, (area * stretch(patches, cells, normals)).sqrt()


def _panels(patches: Patches, piece: Piece) -> tuple[Tensor, Tensor]:
    """Lower and upper corners (b, d - 1) of panels, halved along an axis while long along it."""
    d = piece.dimension
    low = torch.zeros(1, d - 1, dtype=torch.float64)
    high = torch.ones(1, d - 1, dtype=torch.float64)
    for _ in range(MOST_HALVINGS):
        middle = (low + high) / 2
        cell = owners(patches, piece.map(middle), piece.normal(middle))
        half = torch.from_numpy(patches.half)[cell.clamp_min(0)]
        long = _edges(patches, piece, low, high, half) > PANEL_LENGTH
        if not bool(long.any()):
            break
        for axis in range(d - 1):
            mark = long[:, axis]
            left_high = high.clone()
            right_low = low[mark].clone()
            left_high[mark, axis] = right_low[:, axis] = (low[mark, axis] + high[mark, axis]) / 2
            low = torch.cat([low, right_low])
            high = torch.cat([left_high, high[mark]])
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
