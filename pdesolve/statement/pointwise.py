"""Whether a function of the unknowns depends on its own point alone, as equations, conditions and outputs must."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# Relative difference between half the points and all of them that is more than rounding: sums over a batch may be in
# another order.
POINTWISE = 1e-9
FEWEST = 4  # points of which a half says something
ADVICE = (
    "on half the points it gives other values than on all of them. It may use the unknown and its derivatives at its "
    "own point only, without max, mean, sum or x[0] over the points, and without random numbers; write ∫ u as "
    "Integral(…)"
)


def is_pointwise(values: Callable[[Tensor], Tensor], count: int) -> bool:
    """Whether halves of the points give the same as all of them.

    Args:
        values: numbers of points (k,) ↦ values (k, m).
        count: of the points; fewer than four say nothing.
    """
    if count < FEWEST:
        return True
    shuffled = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    whole = values(torch.arange(count))[shuffled]
    part = torch.cat([values(half) for half in shuffled.chunk(2)])
    scale = whole.nan_to_num(0.0, 0.0, 0.0).abs().amax()
    same = (whole - part).abs() <= POINTWISE * scale
    return bool((same | (whole == part) | (whole.isnan() & part.isnan())).all())
