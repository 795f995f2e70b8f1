"""Collocation points of a solve on boundaries: every piece cut at the cells it passes through."""

from __future__ import annotations

import numpy as np
import torch

from pdesolve.geometry.place import Place
from pdesolve.patches.cells import Patches
from pdesolve.patches.points.curves import on_curve
from pdesolve.patches.points.interior import Points
from pdesolve.patches.points.owners import batched, ends_of, owners
from pdesolve.patches.points.surfaces import between_grid_planes, on_plane, on_surface
from pdesolve.runs.deadline import check_deadline

__all__ = ["boundary_points", "owners"]
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
    domain = patches.frame.domain
    frame = patches.frame
    n = int(q.max())
    pieces = frame.pieces_on(place)
    if not pieces:
        return _point_batches(patches, place, q)
    parts = []
    for piece in pieces:
        check_deadline()
        plane = frame.plane(piece)
        if domain.dimension == 1:
            parts.append(ends_of(patches, piece))
        elif domain.dimension == 2:
            parts.append(on_curve(patches, piece, n))
        elif plane is not None and not between_grid_planes(patches, plane):
            parts.append(on_plane(patches, piece, plane, n))
        else:
            parts.append(on_surface(patches, piece, n))
    x, normals, cells, weight = (torch.cat(column) for column in zip(*parts, strict=True))
    return batched(x @ frame.rotation, normals, cells, weight, q, batch)


def _point_batches(patches: Patches, place: Place, q: np.ndarray) -> list[Points]:
    rule = place.rule(patches.frame.domain, int(q.max()))
    x = rule.points
    y = (x @ patches.frame.rotation).numpy()
    middle = (patches.frame.lower + patches.frame.upper) / 2
    y = y + INWARDS * (middle - y)
    cells = torch.from_numpy(patches.partition.locate(y, patches.frame.part_of(torch.from_numpy(y))))
    weight = torch.ones(len(x), dtype=torch.float64)
    return batched(x @ patches.frame.rotation, torch.zeros_like(x), cells, weight, q, len(x) + 1)
