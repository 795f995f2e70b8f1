"""Which patch a boundary point belongs to, and how many points there are in each."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import SolveError
from pdesolve.geometry.place import Piece
from pdesolve.patches.cells import Patches
from pdesolve.patches.points.interior import Points
from pdesolve.runs.deadline import check_deadline
from pdesolve.runs.wording import named

NUDGE = 1e-8  # of the domain: step inwards that decides which of two cells a boundary point belongs to
WITHIN = 0.1  # of the narrowest cell: a longer step would pass over the cell that ends at the boundary
# Of the domain: below it a step is lost in the rounding of the points themselves.
LEAST_NUDGE = 1e-13
ROUNDING = 16 * torch.finfo(torch.float64).eps  # of coordinates, in units of the largest of them
DEPTHS = (1e-6, 1e-4, 1e-3, 3e-3, 1e-2, 2e-2, 4e-2)  # where even that step finds no cell
REACH = 0.1  # of the domain: how far from all cells a boundary point may lie
AT_ONCE = 1_000_000  # distances between points and cells

Part = tuple[Tensor, Tensor, Tensor, Tensor]  # points (n, d), normals (n, d), patches (n,), weights (n,)


def nudge(patches: Patches) -> float:
    """The step inwards by which owners of boundary points are found, in units of the widest side of the domain.

    Patches toward an end where a coefficient is singular are narrower than 1e-8: with a fixed step, a value stated
    there would be one of a patch further inside, and the patches at the end would have none.
    """
    frame = patches.frame
    size = float(frame.extent.max())
    within = WITHIN * float(patches.partition.half.min()) / size
    corners = np.abs([frame.lower, frame.upper])
    return max(min(NUDGE, within), LEAST_NUDGE, ROUNDING * float(corners.max()) / size)


def owners(patches: Patches, x: Tensor, normals: Tensor) -> Tensor:
    """The patch against the normal of each boundary point, or the nearest one where a sliver of the domain has none.

    Raises:
        SolveError: part of the domain is so thin and so far from all cells that it has been lost.
    """
    frame = patches.frame
    found = torch.full((len(x),), -1, dtype=torch.long)
    size = float(frame.extent.max())
    for depth in (nudge(patches), *DEPTHS):
        lost = torch.nonzero(found < 0)[:, 0]
        if not len(lost):
            break
        check_deadline()
        y = (x[lost] - depth * size * normals[lost]) @ frame.rotation
        y = y.clamp(torch.from_numpy(frame.lower), torch.from_numpy(frame.upper))
        found[lost] = torch.from_numpy(patches.partition.locate(y.numpy(), frame.part_of(y)))
    lost = torch.nonzero(found < 0)[:, 0]
    found[lost] = _nearest(patches, x[lost])
    return found


def _nearest(patches: Patches, x: Tensor) -> Tensor:
    """The cell nearest to each point (n, d)."""
    frame = patches.frame
    found = torch.zeros(len(x), dtype=torch.long)
    lower, upper = (torch.from_numpy(corner) for corner in patches.partition.bounds)
    for part in torch.split(torch.arange(len(x)), max(1, AT_ONCE // len(patches))):
        check_deadline()
        y = (x[part] @ frame.rotation)[:, None]
        distance, found[part] = (torch.maximum(lower - y, y - upper).clamp_min(0).norm(dim=2)).min(dim=1)
        if bool((far := distance > REACH * float(frame.extent.max())).any()):
            where = ", ".join(f"{v:.4g}" for v in x[part][far][0].tolist())
            message = f"the domain near ({where}) is thinner than the cells can see; raise {named('cells')}"
            raise SolveError(message)
    return found


def ends_of(patches: Patches, piece: Piece) -> Part:
    """The ends of an interval, with their patches."""
    nothing = torch.zeros(1, 0, dtype=torch.float64)
    x = piece.map(nothing)
    normals = piece.normal(nothing)
    keep = piece.active(x)
    x = x[keep]
    normals = normals[keep]
    return x, normals, owners(patches, x, normals), torch.ones(len(x), dtype=torch.float64)


def stretch(patches: Patches, cells: Tensor, normals: Tensor) -> Tensor:
    """Area in reference units over true area (n,): |H∘n| / Π H, since dA' = det(A) |A^{-T} n| dA for A = diag(1/H)."""
    half = torch.from_numpy(patches.half)[cells]
    return (half * (normals @ patches.frame.rotation)).norm(dim=1) / half.prod(1)


def batched(
    y: Tensor, normals: Tensor, cells: Tensor, weight: Tensor, q: np.ndarray, batch: int
) -> list[Points]:
    """Group points by cell; cells of one order with the same number of points share a batch."""
    known = cells >= 0
    y = y[known]
    normals = normals[known]
    cells = cells[known]
    weight = weight[known]
    order = torch.argsort(cells, stable=True)
    y = y[order]
    normals = normals[order]
    cells = cells[order]
    weight = weight[order]
    unique, count = torch.unique_consecutive(cells, return_counts=True)
    start = torch.cumsum(count, 0) - count
    check_deadline()
    result = []
    kinds = torch.stack([count, torch.from_numpy(q)[unique]], dim=1)
    for kind in torch.unique(kinds, dim=0):
        m = int(kind[0])
        chosen = torch.nonzero((kinds == kind).all(1))[:, 0]
        for part in torch.split(chosen, max(1, batch)):
            index = start[part][:, None] + torch.arange(m)
            result.append(Points(unique[part].numpy(), y[index], weight[index], normals=normals[index]))
    return result
