"""Singular functions along one straight edge of a solid: those of its wedge, times polynomials along the edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.basis import legendre_table
from pdesolve.patches.corners.polar_functions import PolarFunctions
from pdesolve.statement.residual import Slot


@dataclass(frozen=True, eq=False)
class EdgeFunctions:
    """s_j(y₁, y₂) P_k(t) about an edge along one axis of the grid, t ∈ [-1, 1] along it.

    The functions s_j of the wedge across the edge solve the equation where nothing changes along the edge. Times a
    polynomial they leave s_j P_k'', which is smoother by two powers of the distance than what s_j stands for.

    Attributes:
        across: the functions s_j of the wedge, in the coordinates of the two other axes.
        axis: along which the edge lies.
        begin, end: of the edge along that axis.
        count: polynomials, of degree below it.
    """

    across: PolarFunctions
    axis: int
    begin: float
    end: float
    count: int

    def __len__(self) -> int:
        return len(self.across) * self.count

    @property
    def exponents(self) -> tuple[float, ...]:
        """Re λ of the functions."""
        return tuple(float(x) for x in self.across.exponents for _ in range(self.count))

    @property
    def of_systems(self) -> bool:
        """Whether a function has values of all unknowns, and one coefficient for them."""
        return True

    @cached_property
    def others(self) -> list[int]:
        """The two axes across the edge."""
        return [i for i in range(3) if i != self.axis]

    @property
    def places(self) -> Tensor:
        """Both ends (2, 3), in grid coordinates."""
        found = self.across.place.new_zeros(2, 3)
        found[:, self.others] = self.across.place
        found[:, self.axis] = torch.tensor([self.begin, self.end], dtype=found.dtype)
        return found

    def table(self, y: Tensor, slots: Sequence[Slot], seen: Tensor | None = None) -> Tensor:
        """Derivatives (unknown, β) of all functions at points y (..., 3): (s, ..., n)."""
        del seen
        half = (self.end - self.begin) / 2
        t = (y[..., self.axis] - (self.begin + self.end) / 2) / half
        # Beside the edge, where a function does not count, it may be anything that is finite.
        orders = [beta[self.axis] for _, beta in slots]
        along = legendre_table(t.clamp(-1.0, 1.0), self.count, max(orders))  # (order + 1, ..., k)
        plane = [(i, tuple(beta[j] for j in self.others)) for i, beta in slots]
        across = self.across.table(y[..., self.others], plane)
        found = [
            (s[..., :, None] * along[order][..., None, :]).flatten(-2) * half**-order
            for s, order in zip(across, orders, strict=True)
        ]
        return torch.stack(found)

    def counts_on(self, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """Whether (e,) the functions count on cells: where all of them is beside the edge, nearer than the radius."""
        near = self.across.counts_on(lower[:, self.others], upper[:, self.others])
        slack = 1e-9 * (self.end - self.begin)
        beside = (lower[:, self.axis] >= self.begin - slack) & (upper[:, self.axis] <= self.end + slack)
        return beside & near

    def touched_by(self, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """Numbers of the cells that have a part of the edge on their boundary."""
        place = self.across.place.numpy()
        slack = 1e-6 * (upper - lower)
        low, high = (lower - slack)[:, self.others], (upper + slack)[:, self.others]
        along = (upper - slack)[:, self.axis] > self.begin
        along &= (lower + slack)[:, self.axis] < self.end
        return np.flatnonzero(np.all((low <= place) & (place <= high), axis=1) & along)

    def state(self) -> dict[str, Any]:
        """Everything needed to rebuild it, as tensors and numbers."""
        ends = {"begin": self.begin, "end": self.end}
        return {"across": self.across.state(), "axis": self.axis, **ends, "count": self.count}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> EdgeFunctions:
        """Rebuild from `state()`."""
        across = PolarFunctions.from_state(state["across"])
        return cls(across, state["axis"], state["begin"], state["end"], state["count"])
