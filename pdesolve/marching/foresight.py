"""Patches for a slab before it is solved: what the polynomial of the last one lets expect."""

from __future__ import annotations

import torch
from torch import Tensor

from pdesolve.marching.refinement import cuts, directions, split, tails
from pdesolve.marching.space import Space
from pdesolve.marching.state import Track

ROUNDING = 3e-15  # predicted truncation of a patch that is rounding
LONGEST = 2.0  # times the last slab: a longer one is not foreseen
# Part of the slab up to which the polynomial is believed: half of it made twice as many patches (Brusselator).
PART = 0.25
NEAR = 0.1  # of the limit: patches that may come to it within a slab


def foreseen(
    track: Track, length: float, scale: Tensor, limit: float
) -> tuple[Space, tuple[Tensor, Tensor]] | None:
    """Finer patches for a slab of this length, where predicted truncations (e,) will pass the limit; None: none."""
    space = track.space
    before = track.before
    if before is None or length > LONGEST * before.length:
        return None
    expected = before.at(1 + torch.tensor([PART], dtype=torch.float64) * length / before.length)
    if not bool(expected.isfinite().all()):
        return None
    # What is far from the limit at the end of a slab and beyond it a moment later is noise of the extrapolation.
    now = tails(space, before.stages[-1:], scale)
    marked = (tails(space, expected, scale) > max(limit, ROUNDING)) & (now > NEAR * limit)
    if not bool(marked.any()):
        return None
    return split(space, marked, directions(space, expected, scale), cuts(space, expected))
