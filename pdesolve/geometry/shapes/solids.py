"""Solids made of plane domains: extrusions and solids of revolution, cylinders and tori among them."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.coordinates import numbers
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.piece import Piece
from pdesolve.geometry.place import Boundary, Place
from pdesolve.geometry.set_operations import SetOperation
from pdesolve.geometry.shapes.ball import Disk
from pdesolve.geometry.shapes.box import AxisAligned, Rectangle
from pdesolve.geometry.shapes.polygon import Polygon
from pdesolve.geometry.surface import SAME, Surface
from pdesolve.quadrature import Rule, bisect, gauss_legendre, tensor_rule

AROUND = 129  # samples of a profile curve that tell where it crosses the axis


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
            n = 4 * order
            return (torch.arange(n, dtype=torch.float64) + 0.5) / n, torch.full(
                (n,), 1 / n, dtype=torch.float64
            )
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
        """As the curve."""
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
        return (kind, (*values[:-1], 0.0, values[-1])) if kind == "plane" else super().carrier()

    def distance(self, x: Tensor) -> Tensor:
        """Return that of the curve."""
        return self.curve.distance(x[:, :2])

    def covers(self, x: Tensor) -> Tensor:
        """Over the part of the curve and between the heights."""
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
        normal[:, 2] = 1.0 if self.upper_side else -1.0
        return normal

    def area(self, parameters: Tensor) -> Tensor:
        """Return the area of the bounding box, constant."""
        lower, upper = self.base.bounds
        return parameters.new_full((len(parameters),), float((upper - lower).prod()))

    def carrier(self) -> tuple[str, tuple[float, ...]]:
        """Return the plane z = height."""
        return "plane", (0.0, 0.0, 1.0, self.height)

    def covers(self, x: Tensor) -> Tensor:
        """Over the closed base."""
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
        return (2, plane[1]) if plane is not None and plane[0] == 1 else None

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
        """On the part of the curve."""
        return self._holds(meridian(x))

    def whole_rule(self, order: int) -> Rule:
        """Rule along the curve times equally spaced points around the axis."""
        n = 4 * order
        turn = (torch.arange(n, dtype=torch.float64) + 0.5) / n
        p, w = tensor_rule(self._first_axis(order), (turn, torch.full((n,), 1 / n, dtype=torch.float64)))
        return Rule(self.map(p), w * self.area(p))


def meridian(x: Tensor) -> Tensor:
    """Return (r, z) of points x (n, 3)."""
    return torch.stack([torch.hypot(x[:, 0], x[:, 1]), x[:, 2]], dim=1)


def _arcs(piece: Piece) -> Iterator[tuple[float, float, int]]:
    """Yield the parts of a plane piece's curve that are boundary, joined where they meet, with their signs."""
    joined: list[list[float]] = []
    for a, b in piece.intervals.tolist():
        if joined and abs(joined[-1][1] - a) < 1e-12:
            joined[-1][1] = b
        else:
            joined.append([a, b])
    for a, b in joined:
        middle = piece.map(torch.tensor([[a + 0.4321 * (b - a)]], dtype=torch.float64))
        same = (piece.normal_at(middle) * piece.surface.normal_at(middle)).sum()
        yield a, b, 1 if float(same) > 0 else -1


def _unique(names: list[str]) -> list[str]:
    """Number names that occur several times: circle, circle 2."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return result


def _check_plane(domain, what: str) -> None:
    if not isinstance(domain, Domain) or domain.in_space is not domain or domain.dimension != 2:
        message = f"{what} received {domain}, expected a plane domain such as Disk((0, 0), 1)."
        raise ProblemError(message)


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
        _check_plane(self.base, "Extrusion")
        ends = numbers((self.low, self.high), "Extrusion")
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
        names = _unique([piece.name for piece in self.base.pieces])
        walls = [
            Wall((self, name), piece.surface, a, b, sign, low=self.low, high=self.high)
            for name, piece in zip(names, self.base.pieces, strict=True)
            for a, b, sign in _arcs(piece)
        ]
        back = Cap((self, "back"), self.base, self.low, False)
        return (*walls, back, Cap((self, "front"), self.base, self.high, True))

    def trims(self, surface: Surface) -> bool:
        """Only the caps are trimmed, unless the base is a rectangle."""
        return isinstance(surface, Cap) and not isinstance(self.base, AxisAligned)

    def cuts(self, surface: Surface):
        """Return the levels of what the base is made of, for the caps."""
        leaves = self.base.leaves if self.trims(surface) else ()
        return tuple((lambda x, level=leaf.level: level(x[:, :2])) for leaf in leaves)

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
        names = _unique([piece.name for piece in self.base.pieces])
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


@dataclass(frozen=True, repr=False)
class Revolution(Domain):
    """{(x, y, z) : (√(x² + y²), z) in profile}: a plane domain in (r, z) turned about the z axis.

    Its parts have the names of the profile's; what the profile has at r ≤ 0 does not count. `rotated` and
    `translated` take it to other axes.

    Raises:
        ProblemError: the profile is no plane domain, or lies at r ≤ 0.

    >>> round(Revolution(Disk((2, 0), 0.5)).measure, 6)  # a torus, 2π² · 2 · 0.5²
    9.869604
    """

    profile: Domain

    def __post_init__(self):
        _check_plane(self.profile, "Revolution")
        if not float(self.profile.bounds[1, 0]) > 0:
            message = (
                f"Revolution received {self.profile}, which lies on the left of the axis, expected a profile in "
                f"(r, z) with r > 0 somewhere."
            )
            raise ProblemError(message)
        _ = self._section

    def __repr__(self) -> str:
        return f"Revolution({self.profile!r})"

    @property
    def files(self) -> tuple[Path, ...]:
        """Those of the profile."""
        return self.profile.files

    @cached_property
    def _section(self) -> Domain:
        """The profile, continued across the axis if it ends there."""
        return _across_axis(self.profile, self.profile.rounding)

    @cached_property
    def _right(self) -> Domain:
        """The part of the section with r > 0."""
        lower, upper = self._section.bounds.tolist()
        if lower[0] >= 0:
            return self._section
        margin = upper[1] - lower[1]
        half = Rectangle((0, lower[1] - margin), (upper[0] + margin, upper[1] + margin))
        return self._section & half

    @cached_property
    def bounds(self) -> Tensor:
        """Bounding box, (2, 3)."""
        r = float(self._section.bounds[1, 0])
        lower, upper = self._section.bounds[:, 1].tolist()
        return torch.tensor([[-r, -r, lower], [r, r, upper]], dtype=torch.float64)

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """Surfaces of revolution of all arcs with r > 0."""
        pieces = self._section.pieces
        return tuple(
            Revolved((self, name), piece.surface, a, b, sign)
            for name, piece in zip(_unique([piece.name for piece in pieces]), pieces, strict=True)
            for start, stop, sign in _arcs(piece)
            for a, b in _right_of_axis(piece.surface, start, stop)
        )

    def level(self, x: Tensor) -> Tensor:
        """Return the level of the profile at (√(x² + y²), z)."""
        return self._section.level(meridian(x))

    def rule(self, order: int) -> Rule:
        """Rule of the profile times equally spaced points around the axis."""
        y, w = self._right.rule(order)
        n = 2 * order + 1
        turn = torch.arange(n, dtype=torch.float64) * (2 * math.pi / n)
        r, z = y[:, :1], y[:, 1:].expand(-1, n)
        points = torch.stack([r * turn.cos(), r * turn.sin(), z], dim=2).reshape(-1, 3)
        return Rule(points, (w[:, None] * r * (2 * math.pi / n)).expand(-1, n).reshape(-1))

    @cached_property
    def measure(self) -> float:
        """2π ∫ r over the profile (Pappus)."""
        y, w = self._right.rule(24)
        return 2 * math.pi * float(w @ y[:, 0])


def _across_axis(domain: Domain, slack: float) -> Domain:
    """Continue rectangles and polygons that end at the axis r = 0 across it, so that it is no boundary."""
    if isinstance(domain, SetOperation):
        parts = (_across_axis(part, slack) for part in (domain.left, domain.right))
        return type(domain)(*parts)  # type: ignore[arg-type]
    if isinstance(domain, Rectangle) and abs(domain.lower[0]) <= slack:
        return Rectangle((-domain.upper[0], domain.lower[1]), domain.upper)
    if isinstance(domain, Polygon) and not domain.holes and abs(float(domain.bounds[0, 0])) <= slack:
        return _mirrored(domain, slack)
    return domain


def _mirrored(polygon: Polygon, slack: float) -> Polygon:
    """Join a polygon at r ≥ 0 and its mirror image along the one edge that they share."""
    v = [(0.0 if abs(r) <= slack else r, z) for r, z in polygon.vertices]
    n = len(v)
    shared = [i for i in range(n) if v[i][0] == 0 and v[(i + 1) % n][0] == 0]
    if len(shared) != 1 or sum(r == 0 for r, _ in v) != 2:
        message = (
            f"{polygon} meets the axis of revolution in more than one edge; make it a union of polygons."
        )
        raise ProblemError(message)
    right = v[shared[0] + 1 :] + v[: shared[0] + 1]  # from one end on the axis to the other
    left = [(-r, z) for r, z in reversed(right[1:-1])]
    return Polygon(tuple(right + left))


def _right_of_axis(curve: Surface, start: float, stop: float) -> Iterator[tuple[float, float]]:
    """Yield the parts of start ≤ s ≤ stop with r > 0."""

    def right(s: Tensor) -> Tensor:
        return curve.map(s[:, None])[:, 0] > 0

    s = torch.linspace(start, stop, AROUND, dtype=torch.float64)
    state = right(s)
    i = (state[1:] != state[:-1]).nonzero()[:, 0]
    # Ends on the axis to rounding are no crossings.
    turns = [t for t in bisect(right, s[i], s[i + 1]).tolist() if start + 1e-12 < t < stop - 1e-12]
    ends = [start, *turns, stop]
    for a, b in itertools.pairwise(ends):
        middle = torch.tensor([(a + b) / 2], dtype=torch.float64)
        if b - a > 1e-12 and float(curve.map(middle[:, None])[0, 0]) > 0:
            yield a, b


def circular_cylinder(centre, radius: float, height: float) -> Extrusion:
    """Return the cylinder {|(x, y) - centre| < radius, 0 < z - centre_z < height}; centre: of its lower disk.

    Its parts are `circle`, `back` and `front`; `rotated` turns its axis.

    Raises:
        ProblemError: the centre has not three coordinates, or a size is not positive.
    """
    x, y, z = _centre(centre, "circular_cylinder")
    return Extrusion(Disk((x, y), radius), z, z + _positive(height, "circular_cylinder", "height"))


def torus(centre, radius: float, tube_radius: float) -> Domain:
    """Return the torus around the z axis through its centre; `radius` is that of the circle inside the tube.

    Raises:
        ProblemError: the centre has not three coordinates, or not 0 < tube_radius < radius.
    """
    middle = _centre(centre, "torus")
    tube = _positive(tube_radius, "torus", "tube radius")
    if not tube < _positive(radius, "torus", "radius"):
        message = (
            f"torus received the radii {radius:g} and {tube:g}, expected the tube's to be the smaller one."
        )
        raise ProblemError(message)
    ring = Revolution(Disk((radius, 0.0), tube))
    return ring.translated(middle) if any(middle) else ring


def _centre(centre, what: str) -> tuple[float, float, float]:
    values = numbers(centre, what)
    if len(values) != 3:
        message = f"{what} received a centre with {len(values)} coordinates, expected 3."
        raise ProblemError(message)
    return values[0], values[1], values[2]


def _positive(value, what: str, name: str) -> float:
    size = numbers(value, what)
    if len(size) != 1 or not size[0] > 0:
        message = f"{what} received the {name} {value!r}, expected one number above zero."
        raise ProblemError(message)
    return size[0]
