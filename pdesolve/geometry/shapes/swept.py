"""Surfaces that plane curves and domains sweep out: walls, caps, and surfaces of revolution."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.coordinates import finite_numbers
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.piece import Piece
from pdesolve.geometry.surface import SAME, Surface
from pdesolve.quadrature import Rule, around, gauss_legendre, tensor_rule


@dataclass(frozen=True)
class Swept(Surface):
    """The part start ≤ s ≤ stop of a plane curve, moved through space; its first parameter runs along it.

    `sign` turns the curve's normals out of the plane domain that it bounds.
    """

    owner: tuple[Any, str]
    curve: Surface
    start: float
    stop: float
    sign: int
    dimension: int = 3

    @property
    def breaks(self) -> tuple[float, ...]:
        """Those of the curve within the part."""
        width = self.stop - self.start
        # Breaks of the curve, as parameters of the part.
        inner = [(b - self.start) / width for b in self.curve.breaks if self.start < b < self.stop]
        return (0.0, *inner, 1.0)

    @property
    def closed(self) -> bool:
        """Whether the curve is analytic, closed, and taken whole."""
        return self.curve.periodic[0] and self.start == 0 and self.stop == 1

    def _along(self, parameters: Tensor) -> Tensor:
        return self.start + (self.stop - self.start) * parameters[:, :1]

    def _holds(self, y: Tensor) -> Tensor:
        """Tell which points (n, 2) of the curve's carrier lie on the part of the curve."""
        s = self.curve.foot(y)
        return self.curve.covers(y) & (s >= self.start - SAME) & (s <= self.stop + SAME)

    def _first_axis(self, order: int) -> tuple[Tensor, Tensor]:
        """Composite Gauss rule between the breaks; equally spaced points on a closed analytic curve."""
        if self.closed:
            return around(4 * order)
        s, w = gauss_legendre(order, 0.0, 1.0)
        ends = torch.tensor(self.breaks, dtype=torch.float64)
        width = ends.diff()[:, None]
        return (ends[:-1, None] + width * s).reshape(-1), (width * w).reshape(-1)


@dataclass(frozen=True)
class Wall(Swept):
    """A plane curve at all heights between low and high."""

    low: float = 0.0
    high: float = 1.0

    @property
    def plane(self) -> tuple[int, float] | None:
        """That of the curve."""
        return self.curve.plane

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Tell that the first parameter closes where the curve does, and the height does not."""
        return self.closed, False

    def map(self, parameters: Tensor) -> Tensor:
        """Return (x, y, z), linear in the second parameter."""
        z = self.low + (self.high - self.low) * parameters[:, 1:]
        return torch.cat([self.curve.map(self._along(parameters)), z], dim=1)

    def normal_at(self, x: Tensor) -> Tensor:
        """Return (n, 0)."""
        return torch.cat([self.sign * self.curve.normal_at(x[:, :2]), torch.zeros_like(x[:, :1])], dim=1)

    def area(self, parameters: Tensor) -> Tensor:
        """Return the length element of the curve times the height."""
        return self.curve.area(self._along(parameters)) * (self.stop - self.start) * (self.high - self.low)

    def carrier(self) -> tuple[str, tuple[float, ...]]:
        """Return the plane over a straight line; other walls coincide only with themselves."""
        kind, values = self.curve.carrier()
        if kind != "plane":
            return super().carrier()
        return kind, (*values[:-1], 0.0, values[-1])

    def distance(self, x: Tensor) -> Tensor:
        """Return that of the curve."""
        return self.curve.distance(x[:, :2])

    def covers(self, x: Tensor) -> Tensor:
        """Tell which points lie over the part of the curve and between the heights."""
        slack = SAME * (self.high - self.low)
        return self._holds(x[:, :2]) & (x[:, 2] >= self.low - slack) & (x[:, 2] <= self.high + slack)

    def whole_rule(self, order: int) -> Rule:
        """Rule along the curve times Gauss in height."""
        p, w = tensor_rule(self._first_axis(order), gauss_legendre(order, 0.0, 1.0))
        return Rule(self.map(p), w * self.area(p))


@dataclass(frozen=True)
class Cap(Surface):
    """A plane domain at one height, parametrised by its bounding box."""

    owner: tuple[Any, str]
    base: Domain
    height: float
    upper_side: bool
    dimension: int = 3

    @property
    def plane(self) -> tuple[int, float]:
        """The plane z = height."""
        return 2, self.height

    def map(self, parameters: Tensor) -> Tensor:
        """Return the bounding box of the base at this height."""
        lower, upper = self.base.bounds.to(parameters.dtype)
        z = torch.full_like(parameters[:, :1], self.height)
        return torch.cat([lower + (upper - lower) * parameters, z], dim=1)

    def normal_at(self, x: Tensor) -> Tensor:
        """Return (0, 0, ±1)."""
        normal = torch.zeros_like(x)
        normal[:, 2] = 2.0 * self.upper_side - 1.0
        return normal

    def area(self, parameters: Tensor) -> Tensor:
        """Return the area of the bounding box, constant."""
        lower, upper = self.base.bounds
        return parameters.new_full((len(parameters),), float((upper - lower).prod()))

    def carrier(self) -> tuple[str, tuple[float, ...]]:
        """Return the plane z = height."""
        return "plane", (0.0, 0.0, 1.0, self.height)

    def covers(self, x: Tensor) -> Tensor:
        """Tell which points lie over the closed base."""
        return self.base.contains(x[:, :2], self.base.rounding)

    def whole_rule(self, order: int) -> Rule:
        """Return the rule of the base."""
        x, w = self.base.rule(order)
        return Rule(torch.cat([x, torch.full_like(x[:, :1], self.height)], dim=1), w)


@dataclass(frozen=True)
class Revolved(Swept):
    """A curve (r, z) turned about the z axis; the second parameter is the share of a turn."""

    @property
    def plane(self) -> tuple[int, float] | None:
        """The plane z = const of a line at a right angle to the axis."""
        plane = self.curve.plane
        if plane is None or plane[0] != 1:
            return None
        return 2, plane[1]

    @property
    def periodic(self) -> tuple[bool, ...]:
        """The second parameter closes, the first as the curve."""
        return self.closed, True

    def map(self, parameters: Tensor) -> Tensor:
        """Return (r cos φ, r sin φ, z)."""
        r, z = self.curve.map(self._along(parameters)).unbind(dim=1)
        phi = 2 * torch.pi * parameters[:, 1]
        return torch.stack([r * phi.cos(), r * phi.sin(), z], dim=1)

    def normal_at(self, x: Tensor) -> Tensor:
        """Return the curve's normal, turned."""
        y = meridian(x)
        normal = self.sign * self.curve.normal_at(y)
        radial = x[:, :2] / y[:, :1].clamp_min(torch.finfo(x.dtype).tiny)
        # On the axis all directions are radial; any will do, as no area lies there.
        radial = torch.where(y[:, :1] > 0, radial, radial.new_tensor([1.0, 0.0]))
        return torch.cat([normal[:, :1] * radial, normal[:, 1:]], dim=1)

    def area(self, parameters: Tensor) -> Tensor:
        """Return the length element of the curve times 2πr."""
        s = self._along(parameters)
        return self.curve.area(s) * (self.stop - self.start) * 2 * torch.pi * self.curve.map(s)[:, 0].abs()

    def carrier(self) -> tuple[str, tuple[float, ...]]:
        """Return the plane of a line at a right angle to the axis, the sphere of a circle about it, or itself."""
        kind, values = self.curve.carrier()
        if kind == "plane" and abs(values[0]) <= SAME:
            return kind, (0.0, 0.0, values[1], values[2])
        if kind == "sphere" and abs(values[0]) <= SAME * values[2]:
            return kind, (0.0, 0.0, values[1], values[2])
        return super().carrier()

    def distance(self, x: Tensor) -> Tensor:
        """Return that of the curve, in the plane through the axis."""
        return self.curve.distance(meridian(x))

    def covers(self, x: Tensor) -> Tensor:
        """Tell which points lie on the part of the curve, turned."""
        return self._holds(meridian(x))

    def whole_rule(self, order: int) -> Rule:
        """Rule along the curve times equally spaced points around the axis."""
        p, w = tensor_rule(self._first_axis(order), around(4 * order))
        return Rule(self.map(p), w * self.area(p))


def meridian(x: Tensor) -> Tensor:
    """Return (r, z) of points x (n, 3)."""
    return torch.stack([torch.hypot(x[:, 0], x[:, 1]), x[:, 2]], dim=1)


def active_arcs(piece: Piece) -> Iterator[tuple[float, float, int]]:
    """Yield the parts of a plane piece's curve that are boundary, joined where they meet, with their signs."""
    joined: list[list[float]] = []
    for a, b in piece.intervals.tolist():
        if joined and abs(joined[-1][1] - a) < 1e-12:
            joined[-1][1] = b
        else:
            joined.append([a, b])
    for a, b in joined:
        # Off the middle, where symmetric shapes touch the curve and neither side of it is inside.
        witness = piece.map(torch.tensor([[a + 0.4321 * (b - a)]], dtype=torch.float64))
        same = (piece.normal_at(witness) * piece.surface.normal_at(witness)).sum()
        yield a, b, int(math.copysign(1, float(same)))


def unique(names: list[str]) -> list[str]:
    """Number names that occur several times: circle, circle 2."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return result


def check_plane(domain, what: str) -> None:
    """Refuse a base or a profile that is no plane domain.

    Raises:
        ProblemError: it is none.
    """
    if not isinstance(domain, Domain) or domain.in_space is not domain or domain.dimension != 2:
        message = f"{what} received {domain}, expected a plane domain such as Disk((0, 0), 1)."
        raise ProblemError(message)


def centre_of(centre, what: str) -> tuple[float, float, float]:
    """Return three finite numbers as floats.

    Raises:
        ProblemError: there are more or fewer.
    """
    values = finite_numbers(centre, what)
    if len(values) != 3:
        message = f"{what} received a centre with {len(values)} coordinates, expected 3."
        raise ProblemError(message)
    return values[0], values[1], values[2]
