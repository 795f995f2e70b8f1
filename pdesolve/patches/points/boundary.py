"""Collocation points of a solve on boundaries: every piece cut at the cells it passes through."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pdesolve.geometry.place import Place
from pdesolve.patches.cells import Patches
from pdesolve.patches.points.curves import on_curve
from pdesolve.patches.points.grids import gauss_grid
from pdesolve.patches.points.interior import Points, Rule
from pdesolve.patches.points.owners import Part, batched, ends_of, owners
from pdesolve.patches.points.surfaces import between_grid_planes, on_plane, on_surface
from pdesolve.runs.deadline import check_deadline

__all__ = ["boundary_points", "owners", "points_on_pieces"]
INWARDS = (
    1e-7  # part of the way to the middle of the box, by which a point of its own moves to be found in a cell
)


def boundary_points(patches: Patches, place: Place, q: np.ndarray, batch: int) -> list[Points]:
    """Points of one place, batched by the patches they belong to.

    Args:
        patches: the patches.
        place: where a condition holds.
        q: (e,) orders of the patches.
        batch: at most so many cells in a batch.
    """
    if not patches.frame.pieces_on(place):
        return _point_batches(patches, place, q)
    x, normals, cells, weight = points_on_pieces(patches, place, int(q.max()))
    return batched(x @ patches.frame.rotation, normals, cells, weight, q, batch)


def points_on_pieces(
    patches: Patches, place: Place, n: int, rule: Rule = gauss_grid, chosen: Tensor | None = None
) -> Part:
    """Points (m, d) on the pieces of one place, with their normals, patches and weights.

    Args:
        patches: the patches.
        place: with pieces of the boundary.
        n: points along each axis of each part of a piece.
        rule: (d - 1, n) ↦ points on [-1, 1]^(d - 1), and their weights.
        chosen: mask (e,) of the patches that have any; all of them by default.
    """
    frame = patches.frame
    if chosen is None:
        chosen = torch.ones(len(patches), dtype=torch.bool)
    parts = []
    for piece in frame.pieces_on(place):
        check_deadline()
        plane = frame.plane(piece)
        if patches.dimension == 1:
            parts.append(ends_of(patches, piece))
        elif patches.dimension == 2:
            parts.append(on_curve(patches, piece, n, rule=rule, chosen=chosen))
        elif plane is not None and not between_grid_planes(patches, plane):
            parts.append(on_plane(patches, piece, plane, n, rule, chosen))
        else:
            parts.append(on_surface(patches, piece, n, rule, chosen))
    x, normals, cells, weight = (torch.cat(column) for column in zip(*parts, strict=True))
    return x, normals, cells, weight


def _point_batches(patches: Patches, place: Place, q: np.ndarray) -> list[Points]:
    rule = place.rule(patches.frame.domain, int(q.max()))
    x = rule.points
    y = (x @ patches.frame.rotation).numpy()
    middle = (patches.frame.lower + patches.frame.upper) / 2
    y = y + INWARDS * (middle - y)
    cells = torch.from_numpy(patches.partition.locate(y, patches.frame.part_of(torch.from_numpy(y))))
    weight = torch.ones(len(x), dtype=torch.float64)
    return batched(x @ patches.frame.rotation, torch.zeros_like(x), cells, weight, q, len(x) + 1)
