"""Whether many cells are alike, so that the matrix of one serves all."""

from __future__ import annotations

from torch import Tensor

EQUAL = 1e-13  # relative difference of coordinates or coefficients that is rounding


def all_equal(a: Tensor) -> bool:
    """Whether all a[i] are a[0], but for the rounding of coordinates."""
    return len(a) > 1 and bool((a - a[:1]).abs().amax() <= EQUAL * a[0].abs().amax())


def equal_by_slot(dF: Tensor) -> bool:
    """Whether all dF[i] (b, m, c, s) are dF[0], each slot by its own size: slots have units of their own."""
    size = dF[0].abs().amax(0)
    return len(dF) > 1 and bool(((dF - dF[:1]).abs().amax((0, 1)) <= EQUAL * size).all())
