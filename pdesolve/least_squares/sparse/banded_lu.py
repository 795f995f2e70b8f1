"""Banded LU of K matrices with one pattern, as traces between patches on a line have them.

What is factored is  S_k = D I - Σ_e P_k,e  over the unknowns of faces, as in `frontal_lu`. On a line a patch couples
two faces, and in a good order of the unknowns the matrix is a narrow band, on a circle, too: LAPACK factors it in less
time than the fronts of a dissection take to be put together.

Source: Cuthill & McKee, Reducing the bandwidth of sparse symmetric matrices, Proc. ACM Nat. Conf. 24 (1969) 157–172.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.linalg import get_lapack_funcs
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import reverse_cuthill_mckee
from torch import Tensor

from pdesolve.errors import SolveError


@dataclass(frozen=True, eq=False)
class Band:
    """The order of the unknowns, and where the blocks of patches are in the band.

    Attributes:
        order: (n,) unknowns in the order of elimination.
        width: diagonals below the main one, and above it.
        chosen: of each group of patches, which entries of its blocks (b m m,) count.
        places: of these, their numbers in an array of 3 width + 1 diagonals.
    """

    order: np.ndarray
    width: int
    chosen: list[Tensor]
    places: list[Tensor]

    @classmethod
    def of(cls, size: int, groups: Sequence[Tensor]) -> Band:
        """Order `size` unknowns, given those of the patches (b, m) of each group; -1 where there is none."""
        rows, columns, chosen = [], [], []
        for unknowns in groups:
            row, column = torch.broadcast_tensors(unknowns[:, :, None], unknowns[:, None, :])
            used = torch.nonzero(((row >= 0) & (column >= 0)).flatten())[:, 0]
            chosen.append(used)
            rows.append(row.flatten()[used].numpy())
            columns.append(column.flatten()[used].numpy())
        ends = np.concatenate(rows), np.concatenate(columns)
        graph = csr_matrix((np.ones(len(ends[0])), ends), shape=(size, size))
        order = reverse_cuthill_mckee(graph, symmetric_mode=True)
        position = np.empty(size, dtype=np.int64)
        position[order] = np.arange(size)
        width = int(np.abs(position[ends[0]] - position[ends[1]]).max(initial=0))
        places = [
            torch.from_numpy((2 * width + position[i] - position[j]) * size + position[j])
            for i, j in zip(rows, columns, strict=True)
        ]
        return cls(order, width, chosen, places)

    def factor(self, diagonal: float, blocks: Iterable[Tensor], like: Tensor) -> BandedLU:
        """Factors of `diagonal` I - Σ blocks.

        Args:
            diagonal: D.
            blocks: P of the patches of each group, (K, b, m, m).
            like: (K,) the number of matrices and their kind.

        Raises:
            SolveError: a matrix is singular.
        """
        size = len(self.order)
        band = like.new_zeros(len(like), (3 * self.width + 1) * size)
        band[:, 2 * self.width * size : (2 * self.width + 1) * size] = diagonal
        for chosen, places, part in zip(self.chosen, self.places, blocks, strict=True):
            band.index_add_(1, places, part.flatten(1)[:, chosen], alpha=-1)
        diagonals = band.view(len(like), -1, size).numpy()
        factorise, substitute = get_lapack_funcs(("gbtrf", "gbtrs"), (diagonals,))
        factors = []
        for matrix in diagonals:
            lu, pivots, info = factorise(matrix, self.width, self.width)
            if info != 0:
                message = "a stage system is singular: equation and conditions leave something undetermined"
                raise SolveError(message)
            factors.append((lu, pivots))
        return BandedLU(self, factors, substitute)


@dataclass(frozen=True, eq=False)
class BandedLU:
    """Factors and pivots of each matrix, and what LAPACK solves with them by."""

    band: Band
    factors: list[tuple[np.ndarray, np.ndarray]]
    substitute: Any

    def solve(self, right: Tensor) -> Tensor:
        """Solutions (K, n) of right-hand sides (K, n)."""
        band = self.band
        sorted_right = right.numpy()[:, band.order]
        found = np.empty_like(sorted_right)
        for number, (lu, pivots) in enumerate(self.factors):
            x, _ = self.substitute(lu, band.width, band.width, sorted_right[number], pivots)
            found[number, band.order] = x
        return torch.from_numpy(found)
