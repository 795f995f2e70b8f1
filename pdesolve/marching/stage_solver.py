"""The stage systems B_k δ = b: patches are eliminated, what is left are traces on faces.

With the trace g of every face as an unknown of its own, the row of continuity f (T₋ u₋ - T₊ u₊) is  √2 f (T u - g)
from both sides, minimised over g. Then a patch meets others through traces alone:

    Loc = B + 2 Σ f² TᵀT,      S = 2 I - Σ √2f T Loc⁻¹ Tᵀ √2f,      u = Loc⁻¹ (b + √2 f Tᵀ g).

Patches are eliminated by batched inverses, S by a sparse LU; what either loses is won back by the iteration on the true
residual (`step`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import splu
from torch import Tensor

from pdesolve.errors import SolveError
from pdesolve.marching.semi_discrete import Linearised, SemiDiscrete


@dataclass(eq=False)
class StageSolver:
    """What of the elimination depends on the patches alone."""

    system: SemiDiscrete

    @cached_property
    def faces_of_patch(self) -> tuple[Tensor, Tensor]:
        """Faces of each patch (e, g) with the number of faces where there are fewer, and sides (e, g)."""
        faces, patches = self.system.faces, len(self.system.space)
        count = len(faces)
        owner = torch.cat([faces.minus, faces.plus])
        order = torch.argsort(owner, stable=True)
        each = torch.bincount(owner, minlength=patches)
        most = int(each.max()) if len(owner) else 0
        number = torch.full((patches, most), count)
        side = torch.zeros((patches, most), dtype=torch.long)
        rank = torch.arange(len(owner)) - (each.cumsum(0) - each)[owner[order]]
        number[owner[order], rank] = order % max(count, 1)
        side[owner[order], rank] = order // max(count, 1)
        return number, side

    @cached_property
    def traces(self) -> Tensor:
        """T of all faces of each patch, (e, g r, n), zero where there are fewer."""
        number, side = self.faces_of_patch
        faces = self.system.faces
        padded = torch.cat([faces.traces, faces.traces.new_zeros(2, 1, *faces.traces.shape[2:])], dim=1)
        return padded[side, number].flatten(1, 2)

    @cached_property
    def pattern(self) -> _Pattern:
        """Where the entries of S stand."""
        number, _ = self.faces_of_patch
        faces = self.system.faces
        rows = faces.traces.shape[2]
        first = torch.cat([faces.rows.cumsum(0) - faces.rows, torch.tensor([0])])
        used = torch.cat([faces.rows, torch.tensor([0])])[number][:, :, None] > torch.arange(rows)
        place = (first[number][:, :, None] + torch.arange(rows)).flatten(1)
        return _Pattern.of(place, used.flatten(1), int(faces.rows.sum()))

    def factor(self, linearised: Linearised, mu: Tensor) -> StageFactors:
        """Factors of B_k for μ (k,)."""
        pencil = linearised.pencil
        local = sum((mu**j).view(-1, 1, 1, 1) * part for j, part in enumerate(pencil))
        if not len(self.system.faces):
            return StageFactors(self, _inverse(local), self.traces, [])  # type: ignore[arg-type]
        number, _ = self.faces_of_patch
        weights = torch.cat([linearised.face_weights, torch.zeros(1, dtype=torch.float64)])[number]
        rows = self.system.faces.traces.shape[2]
        traces = self.traces * (2**0.5 * weights).repeat_interleave(rows, dim=1)[..., None]
        inverse = _inverse(local + traces.mT @ traces)
        product = traces.to(inverse.dtype) @ inverse @ traces.mT.to(inverse.dtype)
        return StageFactors(self, inverse, traces, [self.pattern.factor(part) for part in product])


@dataclass(eq=False)
class StageFactors:
    """Factors of the stage systems.

    Attributes:
        solver: what they belong to.
        inverse: Loc⁻¹ (k, e, n, n).
        traces: √2 f T (e, g r, n).
        skeletons: factors of S, one for each k.
    """

    solver: StageSolver
    inverse: Tensor
    traces: Tensor
    skeletons: list[Any]

    def solve(self, b: Tensor) -> Tensor:
        """δ (k, e, n) of right-hand sides (k, e, n)."""
        u = (self.inverse @ b[..., None])[..., 0]
        if not self.skeletons:
            return u
        pattern = self.solver.pattern
        traces = self.traces
        flux = torch.complex(*(torch.einsum("egn,ken->keg", traces, part) for part in (u.real, u.imag)))
        g = torch.stack([pattern.solve(lu, part) for lu, part in zip(self.skeletons, flux, strict=True)])
        back = torch.complex(*(torch.einsum("egn,keg->ken", traces, part) for part in (g.real, g.imag)))
        return (self.inverse @ (b + back)[..., None])[..., 0]


@dataclass(frozen=True, eq=False)
class _Pattern:
    """How blocks (e, g, g) of patches add up to a sparse matrix of the traces."""

    place: Tensor
    used: Tensor
    size: int
    entry: Tensor  # of all entries of all blocks that are used: number in the sparse matrix
    chosen: Tensor  # which entries of all blocks are used
    diagonal: Tensor
    indices: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, place: Tensor, used: Tensor, size: int) -> _Pattern:
        row = place[:, :, None].expand(-1, -1, place.shape[1])
        column = place[:, None, :].expand(-1, place.shape[1], -1)
        chosen = torch.nonzero((used[:, :, None] & used[:, None, :]).flatten())[:, 0]
        key = (column.flatten()[chosen] * size + row.flatten()[chosen]).contiguous()
        found, entry = torch.unique(key, return_inverse=True)
        diagonal = torch.searchsorted(found, torch.arange(size) * (size + 1))
        starts = torch.searchsorted(found, torch.arange(size + 1) * size)
        indices = (found % size).numpy().astype(np.int32)
        return cls(place, used, size, entry, chosen, diagonal, indices, starts.numpy().astype(np.int32))

    def factor(self, blocks: Tensor) -> Any:
        """LU of 2 I - Σ blocks."""
        values = blocks.new_zeros(len(self.indices))
        values.index_add_(0, self.entry, blocks.flatten()[self.chosen], alpha=-1.0)
        values[self.diagonal] += 2.0
        matrix = csc_matrix((values.numpy(), self.indices, self.starts), shape=(self.size, self.size))
        try:
            return splu(
                matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.1, options={"SymmetricMode": True}
            )
        except RuntimeError as error:
            message = f"a stage system is singular: {error}"
            raise SolveError(message) from error

    def solve(self, lu: Any, flux: Tensor) -> Tensor:
        """Traces (e, g) of what patches send to their faces (e, g)."""
        right = flux.new_zeros(self.size)
        right.index_add_(0, self.place[self.used], flux[self.used])
        g = torch.from_numpy(lu.solve(right.numpy()))
        return torch.where(self.used, g[torch.where(self.used, self.place, 0)], 0.0)


def _inverse(matrices: Tensor) -> Tensor:
    try:
        return torch.linalg.inv(matrices)
    except RuntimeError as error:
        message = (
            f"equation and conditions leave something undetermined on a patch: {str(error).splitlines()[0]}"
        )
        raise SolveError(message) from error
