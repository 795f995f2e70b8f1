"""Whether many cells are alike, so that the matrix of one serves all."""

from __future__ import annotations

from torch import Tensor

EQUAL = 1e-13  # relative difference of coordinates or coefficients that is rounding


def all_equal(a: Tensor) -> bool:
    """Whether all a[i] are a[0], but for the rounding of coordinates."""
    return len(a) > 1 and bool((a - a[:1]).abs().amax() <= EQUAL * a[0].abs().amax())
