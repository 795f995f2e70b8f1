"""In which patch of a solution points are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pdesolve.solution.measures import is_trained


def patch_numbers(approximator: Any, points: Tensor) -> Tensor:
    """Numbers (n,) of the patches (and slabs) of points (n, d); all 0 where there are none."""
    if is_trained(approximator):
        return torch.zeros(len(points), dtype=torch.long)
    return approximator.piece_of(points)
