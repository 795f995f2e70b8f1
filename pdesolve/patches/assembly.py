"""Rows r, J of a least-squares problem on a space, put together from their sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from pdesolve.least_squares.sparse.row_blocks import Columns
from pdesolve.patches.cells import Patches
from pdesolve.patches.compiled import GridTerm, Statement, orders_of
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.patches.points.interior import Points
from pdesolve.patches.rows.source import Linearised, Rows, RowSource
from pdesolve.patches.rows.terms import TermRows
from pdesolve.patches.rows.weights import FLUX_WEIGHTS, VALUE_WEIGHT
from pdesolve.patches.space import Space

__all__ = ["FLUX_WEIGHTS", "VALUE_WEIGHT", "Assembly", "GridTerm", "Statement", "orders_of"]
S = TypeVar("S", bound=RowSource)


class Assembly:
    """All rows on one space.

    Args:
        space: where the unknowns live.
        sources: where rows come from; their order is that of the blocks of rows.
    """

    def __init__(self, space: Space, sources: Sequence[RowSource]):
        self.space = space
        self.sources = tuple(sources)

    @property
    def linear(self) -> bool:
        """Whether all rows are the same at all coefficients."""
        return all(source.linear for source in self.sources)

    def linearise(self, c: Tensor) -> tuple[list[Rows], list[Tensor], list[Any]]:
        """All rows at coefficients c (p,).

        Returns:
            The Jacobian in blocks, the weighted residuals (b, m) of each block, and the scales of each source
            (for `residuals` along a line search).

        Raises:
            SolveError: a residual is not finite, or does not vanish and depends on nothing.
        """
        found: list[Linearised] = [source.linearise(c) for source in self.sources]
        rows = [block for part in found for block in part.rows]
        residuals = [r for part in found for r in part.residuals]
        return rows, residuals, [part.scales for part in found]

    def residuals(self, c: Tensor, scales: Sequence[Any]) -> list[Tensor]:
        """Weighted residuals only, with scales from `linearise`."""
        pairs = zip(self.sources, scales, strict=True)
        return [r for source, scale in pairs for r in source.residual(c, scale)]

    def residual_of_patch(self, residuals: Sequence[Tensor]) -> np.ndarray:
        """Norm of all rows that touch each patch (e,), from the blocks of `linearise` or `residuals`."""
        space = self.space
        squares = torch.zeros(len(space.patches), dtype=space.half.dtype, device=space.device)
        touched = [sides for source in self.sources for sides in source.touched()]
        for sides, r in zip(touched, residuals, strict=True):
            for cells in sides:
                squares.index_add_(0, cells.to(space.device), (r**2).sum(1))
        return squares.sqrt().cpu().numpy()

    def source(self, kind: type[S]) -> S:
        """The first source of a kind.

        Raises:
            LookupError: there is none.
        """
        for source in self.sources:
            if isinstance(source, kind):
                return source
        message = f"this assembly has no {kind.__name__}"
        raise LookupError(message)

    # ---------------------------------------------------------------- what solutions are most often asked for

    @property
    def statement(self) -> Statement:
        """The compiled problem of the terms."""
        return self.source(TermRows).statement

    @property
    def patches(self) -> Patches:
        """The patches of the space."""
        return self.space.patches

    @property
    def q(self) -> np.ndarray:
        """Degrees (e,) of the patches."""
        return self.space.q

    @property
    def layout(self) -> Columns:
        """Columns of the patches."""
        return self.space.layout

    @property
    def dimension(self) -> int:
        """Number of coordinates d."""
        return self.space.dimension

    @property
    def unknowns(self) -> int:
        """Number of unknowns u."""
        return self.space.unknowns

    @property
    def half(self) -> Tensor:
        """Half widths (e, d) of the patches."""
        return self.space.half

    @property
    def device(self) -> str:
        """Where coefficients live."""
        return self.space.device

    @property
    def interior(self) -> list[Points]:
        """Collocation points in the patches."""
        return self.space.interior

    def mixture(self, coefficients: Tensor | None = None) -> PartitionedMixture:
        """The function with these coefficients (zero by default)."""
        return self.space.mixture(coefficients)
