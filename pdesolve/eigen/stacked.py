"""Several modes on one space as one function: its unknowns are those of every mode, one mode after the other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.assembly import Assembly
from pdesolve.patches.newton import Discrete
from pdesolve.patches.space import Space


def stacked(space: Space, coefficients: Tensor, residual: float, residual_of_patch: np.ndarray) -> Discrete:
    """Modes (p, k) as one discrete function of k u unknowns, without rows.

    Args:
        space: of the modes.
        coefficients: their columns.
        residual: what their rows leave, all together.
        residual_of_patch: (e,) the same by patches.
    """
    count = coefficients.shape[1]
    wide = wide_space(space, count)
    c = wide.zero()
    for points in space.interior:
        own = coefficients[space.columns(points.cells)]  # (b, u k, modes)
        c[wide.columns(points.cells)] = own.transpose(1, 2).flatten(1)
    c[wide.layout.total :] = coefficients[space.layout.total :].T.flatten()
    return Discrete(Assembly(wide, []), c, True, residual, 1, residual_of_patch)


def unstacked(space: Space, count: int, c: Tensor) -> Tensor:
    """The columns (p, k) of a function of k u unknowns on one space; the reverse of `stacked`.

    Args:
        space: of the modes.
        count: k.
        c: coefficients of the function.
    """
    wide = wide_space(space, count)
    found = c.new_zeros(len(space.zero()), count)
    for points in space.interior:
        own = c[wide.columns(points.cells)].view(len(points.cells), count, -1)
        found[space.columns(points.cells)] = own.transpose(1, 2)
    found[space.layout.total :] = c[wide.layout.total :].view(count, -1).T
    return found


def carried(space: Space, source: Space, coefficients: Tensor) -> Tensor:
    """Columns (p, k) that stand for modes of another space: exactly on the same patches, else the best local fit."""
    count = coefficients.shape[1]
    old = stacked(source, coefficients, 0.0, np.zeros(len(source.patches)))
    found = wide_space(space, count).prolong(old.assembly.space, old.coefficients)
    return unstacked(space, count, found)


def wide_space(space: Space, count: int) -> Space:
    """The same space for as many times the unknowns."""
    orders = np.tile(space.orders, (count, 1))
    return Space(space.patches, space.q, orders, space.device, space.basis, space.corners)


def values(space: Space, coefficients: Tensor) -> Tensor:
    """Values at the collocation points times roots of their quadrature weights, (n, u, k): Gram matrices are products.

    Args:
        space: of the modes.
        coefficients: (p, k).
    """
    found = []
    for points in space.interior:
        own = coefficients[space.columns(points.cells)]
        own = own.view(len(points.cells), space.unknowns, -1, coefficients.shape[1])  # (b, u, j, k)
        table = space.value_table(points).expand(len(own), -1, -1)
        v = torch.einsum("bmj,bujk->bmuk", table, own)
        singular = space.singular_table(points.cells, points.y, [(0, (0,) * space.dimension)])
        if singular is not None:
            v = v + (singular[0] @ coefficients[space.layout.total :])[:, :, None]
        found.append((v * space.volume_weights(points).sqrt()[:, :, None, None]).flatten(0, 1))
    return torch.cat(found)
