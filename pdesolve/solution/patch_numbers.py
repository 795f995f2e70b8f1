"""In which patch of a solution points are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pdesolve.marching.expansion import CollocatedMixture, MarchedMixture
from pdesolve.marching.ordinary.polynomials import TimePolynomials
from pdesolve.patches.mixture import PartitionedMixture


def patch_numbers(expansion: Any, points: Tensor) -> Tensor:
    """Numbers (n,) of the patches (and slabs) of points (n, d), from 0 on without gaps; all 0 where there are none."""
    if isinstance(expansion, PartitionedMixture):
        found = torch.from_numpy(expansion.patch_of(points @ expansion.rotation))
    elif isinstance(expansion, (MarchedMixture, CollocatedMixture, TimePolynomials)):
        found = _in_slabs(expansion, points)
    else:
        found = torch.zeros(len(points), dtype=torch.long)
    return found.unique(return_inverse=True)[1]


def _in_slabs(expansion: Any, points: Tensor) -> Tensor:
    slab = torch.searchsorted(expansion.times[1:-1].contiguous(), points[:, -1].contiguous())
    if isinstance(expansion, TimePolynomials):
        return slab
    found = torch.zeros(len(points), dtype=torch.long)
    first = 0
    for k in slab.unique().tolist():
        mine = slab == k
        mixture = expansion.slabs[k]
        x = points[mine] if isinstance(expansion, MarchedMixture) else points[mine, :-1]
        found[mine] = first + torch.from_numpy(mixture.patch_of(x @ mixture.rotation))
        first += len(mixture.host)
    return found
