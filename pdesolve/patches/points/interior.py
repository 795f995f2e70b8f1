"""Collocation points of a solve inside the domain.

Weights are square roots of reference quadrature weights on [-1, 1]^d, so that cells of every size count alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.basis import basis_size
from pdesolve.patches.cells import Patches
from pdesolve.patches.frame import once
from pdesolve.patches.points.grids import gauss_grid

CUT_ROWS = 6  # most collocation points of a cut cell, for each of its basis functions


@dataclass(frozen=True)
class Points:
    """Collocation points in batches: b cells with m points each.

    Attributes:
        cells: (b,) patches.
        y: (b, m, d) in grid coordinates.
        weight: (b, m) square roots of reference weights, zero where padded.
        congruent: whether all cells share the same local coordinates t (tables of one serve all).
        normals: (b, m, d) outward normals in x coordinates, on boundaries.
    """

    cells: np.ndarray
    y: Tensor
    weight: Tensor
    congruent: bool = False
    normals: Tensor | None = None

    @property
    def given_normals(self) -> Tensor:
        """The normals of points on a boundary."""
        assert self.normals is not None
        return self.normals


Rule = Callable[[int, int], tuple[Tensor, Tensor]]


def interior_points(
    patches: Patches, q: np.ndarray, per_axis: Callable[[int], int], batch: int, rule: Rule = gauss_grid
) -> list[Points]:
    """Points of a rule in every cell; in cut cells those inside of twice as many per axis, or a random part of them.

    Args:
        patches: the patches.
        q: (e,) their orders.
        per_axis: order ↦ points per axis.
        batch: at most so many cells in a batch.
        rule: (d, n) ↦ n^d points (n^d, d) on [-1, 1]^d and their weights (n^d,).

    Returns:
        Batches of cells of one order, congruent or cut; every patch is in one of them.
    """
    result = []
    classes = once(patches.memo, ("classes", q), lambda: _classes(patches, q))
    for cells in classes:
        order = int(q[cells[0]])
        cut = bool(patches.cut[cells[0]])
        n = per_axis(order)
        t, w = rule(patches.dimension, 2 * n if cut else n)
        w = w.sqrt()
        for start in range(0, len(cells), batch):
            part = cells[start : start + batch]
            centre, half = (torch.from_numpy(a[part])[:, None] for a in (patches.centre, patches.half))
            y = centre + half * t
            if not cut:
                result.append(Points(part, y, w.expand(len(part), -1), congruent=True))
                continue
            inside = torch.from_numpy(patches.frame.inside(y.numpy(), patches.partition.part[part]))
            count = inside.sum(1)
            most = CUT_ROWS * basis_size(patches.dimension, order)
            m = max(1, min(int(count.max()), most))
            # A random part is spread over what is inside; the first ones would lie in one corner.
            pick = torch.argsort((~inside).to(w) + _shuffle(len(t)), dim=1)[:, :m]
            y = torch.gather(y, 1, pick[:, :, None].expand(-1, -1, y.shape[2]))
            weight = torch.gather(w.expand(len(part), -1) * inside, 1, pick)
            # Leaving points out must not change what the cell weighs beside its neighbours.
            measure = (w**2 * inside).sum(1) / (weight**2).sum(1).clamp_min(1e-300)
            weight = weight * measure.sqrt()[:, None]
            # Padding repeats a point inside, where all functions of the problem are defined.
            y = torch.where((weight > 0)[:, :, None], y, y[:, :1])
            result.append(Points(part, y, weight))
    return result


@lru_cache
def _shuffle(n: int) -> Tensor:
    """Random numbers (n,) in [0, 1), always the same."""
    return torch.rand(n, generator=torch.Generator().manual_seed(n), dtype=torch.float64)


def _classes(patches: Patches, q: np.ndarray) -> list[np.ndarray]:
    """Groups of cells with the same order that are uncut and congruent, or cut."""
    extent = patches.frame.extent
    # Half widths of equal cells differ by rounding; 1e-12 of the domain is above it and below any cell.
    size = np.round(patches.half / extent * 1e12).astype(np.int64)
    size[patches.cut] = 0
    key = np.concatenate([size, np.asarray(q)[:, None], patches.cut[:, None]], axis=1)
    _, label = np.unique(key, axis=0, return_inverse=True)
    label = label.reshape(-1)
    order = np.argsort(label, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
