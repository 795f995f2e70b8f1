"""Rows of least squares as the patches see them: a row that joins two patches has a side on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.least_squares.sparse.numbering import Numbering, ranges
from pdesolve.least_squares.sparse.row_blocks import Columns, RowBlocks, lower_gram, shared


@dataclass(frozen=True)
class Side:
    """Rows of a block as the patches on one side of it see them.

    Attributes:
        patches: (b,) the patches.
        matrix: (b, m, k) the matrices.
        columns: (b, k) column numbers.
        starts: (b,) first row of each face among those of its patch; 0 for rows of one patch.
        number: which of one or two patches.
        joins: whether the rows touch another patch, too.
    """

    patches: np.ndarray
    matrix: Tensor
    columns: Tensor
    starts: np.ndarray
    number: int
    joins: bool

    @property
    def weight(self) -> float:
        """Of the Gram matrix: rows that join two patches enter √2 times each."""
        return 1.0 + self.joins

    def scaled(self, chosen: Tensor, scale: Tensor) -> Tensor:
        """The chosen matrices with scaled columns."""
        return self.matrix[chosen] * scale[self.columns[chosen]][:, None, :]

    def gram(self, chosen: np.ndarray) -> Tensor:
        """Lower triangles of MᵀM (·, k, k) of the chosen patches."""
        if shared(self.matrix):
            return lower_gram(self.matrix[:1]).expand(len(chosen), -1, -1)
        if len(chosen) == len(self.matrix):
            return lower_gram(self.matrix)
        return lower_gram(self.matrix[torch.from_numpy(chosen).to(self.matrix.device)])

    def within(self, number: np.ndarray, layout: Columns) -> Side | None:
        """The rows of the patches that have a number (e,) ≥ 0, by these numbers in another layout; None for none."""
        mine = number[self.patches]
        kept = np.flatnonzero(mine >= 0)
        if not len(kept):
            return None
        patches = mine[kept]
        columns = layout.of(torch.from_numpy(patches)).to(self.columns.device)
        if len(kept) == len(mine):
            matrix = self.matrix
        elif shared(self.matrix):
            matrix = self.matrix[:1].expand(len(kept), -1, -1)
        else:
            matrix = self.matrix[torch.from_numpy(kept).to(self.matrix.device)]
        return Side(patches, matrix, columns, self.starts[kept], self.number, self.joins)


@dataclass(frozen=True)
class PatchRows:
    """All rows, by the patches they touch.

    Attributes:
        layout: columns of the patches.
        scale: (p,) of the columns.
        sides: every block from every side.
    """

    layout: Columns
    scale: Tensor
    sides: list[Side]

    @classmethod
    def of(
        cls,
        layout: Columns,
        scale: Tensor,
        single: list[RowBlocks],
        double: list[RowBlocks],
        numbering: Numbering,
    ) -> PatchRows:
        """Rows of one patch, and rows that join two, whose faces are numbered in the order of the blocks."""
        sides = []
        for block in single:
            patches = block.groups[0].numpy()
            starts = np.zeros(len(patches), dtype=np.int64)
            sides.append(Side(patches, block.matrices[0], block.columns[0], starts, 0, False))
        begin = 0
        for block in double:
            faces = slice(begin, begin + len(block.groups[0]))
            begin = faces.stop
            for i in range(2):
                starts = numbering.local[faces, i]
                sides.append(
                    Side(block.groups[i].numpy(), block.matrices[i], block.columns[i], starts, i, True)
                )
        return cls(layout, scale, sides)

    def within(self, patches: np.ndarray) -> PatchRows:
        """The rows as some patches, ascending, see them."""
        number = np.full(len(self.layout.sizes), -1)
        number[patches] = np.arange(len(patches))
        chosen = torch.from_numpy(patches)
        layout = Columns(self.layout.sizes[chosen])
        sides = [part for side in self.sides if (part := side.within(number, layout)) is not None]
        columns = ranges(self.layout.offsets[chosen].numpy(), layout.sizes.numpy())
        return PatchRows(layout, self.scale[columns.to(self.scale.device)], sides)


def split(rows: Sequence[RowBlocks]) -> tuple[list[RowBlocks], list[RowBlocks]]:
    """Blocks of rows of one patch, and of rows of two; those that touch a patch from both sides are of one."""
    merged = [part for block in rows for part in block.merged()]
    single = [block for block in merged if len(block.groups) == 1]
    double = [block for block in merged if len(block.groups) == 2]
    return single, double
