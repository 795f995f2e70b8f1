"""Points on interfaces between two sub-domains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.geometry.place import Piece
from pdesolve.patches.cells import Patches
from pdesolve.patches.points.curves import on_curve
from pdesolve.patches.points.owners import batched, ends_of, owners
from pdesolve.patches.points.surfaces import on_surface


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
    n = int(q.max())
    parts = []
    for piece in pieces:
        if piece.dimension == 2 and not len(piece.intervals):
            continue
        if piece.dimension == 1:
            part = ends_of(patches, piece)
        elif piece.dimension == 2:
            part = on_curve(patches, piece, n, both=True)
        else:
            part = on_surface(patches, piece, n)
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
            pairs[found.cells, 0].numpy(),
            pairs[found.cells, 1].numpy(),
            found.y,
            found.given_normals,
            found.weight,
        )
        for found in batched(x @ patches.frame.rotation, normals, place, weight, key, batch)
    ]
