"""Plane domains bounded by closed chains of curves: ellipse, annulus, sector, star, rounded polygon, spline."""

import itertools
import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.coordinates import numbers, short
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.frames import frame
from pdesolve.geometry.motion import Motion
from pdesolve.geometry.paths import EllipticArc, PolarCurve, SplinePath, check_simple
from pdesolve.geometry.place import Boundary
from pdesolve.geometry.rules.planar_rule import planar_rule
from pdesolve.geometry.shapes.polygon import Polygon
from pdesolve.geometry.surface import Surface
from pdesolve.geometry.surfaces import Curve, Segment, extremes
from pdesolve.quadrature import Rule, gauss_legendre

CHUNK = 65536  # points at once
TIED = 1e-10  # relative difference of distances to two curves that meet at the nearest point
AREA_ORDER = 32
FULL_TURN = 2 * math.pi


class Region(Domain):
    """A plane domain whose surfaces are curves without any trimming; subclasses say which.

    The level is the signed distance to the nearest curve. At a corner, where two are equally near, the
    one that the point faces most squarely tells the side.
    """

    @property
    @abstractmethod
    def surfaces(self) -> tuple[Surface, ...]:
        """The curves, with outward normals; together they are the whole boundary."""

    @cached_property
    def bounds(self) -> Tensor:
        """Bounding box of the curves, (2, 2)."""
        x = torch.cat([extremes(surface) for surface in self.surfaces])
        return torch.stack([x.amin(dim=0), x.amax(dim=0)])

    @cached_property
    def rotation(self) -> Tensor:
        """Frame along most of the straight edges."""
        return frame((s.tangent, s.length) for s in self.surfaces if isinstance(s, Segment))

    def level(self, x: Tensor) -> Tensor:
        """Return the signed distance to the boundary."""
        return torch.cat([self._level(part) for part in x.split(CHUNK)]) if len(x) else x.new_zeros(0)

    def _level(self, x: Tensor) -> Tensor:
        y = x.to(torch.float64)
        distance = torch.full((len(y),), torch.inf, dtype=torch.float64)
        height = torch.zeros_like(distance)  # above the tangent at the nearest point
        zero = TIED * float((self.bounds[1] - self.bounds[0]).max())
        for surface in self.surfaces:
            foot, normal = surface.nearest(y)
            gap = y - foot
            d = gap.norm(dim=1)
            h = (gap * normal).sum(dim=1)
            tied = (d - distance).abs() <= TIED * d + 1e-3 * zero
            better = torch.where(tied, h.abs() > height.abs(), d < distance)
            height = torch.where(better, h, height)
            distance = torch.minimum(distance, d)
        return torch.copysign(distance, height).to(x.dtype)

    @cached_property
    def measure(self) -> float:
        """Area by the divergence theorem, ½ ∮ (x - c)·n dS."""
        centre = self.bounds.mean(dim=0)
        total = 0.0
        s, w = gauss_legendre(AREA_ORDER, 0.0, 1.0)
        for surface in self.surfaces:
            ends = torch.tensor(surface.breaks, dtype=torch.float64)
            width = ends.diff()[:, None]
            t = (ends[:-1, None] + width * s).reshape(-1, 1)
            x = surface.map(t)
            flux = ((x - centre) * surface.normal_at(x)).sum(dim=1) * surface.area(t)
            total += float(flux @ (width * w).reshape(-1)) / 2
        return total

    def rule(self, order: int) -> Rule:
        """Return the strip rule between the curves."""
        return planar_rule(self, order)


def _positive(value, what: str, name: str) -> float:
    numbers_ = numbers(value, what)
    if len(numbers_) != 1 or not numbers_[0] > 0:
        message = f"{what} received the {name} {value!r}, expected one number above zero."
        raise ProblemError(message)
    return numbers_[0]


def _pair(values, what: str, name: str) -> tuple[float, float]:
    pair = numbers(values, what)
    if len(pair) != 2:
        message = f"{what} received {name} with {len(pair)} numbers, expected 2 such as (0, 0)."
        raise ProblemError(message)
    return pair[0], pair[1]


def _angle(value, what: str) -> float:
    angle = numbers(value, what)
    if len(angle) != 1:
        message = f"{what} received the angle {value!r}, expected one number in radians."
        raise ProblemError(message)
    return angle[0]


@dataclass(frozen=True, repr=False)
class Ellipse(Region):
    """Ellipse with two semi-axes, the first at `angle` (radians) to the x axis.

    Raises:
        ProblemError: the centre has not two coordinates, or a semi-axis is not positive.

    >>> round(Ellipse((0, 0), (2, 0.5)).measure, 9)
    3.141592654
    """

    centre: tuple[float, float]
    semi_axes: tuple[float, float]
    angle: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "centre", _pair(self.centre, "Ellipse", "a centre"))
        axes = _pair(self.semi_axes, "Ellipse", "semi-axes")
        object.__setattr__(
            self,
            "semi_axes",
            (_positive(axes[0], "Ellipse", "semi-axis"), _positive(axes[1], "Ellipse", "semi-axis")),
        )
        object.__setattr__(self, "angle", _angle(self.angle, "Ellipse"))

    def __repr__(self) -> str:
        turned = f", {self.angle:g}" if self.angle else ""
        return f"Ellipse({short(self.centre)}, {short(self.semi_axes)}{turned})"

    def moved(self, motion: Motion) -> Domain:
        """Return the image, of the same kind."""
        a, b = self.semi_axes
        axes = (motion.scale * a, motion.scale * b)
        return Ellipse(motion.of(self.centre)[0], axes, self.angle + motion.angle)

    @cached_property
    def surfaces(self) -> tuple[Curve, ...]:
        """One curve, named ellipse."""
        return (Curve((self, "ellipse"), EllipticArc(self.centre, self.semi_axes, self.angle)),)


@dataclass(frozen=True, repr=False)
class Annulus(Region):
    """Ring between two concentric circles, its parts `inner` and `outer`.

    Raises:
        ProblemError: the centre has not two coordinates, or not 0 < inner radius < outer radius.

    >>> ring = Annulus((0, 0), 0.5, 1)
    >>> ring.inner.name
    'Annulus((0, 0), 0.5, 1).inner'
    """

    centre: tuple[float, float]
    inner_radius: float
    outer_radius: float

    def __post_init__(self):
        object.__setattr__(self, "centre", _pair(self.centre, "Annulus", "a centre"))
        inner = _positive(self.inner_radius, "Annulus", "inner radius")
        outer = _positive(self.outer_radius, "Annulus", "outer radius")
        if not inner < outer:
            message = f"Annulus received the radii {inner:g} and {outer:g}, expected the inner one first and smaller."
            raise ProblemError(message)
        object.__setattr__(self, "inner_radius", inner)
        object.__setattr__(self, "outer_radius", outer)

    def __repr__(self) -> str:
        return f"Annulus({short(self.centre)}, {self.inner_radius:g}, {self.outer_radius:g})"

    def moved(self, motion: Motion) -> Domain:
        """Return the image, of the same kind."""
        radii = (motion.scale * r for r in (self.inner_radius, self.outer_radius))
        return Annulus(motion.of(self.centre)[0], *radii)

    @cached_property
    def surfaces(self) -> tuple[Curve, ...]:
        """The inner circle, seen from outside the ring, and the outer one."""
        r, s = self.inner_radius, self.outer_radius
        return (
            Curve((self, "inner"), EllipticArc(self.centre, (r, r)), -1),
            Curve((self, "outer"), EllipticArc(self.centre, (s, s))),
        )

    @property
    def inner(self) -> Boundary:
        """The inner circle."""
        return self.part("inner")

    @property
    def outer(self) -> Boundary:
        """The outer circle."""
        return self.part("outer")


@dataclass(frozen=True, repr=False)
class Sector(Region):
    """Sector of a disk, or of a ring if there is an inner radius, from one angle to a larger one (radians).

    Its parts are `arc`, the straight edges `start` and `stop`, and `inner arc` if there is an inner radius.

    Raises:
        ProblemError: a radius or an angle makes no sense, or the sector is a full turn or more.

    >>> round(Sector((0, 0), 2, 0, 1).measure, 9)
    2.0
    """

    centre: tuple[float, float]
    radius: float
    start: float
    stop: float
    inner_radius: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "centre", _pair(self.centre, "Sector", "a centre"))
        object.__setattr__(self, "radius", _positive(self.radius, "Sector", "radius"))
        for name in ("start", "stop"):
            object.__setattr__(self, name, _angle(getattr(self, name), "Sector"))
        inner = _angle(self.inner_radius, "Sector")
        object.__setattr__(self, "inner_radius", inner)
        if not 0 <= inner < self.radius:
            message = (
                f"Sector received the inner radius {inner:g}, expected one from 0 to below {self.radius:g}."
            )
            raise ProblemError(message)
        if not 0 < self.stop - self.start < FULL_TURN * (1 - 1e-9):
            message = (
                f"Sector received the angles {self.start:g} and {self.stop:g}, expected radians, the smaller first "
                f"and less than a full turn apart; see also Disk and Annulus."
            )
            raise ProblemError(message)

    def __repr__(self) -> str:
        inner = f", {self.inner_radius:g}" if self.inner_radius else ""
        return f"Sector({short(self.centre)}, {self.radius:g}, {self.start:g}, {self.stop:g}{inner})"

    def _at(self, radius: float, angle: float) -> tuple[float, float]:
        x, y = self.centre
        return x + radius * math.cos(angle), y + radius * math.sin(angle)

    def moved(self, motion: Motion) -> Domain:
        """Return the image, of the same kind."""
        radius, inner = (motion.scale * r for r in (self.radius, self.inner_radius))
        angles = (self.start + motion.angle, self.stop + motion.angle)
        return Sector(motion.of(self.centre)[0], radius, *angles, inner)

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """The arc, both straight edges, and the inner arc if there is one."""
        r, s, a, b = self.inner_radius, self.radius, self.start, self.stop
        chain: list[Surface] = [
            Curve((self, "arc"), EllipticArc(self.centre, (s, s), 0.0, a, b)),
            Segment((self, "stop"), self._at(s, b), self._at(r, b), 1),
            Segment((self, "start"), self._at(r, a), self._at(s, a), 1),
        ]
        if r:
            chain.append(Curve((self, "inner arc"), EllipticArc(self.centre, (r, r), 0.0, a, b), -1))
        return tuple(chain)

    @property
    def arc(self) -> Boundary:
        """The outer arc."""
        return self.part("arc")

    @property
    def edges(self) -> tuple[Boundary, Boundary]:
        """The straight edges at the first and at the last angle."""
        return self.part("start"), self.part("stop")


@dataclass(frozen=True, repr=False)
class StarShaped(Region):
    """{c + ρ (cos θ, sin θ) : ρ < r(θ)} for a smooth, positive, 2π-periodic r in torch's functions.

    Raises:
        ProblemError: r is no such function.

    >>> flower = StarShaped(lambda theta: 1 + 0.2 * torch.cos(5 * theta))
    >>> round(flower.measure, 9)  # π (1 + 0.2² / 2)
    3.204424507
    """

    radius: Callable[[Tensor], Tensor]
    centre: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self):
        object.__setattr__(self, "centre", _pair(self.centre, "StarShaped", "a centre"))
        if not callable(self.radius):
            message = (
                f"StarShaped received {self.radius!r}, expected a function such as "
                f"lambda theta: 1 + 0.1 * cos(theta)."
            )
            raise ProblemError(message)
        theta = torch.arange(721, dtype=torch.float64) * (FULL_TURN / 720)
        try:
            r = torch.as_tensor(self.radius(theta), dtype=torch.float64)
        except Exception as error:
            message = (
                f"the radius of StarShaped failed on a tensor of angles, expected torch's functions: {error}."
            )
            raise ProblemError(message) from None
        if r.shape not in ((), (721,)):
            message = (
                f"the radius of StarShaped returned shape {tuple(r.shape)} for 721 angles, expected (721,)."
            )
            raise ProblemError(message)
        r = r.expand(721)
        if not (torch.isfinite(r).all() and (r > 0).all()):
            message = (
                f"the radius of StarShaped is {float(r.nan_to_num().min()):.3g} somewhere, "
                f"expected finite values above zero."
            )
            raise ProblemError(message)
        if abs(float(r[0] - r[-1])) > 1e-9 * float(r.max()):
            message = (
                f"the radius of StarShaped is {float(r[0]):.6g} at angle 0 and {float(r[-1]):.6g} at 2π, expected a "
                f"function of period 2π."
            )
            raise ProblemError(message)

    def __repr__(self) -> str:
        name = getattr(self.radius, "__name__", "radius")
        return f"StarShaped({'radius' if name == '<lambda>' else name}, {short(self.centre)})"

    @cached_property
    def surfaces(self) -> tuple[Curve, ...]:
        """One curve, named curve."""
        return (Curve((self, "curve"), PolarCurve(self.radius, self.centre)),)


@dataclass(frozen=True, repr=False)
class SmoothCurve(Region):
    """The inside of a closed curve through points, in either orientation: cubic splines between its corners.

    Without corners the spline is periodic, twice continuously differentiable. `corners` are the numbers of
    points where the curve may turn sharply, such as the trailing edge of an airfoil.

    Raises:
        ProblemError: fewer than four points, equal neighbours, or a curve that crosses itself.

    >>> from math import cos, sin, pi
    >>> circle = SmoothCurve([(cos(2 * pi * i / 40), sin(2 * pi * i / 40)) for i in range(40)])
    >>> abs(circle.measure - pi) < 1e-4
    True
    """

    points: tuple[tuple[float, float], ...]
    corners: tuple[int, ...] = ()

    def __post_init__(self):
        points = [_pair(p, "SmoothCurve", "a point") for p in self.points]
        if len(points) > 1 and math.dist(points[0], points[-1]) <= 1e-12 * max(
            map(abs, points[0] + points[-1])
        ):
            points.pop()
        if len(points) < 4:
            message = f"SmoothCurve received {len(points)} different points, expected at least 4."
            raise ProblemError(message)
        for i, (p, q) in enumerate(zip(points, points[1:] + points[:1], strict=True)):
            if p == q:
                message = f"SmoothCurve received point {i} equal to the next one, expected different points."
                raise ProblemError(message)
        corners = tuple(sorted({int(c) % len(points) for c in self.corners}))
        object.__setattr__(self, "points", tuple(points))
        object.__setattr__(self, "corners", corners)
        check_simple(_Chain(tuple(s.path for s in self.surfaces)), "SmoothCurve")

    @cached_property
    def _side(self) -> int:
        """+1 if the points run counter-clockwise."""
        v = torch.tensor(self.points, dtype=torch.float64)
        v = v - v.mean(dim=0)
        w = v.roll(-1, dims=0)
        return 1 if float((v[:, 0] * w[:, 1] - v[:, 1] * w[:, 0]).sum()) > 0 else -1

    def __repr__(self) -> str:
        return f"SmoothCurve({len(self.points)} points)"

    def moved(self, motion: Motion) -> Domain:
        """Return the image, of the same kind."""
        return SmoothCurve(tuple(motion.of(*self.points)), self.corners)

    @cached_property
    def surfaces(self) -> tuple[Curve, ...]:
        """One curve, or one from each corner to the next."""
        if not self.corners:
            return (Curve((self, "curve"), SplinePath(self.points), self._side),)
        n, ends = len(self.points), (*self.corners, self.corners[0] + len(self.points))
        paths = [
            SplinePath(tuple(self.points[k % n] for k in range(a, b + 1)), closed=False)
            for a, b in itertools.pairwise(ends)
        ]
        return tuple(Curve((self, f"curve {i}"), path, self._side) for i, path in enumerate(paths))

    @property
    def curves(self) -> tuple[Boundary, ...]:
        """The curves between corners, from the first corner on."""
        return tuple(self.part(surface.name) for surface in self.surfaces)


class _Chain:
    """Paths one after another, with the samples by which they are examined for crossings."""

    closed = True

    def __init__(self, paths):
        each = max(64, 512 // len(paths))
        t = torch.arange(each, dtype=torch.float64) / each
        self._points = torch.cat([path.point(t) for path in paths])
        self._table = torch.arange(len(self._points)), None, None

    def point(self, index: Tensor) -> Tensor:
        return self._points[index]


@dataclass(frozen=True, repr=False)
class RoundedPolygon(Region):
    """A polygon whose corners are replaced by arcs of one radius that touch both edges.

    Its parts are `edge i` (from vertex i to the next) and `corner i` (at vertex i).

    Raises:
        ProblemError: the vertices make no polygon, or the radius is too large for an edge.

    >>> square = RoundedPolygon([(0, 0), (1, 0), (1, 1), (0, 1)], 0.25)
    >>> round(square.measure, 9)  # 1 - (4 - π) / 16
    0.946349541
    """

    vertices: tuple[tuple[float, float], ...]
    radius: float

    def __post_init__(self):
        sharp = Polygon(self.vertices)
        object.__setattr__(self, "vertices", sharp.vertices)
        object.__setattr__(self, "radius", _positive(self.radius, "RoundedPolygon", "radius"))
        v = np.array(self.vertices)
        cuts = self._cuts()
        for i, length in enumerate(np.linalg.norm(np.roll(v, -1, axis=0) - v, axis=1)):
            taken = cuts[i] + cuts[(i + 1) % len(v)]
            if not taken < length * (1 - 1e-9):
                largest = self.radius * length / taken
                message = (
                    f"RoundedPolygon received the radius {self.radius:g}, but edge {i} has no room for more than "
                    f"{largest:.3g}: expected a smaller radius."
                )
                raise ProblemError(message)

    def __repr__(self) -> str:
        return f"RoundedPolygon({len(self.vertices)} vertices, {self.radius:g})"

    def moved(self, motion: Motion) -> Domain:
        """Return the image, of the same kind."""
        return RoundedPolygon(tuple(motion.of(*self.vertices)), motion.scale * self.radius)

    def _corners(self) -> list[tuple[tuple[float, float], float, float]]:
        """Each vertex with the directions of the edges before and behind it."""
        v = self.vertices
        n = len(v)
        result = []
        for i in range(n):
            (ax, ay), (bx, by), (cx, cy) = v[i - 1], v[i], v[(i + 1) % n]
            result.append((v[i], math.atan2(by - ay, bx - ax), math.atan2(cy - by, cx - bx)))
        return result

    def _cuts(self) -> list[float]:
        """What each corner takes of both its edges: r tan(|turn| / 2)."""
        return [self.radius * math.tan(abs(_turn(a, b)) / 2) for _, a, b in self._corners()]

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """Edges and arcs, in the order of the vertices."""
        side = 1 if sum(_turn(a, b) for _, a, b in self._corners()) > 0 else -1
        cuts, corners = self._cuts(), self._corners()
        chain: list[Surface] = []
        n = len(corners)
        for i, ((x, y), before, behind) in enumerate(corners):
            turn = _turn(before, behind)
            if abs(turn) > 1e-12:
                left = math.copysign(1.0, turn)  # where the centre lies
                start = before - left * math.pi / 2
                cx = x - cuts[i] * math.cos(before) - left * self.radius * math.sin(before)
                cy = y - cuts[i] * math.sin(before) + left * self.radius * math.cos(before)
                arc = EllipticArc((cx, cy), (self.radius, self.radius), 0.0, start, start + turn)
                chain.append(Curve((self, f"corner {i}"), arc, side))
            (nx, ny), reach = corners[(i + 1) % n][0], cuts[(i + 1) % n]
            c, s = math.cos(behind), math.sin(behind)
            ends = (x + cuts[i] * c, y + cuts[i] * s), (nx - reach * c, ny - reach * s)
            chain.append(Segment((self, f"edge {i}"), *ends, side))
        return tuple(chain)

    @property
    def edges(self) -> tuple[Boundary, ...]:
        """The straight edges."""
        return tuple(self.part(f"edge {i}") for i in range(len(self.vertices)))


def _turn(before: float, behind: float) -> float:
    """Angle in (-π, π] from one direction to the next."""
    return math.pi - (math.pi - (behind - before)) % FULL_TURN


def airfoil(coordinates: Iterable[Sequence[float]], trailing_edge: int | None = None) -> SmoothCurve:
    """Return the airfoil through coordinates in the usual order: from the trailing edge around the nose and back.

    A trailing edge given twice, at the first and the last point, is one sharp corner; two different points are
    joined by a blunt edge with two corners.

    Args:
        coordinates: (n, 2) points, as in a Selig file.
        trailing_edge: number of the corner point if it is not the first.

    Raises:
        ProblemError: see `SmoothCurve`.
    """
    points = [(float(x), float(y)) for x, y in coordinates]
    first = 0 if trailing_edge is None else trailing_edge
    size = max(math.dist(points[0], p) for p in points)
    blunt = trailing_edge is None and math.dist(points[0], points[-1]) > 1e-9 * size
    return SmoothCurve(tuple(points), (0, len(points) - 1) if blunt else (first,))
