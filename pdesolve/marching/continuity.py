"""Weights of the rows of continuity between patches."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

VALUE_WEIGHT = 10.0  # of [u]: jumps of values rule the error
# Of h^k [∂^k u/∂n^k], k = 1, 2, …, for unknowns up to third order: with less at k = 2 (0.1) u_xxx on uneven patches
# grew by 4 % in a slab.
FLUX_WEIGHTS = (1.0, 0.3, 0.1)
# For higher orders: rows of high derivatives are large, q^{2k} in units of u, and with more weight the stage systems of
# u_xxxx lose all digits where slabs are short.
HIGH_FLUX_WEIGHTS = (1.0, 0.1, 0.01, 0.001, 0.0001)


def weights_of(order: int) -> tuple[float, ...]:
    """Weights of the jumps of an unknown and of its derivatives below its order."""
    flux = FLUX_WEIGHTS if order <= len(FLUX_WEIGHTS) else HIGH_FLUX_WEIGHTS
    return (VALUE_WEIGHT, *flux)


def used_rows(orders: np.ndarray, rows: int) -> Tensor:
    """Which rows (u, r) of traces, derivative after derivative, are in use."""
    powers = torch.arange(int(orders.max())).repeat_interleave(rows // int(orders.max()))
    return torch.from_numpy(orders)[:, None] > powers
