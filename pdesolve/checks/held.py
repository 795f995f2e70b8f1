"""A condition with the places where it holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pdesolve.geometry import Piece
from pdesolve.statement.calculus import Frame
from pdesolve.statement.problem import Problem, Term

# Distance, relative to the domain, of a point that lies on a surface: rounding of a mapped point is far below.
NEAR = 1e-9
# What conditions prescribe, by their kind.
QUANTITIES = {"dirichlet": "value", "neumann": "flux", "robin": "flux and value"}
# Along each edge of a surface, where conditions are compared: both ends, the middle, and between.
EDGE_POINTS = 9


@dataclass(frozen=True)
class Held:
    """A condition with the pieces of the boundary, or the points, where it holds."""

    problem: Problem
    term: Term
    points: Tensor

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """Its pieces of the boundary; none for a point."""
        return self.term.place.pieces_on(self.problem.domain)

    @property
    def quantity(self) -> str:
        """What it prescribes: "value", "flux", "flux and value", or a time derivative."""
        if self.term.kind in QUANTITIES:
            return QUANTITIES[self.term.kind]
        order = self.term.name.rpartition("order ")[2]
        if order.isdigit():
            return f"time derivative {order}"
        return "value"

    @property
    def near(self) -> float:
        """Distance below which two points are the same."""
        return NEAR * float((self.problem.domain.bounds[1] - self.problem.domain.bounds[0]).norm())

    def holds_at(self, x: Tensor) -> Tensor:
        """Which points x (n, d) of the closed domain lie where the condition holds, ends included."""
        if not self.pieces:
            return (torch.cdist(x, self.points) <= self.near).any(dim=1)
        mask = torch.zeros(len(x), dtype=torch.bool)
        for piece in self.pieces:
            near = piece.surface.distance(x) <= self.near
            mask |= near & piece.claims(x) & piece.active(x)
        return mask

    def covers(self, piece: Piece) -> bool:
        """Whether it holds on the whole of a piece of the boundary, known without looking at points."""
        return any(own.surface is piece.surface and not own.filters for own in self.pieces)

    def value(self, x: Tensor) -> Tensor:
        """The prescribed value (n,) at points x (n, d)."""
        frame = Frame(self.problem.coordinates, x)
        with frame:
            return self.problem.value(self.term.value, frame, f"the value of {self.term.name}")

    @cached_property
    def rim(self) -> Tensor:
        """Points (n, d) on the ends of its pieces."""
        if not self.pieces:
            return self.points
        return torch.cat([_rim(piece) for piece in self.pieces])


def _rim(piece: Piece) -> Tensor:
    """Ends of a curve, or points along the edges of a surface."""
    d = piece.dimension
    if d == 1:
        return torch.zeros(0, 1, dtype=torch.float64)
    if d == 2:
        return piece.map(piece.intervals.reshape(-1, 1))
    if d > 3:
        return torch.zeros(0, d, dtype=torch.float64)
    along = torch.linspace(0, 1, EDGE_POINTS, dtype=torch.float64)
    edges = [torch.stack([along, torch.full_like(along, end)], dim=1) for end in (0.0, 1.0)]
    x = piece.map(torch.cat([*edges, *(edge.flip(1) for edge in edges)]))
    return x[piece.active(x)]
