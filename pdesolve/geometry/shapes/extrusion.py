"""Solids over a plane domain: extrusions, and the circular cylinder."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.coordinates import finite_numbers, positive
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.place import Boundary, Place
from pdesolve.geometry.shapes.ball import Disk
from pdesolve.geometry.shapes.box import AxisAlignedBox
from pdesolve.geometry.shapes.swept import Cap, Wall, active_arcs, centre_of, check_plane, unique
from pdesolve.geometry.surface import Surface
from pdesolve.quadrature import Rule, gauss_legendre


@dataclass(frozen=True, repr=False)
class Extrusion(Domain):
    """{(x, y, z) : (x, y) in base, low < z < high}.

    Its parts are the base's, and `back` and `front` (z least and largest, as of a Box); `over(place)` is the
    wall over a part of the base's boundary.

    Raises:
        ProblemError: the base is no plane domain, or not low < high.

    >>> round(Extrusion(Disk((0, 0), 1), 0, 2).measure, 6)  # 2π
    6.283185
    """

    base: Domain
    low: float
    high: float

    def __post_init__(self):
        check_plane(self.base, "Extrusion")
        ends = finite_numbers((self.low, self.high), "Extrusion")
        if not ends[0] < ends[1]:
            message = (
                f"Extrusion received the heights {ends[0]:g} and {ends[1]:g}, expected the lower one first."
            )
            raise ProblemError(message)
        object.__setattr__(self, "low", ends[0])
        object.__setattr__(self, "high", ends[1])

    def __repr__(self) -> str:
        return f"Extrusion({self.base!r}, {self.low:g}, {self.high:g})"

    @property
    def files(self) -> tuple[Path, ...]:
        """Those of the base."""
        return self.base.files

    @cached_property
    def bounds(self) -> Tensor:
        """Bounding box, (2, 3)."""
        return torch.cat([self.base.bounds, torch.tensor([[self.low], [self.high]], dtype=torch.float64)], 1)

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """Walls over all arcs of the base's boundary, then both caps."""
        names = unique([piece.name for piece in self.base.pieces])
        walls = [
            Wall((self, name), piece.surface, a, b, sign, low=self.low, high=self.high)
            for name, piece in zip(names, self.base.pieces, strict=True)
            for a, b, sign in active_arcs(piece)
        ]
        back = Cap((self, "back"), self.base, self.low, False)
        return (*walls, back, Cap((self, "front"), self.base, self.high, True))

    def trims(self, surface: Surface) -> bool:
        """Only the caps are trimmed, unless the base is a rectangle."""
        return isinstance(surface, Cap) and not isinstance(self.base, AxisAlignedBox)

    def cuts(self, surface: Surface):
        """Return the levels of what the base is made of, for the caps."""
        if not self.trims(surface):
            return ()
        return tuple((lambda x, level=leaf.level: level(x[:, :2])) for leaf in self.base.leaves)

    @cached_property
    def rotation(self) -> Tensor:
        """Frame of the base, and the z axis."""
        frame = torch.eye(3, dtype=torch.float64)
        frame[:2, :2] = self.base.rotation
        return frame

    def level(self, x: Tensor) -> Tensor:
        """max(level of the base, |z - middle| - half height)."""
        z = x[:, 2]
        return torch.maximum(self.base.level(x[:, :2]), torch.maximum(self.low - z, z - self.high))

    def rule(self, order: int) -> Rule:
        """Rule of the base times Gauss in height."""
        x, w = self.base.rule(order)
        z, v = gauss_legendre(order, self.low, self.high)
        points = torch.cat([x.repeat_interleave(order, dim=0), z.repeat(len(x))[:, None]], dim=1)
        return Rule(points, (w[:, None] * v).reshape(-1))

    @property
    def measure(self) -> float:
        """Area of the base times the height."""
        return self.base.measure * (self.high - self.low)

    def over(self, place: Place) -> Boundary:
        """Return the wall over a part of the base's boundary, such as `solid.over(square.left)`.

        Raises:
            ProblemError: the place is no part of the base's boundary.
        """
        wanted = {piece.owner for piece in place.pieces_on(self.base)}
        names = unique([piece.name for piece in self.base.pieces])
        chosen = [n for n, piece in zip(names, self.base.pieces, strict=True) if piece.owner in wanted]
        if not chosen:
            message = f"{place.name} is no part of the boundary of {self.base}, over which {self} stands."
            raise ProblemError(message)
        return Boundary(self, tuple(chosen), f"over({place.name})")

    @property
    def back(self) -> Boundary:
        """The cap of least z."""
        return self.part("back")

    @property
    def front(self) -> Boundary:
        """The cap of largest z."""
        return self.part("front")


def circular_cylinder(centre, radius: float, height: float) -> Extrusion:
    """Return the cylinder {|(x, y) - centre| < radius, 0 < z - centre_z < height}; centre: of its lower disk.

    Its parts are `circle`, `back` and `front`; `rotated` turns its axis.

    Raises:
        ProblemError: the centre has not three coordinates, or a size is not positive.
    """
    x, y, z = centre_of(centre, "circular_cylinder")
    return Extrusion(Disk((x, y), radius), z, z + positive(height, "circular_cylinder", "height"))
