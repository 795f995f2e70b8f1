"""What an assembly asks of a source of rows, and sources whose rows are the same at all coefficients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from torch import Tensor

from pdesolve.least_squares.sparse.border import DenseRows
from pdesolve.least_squares.sparse.row_blocks import RowBlocks

Rows = RowBlocks | DenseRows


@dataclass(frozen=True)
class Linearised:
    """Rows of one source at given coefficients.

    Attributes:
        rows: the Jacobian in blocks.
        residuals: weighted residuals (b, m) of each block.
        scales: what `residual` needs to weight rows alike at other coefficients; its own business.
    """

    rows: list[Rows]
    residuals: list[Tensor]
    scales: Any = None


class RowSource(Protocol):
    """Where rows of the least-squares problem come from: a number of blocks, the same ones in every answer."""

    @property
    def linear(self) -> bool:
        """Whether the rows are the same at all coefficients."""

    def linearise(self, c: Tensor) -> Linearised:
        """Rows and residuals at coefficients c (p,).

        Raises:
            SolveError: a residual is not finite, or does not vanish and depends on nothing.
        """

    def residual(self, c: Tensor, scales: Any) -> list[Tensor]:
        """Residuals (b, m) of each block at coefficients c (p,), weighted by the scales of a linearisation."""

    def touched(self) -> list[tuple[Tensor, ...]]:
        """For each block the patches (b,) on each side of its rows; none for rows that touch all patches."""


class FixedRows(ABC):
    """A source of rows A c = g that are the same at all coefficients; subclasses say how they are made."""

    linear = True

    @abstractmethod
    def make(self) -> Sequence[Rows]:
        """The rows, made once when they are first asked for."""

    @cached_property
    def blocks(self) -> list[Rows]:
        """The rows."""
        return list(self.make())

    def linearise(self, c: Tensor) -> Linearised:
        """The rows, and A c - g."""
        return Linearised(self.blocks, self.residual(c))

    def residual(self, c: Tensor, scales: Any = None) -> list[Tensor]:
        """A c - g, (b, m) of each block."""
        del scales
        return [block.residual(c) for block in self.blocks]

    def touched(self) -> list[tuple[Tensor, ...]]:
        """The patches of each block; none of `DenseRows`, which touch all of them."""
        return [block.groups if isinstance(block, RowBlocks) else () for block in self.blocks]
