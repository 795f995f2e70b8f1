"""Pieces of a boundary: the parts of surfaces that bound a domain."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from pdesolve.geometry.rules import boundary_rule
from pdesolve.geometry.surface import DomainLike, Surface

# Distance from the boundary, relative to the domain, at which both sides are examined. It is far above the rounding
# of levels, 1e-16, and far below any feature of a domain.
PROBE = 1e-9
# Of that distance: a point so near to the boundary counts as inside. Corners then belong to all pieces that meet
# there.
CLOSED = 1e-2


@dataclass(frozen=True, eq=False)
class Piece:
    """A smooth piece of the boundary of `domain`: a map [0,1]^{d-1} → ℝ^d and where it really is boundary.

    Attributes:
        surface: the untrimmed surface it lies in.
        domain: the final domain; normals point out of it.
        hidden_by: earlier pieces in the same plane or sphere; where they overlap, only they count.
        filters: points (n, d) → booleans (n,), all of which must hold.
    """

    surface: Surface
    domain: DomainLike
    hidden_by: tuple["Piece", ...] = ()
    filters: tuple[Callable[[Tensor], Tensor], ...] = ()

    @property
    def name(self) -> str:
        """What the shape it comes from calls it: "left", "edge 3", "circle"."""
        return self.surface.name

    @property
    def owner(self) -> tuple[Any, str]:
        """(shape, name): equal for pieces that come from the same part of the same shape."""
        return self.surface.owner

    @property
    def plane(self) -> tuple[int, float] | None:
        """(axis, value) if it lies in an axis-aligned hyperplane."""
        return self.surface.plane

    @property
    def dimension(self) -> int:
        """Number of coordinates d; it has d - 1 parameters."""
        return self.surface.dimension

    @cached_property
    def trimmed(self) -> bool:
        """Whether some of the surface may not be boundary of the domain."""
        return self.domain.trims(self.surface)

    def map(self, parameters: Tensor) -> Tensor:
        """Return the points (n, d) of parameters (n, d-1) in the unit cube."""
        return self.surface.map(parameters)

    def area(self, parameters: Tensor) -> Tensor:
        """Return the area element (n,)."""
        return self.surface.area(parameters)

    def normal(self, parameters: Tensor) -> Tensor:
        """Return unit normals (n, d) that point out of the domain."""
        return self.normal_at(self.surface.map(parameters))

    def normal_at(self, x: Tensor) -> Tensor:
        """Return unit normals (n, d) out of the domain at points x (n, d) of the piece."""
        normal = self.surface.normal_at(x)
        if not self.trimmed:
            return normal
        before, behind = self._sides(x, normal)
        return torch.where((before & ~behind)[:, None], -normal, normal)

    def active(self, x: Tensor) -> Tensor:
        """Tell which points x (n, d) of the surface are boundary of the domain and pass the filters.

        A point is boundary if exactly one of x ± εn is in the closed domain. Corners at the end of a seam
        between two shapes are undecided: there both may be.
        """
        mask = torch.ones(len(x), dtype=torch.bool)
        if self.trimmed:
            before, behind = self._sides(x, self.surface.normal_at(x))
            # Inside on both sides it is a seam, outside on both sides it was cut away.
            mask = before != behind
        for piece in self.hidden_by:
            mask &= ~piece.claims(x)
        for accept in self.filters:
            mask &= accept(x)
        return mask

    def claims(self, x: Tensor) -> Tensor:
        """Tell which points x (n, d) of its carrier lie on its surface and pass its filters."""
        mask = self.surface.covers(x)
        for accept in self.filters:
            mask &= accept(x)
        return mask

    def _sides(self, x: Tensor, normal: Tensor) -> tuple[Tensor, Tensor]:
        """Tell whether x + εn and x - εn are in the closed domain."""
        extent = self.domain.bounds[1] - self.domain.bounds[0]
        # In units of the domain along the normal: time and space have none in common.
        step = PROBE * (normal * extent).norm(dim=1)
        level = self.domain.level
        move = step[:, None] * normal
        return level(x + move) <= CLOSED * step, level(x - move) <= CLOSED * step

    @cached_property
    def intervals(self) -> Tensor:
        """Parameter intervals (e, 2) of a curve that are boundary and smooth (one parameter only)."""
        return boundary_rule.active_intervals(self)

    @cached_property
    def is_empty(self) -> bool:
        """Whether no part of it is boundary."""
        return boundary_rule.is_empty(self)

    def rule(self, order: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return points (n, d), outward normals (n, d) and weights (n,), the same ones on every call."""
        if order not in self._rules:
            points, weights = boundary_rule.piece_rule(self, order)
            self._rules[order] = points, self.normal_at(points), weights
        return self._rules[order]

    @cached_property
    def _rules(self) -> dict[int, tuple[Tensor, Tensor, Tensor]]:
        """Rules by order: roots on trimmed faces of a solid take a second, and checks and solvers ask alike."""
        return {}


def assemble(pieces: Iterable[Piece], known: Sequence[Any] = ()) -> tuple[Piece, ...]:
    """Let earlier pieces hide later ones where they overlap, and drop those without any boundary.

    Args:
        pieces: of one domain.
        known: pieces of it that were assembled before; what one of them knows already is not found anew.
    """
    plain = {id(p.surface): p for p in known if not p.hidden_by and not p.filters}
    kept: list[Piece] = []
    for piece in pieces:
        rivals = tuple(p for p in kept if p.surface.coincides(piece.surface))
        if not rivals and not piece.filters and id(piece.surface) in plain:
            kept.append(plain[id(piece.surface)])
            continue
        piece = replace(piece, hidden_by=rivals)
        if not piece.is_empty:
            kept.append(piece)
    return tuple(kept)
