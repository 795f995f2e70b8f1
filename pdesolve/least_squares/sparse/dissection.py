"""Nested dissection: the order in which the faces between patches are eliminated (George 1973)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pdesolve.least_squares.sparse.row_blocks import RowBlocks

# Parts with fewer columns inside are one dense front: below it, overhead outweighs flops
LEAF_COLUMNS = 160


@dataclass
class Front:
    """One node of the elimination tree: faces eliminated here, the later faces they touch, patches that enter."""

    own: np.ndarray
    border: np.ndarray
    children: list[int]
    patches: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))


@dataclass(frozen=True)
class Faces:
    """Couplings of two patches: face f joins pairs[f] (f, 2) by sizes[f] rows, of the block of number blocks[f]."""

    pairs: np.ndarray
    sizes: np.ndarray
    blocks: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @classmethod
    def of(cls, double: Sequence[RowBlocks]) -> Faces:
        """One face for every block of rows that touches two patches."""
        if not double:
            return cls(np.empty((0, 2), dtype=np.int64), np.empty(0, dtype=np.int64))
        counts = [len(block.groups[0]) for block in double]
        pairs = [np.stack([block.groups[0].numpy(), block.groups[1].numpy()], axis=1) for block in double]
        rows = [block.matrices[0].shape[1] for block in double]
        return cls(
            np.concatenate(pairs),
            np.repeat(rows, counts).astype(np.int64),
            np.repeat(np.arange(len(double)), counts),
        )


def nested_dissection(centres: np.ndarray, faces: Faces) -> list[Front]:
    """Elimination tree of the faces, children before parents.

    A part of the patches is halved at the median of its centres along the axis that cuts the fewest rows. The faces
    between the halves are eliminated after all faces inside them.

    Args:
        centres: (e, d) of the patches.
        faces: which patches are coupled.
    """
    fronts: list[Front] = []
    side = np.zeros(len(centres), dtype=np.int8)

    def build(patches: np.ndarray, inner: np.ndarray, outer: np.ndarray) -> int:
        halves = None
        if faces.sizes[inner].sum() > LEAF_COLUMNS and len(patches) > 1:
            halves = _halve(patches, inner, centres, faces, side)
        if halves is None:
            fronts.append(Front(inner, outer, [], patches))
            return len(fronts) - 1
        side[halves[0]] = 1
        side[halves[1]] = 2
        ends = side[faces.pairs[inner]]
        outer_ends = side[faces.pairs[outer]].max(axis=1, initial=0)
        crossing = inner[ends[:, 0] != ends[:, 1]]
        side_of_inner = np.where(ends[:, 0] == ends[:, 1], ends[:, 0], 0)
        parts = []
        for k, half in enumerate(halves, start=1):
            parts.append(
                (half, inner[side_of_inner == k], np.concatenate([outer[outer_ends == k], crossing]))
            )
        side[patches] = 0
        children = [build(*part) for part in parts]
        fronts.append(Front(crossing, outer, children))
        return len(fronts) - 1

    build(np.arange(len(centres)), np.arange(len(faces.sizes)), np.empty(0, dtype=np.int64))
    return fronts


def _halve(
    patches: np.ndarray, inner: np.ndarray, centres: np.ndarray, faces: Faces, side: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Two halves of a part, cut at a median; None where all centres coincide."""
    best = None
    for axis in range(centres.shape[1]):
        x = centres[patches, axis]
        cut = np.partition(x, len(x) // 2)[len(x) // 2]
        low = x < cut
        if not low.any():
            low = x <= cut
        if low.all():
            continue
        side[patches] = np.where(low, 1, 2)
        ends = side[faces.pairs[inner]]
        crossing = faces.sizes[inner[ends[:, 0] != ends[:, 1]]].sum()
        # A short cut is no gain where the halves are unequal: the larger one is cut once more.
        balance = low.mean()
        cost = crossing / max(min(balance, 1 - balance), 1e-3)
        if best is None or cost < best[0]:
            best = (cost, patches[low], patches[~low])
    side[patches] = 0
    if best is None:
        return None
    return best[1:]
